"""Can the rover get there from here on what it has: yes, no or unknown, with the margin, its worst instant, and what helps.

YES rests on a certified plan, NO on a bound that holds for every path; everything else is UNKNOWN. Without a plan the
figures and the remedies are those of drives along the searched path (`energy_timing`): exact for that path, but not certified.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import resistance_force
from rover_energy.planning.any_heading import arrival_headings
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.front_end import find_path
from rover_energy.planning.path import Path
from rover_energy.planning.planner import PlannedTraverse, grid_for, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.remedies import Advice, Help, Remedy, full
from rover_energy.planning.retiming import TimingError, retime
from rover_energy.planning.search import SearchFailure
from rover_energy.planning.solver import Solver
from rover_energy.planning.world import World
from rover_energy.power.battery import floor_energy, usable_capacity
from rover_energy.power.pv import array_gain
from rover_energy.power.rtg import rtg_power

IMPOSSIBLE = ("start_blocked", "goal_blocked")  # reasons of a refusal that hold for every path
OF_HEADING = ("along_slope", "power", "search")  # limits that block a goal in one heading and perhaps not in another
NO_WAY = ("no_path", "budget_exhausted", "smoothing")  # reasons of a refusal where the search found no path

Goal = tuple[float, float, float]  # x [m], y [m], heading [rad]


class Verdict(Enum):
    """YES: a certified plan exists. NO: a bound shows that none can. UNKNOWN: neither; to be read as NO."""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


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
        x [m], y [m], heading [rad]; a goal heading of NaN is any: the bearing, or else another, see `any_heading`.
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


@dataclass(frozen=True)
class _Tried:
    """What came of one goal. reached : YES. short : the plan that leaves less than the reserve. impossible : for every path."""

    goal: Goal
    refusal: Refusal | None = None
    short: Reach | None = None
    reached: Reach | None = None
    impossible: bool = False

    @property
    def rank(self) -> tuple[bool, float, bool]:
        """Greater where more is known: a plan that falls short by less, a refusal along a path, a refusal for want of one."""
        found = self.refusal is not None and self.refusal.reason not in (*IMPOSSIBLE, *NO_WAY)
        return self.impossible, -math.inf if self.short is None else self.short.arrival_margin, found


class _Question:
    def __init__(
        self, world: World, start: Sequence[float], goal: Sequence[float], reserve: float, solver: Solver, until: float
    ) -> None:
        if not (math.isfinite(reserve) and reserve >= 0.0):
            raise InputError("reach", "reserve", "is not 0 or more", "give joules", reserve)
        x, y, heading = (float(v) for v in goal)
        self.world, self.start, self.goal = world, tuple(float(v) for v in start), (x, y, heading)
        if not all(math.isfinite(v) for v in (*self.start, x, y)) or math.isinf(heading):
            raise InputError("reach", "start, goal", "are not finite", "give x [m], y [m], heading [rad]", (self.start, goal))
        self.reserve, self.solver, self.until = reserve, solver, until

    @property
    def left(self) -> float:
        """[s]"""
        return self.until - time.monotonic()

    def answer(self) -> Reach:
        bound = bound_of_any_path(self.world, self.start, self.goal, reserve=self.reserve)
        tried: list[_Tried] = []
        if not bound.impossible:
            for goal in self._goals():
                tried.append(self._tried(goal, bound))
                if tried[-1].reached is not None:
                    return tried[-1].reached
                if tried[-1].impossible or not self.left > 0.0:
                    break
        return self._refused(bound, tried)

    def _goals(self) -> Iterator[Goal]:
        """The goal, or goals of all headings where any will do."""
        x, y, heading = self.goal
        if not math.isnan(heading):
            return iter((self.goal,))
        return ((x, y, arrival) for arrival in arrival_headings(self.world, self.start, (x, y), lambda: self.left > 0.0))

    def _tried(self, goal: Goal, bound: Bound) -> _Tried:
        """Plans to one goal: the best there is, and where that leaves too little, one that keeps the reserve."""
        short: Reach | None = None
        for world in (self.world, *([guarded(self.world, self.reserve)] if self.reserve > 0.0 else [])):
            try:
                plan = plan_traverse(world, self.start, goal, solver=self.solver, seconds=max(0.1, 0.6 * self.left))
            except Refusal as problem:
                blocked = problem.reason in IMPOSSIBLE
                any_other = math.isnan(self.goal[2]) and problem.binding.constraint in OF_HEADING
                impossible = blocked and (problem.reason == "start_blocked" or not any_other)
                return _Tried(goal, problem, short, impossible=impossible)
            found = self._judged(plan, bound.energy)
            if found.arrival_margin >= 0.0 or (self.reserve == 0.0 and not self.world.mission.use_battery):
                return _Tried(goal, reached=found)
            short = found
        return _Tried(goal, None, short)

    def _refused(self, bound: Bound, tried: list[_Tried]) -> Reach:
        """The answer without a plan that keeps everything: that of the goal that came nearest to one."""
        best = max(tried, key=lambda t: t.rank, default=_Tried(self.goal))
        refusal, short = best.refusal, best.short
        binding = bound.impossible or (refusal.binding.constraint if refusal else "battery_reserve")
        no = bool(bound.impossible) or best.impossible
        text = str(refusal) if refusal else self._words(bound, short)
        reach = Reach(Verdict.NO if no else Verdict.UNKNOWN, energy_bound=bound.energy, binding=binding, text=text)
        if best.impossible:
            return replace(reach, remedies=(Remedy(Help.OTHER_GOAL),))
        if short is not None:
            reach = replace(short, verdict=reach.verdict, binding=binding, text=text)
        return self._advised(reach, best.goal)

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

    def _advised(self, reach: Reach, goal: Goal) -> Reach:
        """With figures of the searched path where there is no plan, and with what would help there."""
        try:
            if math.isnan(goal[2]):  # nothing was tried, as a bound stands in the way
                goal = (*goal[:2], next(arrival_headings(self.world, self.start, goal[:2])))
            path = find_path(self.world.cost_map, self.start, goal).path
        except SearchFailure:
            return replace(reach, remedies=(Remedy(Help.OTHER_GOAL),))
        world = guarded(self.world, self.reserve)
        if reach.plan is None:
            reach = _figured(reach, path, world)
        advice = Advice(path, world, self.start, self.until)
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
