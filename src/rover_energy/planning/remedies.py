"""What would help a drive that cannot keep its limits, and how much of it: found by trying drives along the searched path."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from rover_energy.errors import InputError
from rover_energy.planning.energy_timing import slow_for_energy, violated
from rover_energy.planning.path import Path
from rover_energy.planning.retiming import Timing, TimingError
from rover_energy.planning.waiting import after_waiting
from rover_energy.planning.world import World
from rover_energy.power.battery import usable_capacity

COARSE = 0.05  # [m] between the stations of drives that only say whether a remedy helps
HALVINGS = 7  # of the interval in which the least amount of a remedy lies
LEAST_SHARE = 1e-4  # of the largest amount, from which on amounts are tried; their ratio is halved, to some 8 %
WAITS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # tried, as shares of the longest wait
LONGEST_WAIT = 86400.0  # [s]


class Help(Enum):
    """Kinds of remedy, each with the unit of its amount."""

    START_LATER = "s"
    SHED_LOAD = "W"
    MORE_CHARGE = "J"
    ALLOW_TIME = "s later"
    OTHER_GOAL = ""


@dataclass(frozen=True)
class Remedy:
    """What would help, and how much of it: [s], [W] or [J] by its kind, NaN where the amount is not known."""

    kind: Help
    amount: float = math.nan

    def __str__(self) -> str:
        shown = {
            Help.START_LATER: f"start {self.amount / 60.0:.3g} min later", Help.SHED_LOAD: f"shed {self.amount:.3g} W",
            Help.MORE_CHARGE: f"bring {self.amount / 3600.0:.3g} Wh more", Help.OTHER_GOAL: "choose another goal",
            Help.ALLOW_TIME: f"allow {self.amount:.3g} s more",
        }  # fmt: skip
        return shown[self.kind]


def full(world: World) -> float:
    """Stored energy at the start by the mission [J]."""
    return world.mission.state_of_charge * usable_capacity(world.rover.battery)


class Advice:
    """Looks for the least change that lets some drive along the path keep every limit."""

    def __init__(self, path: Path, world: World, start: Sequence[float], until: float) -> None:
        self.path, self.world, self.start, self.until = path, world, start, until

    def remedies(self, binding: str) -> tuple[Remedy, ...]:
        """Those that help, best first."""
        tried: dict[str, tuple[Callable[[], Remedy | None], ...]] = {
            "deadline": (self._time, self._shed), "energy_budget": (self._shed,), "power": (self._shed, self._later),
        }  # fmt: skip
        found = [remedy() for remedy in tried.get(binding, (self._later, self._shed, self._charge))]
        return (*(remedy for remedy in found if remedy is not None), Remedy(Help.OTHER_GOAL))

    def _works(self, world: World) -> Timing | None:
        """A drive that keeps every limit in another world."""
        where = (self.path, world.surface, world.environment, world.rover, world.mission)
        try:
            timing = slow_for_energy(*where, grid=COARSE)
        except (TimingError, InputError):
            return None
        return None if violated(timing, world.mission) else timing

    def _least(self, most: float, changed: Callable[[float], World]) -> float | None:
        """Least amount up to `most` that helps, within a few per cent; None when not even that does."""
        if not most > 0.0 or self._works(changed(most)) is None:
            return None
        low, high = LEAST_SHARE * most, most
        for _ in range(HALVINGS):
            if time.monotonic() > self.until:
                break
            centre = math.sqrt(low * high)
            low, high = (low, centre) if self._works(changed(centre)) is not None else (centre, high)
        return high

    def _shed(self) -> Remedy | None:
        loads = self.world.rover.loads
        most = self._least(loads.base_power + loads.inference_power, self._with_less)
        return None if most is None else Remedy(Help.SHED_LOAD, most)

    def _with_less(self, watts: float) -> World:
        loads = self.world.rover.loads
        inference = max(0.0, loads.inference_power - watts)
        base = max(0.0, loads.base_power - max(0.0, watts - loads.inference_power))
        loads = replace(loads, base_power=base, inference_power=inference)
        return self.world.with_rover(replace(self.world.rover, loads=loads))

    def _charge(self) -> Remedy | None:
        capacity = usable_capacity(self.world.rover.battery)
        stored = full(self.world)

        def changed(energy: float) -> World:
            charge = min(1.0, (stored + energy) / capacity)
            return self.world.with_mission(replace(self.world.mission, state_of_charge=charge))

        least = self._least(capacity - stored, changed) if capacity > 0.0 else None
        return None if least is None else Remedy(Help.MORE_CHARGE, least)

    def _time(self) -> Remedy | None:
        timing = self._works(self.world.with_mission(replace(self.world.mission, deadline=None)))
        deadline = self.world.mission.deadline
        return None if timing is None or deadline is None else Remedy(Help.ALLOW_TIME, timing.duration - deadline)

    def _later(self) -> Remedy | None:
        times = self.world.environment.times
        end = float(times[-1]) if times.size > 1 else min(self.world.mission.horizon, LONGEST_WAIT)
        shorter = 0.0
        for share in WAITS:
            if time.monotonic() > self.until:
                return None
            if self._works(after_waiting(self.world, self.start, share * end)) is not None:
                return Remedy(Help.START_LATER, self._earliest(shorter, share * end))
            shorter = share * end
        return None

    def _earliest(self, low: float, high: float) -> float:
        for _ in range(HALVINGS):
            if time.monotonic() > self.until:
                break
            centre = 0.5 * (low + high)
            works = self._works(after_waiting(self.world, self.start, centre)) is not None
            low, high = (low, centre) if works else (centre, high)
        return high
