"""Which nodes of inference are started, with what, and that the rover does without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rover_energy.errors import InputError
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.variant import Variant
from rover_energy.nodes import inference_graph
from rover_energy.nodes.graph import simulation_graph, supervisor
from rover_energy.nodes.inference_graph import check_floor, choose, inference_nodes, store_of
from rover_energy.nodes.node import Node

PRICE = {"energy_provenance": "cpu_time_model", "energy": 0.1, "energy_high": 0.2, "quality": 0.9}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    variants = [Variant(name=f"v-{task}", task=task, **PRICE) for task in ("terrain_class", "energy_map", "opera")]
    write_store(tmp_path / "variants.yaml", Store.of(variants))
    return tmp_path


def test_what_a_store_serves_is_started(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_graph, "find_spec", lambda name: None if name == "torch" else object())
    chosen, why = choose(store_of(store), store)
    assert [kind.name for kind in chosen] == ["terrain_classifier"]
    assert set(why) == {"energy_map_predictor", "telemetry_sentinel", "log_analyst", "learning_planner"}
    assert all(text for text in why.values())
    nodes = inference_nodes(store, store, store)
    assert [node.name for node in nodes] == ["inference_manager", "energy_accountant", "terrain_classifier"]
    assert not any(node.required for node in nodes)
    assert nodes[-1].parameters == {"folder": str(store), "store": str(store / "variants.yaml")}


def test_a_missing_package_is_one_sentence(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_graph, "find_spec", lambda name: None if name == "onnxruntime" else object())
    chosen, why = choose(store_of(store), store)
    assert chosen == []
    assert "onnxruntime" in why["terrain_classifier"]
    assert "pip install" in why["terrain_classifier"]


def test_no_store_and_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="infer build"):
        store_of(tmp_path)
    (tmp_path / "variants.yaml").write_text("format: 1\nvariants: 3\n", encoding="utf-8")
    with pytest.raises(InputError, match="variants"):
        simulation_graph(tmp_path, tmp_path / "bag", simulator="loopback", inference=store_of(tmp_path))


def test_a_plan_without_the_floor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mission.yaml").write_text("{}\n", encoding="utf-8")
    for watts, good in ((5.9, False), (6.0, True)):
        (tmp_path / "rover.yaml").write_text(f"loads: {{inference_power: {watts}}}\n", encoding="utf-8")
        if good:
            check_floor(tmp_path)
        else:
            with pytest.raises(InputError, match="inference_power"):
                check_floor(tmp_path)


def test_the_supervisor_knows_what_is_optional(store: Path) -> None:
    whole = simulation_graph(store, store / "bag", simulator="loopback", inference=store_of(store))
    without = simulation_graph(store, store / "bag", simulator="loopback")
    assert [node.name for node in whole if node.required] == [node.name for node in without]
    optional = whole[-1].parameters["optional"].split(",")
    assert {"inference_manager", "energy_accountant"} <= set(optional)
    assert "optional" not in without[-1].parameters
    power, recorder = (next(n for n in whole if n.name == name) for name in ("power", "recorder"))
    assert power.parameters["grants"] is True
    assert recorder.parameters["inference"] is True
    assert supervisor([Node("a", "a", {})]).parameters == {"nodes": "a"}
