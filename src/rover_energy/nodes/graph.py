"""The nodes of a graph: the same list for the command line and for launch files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rover_energy.nodes.inference_graph import inference_nodes
from rover_energy.nodes.node import Node

MIDDLEWARE = {
    "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
    "FASTDDS_DEFAULT_PROFILES_FILE": str(Path(__file__).with_name("fastdds.xml")),
}
"""Environment of every process of a graph, where nothing else is set. After kill -9 of a node, others find a new process over UDP
in about one second; over Fast DDS's shared memory in two to three, while the locks that the dead one left are timed out."""
SIMULATED_STALE = 0.09  # [s]: two windows of 20 ms and 50 ms


def simulation_graph(
    plan: Path, bag: Path, *, simulator: str, pace: float = 0.0, inference: Path | None = None, grant_share: float = 1.0,
    **truth: Any,
) -> list[Node]:  # fmt: skip
    """The nodes of a simulated drive, in the order in which they are brought up, and the supervisor that does so.

    plan : its folder. bag : folder to record into; the state files of battery and rover stand beside it. simulator :
    "loopback" or "mujoco". pace : see `SimulatorParameters`. inference : store of variants; then networks run on the bus.
    grant_share : see `PowerParameters`. truth : factors of the soil, as in `SimulatorParameters`.

    Raises
    ------
    InputError
        When the store cannot be used.
    """
    folder = str(plan)
    states = {path.stem: str(path) for path in state_files(bag)}
    nodes = [
        Node("recorder", "recorder_node", {"bag": str(bag), "resume": True, **({"inference": True} if inference else {})}),
        Node("power", "power_node", {
            "folder": folder, "rate": 50.0, "state": states["battery"],
            **({"grants": True, "grant_share": grant_share} if inference else {}),
        }),
        Node("power_monitor", "monitor_node", {"folder": folder}),
        Node("terrain", "terrain_node", {"folder": folder}),
        Node("planner", "planner_node", {"folder": folder}),
        Node("drive", "drive_node", {"folder": folder, "raw_ground": simulator == "mujoco", "stale": SIMULATED_STALE}),
        Node("simulator", "simulator_node", {
            "folder": folder, "engine": simulator, "pace": pace, "state": states["rover"], **truth,
        }),
    ]  # fmt: skip
    if inference is not None:
        nodes[-1:-1] = inference_nodes(inference, plan, bag.parent)  # the simulator is first to rest: no time without them
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
    optional = {"optional": ",".join(node.name for node in nodes if not node.required)}
    names = {"nodes": ",".join(node.name for node in nodes), **(optional if optional["optional"] else {})}
    return Node("supervisor", "supervisor_node", names, simulated=False)
