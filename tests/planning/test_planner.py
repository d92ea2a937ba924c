"""Plans under every kind of mission, on every kind of ground, and refusals for every reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from planner_cases import (
    GOAL,
    MOON,
    START,
    check_plan,
    flat_world,
    low_sun,
    lunar_ground,
    lunar_world,
    mars_site,
    mission_of,
    rover_of,
)

from rover_energy.environment.scene import Environment
from rover_energy.errors import EXIT_FAILED, InputError
from rover_energy.mission import WeightParameters
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.follow import trajectory_path
from rover_energy.planning.planner import LocalSolver, PlannedTraverse, plan_traverse
from rover_energy.planning.refusal import REMEDIES, Refusal
from rover_energy.planning.retiming import retime
from rover_energy.planning.search import SearchFailure
from rover_energy.planning.transcription import Motion
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.raster import Terrain

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "terrain"
solver = LocalSolver()
DRAG = replace(rover_of().locomotion.resistance, c2=400.0)
SMALL = {"capacity": 1.0e5, "max_discharge_power": 40.0}


def plan(world: World, start: Any = START, goal: Any = GOAL, **options: Any) -> PlannedTraverse:
    return plan_traverse(world, start, goal, solver=solver, seconds=30.0, **options)


MISSIONS: dict[str, Callable[[], World]] = {
    "no battery": lambda: lunar_world(use_battery=False),
    "battery": lambda: lunar_world(),
    "power limit": lambda: lunar_world(power_limit=125.0),
    "floor": lambda: lunar_world(
        rover_of(rtg={"beginning_of_life_power": 75.0}, battery=SMALL, pv={"area": 0.0}), state_of_charge=0.16
    ),
    "deadline": lambda: lunar_world(deadline=45.0),
    "energy weight": lambda: lunar_world(
        rover_of(rtg={"beginning_of_life_power": 200.0}, locomotion={"resistance": DRAG}),
        weights=WeightParameters(time=0.05, energy=0.01), deadline=47.0,
    ),
    "tilted panel": lambda: lunar_world(
        rover_of(rtg={"beginning_of_life_power": 90.0}, pv={"panel_pitch": 0.6, "panel_azimuth": 1.2}), use_battery=False
    ),
    "bekker": lambda: lunar_world(
        rover_of(rtg={"beginning_of_life_power": 110.0}, locomotion={"resistance": replace(DRAG, model="bekker", c2=20.0)}),
        use_battery=False,
    ),
    "no battery aboard": lambda: lunar_world(rover_of(rtg={"beginning_of_life_power": 110.0}, battery={"capacity": 0.0})),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSIONS)
def test_plans_are_certified_and_optimal(name: str) -> None:
    world = MISSIONS[name]()
    made = plan(world)
    check_plan(world, made)
    if name != "floor":  # where energy binds the optimum is flat, and not every solver finds its end; see below
        assert made.status == "optimal"
    assert made.facts["seconds"]["total"] > 0.0
    mapping = made.to_plan(world).to_mapping()
    assert mapping["status"] == made.status
    assert mapping["certificate"]["passed"] is True


def test_the_power_limit_binds_and_costs_time() -> None:
    free, capped = plan(lunar_world()), plan(MISSIONS["power limit"]())
    assert free.certificate.peak_power > 135.0
    assert 124.0 < capped.certificate.peak_power <= 125.0
    assert capped.duration > free.duration


def test_the_floor_binds_and_costs_time() -> None:
    world = MISSIONS["floor"]()
    full = plan(lunar_world(world.rover, state_of_charge=0.8))
    goals = [(GOAL[0] + shift, GOAL[1], GOAL[2]) for shift in (0.0, 0.05, 0.1)]
    plans = [plan(world, START, goal) for goal in goals]
    for bound in plans:
        assert bound.certificate.passed
        assert 0.0 <= bound.certificate.least_battery_margin < 30.0
        assert bound.duration > 1.05 * full.duration
    assert sum(bound.status == "optimal" for bound in plans) >= 2


def test_the_energy_budget_binds_and_is_kept() -> None:
    """Where resistance grows with speed, slower is cheaper; the budget takes a tenth of what speed costs over the cheapest."""
    rover = rover_of(rtg={"beginning_of_life_power": 260.0}, loads={"base_power": 10.0}, locomotion={"resistance": DRAG})
    free = plan(lunar_world(rover, energy_budget=1e6))
    spent = free.certificate["energy_budget"].worst_value
    world = lunar_world(rover, energy_budget=0.9 * spent)
    made = plan(world)
    check_plan(world, made)
    assert 0.97 * 0.9 * spent < made.certificate["energy_budget"].worst_value <= 0.9 * spent
    assert made.duration > free.duration


def test_a_deadline_is_kept_where_energy_would_rather_take_longer() -> None:
    world = MISSIONS["energy weight"]()
    leisurely = plan(lunar_world(world.rover, weights=world.mission.weights))
    made = plan(world)
    assert leisurely.duration > 50.0 > 47.0 >= made.duration
    assert made.status == "optimal"


def test_energy_weight_prefers_the_cheaper_plan_to_a_faster_fallback() -> None:
    world = lunar_world(MISSIONS["energy weight"]().rover, weights=WeightParameters(time=0.05, energy=0.01))
    cheap, fast = plan(world), plan(lunar_world(world.rover))
    assert cheap.status == "optimal"
    assert cheap.duration > 1.1 * fast.duration

    def energy(made: PlannedTraverse) -> float:
        profile = evaluate_plan(made.trajectory, world.surface, world.environment, world.rover, world.mission)
        return float(np.trapezoid(profile.total_power, profile.t))

    assert energy(cheap) < 0.95 * energy(fast)


def blocked_world(**mission: Any) -> World:
    """A plane with a block in the middle and a wall from border to border."""
    ground = flat_world(size=40.0, use_battery=False, rover=rover_of(rtg={"beginning_of_life_power": 160.0}), **mission)
    outs = (shapely.box(8.0, 8.0, 12.0, 12.0), shapely.box(25.0, -1.0, 26.0, 41.0))
    return replace(ground, keep_outs=outs)


def steep_world() -> World:
    """Level up to x = 20 m, then a slope of 27 degrees."""
    axis = np.arange(0.0, 40.25, 0.5)
    height = np.tile(0.5 * np.maximum(0.0, axis - 20.0), (axis.size, 1))
    ramp, rover = Terrain(height, 0.0, 0.0, 0.5, "ramp"), rover_of(rtg={"beginning_of_life_power": 160.0})
    return World.prepare(ramp, rover, mission_of(), Environment.dark(MOON))


IN, OUT, BEYOND, ACROSS = (10.0, 10.0, 0.0), (4.0, 20.0, 0.0), (60.0, 5.0, 0.0), (35.0, 20.0, 0.0)
DIM = rover_of(rtg={"beginning_of_life_power": 50.0})
THIN = rover_of(rtg={"beginning_of_life_power": 54.0}, battery=SMALL)
REFUSALS: dict[str, tuple[Callable[[], World], Any, Any, str, str]] = {
    "start in a keep-out": (blocked_world, IN, OUT, "start_blocked", "keep_out"),
    "goal in a keep-out": (blocked_world, OUT, IN, "goal_blocked", "keep_out"),
    "start off the map": (blocked_world, BEYOND, OUT, "start_blocked", "map_edge"),
    "goal off the map": (blocked_world, OUT, BEYOND, "goal_blocked", "map_edge"),
    "goal too steep": (steep_world, (5.0, 20.0, 0.0), (30.0, 20.0, 0.0), "goal_blocked", "tilt"),
    "no way through": (blocked_world, OUT, ACROSS, "no_path", "keep_out"),
    "power below the base load": (
        lambda: flat_world(rover=DIM, use_battery=False), OUT, (20.0, 20.0, 0.0), "start_blocked", "power",
    ),
    "battery too low": (
        lambda: flat_world(rover=THIN, state_of_charge=0.16), OUT, (25.0, 20.0, 0.0), "floor", "floor",
    ),
    "budget too small": (
        lambda: flat_world(rover=rover_of(rtg={"beginning_of_life_power": 160.0}), energy_budget=1500.0), OUT, (25.0, 20.0, 0.0),
        "energy_budget", "energy_budget",
    ),
    "deadline too near": (
        lambda: flat_world(rover=rover_of(rtg={"beginning_of_life_power": 160.0}), deadline=20.0), OUT, (25.0, 20.0, 0.0),
        "deadline", "deadline",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_typed(name: str) -> None:
    make, start, goal, reason, constraint = REFUSALS[name]
    with pytest.raises(Refusal) as caught:
        plan(make(), start, goal)
    refusal = caught.value
    assert (refusal.reason, refusal.binding.constraint) == (reason, constraint)
    assert refusal.remedies
    assert "\n" not in str(refusal)
    assert all(remedy in str(refusal) for remedy in refusal.remedies)
    assert refusal.exit_code == EXIT_FAILED
    mapping = refusal.to_mapping()
    assert mapping["status"] == "refused"
    assert mapping["binding"]["constraint"] == constraint
    if reason == "start_blocked":
        assert not any("another goal" in remedy for remedy in refusal.remedies)


@pytest.mark.parametrize("start", [(1.0, 2.0), (np.nan, 1.0, 0.0), "abc", (1.0, 2.0, 3.0, 4.0), (1.0, 2.0, np.inf)], ids=str)
def test_poses_that_are_none(start: Any) -> None:
    with pytest.raises(InputError, match="start"):
        plan(flat_world(), start)
    with pytest.raises(InputError, match="goal"):
        plan(flat_world(), OUT, start)


def test_every_limit_that_search_and_timing_name_has_a_remedy() -> None:
    from rover_energy.planning.costmap import Blocked

    names = {limit.name.lower() for limit in Blocked} - {"free"}
    assert names | {"floor", "energy_budget", "deadline", "start_speed", "unsettled"} <= set(REMEDIES)
    assert Refusal.from_search(SearchFailure("budget_exhausted", "memory", "no more")).remedies


@pytest.fixture(scope="module")
def mars() -> World:
    """A morning on Mars, whose light changes much within the hour; no battery, so the light is what drives."""
    rover = rover_of(rtg={"beginning_of_life_power": 70.0}, pv={"area": 0.5})
    return World.prepare(lunar_ground(), rover, mission_of(site=mars_site(), use_battery=False, horizon=3600.0))


def test_changing_light(mars: World) -> None:
    assert mars.environment.times.size > 5
    early = plan(mars)
    check_plan(mars, early)
    late = plan(mars, Motion(*START, time=3000.0))
    assert late.certificate.passed
    assert late.duration < early.duration - 0.5  # the Sun has risen

    def shifted(by: float) -> Environment:
        return replace(mars.environment, times=mars.environment.times - by)

    at_its_time = evaluate_plan(late.trajectory, mars.surface, shifted(3000.0), mars.rover, mars.mission)
    too_early = evaluate_plan(late.trajectory, mars.surface, shifted(0.0), mars.rover, mars.mission)
    assert np.max(at_its_time.total_power - at_its_time.available_power) <= 1e-6
    assert np.max(too_early.total_power - too_early.available_power) > 1.0


def test_a_plan_that_outlasts_the_known_light_is_refused(mars: World) -> None:
    with pytest.raises((Refusal, InputError)):
        plan(mars, Motion(*START, time=3590.0))


@pytest.mark.parametrize("use_battery", [True, False])
def test_plans_come_close_to_the_least_time_of_their_path(use_battery: bool) -> None:
    """Within 3 % of retiming the same path without a bound on jerk; the battery stands where its limit tapers."""
    ground = lunar_ground(2, 40.0)
    rover = rover_of(rtg={"beginning_of_life_power": 70.0 if use_battery else 90.0}, battery=SMALL)
    mission = mission_of(use_battery=use_battery, state_of_charge=0.17)
    world = World.prepare(ground, rover, mission, low_sun(2, 40.0))
    rng = np.random.default_rng(3)
    gaps = []
    for _ in range(40):
        angle, place = rng.uniform(-np.pi, np.pi), rng.uniform(5.0, 35.0, 2)
        end = place + 15.0 * np.array([np.cos(angle), np.sin(angle)])
        if not ((end > 5.0).all() and (end < 35.0).all()):
            continue
        start, goal = (*place, angle + rng.uniform(-0.5, 0.5)), (*end, angle + rng.uniform(-0.5, 0.5))
        try:
            made = plan(world, start, goal)
        except Refusal:
            continue
        best = retime(trajectory_path(made.trajectory), world.surface, world.environment, rover, mission)
        if best.least_battery_margin > 0.0 or not use_battery:
            gaps.append(made.duration / best.duration - 1.0)
    assert len(gaps) >= 5
    assert np.median(gaps) < 0.015
    assert max(gaps) < 0.03
    assert min(gaps) > -2e-3


@pytest.mark.parametrize("name", ["moon_aristarchus_imp.tif", "marsyard2021.tif"])
def test_real_terrain(name: str) -> None:
    pytest.importorskip("rasterio", reason="needs the extra 'terrain'")
    if not (DATA / name).is_file():
        pytest.skip(f"reference terrain {name} not found; set ROVER_ENERGY_DATA")
    terrain = load_terrain(DATA / name)
    xmin, ymin, xmax, ymax = terrain.extent
    reach = min(15.0, 0.5 * min(xmax - xmin, ymax - ymin))
    if xmax - xmin > 500.0:
        reach = 60.0
    world = World.prepare(terrain, RoverParameters(), mission_of(), Environment.constant(MOON, 1.0, 0.5, 1361.0))
    rng, certified, reasons = np.random.default_rng(0), 0, set()
    for _ in range(12):
        angle = rng.uniform(-np.pi, np.pi)
        place = rng.uniform((xmin, ymin), (xmax, ymax))
        end = place + reach * np.array([np.cos(angle), np.sin(angle)])
        try:
            made = plan(world, (*place, angle), (*end, angle))
        except Refusal as refusal:
            reasons.add(refusal.reason)
            continue
        check_plan(world, made, (*place, angle), made.trajectory.end_pose)
        certified += 1
        if certified == 3:
            break
    assert certified >= 2
    assert reasons <= {"start_blocked", "goal_blocked", "no_path", "budget_exhausted"}
