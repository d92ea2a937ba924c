"""The launch file of the simulation: its command lines are the graph's, and started as they stand they drive the plan."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from node_cases import ROOT, domain, environment, needs_ros

FILE = ROOT / "launch" / "simulation.launch.py"


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file with empty stand-ins for the classes of `launch`, which pip cannot install."""
    names = {
        "launch": ("LaunchDescription",),
        "launch.actions": ("DeclareLaunchArgument", "EmitEvent", "ExecuteProcess", "OpaqueFunction", "RegisterEventHandler"),
        "launch.event_handlers": ("OnProcessExit",), "launch.events": ("Shutdown",),
        "launch.substitutions": ("LaunchConfiguration",),
    }  # fmt: skip
    for module, classes in names.items():
        stand_in = types.ModuleType(module)
        vars(stand_in).update({name: type(name, (), {}) for name in classes})
        monkeypatch.setitem(sys.modules, module, stand_in)
    specification = importlib.util.spec_from_file_location("simulation_launch", FILE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_nodes_are_those_of_the_command(launch_file: Any, tmp_path: Path) -> None:
    from rover_energy.nodes.settings import ALL

    values = {"plan": str(tmp_path / "plan"), "out": str(tmp_path / "out"), "simulator": "mujoco", "pace": "2", "respawn": "true",
              "inference": ""}  # fmt: skip
    found = launch_file.commands(values)
    assert set(found) == {*ALL, "commander"} - {"battery_lint"}
    assert list(found)[-1] == "commander"
    assert 'engine:="mujoco"' in found["simulator"]
    assert "pace:=2.0" in found["simulator"]
    assert {name for name, default, _ in launch_file.ARGUMENTS if default is not None} | {"plan", "out"} == set(values)


def test_with_a_store_networks_are_started(launch_file: Any, tmp_path: Path) -> None:
    from rover_energy.inference.store import Store, write_store
    from rover_energy.inference.variant import Variant

    priced = {"energy": 0.1, "energy_high": 0.2, "energy_provenance": "cpu_time_model", "quality": 0.5}
    write_store(tmp_path / "variants.yaml", Store.of([Variant(name="v", task="terrain_class", **priced)]))
    (tmp_path / "rover.yaml").write_text("loads: {inference_power: 20.0}\n", encoding="utf-8")
    (tmp_path / "mission.yaml").write_text("{}\n", encoding="utf-8")
    values = {"plan": str(tmp_path), "out": str(tmp_path), "simulator": "loopback", "pace": "0", "inference": str(tmp_path)}
    found = launch_file.commands(values)
    assert f'store:="{tmp_path / "variants.yaml"}"' in found["inference_manager"]
    assert "grants:=true" in found["power"]
    assert any(word.startswith("optional:=") for word in found["supervisor"])


@needs_ros
def test_started_as_they_stand_they_drive(launch_file: Any, plan_folder: Path, tmp_path: Path) -> None:
    values = {"plan": str(plan_folder), "out": str(tmp_path), "simulator": "loopback", "pace": "0"}
    surroundings = {**os.environ, **environment(tmp_path), "ROS_DOMAIN_ID": str(domain(17))}
    commands = launch_file.commands(values)
    commander = commands.pop("commander")
    running = [subprocess.Popen(line, env=surroundings, stderr=subprocess.DEVNULL) for line in commands.values()]
    try:
        done = subprocess.run(commander, env=surroundings, capture_output=True, text=True, timeout=90, check=False)
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait(10)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("goal reached; ")
    assert " 0 over what was available, 0 missing" in done.stdout
    assert (tmp_path / "bag" / "metadata.yaml").is_file()
    assert [process.returncode for process in running] == [0] * len(running)
