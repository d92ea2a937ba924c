"""Drive a plan in a simulated rover: the same nodes as `rover-energy drive`, under launch.

    ros2 launch rover_energy simulation.launch.py plan:=traverse out:=drive simulator:=mujoco

The supervisor brings the nodes up in order and the commander drives the plan; when it ends, everything ends with it. A node
that dies is started again, and the supervisor brings it back.
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
from rover_energy.nodes.graph import MIDDLEWARE, begin_anew, simulation_graph
from rover_energy.nodes.inference_graph import launched_store

#: name, default (None: must be given), description
ARGUMENTS = (
    ("plan", None, "folder written by rover-energy plan"),
    ("out", None, "folder for bag/; must not hold one yet"),
    ("simulator", "mujoco", "mujoco or loopback"),
    ("pace", "1.0", "simulated over real time; 0: as fast as it goes"),
    ("inference", "", "store of variants for networks on the bus, see rover-energy infer build; empty: none"),
    ("respawn", "true", "start nodes again that die"),
)


def commands(values: dict[str, str]) -> dict[str, list[str]]:
    """Command lines of the nodes and of the commander, by name. Raises InputError."""
    plan, out = Path(values["plan"]).resolve(), Path(values["out"]).resolve()
    simulated = {"simulator": values["simulator"], "pace": float(values["pace"])}
    nodes = simulation_graph(plan, out / "bag", inference=launched_store(values, "simulation.launch.py"), **simulated)
    commander = [sys.executable, "-m", "rover_energy.nodes.commander", f"--plan={plan}", f"--out={out}"]
    return {**{node.name: node.command() for node in nodes}, "commander": commander}


def _start(context, *_, **__):
    values = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    try:
        lines = commands(values)
    except RoverEnergyError as error:
        print(f"simulation.launch.py: {error}", file=sys.stderr)
        return [EmitEvent(event=Shutdown(reason=str(error)))]
    begin_anew(Path(values["out"]).resolve() / "bag")
    again = values["respawn"].lower() == "true"
    started = [
        ExecuteProcess(
            cmd=command, name=name, output="screen", additional_env=MIDDLEWARE, respawn=again and name != "commander",
            respawn_delay=0.1,
        )
        for name, command in lines.items()
    ]
    ended = OnProcessExit(target_action=started[-1], on_exit=[EmitEvent(event=Shutdown(reason="the drive has ended"))])
    return [*started, RegisterEventHandler(ended)]


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=default, description=text) for name, default, text in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
