"""The energy accountant as a node: every receipt against every grant, as diagnostics and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.inference.accountant import Accountant
from rover_energy.nodes import ros
from rover_energy.nodes.grant_messages import grant_of, receipt_of
from rover_energy.nodes.inference_settings import AccountantParameters, floor_of


class EnergyAccountant(ros.Part):
    """Watches only."""

    name, parameters = "energy_accountant", AccountantParameters

    def configure(self) -> None:
        self.account = Accountant(floor_of(self.settings))
        self.unreadable = 0
        self.send = self.publisher("/diagnostics")
        self.subscribe("inference_grant", self.on_grant)
        self.subscribe("inference_receipt", self.on_receipt, depth=100)
        self.subscribe("inference_run", self.on_run, depth=100)
        clocks = ros.need("rclpy.clock")
        steady = clocks.Clock(clock_type=clocks.ClockType.STEADY_TIME)
        self.timer = self.ros.create_timer(self.settings.period, self.on_timer, clock=steady)

    def on_grant(self, message: Any) -> None:
        try:
            self.account.on_grant(grant_of(message))
        except InputError:
            self.unreadable += 1

    def on_run(self, message: Any) -> None:
        if message.enabled:
            self.account.on_run(message.name, ros.seconds(message.header.stamp), message.power_limit)

    def on_receipt(self, message: Any) -> None:
        self.account.on_receipt(receipt_of(message))

    def on_timer(self) -> None:
        """Report."""
        if self.active:
            array = ros.message_class("diagnostic_msgs/msg/DiagnosticArray")()
            array.header.stamp = self.ros.get_clock().now().to_msg()
            array.status = [self.status()]
            self.send(array)

    def status(self) -> Any:
        """One line of diagnostics: more taken than granted is an error, unmetered runs or unreadable grants are a warning."""
        kind = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")
        entry = ros.message_class("diagnostic_msgs/msg/KeyValue")
        violations, total = self.account.violations(), self.account.total
        level, text = kind.OK, "within its grants"
        if total.unmetered or self.unreadable:
            level, text = kind.WARN, "something was unmetered, or a grant could not be read"
        if violations:
            worst = violations[-1]
            level, text = kind.ERROR, f"{worst.kind} {worst.taken:.6g} above {worst.allowed:.6g} at {worst.time:.2f} s"
        values = {
            "known_J": total.known, "unmetered_runs": total.unmetered, "violations": len(violations),
            "receipts_twice": self.account.twice, "unreadable_grants": self.unreadable,
            **{f"{p.name.lower()}_J": joules for p, joules in total.joules.items()},
        }  # fmt: skip
        made = kind(name="inference: energy", message=text, hardware_id="bus")
        made.level, made.values = level, [entry(key=key, value=f"{value:.6g}") for key, value in values.items()]
        return made

    def deactivate(self) -> None:
        """Write the account."""
        if getattr(self.settings, "ledger", "") and hasattr(self, "account"):
            from rover_energy.inference.accountant import plain

            Path(self.settings.ledger).write_text(json.dumps(plain(self.account.to_mapping()), indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Entry point."""
    ros.run(EnergyAccountant)


if __name__ == "__main__":
    main()
