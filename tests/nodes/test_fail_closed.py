"""A node dies during a drive: the rover stands, the goal ends with the reason, the graph comes back, and nothing is lost."""

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

import pytest
from node_cases import domain, environment, needs_ros

pytestmark = needs_ros


def broken_drive(plan: Path, out: Path, victim: str, number: int) -> SimpleNamespace:
    """Drive at real time and kill a node while the rover moves; then wait until the supervisor calls the graph ready again."""
    from rover_energy.nodes.graph import simulation_graph
    from rover_energy.nodes.processes import Processes
    from rover_energy.nodes.session import GraphError, Session

    os.environ.update(environment(out))
    seen: list[Any] = []
    power: list[Any] = []
    nodes = simulation_graph(plan, out / "bag", simulator="loopback", pace=1.0)
    with Processes(nodes, out, number) as processes, Session(processes) as session:
        session.bring_up()
        entry, dead = processes.running[victim], {"at": 0.0}
        session.watch("odom", seen.append)
        session.watch("power_state", power.append)

        def kill(_: Any) -> None:
            if not dead["at"] and seen and seen[-1].twist.twist.linear.x > 0.1:
                os.kill(entry.pid, signal.SIGKILL)
                dead["at"], dead["seen"], dead["power"] = time.monotonic(), len(seen), len(power)

        result = error = None
        try:
            result = session.drive(plan, limit=40.0, progress=kill)
        except GraphError as problem:
            error = problem
        assert dead["at"], f"the drive ended before: {result} {error}"
        session.wait(lambda: processes.running[victim].pid != entry.pid, 10.0, "restart")
        session.pause(0.3)
        session.bring_up()
        took = time.monotonic() - dead["at"]
        planned = session.plan((6.5, 7.0, 0.7))
        assert planned.error_code == planned.NONE, planned.error_text
        driven = session.drive_trajectory(planned.trajectory, limit=60.0)
    return SimpleNamespace(
        result=result, error=error, odometry=seen, killed=dead, took=took, bag=out / "bag" / "bag.mcap", again=driven, power=power
    )


def standing_after(done: SimpleNamespace) -> float:
    """Simulated time from the death to standing [s]: the last motion before the rover stood for half a second."""
    rows = [(m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec, abs(m.twist.twist.linear.x)) for m in done.odometry]
    begin, last = rows[done.killed["seen"] - 1][0], rows[done.killed["seen"] - 1][0]
    for time_, speed in rows[done.killed["seen"] :]:
        if time_ - last > 0.5:
            return last - begin
        last = time_ if speed > 0.01 else last
    raise AssertionError("it never stood")


@pytest.mark.parametrize("victim", ["power", "drive", "simulator"])
def test_the_rover_stands_and_the_graph_comes_back(plan_folder: Path, tmp_path: Path, victim: str) -> None:
    """Whichever node is killed: it stands, the goal ends with a reason, and the next goal is reached without any help."""
    done = broken_drive(plan_folder, tmp_path, victim, domain(3 + len(victim)))
    if victim == "drive":
        assert "drive died" in str(done.error)
    else:
        assert done.result.error_code in (done.result.GRAPH_NOT_READY, done.result.POWER_STALE, done.result.POSE_STALE)
    assert standing_after(done) <= 0.6
    assert done.took <= 8.0, "with room for a busy machine; benchmarks/faults.py measures"
    assert done.again.error_code == done.again.NONE, done.again.error_text
    before, after = (done.power[i].battery_energy for i in (done.killed["power"] - 1, -1))
    assert after == pytest.approx(before, rel=0.01)


def test_a_killed_recorder_leaves_what_it_wrote(plan_folder: Path, tmp_path: Path) -> None:
    """The rover waits for it, and its successor begins another bag."""
    done = broken_drive(plan_folder, tmp_path, "recorder", domain(5))
    assert done.result.error_code == done.result.GRAPH_NOT_READY
    assert "recorder has ended" in done.result.error_text
    assert messages_in(done.bag) > 100
    assert (tmp_path / "bag_1" / "metadata.yaml").is_file()


def test_nodes_end_when_the_command_is_killed(plan_folder: Path, tmp_path: Path) -> None:
    out, words = tmp_path / "out", ["--plan", str(plan_folder), "--simulator", "loopback", "--pace", "0.5"]
    line = [sys.executable, "-m", "rover_energy.cli.main", "drive", *words, "--out", str(out)]
    started = subprocess.Popen(
        line, env={**os.environ, **environment(tmp_path)}, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert started.stderr is not None
    assert "nodes are up" in started.stderr.readline()
    assert len(processes_of(out)) >= 8, "seven nodes and the nursery"
    started.kill()
    started.wait()
    end = time.monotonic() + 10.0
    while processes_of(out) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes_of(out) == []
    assert (out / "bag" / "metadata.yaml").is_file(), "the recorder has closed its bag"


def processes_of(out: Path) -> list[int]:
    """Processes that write into a folder of logs."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            target = os.readlink(place / "fd" / "2")
        except OSError:
            continue
        if target.startswith(str(out / "log")):
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
