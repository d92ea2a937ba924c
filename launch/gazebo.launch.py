"""Drive a plan in Gazebo (Harmonic, Ionic or Jetty): world and rover are generated from the plan's folder and spawned.

    ros2 launch rover_energy gazebo.launch.py plan:=traverse out:=drive headless:=true

Needs ros_gz_sim and ros_gz_bridge. The nodes are those of simulation.launch.py with Gazebo in the simulator's place; the
commander drives the plan, and when it ends, everything ends with it.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration

from rover_energy.errors import RoverEnergyError
from rover_energy.nodes.deployment import gazebo_graph, write_plan_world
from rover_energy.nodes.graph import begin_anew
from rover_energy.nodes.inference_graph import launched_store
from rover_energy.simulation.gazebo import WORLD_NAME, Spawn

#: name, default (None: must be given), description
ARGUMENTS = (
    ("plan", None, "folder written by rover-energy plan"),
    ("out", None, "folder for gazebo/ and bag/; must not hold a bag yet"),
    ("name", "rover", "name of the model in Gazebo"),
    ("pace", "1.0", "simulated over real time; less than 1 where the machine is too slow for the nodes to answer in time"),
    ("inference", "", "store of variants for networks on the bus, see rover-energy infer build; empty: none"),
    ("headless", "false", "true: server only, no window"),
    ("gz_args", "", "more arguments for gz sim"),
)


def gazebo_arguments(world: Path, *, headless: bool, more: str) -> str:
    """What gz sim is told: run at once, and with `headless` without a window."""
    return " ".join(word for word in ("-r", "-s" if headless else "", more, shlex.quote(str(world))) if word)


def spawn_arguments(name: str, model: Path, spawn: Spawn) -> list[str]:
    """Arguments of `ros2 run ros_gz_sim create`."""
    words = ["-world", WORLD_NAME, "-name", name, "-file", str(model)]
    for option, value in zip(("-x", "-y", "-z", "-R", "-P", "-Y"), spawn, strict=True):
        words += [option, f"{value:.6f}"]
    return words


def commands(values: dict[str, str]) -> dict[str, list[str]]:
    """Command lines of the nodes and of the commander, by name. Raises InputError."""
    plan, out = Path(values["plan"]).resolve(), Path(values["out"]).resolve()
    commander = [sys.executable, "-m", "rover_energy.nodes.commander", f"--plan={plan}", f"--out={out}"]
    nodes = gazebo_graph(plan, out / "bag", launched_store(values, "gazebo.launch.py"))
    return {**{node.name: node.command() for node in nodes}, "commander": commander}


def _gazebo(arguments: str) -> IncludeLaunchDescription:
    from ament_index_python.packages import get_package_share_directory
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    file = Path(get_package_share_directory("ros_gz_sim")) / "launch" / "gz_sim.launch.py"
    given = {"gz_args": arguments, "on_exit_shutdown": "true"}
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(str(file)), launch_arguments=given.items())


def _start(context, *_, **__):
    from launch_ros.actions import Node

    values = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    where = Path(values["plan"]), Path(values["out"]) / "gazebo"
    try:
        lines = commands(values)
        files, spawn = write_plan_world(*where, name=values["name"], pace=float(values["pace"]))
    except RoverEnergyError as error:
        print(f"gazebo.launch.py: {error}", file=sys.stderr)
        return [EmitEvent(event=Shutdown(reason=str(error)))]
    begin_anew(Path(values["out"]).resolve() / "bag")
    headless = values["headless"].lower() == "true"
    server = _gazebo(gazebo_arguments(files["world"].resolve(), headless=headless, more=values["gz_args"]))
    model = files["model"].resolve()
    create = Node(package="ros_gz_sim", executable="create", output="screen",
                  arguments=spawn_arguments(values["name"], model, spawn))  # fmt: skip
    bridge = Node(package="ros_gz_bridge", executable="parameter_bridge", name="gazebo_bridge", output="screen",
                  parameters=[{"config_file": str(files["bridge"].resolve())}])  # fmt: skip
    nodes = [ExecuteProcess(cmd=command, name=name, output="screen") for name, command in lines.items()]
    ended = OnProcessExit(target_action=nodes[-1], on_exit=[EmitEvent(event=Shutdown(reason="the drive has ended"))])
    spawned = OnProcessExit(target_action=create, on_exit=nodes)  # no time passes for the drive before the rover stands
    return [server, bridge, create, RegisterEventHandler(spawned), RegisterEventHandler(ended)]


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=default, description=text) for name, default, text in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
