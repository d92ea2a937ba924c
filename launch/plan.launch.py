"""Plan one traverse with `rover-energy plan` and write plan, profile and report into a folder.

    ros2 launch rover_energy plan.launch.py start:=4,4,0.8 goal:=26,25,0.8 out:=traverse

The process ends when the plan is written; its exit code is that of the command (0 planned, 1 refused, 2 unusable input).
"""

from __future__ import annotations

import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration

SHARE = Path(__file__).resolve().parents[1]

#: name, default (None: must be given), description
ARGUMENTS = (
    ("start", None, "X,Y,HEADING of the start in the map frame [m, m, rad]"),
    ("goal", None, "X,Y,HEADING at which to come to rest [m, m, rad]"),
    ("out", None, "folder for plan.json, profile.csv and the report; made if needed"),
    ("terrain", str(SHARE / "sim" / "worlds" / "crater_field.npz"), "GeoTIFF, Esri ASCII grid or .npz with the ground"),
    ("rover", str(SHARE / "config" / "rover_lunar.yaml"), "rover.yaml; empty for the built-in reference rover"),
    ("mission", str(SHARE / "config" / "mission_no_battery.yaml"), "mission.yaml; empty for the built-in mission"),
    ("report", "true", "true: also write report.html and pictures; needs matplotlib"),
)


def command(values: dict[str, str]) -> list[str]:
    """The command line for the values of the launch arguments; empty optional files are left out."""
    # this interpreter, because where console scripts go differs between pip and colcon
    line = [sys.executable, "-m", "rover_energy.cli.main", "plan"]
    for name in ("terrain", "rover", "mission", "start", "goal", "out"):
        if values[name]:
            line += [f"--{name}={values[name]}"]  # one word, as poses may begin with a minus
    return [*line, "--report" if values["report"].lower() == "true" else "--no-report"]


def _plan(context, *_, **__):
    values = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    return [ExecuteProcess(cmd=command(values), name="rover_energy_plan", output="screen")]


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=default, description=text) for name, default, text in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=_plan)])
