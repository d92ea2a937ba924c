"""The launch files of Gazebo and of a rover: what they would start, with stand-ins for the classes of `launch`."""

from __future__ import annotations

import importlib.util
import re
import sys
import types
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_cases import ROOT, needs_ros

from rover_energy.errors import InputError
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.variant import Variant
from rover_energy.nodes.deployment import write_plan_world
from rover_energy.nodes.graph import simulation_graph
from rover_energy.simulation.gazebo import WORLD_NAME, Spawn

NAMES = {
    "launch": ("LaunchDescription",),
    "launch.actions": ("DeclareLaunchArgument", "EmitEvent", "ExecuteProcess", "IncludeLaunchDescription", "OpaqueFunction",
                       "RegisterEventHandler"),
    "launch.event_handlers": ("OnProcessExit",), "launch.events": ("Shutdown",), "launch.substitutions": ("LaunchConfiguration",),
}  # fmt: skip


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    for module, classes in NAMES.items():
        stand_in = types.ModuleType(module)
        vars(stand_in).update({name: type(name, (), {}) for name in classes})
        monkeypatch.setitem(sys.modules, module, stand_in)

    def read(name: str) -> Any:
        specification = importlib.util.spec_from_file_location(name.replace(".", "_"), ROOT / "launch" / name)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    return read


def test_gazebo_starts_the_same_nodes(load: Any, tmp_path: Path) -> None:
    found = load("gazebo.launch.py").commands({"plan": str(tmp_path), "out": str(tmp_path / "out")})
    ours = {node.name for node in simulation_graph(tmp_path, tmp_path / "bag", simulator="mujoco")}
    assert set(found) == {*ours, "commander"}
    assert "rover_energy.nodes.gazebo_base" in found["simulator"]
    assert list(found)[-1] == "commander"
    assert all("use_sim_time:=true" in line for name, line in found.items() if name in ("power", "drive", "simulator"))


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    """A store, and the part of a plan's folder that says what it may draw."""
    priced = {"energy": 0.1, "energy_high": 0.2, "energy_provenance": "cpu_time_model", "quality": 0.5}
    write_store(tmp_path / "variants.yaml", Store.of([Variant(name="v", task="terrain_class", **priced)]))
    (tmp_path / "rover.yaml").write_text("loads: {inference_power: 20.0}\n", encoding="utf-8")
    (tmp_path / "mission.yaml").write_text("{}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["gazebo.launch.py", "rover.launch.py", "simulation.launch.py"])
def test_networks_are_started_and_the_rest_is_said(load: Any, networks: Path, name: str, capsys: Any) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")
    values = {"plan": str(networks), "out": str(networks / "out"), "inference": str(networks), "drive": "false", "pace": "1",
              "simulator": "loopback", "hardware": str(ROOT / "config" / "hardware_example.yaml")}  # fmt: skip
    found, without = (load(name).commands({**values, "inference": place}) for place in (str(networks), ""))
    assert set(found) - set(without) == {"inference_manager", "energy_accountant", "terrain_classifier"}
    assert "grants:=true" in found["power"]
    assert f'store:="{networks / "variants.yaml"}"' in found["terrain_classifier"]
    assert any(word.startswith("optional:=") for word in found["supervisor"])
    assert "inference:=true" in found["recorder"]
    assert "grants:=true" not in without["power"]
    said = capsys.readouterr().err
    assert f"{name}: log_analyst is not started: the store has no metered variant of log_query" in said
    simulated = "rover" not in name
    assert any(word.startswith("lead:=") for word in found["inference_manager"]) == simulated, "a rover's runs begin at once"
    if not simulated:
        assert "odom:=/localization/odometry" in found["terrain_classifier"]
    (networks / "rover.yaml").write_text("loads: {inference_power: 5.0}\n", encoding="utf-8")
    with pytest.raises(InputError, match="inference_power"):
        load(name).commands(values)


def test_arguments_of_gazebo_and_of_the_spawner(load: Any) -> None:
    file = load("gazebo.launch.py")
    assert file.gazebo_arguments(Path("/a b/w.sdf"), headless=True, more="-v 4") == "-r -s -v 4 '/a b/w.sdf'"
    assert file.gazebo_arguments(Path("/w.sdf"), headless=False, more="") == "-r /w.sdf"
    words = file.spawn_arguments("rover", Path("/m.sdf"), Spawn(1.0, -2.0, 0.5, 0.1, -0.2, 3.0))
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert given["-world"] == WORLD_NAME
    assert [float(given[key]) for key in ("-x", "-y", "-z", "-R", "-P", "-Y")] == [1.0, -2.0, 0.5, 0.1, -0.2, 3.0]


@needs_ros
def test_world_of_a_plan_and_the_rover_on_its_start(plan_folder: Path, tmp_path: Path) -> None:
    """Wheels are put just above the ground that Gazebo's physics reads from the files; no other wheel is in it."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow to read PNG")
    files, spawn = write_plan_world(plan_folder, tmp_path)
    world = ElementTree.parse(files["world"]).getroot()
    assert world.find("world").get("name") == WORLD_NAME  # type: ignore[union-attr]
    assert (spawn.x, spawn.y) == (4.0, 4.0)
    assert spawn.heading == pytest.approx(0.8, abs=0.02)
    link = world.find(".//link[@name='ground_link']")
    assert link is not None
    pose = [float(v) for v in str(link.findtext("pose")).split()]
    size = [float(v) for v in str(link.findtext("collision/geometry/heightmap/size")).split()]
    pixels = np.asarray(image.open(files["heightmap"])).astype(float)[::-1] / 65535.0
    n = len(pixels)
    cr, sr, cp, sp = np.cos(spawn.roll), np.sin(spawn.roll), np.cos(spawn.pitch), np.sin(spawn.pitch)
    cy, sy = np.cos(spawn.heading), np.sin(spawn.heading)
    x_axis = np.array([cy * cp, sy * cp, -sp])
    y_axis = np.array([cy * sp * sr - sy * cr, sy * sp * sr + cy * cr, cp * sr])
    gaps = []
    model = files["model"].read_text(encoding="utf-8")
    for wx, wy in re.findall(r'<link name="wheel_\w+">\s*<pose>(\S+) (\S+) ', model):
        at = np.array(spawn[:3]) + float(wx) * x_axis + float(wy) * y_axis
        column, row = ((at[k] - pose[k]) / (size[0] / n) + (n - 1) / 2.0 for k in (0, 1))
        i, j = int(column), int(row)
        a, b = column - i, row - j
        low = (1 - a) * pixels[j, i] + a * pixels[j, i + 1]
        high = (1 - a) * pixels[j + 1, i] + a * pixels[j + 1, i + 1]
        gaps.append(at[2] - (pose[2] + size[2] * ((1 - b) * low + b * high)))
    assert len(gaps) == 6
    assert min(gaps) == pytest.approx(0.02, abs=2e-3)
    assert max(gaps) < 0.25


def test_a_rover_starts_without_simulator_and_ends_with_its_client(load: Any, tmp_path: Path) -> None:
    values = {"plan": str(tmp_path), "out": str(tmp_path / "out"), "drive": "true", "respawn": "true",
              "hardware": str(ROOT / "config" / "hardware_example.yaml")}  # fmt: skip
    found = load("rover.launch.py").commands(values)
    assert "simulator" not in found
    assert list(found)[-1] == "client"
    assert "--drive" in found["client"]
    assert "odom:=/localization/odometry" in found["drive"]
    assert all("use_sim_time:=true" not in line for line in found.values())


@pytest.mark.parametrize("name", ["gazebo.launch.py", "rover.launch.py"])
def test_every_argument_is_described(load: Any, name: str) -> None:
    assert all(len(text) > 10 for _, _, text in load(name).ARGUMENTS)
