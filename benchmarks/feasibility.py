"""Whether a refused problem had a solution: two searches that are given far more time than the planner takes.

A problem counts as feasible when a path is known that keeps the limits of motion on the exact surface, and along which a
drive keeps power and energy. Paths come from (1) the planner's own lattice, much finer and with thirty times its budget,
without the cost map's margins, and (2) OMPL's RRT* over Dubins paths, which shares nothing with it. Finding one proves that
the problem is feasible; finding none proves nothing, so the success rate among feasible problems is an upper estimate, and
the share of all problems that were accepted is a lower one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from peers.ompl_peer import plan_with_ompl
from problems import Problem, Window

from rover_energy.errors import MissingExtraError
from rover_energy.planning.energy_timing import slow_for_energy
from rover_energy.planning.path import Path, check_path
from rover_energy.planning.retiming import TimingError
from rover_energy.planning.search import FINE, SearchFailure, allowance, find_arcs

BUDGET = 1_000_000  # expansions of the lattice
SEEDS = (1, 2)  # of OMPL


def evidence(problem: Problem, *, seconds: float) -> str:
    """How a feasible drive was found, or "" when none was; `seconds` for each run of OMPL."""
    for name, path in _paths(problem, seconds):
        if _drivable(problem, path):
            return name
    return ""


def _paths(problem: Problem, seconds: float) -> Iterator[tuple[str, Path]]:
    world = problem.world
    for options in (replace(FINE, budget=BUDGET), replace(FINE, budget=BUDGET, inflation=1.0, radius_margin=1.3)):
        for clearance, share in ((0.1, 0.98), (0.0, 1.0)):
            try:
                allowed = allowance(world.cost_map, problem.start, problem.goal, clearance=clearance, share=share)
                arcs = find_arcs(world.cost_map, problem.start, problem.goal, options, allowed=allowed)
            except SearchFailure:
                continue
            yield "lattice", arcs.path()
    for seed in SEEDS:
        try:
            found = plan_with_ompl(
                cast(Any, Window(world.surface, (problem.start, problem.goal))),
                world.rover,
                problem.start,
                problem.goal,
                keep_outs=world.keep_outs,
                planner="RRTstar",
                seconds=seconds,
                seed=seed,
            )
        except MissingExtraError:
            return
        if found.path is not None:
            yield "RRT*", found.path


def _drivable(problem: Problem, path: Path) -> bool:
    world = problem.world
    margins = check_path(path, world.surface, world.rover, keep_outs=world.keep_outs, start=problem.start)
    if margins.violations:
        return False
    try:
        slow_for_energy(path, world.surface, world.environment, world.rover, world.mission, grid=0.02)
    except TimingError:
        return False
    return True
