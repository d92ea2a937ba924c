"""What the tests of the nodes share: whether ROS 2 is there, a plan, a drive of it by the command, nodes inside the test."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("rclpy", "rover_energy_interfaces", "rosbags")
MISSING = [name for name in NEEDED if find_spec(name) is None]
needs_ros = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed: make ros")
GOAL = (9.0, 8.0, 0.7)
WAIT = 60.0  # [s] for an event that mostly comes at once: a busy machine is no failure


def domain(offset: int) -> int:
    """A ROS domain that other test processes do not use, apart for each use within one."""
    return 1 + (os.getpid() * 7 + offset) % 100


def environment(folder: Path) -> dict[str, str]:
    return {"ROS_LOG_DIR": str(folder), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def command(*words: object, folder: Path, limit: float = 90.0) -> tuple[int, str, str]:
    """Run `rover-energy` as a process: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "rover_energy.cli.main", *(str(word) for word in words)], capture_output=True, text=True,
        cwd=folder, env={**os.environ, **environment(folder)}, timeout=limit, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def drive(plan: Path, out: Path, *words: object) -> SimpleNamespace:
    """`rover-energy drive` of a plan: exit code, summary, remarks, folder."""
    code, text, remarks = command("drive", "--plan", plan, "--out", out, "--json", *words, folder=out.parent)
    return SimpleNamespace(code=code, summary=json.loads(text) if text else {}, remarks=remarks, out=out)


@contextlib.contextmanager
def ros_context(folder: Path, number: int) -> Iterator[Any]:
    """rclpy in a domain of its own, inside this process; `spin(ready)` lets the nodes work until something holds."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    os.environ.update(environment(folder))
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=number)
    executor = SingleThreadedExecutor(context=context)

    def spin(ready: Callable[[], bool], limit: float = WAIT) -> None:
        end = time.monotonic() + limit
        while not ready():
            assert time.monotonic() < end, f"nothing came within {limit:g} s"
            executor.spin_once(timeout_sec=0.05)

    yield SimpleNamespace(context=context, executor=executor, spin=spin)
    executor.shutdown()
    rclpy.try_shutdown(context=context)
