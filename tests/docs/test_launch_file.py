"""The launch file, run with small stand-ins for the classes of `launch`: it asks `rover-energy plan` for what it was told."""

from __future__ import annotations

import importlib.util
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "launch" / "plan.launch.py"


@dataclass
class Argument:
    name: str
    default_value: str | None
    description: str


@dataclass
class Process:
    cmd: list[str]
    name: str
    output: str


@dataclass
class Opaque:
    function: Any


@dataclass
class Configuration:
    name: str

    def perform(self, context: dict[str, str]) -> str:
        return context[self.name]


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> Any:
    stand_ins = {
        "launch": {"LaunchDescription": list},
        "launch.actions": {"DeclareLaunchArgument": Argument, "ExecuteProcess": Process, "OpaqueFunction": Opaque},
        "launch.substitutions": {"LaunchConfiguration": Configuration},
    }
    for name, content in stand_ins.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    specification = importlib.util.spec_from_file_location("plan_launch", FILE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def context(launch_file: Any, **given: str) -> dict[str, str]:
    arguments = [item for item in launch_file.generate_launch_description() if isinstance(item, Argument)]
    values = {item.name: item.default_value for item in arguments} | given
    missing = [name for name, value in values.items() if value is None]
    assert missing == []
    return values  # type: ignore[return-value]


def process(launch_file: Any, **given: str) -> Process:
    (opaque,) = (item for item in launch_file.generate_launch_description() if isinstance(item, Opaque))
    (started,) = opaque.function(context(launch_file, **given))
    return started


def test_every_argument_is_described_and_defaults_exist(launch_file: Any) -> None:
    arguments = [item for item in launch_file.generate_launch_description() if isinstance(item, Argument)]
    assert all(len(item.description) > 10 for item in arguments)
    files = [item.default_value for item in arguments if item.default_value and "/" in item.default_value]
    assert len(files) == 3
    assert all(Path(file).is_file() for file in files)


def test_the_command_plans(launch_file: Any, tmp_path: Path) -> None:
    """What it would start runs to a certified plan through the command line's own entry point."""
    from rover_energy.cli.main import run

    started = process(launch_file, start="4,4,0.8", goal="9,8,0.7", out=str(tmp_path / "out"), report="false")
    assert started.cmd[:3] == [sys.executable, "-m", "rover_energy.cli.main"]
    assert run(started.cmd[3:]) == 0
    assert (tmp_path / "out" / "plan.json").is_file()
    assert not (tmp_path / "out" / "report.html").exists()


def test_empty_files_are_left_out_and_poses_may_be_negative(launch_file: Any) -> None:
    started = process(launch_file, start="-4,4,0.8", goal="-9,8,0.7", out="o", rover="", mission="")
    assert "--start=-4,4,0.8" in started.cmd
    assert not [word for word in started.cmd if word.startswith(("--rover", "--mission"))]
    assert started.cmd[-1] == "--report"
