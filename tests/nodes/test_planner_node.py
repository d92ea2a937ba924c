"""The planner node: plans and answers from messages, refusals with their codes, and a plan that is then driven."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_cases import GOAL, domain, needs_ros, ros_context

from rover_energy.planning.certificate import certify

pytestmark = needs_ros
START = (4.0, 4.0, 0.8)


@pytest.fixture(scope="module")
def node(plan_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An active planner."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.planner_node import Planner

    with ros_context(tmp_path_factory.mktemp("planner"), domain(21)) as world:
        overrides = [Parameter("folder", value=str(plan_folder)), Parameter("stale", value=60.0)]
        host, part = ros.host(Planner, context=world.context, parameter_overrides=overrides)
        assert "SUCCESS" in str(host.trigger_configure())
        assert "SUCCESS" in str(host.trigger_activate())
        yield part
        part.deactivate()
        host.destroy_node()


@pytest.fixture
def planner(node: Any) -> SimpleNamespace:
    """It knows where the rover stands and what its battery holds."""
    from rover_energy.nodes import ros

    odometry = ros.message_class("nav_msgs/msg/Odometry")()
    odometry.pose.pose.position.x, odometry.pose.pose.position.y = START[:2]
    odometry.pose.pose.orientation = ros.quaternion_of(0.02, -0.01, START[2])
    power = ros.message_class("rover_energy_interfaces/msg/PowerState")(validity=31, state_of_charge=0.8, battery_floor=1.0)
    node.odometry = node.power = None
    odometry.header.stamp = power.header.stamp = ros.stamp_of(node.now())
    node.odometry, node.power = odometry, power
    return SimpleNamespace(part=node)


def ask(planner: SimpleNamespace, **fields: Any) -> tuple[Any, str]:
    """Result of PlanTraverse and the state in which the goal ended."""
    from rover_energy_interfaces.action import PlanTraverse

    ended: list[str] = []
    values = {"goal_x": GOAL[0], "goal_y": GOAL[1], "goal_heading": GOAL[2], "time_limit": 20.0, "power_limit": math.inf,
              "energy_budget": math.inf, "deadline": math.inf, **fields}  # fmt: skip
    handle = SimpleNamespace(
        request=PlanTraverse.Goal(**values), succeed=lambda: ended.append("succeeded"), abort=lambda: ended.append("aborted")
    )
    return planner.part.execute(handle), ended[0]


def test_a_plan_comes_back_certified(planner: SimpleNamespace) -> None:
    """The trajectory of the message, certified again by the library."""
    from rover_energy.nodes.plan_folder import trajectory_from_message

    result, state = ask(planner)
    assert (state, result.error_code, result.error_text) == ("succeeded", result.NONE, "")
    message, world = result.trajectory, planner.part.world
    assert message.certificate.passed
    assert message.certificate.plan_id == message.plan_id
    trajectory = trajectory_from_message(message)
    assert tuple(trajectory.start) == pytest.approx(START, abs=1e-9)
    certificate = certify(trajectory, world.surface, world.environment, world.rover, world.mission, goal=GOAL)
    assert certificate.passed
    assert certificate.peak_power == pytest.approx(message.certificate.peak_power, abs=1e-6)
    assert {c.name for c in message.certificate.checks} >= {"power", "speed", "tilt"}
    assert 40.0 * trajectory.duration < message.energy < certificate.peak_power * trajectory.duration
    binding = certificate[result.binding]  # what it names is used up, whichever limit it is
    assert binding.worst_value >= 0.99 * binding.limit > 0.0


def test_the_path_is_the_plan(planner: SimpleNamespace) -> None:
    sent: list[Any] = []
    planner.part.send["path"] = sent.append
    ask(planner)
    points = np.array([(p.pose.position.x, p.pose.position.y) for p in sent[0].poses])
    assert tuple(points[0]) == pytest.approx(START[:2])
    assert tuple(points[-1]) == pytest.approx(GOAL[:2], abs=2e-3)
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() < 0.5


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"goal_x": -50.0}, "GOAL_OUTSIDE_MAP"),
        ({"use_start": True, "start_x": -50.0}, "START_OUTSIDE_MAP"),
        ({"deadline": 2.0}, "DEADLINE_UNREACHABLE"),
        ({"energy_budget": 10.0}, "INSUFFICIENT_ENERGY"),
        ({"goal_x": math.nan}, "INVALID_REQUEST"),
        ({"power_limit": math.nan}, "INVALID_REQUEST"),
        ({"deadline": 0.0}, "INVALID_REQUEST"),
        ({"time_limit": 0.0}, "INVALID_REQUEST"),
        ({"time_limit": math.nan}, "INVALID_REQUEST"),
    ],
)
def test_refusals(planner: SimpleNamespace, fields: dict[str, Any], code: str) -> None:
    result, state = ask(planner, **fields)
    assert state == "aborted"
    assert result.error_code == getattr(result, code), result.error_text
    assert result.error_text
    assert not result.trajectory.pieces
    assert not result.trajectory.certificate.passed


def test_without_pose_or_power_nothing_is_planned(planner: SimpleNamespace) -> None:
    odometry, planner.part.odometry = planner.part.odometry, None
    result, _ = ask(planner)
    assert result.error_code == result.POSE_UNAVAILABLE
    odometry.pose.pose.position.x = math.nan
    planner.part.odometry = odometry
    result, _ = ask(planner)
    assert result.error_code == result.POSE_UNAVAILABLE
    planner.part.power.validity = 27
    result, _ = ask(planner, use_start=True, start_x=START[0], start_y=START[1], start_heading=START[2])
    assert result.error_code == result.POWER_UNAVAILABLE


def reach(planner: SimpleNamespace, **fields: Any) -> Any:
    from rover_energy_interfaces.srv import CanReach

    values = {"goal_x": GOAL[0], "goal_y": GOAL[1], "goal_heading": math.nan, "deadline": math.inf, "time_limit": 20.0, **fields}
    return planner.part.on_can_reach(CanReach.Request(**values), CanReach.Response())


def test_can_reach(planner: SimpleNamespace) -> None:
    answer = reach(planner)
    assert (answer.verdict, answer.error_code) == (answer.YES, answer.NONE)
    assert answer.energy_bound < answer.energy
    assert answer.duration > 6.4 / planner.part.world.rover.limits.speed


@pytest.mark.parametrize(
    ("fields", "verdict", "code"),
    [
        ({"deadline": 5.0}, "NO", "NONE"),
        ({"goal_x": -50.0}, "NO", "NONE"),
        ({"deadline": 14.0}, "UNKNOWN", "NONE"),
        ({"battery_reserve": 1.0e12}, "UNKNOWN", "NONE"),
        ({"battery_reserve": math.nan}, "UNKNOWN", "INVALID_REQUEST"),
        ({"deadline": math.nan}, "UNKNOWN", "INVALID_REQUEST"),
    ],
)
def test_cannot_reach(planner: SimpleNamespace, fields: dict[str, Any], verdict: str, code: str) -> None:
    answer = reach(planner, **fields)
    assert (answer.verdict, answer.error_code) == (getattr(answer, verdict), getattr(answer, code)), answer.error_text


def test_planned_and_driven_over_ros(plan_folder: Path, tmp_path: Path) -> None:
    """Both actions through the whole graph: the trajectory of the one is the goal of the other."""
    from rover_energy.nodes.graph import simulation_graph
    from rover_energy.nodes.processes import Processes
    from rover_energy.nodes.session import Session

    nodes = simulation_graph(plan_folder, tmp_path / "bag", simulator="loopback")
    with Processes(nodes, tmp_path, domain(23)) as processes, Session(processes) as session:
        session.bring_up()
        planned = session.plan((8.0, 6.5, 0.5))
        assert planned.error_code == planned.NONE, planned.error_text
        driven = session.drive_trajectory(planned.trajectory, limit=60.0)
        unsafe = planned.trajectory
        unsafe.certificate.passed = False
        refused = session.drive_trajectory(unsafe, limit=10.0)
    assert driven.error_code == driven.NONE, driven.error_text
    assert driven.compliance.passed, driven.compliance.text
    assert driven.goal_distance <= 0.10
    assert driven.energy == pytest.approx(planned.trajectory.energy, rel=0.05)
    assert refused.error_code == refused.CERTIFICATE_REFUSED
