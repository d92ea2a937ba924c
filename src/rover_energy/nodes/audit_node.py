"""The auditor: the audit of a drive by whoever listens, as the drive node does it for itself. Runs in a replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.drive_messages import compliance_message, sample_audit
from rover_energy.nodes.settings import NodeParameters
from rover_energy.parameters import parameter
from rover_energy.telemetry.audit import Audit

RECORDED = "recorded/compliance"  # what the drive node said of the same drive


@dataclass(frozen=True)
class AuditorParameters(NodeParameters):
    """The auditor."""

    longest: float = parameter(
        0.03, unit="s", minimum=1e-3, maximum=60.0,
        description="most time between two windows of power_state; in a longer one windows are missing",
    )  # fmt: skip


class Auditor(ros.Part):
    """Judges from the trajectory on, or from the first window when there is none, until the drive node has given its verdict."""

    name, parameters = "auditor", AuditorParameters

    def configure(self) -> None:
        self.audit = Audit(longest=self.settings.longest)
        self.plan_id, self.header, self.done = "", None, False
        self.send = self.publisher("compliance")
        self.subscribe("power_state", self.on_power)
        self.subscribe("trajectory", self.on_trajectory)
        kind = ros.message_class("rover_energy_interfaces/msg/ComplianceReport")
        self.ros.create_subscription(kind, RECORDED, lambda _: self.finish(), ros.quality("latched"))

    def on_trajectory(self, message: Any) -> None:
        """A drive begins; what was before it is not part of it."""
        self.audit, self.plan_id, self.done = Audit(longest=self.settings.longest), message.plan_id, False

    def on_power(self, message: Any) -> None:
        """One window."""
        if self.active and not self.done:
            self.header = message.header
            sample_audit(self.audit, message)

    def finish(self) -> None:
        """The drive is over: say how it was, once."""
        if self.active and not self.done and self.header is not None:
            self.done = True
            self.send(compliance_message(self.audit, self.header, self.plan_id))


def main() -> None:
    """Entry point."""
    ros.run(Auditor)


if __name__ == "__main__":
    main()
