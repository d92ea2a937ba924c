"""Trust in measurements: what is missing, old, frozen or out of range stops the rover, with a reason."""

from __future__ import annotations

import math

from rover_energy.control.command import Measurement, Stop, StopReason
from rover_energy.control.settings import WatchParameters

MOVING = 0.03  # [m/s]; a pose that stays the same to the last bit at this speed is not a measurement
FIELDS = (
    "time", "pose_time", "power_time", "battery_time", "x", "y", "heading", "speed", "yaw_rate", "motion_power",
    "constant_power", "supply_power", "battery_limit", "battery_energy", "roll", "pitch",
)  # fmt: skip
NOT_NEGATIVE = ("constant_power", "supply_power", "battery_limit", "battery_energy")
METER_OFFSET = 5.0  # [W] by which a meter may read below zero
LARGEST_SPEED = 5.0  # [m/s]
LEANING = 0.3  # [s] for which a wheel that drops off a stone may lean the body too far
OVERTURNING = 0.9  # [rad] of lean that stops at once
SAME = 0.5  # of the age allowed: one period and a little, for which a value that must change may be the same to the last bit
COARSEST, FINEST = 1.0, 0.01  # [J] resolution of the battery's gauge: until it has shown its own, and the least believed
ROUNDING = 1e-3  # [J] of differences between readings
METER_ERROR = 1.0  # [W] of the powers' balance
STEPS = 2.0  # of the gauge, which must have gone through the battery while it stood still


class Watch:
    """Checks each measurement; remembers what does not change."""

    def __init__(self, parameters: WatchParameters, *, tilt: float) -> None:
        self.parameters, self.tilt, self.same = parameters, tilt * parameters.tilt, SAME * parameters.stale
        self._pose: tuple[float, ...] = ()
        self._pose_since = 0.0
        self._energy, self._owed, self._energy_since = math.nan, 0.0, 0.0
        self._battery_time, self._change, self._resolution = math.nan, math.nan, COARSEST
        self._upright = -math.inf

    def check(self, measurement: Measurement, now: float) -> Stop | None:
        """The reason to stop at the time `now` [s], or None."""
        found = self._invalid(measurement) or self._stale(measurement, now) or self._leaning(measurement)
        if found is None:
            found = self._frozen_pose(measurement) or self._frozen_battery(measurement)
        return None if found is None else Stop(found[0], now, found[1])

    def _invalid(self, m: Measurement) -> tuple[StopReason, str] | None:
        for name in FIELDS:
            value = getattr(m, name)
            if not math.isfinite(value):
                return StopReason.INVALID, f"{name} is {value}"
        for name in NOT_NEGATIVE:
            if not getattr(m, name) >= 0.0:
                return StopReason.INVALID, f"{name} is {getattr(m, name):.6g}, below 0"
        if not m.motion_power >= -METER_OFFSET:
            return StopReason.INVALID, f"motion_power is {m.motion_power:.6g} W"
        if not abs(m.speed) <= LARGEST_SPEED:
            return StopReason.INVALID, f"speed is {m.speed:.6g} m/s"
        return None

    def _stale(self, m: Measurement, now: float) -> tuple[StopReason, str] | None:
        for name in ("pose_time", "power_time", "battery_time"):
            age = now - getattr(m, name)
            if not -self.parameters.stale <= age <= self.parameters.stale + 1e-9:
                return StopReason.STALE, f"{name} is {age:.3f} s old, {self.parameters.stale:g} s are allowed"
        return None

    def _leaning(self, m: Measurement) -> tuple[StopReason, str] | None:
        lean = math.acos(min(1.0, max(-1.0, math.cos(m.roll) * math.cos(m.pitch))))
        if lean <= self.tilt:
            self._upright = m.time
        if m.time - self._upright < LEANING and lean <= OVERTURNING:
            return None
        return StopReason.TILT, f"{lean:.3f} rad, {self.tilt:.3f} are allowed"

    def _frozen_pose(self, m: Measurement) -> tuple[StopReason, str] | None:
        """A pose that new messages repeat although the rover moves. By their own stamps: an old message is stale, not frozen."""
        pose = (m.x, m.y, m.heading)
        if pose != self._pose or abs(m.speed) < MOVING:
            self._pose, self._pose_since = pose, m.pose_time
        still = m.pose_time - self._pose_since
        if still < self.same - 1e-9:
            return None
        return StopReason.FROZEN, f"the pose for {still:.3f} s at {m.speed:.3f} m/s"

    def _frozen_battery(self, m: Measurement) -> tuple[StopReason, str] | None:
        """A gauge that new messages repeat although more than its resolution has gone through the battery by other meters.

        While nothing flows, a gauge that stands is right, and one that is broken cannot be told from it.
        """
        seconds, self._battery_time = m.battery_time - self._battery_time, m.battery_time
        if m.battery_energy != self._energy or not seconds >= 0.0:
            self._learn(m.battery_energy - self._energy)
            self._energy, self._owed, self._energy_since = m.battery_energy, 0.0, m.battery_time
            return None
        self._owed += _battery_flow(m) * seconds
        still = m.battery_time - self._energy_since
        if still < self.same - 1e-9 or self._owed < STEPS * self._resolution:
            return None
        return StopReason.FROZEN, f"the battery's energy for {still:.3f} s while {self._owed:.2f} J went through it"

    def _learn(self, change: float) -> None:
        """The gauge's resolution: its changes are multiples of it, and so are the differences between them [J]."""
        for step in (abs(change), abs(change - self._change)):
            if step > ROUNDING:  # NaN at the first reading is not
                self._resolution = min(self._resolution, max(FINEST, step))
        self._change = change


def _battery_flow(m: Measurement) -> float:
    """What surely goes into or out of the battery [W].

    Loads beyond the supply come out of it, as nowhere else; a surplus may be shunted, so charging counts as far as it is metered.
    """
    deficit = m.constant_power + max(0.0, m.motion_power) - m.supply_power if m.battery_limit > 0.0 else 0.0
    metered = abs(m.battery_power) if math.isfinite(m.battery_power) else 0.0
    return max(0.0, max(deficit, metered) - METER_ERROR)
