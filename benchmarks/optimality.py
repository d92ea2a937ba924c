"""How far plans are from the best: against the lower bound on their own path, and against peers with exact retiming.

Peers get a path from somewhere else and then the fastest drive along it that exists: the planner's searched path, timed
exactly by `slow_for_energy` and by TOPP-RA; and OMPL's path, timed exactly. Their drives jump in acceleration and are
certified nowhere, so a ratio of 1 against them is more than a tie. TOPP-RA has the supplies of the start throughout and knows
no battery floor; it is compared where that is the whole truth (setting "tight"). Where energy binds ("floor", "budget") the
bound is the sharper one of `path_bound.py`. It still need not be attainable, for it leaves out what charging loses; "own path +
exact", a drive that keeps the limits on our own path, is the second reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from common import parse, parser, progress, quantiles, table, write_json
from path_bound import convex_time_bound
from peers.ompl_peer import plan_with_ompl
from peers.toppra_peer import retime_with_toppra
from problems import MARS_WORLDS, SETTINGS, Problem, Window, problems, world_names

from rover_energy.errors import MissingExtraError, RoverEnergyError
from rover_energy.planning.energy_timing import slow_for_energy, time_lower_bound
from rover_energy.planning.follow import trajectory_path
from rover_energy.planning.path import Path, check_path
from rover_energy.planning.planner import plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.retiming import drive
from rover_energy.planning.worker import SolverProcess

GRID = 0.02  # [m] between retiming stations: 1e-4 of the duration
BOUND_GRID = 0.1  # [m] the same for the convex bound, whose programme grows with their number
PEERS = ("own path + exact", "searched + exact", "searched + TOPP-RA", "OMPL + exact")


@dataclass
class Case:
    """One accepted plan: its duration, the bound on its own path, the peers' durations [s] (infinite where a peer has none)."""

    key: str
    setting: str
    status: str
    duration: float
    bound: float
    peers: dict[str, float] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """[%] above the bound."""
        return 100.0 * (self.duration / self.bound - 1.0)


def measure(problem: Problem, solver: SolverProcess, planner: str, seconds: float) -> Case | None:
    """Plan, bound and peers; None when the planner refuses."""
    world = problem.world
    try:
        plan = plan_traverse(world, problem.start, problem.goal, solver=solver, seconds=20.0)
    except (Refusal, RoverEnergyError):
        return None
    where = (world.surface, world.environment, world.rover, world.mission)
    own = trajectory_path(plan.trajectory)
    bound = time_lower_bound(own, *where, grid=GRID, horizon=plan.duration).duration
    if problem.setting in ("floor", "budget"):  # where the energy binds, time and work are best bounded together
        sharper = _attempt(lambda: convex_time_bound(drive(own, *where, grid=BOUND_GRID), plan.duration))
        bound = max(bound, sharper) if math.isfinite(sharper) else bound
    case = Case(problem.key, problem.setting, plan.status, plan.duration, bound)
    case.peers["own path + exact"] = _attempt(
        lambda: slow_for_energy(own, *where, grid=GRID).duration
    )
    case.peers["searched + exact"] = _attempt(lambda: slow_for_energy(plan.path, *where, grid=GRID).duration)
    if problem.setting == "tight":
        case.peers["searched + TOPP-RA"] = _attempt(lambda: retime_with_toppra(drive(plan.path, *where, grid=GRID)).duration)
    if seconds > 0.0:
        case.peers["OMPL + exact"] = _attempt(lambda: _ompl(problem, planner, seconds))
    return case


def _attempt(duration: Callable[[], float]) -> float:
    try:
        return duration()
    except MissingExtraError:
        return math.nan
    except (RoverEnergyError, RuntimeError):
        return math.inf


def _ompl(problem: Problem, planner: str, seconds: float) -> float:
    world = problem.world
    path: Path | None = plan_with_ompl(
        cast(Any, Window(world.surface, (problem.start, problem.goal))),
        world.rover,
        problem.start,
        problem.goal,
        keep_outs=world.keep_outs,
        planner=planner,
        seconds=seconds,
        seed=1,
    ).path
    if path is None:
        return math.inf
    if check_path(path, world.surface, world.rover, keep_outs=world.keep_outs).violations:
        return math.inf  # its samples are valid, but not what lies between them
    return slow_for_energy(path, world.surface, world.environment, world.rover, world.mission, grid=GRID).duration


def report(cases: Sequence[Case]) -> str:
    """Two tables: gaps to the bound, ratios to the peers."""
    settings = [*dict.fromkeys(c.setting for c in cases), "all"]
    chosen = {s: [c for c in cases if s in (c.setting, "all")] for s in settings}
    gaps = [
        (
            s,
            len(chosen[s]),
            *quantiles([c.gap for c in chosen[s]]),
            *quantiles([c.gap for c in chosen[s] if c.status == "optimal"]),
        )
        for s in settings
    ]
    columns = ("setting", "plans", "median", "95 %", "max", "optimal: median", "95 %", "max")
    first = table(columns, gaps, "time over the lower bound on the plan's own path [%]")
    rows: list[Sequence[Any]] = []
    for setting in settings:
        for peer in PEERS:
            known = [c for c in chosen[setting] if not math.isnan(c.peers.get(peer, math.nan))]
            ratios = [c.duration / c.peers[peer] for c in known if math.isfinite(c.peers[peer])]
            if known:
                rows.append(
                    (f"{setting}: {peer}", len(known), len(known) - len(ratios), *quantiles(ratios, (0.0, 0.25, 0.5, 0.75, 1.0)))
                )
    columns = ("setting: peer", "plans", "peer fails", "least", "25 %", "median", "75 %", "most")
    return first + "\n" + table(columns, rows, "time of our plan over the peer's [-], below 1 is better than the peer")


def main(argv: Sequence[str] | None = None) -> list[Case]:
    """Command line."""
    arguments = parser(__doc__, problems=120, quick=3)
    arguments.add_argument("--ompl", default="RRTstar", choices=("RRTConnect", "RRTstar", "InformedRRTstar"))
    arguments.add_argument("--ompl-seconds", type=float, default=3.0, help="0 leaves OMPL out")
    arguments.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    options = parse(arguments, argv)
    worlds = MARS_WORLDS[:1] if options.quick else world_names()
    seconds = min(0.5, options.ompl_seconds) if options.quick else options.ompl_seconds
    cases: list[Case] = []
    with SolverProcess() as solver:
        chosen = problems(options.problems, options.seed, settings=options.settings, worlds=worlds)
        for problem in progress(chosen, options.problems, "optimality"):
            case = measure(problem, solver, options.ompl, seconds)
            cases += [case] if case is not None else []
    print(f"{options.problems} problems, {len(cases)} plans; OMPL {options.ompl}, {seconds:g} s each")
    print(report(cases))
    write_json(options.json, "optimality", options.seed, [{**vars(c), "gap": c.gap} for c in cases])
    return cases


if __name__ == "__main__":
    main()
