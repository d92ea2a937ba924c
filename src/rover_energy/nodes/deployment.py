"""The node graph elsewhere than in our own simulator: in Gazebo, and on a rover. Command lines for launch files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rover_energy.nodes.graph import Node, simulation_graph
from rover_energy.nodes.hardware import Hardware

SIMULATOR = "simulator"


def gazebo_graph(plan: Path, bag: Path) -> list[Node]:
    """The nodes of a drive in Gazebo: those of a simulated drive, with Gazebo's base in the simulator's place."""
    folder = {"folder": str(plan)}
    nodes = simulation_graph(plan, bag, simulator="mujoco")  # Gazebo's wheels too stand on the raw ground
    return [replace(node, module="gazebo_base", parameters=folder) if node.name == SIMULATOR else node for node in nodes]


def rover_graph(plan: Path, bag: Path, hardware: Hardware) -> list[Node]:
    """The nodes on a rover: no simulator; the power node no oftener than its meter."""
    nodes = [node for node in simulation_graph(plan, bag, simulator="mujoco") if node.name != SIMULATOR]
    return [
        replace(node, parameters={**node.parameters, "rate": hardware.power_rate}) if node.name == "power" else node
        for node in nodes
    ]


def rover_command(node: Node, hardware: Hardware) -> list[str]:
    """Command line of a node on a rover: by the wall clock, with the hardware's topics in the contract's place."""
    line = ["use_sim_time:=false" if word == "use_sim_time:=true" else word for word in node.command()]
    for ours, theirs in hardware.topics.items():
        line += ["-r", f"{ours}:={theirs}"]
    return line if not hardware.namespace else [*line, "-r", f"__ns:={hardware.namespace}"]
