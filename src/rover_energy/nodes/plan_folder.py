"""A plan's folder as the nodes read it, and its trajectory as a message."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.mission import MissionParameters
from rover_energy.parameters import load_yaml
from rover_energy.planning.plan_file import Plan, read_plan
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.loading import load_terrain


def read_bus(folder: str) -> tuple[RoverParameters, MissionParameters]:
    """Rover and mission alone. Raises InputError."""
    place = _existing(folder)
    return load_yaml(RoverParameters, place / "rover.yaml"), load_yaml(MissionParameters, place / "mission.yaml")


def read_world(folder: str) -> World:
    """Ground, light, rover and mission. Raises InputError."""
    rover, mission = read_bus(folder)
    return World.prepare(load_terrain(_existing(folder) / "terrain.npz"), rover, mission)


def read_certified(folder: str) -> Plan:
    """The plan. Raises InputError, also for one without a passing certificate."""
    path = _existing(folder) / "plan.json"
    plan = read_plan(path)
    if plan.certificate.get("passed") is not True:
        raise InputError(str(path), "certificate.passed", "is not true", "drive certified plans only: plan again")
    return plan


def _existing(folder: str) -> Path:
    place = Path(folder)
    if not folder or not place.is_dir():
        raise InputError(folder or "nodes", "folder", "is not a folder", "give one written by rover-energy plan")
    return place


def trajectory_message(plan: Plan, messages: Any) -> Any:
    """EnergyTrajectory of a plan; `messages` is the module `rover_energy_interfaces.msg`."""
    t, certificate, message = plan.trajectory, plan.certificate, messages.EnergyTrajectory()
    message.header.frame_id, message.plan_id = "map", str(plan.extra.get("plan_id", "plan"))
    message.kind = message.UNICYCLE if t.kind == "unicycle" else message.FLAT
    message.start_x, message.start_y, message.start_heading = (float(v) for v in t.start)
    for i, duration in enumerate(t.durations):
        piece = messages.TrajectoryPiece(duration=float(duration))
        for name in ("heading", "speed", "x", "y"):
            rows = getattr(t, name)
            if rows is not None:
                setattr(piece, name, [float(c) for c in rows[i]])
        message.pieces.append(piece)
    message.duration = t.duration
    report = message.certificate
    report.plan_id, report.subject, report.passed = message.plan_id, report.PLAN, certificate.get("passed") is True
    report.header.frame_id = "map"
    for name in ("peak_power", "least_power_margin", "least_battery_margin"):
        value = certificate.get(name)
        setattr(report, name, math.nan if value is None else float(value))
    return message


def trajectory_from_message(message: Any) -> Trajectory:
    """The trajectory in a message. Raises InputError for what is not finite or does not fit."""
    kinds = {message.UNICYCLE: ("unicycle", ("heading", "speed")), message.FLAT: ("flat", ("x", "y"))}
    if message.kind not in kinds:
        raise InputError("trajectory", "kind", "is unknown", "send UNICYCLE or FLAT", int(message.kind))
    if not message.pieces:
        raise InputError("trajectory", "pieces", "are missing", "send at least one")
    kind, names = kinds[message.kind]
    rows: dict[str, np.ndarray[Any, Any]] = {}
    for name in names:
        width = max(1, *(len(getattr(piece, name)) for piece in message.pieces))
        rows[name] = np.zeros((len(message.pieces), width))
        for i, piece in enumerate(message.pieces):
            if not len(getattr(piece, name)):
                raise InputError("trajectory", f"pieces[{i}].{name}", "is empty", "send coefficients")
            rows[name][i, : len(getattr(piece, name))] = getattr(piece, name)
    start = np.array([message.start_x, message.start_y, message.start_heading])
    durations = np.array([piece.duration for piece in message.pieces])
    values = np.concatenate([start, durations, *(table.ravel() for table in rows.values())])
    if not (np.isfinite(values).all() and (durations > 0.0).all()):
        raise InputError("trajectory", "pieces", "hold a number that is not finite, or a duration of 0 or less", "plan again")
    return Trajectory(kind, start, durations, **rows)
