"""The battery linter: what is wrong with battery_state goes to diagnostics, and a repaired stream to battery_normalised."""

from __future__ import annotations

from collections import deque
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.settings import BatteryLintParameters
from rover_energy.telemetry.battery_lint import ERROR, Finding, LintLimits, lint
from rover_energy.telemetry.battery_normaliser import Repair, normalise
from rover_energy.telemetry.battery_series import SCALARS, BatterySeries, series_of
from rover_energy.telemetry.battery_units import Interpretation, interpret


class BatteryLint(ros.Part):
    """Judges the latest messages together; passes none on before it has seen enough of them to know how they are written."""

    name, parameters = "battery_lint", BatteryLintParameters

    def configure(self) -> None:
        self.limits = LintLimits(age=self.settings.age)
        self.latest: deque[tuple[float, Any]] = deque(maxlen=self.settings.window)
        self.fresh = 0
        self.reading: Interpretation | None = None
        self.repairs: dict[str, Repair] = {}
        self.say = self.publisher("/diagnostics")
        self.send = self.publisher("battery_normalised")
        self.subscribe("battery_state", self.on_battery)
        clocks = ros.need("rclpy.clock")
        steady = clocks.Clock(clock_type=clocks.ClockType.STEADY_TIME)
        self.timer = self.ros.create_timer(self.settings.period, self.on_timer, clock=steady)

    def on_battery(self, message: Any) -> None:
        """Keep it, and pass it on as it should have been."""
        if not self.active:
            return
        arrived = 1e-9 * self.ros.get_clock().now().nanoseconds
        self.latest.append((arrived, message))
        self.fresh += 1
        if len(self.latest) < self.settings.least:
            return
        if self.reading is None:
            self.reading = interpret(series_of(self.latest), self.limits.plausible)
        repaired, repairs = normalise(series_of([(arrived, message)]), self.limits, self.reading)
        self.repairs.update({repair.field: repair for repair in repairs})
        self.send(repaired_message(message, repaired))

    def on_timer(self) -> None:
        """Judge the window, renew how it is read, report."""
        if not self.active:
            return
        kind = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")
        array = ros.message_class("diagnostic_msgs/msg/DiagnosticArray")()
        array.header.stamp = self.ros.get_clock().now().to_msg()
        if not self.fresh:
            array.status = [self.status(kind.STALE, "no battery_state")]
        else:
            series = series_of(self.latest)
            if len(self.latest) >= self.settings.least:
                self.reading = interpret(series, self.limits.plausible)
            array.status = [self.judged(kind, lint(series, self.limits))]
        self.say(array)
        self.fresh, self.repairs = 0, {}

    def judged(self, kind: Any, findings: list[Finding]) -> Any:
        """One line of diagnostics with every finding and repair."""
        errors = sum(finding.severity == ERROR for finding in findings)
        level = kind.ERROR if errors else (kind.WARN if findings else kind.OK)
        text = f"{errors} errors, {len(findings) - errors} warnings" if findings else "as its definition asks"
        values = {f"{finding.code} {finding.field}": str(finding) for finding in findings}
        values |= {f"repaired {name}": str(repair) for name, repair in self.repairs.items()}
        return self.status(level, text, values)

    def status(self, level: bytes, text: str, values: dict[str, str] | None = None) -> Any:
        """A DiagnosticStatus."""
        entry = ros.message_class("diagnostic_msgs/msg/KeyValue")
        made = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")(
            name="battery: stream", message=text, hardware_id="battery"
        )
        made.level, made.values = level, [entry(key=key, value=value) for key, value in (values or {}).items()]
        return made


def repaired_message(message: Any, series: BatterySeries) -> Any:
    """The message with the values of a series of one."""
    made = ros.message_class("sensor_msgs/msg/BatteryState")()
    made.header.frame_id = message.header.frame_id
    made.header.stamp = ros.stamp_of(float(series.stamp[0]))
    for name in SCALARS:
        setattr(made, name, float(series.values[name][0]))
    for name in ("power_supply_status", "power_supply_health", "power_supply_technology", "present", "location", "serial_number"):
        setattr(made, name, getattr(message, name))
    made.cell_voltage = [float(value) for value in series.cell_voltage[0]]
    made.cell_temperature = [float(value) for value in series.cell_temperature[0]]
    return made


def main() -> None:
    """Entry point."""
    ros.run(BatteryLint)


if __name__ == "__main__":
    main()
