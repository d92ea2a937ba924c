"""The log analyst with the real inference manager: a log from topics, answers within the grant, and every error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.inference.analyst import UNTAUGHT, write_analyst
from rover_energy.inference.grants import Grant, Mode
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.variant import Variant, digest

pytestmark = needs_ros
LEVELS = ("saving", "balanced", "full")
HIGHEST = "what was the highest power of the motors"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Analyst, manager and a client in real time; `ask` gives the result of the action and its status."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.grant_messages import grant_message
    from rover_energy.nodes.inference_manager import InferenceManager
    from rover_energy.nodes.log_analyst import LogAnalyst
    from rover_energy.nodes.settings import NodeParameters

    class Client(ros.Part):
        name, parameters = "client", NodeParameters

        def configure(self) -> None:
            self.receipts: list[Any] = []
            self.subscribe("inference_receipt", self.receipts.append, depth=100)
            self.send = {name: self.publisher(name) for name in ("inference_grant", "/diagnostics", "power_state", "graph_state")}
            kind = ros.need("rover_energy_interfaces.action").LogQuery
            self.kind, self.client = kind, ros.need("rclpy.action").ActionClient(self.ros, kind, "log_query")

    path = tmp_path / "analyst.json"
    write_analyst(path, UNTAUGHT)
    price = {"energy_provenance": "cpu_time_model", "peak_power": 6.0, "latency": 0.3, "artefact": path.name}
    price |= {"checksum": digest(path), "task": "log_query"}
    write_store(tmp_path / "variants.yaml", Store.of([
        Variant(name=f"analyst-{name}", tier=i, quality=0.7 + 0.1 * i, energy=0.3 * i, energy_high=0.5 * i, **price)
        for i, name in enumerate(LEVELS, start=1)
    ]))  # fmt: skip
    store = {"store": str(tmp_path / "variants.yaml")}
    own: dict[Any, dict[str, Any]] = {
        InferenceManager: {**store, "floor_power": 0.0, "floor_burst": 0.0}, Client: {}, LogAnalyst: {**store, "sample": 0.5},
    }  # fmt: skip
    with ros_context(tmp_path, domain(61)) as world:
        nodes, parts = [], {}
        for kind, values in own.items():
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            node, part = ros.host(kind, context=world.context, parameter_overrides=overrides)
            assert "SUCCESS" in str(node.trigger_configure())
            assert "SUCCESS" in str(node.trigger_activate())
            world.executor.add_node(node)
            nodes.append(node)
            parts[part.name] = part
        analyst, manager, client = parts["log_analyst"], parts["inference_manager"], parts["client"]
        world.spin(lambda: analyst.spender.client.service_is_ready() and client.client.server_is_ready())

        def grant(**fields: Any) -> None:
            now = manager.now
            client.send["inference_grant"](grant_message(replace(Grant(now, now + 300.0, 1, Mode.NORMAL, 50.0, 12.0), **fields)))
            world.spin(lambda: manager.manager.budget.grant is not None)

        def begin(question: str, **fields: Any) -> Any:
            goal = {"energy_limit": math.inf, "patience": 60.0, **fields}
            sent = client.client.send_goal_async(client.kind.Goal(question=question, **goal))
            world.spin(sent.done)
            return sent.result()

        def result(handle: Any) -> Any:
            future = handle.get_result_async()
            world.spin(future.done)
            return future.result().result

        yield SimpleNamespace(
            world=world, analyst=analyst, client=client, grant=grant, begin=begin, result=result, spin=world.spin,
            ask=lambda question, **fields: result(begin(question, **fields)),
        )  # fmt: skip
        for node in nodes:
            node.destroy_node()


def feed(rig: SimpleNamespace) -> None:
    """Ten seconds of a bus whose motors take 20 W more every second, a load that is switched, diagnostics that turn bad."""
    from rover_energy.nodes import ros

    kinds = {n: ros.message_class(f"rover_energy_interfaces/msg/{n}") for n in ("PowerState", "LoadState")}
    for i in range(101):
        loads = [kinds["LoadState"](name="drive", power=20.0 * (i // 10), enabled=True),
                 kinds["LoadState"](name="inference", power=1.0, enabled=i < 60)]  # fmt: skip
        message = kinds["PowerState"](loads=loads, validity=15, available_power=300.0, state_of_charge=0.5)
        message.header.stamp = ros.stamp_of(100.0 + 0.1 * i)
        rig.analyst.on_power_state(message)
    status = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")
    for t, level in ((101.0, b"\x00"), (103.0, b"\x02"), (104.0, b"\x02"), (105.0, b"\x00")):
        array = ros.message_class("diagnostic_msgs/msg/DiagnosticArray")()
        array.header.stamp = ros.stamp_of(t)
        array.status = [status(name="power: motors", message="the meter reads less", level=level)]
        rig.analyst.on_diagnostics(array)
    anomaly = ros.message_class("rover_energy_interfaces/msg/TelemetryAnomaly")
    for flag in (False, True, True, False):
        rig.analyst.on_telemetry_anomaly(anomaly(anomaly=flag, channel="imbalance", score=3.0, variant="sentinel-2"))
    check = ros.message_class("rover_energy_interfaces/msg/ComplianceCheck")(name="power", violations=4)
    rig.analyst.on_compliance(ros.message_class("rover_energy_interfaces/msg/ComplianceReport")(checks=[check], samples=500))


def test_answers_from_what_the_topics_said(rig: SimpleNamespace) -> None:
    feed(rig)
    rig.grant()
    answer = rig.ask(HIGHEST)
    assert answer.error_code == answer.NONE, answer.error_text
    assert answer.answer.startswith("maximum power of motors: 200 W")
    assert len(answer.evidence) == 1
    assert answer.tiers == "filter high, extract high, summary high"
    assert answer.confidence == 1.0
    rig.spin(lambda: bool(rig.client.receipts))
    receipt = rig.client.receipts[-1]
    assert (receipt.request_id, receipt.variant, receipt.outcome) == (answer.request_id, "analyst-full", receipt.COMPLETED)
    assert 0.0 < answer.energy <= receipt.energy
    found = {text: rig.ask(text).answer for text in (
        "how often was the inference switched off", "how many faults had the meters", "how often did the battery show an anomaly",
        "how often was the bus over the limit", "latest charge of the battery",
    )}  # fmt: skip
    assert [a.split(": ")[1][:7] for a in found.values()] == ["1 times", "1 times", "1 times", "1 times", "0.5 at "], found


def test_topics_reach_the_log(rig: SimpleNamespace) -> None:
    from rover_energy.nodes import ros

    status = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")
    rig.client.send["graph_state"](status(level=b"\x01", name="graph", message="the planner died"))
    array = ros.message_class("diagnostic_msgs/msg/DiagnosticArray")(status=[status(name="a", message="b", level=b"\x02")])
    rig.client.send["/diagnostics"](array)
    rig.client.send["power_state"](ros.message_class("rover_energy_interfaces/msg/PowerState")())
    rig.spin(lambda: len(rig.analyst.book.lines) >= 3)
    said = {line.split(" s ")[1] for line in rig.analyst.book.lines}
    assert {"graph warning fault: the planner died", "graph error fault: a: b"} <= said
    assert any("not valid: RTG, PV, BATTERY, LOADS" in line for line in rig.analyst.book.lines), "the empty message knows nothing"


def test_every_error(rig: SimpleNamespace) -> None:
    assert rig.ask(HIGHEST).error_code == 10703, "no log"
    feed(rig)
    for fields in ({"question": "tell me a story"}, {"question": ""}, {"question": HIGHEST, "patience": math.nan},
                   {"question": HIGHEST, "energy_limit": 0.0}):  # fmt: skip
        answer = rig.ask(fields.pop("question"), **fields)
        assert (answer.error_code, answer.answer) == (10701, "")
        assert answer.error_text
    assert rig.ask(HIGHEST, patience=0.3).error_code == 10702, "no grant"
    rig.grant()
    assert rig.ask(HIGHEST, energy_limit=1e-9).error_code == 10702
    assert rig.ask(HIGHEST).error_code == 0


def test_a_question_that_is_canceled(rig: SimpleNamespace) -> None:
    feed(rig)
    handle = rig.begin(HIGHEST, patience=math.inf)
    assert handle.accepted
    assert not rig.begin(HIGHEST).accepted, "one at a time"
    rig.spin(handle.cancel_goal_async().done)
    answer = rig.result(handle)
    assert (answer.error_code, answer.answer) == (10704, "")
    rig.grant()
    assert rig.ask(HIGHEST).error_code == 0
