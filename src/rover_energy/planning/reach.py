"""Can the rover get there from here on what it has: yes, no or unknown, with the margin, its worst instant, and what helps.

YES rests on a certified plan, NO on a bound that holds for every path; everything else is UNKNOWN. Without a plan the
figures and the remedies are those of drives along the searched path (`energy_timing`): exact for that path, but not certified.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import resistance_force
from rover_energy.planning.energy_timing import slow_for_energy, violated
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.front_end import find_path
from rover_energy.planning.path import Path
from rover_energy.planning.planner import PlannedTraverse, grid_for, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.retiming import Timing, TimingError, retime
from rover_energy.planning.search import SearchFailure
from rover_energy.planning.solver import Solver
from rover_energy.planning.waiting import after_waiting
from rover_energy.planning.world import World
from rover_energy.power.battery import floor_energy, usable_capacity
from rover_energy.power.pv import array_gain
from rover_energy.power.rtg import rtg_power

COARSE = 0.05  # [m] between the stations of drives that only say whether a remedy helps
HALVINGS = 7  # of the interval in which the least amount of a remedy lies
LEAST_SHARE = 1e-4  # of the largest amount, from which on amounts are tried; their ratio is halved, to some 8 %
WAITS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # tried, as shares of the longest wait
LONGEST_WAIT = 86400.0  # [s]
IMPOSSIBLE = ("start_blocked", "goal_blocked")  # reasons of a refusal that hold for every path


class Verdict(Enum):
    """YES: a certified plan exists. NO: a bound shows that none can. UNKNOWN: neither; to be read as NO."""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


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


@dataclass(frozen=True, eq=False)
class Reach:
    """The answer. Energies [J], times [s] after departure; NaN where nothing is known.

    margin, margin_time : least stored energy above floor and reserve on the way, and when. arrival_margin : the same at the
    goal. duration, energy : of the drive, and consumed by all loads on it. energy_bound : that no drive can stay below.
    binding : name of the limit that decides, "" for YES. certified : the figures are those of `plan`; otherwise of the fastest
    drive along the searched path. remedies : best first. text : the reason of the refusal, "" for YES.
    """

    verdict: Verdict
    margin: float = math.nan
    margin_time: float = math.nan
    arrival_margin: float = math.nan
    duration: float = math.nan
    energy: float = math.nan
    energy_bound: float = math.nan
    binding: str = ""
    remedies: tuple[Remedy, ...] = ()
    text: str = ""
    plan: PlannedTraverse | None = None

    @classmethod
    def nothing(cls) -> Reach:
        """Nothing is known yet."""
        return cls(Verdict.UNKNOWN)

    @property
    def certified(self) -> bool:
        """Whether the figures are those of a certified plan."""
        return self.plan is not None

    @property
    def margin_wh(self) -> float:
        """Least margin [Wh]."""
        return self.margin / 3600.0

    @property
    def binding_minute(self) -> float:
        """Minute after departure in which the margin is least."""
        return self.margin_time / 60.0


def can_reach(
    world: World, start: Sequence[float], goal: Sequence[float], *, reserve: float = 0.0, solver: Solver, seconds: float = 0.9,
) -> Reach:  # fmt: skip
    """Whether the rover, at rest at `start`, can reach `goal` with `reserve` left above the battery's floor on arrival.

    Parameters
    ----------
    world : World
        With the charge and the limits of now in its mission.
    start, goal : (3,) sequences
        x [m], y [m], heading [rad]; a goal heading of NaN is the bearing from the start.
    reserve : float
        [J], 0 or more.
    solver : Solver
        A warm one; see `worker.SolverProcess`.
    seconds : float
        Most time for the answer [s]. Search and certificate are not interrupted; remedies are left out when time is short.

    Returns
    -------
    Reach

    Raises
    ------
    InputError
        A pose or the reserve is not usable.
    """
    return _Question(world, start, goal, reserve, solver, time.monotonic() + seconds).answer()


@dataclass(frozen=True)
class Bound:
    """What every drive from here to there needs at least: time [s], work of driving [J], energy of all loads [J]."""

    duration: float
    work: float
    energy: float
    impossible: str


def bound_of_any_path(world: World, start: Sequence[float], goal: Sequence[float], *, reserve: float = 0.0) -> Bound:
    """Bounds that hold for every path: the straight line at the greatest speed, the least resistance, the climb.

    With F = m a + m g sin(phi) + F_res, no regeneration and slip >= 0, driving costs at least
    (m g dh + min(F_res) L)/efficiency with L the straight distance in space; generator and the array square to the Sun
    bring at most S. So U + (S - c) T >= work must hold for the usable store U and constant load c.
    `impossible` names the limit that these break, "" where they break none.
    """
    rover, mission, scene = world.rover, world.mission, world.environment
    rise = float(world.surface.height(goal[0], goal[1]) - world.surface.height(start[0], start[1]))
    length = math.hypot(math.dist(start[:2], goal[:2]), rise if math.isfinite(rise) else 0.0)
    lean = np.linspace(0.0, rover.limits.tilt, 30)
    drag = float(np.min(resistance_force(rover.locomotion, speed=0.0, tilt=lean, gravity=scene.gravity)))
    climb = rover.locomotion.mass * scene.gravity * (rise if math.isfinite(rise) else -length)
    work = max(0.0, climb + drag * length) / rover.locomotion.drivetrain_efficiency
    duration, load = length / rover.limits.speed, rover.loads.base_power + rover.loads.inference_power
    light = float(np.max(scene.direct) + np.max(scene.diffuse))
    surplus = float(rtg_power(rover.rtg, mission.years_since_fuelling)) + float(array_gain(rover.pv)) * light - load
    stored = full(world) - floor_energy(rover.battery) - reserve
    usable = rover.battery.discharge_efficiency * stored if mission.use_battery else 0.0
    longest = math.inf if mission.deadline is None else mission.deadline
    budget = math.inf if mission.energy_budget is None else mission.energy_budget
    impossible = ""
    if duration > longest:
        impossible = "deadline"
    elif work + load * duration > budget:
        impossible = "energy_budget"
    elif usable + (surplus * duration if surplus < 0.0 else surplus * longest if surplus > 0.0 else 0.0) < work:
        impossible = "floor" if mission.use_battery else "power"
    return Bound(duration, work, work + load * duration, impossible)


def full(world: World) -> float:
    """Stored energy at the start by the mission [J]."""
    return world.mission.state_of_charge * usable_capacity(world.rover.battery)


class _Question:
    def __init__(
        self, world: World, start: Sequence[float], goal: Sequence[float], reserve: float, solver: Solver, until: float
    ) -> None:
        if not (math.isfinite(reserve) and reserve >= 0.0):
            raise InputError("reach", "reserve", "is not 0 or more", "give joules", reserve)
        x, y, heading = (float(v) for v in goal)
        if math.isnan(heading):
            heading = math.atan2(y - float(start[1]), x - float(start[0]))
        self.world, self.start, self.goal = world, tuple(float(v) for v in start), (x, y, heading)
        if not all(math.isfinite(v) for v in (*self.start, *self.goal)):
            raise InputError("reach", "start, goal", "are not finite", "give x [m], y [m], heading [rad]", (self.start, goal))
        self.reserve, self.solver, self.until = reserve, solver, until

    @property
    def left(self) -> float:
        """[s]"""
        return self.until - time.monotonic()

    def answer(self) -> Reach:
        bound = bound_of_any_path(self.world, self.start, self.goal, reserve=self.reserve)
        refusal: Refusal | None = None
        short: Reach | None = None
        if not bound.impossible:
            for world in (self.world, *([guarded(self.world, self.reserve)] if self.reserve > 0.0 else [])):
                try:
                    plan = plan_traverse(world, self.start, self.goal, solver=self.solver, seconds=max(0.1, 0.6 * self.left))
                except Refusal as problem:
                    refusal = problem
                    break
                found = self._judged(plan, bound.energy)
                if found.arrival_margin >= 0.0 or (self.reserve == 0.0 and not self.world.mission.use_battery):
                    return found
                short = found
        binding = bound.impossible or (refusal.binding.constraint if refusal else "battery_reserve")
        no = bool(bound.impossible) or (refusal is not None and refusal.reason in IMPOSSIBLE)
        text = str(refusal) if refusal else self._words(bound, short)
        reach = Reach(Verdict.NO if no else Verdict.UNKNOWN, energy_bound=bound.energy, binding=binding, text=text)
        if refusal is not None and refusal.reason in IMPOSSIBLE:
            return replace(reach, remedies=(Remedy(Help.OTHER_GOAL),))
        if short is not None:
            reach = replace(short, verdict=reach.verdict, binding=binding, text=text)
        return self._advised(reach)

    def _words(self, bound: Bound, short: Reach | None) -> str:
        if short is not None:
            return f"the plan arrives {-short.arrival_margin:.4g} J short of the reserve of {self.reserve:.4g} J"
        return (
            f"no drive keeps the {bound.impossible}: every one takes at least {bound.duration:.4g} s,"
            f" {bound.work:.4g} J for driving and {bound.energy:.4g} J in all"
        )

    def _judged(self, plan: PlannedTraverse, least: float) -> Reach:
        """The figures of a certified plan."""
        w = self.world
        profile = evaluate_plan(plan.trajectory, w.surface, w.environment, w.rover, w.mission)
        above = profile.battery_energy - floor_energy(w.rover.battery) - self.reserve
        worst = int(np.argmin(above))
        energy = float(np.trapezoid(profile.total_power, profile.t))
        return Reach(
            Verdict.YES, float(above[worst]), float(profile.t[worst]), float(above[-1]), plan.duration, energy, least, plan=plan
        )

    def _advised(self, reach: Reach) -> Reach:
        """With figures of the searched path where there is no plan, and with what would help there."""
        try:
            path = find_path(self.world.cost_map, self.start, self.goal).path
        except SearchFailure:
            return replace(reach, remedies=(Remedy(Help.OTHER_GOAL),))
        world = guarded(self.world, self.reserve)
        if reach.plan is None:
            reach = _figured(reach, path, world)
        advice = _Advice(path, world, self.start, self.until)
        return replace(reach, remedies=advice.remedies(reach.binding))


def _figured(reach: Reach, path: Path, world: World) -> Reach:
    """With the figures of the fastest drive along a path, whatever energy it takes; none where even that has too little power."""
    try:
        found = retime(path, world.surface, world.environment, world.rover, world.mission, grid=grid_for(path.length))
    except TimingError:
        return reach
    worst = int(np.argmin(found.battery_energy))
    margins = found.battery_energy - found.floor
    margin = float(margins[worst]) - found.shortfall / world.rover.battery.discharge_efficiency
    return replace(
        reach, margin=margin, margin_time=float(found.time[worst]), arrival_margin=float(margins[-1]), duration=found.duration,
        energy=found.consumed_energy,
    )  # fmt: skip


def guarded(world: World, reserve: float) -> World:
    """The world with the battery's floor raised by a reserve [J]; never above full."""
    if reserve <= 0.0:
        return world
    battery = world.rover.battery
    capacity = usable_capacity(battery)
    share = min(1.0, battery.floor + reserve / capacity) if capacity > 0.0 else battery.floor
    return world.with_rover(replace(world.rover, battery=replace(battery, floor=share)))


class _Advice:
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
