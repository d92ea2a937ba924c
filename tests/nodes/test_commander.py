"""EnergyCommander against the whole graph in the loopback: reach, plan, drive with replans, cancel, deactivate, reserve."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import GOAL, ROOT, domain, needs_ros

from rover_energy.errors import InputError

pytestmark = needs_ros


@pytest.fixture(scope="module")
def graph(plan_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Ground 30 % harder than described, a planner that minds a lag of one second, at three times real time."""
    from rover_energy.nodes.commander import EnergyCommander
    from rover_energy.nodes.graph import simulation_graph
    from rover_energy.nodes.processes import Processes
    from rover_energy.nodes.session import Session

    out = tmp_path_factory.mktemp("commander")
    nodes = simulation_graph(plan_folder, out / "bag", simulator="loopback", pace=3.0, resistance=1.3)
    next(node for node in nodes if node.name == "planner").parameters.update(replan_lag=1.0)
    with Processes(nodes, out, domain(31)) as processes, Session(processes) as session:
        session.bring_up()
        with EnergyCommander("application", context=session.context) as commander:
            driven: list[Any] = []
            entry = "trajectory"
            from rover_energy.nodes import ros

            commander.ros.create_subscription(
                ros.message_class(ros.BY_NAME[entry].kind), entry, driven.append, ros.quality(ros.BY_NAME[entry].qos)
            )
            session.measured()
            yield SimpleNamespace(commander=commander, driven=driven, out=out)


def test_reach_plan_and_drive(graph: SimpleNamespace) -> None:
    """The drive falls behind on hard ground, is replanned under way, and arrives within what was available."""
    c = graph.commander
    can = c.can_reach((GOAL[0], GOAL[1], math.nan), seconds=20.0)
    assert (can.ok, can.verdict, can.certified, can.remedy) == (True, "YES", True, "NO_REMEDY")
    assert can.margin > 0.0
    no = c.can_reach((-50.0, 0.0, 0.0), seconds=20.0)
    assert (no.ok, no.verdict, no.remedy) == (True, "NO", "OTHER_GOAL")
    plan = c.plan((12.0, 10.5, 0.7), seconds=20.0)
    assert plan.ok, plan.text
    assert plan.duration > 10.0
    told: list[Any] = []
    done = c.drive(plan, seconds=90.0, progress=told.append)
    log = (graph.out / "log" / "planner.txt").read_text(encoding="utf-8")
    assert done.ok, (done, log)
    assert done.compliance, done.report
    assert done.goal_distance <= 0.10
    assert len(told) > 3
    names = [m.plan_id for m in graph.driven]
    assert any("+" in name for name in names), ("no replan was taken over", log)
    assert all(m.certificate.passed for m in graph.driven)


def test_refused_plans_are_not_driven(graph: SimpleNamespace) -> None:
    plan = graph.commander.plan((-50.0, 0.0, 0.0), seconds=20.0)
    assert (plan.ok, plan.code) == (False, "GOAL_OUTSIDE_MAP")
    with pytest.raises(InputError, match="GOAL_OUTSIDE_MAP"):
        graph.commander.drive(plan, seconds=10.0)
    with pytest.raises(InputError, match="finite"):
        graph.commander.plan((math.nan, 0.0, 0.0))


def test_cancel_under_way(graph: SimpleNamespace) -> None:
    c = graph.commander
    plan = c.plan((6.0, 12.0, 2.5), seconds=20.0)
    assert plan.ok, plan.text
    done = c.drive(plan, seconds=60.0, progress=lambda f: c.cancel() if f.plan_time > 2.0 else None)
    assert (done.ok, done.code) == (False, "PREEMPTED")
    assert done.distance > 0.1
    assert c.cancel() is False, "nothing is under way any more"


def test_a_drive_that_takes_too_long_is_cancelled(graph: SimpleNamespace) -> None:
    c = graph.commander
    plan = c.plan((6.0, 12.0, 2.5), seconds=20.0)
    assert plan.ok, plan.text
    assert c.drive(plan, seconds=1.5).code == "PREEMPTED"


def test_deactivated_while_it_drives(graph: SimpleNamespace) -> None:
    """The rover stops, the goal ends, and a new one is taken when the supervisor has activated the node again."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    c = graph.commander
    client = c.ros.create_client(ChangeState, "drive/change_state")
    calls: list[Any] = []

    def turn(step: int) -> None:
        calls.append(client.call_async(ChangeState.Request(transition=Transition(id=step))))

    plan = c.plan((6.0, 12.0, 2.5), seconds=20.0)
    assert plan.ok, plan.text
    done = c.drive(
        plan, seconds=60.0,
        progress=lambda f: turn(Transition.TRANSITION_DEACTIVATE) if f.plan_time > 1.5 and not calls else None,
    )  # fmt: skip
    assert done.code == "PREEMPTED"
    assert "deactivated" in done.text
    c._spin(lambda: all(call.done() for call in calls), 10.0, "change_state")
    assert all(call.result().success for call in calls)
    until, code = time.monotonic() + 15.0, ""
    while code != "PREEMPTED" and time.monotonic() < until:  # that is: accepted, and cancelled after its time
        again = c.plan((6.0, 12.0, 2.5), seconds=20.0)
        assert again.ok, again.text
        code = c.drive(again, seconds=1.5).code
    assert code == "PREEMPTED"


def test_reserve(graph: SimpleNamespace) -> None:
    answer = graph.commander.reserve("laser", 5.0, seconds=10.0)
    assert (answer.ok, answer.code, answer.power) == (False, "UNKNOWN_LOAD", 0.0)
    with pytest.raises(InputError, match="watts"):
        graph.commander.reserve("laser", math.nan)


def test_the_tutorial_runs(graph: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands, but for the way back, which may be long: the rover is wherever the tests before have left it."""
    page = (ROOT / "docs" / "tutorials" / "applications.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(compile(block, "applications.md", "exec"), {"__name__": "example"})
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("YES")
    assert "camera: UNKNOWN_LOAD" in said
    assert any(line.startswith("NONE") for line in said), said


def test_silence_is_an_error(tmp_path: Path) -> None:
    from node_cases import ros_context

    from rover_energy.nodes.commander import CommanderError, EnergyCommander

    with ros_context(tmp_path, domain(32)) as world, EnergyCommander("alone", context=world.context) as alone:
        with pytest.raises(CommanderError, match="can_reach"):
            alone._call("CanReach", "can_reach", {}, 0.3)
        with pytest.raises(CommanderError, match="power_state"):
            alone.reserve("camera", 1.0, wait=0.3)
