"""The node graph as processes: the same list for the command line and for launch files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rover_energy.nodes.ros import PARENT

PATIENCE = 5.0  # [s] for a process to end when it is told to


@dataclass(frozen=True)
class Node:
    """One process: name of the node, module, parameters."""

    name: str
    module: str
    parameters: dict[str, Any]

    def command(self) -> list[str]:
        """Its command line, for this interpreter."""
        line = [sys.executable, "-m", f"rover_energy.nodes.{self.module}", "--ros-args", "-p", "use_sim_time:=true"]
        for name, value in self.parameters.items():
            line += ["-p", f"{name}:={_shown(value)}"]
        return line


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def simulation_graph(plan: Path, bag: Path, *, simulator: str, pace: float = 0.0, **truth: float) -> list[Node]:
    """The nodes of a simulated drive, in the order in which they are brought up.

    plan : its folder. bag : folder to record into. simulator : "loopback" or "mujoco". pace : see `SimulatorParameters`.
    truth : factors of the soil, as in `SimulatorParameters`.
    """
    folder = str(plan)
    return [
        Node("recorder", "recorder_node", {"bag": str(bag)}),
        Node("power", "power_node", {"folder": folder, "rate": 50.0}),
        Node("power_monitor", "monitor_node", {"folder": folder}),
        Node("terrain", "terrain_node", {"folder": folder}),
        Node("planner", "planner_node", {"folder": folder}),
        Node("drive", "drive_node", {"folder": folder, "raw_ground": simulator == "mujoco"}),
        Node("simulator", "simulator_node", {"folder": folder, "engine": simulator, "pace": pace, **truth}),
    ]


class Processes:
    """The processes of a graph, in a ROS domain and log folder of their own. Leaving the context ends them, last first."""

    def __init__(self, nodes: list[Node], out: Path, domain: int) -> None:
        self.nodes, self.out, self.domain = nodes, out, domain
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self) -> dict[str, str]:
        """For the processes and for this one."""
        logs = str(self.out / "log")
        return {"ROS_DOMAIN_ID": str(self.domain), "ROS_LOG_DIR": logs, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}

    def __enter__(self) -> Processes:
        (self.out / "log").mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self.environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment[PARENT] = str(os.getpid())
        for node in self.nodes:
            with (self.out / "log" / f"{node.name}.txt").open("wb") as log:
                self.running[node.name] = subprocess.Popen(
                    node.command(), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        return self

    def dead(self) -> list[str]:
        """Names of the nodes whose process has ended."""
        return [name for name, process in self.running.items() if process.poll() is not None]

    def words(self, name: str) -> str:
        """Last line that a node wrote."""
        lines = (self.out / "log" / f"{name}.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        until = time.monotonic() + PATIENCE
        for process in self.running.values():
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
