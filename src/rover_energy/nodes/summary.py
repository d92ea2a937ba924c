"""What a bag of a drive comes to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import read_certified
from rover_energy.planning.plan_file import read_profile
from rover_energy.telemetry.recording import Recording


def parts_of(bag: Path) -> tuple[list[Recording], int]:
    """The bags of a drive, in order, and how many were not closed or lack something: each death of the recorder begins another.

    What was written before the recorder died is in the first of them as well; a bag of which nothing can be used is only counted.
    """
    number, chosen, found, unfinished = 0, bag, [], 0
    while chosen.exists():
        try:
            found.append(Recording(chosen))
            unfinished += found[-1].loss.any or not (chosen / "metadata.yaml").is_file()
        except InputError:
            unfinished += 1
        number += 1
        chosen = bag.with_name(f"{bag.name}_{number}")
    return found, unfinished


def read_bag(bag: Path, topics: tuple[str, ...]) -> dict[str, list[Any]]:
    """Messages of some topics, by the last part of their names and in order, from all parts of a bag."""
    found: dict[str, list[Any]] = {name: [] for name in topics}
    for part in parts_of(bag)[0]:
        chosen = {stream.topic for stream in part.streams if stream.topic.rpartition("/")[2] in topics}
        for sample, message in part.messages(topics=chosen) if chosen else ():
            found[sample.topic.rpartition("/")[2]].append(message)
    return found


def tracking(odometry: list[Any], reference: list[Any]) -> dict[str, float]:
    """Distance [m] and heading error [rad] between rover and plan that 95 % of the samples stay within."""
    plan = {(m.header.stamp.sec, m.header.stamp.nanosec): m.pose.pose for m in reference}
    errors = []
    for m in odometry:
        wanted = plan.get((m.header.stamp.sec, m.header.stamp.nanosec))
        if wanted is not None:
            at = m.pose.pose
            gap = math.dist((at.position.x, at.position.y), (wanted.position.x, wanted.position.y))
            turn = ros.angles_of(at.orientation)[2] - ros.angles_of(wanted.orientation)[2]
            errors.append((gap, abs(math.remainder(turn, 2.0 * math.pi))))
    if not errors:
        return {"position_error_95_m": math.nan, "heading_error_95_deg": math.nan}
    distance, heading = np.quantile(np.array(errors), 0.95, axis=0)
    return {"position_error_95_m": float(distance), "heading_error_95_deg": float(np.degrees(heading))}


def summarise(folder: Path, bag: Path, result: Any, real_seconds: float) -> dict[str, Any]:
    """The figures of a drive, from its bag and the result of DriveTraverse."""
    plan, profile = read_certified(str(folder)), read_profile(folder / "profile.csv")
    messages = read_bag(bag, ("odom", "reference", "power_state"))
    report = result.compliance
    motion_planned = float(np.trapezoid(profile["drive_power"] + profile["turn_power"], profile["t"]))
    states = messages["power_state"]
    motors = [load.energy for load in states[-1].loads if load.name == "drive"] if states else []
    motion = motors[0] if motors else math.nan
    check = report.checks[0] if report.checks else None
    return {
        "reached": result.error_code == result.NONE,
        "stop": result.error_text or "goal reached",
        "duration_s": result.duration,
        "planned_duration_s": plan.trajectory.duration,
        "distance_m": result.distance,
        "goal_distance_m": result.goal_distance,
        "peak_power_W": report.peak_power,
        "least_power_margin_W": report.least_power_margin,
        "windows": int(report.samples),
        "windows_over": int(check.violations) if check else None,
        "windows_missing": int(report.missing_samples),
        **tracking(messages["odom"], messages["reference"]),
        "motion_energy_J": motion,
        "motion_energy_over_plan": motion / motion_planned if motion_planned > 0.0 else math.nan,
        "least_battery_margin_J": report.least_battery_margin,
        "compliance": bool(report.passed),
        "messages": sum(len(found) for found in messages.values()),
        "real_time_s": real_seconds,
        "bag": str(bag),
        "bags_unfinished": parts_of(bag)[1],
    }
