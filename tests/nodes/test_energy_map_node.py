"""The energy map's node with a real manager: asks, runs within its permit, publishes, writes the planner's file."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from node_cases import domain, needs_ros, ros_context

from rover_energy.inference.grants import Grant, Mode
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.tasks.soil_maps import make_scene
from rover_energy.inference.variant import Variant, digest
from rover_energy.planning.soil_map import read_soil_map
from rover_energy.terrain.npz import write_npz

pytestmark = needs_ros
SIDE = 40


def folder_of(path: Path) -> SimpleNamespace:
    """A plan's folder with ground and image, and a store with one tiny network."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")
    from rover_energy.inference.learning.graphs import write_stencil
    from rover_energy.inference.learning.unet import fresh, stencil

    scene = make_scene(np.random.default_rng(1), SIDE)
    write_npz(path / "terrain.npz", scene.terrain)
    np.savez(path / "image.npz", image=scene.image)
    site = {"sun_azimuth": 180.0, "sun_elevation": 20.0, "cast_shadows": False}
    for name, content in (("rover", {"name": "rover"}), ("mission", {"site": site})):
        (path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    network = fresh(0, lambda: stencil(3, 2, 2))
    with torch.no_grad():
        network[-1].bias[:] = torch.tensor([0.4, 0.9])
    write_stencil(network, 2, path / "tiny.onnx")
    tiny = Variant(
        name="tiny-fp32", task="energy_map", energy=0.05, energy_high=0.4, energy_provenance="cpu_time_model", quality=0.5,
        peak_power=6.0, latency=0.3, artefact="tiny.onnx", checksum=digest(path / "tiny.onnx"),
    )  # fmt: skip
    write_store(path / "variants.yaml", Store.of([tiny]))
    return SimpleNamespace(scene=scene, path=path, network=network)


def test_a_map_is_predicted_on_a_grant(tmp_path: Path) -> None:
    folder_of(tmp_path)
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.energy_map_predictor import EnergyMapPredictor
    from rover_energy.nodes.grant_messages import grant_message
    from rover_energy.nodes.inference_manager import InferenceManager
    from rover_energy.nodes.settings import NodeParameters

    class Ear(ros.Part):
        name, parameters = "ear", NodeParameters

        def configure(self) -> None:
            self.maps: list[Any] = []
            self.receipts: list[Any] = []
            self.subscribe("map_energy", self.maps.append)
            self.subscribe("inference_receipt", self.receipts.append, depth=10)
            self.grant = self.publisher("inference_grant")

    store = str(tmp_path / "variants.yaml")
    values = {
        InferenceManager: {"store": store, "grace": 5.0},
        EnergyMapPredictor: {
            "folder": str(tmp_path), "store": store, "image": str(tmp_path / "image.npz"), "out": str(tmp_path / "soil.npz"),
            "period": 0.5, "patience": 60.0,
        },
        Ear: {},
    }  # fmt: skip
    with ros_context(tmp_path, domain(53)) as world:
        nodes, parts = [], {}
        for kind, own in values.items():
            overrides = [Parameter(name, value=value) for name, value in own.items()]
            node, part = ros.host(kind, context=world.context, parameter_overrides=overrides)
            assert "SUCCESS" in str(node.trigger_configure())
            nodes.append(node)
            parts[part.name] = part
            world.executor.add_node(node)
        for node in nodes:
            assert "SUCCESS" in str(node.trigger_activate())
        ear, manager = parts["ear"], parts["inference_manager"]
        until = time.monotonic() + 1.0
        world.spin(lambda: time.monotonic() > until)
        assert not ear.maps, "no grant, no run"
        now = manager.now
        ear.grant(grant_message(Grant(now, now + 30.0, 1, Mode.SURPLUS, 60.0, 12.0, intensity=0.0)))
        world.spin(lambda: bool(ear.maps) and bool(ear.receipts))
        for node in nodes:
            node.trigger_deactivate()
            node.destroy_node()
    message, receipt = ear.maps[0], ear.receipts[0]
    assert (message.info.width, message.info.height) == (SIDE, SIDE)
    assert message.info.resolution == pytest.approx(0.5)
    cells = np.array(message.data).reshape(SIDE, SIDE)
    soil = read_soil_map(tmp_path / "soil.npz")
    wanted = 80.0 * soil.factor / 0.95 / 0.6  # the reference rover's resistance, slip on level ground and efficiency
    assert cells == pytest.approx(np.clip(np.rint(wanted / 10.0), 0, 100))
    assert np.all(soil.upper >= soil.factor)
    assert (receipt.task, receipt.variant) == ("energy_map", "tiny-fp32")
    assert 0.0 < receipt.energy < 5.0


@pytest.mark.parametrize("missing", ["store", "image"])
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    from rover_energy.nodes.energy_map_predictor import EnergyMapPredictor
    from rover_energy.nodes.inference_settings import EnergyMapParameters

    settings = {"folder": str(tmp_path), "store": "s.yaml", "image": "i.npz"}
    part = EnergyMapPredictor.__new__(EnergyMapPredictor)
    part.settings = EnergyMapParameters(**{**settings, missing: ""})
    with pytest.raises(Exception, match=f"{missing}: is empty"):
        part.configure()
