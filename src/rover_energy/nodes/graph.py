"""The nodes of a graph: the same list for the command line and for launch files."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIDDLEWARE = {
    "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
    "FASTDDS_DEFAULT_PROFILES_FILE": str(Path(__file__).with_name("fastdds.xml")),
}
"""Environment of every process of a graph, where nothing else is set. After kill -9 of a node, others find a new process over UDP
in about one second; over Fast DDS's shared memory in two to three, while the locks that the dead one left are timed out."""
SIMULATED_STALE = 0.09  # [s]: two windows of 20 ms and 50 ms


@dataclass(frozen=True)
class Node:
    """One process: name of the node, module, parameters, topics under another name; whether it lives by simulated time."""

    name: str
    module: str
    parameters: dict[str, Any]
    remaps: dict[str, str] = field(default_factory=dict)
    simulated: bool = True

    def arguments(self) -> list[str]:
        """What follows the module on its command line."""
        line = ["--ros-args", "-p", f"use_sim_time:={_shown(self.simulated)}"]
        for name, value in self.parameters.items():
            line += ["-p", f"{name}:={_shown(value)}"]
        for name, other in self.remaps.items():
            line += ["-r", f"{name}:={other}"]
        return line

    def command(self) -> list[str]:
        """Its command line, for this interpreter."""
        return [sys.executable, "-m", f"rover_energy.nodes.{self.module}", *self.arguments()]


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def simulation_graph(plan: Path, bag: Path, *, simulator: str, pace: float = 0.0, **truth: float) -> list[Node]:
    """The nodes of a simulated drive, in the order in which they are brought up, and the supervisor that does so.

    plan : its folder. bag : folder to record into; the state files of battery and rover stand beside it. simulator :
    "loopback" or "mujoco". pace : see `SimulatorParameters`. truth : factors of the soil, as in `SimulatorParameters`.
    """
    folder = str(plan)
    states = {path.stem: str(path) for path in state_files(bag)}
    nodes = [
        Node("recorder", "recorder_node", {"bag": str(bag), "resume": True}),
        Node("power", "power_node", {"folder": folder, "rate": 50.0, "state": states["battery"]}),
        Node("power_monitor", "monitor_node", {"folder": folder}),
        Node("terrain", "terrain_node", {"folder": folder}),
        Node("planner", "planner_node", {"folder": folder}),
        Node("drive", "drive_node", {"folder": folder, "raw_ground": simulator == "mujoco", "stale": SIMULATED_STALE}),
        Node("simulator", "simulator_node", {
            "folder": folder, "engine": simulator, "pace": pace, "state": states["rover"], **truth,
        }),
    ]  # fmt: skip
    return [*nodes, supervisor(nodes)]


def state_files(bag: Path) -> list[Path]:
    """Where the battery's energy and the simulated rover's place are kept over the death of a node."""
    return [bag.parent / "state" / f"{name}.json" for name in ("battery", "rover")]


def begin_anew(bag: Path) -> None:
    """Forget the states of an earlier drive: a new one begins where its plan does."""
    for path in state_files(bag):
        path.unlink(missing_ok=True)


def supervisor(nodes: list[Node]) -> Node:
    """The node that brings these up."""
    return Node("supervisor", "supervisor_node", {"nodes": ",".join(node.name for node in nodes)}, simulated=False)
