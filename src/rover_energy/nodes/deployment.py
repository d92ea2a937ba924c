"""The node graph elsewhere than in our own simulator: in Gazebo, and on a rover. Command lines for launch files."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rover_energy.errors import EXIT_CLEAN, RoverEnergyError
from rover_energy.nodes.commander import LIMIT, Elsewhere
from rover_energy.nodes.graph import Node, simulation_graph
from rover_energy.nodes.hardware import Hardware, read_hardware
from rover_energy.nodes.plan_folder import read_certified, read_world
from rover_energy.nodes.session import Session, exit_code
from rover_energy.simulation.gazebo import Spawn, heightmap, spawn_pose, write_gazebo
from rover_energy.simulation.geometry import rover_geometry

SIMULATOR = "simulator"
GAZEBO_STALE = 0.2  # [s] Gazebo runs on while a busy machine is late; motors stop by themselves after 0.15 s without commands
BATTERY = "battery.json"  # stored energy, beside the folders of the runs: a new run goes on with it


def write_plan_world(plan: Path, out: Path, *, name: str = "rover", pace: float = 1.0) -> tuple[dict[str, Path], Spawn]:
    """Gazebo's files for the ground, light and rover of a plan, see `write_gazebo`, and where the rover is put.

    Raises InputError.
    """
    world, start = read_world(str(plan)), read_certified(str(plan)).trajectory.start
    files = write_gazebo(out, world.terrain, world.environment, world.rover, name=name, pace=pace)
    geometry = rover_geometry(world.rover, None, gravity=world.environment.gravity)
    pose = float(start[0]), float(start[1]), float(start[2])
    return files, spawn_pose(heightmap(world.terrain), world.surface, geometry, pose)


def gazebo_graph(plan: Path, bag: Path, inference: Path | None = None) -> list[Node]:
    """The nodes of a drive in Gazebo: those of a simulated drive, with Gazebo's base in the simulator's place.

    inference : store of variants; then networks run on the bus.
    """
    folder = {"folder": str(plan)}
    made = []
    for node in simulation_graph(plan, bag, simulator="mujoco", inference=inference):  # its wheels too stand on raw ground
        if node.name == SIMULATOR:
            node = replace(node, module="gazebo_base", parameters=folder)
        elif "stale" in node.parameters:
            node = replace(node, parameters={**node.parameters, "stale": GAZEBO_STALE})
        made.append(node)
    return made


def rover_graph(plan: Path, bag: Path, hardware: Hardware, inference: Path | None = None) -> list[Node]:
    """The nodes on a rover, by the wall clock and with the hardware's topics.

    No simulator, `power_state` no oftener than its meter, ages by the meter's period. inference : store of variants; then
    networks run on the bus, and begin at once when they may: the lead of a simulated computer is not theirs.
    """
    state = str(bag.parent.parent / BATTERY)
    changes = {"rate": hardware.power_rate, "stale": 2.0 / hardware.power_rate + 0.05, "state": state}
    remaps = {**hardware.topics, **({"__ns": hardware.namespace} if hardware.namespace else {})}
    whole = simulation_graph(plan, bag, simulator="mujoco", inference=inference)
    graph = [node for node in whole if node.name != SIMULATOR]
    made = []
    for node in graph:
        parameters = dict(node.parameters)
        if node.name in ("power", "drive"):
            parameters.update((name, value) for name, value in changes.items() if name in parameters)
        if node.name == "inference_manager":
            parameters.pop("lead")
        if "nodes" in parameters:  # of who brings them up
            parameters["nodes"] = ",".join(name for name in parameters["nodes"].split(",") if name != SIMULATOR)
        made.append(replace(node, parameters=parameters, remaps=remaps, simulated=False))
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait for the nodes on a rover and, if asked, drive the plan: 0 up or goal reached, 1 not, 2 unusable input, 3 with loss."""
    parser = argparse.ArgumentParser(prog="rover", description=main.__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="folder of the plan")
    parser.add_argument("--out", type=Path, required=True, help="folder of the logs, for messages only")
    parser.add_argument("--hardware", required=True, help="names of the rover's own topics")
    parser.add_argument("--drive", action="store_true", help="drive the plan")
    given, _ = parser.parse_known_args(arguments)  # what is left is for ROS
    try:
        nodes = rover_graph(given.plan, given.out / "bag", read_hardware(given.hardware))
        with Session(Elsewhere(nodes, given.out)) as session:
            session.bring_up()
            print("the nodes are up", flush=True)
            if not given.drive:
                return EXIT_CLEAN
            result = session.drive(given.plan, limit=LIMIT)
    except RoverEnergyError as error:
        print(f"rover: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{result.error_text or 'goal reached'}; {result.compliance.text}", flush=True)
    return exit_code(result)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
