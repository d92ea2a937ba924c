"""Publish a bag again with /clock and run the monitors on it: the same as `rover-energy replay`, under launch.

    ros2 launch rover_energy replay.launch.py bag:=drive/bag plan:=traverse out:=replay rate:=2

The process ends with the bag; its exit code is that of the command (0 limits kept, 1 failed, 2 unusable input, 3 with loss).
"""

from __future__ import annotations

import sys

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration

#: name, default (None: must be given), description
ARGUMENTS = (
    ("bag", None, "folder of a rosbag2, or an .mcap file"),
    ("plan", "", "folder of the plan that was driven; empty: what lies beside the bag, else the built-in rover"),
    ("out", "", "folder for replay.json and diagnostics.jsonl; empty: no report"),
    ("rate", "1.0", "recorded over real time; 0: as fast as it goes"),
    ("start", "0.0", "begin so far into the bag [s]"),
    ("duration", "", "play so much of it [s]; empty: to the end"),
    ("loop", "1", "play so many times; 0: until it is interrupted"),
    ("commands", "false", "true: publish cmd_vel and load_command under their own names, which a rover would obey"),
)


def command(values: dict[str, str]) -> list[str]:
    """The command line for the values of the launch arguments; empty ones are left out."""
    line = [sys.executable, "-m", "rover_energy.cli.main", "replay", values["bag"]]
    for name in ("plan", "out", "rate", "start", "duration", "loop"):
        if values[name]:
            line.append(f"--{name}={values[name]}")
    return [*line, "--commands"] if values["commands"].lower() == "true" else line


def _replay(context, *_, **__):
    values = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    return [ExecuteProcess(cmd=command(values), name="rover_energy_replay", output="screen")]


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=default, description=text) for name, default, text in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=_replay)])
