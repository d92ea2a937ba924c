"""The middleware's profile reaches the sockets of a node that is limited to this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from node_cases import domain, environment, needs_ros

pytestmark = needs_ros

PROGRAM = """
import os, socket, rclpy
rclpy.init()
node = rclpy.create_node("listener")
for number in os.listdir("/proc/self/fd"):
    try:
        held = socket.socket(fileno=os.dup(int(number)))
    except OSError:
        continue
    if held.type == socket.SOCK_DGRAM and held.getsockname()[1]:
        print(held.getsockname()[1], held.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
os._exit(0)
"""


def kernel(name: str) -> int:
    return int(Path(f"/proc/sys/net/core/{name}").read_text(encoding="ascii"))


def test_listening_sockets_have_room_for_everybody_s_topics(tmp_path: Path) -> None:
    """Linux reports twice what was asked for; the usual size loses two thirds of what a process is told when it joins."""
    from rover_energy.nodes.graph import MIDDLEWARE

    asked = min(4194304, kernel("rmem_max"))
    if asked <= kernel("rmem_default"):
        pytest.skip("this system allows no larger buffers (net.core.rmem_max)")
    number = domain(31)
    own = {"ROS_DOMAIN_ID": str(number), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **MIDDLEWARE}
    line = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(line, env={**os.environ, **environment(tmp_path), **own}, capture_output=True, text=True, timeout=60.0)
    sizes = {int(port): int(size) for port, size in (row.split() for row in done.stdout.splitlines())}
    listening = [size for port, size in sizes.items() if 7400 + 250 * number <= port < 7400 + 250 * (number + 1)]
    assert len(listening) >= 2, done.stderr
    assert min(listening) >= 2 * asked
