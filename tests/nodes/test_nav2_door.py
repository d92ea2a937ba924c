"""ComputePathToPose beside PlanTraverse; where nav2_msgs is not installed, the door stays shut."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_cases import GOAL, domain, needs_ros, ros_context

pytestmark = needs_ros
START = (4.0, 4.0, 0.8)
present = find_spec("nav2_msgs") is not None


@pytest.mark.skipif(present, reason="nav2_msgs is installed")
def test_without_nav2_the_door_stays_shut() -> None:
    from rover_energy.nodes.nav2_door import Nav2Door

    assert Nav2Door.open(object()) is None


@pytest.mark.skipif(not present, reason="nav2_msgs is not installed: comes with Nav2, there is no wheel")
def test_path_of_a_certified_plan(plan_folder: Path, tmp_path: Path) -> None:
    """The same request by both doors leads the same way; refusals have Nav2's codes."""
    import rclpy
    from nav2_msgs.action import ComputePathToPose
    from rclpy.action import ActionClient
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.planner_node import Planner

    def pose(x: float, y: float, heading: float, frame: str = "map") -> Any:
        found = ros.message_class("geometry_msgs/msg/PoseStamped")()
        found.header.frame_id = frame
        found.pose.position.x, found.pose.position.y = x, y
        found.pose.orientation = ros.quaternion_of(0.0, 0.0, heading)
        return found

    with ros_context(tmp_path, domain(51)) as world:
        overrides = [Parameter("folder", value=str(plan_folder)), Parameter("stale", value=60.0)]
        host, part = ros.host(Planner, context=world.context, parameter_overrides=overrides)
        client = rclpy.create_node("nav2", context=world.context)
        for node in (host, client):
            world.executor.add_node(node)
        assert "SUCCESS" in str(host.trigger_configure())
        assert "SUCCESS" in str(host.trigger_activate())
        power = ros.message_class("rover_energy_interfaces/msg/PowerState")(validity=31, state_of_charge=0.8)
        power.header.stamp = ros.stamp_of(part.now)  # type: ignore[attr-defined]
        part.power = power  # type: ignore[attr-defined]
        action = ActionClient(client, ComputePathToPose, "compute_path_to_pose")
        world.spin(action.server_is_ready)

        def ask(goal: Any) -> Any:
            sent = action.send_goal_async(ComputePathToPose.Goal(goal=goal, start=pose(*START), use_start=True))
            world.spin(sent.done)
            answer = sent.result().get_result_async()
            world.spin(answer.done)
            return answer.result().result

        found = ask(pose(*GOAL))
        points = np.array([(p.pose.position.x, p.pose.position.y) for p in found.path.poses])
        assert tuple(points[0]) == pytest.approx(START[:2])
        assert tuple(points[-1]) == pytest.approx(GOAL[:2], abs=2e-3)
        assert found.path.header.frame_id == "map"
        assert found.error_code == ComputePathToPose.Result.NONE
        outside = ask(pose(-50.0, 0.0, 0.0))
        assert outside.error_code == ComputePathToPose.Result.GOAL_OUTSIDE_MAP
        assert not outside.path.poses
        wrong = ask(pose(*GOAL, frame="odom"))
        assert wrong.error_code == ComputePathToPose.Result.TF_ERROR
        action.destroy()
        part.deactivate()
        client.destroy_node()
        host.destroy_node()
