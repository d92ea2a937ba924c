"""Planning on for a rover that is driving: from its state, with what is left of the mission."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planner_cases import GOAL, START, flat_world, lunar_world

from rover_energy.planning import planner
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.planner import LocalSolver, PlannedTraverse, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.replanning import replan_traverse
from rover_energy.planning.transcription import Motion
from rover_energy.planning.world import World

solver = LocalSolver()


def plan(world: World, start: Any = START, goal: Any = GOAL) -> PlannedTraverse:
    return plan_traverse(world, start, goal, solver=solver, seconds=30.0)


def moving_start(world: World, first: PlannedTraverse, elapsed: float, **changes: float) -> Motion:
    profile = evaluate_plan(first.trajectory, world.surface, world.environment, world.rover, world.mission)
    now = first.trajectory.evaluate(np.array([elapsed]))
    values = {
        "x": float(now.x[0]), "y": float(now.y[0]), "heading": float(now.heading[0]), "speed": float(now.speed[0]),
        "heading_rate": float(now.heading_rate[0]), "time": elapsed,
        "battery_energy": float(np.interp(elapsed, profile.t, profile.battery_energy)),
    }  # fmt: skip
    return Motion(**{name: value + changes.get(name, 0.0) for name, value in values.items()})


@pytest.mark.parametrize("elapsed", [6.0, 14.0, 25.0])
@pytest.mark.parametrize("shift", [0.0, 0.04], ids=["on the plan", "beside it"])
def test_driving_on_from_a_moving_start(elapsed: float, shift: float) -> None:
    world = lunar_world()
    first = plan(world)
    start = moving_start(world, first, elapsed, x=shift, y=-shift, heading=0.5 * shift)
    made = replan_traverse(world, first, start, solver=solver, seconds=30.0)
    assert made.certificate.passed
    begin = made.trajectory.evaluate(np.array([0.0]))
    for name in ("x", "y", "heading", "heading_rate"):
        assert float(getattr(begin, name)[0]) == pytest.approx(getattr(start, name), abs=1e-6), name
    # a speed at the limit is clipped to the share of it that the optimiser uses
    clipped = 0.002 * world.rover.limits.speed if start.speed > 0.995 * world.rover.limits.speed else 1e-6
    assert float(begin.speed[0]) == pytest.approx(start.speed, abs=clipped)
    assert made.trajectory.end_pose == pytest.approx(first.trajectory.end_pose, abs=1e-3)
    assert made.duration == pytest.approx(first.duration - elapsed, rel=0.05)


def test_a_new_path_from_a_moving_start() -> None:
    world = lunar_world()
    start = replace(moving_start(world, plan(world), 10.0), time=0.0)
    made = plan(world, start, (22.0, 16.0, 0.0))
    assert made.certificate.passed
    begin = made.trajectory.evaluate(np.array([0.0]))
    assert (float(begin.speed[0]), float(begin.heading_rate[0])) == pytest.approx((start.speed, start.heading_rate), abs=1e-6)


def test_what_is_left_of_a_mission() -> None:
    world = flat_world(deadline=100.0, energy_budget=5000.0)
    left = planner.from_now_on(world, Motion(5.0, 5.0, 0.0, time=30.0, spent_energy=1200.0, battery_energy=4.0e5))
    assert (left.mission.deadline, left.mission.energy_budget, left.mission.state_of_charge) == (70.0, 3800.0, 0.4)
    assert left.fields is world.fields
    assert left.cost_map is world.cost_map
    assert planner.from_now_on(world, Motion(5.0, 5.0, 0.0)) is world
    for used, reason in ({"time": 100.0}, "deadline"), ({"spent_energy": 6000.0}, "energy_budget"):
        with pytest.raises(Refusal) as caught:
            planner.from_now_on(world, Motion(5.0, 5.0, 0.0, **used))
        assert caught.value.reason == reason


def test_a_replan_does_not_get_the_time_already_used_again() -> None:
    world = lunar_world()
    first = plan(world)
    tight = lunar_world(deadline=first.duration * 1.02)
    start = moving_start(tight, first, 20.0)
    made = replan_traverse(tight, first, start, solver=solver, seconds=30.0)
    assert 20.0 + made.duration <= first.duration * 1.02
    with pytest.raises(Refusal):
        replan_traverse(lunar_world(deadline=first.duration * 0.9), first, start, solver=solver, seconds=30.0)
