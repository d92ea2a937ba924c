"""How the planner's time grows with the length of the traverse: 20 m to 400 m on one large generated map.

The exponent is the slope of a straight line through the logarithms of length and time; 1 is linear growth.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import parse, parser, progress, quantiles, table, write_json
from problems import SUN_AZIMUTH, SUN_ELEVATION, random_poses, supplies

from rover_energy.environment.scene import Environment
from rover_energy.errors import RoverEnergyError
from rover_energy.planning.planner import LocalSolver, plan_traverse
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.generator import generate_lunar_terrain

LENGTHS = (20.0, 40.0, 80.0, 160.0, 320.0, 400.0)  # [m]
SHORTEST_FITTED = 40.0  # [m]: below, fixed costs show
MAP = 500.0  # [m]
CELL = 0.5  # [m]


@dataclass
class Point:
    """One plan."""

    length: float
    status: str
    pieces: int = 0
    first_solve: float = float("nan")  # [s]
    total: float = float("nan")  # [s]
    iterations: int = 0
    solve: float = float("nan")  # [s] all solves


def big_world(seed: int, size: float) -> World:
    """Large ground without shadows, supplies that bind."""
    rover, mission = supplies(RoverParameters(), "battery")
    rover = replace(rover, battery=replace(rover.battery, capacity=10.0 * rover.battery.capacity))
    terrain = generate_lunar_terrain(seed=seed, size=(size, size), cell=CELL, smallest_crater=2.0, smallest_rock=1.0)
    environment = Environment.constant(1.62, SUN_AZIMUTH, SUN_ELEVATION, 1361.0)
    world = World.prepare(terrain, rover, mission, environment)
    _ = world.fields, world.cost_map
    return world


def measure(world: World, length: float, rng: np.random.Generator, solver: LocalSolver) -> Point:
    """One plan over about that length, the second of two alike."""
    start, goal = random_poses(world, rng, (0.95 * length, 1.05 * length), facing=True)
    try:
        plan_traverse(world, start, goal, solver=solver, seconds=600.0)
        began = time.perf_counter()
        plan = plan_traverse(world, start, goal, solver=solver, seconds=600.0)
    except RoverEnergyError as failure:
        return Point(length, getattr(failure, "reason", type(failure).__name__))
    total, facts = time.perf_counter() - began, plan.facts
    if plan.status != "optimal":
        return Point(length, plan.status, total=total)
    return Point(
        float(plan.path.length), plan.status, plan.trajectory.pieces, facts["first_solve_seconds"], total, facts["iterations"],
        facts["solve_seconds"],
    )  # fmt: skip


def exponent(points: Sequence[Point], name: str) -> float:
    """Slope of log(time) over log(length)."""
    good = [(p.length, getattr(p, name)) for p in points if p.status == "optimal" and p.length >= SHORTEST_FITTED]
    if len({round(length, -1) for length, _ in good}) < 2:
        return float("nan")
    x, y = np.log(np.array(good)).T
    return float(np.polyfit(x, y, 1)[0])


def rows(groups: dict[float, list[Point]]) -> list[Sequence[Any]]:
    """One row per length."""
    result: list[Sequence[Any]] = []
    for length, points in groups.items():
        good = [p for p in points if p.status == "optimal"]
        median = [
            quantiles([getattr(p, name) for p in good], (0.5,))[0] for name in ("pieces", "first_solve", "total", "iterations")
        ]
        each = quantiles([1e3 * p.total / p.length for p in good], (0.5,))[0]
        result.append((f"{length:g} m", len(points), len(good), median[0], 1e3 * median[1], 1e3 * median[2], median[3], each))
    return result


def picture(points: Sequence[Point], path: Path) -> None:
    """Log-log plot; says so when matplotlib is absent."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    good = [p for p in points if p.status == "optimal"]
    figure, axes = plt.subplots(figsize=(6.0, 4.0))
    for name, label in (("total", "whole plan"), ("first_solve", "first solve")):
        axes.loglog(
            [p.length for p in good],
            [getattr(p, name) for p in good],
            "o",
            label=f"{label}, exponent {exponent(points, name):.2f}",
        )
    axes.set_xlabel("length of the path [m]")
    axes.set_ylabel("time [s]")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"written: {path}")


def main(argv: Sequence[str] | None = None) -> list[Point]:
    """Command line."""
    arguments = parser(__doc__, problems=8, quick=1)
    arguments.add_argument("--lengths", type=float, nargs="+", default=list(LENGTHS), metavar="M")
    arguments.add_argument("--out", type=Path, default=None, metavar="PNG")
    options = parse(arguments, argv)
    lengths = [20.0, 40.0] if options.quick else options.lengths
    world = big_world(options.seed, 80.0 if options.quick else MAP)
    solver, rng = LocalSolver(), np.random.default_rng(options.seed)
    groups: dict[float, list[Point]] = {length: [] for length in lengths}
    for length in progress(
        [length for length in lengths for _ in range(options.problems)], len(lengths) * options.problems, "growth"
    ):
        groups[length].append(measure(world, length, rng, solver))
    columns = ("length", "problems", "optimal", "pieces", "first solve ms", "whole plan ms", "iterations", "ms/m")
    print(table(columns, rows(groups), f"growth, {options.problems} problems per length; medians of the optimal plans"))
    points = [p for group in groups.values() for p in group]
    print(", ".join(f"exponent of {name} {exponent(points, name):.2f}" for name in ("first_solve", "total")))
    other = [f"{p.length:g} m {p.status}" for p in points if p.status != "optimal"]
    print(f"not optimal: {', '.join(other) or 'none'}")
    if options.out is not None:
        picture(points, options.out)
    write_json(options.json, "growth", options.seed, [vars(p) for p in points])
    return points


if __name__ == "__main__":
    main()
