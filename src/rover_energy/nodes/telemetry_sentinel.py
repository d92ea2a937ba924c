"""The telemetry sentinel as a node: rows from the bus and the wheels, judged once a period as deeply as the bus affords."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.inference.sentinel import TASK, Reading, read_sentinel
from rover_energy.inference.store import read_store
from rover_energy.inference.telemetry_rows import RowMaker, reference_power
from rover_energy.nodes import ros
from rover_energy.nodes.inference_settings import SentinelParameters
from rover_energy.nodes.plan_folder import read_bus
from rover_energy.nodes.spender import Permit, Spender, Spent

DRIVE = "drive_"
MOTORS = ("drive", "turn")


class TelemetrySentinel(ros.Part):
    """Thin over `inference.sentinel`; it watches only."""

    name, parameters = "telemetry_sentinel", SentinelParameters

    def configure(self) -> None:
        p = self.settings
        if not p.store:
            raise InputError(self.name, "store", "is empty", "make one: rover-energy infer build --out DIR")
        variants = read_store(Path(p.store)).of_task(TASK)
        self.variants = {v.name: v for v in variants}
        self.sentinel = read_sentinel(Path(p.store).parent / variants[0].artefact)
        if p.threshold > 0.0:
            own = np.full_like(self.sentinel.thresholds, p.threshold)
            self.sentinel = replace(self.sentinel, thresholds=own, false_alarm=math.nan)
        rover, _ = read_bus(p.folder)
        self.radius = 0.5 * rover.locomotion.resistance.wheel.diameter
        self.rows = RowMaker(p.period, reference_power(rover.loads.base_power), rover.limits.speed)
        self.reading: Reading | None = None
        self.judged = self.anomalies = self.refusals = 0
        self.refusal = ""
        self.spender = Spender(self, TASK)
        self.send = {name: self.publisher(name) for name in ("telemetry_anomaly", "/diagnostics")}
        self.subscribe("power_state", self.on_power)
        self.subscribe("joint_states", self.on_joints)
        self.timer = self.every(p.report, self.on_timer)

    def deactivate(self) -> None:
        if hasattr(self, "spender"):
            self.spender.close()

    def on_joints(self, message: Any) -> None:
        names = zip(message.name, message.velocity, strict=False)
        self.rows.add_wheels(speed * self.radius for name, speed in names if name.startswith(DRIVE))

    def on_power(self, message: Any) -> None:
        """A measurement; what the bus does not vouch for is NaN, and NaN has no score."""
        m, nan = message, math.nan
        loads = {load.name: load.power for load in m.loads} if m.validity & m.LOADS_VALID else {}
        motors = math.fsum(loads.get(name, 0.0) for name in MOTORS) if loads else nan
        generation = m.rtg_power + m.pv_power if m.validity & m.RTG_VALID and m.validity & m.PV_VALID else nan
        surplus = generation - math.fsum(loads.values()) - m.shunt_power if loads else nan
        stored = m.battery_energy if m.validity & m.BATTERY_VALID else nan
        time = ros.seconds(m.header.stamp)
        if self.rows.add_power(time, motors, generation, surplus, stored) and self.rows.full and self.active:
            self.ask(time)

    def ask(self, end: float) -> None:
        """Judge the last stretch, once a period; one whose answer is late is left out."""
        if self.spender.busy:
            return
        stretch = self.rows.stretch
        begin = end - len(stretch) * self.settings.period
        self.spender.ask(
            amount=1.0, patience=self.settings.period, run=lambda permit: self.run(permit, stretch, begin, end),
            refused=self.refused,
        )  # fmt: skip

    def refused(self, code: str, text: str) -> None:
        """No answer this time."""
        self.refusals += 1
        self.refusal = f"{code}: {text}"

    def run(self, permit: Permit, stretch: Any, begin: float, end: float) -> Spent:
        """In the Spender's thread."""
        variant = self.variants[permit.variant]
        reading = self.sentinel.judge(stretch, variant.tier)
        return Spent(
            quality=variant.quality, operations=variant.operations, quoted=variant.energy,
            then=lambda: self.publish(permit, reading, begin, end),
        )  # fmt: skip

    def publish(self, permit: Permit, reading: Reading, begin: float, end: float) -> None:
        """The reading of a stretch."""
        self.reading, self.judged, self.anomalies = reading, self.judged + 1, self.anomalies + reading.anomaly
        message = ros.message_class("rover_energy_interfaces/msg/TelemetryAnomaly")(
            begin=ros.stamp_of(begin), score=reading.score, threshold=reading.threshold, anomaly=reading.anomaly,
            channel=reading.channel, depth=reading.depth, variant=permit.variant, request_id=permit.request_id,
        )  # fmt: skip
        message.header.stamp = ros.stamp_of(end)
        self.send["telemetry_anomaly"](message)

    def on_timer(self) -> None:
        """Diagnostics, by real time."""
        if self.active:
            array = ros.message_class("diagnostic_msgs/msg/DiagnosticArray")()
            array.header.stamp = self.ros.get_clock().now().to_msg()
            array.status = [self.status()]
            self.send["/diagnostics"](array)
            self.judged = self.anomalies = self.refusals = 0

    def status(self) -> Any:
        """Of the time since the last report: no reading is stale, an anomaly is a warning."""
        kind = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")
        entry = ros.message_class("diagnostic_msgs/msg/KeyValue")
        level, text = kind.OK, "as usual"
        if not self.judged:
            level, text = kind.STALE, f"not judged: {self.refusal}" if self.refusals else "no whole stretch of telemetry"
        elif self.anomalies:
            assert self.reading is not None
            unknown = math.isnan(self.reading.score)
            level, text = kind.WARN, f"{'a value is missing' if unknown else 'unusual'}: {self.reading.channel}"
        values = {"judged": self.judged, "anomalies": self.anomalies, "refused": self.refusals,
                  "false_alarm_rate": self.sentinel.false_alarm}  # fmt: skip
        if self.reading is not None:
            values |= {"score": self.reading.score, "threshold": self.reading.threshold, "energy": self.reading.energy}
        made = kind(name="telemetry: sentinel", message=text, hardware_id="bus")
        made.level, made.values = level, [entry(key=key, value=f"{value:.6g}") for key, value in values.items()]
        return made


def main() -> None:
    """Entry point."""
    ros.run(TelemetrySentinel)


if __name__ == "__main__":
    main()
