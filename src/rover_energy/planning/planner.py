"""Plan a traverse: path, optimisation, certificate, repair, and a sure fallback.

A plan is returned only with a passing certificate. Whatever goes wrong on the way (no convergence, a solver that hangs or
dies, an overshoot that repair does not remove) leads to the slower plan along the searched path, and where that does
not pass either, to a `Refusal`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.mission import MissionParameters
from rover_energy.planning.certificate import Certificate, certify
from rover_energy.planning.departure import from_now_on, within_limits
from rover_energy.planning.energy_timing import slow_for_energy, violated
from rover_energy.planning.follow import FollowError, fastest_passing
from rover_energy.planning.front_end import find_path
from rover_energy.planning.optimiser import Outcome
from rover_energy.planning.path import Path
from rover_energy.planning.planned import Clock, PlannedTraverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.rejoin import MOST_REJOINING, Rest
from rover_energy.planning.repair import corrections, failing, stretch_factor
from rover_energy.planning.retiming import Timing, TimingError, retime
from rover_energy.planning.search import SearchFailure, allowance, find_arcs
from rover_energy.planning.solver import LocalSolver, Solver
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.transcription import (
    Motion,
    Programme,
    build_programme,
    to_trajectory,
)
from rover_energy.planning.windows import LONG, Windows
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

__all__ = ["Clock", "LocalSolver", "PlannedTraverse", "Planning", "Solver", "plan_traverse"]

REPAIRS = 4  # certificates after the first
CORRECTIONS = 2  # further solves with what the certificate found held back
LONGEST = 30.0  # guesses: the length of a solution beyond which it is taken for nonsense, and not sampled
SLOWEST_GUESS = 3.0  # times the fastest drive, for a first guess that the energy allows
WORSE_THAN_FALLBACK = 1.03  # a plan slower than its first guess by more is held against the fallback


def plan_traverse(
    world: World,
    start: Motion | Sequence[float],
    goal: Sequence[float],
    *,
    solver: Solver | None = None,
    seconds: float = 3.0,
    first_seconds: float = 180.0,
) -> PlannedTraverse:
    """Plan from a start to a goal pose.

    Parameters
    ----------
    world : World
    start : Motion or (3,) sequence
        x [m], y [m], heading [rad], and the state of motion for a rover that is driving.
    goal : (3,) sequence
        Pose at which to come to rest.
    solver : Solver, optional
        Reuse one for many plans (`worker.SolverProcess`); default one started and ended here. Without a compiler the plain
        CasADi programme is solved instead.
    seconds, first_seconds : float
        Most time for an optimisation [s] by the given solver, or by one started here. The first use ever of a solver compiles
        it before that, which takes some ten seconds.

    Returns
    -------
    PlannedTraverse

    Raises
    ------
    Refusal
        No plan passes the certificate; it says which constraint binds.
    InputError
        A pose is not three finite numbers.
    """
    motion = start if isinstance(start, Motion) else Motion(*pose_of("start", start))
    if solver is not None:
        return Planning(world, motion, goal, solver, seconds).run()
    from rover_energy.planning.worker import SolverProcess

    with SolverProcess() as own:
        return Planning(world, motion, goal, own, first_seconds).run()


class Planning:
    """One planning run; `replanning.Onward` is that of a rover that drives."""

    def __init__(self, world: World, start: Motion, goal: Sequence[float], solver: Solver, seconds: float) -> None:
        self.world, self.start = from_now_on(world, start), within_limits(world, start)
        self.solver, self.seconds = solver, seconds
        self.goal = pose_of("goal", goal)
        self.clock = Clock()
        self.mission = self.world.mission
        self.environment = world.environment
        if start.time > 0.0 and world.environment.times.size > 1:
            self.environment = replace(world.environment, times=world.environment.times - start.time)
        self.notes: list[str] = []

    def run(self) -> PlannedTraverse:
        began = time.perf_counter()
        path = self._path()
        fastest = self._fastest(path)
        guess, failure = self._affordable(path, fastest)
        began_build = time.perf_counter()
        programme = build_programme(self.world, self.start, path, guess)
        self.clock.lap("transcription", began_build)
        rationed = guess is not fastest
        best = self._by_windows(programme, path, rationed=rationed) if path.length > LONG and not failure else None
        best = best or self.optimised(programme, path)
        if self.start.speed == 0.0 and (best is None or best.status != "optimal" or self._tardy(best, guess)):
            best = self._surest(best, path, guess, failure)
        if best is None:
            raise self._refusal()
        return self.finished(best, began)

    def _affordable(self, path: Path, fastest: Timing) -> tuple[Timing, TimingError | None]:
        """The drive that keeps floor, budget and deadline, or the fastest and why there is none along this path.

        Begun at a drive that the energy allows, the optimum of a problem bound by the floor is found more often, and is better;
        for the others it is not worth the time that it takes, unless windows need it. A rover that drives begins at the fastest.
        """
        limit = violated(fastest, self.mission)
        if self.start.speed > 0.0 or not limit or (limit != "floor" and path.length <= LONG):
            return fastest, None
        try:
            guess = self._within_energy(path)
        except TimingError as failure:
            return fastest, failure
        # a very slow drive needs so many pieces that its programme would take longest of all
        return (guess, None) if guess.duration <= SLOWEST_GUESS * fastest.duration or path.length > LONG else (fastest, None)

    def _by_windows(self, programme: Programme, path: Path, *, rationed: bool) -> PlannedTraverse | None:
        """A long traverse, planned window by window; None when that fails, and the programme must be solved whole."""
        windows, before = Windows(programme, rationed=rationed), len(self.notes)
        self.solver.set_scene(self.world.fields)
        outcome = windows.solve(self._asked, self._readable)
        if outcome is None:
            self.notes[before:] = [f"window by window: {note}" for note in self.notes[before:]]
            return None
        trajectory, certificate = self._repaired(windows.trajectory())
        if not certificate.passed:
            self.notes.append(f"window by window: {failing(certificate)}")
            return None
        return PlannedTraverse(self.start, trajectory, certificate, path, outcome.quality, _facts(outcome))

    def _readable(self, programme: Programme, outcome: Outcome) -> bool:
        """Whether a solution is a trajectory; its note says why not."""
        return self._trajectory(programme, outcome) is not None

    def _tardy(self, plan: PlannedTraverse, guess: Timing) -> bool:
        """Whether the plan is so slow that the searched path may do better; never where the mission wants to save energy."""
        affordable = not violated(guess, self.mission)
        return affordable and self.mission.weights.energy == 0.0 and plan.duration > WORSE_THAN_FALLBACK * guess.duration

    def _surest(
        self, best: PlannedTraverse | None, path: Path, timing: Timing, failure: TimingError | None
    ) -> PlannedTraverse | None:
        """The faster of the optimum, if there is one, and the plan along the searched path. Raises Refusal when neither is."""
        try:
            if failure is not None:
                raise failure
            if violated(timing, self.mission):
                timing = self._within_energy(path)
        except TimingError as error:
            if best is None:
                raise Refusal.from_timing(error) from None
            return best
        sure = self._fallback(path, timing)
        if best is None or sure is None or best.duration <= sure.duration:
            return best or sure
        self.notes.append(f"the {best.status} plan of {best.duration:.2f} s is slower than the one along the searched path")
        return sure

    def finished(self, best: PlannedTraverse, began: float) -> PlannedTraverse:
        self.clock.lap("total", began)
        best.facts["seconds"] = {name: round(value, 6) for name, value in self.clock.seconds.items()}
        best.facts["notes"] = list(self.notes)
        return best

    def _path(self) -> Path:
        began = time.perf_counter()
        costmap, start, goal = self.world.cost_map, self.start.pose, self.goal
        try:
            return find_path(costmap, start, goal).path
        except SearchFailure as failure:
            if failure.reason != "smoothing":
                raise Refusal.from_search(failure) from None
            return self._unsmoothed(failure)
        finally:
            self.clock.lap("search", began)

    def _unsmoothed(self, failure: SearchFailure) -> Path:
        """The searched arcs as they are: the optimiser can still ease their curvature."""
        costmap, start, goal = self.world.cost_map, self.start.pose, self.goal
        try:
            path = find_arcs(costmap, start, goal, allowed=allowance(costmap, start, goal)).path()
        except SearchFailure:
            raise Refusal.from_search(failure) from None
        self.notes.append("the searched arcs were not smoothed")
        return path

    def _fastest(self, path: Path) -> Timing:
        """The fastest drive along the path: the guess, whatever energy it takes."""
        began = time.perf_counter()
        try:
            return retime(*self.where(path), grid=grid_for(path.length), start_speed=self.start.speed)
        except TimingError as failure:
            if failure.reason != "start_speed":
                raise Refusal.from_timing(failure) from None
            return retime(*self.where(path), grid=grid_for(path.length))
        finally:
            self.clock.lap("retiming", began)

    def _within_energy(self, path: Path) -> Timing:
        """A drive along the path that keeps floor, budget and deadline. Raises TimingError."""
        began = time.perf_counter()
        try:
            return slow_for_energy(*self.where(path), grid=grid_for(path.length))
        finally:
            self.clock.lap("retiming", began)

    def where(self, path: Path) -> tuple[Path, Surface, Environment, RoverParameters, MissionParameters]:
        return path, self.world.surface, self.environment, self.world.rover, self.mission

    def optimised(
        self, programme: Programme, path: Path, *, warm: bool = False, rest: Rest | None = None
    ) -> PlannedTraverse | None:
        self.solver.set_scene(self.world.fields)
        moving = self.start.speed > 0.0
        options = {} if rest is None else {"once": True, "max_iterations": MOST_REJOINING}
        for _ in range(1 + CORRECTIONS if rest is None else 1):
            outcome = self._asked(programme, warm=warm, strict=moving, rounds=3 if moving else 2, **options)
            if outcome is None:
                return None
            solution = self._trajectory(programme, outcome, rest)
            if solution is None:
                return None
            trajectory, certificate = self._repaired(solution)
            if certificate.passed:
                return PlannedTraverse(self.start, trajectory, certificate, path, outcome.quality, _facts(outcome))
            corrected = corrections(programme, certificate, trajectory.duration) if rest is None else None
            if corrected is None:
                break
            programme, warm = corrected.with_guess(outcome.x), True
        self.notes.append(f"certificate of the optimum: {failing(certificate)}")
        return None

    def _asked(self, programme: Programme, **options: Any) -> Outcome | None:
        """What the solver makes of a programme; None, with a note, when it does not solve it or does not answer properly."""
        began = time.perf_counter()
        try:
            outcome = self.solver.optimise(programme, seconds=self.seconds, **options)
        except RoverEnergyError as failure:
            self.notes.append(str(failure))
            return None
        finally:
            self.clock.lap("optimisation", began)
        if not isinstance(outcome, Outcome):
            self.notes.append(f"the solver answered with {type(outcome).__name__}, not with an outcome")
            return None
        if not outcome.solved:
            self.notes.append(f"{outcome.solver}: {outcome.status}")
            return None
        return outcome

    def _trajectory(self, programme: Programme, outcome: Outcome, rest: Rest | None = None) -> Trajectory | None:
        """What the solver calls a solution, if it is a trajectory at all and of a length that can be certified."""
        try:
            with np.errstate(all="ignore"):
                trajectory = to_trajectory(programme, outcome.x) if rest is None else rest.joined(programme, outcome.x)
        except (RoverEnergyError, ValueError, IndexError, TypeError) as failure:
            self.notes.append(f"{outcome.solver}: the solution is no trajectory: {failure}")
            return None
        known = 0.0 if rest is None else rest.trajectory.duration
        longest = LONGEST * (float(to_trajectory(programme, programme.x).duration) + known)
        if not trajectory.duration <= longest:
            self.notes.append(f"{outcome.solver}: the solution takes {trajectory.duration:.6g} s, more than {longest:.6g} s")
            return None
        return trajectory

    def _repaired(self, trajectory: Trajectory) -> tuple[Trajectory, Certificate]:
        """Stretch time until the power, speed, acceleration and yaw rate pass; the path stays as it is."""
        certificate = self._certify(trajectory)
        for attempt in range(REPAIRS):
            factor = 1.0 if certificate.passed else stretch_factor(certificate, self.world.rover, attempt)
            if not 1.0 < factor < 1.2 or self.start.speed > 0.0:
                break
            trajectory = trajectory.stretched(factor)
            certificate = self._certify(trajectory)
        return trajectory, certificate

    def _certify(self, trajectory: Trajectory) -> Certificate:
        began = time.perf_counter()
        world = self.world
        certificate = certify(
            trajectory, world.surface, self.environment, world.rover, self.mission, goal=self.goal, keep_outs=world.keep_outs
        )
        self.clock.lap("certificate", began)
        return certificate

    def _fallback(self, path: Path, timing: Timing) -> PlannedTraverse | None:
        began = time.perf_counter()
        found: list[Certificate] = []

        def verify(trajectory: Trajectory) -> bool:
            found.append(self._certify(trajectory))
            return found[-1].passed

        try:
            passing = fastest_passing(path, timing, verify)
        except FollowError as failure:
            self.notes.append(str(failure))
            return None
        finally:
            self.clock.lap("fallback", began)
        if passing is None:
            self.notes.append(f"certificate of the plan along the searched path: {failing(found[-1])}")
            return None
        trajectory, slowdown = passing
        return PlannedTraverse(self.start, trajectory, found[-1], path, "fallback", {"solver": "follow", "slowdown": slowdown})

    def _refusal(self) -> Refusal:
        return Refusal("certificate", "certificate", "no trajectory passed its certificate: " + "; ".join(self.notes))


def pose_of(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    """x [m], y [m], heading [rad] of three finite numbers. Raises InputError."""
    try:
        x, y, heading = (float(v) for v in values)
    except (TypeError, ValueError):
        raise InputError("plan", name, "is not three numbers", "give x [m], y [m], heading [rad]", values) from None
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(heading)):
        raise InputError("plan", name, "is not three finite numbers", "give x [m], y [m], heading [rad]", (x, y, heading))
    return x, y, heading


def grid_for(length: float) -> float:
    """Distance between retiming stations [m]: fine for what is driven in minutes, coarser for long traverses."""
    return 0.02 if length < 60.0 else 0.05


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "solver": outcome.solver, "status": outcome.status, "iterations": outcome.iterations, "solves": outcome.solves,
        "first_solve_seconds": round(outcome.first_solve_seconds, 6), "solve_seconds": round(outcome.solve_seconds, 6),
        "overshoot_before_repair": {name: round(value, 9) for name, value in outcome.overshoot.items()},
    }  # fmt: skip




