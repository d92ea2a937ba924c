"""The field logs of the rover Cuadriga as bags, so that what works on bags can be tried on a real drive."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.locomotion.cuadriga import read_logs
from rover_energy.locomotion.drive_log import DriveLog
from rover_energy.telemetry.mcap_checksums import seal_summary, with_checksum


def write_bags(folder: Path, out: Path) -> list[Path]:
    """One bag (rosbag2, MCAP) per log of `folder` below `out`; returns them.

    /odom holds speed, yaw rate and, as orientation, the slope of the height map along the motion, with NaN where the log is not
    to be trusted; /motor_current/total the sum of the magnitudes of the two motor currents [A]. There is no voltage, so no
    power.

    Raises
    ------
    InputError
        When the logs cannot be read or a bag exists already.
    MissingExtraError
        Without the package rosbags.
    """
    try:
        from rosbags import rosbag2, typesys
    except ImportError:
        raise MissingExtraError("rosbags", "ros", "writing a bag") from None
    bags = []
    for log in read_logs(folder):
        bag = out / log.name
        if bag.exists():
            raise InputError(str(bag), "--out", "exists already", "give a new folder")
        store = typesys.get_typestore(typesys.Stores.ROS2_KILTED)
        with rosbag2.Writer(bag, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
            storage: Any = writer.storage
            storage.close_chunk = with_checksum(storage)
            _write(log, writer, store)
        seal_summary(bag / f"{bag.name}.mcap")
        bags.append(bag)
    return bags


def _write(log: DriveLog, writer: Any, store: Any) -> None:
    odometry = writer.add_connection("/odom", "nav_msgs/msg/Odometry", typestore=store)
    current = writer.add_connection("/motor_current/total", "std_msgs/msg/Float64", typestore=store)
    number = store.types["std_msgs/msg/Float64"]
    for k, time in enumerate(log.t):
        stamp = round(float(time) * 1e9)
        message = _odometry(log, k, stamp, store.types)
        writer.write(odometry, stamp, store.serialize_cdr(message, "nav_msgs/msg/Odometry"))
        writer.write(current, stamp, store.serialize_cdr(number(data=float(log.signal[k])), "std_msgs/msg/Float64"))


def _odometry(log: DriveLog, k: int, stamp: int, types: Any) -> Any:
    def new(name: str, **fields: Any) -> Any:
        return types[name](**fields)

    speed, yaw_rate = (float(log.speed[k]), float(log.yaw_rate[k])) if log.usable[k] else (math.nan, math.nan)
    half = -0.5 * float(log.along_slope[k])  # nose down is positive
    vector = "geometry_msgs/msg/Vector3"
    time = new("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
    pose = new(
        "geometry_msgs/msg/Pose", position=new("geometry_msgs/msg/Point", x=math.nan, y=math.nan, z=math.nan),
        orientation=new("geometry_msgs/msg/Quaternion", x=0.0, y=math.sin(half), z=0.0, w=math.cos(half)),
    )  # fmt: skip
    twist = new(
        "geometry_msgs/msg/Twist", linear=new(vector, x=speed, y=0.0, z=0.0), angular=new(vector, x=0.0, y=0.0, z=yaw_rate)
    )
    return new(
        "nav_msgs/msg/Odometry", header=new("std_msgs/msg/Header", stamp=time, frame_id="map"), child_frame_id="base_link",
        pose=new("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=new("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )  # fmt: skip
