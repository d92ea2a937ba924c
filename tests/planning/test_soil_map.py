"""A predicted map of resistance: geometry against shapely, power against the demand model, files, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import ResistanceParameters, resistance_force
from rover_energy.mission import MissionParameters, SiteParameters
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.path import Path as Way
from rover_energy.planning.planner import plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.retiming import TimingError
from rover_energy.planning.soil_map import SoilMap, energy_of, power_over, read_soil_map, softened, write_soil_map
from rover_energy.planning.soil_route import candidates, plan_over_soil
from rover_energy.planning.soil_timing import certify_over, cut, declared, timing_over
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain

GRAVITY, CELL, SIDE = 1.62, 0.5, 61
START, GOAL = (4.0, 15.0, 0.0), (26.0, 15.0, 0.0)
MISSION = MissionParameters(
    site=SiteParameters(sun_azimuth=180.0, sun_elevation=15.0, cast_shadows=False), power_limit=200.0
)


def soil_of(factor: np.ndarray, over: float = 1.0) -> SoilMap:  # type: ignore[type-arg]
    return SoilMap(factor, over * factor, 0.0, 0.0, CELL)


@pytest.fixture(scope="module")
def world() -> World:
    """Level ground with a gentle swell, 30 m wide."""
    y, x = np.mgrid[:SIDE, :SIDE] * CELL
    return World.prepare(Terrain(0.1 * np.sin(x / 4.0) * np.cos(y / 5.0), 0.0, 0.0, CELL), RoverParameters(), MISSION)


@pytest.fixture(scope="module")
def lake() -> SoilMap:
    """Firm ground with a soft lake between start and goal, open above y = 20 m."""
    y, x = np.mgrid[:SIDE, :SIDE] * CELL
    return soil_of(np.where((x > 11.0) & (x < 19.0) & (y < 20.0), 3.0, 1.0), 1.05)


def test_values_between_nodes_and_off_the_map() -> None:
    soil = SoilMap([[1.0, 2.0], [3.0, 4.0]], [[2.0, 4.0], [6.0, 8.0]], 10.0, 20.0, 2.0)
    assert soil.at(11.0, 21.0) == pytest.approx(2.5)
    assert soil.at([10.0, 12.0], [20.0, 22.0], upper=True) == pytest.approx([2.0, 8.0])
    assert np.isnan(soil.at(9.9, 21.0))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"factor": [[1.0, 0.0], [1.0, 1.0]]}, "factor"), ({"upper": [[1.0, 99.0], [1.0, 1.0]]}, "upper"),
        ({"upper": [[0.9, 1.0], [1.0, 1.0]]}, "below factor"), ({"cell": 0.0}, "cell"), ({"cell": float("nan")}, "cell"),
        ({"confidence": 0.2}, "confidence"), ({"x0": float("inf")}, "x0"),
        ({"factor": np.full((2, 2), np.nan)}, "unknown everywhere"),
        ({"factor": [1.0, 1.0]}, "has shape"), ({"upper": np.ones((3, 3))}, "has shape"),
    ],
)  # fmt: skip
def test_maps_that_cannot_be(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        SoilMap(**{"factor": np.ones((2, 2)), "upper": np.ones((2, 2)), "x0": 0.0, "y0": 0.0, "cell": 1.0, **fields})  # type: ignore[arg-type]


def test_polygons_cover_the_marked_cells_and_leave_islands_open() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        mask = rng.uniform(size=(20, 24)) < 0.6
        mask[5:12, 5:12], mask[7:9, 7:9] = True, False
        polygons = soil_of(np.ones((20, 24))).polygons(mask)
        assert all(not p.interiors and p.is_valid for p in polygons)
        joined = shapely.union_all(polygons)
        assert joined.area == pytest.approx(mask.sum() * CELL**2)
        y, x = np.mgrid[:20, :24] * CELL
        assert np.array_equal(shapely.contains_xy(joined, x, y), mask)
    assert soil_of(np.ones((4, 4))).polygons(np.zeros((4, 4), bool)) == []


def test_a_file_comes_back(tmp_path: Path, lake: SoilMap) -> None:
    write_soil_map(tmp_path / "soil.npz", lake)
    back = read_soil_map(tmp_path / "soil.npz")
    assert np.array_equal(back.upper, lake.upper)
    assert (back.x0, back.cell, back.confidence) == (lake.x0, lake.cell, lake.confidence)
    np.savez(tmp_path / "short.npz", factor=lake.factor)
    with pytest.raises(InputError, match="upper: is missing"):
        read_soil_map(tmp_path / "short.npz")
    np.savez(tmp_path / "text.npz", factor=np.array([["a"]]), upper=lake.upper, x0=0, y0=0, cell=1)
    with pytest.raises(InputError, match="store real numbers"):
        read_soil_map(tmp_path / "text.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "soil.npz").read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        read_soil_map(tmp_path / "cut.npz")


@pytest.mark.parametrize("model", ["polynomial", "bekker"])
def test_softened_ground_resists_as_many_times(model: str) -> None:
    rover = RoverParameters()
    move = replace(rover.locomotion, resistance=ResistanceParameters(model=model, c1=5.0, c2=2.0))
    soft = softened(replace(rover, locomotion=move), 2.5, GRAVITY).locomotion
    for speed in (0.0, 0.4):
        firm, hard = (float(resistance_force(m, speed=speed, tilt=0.0, gravity=GRAVITY)) for m in (move, soft))
        assert hard == pytest.approx(2.5 * firm)
        tilted = float(resistance_force(move, speed=speed, tilt=0.3, gravity=GRAVITY))
        assert float(resistance_force(soft, speed=speed, tilt=0.3, gravity=GRAVITY)) >= 2.5 * tilted - 1e-9
    assert soft.turn_moment == pytest.approx(2.5 * move.turn_moment)


def test_power_over_a_map_is_that_of_the_demand_model(world: World) -> None:
    """On a uniform map it equals the evaluation of a rover with that resistance; on mixed ground it lies between."""
    plan = plan_traverse(world, START, (14.0, 20.0, 1.0))
    run, gravity = (world.surface, world.environment), world.environment.gravity
    profile = evaluate_plan(plan.trajectory, *run, world.rover, world.mission)
    soft = evaluate_plan(plan.trajectory, *run, softened(world.rover, 2.0, gravity), world.mission)
    move, ones = world.rover.locomotion, np.ones_like(profile.t)
    assert power_over(profile, move, ones, gravity) == pytest.approx(profile.total_power, rel=1e-9)
    assert power_over(profile, move, 2.0 * ones, gravity) == pytest.approx(soft.total_power, rel=1e-9)
    energies = [energy_of(power_over(profile, move, f, gravity), profile.t) for f in (ones, np.where(profile.x > 9.0, 2.0, 1.0))]
    assert energies[0] < energies[1] < energy_of(soft.total_power, soft.t)


def test_around_the_lake_when_that_is_cheaper(world: World, lake: SoilMap) -> None:
    plan = plan_over_soil(world, lake, START, GOAL)
    profile = evaluate_plan(plan.traverse.trajectory, plan.world.surface, world.environment, world.rover, plan.world.mission)
    assert float(lake.at(profile.x, profile.y).max()) == 1.0
    assert float(profile.y.max()) > 20.0
    straight = plan_over_soil(world, soil_of(np.full((SIDE, SIDE), 3.0), 1.05), START, GOAL)
    assert plan.expected < straight.expected
    assert plan.expected <= plan.upper <= 1.06 * plan.expected
    assert plan.traverse.certificate.passed
    assert plan.traverse.trajectory.end_pose == pytest.approx(GOAL, abs=1e-3)


def test_through_the_lake_at_the_speed_that_it_allows(world: World) -> None:
    """Where no way leads around, the plan is slow on soft ground only, and never above the limit on the map's upper estimate."""
    _, x = np.mgrid[:SIDE, :SIDE] * CELL
    soil = soil_of(np.where((x > 13.0) & (x < 17.0), 3.0, 1.0), 1.05)
    plan = plan_over_soil(world, soil, START, GOAL)
    profile = evaluate_plan(plan.traverse.trajectory, plan.world.surface, world.environment, world.rover, plan.world.mission)
    factor = soil.at(profile.x, profile.y, upper=True)
    power = power_over(profile, world.rover.locomotion, factor, world.environment.gravity)
    assert np.all(power <= profile.available_power)
    assert np.all(plan.declared(profile.t) >= factor - 1e-9)
    inside, outside = (profile.x > 13.5) & (profile.x < 16.5), (profile.x > 7.0) & (profile.x < 11.0)
    assert profile.speed[inside].max() < 0.9 * profile.speed[outside].max()
    assert all(stretch.certificate.passed for stretch in plan.stretches)
    assert plan.stretches[-1].last == plan.traverse.trajectory.pieces
    assert plan.margin >= 1.05 - 1e-9
    assert plan.to_mapping(soil)["confidence"] == 0.9
    # the same drive as if it were firm asks for more than there is: the certificate on the map says so
    fast = plan_traverse(world, START, GOAL).trajectory
    assert not all(stretch.certificate.passed for stretch in certify_over(plan.world, soil, fast, GOAL))


def test_stretches_together_are_the_certificate(world: World) -> None:
    """On uniform ground there is one stretch, and it is the certificate; in two parts the battery goes on where it was left."""
    plan = plan_over_soil(world, soil_of(np.ones((SIDE, SIDE))), START, GOAL)
    assert len(plan.stretches) == 1
    whole = plan.stretches[0].certificate
    assert whole.least_power_margin == pytest.approx(plan.traverse.certificate.least_power_margin)
    trajectory = plan.traverse.trajectory
    _, x = np.mgrid[:SIDE, :SIDE] * CELL
    parts = certify_over(plan.world, soil_of(np.where(x < 15.0, 1.0, 1.05)), trajectory, GOAL)
    assert [part.declared for part in parts] == pytest.approx([1.0, 1.08])
    last = parts[-1]
    state = trajectory.evaluate(np.array([last.begin + 1.0]))
    again = cut(trajectory, last.first, last.last).evaluate(np.array([1.0]))
    assert (again.x[0], again.y[0], again.heading[0]) == pytest.approx((state.x[0], state.y[0], state.heading[0]), abs=1e-9)
    profile = evaluate_plan(trajectory, world.surface, world.environment, world.rover, world.mission)
    stored = float(np.interp(last.begin, profile.t, profile.battery_energy))
    carried = last.certificate["battery_floor"].worst_value
    assert stored - 60.0 < carried <= stored + 1e-6, "what the first part leaves at least, by its bound"


def test_unknown_ground_is_never_driven(world: World) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] * CELL
    soil = soil_of(np.where((x > 13.0) & (x < 16.0) & (y < 22.0), np.nan, 1.0))
    plan = plan_over_soil(world, soil, START, GOAL)
    state = plan.traverse.trajectory.evaluate(np.linspace(0.0, plan.traverse.duration, 2000))
    assert np.all(np.isfinite(soil.at(state.x, state.y)))
    closed = soil_of(np.where((x > 13.0) & (x < 16.0), np.nan, 1.0))
    with pytest.raises(Refusal):
        plan_over_soil(world, closed, START, GOAL)
    with pytest.raises(TimingError, match="does not know"):
        timing_over(world, closed, Way(np.array([0.0, 22.0]), np.array([4.0, 26.0]), np.full(2, 15.0), np.zeros(2), np.zeros(2)))


def test_a_map_of_elsewhere_is_refused(world: World) -> None:
    with pytest.raises(InputError, match="does not cover"):
        plan_over_soil(world, SoilMap(np.ones((9, 9)), np.ones((9, 9)), 0.0, 0.0, 1.0), START, GOAL)
    with pytest.raises(InputError, match="start"):
        plan_over_soil(world, soil_of(np.ones((SIDE, SIDE))), (float("nan"), 0.0, 0.0), GOAL)


def test_candidates_differ_and_leave_the_poses_free(world: World, lake: SoilMap) -> None:
    found = candidates(world, lake, (15.0, 10.0, 0.0), GOAL)
    masks = [mask for _, mask in found]
    assert all(not np.array_equal(a, b) for i, a in enumerate(masks) for b in masks[:i])
    assert all(not mask[20, 30] for mask in masks), "the start is in the lake"
    assert not masks[-1].any()


def test_declared_factors_are_steps_above_the_estimate() -> None:
    factor = np.array([0.5, 1.0, 1.01, 2.0, 3.3])
    steps = declared(factor)
    assert np.all(steps >= factor - 1e-9)
    assert np.all(steps <= 1.08 * factor + 1e-9)
    assert steps[1] == 1.0
