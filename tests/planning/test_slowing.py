"""How much slower a plan must be on less power, against the profile of the plan stretched by that much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planner_cases import GOAL, START, lunar_world

from rover_energy.locomotion.demand import drive_power
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.planner import LocalSolver, PlannedTraverse, plan_traverse
from rover_energy.planning.slowing import LEAST_CARRIED, SLOWEST, SLOWING, carried_speed, slowdown
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


def shortage(p: Profile) -> float:
    return float(np.max(p.total_power - p.available_power))


def test_the_same_account_asks_for_nothing(plan: PlannedTraverse) -> None:
    assert slowdown(profile(plan.trajectory), WORLD, WORLD, 0.0) == 1.0


@pytest.mark.parametrize("watts", [6.0, 12.0, 20.0])
def test_slowed_by_the_factor_it_fits_and_by_less_it_does_not(plan: PlannedTraverse, watts: float) -> None:
    world = loaded(watts)
    p = profile(plan.trajectory)
    factor = slowdown(p, WORLD, world, 0.0)
    assert 1.0 < factor < SLOWEST
    assert shortage(profile(plan.trajectory.stretched(factor), world)) <= 0.1
    assert shortage(profile(plan.trajectory.stretched(factor / SLOWING * 0.98), world)) > 0.0


def test_no_power_at_all_asks_for_the_most(plan: PlannedTraverse) -> None:
    assert slowdown(profile(plan.trajectory), WORLD, loaded(1e4), 0.0) == SLOWEST


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
