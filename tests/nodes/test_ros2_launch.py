"""`ros2 launch` and `ros2 run` themselves, on an installation that has them and this package in its index."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from node_cases import ROOT, domain, environment, needs_ros

FILES = sorted(path.name for path in (ROOT / "launch").glob("*.launch.py"))
SECONDS = 240


def ros2(*line: str, surroundings: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ros2", *line], env={**os.environ, **(surroundings or {})}, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.fixture(scope="module")
def installed() -> None:
    if shutil.which("ros2") is None:
        pytest.skip("there is no ros2 command: it comes with a ROS 2 installation, not with pip")
    if "rover_energy" not in ros2("pkg", "list").stdout.split():
        pytest.skip("rover_energy is not in the index of this ROS 2 installation: install it with colcon or pip")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.usefixtures("installed")
def test_a_launch_file_says_its_arguments(name: str) -> None:
    ended = ros2("launch", "rover_energy", name, "--show-args")
    assert ended.returncode == 0, ended.stderr
    assert "Arguments" in ended.stdout


@pytest.mark.usefixtures("installed")
def test_nodes_are_programs() -> None:
    assert "rover_energy power_node" in ros2("pkg", "executables", "rover_energy").stdout


@needs_ros
@pytest.mark.usefixtures("installed")
def test_launched_it_drives_to_the_goal(plan_folder: Path, tmp_path: Path) -> None:
    surroundings = {**environment(tmp_path), "ROS_DOMAIN_ID": str(domain(19))}
    line = (f"plan:={plan_folder}", f"out:={tmp_path / 'drive'}", "simulator:=loopback", "pace:=0")
    ended = ros2("launch", "rover_energy", "simulation.launch.py", *line, surroundings=surroundings)
    assert "goal reached" in ended.stdout, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert ", 0 over what was available" in ended.stdout
    assert list((tmp_path / "drive" / "bag").glob("*.mcap"))
