"""From one trajectory to the next while the rover drives: what is checked, and a controller that goes on where the last was."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.control.controller import Controller
from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import root_of, trajectory_from_message

OLDEST = 1.0  # [s] since the state from which the next trajectory starts
GAP = 0.15  # [m] between the rover and the place of the next trajectory for now
GOAL_GAP = 0.02  # [m], and [rad]: a replan leads to the same goal


def certified(trajectory: Any) -> bool:
    """Whether an EnergyTrajectory carries its own passing certificate."""
    c = trajectory.certificate
    return bool(c.passed and c.subject == c.PLAN and c.plan_id == trajectory.plan_id)


def switch(part: Any, message: Any, earlier: Controller) -> Controller:
    """The controller of the next trajectory, under way. Raises InputError when it does not follow on from this drive."""
    if root_of(message.plan_id) != root_of(part.handle.request.trajectory.plan_id):
        raise InputError("replan", "plan_id", "is of another plan's branch", "send what this drive needs", message.plan_id)
    if not certified(message):
        raise InputError("replan", "certificate", "is absent, did not pass or is another plan's", "plan again")
    began, now = ros.seconds(message.header.stamp), part.status_time()
    age = now - began
    if not -1e-6 <= age <= OLDEST:
        raise InputError("replan", "stamp", f"is {age:.3f} s old, {OLDEST:g} s are allowed", "plan again")
    plan = trajectory_from_message(message)
    gap = math.dist(plan.end_pose[:2], _goal(earlier)[:2])
    turn = abs(math.remainder(plan.end_pose[2] - _goal(earlier)[2], 2.0 * math.pi))
    if not max(gap, turn) <= GOAL_GAP:
        raise InputError("replan", "end", f"is {gap:.3f} m and {turn:.3f} rad from the goal", "plan to the same goal")
    controller = part.controller_of(plan, began, earlier.parameters)
    controller.take_over(earlier, max(0.0, age), now)
    at = part.odometry.pose.pose
    error, _ = controller.tracker.error(
        controller.plan_time, (at.position.x, at.position.y, ros.angles_of(at.orientation)[2])
    )  # fmt: skip
    if not error.distance <= GAP:
        raise InputError("replan", "start", f"is {error.distance:.3f} m from the rover", f"plan from within {GAP:g} m")
    return controller


def _goal(controller: Controller) -> tuple[float, float, float]:
    end = controller.reference.at(controller.reference.duration)
    return end.x, end.y, end.heading
