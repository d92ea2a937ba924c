"""The planner node: plans and answers from messages, refusals with their codes, and a plan that is then driven."""

from __future__ import annotations

import math
import time
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
    """An active planner, and a client beside it."""
    import rclpy
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.planner_node import Planner

    with ros_context(tmp_path_factory.mktemp("planner"), domain(21)) as world:
        overrides = [Parameter("folder", value=str(plan_folder)), Parameter("stale", value=60.0)]
        host, part = ros.host(Planner, context=world.context, parameter_overrides=overrides)
        client = rclpy.create_node("client", context=world.context)
        for each in (host, client):
            world.executor.add_node(each)
        assert "SUCCESS" in str(host.trigger_configure())
        assert "SUCCESS" in str(host.trigger_activate())
        actions: dict[str, Any] = {}
        yield SimpleNamespace(part=part, host=host, client=client, world=world, actions=actions)
        for action in actions.values():
            action.destroy()
        part.deactivate()
        client.destroy_node()
        host.destroy_node()


@pytest.fixture
def planner(node: Any) -> Any:
    """It knows where the rover stands and what its battery holds."""
    from rover_energy.nodes import ros

    odometry = ros.message_class("nav_msgs/msg/Odometry")()
    odometry.pose.pose.position.x, odometry.pose.pose.position.y = START[:2]
    odometry.pose.pose.orientation = ros.quaternion_of(0.02, -0.01, START[2])
    power = ros.message_class("rover_energy_interfaces/msg/PowerState")(validity=31, state_of_charge=0.8, battery_floor=1.0)
    node.part.odometry = node.part.power = None
    odometry.header.stamp = power.header.stamp = ros.stamp_of(node.part.now)
    node.part.odometry, node.part.power = odometry, power
    return node


def begun(planner: SimpleNamespace, feedback: list[Any] | None = None, **fields: Any) -> Any:
    """Handle of a goal of PlanTraverse that was accepted."""
    from rclpy.action import ActionClient
    from rover_energy_interfaces.action import PlanTraverse

    if "plan" not in planner.actions:
        planner.actions["plan"] = ActionClient(planner.client, PlanTraverse, "plan_traverse")
    client = planner.actions["plan"]
    planner.world.spin(client.server_is_ready)
    values = {"goal_x": GOAL[0], "goal_y": GOAL[1], "goal_heading": GOAL[2], "time_limit": 20.0, "power_limit": math.inf,
              "energy_budget": math.inf, "deadline": math.inf, **fields}  # fmt: skip
    told = None if feedback is None else (lambda message: feedback.append(message.feedback))
    sent = client.send_goal_async(PlanTraverse.Goal(**values), feedback_callback=told)
    planner.world.spin(sent.done)
    return sent.result()


def ended(planner: SimpleNamespace, handle: Any) -> tuple[Any, str]:
    """Result and the state in which a goal ended."""
    from action_msgs.msg import GoalStatus

    answer = handle.get_result_async()
    planner.world.spin(answer.done)
    names = {
        GoalStatus.STATUS_SUCCEEDED: "succeeded",
        GoalStatus.STATUS_ABORTED: "aborted",
        GoalStatus.STATUS_CANCELED: "canceled",
    }
    return answer.result().result, names[answer.result().status]


def ask(planner: SimpleNamespace, **fields: Any) -> tuple[Any, str]:
    """Result of PlanTraverse and the state in which the goal ended."""
    return ended(planner, begun(planner, **fields))


def slowly(monkeypatch: pytest.MonkeyPatch, planner: SimpleNamespace) -> None:
    """The solver's process hangs: whoever plans waits for it until it is stopped."""
    solver = planner.part.solver
    monkeypatch.setattr(solver, "optimise", lambda programme, *, seconds, **_: solver.probe("hang", seconds=seconds))


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


def test_feedback_tells_the_stage(planner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch, planner)
    heard: list[Any] = []
    handle = begun(planner, heard, time_limit=2.0)
    result, _ = ended(planner, handle)
    assert {f.stage for f in heard} >= {1}, "optimising"
    assert [f.elapsed for f in heard] == sorted(f.elapsed for f in heard)
    assert len(heard) >= 3
    assert result.error_code in (result.NONE, result.TIME_LIMIT)
    assert result.trajectory.certificate.passed == (result.error_code == result.NONE), "the fallback is certified too"


def test_cancel(planner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hung solver does not hold a cancelled goal, and the next plan is made as if nothing had been."""
    with monkeypatch.context() as patch:
        slowly(patch, planner)
        handle = begun(planner)
        planner.world.spin(lambda: bool(planner.part.runs) and planner.part.runs[0].solver.stage == 1)
        began = time.monotonic()
        handle.cancel_goal_async()
        result, state = ended(planner, handle)
        assert time.monotonic() - began < 1.0
    assert (state, result.error_code) == ("canceled", result.PREEMPTED)
    assert "cancelled" in result.error_text
    assert not result.trajectory.pieces
    again, state = ask(planner)
    assert (state, again.error_code) == ("succeeded", again.NONE)


def test_a_new_goal_takes_the_place_of_the_old(planner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        slowly(patch, planner)
        first = begun(planner)
        planner.world.spin(lambda: bool(planner.part.runs) and planner.part.runs[0].solver.stage == 1)
    second = begun(planner)
    old, state = ended(planner, first)
    assert (state, old.error_code) == ("aborted", old.PREEMPTED)
    new, state = ended(planner, second)
    assert (state, new.error_code) == ("succeeded", new.NONE)


def test_time_limit(planner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be interrupted may go on: the goal ends in time all the same."""
    from rover_energy.nodes import planner_node

    monkeypatch.setattr(planner_node, "plan_traverse", lambda *_, **__: time.sleep(3.0))
    began = time.monotonic()
    result, state = ask(planner, time_limit=0.5)
    assert (state, result.error_code) == ("aborted", result.TIME_LIMIT)
    assert time.monotonic() - began < 2.0


def test_deactivated_while_it_plans(planner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        slowly(patch, planner)
        handle = begun(planner)
        planner.world.spin(lambda: bool(planner.part.runs) and planner.part.runs[0].solver.stage == 1)
        assert "SUCCESS" in str(planner.host.trigger_deactivate())
        result, state = ended(planner, handle)
    assert (state, result.error_code) == ("aborted", result.PREEMPTED)
    assert "deactivated" in result.error_text
    assert not begun(planner).accepted
    assert "SUCCESS" in str(planner.host.trigger_activate())
    assert ask(planner)[1] == "succeeded"


def reach(planner: SimpleNamespace, **fields: Any) -> Any:
    from rover_energy_interfaces.srv import CanReach

    values = {"goal_x": GOAL[0], "goal_y": GOAL[1], "goal_heading": math.nan, "deadline": math.inf, "time_limit": 20.0, **fields}
    if "reach" not in planner.actions:
        planner.actions["reach"] = planner.client.create_client(CanReach, "can_reach")
    planner.world.spin(planner.actions["reach"].service_is_ready)
    future = planner.actions["reach"].call_async(CanReach.Request(**values))
    planner.world.spin(future.done)
    return future.result()


def test_can_reach(planner: SimpleNamespace) -> None:
    answer = reach(planner)
    assert (answer.verdict, answer.error_code, answer.error_text) == (answer.YES, answer.NONE, "")
    assert answer.certified
    assert (answer.remedy, answer.remedy_text) == (answer.NO_REMEDY, "")
    assert answer.energy_bound < answer.energy
    assert answer.duration > 6.4 / planner.part.world.rover.limits.speed
    assert answer.least_margin <= answer.battery_margin + 1e-6
    assert 0.0 <= answer.least_margin_time <= answer.duration


@pytest.mark.parametrize(
    ("fields", "verdict", "code", "remedy"),
    [
        ({"deadline": 5.0}, "NO", "NONE", "ALLOW_TIME"),
        ({"goal_x": -50.0}, "NO", "NONE", "OTHER_GOAL"),
        ({"deadline": 14.0}, "UNKNOWN", "NONE", "ALLOW_TIME"),
        ({"battery_reserve": 1.0e12}, "UNKNOWN", "NONE", None),
        ({"battery_reserve": math.nan}, "UNKNOWN", "INVALID_REQUEST", "NO_REMEDY"),
        ({"deadline": math.nan}, "UNKNOWN", "INVALID_REQUEST", "NO_REMEDY"),
        ({"time_limit": 0.0}, "UNKNOWN", "INVALID_REQUEST", "NO_REMEDY"),
    ],
)
def test_cannot_reach(planner: SimpleNamespace, fields: dict[str, Any], verdict: str, code: str, remedy: str | None) -> None:
    answer = reach(planner, **fields)
    assert (answer.verdict, answer.error_code) == (getattr(answer, verdict), getattr(answer, code)), answer.error_text
    assert answer.error_text
    if remedy is not None:
        assert answer.remedy == getattr(answer, remedy), answer.remedy_text
    assert math.isnan(answer.duration) or not answer.certified or answer.duration > 0.0


def test_reach_answers_in_its_time(planner: SimpleNamespace) -> None:
    """Also where remedies are looked for, and on a busy machine: what is not ready in time is left out or said to be missing."""
    reach(planner)
    for fields in ({}, {"deadline": 14.0}):
        began = time.monotonic()
        answer = reach(planner, time_limit=1.0, **fields)
        assert time.monotonic() - began < 1.0 + 0.5 + 1.0, "limit, grace, and the way there and back"
        assert answer.error_code in (answer.NONE, answer.TIME_LIMIT)


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
