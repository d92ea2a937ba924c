"""From one trajectory to the next under way: no jump of the command, and nothing taken over that does not follow on."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_cases import needs_ros

from rover_energy.control.command import Measurement
from rover_energy.control.controller import Controller
from rover_energy.errors import InputError
from rover_energy.planning.deviation import Observed
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.planner import LocalSolver
from rover_energy.planning.replanner import Replanner, profile_of

pytestmark = needs_ros
PERIOD, SWITCH, LATENCY, BESIDE = 0.04, 8.0, 0.08, 0.06


class Ideal:
    """A rover that does what it is told, on the powers of the plan."""

    def __init__(self, controller: Controller, pose: tuple[float, float, float]) -> None:
        self.controller, (self.x, self.y, self.heading) = controller, pose
        self.speed = self.yaw_rate = self.time = 0.0
        self.speeds: list[float] = []

    def step(self) -> Any:
        point = self.controller.reference.at(self.controller.plan_time)
        m = Measurement(
            time=self.time, pose_time=self.time, power_time=self.time, battery_time=self.time, x=self.x, y=self.y,
            heading=self.heading, speed=self.speed, yaw_rate=self.yaw_rate, wheel_speed=math.nan,
            motion_power=max(0.0, point.total_power - 55.0), constant_power=55.0, supply_power=point.supply_power,
            battery_limit=0.0, battery_energy=8.0e5,
        )  # fmt: skip
        command, status = self.controller.step(m, self.time)
        self.speed, self.yaw_rate = command.speed, command.yaw_rate
        self.heading += self.yaw_rate * PERIOD
        self.x += self.speed * math.cos(self.heading) * PERIOD
        self.y += self.speed * math.sin(self.heading) * PERIOD
        self.time += PERIOD
        self.speeds.append(command.speed)
        return status


@pytest.fixture(scope="module")
def case(plan_folder: Path) -> SimpleNamespace:
    """A drive stopped in the middle, six centimetres beside its plan, and the next plan as the planner sends it."""
    from rover_energy.nodes.plan_folder import read_certified, read_world, trajectory_message
    from rover_energy.nodes.ros import quaternion_of, stamp_of

    world, plan = read_world(str(plan_folder)), read_certified(str(plan_folder))
    model = world.surface, world.environment, world.rover, world.mission
    rover = Ideal(Controller(plan.trajectory, *model), tuple(float(v) for v in plan.trajectory.start))  # type: ignore[arg-type]
    while rover.time < SWITCH:
        rover.step()
    rover.x -= BESIDE * math.sin(rover.heading)
    rover.y += BESIDE * math.cos(rover.heading)
    replanner = Replanner(world, LocalSolver())
    replanner.begin(plan.trajectory)
    o = Observed(rover.time, rover.x, rover.y, rover.heading, rover.speed, rover.yaw_rate, 0.0, 55.0, 0.0, 8.0e5)
    replanner.observe(o)
    made, used = replanner.replan(o, seconds=30.0)
    profile = evaluate_plan(plan.trajectory, *model).columns()
    first = trajectory_message(plan, profile, "plan")
    message = trajectory_message(made.to_plan(used), profile_of(made, used).columns(), "plan+1")
    message.header.stamp = stamp_of(rover.time)
    for _ in range(round(LATENCY / PERIOD)):
        rover.step()
    pose = SimpleNamespace(position=SimpleNamespace(x=rover.x, y=rover.y), orientation=quaternion_of(0.0, 0.0, rover.heading))
    part = SimpleNamespace(
        handle=SimpleNamespace(request=SimpleNamespace(trajectory=first)), status_time=lambda: rover.time,
        odometry=SimpleNamespace(pose=SimpleNamespace(pose=pose)),
        controller_of=lambda plan, began, control: Controller(plan, *model, control),
    )  # fmt: skip
    return SimpleNamespace(part=part, message=message, rover=rover, limits=world.rover.limits, goal=plan.trajectory.end_pose)


def test_refusals(case: SimpleNamespace) -> None:
    from rover_energy.nodes.drive_switch import switch
    from rover_energy.nodes.ros import seconds, stamp_of

    def changed(**values: Any) -> Any:
        message = copy.deepcopy(case.message)
        for name, value in values.items():
            setattr(message, name, value)
        return message

    uncertified = changed()
    uncertified.certificate.passed = False
    stolen = changed(plan_id="plan+2")
    old = changed()
    old.header.stamp = stamp_of(seconds(case.message.header.stamp) - 2.0)
    future = changed()
    future.header.stamp = stamp_of(seconds(case.message.header.stamp) + 5.0)
    elsewhere = changed(start_x=case.message.start_x + 0.5)
    off = changed()
    off.pieces[0].speed[0] = math.nan
    for message, field in (
        (changed(plan_id="other+1"), "plan_id"), (uncertified, "certificate"), (stolen, "certificate"), (old, "stamp"),
        (future, "stamp"), (elsewhere, "end"), (off, "pieces"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=field):
            switch(case.part, message, case.rover.controller)


def test_drive_goes_on_without_a_jump_and_arrives(case: SimpleNamespace) -> None:
    from rover_energy.nodes.drive_switch import switch

    rover, earlier = case.rover, case.rover.controller
    count = len(rover.speeds)
    rover.controller = switch(case.part, case.message, earlier)
    assert rover.controller.estimator is earlier.estimator
    assert rover.controller.plan_time == pytest.approx(LATENCY, abs=1e-9)
    status = rover.step()
    assert status.error.distance <= 0.02, "the next plan begins where the rover was, beside the earlier one"
    for _ in range(6000):
        status = rover.step()
        if status.stop is not None:
            break
    assert status.stop is not None
    assert not status.stop.safe, status.stop
    change = np.abs(np.diff(rover.speeds[count - 2 :]))
    assert change.max() <= 1.7 * case.limits.acceleration * PERIOD, "as gently as ever"
    assert math.dist((rover.x, rover.y), case.goal[:2]) <= 0.1
