"""Variables, bounds and trajectories: the same motion on both sides, and limits that mean what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planner_cases import (
    GOAL,
    MOON,
    NEEDS_COMPILER,
    START,
    VARIANTS,
    flat_world,
    has_compiler,
    lunar_world,
    mission_of,
    random_point,
    rover_of,
    scene,
)

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.planning.front_end import find_path
from rover_energy.planning.model import ROWS
from rover_energy.planning.optimiser import DENSITY, excess_at_samples, subdivide, tighten
from rover_energy.planning.oracle import load_oracle
from rover_energy.planning.retiming import retime
from rover_energy.planning.stage import CONTROLS, SAMPLES, Variant
from rover_energy.planning.transcription import (
    CHOSEN,
    DRIVING_PIECES_PER_METRE,
    Motion,
    Programme,
    build_programme,
    continue_programme,
    limit_rows,
    piece_count,
    split,
    start_energy,
    to_trajectory,
    variant_of,
)
from rover_energy.planning.world import CLEARANCE_CAP, clearance_grid, model_constants
from rover_energy.terrain.field import ScalarField
from rover_energy.terrain.raster import Terrain

compiled = pytest.mark.skipif(not has_compiler, reason=NEEDS_COMPILER)


def programme_of(variant: Variant, x: np.ndarray, parameters: np.ndarray) -> Programme:
    pieces, nx = int(parameters[0]), variant.states
    rows = nx * pieces + (nx - 1) + SAMPLES * len(ROWS) * pieces + 5
    return Programme(variant, pieces, x, parameters, np.full(x.size, -1e3), np.full(x.size, 1e3), -np.ones(rows), np.ones(rows))


def continuous_point(variant: Variant, pieces: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A random point whose pieces join, by the compiled stages themselves."""
    x, p = random_point(variant, pieces, seed)
    oracle = load_oracle(variant)
    assert oracle is not None
    oracle.set_scene(scene())
    nx, nz = variant.states, variant.states + CONTROLS
    for k in range(pieces):
        ends, _ = oracle.limits(x, p)
        x[(k + 1) * nz : (k + 1) * nz + nx] = ends[k]
    return x, p


@compiled
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_the_trajectory_is_the_motion_of_the_variables(variant: Variant) -> None:
    x, p = continuous_point(variant, 6)
    programme = programme_of(variant, x, p)
    trajectory = to_trajectory(programme, x)
    states, controls = split(programme, x)
    later = trajectory.evaluate_local(np.arange(6), np.zeros(6))
    for name, column in (("heading", 2), ("heading_rate", 3), ("heading_acceleration", 4), ("speed", 5), ("speed_rate", 6)):
        assert getattr(later, name) == pytest.approx(states[:-1, column], rel=1e-12, abs=1e-12), name
    assert np.column_stack([later.x, later.y]) == pytest.approx(states[:-1, :2], abs=1e-6)  # Boole's rule against quadrature
    assert trajectory.end_pose == pytest.approx(tuple(states[-1, :3]), abs=1e-6)
    assert 6.0 * trajectory.heading[:, 3] == pytest.approx(controls[:, 0])
    assert 2.0 * trajectory.speed[:, 2] == pytest.approx(controls[:, 1])


@compiled
@pytest.mark.parametrize("variant", VARIANTS[::3], ids=lambda v: v.name)
def test_dense_check_sees_the_motion_between_the_samples(variant: Variant) -> None:
    """Sub-pieces begin where the trajectory is at those times, and every sixth sample is one of the solver's own."""
    x, p = continuous_point(variant, 5)
    programme = programme_of(variant, x, p)
    oracle = load_oracle(variant)
    assert oracle is not None
    sub_x, sub_p = subdivide(oracle, programme, x, DENSITY)
    trajectory = to_trajectory(programme, x)
    count = 5 * DENSITY
    assert sub_p[0] == count
    states = sub_x[:-variant.states].reshape(count, -1)
    local = (np.arange(DENSITY) / DENSITY * trajectory.durations[:, None]).ravel()
    there = trajectory.evaluate_local(np.repeat(np.arange(5), DENSITY), local)
    assert states[:, 2] == pytest.approx(there.heading, abs=1e-12)
    assert states[:, 5] == pytest.approx(there.speed, abs=1e-12)
    assert np.hypot(states[:, 0] - there.x, states[:, 1] - there.y).max() < 1e-6
    elapsed = sub_p[-2 * count :].reshape(count, 2)
    assert elapsed[:, 1] * x[7] == pytest.approx(trajectory.knots[np.repeat(np.arange(5), DENSITY)] + local)
    _, dense = oracle.limits(sub_x, sub_p)
    _, sparse = oracle.limits(x, p)
    fine = dense.reshape(5, DENSITY * SAMPLES, len(ROWS))[:, ::DENSITY]
    assert fine == pytest.approx(sparse, abs=3e-5)


def test_an_overshoot_is_charged_to_both_neighbours_and_held_back() -> None:
    variant = Variant(battery=False, budget=False)
    programme = programme_of(variant, np.zeros(4 * 10 + 8), np.concatenate([[4, 0.0], np.zeros(8)]))
    dense = np.zeros((4 * DENSITY, SAMPLES, len(ROWS)))
    speed = ROWS.index("speed")
    flat = dense.reshape(-1, len(ROWS))
    flat[DENSITY * (SAMPLES * 2 + 1) + 3, speed] = 1.25  # between samples 1 and 2 of piece 2
    flat[DENSITY * 5 + 2, ROWS.index("acceleration")] = -1.5
    excess = excess_at_samples(programme, dense)
    assert np.argwhere(excess[:, :, speed]).tolist() == [[2, 1], [2, 2]]
    assert excess[2, 1, speed] == pytest.approx(0.25)
    assert excess[1, 1, ROWS.index("acceleration")] == pytest.approx(0.5)
    tightened = tighten(programme, excess)
    row = limit_rows(variant, 4).reshape(4, SAMPLES, -1)[2, 1, speed]
    assert tightened.upper_g[row] < 1.0 - 0.25
    assert np.count_nonzero(tightened.upper_g != programme.upper_g) == 4


def test_the_guess_follows_the_path_and_its_timing() -> None:
    world = lunar_world()
    path = find_path(world.cost_map, START, GOAL).path
    timing = retime(path, world.surface, world.environment, world.rover, world.mission)
    programme = build_programme(world, Motion(*START), path, timing)
    trajectory = to_trajectory(programme, programme.x)
    assert trajectory.duration == pytest.approx(timing.duration, rel=1e-9)
    states, _ = split(programme, programme.x)
    distance, speed = timing.at(trajectory.knots)
    assert states[:, 5] == pytest.approx(speed)
    assert states[:, :2] == pytest.approx(np.column_stack(path.at(distance)[:2]))
    energy = np.interp(trajectory.knots, timing.time, timing.battery_energy)
    assert 1e3 * states[:, 8] == pytest.approx(energy)


def test_a_rover_without_a_battery_needs_no_battery_state() -> None:
    """Its floor would be two joules above nothing, which nothing can fill."""
    empty = rover_of(battery={"capacity": 0.0})
    assert variant_of(flat_world(rover=empty)) == Variant(battery=False, budget=False)
    assert variant_of(flat_world(energy_budget=1e5)) == Variant(battery=True, budget=True)
    assert variant_of(flat_world(use_battery=False)) == Variant(battery=False, budget=False)


def test_pieces_follow_length_and_duration() -> None:
    assert piece_count(20.0, 40.0) == 32
    assert piece_count(20.0, 40.0, per_metre=DRIVING_PIECES_PER_METRE) == 36
    assert piece_count(20.0, 140.0) == 100  # slow drives are cut finely, too
    assert piece_count(0.5, 1.0) == 12
    assert all(piece_count(d, 2.0 * d) % 2 == 0 for d in np.linspace(1.0, 300.0, 37))


def test_the_rest_of_a_trajectory_is_the_guess_for_driving_on() -> None:
    world = lunar_world()
    path = find_path(world.cost_map, START, GOAL).path
    timing = retime(path, world.surface, world.environment, world.rover, world.mission)
    first = build_programme(world, Motion(*START), path, timing)
    trajectory = to_trajectory(first, first.x)
    now = trajectory.evaluate(np.array([10.0]))
    start = Motion(float(now.x[0]), float(now.y[0]), float(now.heading[0]) + 2.0 * np.pi, float(now.speed[0]), time=10.0)
    programme = continue_programme(world, start, trajectory, 10.0)
    states, _ = split(programme, programme.x)
    assert programme.parameters[1] == 10.0
    assert programme.variant == first.variant
    assert states[0, :2] == pytest.approx([now.x[0], now.y[0]])
    assert states[-1, :3] == pytest.approx(trajectory.end_pose)
    nx = programme.variant.states
    assert programme.lower_g[nx + 2] == pytest.approx(float(now.heading[0]))  # on the trajectory's branch, not 2 pi away


@pytest.mark.parametrize("speed", [0.0, 0.3])
def test_a_rover_answers_for_its_first_instant_as_far_as_it_can(speed: float) -> None:
    """Its place, speed and turn are given. Power and acceleration of a rover that drives are its choice at once."""
    world = lunar_world()
    path = find_path(world.cost_map, START, GOAL).path
    timing = retime(path, world.surface, world.environment, world.rover, world.mission, start_speed=speed)
    programme = build_programme(world, Motion(*START, speed=speed), path, timing)
    rows = programme.limit_rows.reshape(-1, len(ROWS))
    chosen = [ROWS.index(name) for name in CHOSEN] if speed > 0.0 else []
    for bound in (programme.upper_g, programme.lower_g):
        first, next_ = bound[rows[0]], bound[rows[1]]
        for index in range(len(ROWS)):
            if index in chosen or not np.isfinite(next_[index]):
                assert first[index] == next_[index], ROWS[index]
            else:  # open, and without the margin
                assert abs(first[index] - next_[index]) == pytest.approx(1.0, abs=0.03), ROWS[index]


@pytest.mark.parametrize(
    "values",
    [
        {"x": np.nan}, {"y": np.inf}, {"heading": np.nan}, {"speed": np.nan}, {"speed": -0.1}, {"heading_rate": np.inf},
        {"time": -1.0}, {"time": np.nan}, {"battery_energy": np.nan}, {"battery_energy": -1.0}, {"spent_energy": np.nan},
    ],
    ids=str,
)  # fmt: skip
def test_a_start_that_is_not_known_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        Motion(**{"x": 1.0, "y": 1.0, "heading": 0.0, **values})


def test_stored_energy_is_no_more_than_the_battery_holds() -> None:
    world = flat_world(state_of_charge=0.5)
    assert start_energy(world, Motion(1.0, 1.0, 0.0)) == pytest.approx(0.5e6)
    assert start_energy(world, Motion(1.0, 1.0, 0.0, battery_energy=2.0e5)) == 2.0e5
    assert start_energy(world, Motion(1.0, 1.0, 0.0, battery_energy=3.0e6)) == pytest.approx(1.0e6)


def test_slip_switched_off_is_off_on_the_steepest_climb() -> None:
    from rover_energy.planning.model import CONSTANTS

    slip = replace(rover_of().locomotion.slip, flat=0.0, gain=100.0)
    constants = model_constants(rover_of(locomotion={"slip": slip}), mission_of(), MOON)
    found = dict(zip(CONSTANTS, constants, strict=True))
    grade = np.linspace(-0.4, 0.4, 9)
    assert np.all(found["slip_maximum"] / (1 + found["slip_ratio"] * np.exp(-found["slip_gain"] * grade)) == 0.0)


def test_clearance_sees_the_rim_of_a_hole_and_the_border() -> None:
    """No-data polygons may have holes; a rover inside one is as near to its rim as to anything."""
    import shapely

    ring = shapely.Point(10.0, 10.0).buffer(8.0).difference(shapely.Point(10.0, 10.0).buffer(3.0))
    terrain = Terrain(np.zeros((41, 41)), 0.0, 0.0, 0.5)
    grid = clearance_grid(terrain, [ring], 0.5)
    field = ScalarField(grid.coefficients, grid.x0, grid.y0, grid.cell)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.5, 19.5, (2, 400))
    place = shapely.points(x, y)
    sign = np.where(shapely.contains(ring, place), -1.0, 1.0)
    border = np.minimum(np.minimum(x, 20.0 - x), np.minimum(y, 20.0 - y)) - 0.2
    exact = np.minimum(np.minimum(border, CLEARANCE_CAP), sign * shapely.distance(ring.boundary, place) - 0.5 - 0.03)
    assert np.abs(field.value(x, y) - exact).max() < 0.1
    assert np.all(field.value(x, y)[exact < -0.1] < 0.0)


def test_dark_environment_of_the_cases_is_dark() -> None:
    assert isinstance(flat_world().environment, Environment)
    assert flat_world().environment.direct_irradiance(0.0) == 0.0
