"""pip builds the interface package in an empty environment, and every type then works there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

SLOW = os.environ.get("ROVER_ENERGY_SLOW") == "1"
BOOTSTRAP = ("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH")  # another environment's wheels leave these behind


def run(*command: str | Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in BOOTSTRAP}
    environment["CMAKE_BUILD_PARALLEL_LEVEL"] = "2"
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not SLOW, reason="builds C++ for a minute; set ROVER_ENERGY_SLOW=1")
@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="ROS 2 wheels are for Linux x86_64")
def test_wheel_builds_and_works(interface_package: Path, tmp_path: Path) -> None:
    source, environment = tmp_path / "source", tmp_path / "environment"
    shutil.copytree(interface_package, source)
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "ros-rclpy[fastrtps]~=9.1.2", "pytest", "pytest-timeout", source)
    tests = Path(__file__).parent / "test_round_trip.py"
    shown = run(python, "-m", "pytest", tests, "-p", "no:cacheprovider", "--timeout=120", "--timeout-method=thread", "-q")
    assert " passed" in shown.splitlines()[-1]
    assert "skipped" not in shown
