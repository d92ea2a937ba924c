"""The learning planner with the real inference manager: slices within grants, lost grants, cancellation, the same goal again."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import ROOT, domain, needs_ros, ros_context

pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")
sys.path.append(str(ROOT / "tests" / "inference"))  # where the small school of the tests of learning is

from learning_cases import small_school

from rover_energy.inference.accountant import Accountant
from rover_energy.inference.distil_or_annotate import Curve
from rover_energy.inference.grants import FloorReserve, Grant, Mode, floor_energy
from rover_energy.inference.store import read_store

pytestmark = needs_ros
FLOOR = FloorReserve()
LASTING = 120.0  # [s] of a grant, longer than a busy machine takes for what it grants


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("school")
    with pytest.MonkeyPatch.context() as patch:
        small_school(folder, patch, epochs=60, curves=(Curve((0, 20), (0.2, 0.5), 5.0), Curve((0, 20), (0.4, 0.6), 9.0)))
        yield folder


@pytest.fixture
def rig(school: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Manager and learning planner, in real time; `grant` grants, `ask` sends a goal and returns what came of it."""
    from rclpy.action import ActionClient
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.grant_messages import grant_message, receipt_of
    from rover_energy.nodes.inference_manager import InferenceManager
    from rover_energy.nodes.learning_planner import LearningPlanner

    if not hasattr(ros.need("rover_energy_interfaces.action"), "TrainVariant"):
        pytest.skip("the installed message package is older: make ros")
    kind = ros.need("rover_energy_interfaces.action").TrainVariant
    own: dict[Any, dict[str, Any]] = {
        InferenceManager: {"store": str(school / "variants.yaml"), "grace": 10.0},
        LearningPlanner: {"school": str(school), "folder": str(tmp_path / "learnt"), "patience": 3.0, "slice": 0.1},
    }
    account = Accountant(FLOOR)
    with ros_context(tmp_path, domain(53)) as world:
        nodes, parts = [], []
        for node_kind, values in own.items():
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            node, part = ros.host(node_kind, context=world.context, parameter_overrides=overrides)
            assert "SUCCESS" in str(node.trigger_configure())
            assert "SUCCESS" in str(node.trigger_activate())
            world.executor.add_node(node)
            nodes.append(node)
            parts.append(part)
        manager, planner = parts
        receipts: list[Any] = []
        learnt: list[str] = []
        planner.subscribe("variants_learnt", lambda m: learnt.append(m.data))
        planner.subscribe("inference_receipt", lambda m: (receipts.append(m), account.on_receipt(receipt_of(m))), depth=100)
        client = ActionClient(nodes[1], kind, "train_variant")
        world.spin(client.server_is_ready)
        world.spin(planner.spender.client.service_is_ready)

        def grant(sequence: int, energy: float, **fields: Any) -> None:
            whole = energy + floor_energy(FLOOR, LASTING)
            given = replace(Grant(manager.now, manager.now + LASTING, sequence, Mode.NORMAL, whole, 12.0), **fields)
            account.on_grant(given)
            manager.on_grant(grant_message(given))

        def ask(*, cancel_when: Any = None, **fields: Any) -> Any:
            goal = kind.Goal(**{
                "task": "terrain_class", "method": kind.Goal.DISTILL, "energy_limit": 200.0, "power_limit": math.inf,
                "label_energy": 1e6, "deadline": math.inf, **fields,
            })  # fmt: skip
            told: list[Any] = []
            sent = client.send_goal_async(goal, feedback_callback=lambda m: told.append(m.feedback))
            world.spin(sent.done)
            if not sent.result().accepted:
                return None
            result = sent.result().get_result_async()
            if cancel_when is not None:
                world.spin(lambda: cancel_when(told))
                sent.result().cancel_goal_async()
            world.spin(result.done, 180.0)
            return SimpleNamespace(status=result.result().status, told=told, **_fields(result.result().result))

        yield SimpleNamespace(
            world=world, manager=manager, planner=planner, grant=grant, ask=ask, account=account, receipts=receipts,
            out=tmp_path / "learnt", learnt=learnt,
        )  # fmt: skip
        for node in nodes:
            node.destroy_node()


def _fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.get_fields_and_field_types()}


def test_slices_lost_grants_and_the_same_goal_again(rig: SimpleNamespace) -> None:
    rig.grant(1, 1.6)
    first = rig.ask()
    assert (first.error_code, first.status) == (10804, 6), "aborted: the grant was used up"
    assert "the same goal goes on" in first.error_text
    assert 0.5 < first.energy < 1.6
    assert list(rig.out.glob("learning-*.pt"))
    before = len(rig.receipts)
    assert before >= 2
    rig.grant(2, 200.0)
    second = rig.ask()
    assert (second.error_code, second.error_text, second.status) == (0, "", 4)
    assert (second.method, second.labels, second.variant) == (2, 0, "swift-distilled")
    assert second.energy > first.energy, "what was taken before is part of it"
    assert second.told[-1].progress == 1.0
    assert {m.stage for m in second.told} <= {"waiting", "labelling", "teaching", "training", "testing"}
    store = read_store(rig.out / "variants.yaml")
    assert store[second.variant].quality == second.quality == second.told[-1].quality
    assert Path(second.artefact).exists()
    rig.world.spin(lambda: not rig.manager.manager.running)
    taken = sum(m.energy for m in rig.receipts)
    assert second.energy == pytest.approx(taken, rel=0.1), "the job's own account and the receipts on the bus"
    assert rig.account.violations() == []
    rig.world.spin(lambda: rig.learnt == [str(rig.out / "variants.yaml")])


def test_a_cancelled_goal_keeps_its_state(rig: SimpleNamespace) -> None:
    rig.grant(1, 300.0)
    ended = rig.ask(cancel_when=lambda told: len(told) >= 2)
    assert (ended.error_code, ended.status) == (10805, 5)
    assert list(rig.out.glob("learning-*.pt"))


def test_what_can_wait_waits_for_surplus(rig: SimpleNamespace) -> None:
    begun = rig.manager.now
    rig.grant(1, 300.0)
    ended = rig.ask(deferrable=True, deadline=9.0, cancel_when=lambda _: rig.manager.now > begun + 1.5)
    assert (ended.error_code, ended.energy) == (10805, 0.0), "there is a grant, but no surplus: it waits, and can be cancelled"
    rig.grant(2, 300.0, mode=Mode.SURPLUS, intensity=0.0)
    assert rig.ask(deferrable=True).error_code == 0


def test_every_error_has_its_code(rig: SimpleNamespace) -> None:
    for fields, code in (
        ({"task": "opera"}, 10802), ({"energy_limit": math.nan}, 10801), ({"label_energy": -1.0}, 10801),
        ({"power_limit": 2.0}, 10801), ({"deadline": math.nan}, 10801), ({"method": 9}, 10801),
    ):  # fmt: skip
        ended = rig.ask(**fields)
        assert ended.error_code == code, fields
        assert ended.error_text
        assert ended.variant == ""
    rig.grant(1, 300.0)
    small = rig.ask(energy_limit=3.5)
    assert (small.error_code, math.isnan(small.quality)) == (10803, True)
    rig.planner.active = False
    assert rig.ask() is None, "a node at rest takes no goals"
