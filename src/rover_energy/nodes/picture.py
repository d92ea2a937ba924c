"""The picture of a drive from its bag and the folder of its plan."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import read_world
from rover_energy.nodes.summary import read_bag
from rover_energy.planning.plan_file import read_profile
from rover_energy.simulation.geometry import CORNERS
from rover_energy.simulation.portrait import Drive, portrait_png


def recorded(plan: Path, bag: Path) -> Drive:
    """Poses and steering of a bag, with the path of the plan. Raises InputError for a bag without odometry."""
    messages = read_bag(bag, ("odom", "joint_states"))
    steering = {(m.header.stamp.sec, m.header.stamp.nanosec): _angles(m) for m in messages["joint_states"]}
    unknown = [math.nan] * len(CORNERS)
    times, poses, corners = [], [], []
    for m in messages["odom"]:
        at = m.pose.pose
        times.append(ros.seconds(m.header.stamp))
        poses.append((at.position.x, at.position.y, ros.angles_of(at.orientation)[2]))
        corners.append(steering.get((m.header.stamp.sec, m.header.stamp.nanosec), unknown))
    if not times:
        raise InputError(str(bag), "odom", "has no messages", "record a drive")
    profile = read_profile(plan / "profile.csv")
    return Drive(np.array(times), np.array(poses), np.array(corners), np.stack([profile["x"], profile["y"]], axis=-1))


def _angles(joints: object) -> list[float]:
    found = dict(zip(joints.name, joints.position, strict=False))  # type: ignore[attr-defined]
    return [float(found.get(f"steer_{corner}_joint", math.nan)) for corner in CORNERS]


def draw_drive(plan: Path, bag: Path, picture: Path) -> None:
    """Write the picture of a drive. Raises MissingExtraError without mujoco or OpenGL, InputError for an empty bag."""
    world = read_world(str(plan))
    data = portrait_png(
        recorded(plan, bag), world.terrain, world.surface, world.environment, world.rover, body=world.mission.site.body
    )
    picture.write_bytes(data)
