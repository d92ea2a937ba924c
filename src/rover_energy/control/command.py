"""What the controller asks of the motors, what it reads from the rover, and why it stops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Command:
    """Set points for the motor drivers; held until the next command.

    speed : forward along the surface [m/s]. yaw_rate : about body z [rad/s]. acceleration, yaw_acceleration : rates at which
    the drivers ramp their set points towards these, 0 or more [m/s2, rad/s2]; infinite: at once. power_cap : most power that
    the drivers of wheels and steering together take from the bus [W]; they limit their currents to it by themselves.
    slip : expected, by which the rims of the wheels must be faster than `speed` [-].
    """

    speed: float
    yaw_rate: float
    acceleration: float = math.inf
    yaw_acceleration: float = math.inf
    power_cap: float = math.inf
    slip: float = 0.0

    @property
    def rim_speed(self) -> float:
        """Speed of the wheels' rims that moves the rover at `speed` [m/s]."""
        return self.speed / (1.0 - self.slip)


STOP = Command(0.0, 0.0)


@dataclass(frozen=True)
class Measurement:
    """Everything the controller reads in one period, in SI units.

    time : now [s]. pose_time, power_time, battery_time : when pose and speed, powers and battery were measured [s].
    x, y, heading : map frame [m, rad]. speed : forward along the surface [m/s]. yaw_rate : about body z [rad/s].
    wheel_speed : mean speed of the wheels' rims [m/s], NaN where it is not metered. motion_power : of drive and steering at the
    bus, mean since the last measurement [W]. constant_power : all other loads [W]. supply_power : generator and array [W].
    battery_limit : what the battery may add now [W]. battery_energy : stored [J]. battery_power : out of the battery, negative
    while charging [W], NaN where it is not metered.
    """

    time: float
    pose_time: float
    power_time: float
    battery_time: float
    x: float
    y: float
    heading: float
    speed: float
    yaw_rate: float
    wheel_speed: float
    motion_power: float
    constant_power: float
    supply_power: float
    battery_limit: float
    battery_energy: float
    roll: float = 0.0
    pitch: float = 0.0
    battery_power: float = math.nan


class StopReason(Enum):
    """Why the rover stands still on purpose. The values are texts for people."""

    GOAL = "the goal is reached"
    INVALID = "a measurement is not a finite number or out of range"
    STALE = "a measurement is too old"
    FROZEN = "a measurement does not change though it should"
    OFF_TRACK = "the rover is too far from its path"
    OFF_MAP = "the rover is outside the map"
    TILT = "the body leans more than is allowed"
    POWER = "the supply leaves too little power to drive on"
    ENERGY = "the battery would fall below its floor before the goal"
    STUCK = "the rover does not advance"
    TIMEOUT = "the drive takes longer than allowed"
    GRAPH = "a node that the drive needs is not there"


@dataclass(frozen=True)
class Stop:
    """A stop: its reason, when it was decided [s], what was seen, and whether that was seen on the map before the drive."""

    reason: StopReason
    time: float
    detail: str
    foreseen: bool = False

    @property
    def safe(self) -> bool:
        """True for every stop but the arrival."""
        return self.reason is not StopReason.GOAL

    def __str__(self) -> str:
        return f"{self.reason.name} at {self.time:.2f} s: {self.reason.value} ({self.detail})"
