"""A node dies during a drive: the rover stands, the goal ends with the reason, and what was recorded is still there."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from node_cases import domain, environment, needs_ros

pytestmark = needs_ros


def broken_drive(plan: Path, out: Path, victim: str, number: int) -> SimpleNamespace:
    """Drive at four times real time and kill a node after a second of driving; then watch for a while."""
    from rover_energy.nodes.graph import Processes, simulation_graph
    from rover_energy.nodes.session import GraphError, Session

    os.environ.update(environment(out))
    seen: list[Any] = []
    nodes = simulation_graph(plan, out / "bag", simulator="loopback", pace=4.0)
    with Processes(nodes, out, number) as processes, Session(processes) as session:
        session.bring_up()
        entry, dead = processes.running[victim], {"at": 0.0}
        session.watch("odom", seen.append)

        def kill(_: Any) -> None:
            if not dead["at"] and seen and seen[-1].twist.twist.linear.x > 0.1:
                os.killpg(entry.pid, signal.SIGKILL)
                entry.wait()
                dead["at"] = time.monotonic()
                del processes.running[victim]

        result = error = None
        try:
            result = session.drive(plan, limit=40.0, progress=kill)
        except GraphError as problem:
            error = problem
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            session.executor.spin_once(timeout_sec=0.1)
    return SimpleNamespace(result=result, error=error, odometry=seen, killed=dead["at"], bag=out / "bag" / "bag.mcap")


def test_without_power_the_drive_ends_and_the_rover_stands(plan_folder: Path, tmp_path: Path) -> None:
    done = broken_drive(plan_folder, tmp_path, "power", domain(3))
    assert done.killed
    assert done.result.error_code == done.result.POWER_STALE
    assert "power_time" in done.result.error_text
    assert not done.result.compliance.passed or done.result.compliance.samples > 0
    speeds = [m.twist.twist.linear.x for m in done.odometry]
    assert max(speeds) > 0.1
    assert abs(speeds[-1]) < 1e-3
    stamps = [m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in done.odometry]
    moving = [t for t, v in zip(stamps, speeds, strict=True) if abs(v) > 0.02]
    assert stamps[-1] - moving[-1] > 0.5, "it has stood for a while"


def test_a_killed_recorder_leaves_what_it_wrote(plan_folder: Path, tmp_path: Path) -> None:
    done = broken_drive(plan_folder, tmp_path, "recorder", domain(5))
    assert done.killed
    assert done.result.error_code == done.result.NONE, "recording is not needed for driving"
    assert messages_in(done.bag) > 100


def test_nodes_end_when_the_command_is_killed(plan_folder: Path, tmp_path: Path) -> None:
    out, words = tmp_path / "out", ["--plan", str(plan_folder), "--simulator", "loopback", "--pace", "0.5"]
    line = [sys.executable, "-m", "rover_energy.cli.main", "drive", *words, "--out", str(out)]
    started = subprocess.Popen(
        line, env={**os.environ, **environment(tmp_path)}, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert started.stderr is not None
    assert "nodes are up" in started.stderr.readline()
    assert len(nodes_of(out)) == 6
    started.kill()
    started.wait()
    end = time.monotonic() + 10.0
    while nodes_of(out) and time.monotonic() < end:
        time.sleep(0.1)
    assert nodes_of(out) == []
    assert (out / "bag" / "metadata.yaml").is_file(), "the recorder has closed its bag"


def nodes_of(out: Path) -> list[int]:
    """Processes of nodes that log into a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line, surroundings = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except OSError:
            continue
        if b"rover_energy.nodes." in line and f"ROS_LOG_DIR={out / 'log'}".encode() in surroundings.split(b"\0"):
            found.append(int(place.name))
    return found


def messages_in(path: Path) -> int:
    """Messages in the whole chunks of an MCAP file without its end, by the format's own rules."""
    data, count, at = path.read_bytes(), 0, 8
    assert data[:8] == b"\x89MCAP0\r\n"
    while at + 9 <= len(data):
        kind, size = data[at], struct.unpack_from("<Q", data, at + 1)[0]
        if at + 9 + size > len(data):
            break
        if kind == 0x06:
            (length,) = struct.unpack_from("<I", data, at + 9 + 28)
            inner = at + 9 + 28 + 4 + length + 8
            while inner < at + 9 + size:
                count += data[inner] == 0x05
                inner += 9 + struct.unpack_from("<Q", data, inner + 1)[0]
        at += 9 + size
    return count
