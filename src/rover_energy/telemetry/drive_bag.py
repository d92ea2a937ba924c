"""A drive as `DriveLog` from a bag: motion from odometry, power from the meters, the battery, or motor currents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.drive_log import DriveLog
from rover_energy.telemetry.recording import Recording, seconds_of

Array = NDArray[np.float64]
ODOMETRY, IMU = "nav_msgs/msg/Odometry", "sensor_msgs/msg/Imu"
POWER, BATTERY, NUMBER = "rover_energy_interfaces/msg/PowerState", "sensor_msgs/msg/BatteryState", "std_msgs/msg/Float64"
SIGNALS = ("motors", "total", "current")
CURRENTS = "motor_current/"
"""Topics below this hold the current of one motor each [A]."""
LONGEST = 0.5
"""A sample of the motion further than this [s] from the next one of the signal is not used."""


def read_drive(recording: Recording, signal: str) -> tuple[DriveLog, float]:
    """One drive, and the gravity that its inertial unit felt [m/s2], NaN without one.

    Parameters
    ----------
    recording : Recording
    signal : str
        'motors': load `drive` of PowerState. 'total': all its loads, or voltage times current of a BatteryState. 'current': sum
        of the magnitudes of the motor currents.

    Raises
    ------
    InputError
        When the bag lacks odometry or the signal.
    """
    if signal not in SIGNALS:
        raise InputError("refit", "--signal", "is not known", f"use one of {', '.join(SIGNALS)}", signal)
    motion: list[tuple[float, ...]] = []
    readings: dict[str, list[tuple[float, float]]] = {}
    felt: list[float] = []
    for sample, message in recording.messages((ODOMETRY, IMU, POWER, BATTERY, NUMBER)):
        topic, kind, stamp = sample.topic, sample.kind, seconds_of(message, sample.time)
        if kind == ODOMETRY and topic.rpartition("/")[2] != "reference":
            motion.append((stamp, *_motion(message)))
        elif kind == IMU:
            a = message.linear_acceleration
            felt.append(math.sqrt(a.x**2 + a.y**2 + a.z**2))
        else:
            value = _reading(topic, kind, message, signal)
            if value is not None:
                readings.setdefault(topic, []).append((stamp, value))
    bag = recording.path
    if not motion:
        raise InputError(str(bag), "topics", f"none carries {ODOMETRY}", "record the odometry")
    if not readings:
        raise InputError(str(bag), "topics", f"none carries the signal {signal!r}", "record it, or choose another with --signal")
    return _log(bag, np.array(sorted(motion)), readings, signal), float(np.median(felt)) if felt else math.nan


def _motion(message: Any) -> tuple[float, float, float]:
    """Speed, yaw rate, slope along the heading: pitch is positive when the nose is down (REP 103)."""
    q, twist = message.pose.pose.orientation, message.twist.twist
    sine = 2.0 * (q.w * q.y - q.z * q.x)
    return twist.linear.x, twist.angular.z, -math.asin(max(-1.0, min(1.0, sine))) if sine == sine else math.nan


def _reading(topic: str, kind: str, message: Any, signal: str) -> float | None:
    """What a message says of the signal; None when it is of another."""
    if kind == POWER and signal != "current" and topic.rpartition("/")[2] == ("meter" if signal == "motors" else "power_state"):
        loads = [load.power for load in message.loads if signal == "total" or load.name == "drive"]
        return float(sum(loads)) if loads and message.validity & message.LOADS_VALID else math.nan
    if kind == BATTERY and signal == "total":
        return -float(message.voltage) * float(message.current)
    if kind == NUMBER and signal == "current" and CURRENTS in topic:
        return abs(float(message.data))
    return None


def _log(bag: Path, motion: Array, readings: dict[str, list[tuple[float, float]]], signal: str) -> DriveLog:
    fresh = np.concatenate(([True], np.diff(motion[:, 0]) > 0.0))
    t, speed, yaw_rate, slope = motion[fresh].T
    if len(t) < 10:
        raise InputError(str(bag), "odometry", "has fewer than 10 samples", "give a longer drive", len(t))
    topics = _chosen(readings, signal)
    value, near = np.zeros(len(t)), np.ones(len(t), dtype=bool)
    for topic in topics:
        times, values = np.array(sorted(readings[topic])).T
        value += np.interp(t, times, values)
        after = np.clip(np.searchsorted(times, t), 1, len(times) - 1) if len(times) > 1 else np.zeros(len(t), dtype=int)
        gap = np.minimum(np.abs(t - times[after]), np.abs(t - times[np.maximum(after - 1, 0)]))
        near &= gap <= LONGEST
    usable = near & np.all(np.isfinite([speed, yaw_rate, slope, value]), axis=0)
    return DriveLog(
        name=bag.parent.name if bag.name == "bag" else bag.name, t=t, speed=speed, yaw_rate=yaw_rate, along_slope=slope,
        acceleration=np.gradient(speed, t), signal=value, quantity="current" if signal == "current" else "power", usable=usable,
        dropped={"not a number, or the signal too far in time": int(np.sum(~usable))},
    )  # fmt: skip


def _chosen(readings: dict[str, list[tuple[float, float]]], signal: str) -> Sequence[str]:
    """Topics whose sum is the signal: all motor currents, else the one with the most readings."""
    return sorted(readings) if signal == "current" else [max(sorted(readings), key=lambda topic: len(readings[topic]))]
