"""The terrain classifier with the real manager: what the grant affords answers, without a grant the floor; and on a drive."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_cases import ROOT, command, domain, environment, needs_ros, ros_context

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'rover-energy[infer]'")

from small_store import PRICE, network, small_store  # noqa: E402

from rover_energy.inference.grants import Grant, Mode  # noqa: E402
from rover_energy.inference.store import Store, write_store  # noqa: E402
from rover_energy.inference.tasks.terrain_patches import CLASSES, HAZARDS  # noqa: E402
from rover_energy.inference.variant import Variant, digest  # noqa: E402

pytestmark = needs_ros


@pytest.fixture
def rig(plan_folder: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Manager and classifier, on ground that rises to the east."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.grant_messages import grant_message
    from rover_energy.nodes.inference_manager import InferenceManager
    from rover_energy.nodes.terrain_classifier import TerrainClassifier

    store = str(small_store(tmp_path))
    with ros_context(tmp_path, domain(45)) as world:
        parts = []
        for kind, values in (
            (InferenceManager, {"store": store}),
            (TerrainClassifier, {"store": store, "folder": str(plan_folder), "period": 0.3}),
        ):
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            node, part = ros.host(kind, context=world.context, parameter_overrides=overrides)
            assert "SUCCESS" in str(node.trigger_configure())
            assert "SUCCESS" in str(node.trigger_activate())
            world.executor.add_node(node)
            parts.append(part)
        manager, classifier = parts
        terrain = classifier.world.terrain
        height = np.array(terrain.height)
        height[:] = 0.3 * terrain.cell * np.arange(height.shape[1])
        classifier.world = SimpleNamespace(terrain=replace(terrain, height=height), environment=classifier.world.environment)
        answers: list[Any] = []
        classifier.send = answers.append
        grant, odom = (ros.message_class(k) for k in ("rover_energy_interfaces/msg/InferenceGrant", "nav_msgs/msg/Odometry"))
        send = {n: manager.ros.create_publisher(k, n, ros.quality(q))
                for n, k, q in (("inference_grant", grant, "latched"), ("odom", odom, "stream"))}  # fmt: skip
        world.spin(classifier.spender.client.service_is_ready)

        def look(x: float, y: float) -> None:
            message = odom()
            message.header.frame_id, message.header.stamp = "map", ros.stamp_of(manager.now)
            message.pose.pose.position.x, message.pose.pose.position.y = x, y
            send["odom"].publish(message)

        def allow(**fields: Any) -> None:
            now = manager.now
            send["inference_grant"].publish(grant_message(replace(Grant(now, now + 60.0, 1, Mode.NORMAL, 100.0, 20.0), **fields)))
            world.spin(lambda: manager.manager.budget.grant is not None)

        yield SimpleNamespace(
            world=world, answers=answers, look=look, allow=allow, classifier=classifier, manager=manager, place=tmp_path
        )
        for part in parts:
            part.ros.destroy_node()


def test_the_floor_answers_without_a_grant(rig: SimpleNamespace) -> None:
    rig.look(9.0, 8.0)
    rig.world.spin(lambda: len(rig.answers) >= 2)
    answer = rig.answers[0]
    assert answer.variant == "plain"
    assert (answer.header.frame_id, answer.width, answer.height, answer.resolution) == ("map", 4, 4, 2.0)
    assert (answer.origin_x, answer.origin_y) == (9.0 - 4.0, 8.0 - 4.0)
    assert [name for name, bad in zip(answer.classes, answer.hazard, strict=True) if bad] == list(HAZARDS)
    assert set(answer.data) == {CLASSES.index("plain")}


def test_with_a_grant_the_better_one_sees_the_slope(rig: SimpleNamespace) -> None:
    rig.allow()
    rig.look(9.0, 8.0)
    rig.world.spin(lambda: bool(rig.answers))
    answer = rig.answers[0]
    assert (answer.variant, set(answer.data)) == ("slope", {CLASSES.index("slope")})
    rise = 0.3 * 15 / 2.0  # over a patch, in the network's scale
    odds = np.exp([1.0, 16 * rise] + [0.0] * 4)
    assert list(answer.confidence) == pytest.approx([odds[1] / odds.sum()] * 16, rel=1e-3)


def test_what_was_learnt_is_chosen_and_a_broken_store_is_not(rig: SimpleNamespace) -> None:
    """A store with a better variant is announced as the learning planner does: it answers from then on, without a restart."""
    learnt = rig.place / "learnt"
    learnt.mkdir()
    network(learnt / "ridge.onnx", sees=True)
    price = {**PRICE, "energy": 2e-3, "energy_high": 3e-3, "quality": 0.95}
    better = Variant(name="ridge", task="terrain_class", artefact="ridge.onnx", checksum=digest(learnt / "ridge.onnx"), **price)
    said = ros_string(rig)
    rig.allow()
    rig.look(9.0, 8.0)
    rig.world.spin(lambda: bool(rig.answers))
    assert rig.answers[-1].variant == "slope"
    write_store(learnt / "variants.yaml", Store.of([replace(better, checksum="0" * 64)]))
    said(learnt / "variants.yaml")
    count = len(rig.answers)
    rig.world.spin(lambda: len(rig.answers) > count + 2)
    assert rig.answers[-1].variant == "slope", "its file is not what the store says: refused, and all goes on"
    assert "ridge" not in rig.classifier.variants
    rig.manager.on_variants(SimpleNamespace(data=str(learnt / "variants.yaml")))
    assert {v.name for v in rig.manager.store} == {"plain", "slope"}, "nor does the manager take it"
    write_store(learnt / "variants.yaml", Store.of([better]))
    said(learnt / "variants.yaml")
    rig.world.spin(lambda: rig.answers[-1].variant == "ridge")
    assert {v.name for v in rig.manager.manager.store} == {"plain", "slope", "ridge"}
    write_store(learnt / "variants.yaml", Store.of([replace(better, floor=True)]))
    rig.manager.on_variants(SimpleNamespace(data=str(learnt / "variants.yaml")))
    assert rig.manager.store.floor.name == "plain", "the reserve is not for others to change"


def ros_string(rig: SimpleNamespace) -> Any:
    """Function that announces a store on variants_learnt."""
    from rover_energy.nodes import ros

    kind = ros.message_class("std_msgs/msg/String")
    publisher = rig.manager.ros.create_publisher(kind, "variants_learnt", ros.quality("latched"))
    return lambda path: publisher.publish(kind(data=str(path)))


def test_beyond_the_map_nothing_is_claimed(rig: SimpleNamespace) -> None:
    x0 = rig.classifier.world.terrain.extent[0]
    rig.look(x0 + 3.0, 8.0)
    rig.world.spin(lambda: bool(rig.answers))
    answer = rig.answers[0]
    cells = np.array(answer.data).reshape(4, 4)
    assert (cells[:, 0] == 255).all()
    assert (cells[:, -1] != 255).all()
    assert np.isnan(np.array(answer.confidence).reshape(4, 4)[:, 0]).all()


def test_a_store_without_files_is_one_sentence(
    plan_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.terrain_classifier import TerrainClassifier

    store = small_store(tmp_path)
    (tmp_path / "slope.onnx").write_bytes(b"nothing")
    with ros_context(tmp_path, domain(46)) as world:
        overrides = [Parameter(n, value=v) for n, v in {"store": str(store), "folder": str(plan_folder)}.items()]
        node, _ = ros.host(TerrainClassifier, context=world.context, parameter_overrides=overrides)
        assert "FAILURE" in str(node.trigger_configure())
        node.destroy_node()
    said = [line for line in capfd.readouterr().err.splitlines() if "ERROR" in line]
    assert len(said) == 1
    assert "slope" in said[0]
    assert "Traceback" not in said[0]


@pytest.fixture(scope="module")
def reserved_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four metres, planned with 20 W for inference."""
    folder = tmp_path_factory.mktemp("reserved")
    text = (ROOT / "config/rover_lunar.yaml").read_text(encoding="utf-8")
    (folder / "rover.yaml").write_text(text.replace("inference_power: 0.0", "inference_power: 20.0"), encoding="utf-8")
    files = ("--terrain", ROOT / "sim/worlds/crater_field.npz", "--mission", ROOT / "config/mission_no_battery.yaml")
    code, _, said = command(
        "plan", *files, "--rover", folder / "rover.yaml", "--start", "4,4,0.8", "--goal", "7,6.5,0.7", "--no-report", "--out",
        "plan", folder=folder,
    )  # fmt: skip
    assert code == 0, said
    return folder / "plan"


def test_the_rover_drives_on_without_the_manager(reserved_plan: Path, tmp_path: Path) -> None:
    """Killed on the way: no window over the limit, the goal is reached, the manager comes back and the answers with it."""
    from rover_energy.nodes.graph import simulation_graph
    from rover_energy.nodes.inference_graph import store_of
    from rover_energy.nodes.inference_summary import summarise_inference
    from rover_energy.nodes.processes import Processes
    from rover_energy.nodes.session import Session

    os.environ.update(environment(tmp_path))
    store = store_of(small_store(tmp_path).parent)
    nodes = simulation_graph(reserved_plan, tmp_path / "bag", simulator="loopback", pace=4.0, inference=store)
    classes: list[Any] = []
    with Processes(nodes, tmp_path, domain(47)) as processes, Session(processes) as session:
        session.bring_up()
        session.watch("terrain_classes", classes.append)
        session.wait(lambda: bool(classes), 20.0, "first answer")
        before = processes.running["inference_manager"]

        def kill(_: Any) -> None:
            if before.alive():
                os.kill(before.pid, signal.SIGKILL)

        result = session.drive(reserved_plan, limit=90.0, progress=kill)
        count = len(classes)
        session.wait(lambda: len(classes) > count + 1, 20.0, "answers of the manager's successor")
    assert result.error_code == result.NONE, result.error_text
    assert result.compliance.passed, result.compliance.text
    found = summarise_inference(tmp_path / "bag")
    assert found["violations"] == 0
    assert found["drawn_J"] == pytest.approx(found["receipts_J"], rel=1e-6), "the bus carried what the receipts say"
    assert found["receipts_J"] > 0.0
    assert found["answers"] >= 5
    assert found["late"] == 0
    code, _, said = command("audit", tmp_path / "bag", "--plan", reserved_plan, "--out", "audit", folder=tmp_path)
    assert code == 0, said
    audit = json.loads((tmp_path / "audit" / "audit.json").read_text(encoding="utf-8"))
    assert audit["inference"]["violations"] == 0
    assert audit["inference"]["total"]["known_J"] == pytest.approx(found["receipts_J"])
    assert audit["inference"]["outcomes"] == found["outcomes"]
    (load,) = [load for load in audit["energy"]["loads"] if load["name"] == "inference"]
    assert load["energy_J"] == pytest.approx(found["drawn_J"], rel=0.05), "windows against the bus's own counter"
    assert "inference" not in audit["model"]["loads"]
    assert "Networks handed in" in (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "inference.json").read_text(encoding="utf-8"))["violations"] == 0
