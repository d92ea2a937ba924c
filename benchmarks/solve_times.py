"""Times of solves, plans and replans in a warm process, and of other solvers on the very same programmes.

First solve: one cold optimisation of a 20 m traverse. Whole first plan: search, retiming, optimisation, tightening and
certificate. Replan: one second further along, 2 cm and 0.01 rad beside the plan, driving. Peers solve the same programmes
from the same guess: the compiled functions with IPOPT; plain CasADi with IPOPT, built anew for each as it has to be; an
augmented Lagrangian with L-BFGS on the compiled functions. The times are of the wall clock, so the machine should be idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from common import parse, parser, progress, quantiles, table, write_json
from peers.alm_peer import AlmPeer
from problems import GENERATED, Problem, problems

from rover_energy.errors import RoverEnergyError
from rover_energy.planning.energy_timing import slow_for_energy
from rover_energy.planning.front_end import find_path
from rover_energy.planning.optimiser import Optimiser, Outcome
from rover_energy.planning.plain import PlainSolver
from rover_energy.planning.planner import LocalSolver, PlannedTraverse, Solver, plan_traverse
from rover_energy.planning.replanning import replan_traverse
from rover_energy.planning.search import SearchFailure
from rover_energy.planning.transcription import Motion, Programme, build_programme
from rover_energy.planning.worker import SolverProcess

POSITION_NOISE, HEADING_NOISE = 0.02, 0.01  # [m], [rad]: standard deviations
Samples = dict[str, list[float]]


def programme_of(problem: Problem) -> Programme | None:
    """The programme that the planner gives its solver first; None without a path or a drive."""
    world = problem.world
    try:
        path = find_path(world.cost_map, problem.start, problem.goal).path
        timing = slow_for_energy(path, world.surface, world.environment, world.rover, world.mission, grid=0.02)
    except (SearchFailure, RoverEnergyError):
        return None
    return build_programme(world, Motion(*problem.start), path, timing)


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds and the result; None when it raises one of the package's own errors."""
    began = time.perf_counter()
    try:
        result = action()
    except RoverEnergyError:
        result = None
    return 1e3 * (time.perf_counter() - began), result


def add(samples: Samples, name: str, value: float) -> None:
    samples.setdefault(name, []).append(value)


def first_solves(chosen: Sequence[Problem], samples: Samples) -> list[tuple[Problem, Programme, Outcome]]:
    """One cold solve each with fatrop, after one that warms up. Programmes for the peers."""
    optimiser, kept = Optimiser(), []
    for problem in progress(chosen, len(chosen), "first solves"):
        programme = programme_of(problem)
        if programme is None:
            continue
        optimiser.set_scene(problem.world.fields)
        optimiser.optimise(programme, rounds=0, max_iterations=3)  # makes the solver of this size
        optimiser.optimise(programme, rounds=0)
        outcome = optimiser.optimise(programme, rounds=0)
        if outcome.solved:
            add(samples, "first solve [ms]", 1e3 * outcome.first_solve_seconds)
            add(samples, "first solve [iterations]", outcome.iterations)
            kept.append((problem, programme, outcome))
    return kept


def whole_plans(chosen: Sequence[Problem], samples: Samples, solver: Solver, name: str) -> list[tuple[Problem, PlannedTraverse]]:
    """First plans, each after one that warms up what is made once per map and size."""
    plans = []
    for problem in progress(chosen, len(chosen), name):

        def plan(problem: Problem = problem) -> PlannedTraverse:
            return plan_traverse(problem.world, problem.start, problem.goal, solver=solver, seconds=20.0)

        timed(plan)
        spent, result = timed(plan)
        if result is None:
            continue
        add(samples, f"first plan, {name} [ms]", spent)
        if result.status == "optimal":
            add(samples, f"first plan, {name}, optimal only [ms]", spent)
            plans.append((problem, result))
        for part, seconds in result.facts["seconds"].items():
            add(samples, f"    {name}: {part} [ms]", 1e3 * seconds)
    return plans


def replans(plans: Sequence[tuple[Problem, PlannedTraverse]], count: int, seed: int, solver: Solver, samples: Samples) -> int:
    """Replan so many times along each plan, one second after the other, each from the replan before. Returns the refusals."""
    rng, refused = np.random.default_rng(seed), 0
    for problem, first in progress(plans, len(plans), "replans"):
        plan = first
        for step in range(1, count + 1):
            if plan.duration < 3.0:
                break
            motion = moved(problem, plan, float(step), rng)

            def again(problem: Problem = problem, plan: PlannedTraverse = plan, motion: Motion = motion) -> PlannedTraverse:
                return replan_traverse(problem.world, plan, motion, solver=solver)

            spent, result = timed(again)
            add(samples, "replan [ms]", spent)
            add(samples, "replan [solver ms]", 1e3 * result.facts.get("solve_seconds", np.nan) if result else np.nan)
            refused += result is None
            plan = result or plan
    return refused


def moved(problem: Problem, plan: PlannedTraverse, now: float, rng: np.random.Generator) -> Motion:
    """The rover at a time since the first start [s], a little beside the plan."""
    state = plan.trajectory.evaluate(now - plan.start.time)
    battery = problem.world.rover.battery
    noise = rng.normal(size=3) * (POSITION_NOISE, POSITION_NOISE, HEADING_NOISE)
    energy = problem.world.mission.state_of_charge * battery.capacity
    return Motion(
        float(state.x + noise[0]), float(state.y + noise[1]), float(state.heading + noise[2]), speed=float(state.speed),
        heading_rate=float(state.heading_rate), battery_energy=energy, time=now,
    )  # fmt: skip


def peers(kept: Sequence[tuple[Problem, Programme, Outcome]], samples: Samples, seconds: float) -> dict[str, list[int]]:
    """Solve the same programmes otherwise. Returns successes and attempts."""
    optimiser = Optimiser()
    counts: dict[str, list[int]] = {}
    for problem, programme, ours in progress(kept, len(kept), "peers"):
        fields = problem.world.fields
        optimiser.set_scene(fields)
        mine = 1e3 * ours.first_solve_seconds
        for name, action in (
            ("compiled + IPOPT", lambda p=programme: _ipopt(optimiser, p)),
            ("plain CasADi + IPOPT", lambda p=programme, f=fields: _plain(p, f, seconds)),
            ("compiled + ALM/L-BFGS", lambda p=programme: _alm(optimiser, p, seconds)),
        ):
            whole, (spent, good) = timed(action)
            add(samples, f"{name} with setting up [ms]", whole)
            counts.setdefault(name, [0, 0])[1] += 1
            counts[name][0] += good
            add(samples, f"{name} [ms]", spent)
            add(samples, f"{name} over fatrop [-]", spent / mine)
    return counts


def _ipopt(optimiser: Optimiser, programme: Programme) -> tuple[float, bool]:
    outcome = optimiser._solve(programme, "ipopt", 150)
    return 1e3 * outcome.solve_seconds, outcome.solved


def _plain(programme: Programme, fields: Any, seconds: float) -> tuple[float, bool]:
    solver = PlainSolver(exact_hessian=True)
    solver.set_scene(fields)
    outcome = solver.optimise(programme, seconds=seconds)
    return 1e3 * outcome.solve_seconds, outcome.solved


def _alm(optimiser: Optimiser, programme: Programme, seconds: float) -> tuple[float, bool]:
    result = AlmPeer(optimiser.oracle(programme.variant), programme).solve(programme, seconds=seconds)
    return 1e3 * result.seconds, result.converged


def main(argv: Sequence[str] | None = None) -> Samples:
    """Command line."""
    arguments = parser(__doc__, problems=100, quick=2)
    arguments.add_argument("--setting", default="battery", choices=("tight", "battery", "floor", "shadows"))
    arguments.add_argument("--peers", type=int, default=10, help="programmes that the slow peers solve too")
    arguments.add_argument("--peer-seconds", type=float, default=60.0)
    arguments.add_argument("--replans", type=int, default=8, help="along each plan, one second apart")
    options = parse(arguments, argv)
    few, seconds = (1, min(1.0, options.peer_seconds)) if options.quick else (options.peers, options.peer_seconds)
    samples: Samples = {}
    chosen = list(
        problems(options.problems, options.seed, settings=[options.setting], worlds=GENERATED[: 1 if options.quick else None])
    )
    kept = first_solves(chosen, samples)
    plans = whole_plans(chosen, samples, LocalSolver(), "in this process")
    with SolverProcess() as solver:
        whole_plans(chosen, samples, solver, "watched process")
        refused = replans(plans, options.replans, options.seed, solver, samples)
    counts = peers(kept[:few], samples, seconds)
    rows = [(name, len(values), *quantiles(values, (0.5, 0.9, 0.95, 1.0))) for name, values in samples.items()]
    print(
        table(("quantity", "count", "median", "90 %", "95 %", "max"), rows, f"solve times, setting {options.setting}, wall clock")
    )
    within = float(np.mean(np.asarray(samples.get("replan [ms]", [np.nan])) <= 20.0))
    print(f"replans at 50 Hz or faster: {100.0 * within:.1f} %, refused {refused}")
    print("peers solved: " + ", ".join(f"{name} {good} of {tried}" for name, (good, tried) in counts.items()))
    write_json(options.json, "solve_times", options.seed, {"samples": samples, "peers": counts, "refused": refused})
    return samples


if __name__ == "__main__":
    main()
