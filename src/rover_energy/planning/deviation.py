"""Has reality left the plan? Where the rover is on its plan, and by how much place, time, energy and power differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from rover_energy.parameters import Parameters, parameter
from rover_energy.planning.evaluation import Profile

AHEAD, BEHIND = 4.0, 0.5  # [s] of plan time in which the rover is looked for, from where it was last
STEP = 0.05  # [s] between the samples of the plan
RESTING = 0.02  # [m/s] below which the plan rests and a place has no time of its own


@dataclass(frozen=True)
class DeviationParameters(Parameters):
    """By how much reality may differ from the plan before another is made."""

    distance: float = parameter(0.2, unit="m", minimum=0.01, maximum=10.0, description="across the path")
    lag: float = parameter(5.0, unit="s", minimum=0.1, maximum=3600.0, description="behind the plan, since the plan was made")
    energy: float = parameter(
        2000.0, unit="J", minimum=1.0, maximum=1e9, description="stored energy below the plan's at the same place",
    )  # fmt: skip
    power: float = parameter(
        8.0, unit="W", minimum=0.1, maximum=1e5,
        description="generator and array less constant loads, against the plan's, averaged over `memory`",
    )  # fmt: skip
    memory: float = parameter(2.0, unit="s", minimum=0.02, maximum=600.0, description="over which powers are averaged")


class Kind(Enum):
    """What differs, with its unit."""

    DISTANCE = "m"
    LAG = "s"
    ENERGY = "J"
    POWER = "W"


@dataclass(frozen=True)
class Deviation:
    """The first difference beyond its limit: amount and limit in the unit of its kind."""

    kind: Kind
    amount: float
    limit: float

    def __str__(self) -> str:
        unit = self.kind.value
        return f"{self.kind.name.lower()} {self.amount:.3g} {unit} off the plan, {self.limit:.3g} {unit} are allowed"


@dataclass(frozen=True)
class Observed:
    """The rover at one instant.

    time : [s] since the plan's clock began. x, y : [m], heading : [rad], speed : along the surface [m/s], yaw_rate : [rad/s].
    supply_power : generator and array [W]. constant_power : all loads but motion [W]. motion_power : [W].
    battery_energy : [J].
    """

    time: float
    x: float
    y: float
    heading: float
    speed: float
    yaw_rate: float
    supply_power: float
    constant_power: float
    motion_power: float
    battery_energy: float

    @property
    def known(self) -> bool:
        """Whether every value is a finite number."""
        return all(math.isfinite(value) for value in vars(self).values())


class Comparison:
    """A rover against one plan.

    Parameters
    ----------
    profile : Profile
        Of the plan, from `evaluation.evaluate_plan`.
    began : float
        When the plan begins, by the clock of `Observed.time` [s].
    parameters : DeviationParameters
    use_battery : bool
        Whether the stored energy is the plan's matter.
    """

    def __init__(self, profile: Profile, began: float, parameters: DeviationParameters, *, use_battery: bool) -> None:
        times = np.append(np.arange(0.0, profile.t[-1], STEP), profile.t[-1])
        motion = profile.drive_power + profile.turn_power
        spent = np.concatenate(([0.0], np.cumsum(0.5 * (motion[1:] + motion[:-1]) * np.diff(profile.t))))
        room = profile.rtg_power + profile.pv_power - profile.base_power - profile.inference_power
        columns = (profile.x, profile.y, profile.speed, profile.battery_energy, room, spent, profile.pv_power)
        self.times = times
        found = (np.interp(times, profile.t, column) for column in columns)
        self.x, self.y, self.speed, self.stored, self.room, self.spent, self.array = found
        self.began, self.parameters, self.use_battery = began, parameters, use_battery
        self.place = 0  # sample at which the rover is
        self.across = 0.0  # [m]
        self._room = math.nan  # measured less planned, averaged [W]
        self._time = -math.inf

    @property
    def plan_time(self) -> float:
        """Time of the plan at which the rover is [s]."""
        return float(self.times[self.place])

    @property
    def left(self) -> float:
        """Time that is left of the plan [s]."""
        return float(self.times[-1]) - self.plan_time

    def locate(self, o: Observed) -> None:
        """Find the nearest place of the plan not far from the last; at rest in the plan, time alone tells where it is."""
        first = max(0, self.place - round(BEHIND / STEP))
        unseen = max(0.0, o.time - max(self._time, self.began))  # it may have driven on while nobody looked
        last = min(self.times.size, self.place + round((AHEAD + unseen) / STEP) + 1)
        gaps = np.hypot(self.x[first:last] - o.x, self.y[first:last] - o.y)
        nearest = first + int(np.argmin(gaps))
        if self.speed[nearest] < RESTING and o.speed < RESTING:
            due = int(np.clip((o.time - self.began) / STEP, first, last - 1))
            nearest = max(nearest, due) if self.speed[due] < RESTING else nearest
        self.place, self.across = nearest, float(gaps[nearest - first])

    def judge(self, o: Observed) -> Deviation | None:
        """The first deviation beyond its limit; NaN is none, as whoever drives stops for it."""
        if not o.known or o.time < self._time:
            return None
        self.locate(o)
        self._average(o)
        p = self.parameters
        lag = o.time - self.began - self.plan_time
        lack = self.stored[self.place] - o.battery_energy if self.use_battery else 0.0
        for kind, amount, limit in (
            (Kind.DISTANCE, self.across, p.distance), (Kind.POWER, abs(self._room), p.power), (Kind.LAG, lag, p.lag),
            (Kind.ENERGY, float(lack), p.energy),
        ):  # fmt: skip
            if amount > limit:
                return Deviation(kind, amount, limit)
        return None

    def _average(self, o: Observed) -> None:
        departure = o.supply_power - o.constant_power - float(self.room[self.place])
        passed = o.time - self._time
        if not math.isfinite(self._room):
            self._room = 0.0
        elif math.isfinite(passed):
            self._room += min(1.0, passed / self.parameters.memory) * (departure - self._room)
        self._time = o.time
