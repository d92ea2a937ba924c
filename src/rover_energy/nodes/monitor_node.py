"""The power monitor: does the motors' meter agree with the wheels, is the bus balanced, how is the battery; as diagnostics."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import read_bus
from rover_energy.nodes.settings import MonitorParameters
from rover_energy.telemetry.meters import Comparison, shaft_power

DRIVE = "drive_"


class Monitor(ros.Part):
    """Watches only: whatever it finds, it switches nothing."""

    name, parameters = "power_monitor", MonitorParameters

    def configure(self) -> None:
        self.rover, _ = read_bus(self.settings.folder)
        self.metered: dict[tuple[int, int], float] = {}
        self.shafts: dict[tuple[int, int], float] = {}
        self.power: Any = None
        self.fresh = 0
        self.begin()
        self.send = self.publisher("/diagnostics")
        self.subscribe("power_state", self.on_power)
        self.subscribe("joint_states", self.on_joints)
        self.due = math.nan
        if self.settings.clock == "topic":
            self.subscribe("/clock", self.on_clock)
            return
        clocks = ros.need("rclpy.clock")
        steady = clocks.Clock(clock_type=clocks.ClockType.STEADY_TIME)
        self.timer = self.ros.create_timer(self.settings.period, self.on_timer, clock=steady)

    def begin(self) -> None:
        """A new period."""
        self.comparison = Comparison(offset=self.settings.offset, share=self.settings.share)
        self.unbalanced = self.fresh = 0

    def on_power(self, message: Any) -> None:
        self.power, self.fresh = message, self.fresh + 1
        self.unbalanced += not message.validity & message.BALANCED
        motors = [load.power for load in message.loads if load.name == "drive"]
        self.pair(self.metered, message, motors[0] if motors else float("nan"))

    def on_joints(self, message: Any) -> None:
        joints = zip(message.name, message.effort, message.velocity, strict=False)
        rows = [(effort, speed) for name, effort, speed in joints if name.startswith(DRIVE)]
        torques, speeds = zip(*rows, strict=True) if rows else ((float("nan"),), (0.0,))
        self.pair(self.shafts, message, shaft_power(torques, speeds, self.rover.locomotion.drivetrain_efficiency))

    def pair(self, own: dict[tuple[int, int], float], message: Any, value: float) -> None:
        """Compare what belongs to the same instant, in whatever order it comes."""
        key = message.header.stamp.sec, message.header.stamp.nanosec
        own[key] = value
        if key in self.metered and key in self.shafts:
            self.comparison.add(self.metered.pop(key), self.shafts.pop(key))
        while len(own) > 50:
            del own[next(iter(own))]

    def on_clock(self, message: Any) -> None:
        """Report every period that has ended by now; the first begins with the first time."""
        now, period = ros.seconds(message.clock), self.settings.period
        if not self.due - period - 1e-6 <= now:  # the first, or time has gone back
            self.due = now + period
        while now >= self.due - 1e-6:
            self.report(ros.stamp_of(self.due))
            self.due += period

    def on_timer(self) -> None:
        """Likewise, by real time."""
        self.report(self.ros.get_clock().now().to_msg())

    def report(self, stamp: Any) -> None:
        """Report a period and begin the next."""
        if not self.active:
            return
        array = ros.message_class("diagnostic_msgs/msg/DiagnosticArray")()
        array.header.stamp = stamp
        array.status = [self.bus(), self.battery(), self.motors()]
        self.send(array)
        self.begin()

    def status(self, name: str, level: bytes, text: str, **values: float) -> Any:
        """One line of diagnostics."""
        entry = ros.message_class("diagnostic_msgs/msg/KeyValue")
        made = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")(name=f"power: {name}", message=text, hardware_id="bus")
        made.level, made.values = level, [entry(key=key, value=f"{value:.6g}") for key, value in values.items()]
        return made

    def bus(self) -> Any:
        kind = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")
        if not self.fresh:
            return self.status("bus", kind.STALE, "no power_state")
        if self.unbalanced:
            return self.status("bus", kind.ERROR, "not balanced, or a meter is invalid", times=self.unbalanced, of=self.fresh)
        m = self.power
        return self.status("bus", kind.OK, "balanced", available_power_W=m.available_power, residual_W=m.residual)

    def battery(self) -> Any:
        kind, m = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus"), self.power
        if not (self.fresh and m.validity & m.BATTERY_VALID):
            return self.status("battery", kind.STALE, "not known")
        above = m.battery_energy - m.battery_floor
        level, text = (kind.OK, "above its floor") if above > 0.0 else (kind.WARN, "at its floor or below")
        if m.battery_capacity <= 0.0:
            level, text = kind.OK, "there is none"
        return self.status("battery", level, text, state_of_charge=m.state_of_charge, above_floor_J=above)

    def motors(self) -> Any:
        kind, c = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus"), self.comparison
        if not c.count:
            return self.status("motors", kind.STALE, "meter and joints never came together")
        values = {"meter_less_wheels_W": c.difference, "readings": c.count, "missing": c.missing}
        if c.plausible:
            return self.status("motors", kind.OK, "meter and wheels agree", **values)
        return self.status("motors", kind.ERROR, "the meter reads less than the wheels take", **values)


def main() -> None:
    """Entry point."""
    ros.run(Monitor)


if __name__ == "__main__":
    main()
