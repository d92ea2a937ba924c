"""Start the nodes on a rover: no simulator, the hardware's topics in place of the contract's, the wall clock.

    ros2 launch rover_energy rover.launch.py plan:=traverse out:=drive hardware:=hardware_my_rover.yaml

`plan` gives the map, the rover and the mission. With drive:=false nothing moves until an application sends DriveTraverse.
A hardware file that cannot be used ends the launch with one line that says why.
"""

from __future__ import annotations

import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, ExecuteProcess, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration

from rover_energy.errors import RoverEnergyError
from rover_energy.nodes.deployment import rover_graph
from rover_energy.nodes.hardware import read_hardware
from rover_energy.nodes.inference_graph import launched_store

SHARE = Path(__file__).resolve().parents[1]

#: name, default (None: must be given), description
ARGUMENTS = (
    ("plan", None, "folder written by rover-energy plan: map, rover, mission, trajectory"),
    ("out", None, "folder for bag/; must not hold one yet"),
    ("hardware", str(SHARE / "config" / "hardware_example.yaml"), "names of the rover's own topics"),
    ("inference", "", "store of variants for networks on the bus, see rover-energy infer build; empty: none"),
    ("drive", "false", "true: drive the plan at once, and end afterwards"),
    ("respawn", "true", "start nodes again that die"),
)


def commands(values: dict[str, str]) -> dict[str, list[str]]:
    """Command lines of the nodes and, last, of the client that waits for them, by name. Raises InputError."""
    hardware = read_hardware(values["hardware"])
    plan, out = Path(values["plan"]).resolve(), Path(values["out"]).resolve()
    nodes = rover_graph(plan, out / "bag", hardware, launched_store(values, "rover.launch.py"))
    client = [sys.executable, "-m", "rover_energy.nodes.deployment", f"--plan={plan}", f"--out={out}"]
    client += [f"--hardware={Path(values['hardware']).resolve()}"]
    if values["drive"].lower() == "true":
        client.append("--drive")
    client.append("--ros-args")
    for name, other in nodes[0].remaps.items():
        client += ["-r", f"{name}:={other}"]
    return {**{node.name: node.command() for node in nodes}, "client": client}


def _start(context, *_, **__):
    values = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    try:
        lines = commands(values)
    except RoverEnergyError as error:
        print(f"rover.launch.py: {error}", file=sys.stderr)
        return [EmitEvent(event=Shutdown(reason=str(error)))]
    Path(values["out"]).mkdir(parents=True, exist_ok=True)
    again = values["respawn"].lower() == "true"
    started = [
        ExecuteProcess(cmd=line, name=name, output="screen", respawn=again and name != "client", respawn_delay=0.5)
        for name, line in lines.items()
    ]
    if values["drive"].lower() != "true":
        return started
    ended = OnProcessExit(target_action=started[-1], on_exit=[EmitEvent(event=Shutdown(reason="the drive has ended"))])
    return [*started, RegisterEventHandler(ended)]


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=default, description=text) for name, default, text in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
