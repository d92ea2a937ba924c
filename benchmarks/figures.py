"""Correctness figures: derivatives against finite differences, and the closure of the energy ledger.

Derivatives: slopes and curvatures of the terrain against differences of scipy's spline of the same heights; the gradient of
the sunlit fraction; the Jacobian and the gradient of the optimiser's compiled programme (power demand, supply, battery,
limits of motion and the cost) against differences of its values, at perturbed plans. Differences are Richardson-extrapolated,
errors relative to the largest derivative of the same quantity. Ledger: generated = consumed + stored + shunted + lost, step
by step, for random supplies and demands on random batteries, and for plans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import casadi as ca
import numpy as np
from common import parse, parser, progress, table, write_json
from numpy.typing import NDArray
from peers.alm_peer import compiled_functions
from problems import GENERATED, problems, world_of
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from solve_times import programme_of

from rover_energy.planning.certificate import certify
from rover_energy.planning.model import ROWS
from rover_energy.planning.optimiser import Optimiser
from rover_energy.planning.stage import SAMPLES
from rover_energy.planning.transcription import Programme, to_trajectory
from rover_energy.planning.world import World
from rover_energy.power.battery import BatteryParameters
from rover_energy.power.bus import balance_bus

Array = NDArray[np.float64]
Errors = dict[str, float]
STEP = 2e-3  # in units of the perturbation below
PERTURBATION = 1e-3  # of every unknown of the programme, relative to 1 + its size
LEAST = 1e-5  # derivative per perturbation below which a row counts as constant: differences round off at 1e-12


def difference(function: Callable[[float], Array], step: float) -> Array:
    """Derivative at 0 by central differences with two Richardson steps: error of order step^6."""
    rough = [(function(h) - function(-h)) / (2.0 * h) for h in (step, step / 2.0, step / 4.0)]
    finer = [(4.0 * b - a) / 3.0 for a, b in pairwise(rough)]
    return (16.0 * finer[1] - finer[0]) / 15.0


def one_sided(function: Callable[[float], Array], step: float) -> Array:
    """Derivative at 0 from values at 0 and on the side of `step` alone: error of order step^4."""
    here = function(0.0)
    levels = [(function(h) - here) / h for h in (step, step / 2.0, step / 4.0, step / 8.0)]
    for order in (2.0, 4.0, 8.0):
        levels = [(order * b - a) / (order - 1.0) for a, b in pairwise(levels)]
    return levels[0]


def sided(function: Callable[[float], Array], step: float, exact: Array) -> Array:
    """The nearest to `exact` of the differences to both sides and of the central one.

    The terrain's third derivatives jump at the lines between its cells. Where such a line lies within the step, the derivative
    is that of the side on which it does not.
    """
    found = np.array([difference(function, step), one_sided(function, step), one_sided(function, -step)])
    nearest: Array = np.take_along_axis(found, np.argmin(np.abs(found - exact), axis=0)[None], axis=0)[0]
    return nearest


def worst(errors: Errors, name: str, exact: Array, compared: Array) -> None:
    """Keep the largest error of a quantity, relative to its largest value, or to `LEAST` where it is nearly constant."""
    error = float(np.max(np.abs(exact - compared))) / max(float(np.max(np.abs(exact))), LEAST)
    errors[name] = max(errors.get(name, 0.0), error)


def inner_points(world: World, rng: np.random.Generator, count: int, reach: float) -> tuple[Array, Array]:
    """Random points at least `reach` [m] from the lines between the spline's cells, where third derivatives jump."""
    surface = world.surface
    xmin, ymin, xmax, ymax = surface.extent
    cell = surface.cell
    columns = rng.integers(2, round((xmax - xmin) / cell) - 2, count)
    rows = rng.integers(2, round((ymax - ymin) / cell) - 2, count)
    within = rng.uniform(reach, cell - reach, (2, count))
    return xmin + cell * columns + within[0], ymin + cell * rows + within[1]


def terrain_errors(world: World, rng: np.random.Generator, errors: Errors) -> None:
    """Slopes and curvatures against scipy's own spline; within a cell it is a polynomial, and differences are exact."""
    terrain, surface = world.terrain, world.surface
    heights = gaussian_filter(terrain.height, world.rover.footprint / terrain.cell, mode="mirror", truncate=4.0)
    filtered = spline_filter(heights - heights.mean(), order=3, mode="mirror")

    def height(x: Array, y: Array) -> Array:
        at = [(y - terrain.y0) / terrain.cell, (x - terrain.x0) / terrain.cell]
        return np.asarray(map_coordinates(filtered, at, order=3, mode="mirror", prefilter=False))

    step = 0.05 * terrain.cell
    x, y = inner_points(world, rng, 400, 2.0 * step)
    hx, hy = surface.gradient(x, y)
    hxx, hxy, hyy = surface.hessian(x, y)
    worst(errors, "terrain slope", np.array([hx, hy]), np.array([
        difference(lambda h: height(x + h, y), step), difference(lambda h: height(x, y + h), step),
    ]))  # fmt: skip

    def slopes(at_x: Array, at_y: Array) -> Array:
        return np.array(
            [difference(lambda h: height(at_x + h, at_y), step / 2), difference(lambda h: height(at_x, at_y + h), step / 2)]
        )

    along_x, along_y = difference(lambda h: slopes(x + h, y), step), difference(lambda h: slopes(x, y + h), step)
    worst(errors, "terrain curvature", np.array([hxx, hxy, hyy]), np.array([along_x[0], along_x[1], along_y[1]]))


def light_errors(world: World, rng: np.random.Generator, errors: Errors) -> None:
    """Gradient of the sunlit fraction."""
    environment = world.environment
    x, y = inner_points(world, rng, 20000, 2e-2 * world.surface.cell)
    t = rng.uniform(environment.times[0], environment.times[-1], x.size) if environment.times.size > 1 else np.zeros(x.size)
    gx, gy = environment.sunlit_gradient(x, y, t)
    step = 1e-2 * world.surface.cell
    compared = [
        difference(lambda h: environment.sunlit_fraction(x + h, y, t), step),
        difference(lambda h: environment.sunlit_fraction(x, y + h, t), step),
    ]
    worst(errors, "sunlit fraction", np.array([gx, gy]), np.array(compared))


def programme_errors(programme: Programme, optimiser: Optimiser, rng: np.random.Generator, errors: Errors) -> None:
    """Directional derivatives of all rows and of the cost of the compiled programme."""
    oracle = optimiser.oracle(programme.variant)
    compiled = compiled_functions(oracle, programme)
    p = programme.parameters
    names = row_names(programme)
    for _ in range(3):
        scale = PERTURBATION * (1.0 + np.abs(programme.x))
        x = programme.x + scale * rng.normal(size=programme.x.size)
        direction = scale * rng.normal(size=x.size)

        def rows(h: float, x: Array = x, direction: Array = direction) -> Array:
            return np.asarray(compiled["g"](x + h * direction, p)).ravel()

        def total(h: float, x: Array = x, direction: Array = direction) -> Array:
            return np.asarray(compiled["f"](x + h * direction, p)).ravel()

        exact = np.asarray(compiled["jacobian"](x, p)[1] @ direction).ravel()
        compared = sided(rows, STEP, exact)
        for name in dict.fromkeys(names.tolist()):
            worst(errors, f"programme: {name}", exact[names == name], compared[names == name])
        along = np.asarray(ca.dot(compiled["gradient"](x, p), direction)).ravel()
        worst(errors, "programme: cost", along, difference(total, STEP))


def row_names(programme: Programme) -> Array:
    """What each constraint of the programme is."""
    names = np.full(programme.lower_g.size, "dynamics and energy", dtype=object)
    names[programme.limit_rows.reshape(programme.pieces, SAMPLES, len(ROWS))] = np.array(ROWS, dtype=object)
    return names


def random_ledger(rng: np.random.Generator) -> float:
    """Worst closure over 2000 steps of a random battery under random supply and demand."""
    parameters = BatteryParameters(
        capacity=float(10.0 ** rng.uniform(2.0, 6.0)), charge_efficiency=float(rng.uniform(0.6, 1.0)),
        discharge_efficiency=float(rng.uniform(0.6, 1.0)), max_charge_power=float(rng.uniform(0.0, 200.0)),
        max_discharge_power=float(rng.uniform(0.0, 200.0)), floor=float(rng.uniform(0.0, 0.5)),
        discharge_taper=float(rng.uniform(0.0, 1.0)), charge_taper=float(rng.uniform(0.0, 1.0)),
        temperature=float(rng.uniform(233.15, 333.15)),
    )  # fmt: skip
    steps = 2000
    capacity = parameters.capacity * 0.45
    ledger = balance_bus(
        parameters, rtg=rng.uniform(0.0, 150.0), pv=rng.uniform(0.0, 150.0, steps), loads={"all": rng.uniform(0.0, 400.0, steps)},
        energy=float(capacity * rng.uniform(0.0, 1.0)), step=rng.uniform(1e-3, 2.0, steps),
    )  # fmt: skip
    return float(np.max(ledger.residual))


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Command line."""
    options = parse(parser(__doc__, problems=20, quick=2), argv)
    rng, optimiser = np.random.default_rng(options.seed), Optimiser()
    errors: Errors = {}
    worlds = GENERATED[: 1 if options.quick else None]
    for name in worlds:
        terrain_errors(world_of(name, "tight"), rng, errors)
        light_errors(world_of(name, "shadows"), rng, errors)
    closure: dict[str, float] = {"ledger of random histories": 0.0, "ledger of plans": 0.0}
    settings = ["battery", "budget", "shadows"]
    chosen = problems(options.problems, options.seed, settings=settings, worlds=worlds)
    for problem in progress(chosen, options.problems, "figures"):
        closure["ledger of random histories"] = max(closure["ledger of random histories"], random_ledger(rng))
        programme = programme_of(problem)
        if programme is None:
            continue
        world = problem.world
        optimiser.set_scene(world.fields)
        programme_errors(programme, optimiser, rng, errors)
        guess = to_trajectory(programme, programme.x)  # may break limits, but its account has to close
        check = certify(guess, world.surface, world.environment, world.rover, world.mission)["ledger"]
        closure["ledger of plans"] = max(closure["ledger of plans"], abs(check.worst_value))
    rows = [(name, value, 1e-6, "yes" if value <= 1e-6 else "NO") for name, value in (*errors.items(), *closure.items())]
    print(table(("quantity", "largest relative error", "goal", "kept"), rows, f"correctness over {options.problems} problems"))
    write_json(options.json, "figures", options.seed, {**errors, **closure})
    return {**errors, **closure}


if __name__ == "__main__":
    main()
