"""Whether a plan has its power by another account, against the profile evaluated anew; the speed that the bus carries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planner_cases import GOAL, START, lunar_world

from rover_energy.locomotion.demand import drive_power
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.planner import LocalSolver, PlannedTraverse, plan_traverse
from rover_energy.planning.slowing import LEAST_CARRIED, carried_speed, scarcer
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.world import World

WORLD = lunar_world()
WORLD = replace(WORLD, mission=replace(WORLD.mission, use_battery=False))


@pytest.fixture(scope="module")
def plan() -> PlannedTraverse:
    return plan_traverse(WORLD, START, GOAL, solver=LocalSolver(), seconds=30.0)


def profile(trajectory: Trajectory, world: World = WORLD) -> Profile:
    return evaluate_plan(trajectory, world.surface, world.environment, world.rover, world.mission)


def loaded(watts: float) -> World:
    rover = WORLD.rover
    return WORLD.with_rover(replace(rover, loads=replace(rover.loads, base_power=rover.loads.base_power + watts)))


def test_the_same_account_has_the_power(plan: PlannedTraverse) -> None:
    assert not scarcer(profile(plan.trajectory), WORLD, WORLD, 0.0)


@pytest.mark.parametrize("watts", [-20.0, -3.0, 1.0, 6.0, 20.0])
@pytest.mark.parametrize("since", [0.0, 12.0, 30.0])
def test_scarcer_is_what_the_profile_of_the_rest_says(plan: PlannedTraverse, watts: float, since: float) -> None:
    world = loaded(watts)
    p = profile(plan.trajectory, world)  # evaluated anew, by the other account
    missing = p.total_power[p.t >= since] - p.available_power[p.t >= since]
    assert abs(float(missing.max())) > 0.2, "the case decides"
    assert scarcer(profile(plan.trajectory), WORLD, world, since) is bool(missing.max() > 0.0)


def test_no_power_at_all_is_scarcer(plan: PlannedTraverse) -> None:
    assert scarcer(profile(plan.trajectory), WORLD, loaded(1e4), 0.0)


def test_carried_speed_is_the_measured_one_where_power_suffices(plan: PlannedTraverse) -> None:
    p = profile(plan.trajectory)
    assert carried_speed(p, WORLD, loaded(-50.0), 15.0, float(np.interp(15.0, p.t, p.speed)), 0.0) == pytest.approx(
        float(np.interp(15.0, p.t, p.speed))
    )


def test_carried_speed_fits_the_bus_and_never_falls_far(plan: PlannedTraverse) -> None:
    p = profile(plan.trajectory)
    lowered = 0
    for watts in (5.0, 15.0, 25.0, 40.0):
        world = loaded(watts)
        for k in range(0, p.t.size, 400):
            measured = float(p.speed[k])
            if not measured > 0.05:
                continue
            speed = carried_speed(p, WORLD, world, float(p.t[k]), measured, 0.0)
            assert LEAST_CARRIED * measured - 1e-12 <= speed <= measured
            if speed < measured:
                lowered += 1
                asked = drive_power(
                    world.rover.locomotion, speed=speed, acceleration=-world.rover.limits.acceleration,
                    along_slope=p.along_slope[k], tilt=p.tilt[k], gravity=world.environment.gravity,
                )  # fmt: skip
                assert float(asked) <= p.available_power[k] - world.rover.loads.base_power - world.rover.loads.inference_power
    assert lowered > 0
