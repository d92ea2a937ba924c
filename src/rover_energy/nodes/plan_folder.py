"""A plan's folder as the nodes read it, and plans as messages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.mission import MissionParameters
from rover_energy.nodes import ros
from rover_energy.parameters import load_yaml
from rover_energy.planning.plan_file import Plan, read_plan
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.loading import load_terrain

BRANCH = "+"  # between the name of a plan and the number of its replan


def root_of(plan_id: str) -> str:
    """Name of the plan that a drive began with."""
    return plan_id.split(BRANCH)[0]


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


def later(environment: Environment, seconds: float) -> Environment:
    """Sun and shadow for a drive that begins so many seconds after the time at which the environment's clock begins."""
    if environment.times.size == 1 or seconds == 0.0:
        return environment
    return replace(environment, times=environment.times - seconds)


def trajectory_message(plan: Plan, profile: Mapping[str, Any], plan_id: str) -> Any:
    """EnergyTrajectory of a plan and its profile."""
    t, message = plan.trajectory, ros.message_class("rover_energy_interfaces/msg/EnergyTrajectory")()
    message.header.frame_id, message.plan_id = "map", plan_id
    message.kind = message.UNICYCLE if t.kind == "unicycle" else message.FLAT
    message.start_x, message.start_y, message.start_heading = (float(v) for v in t.start)
    for i, duration in enumerate(t.durations):
        piece = ros.message_class("rover_energy_interfaces/msg/TrajectoryPiece")(duration=float(duration))
        for name in ("heading", "speed", "x", "y"):
            rows = getattr(t, name)
            if rows is not None:
                setattr(piece, name, [float(c) for c in rows[i]])
        message.pieces.append(piece)
    message.duration, power, time = t.duration, np.asarray(profile["total_power"]), np.asarray(profile["t"])
    message.energy = float(np.sum(0.5 * (power[1:] + power[:-1]) * np.diff(time)))
    message.battery_energy_start, message.battery_energy_end = (float(profile["battery_energy"][i]) for i in (0, -1))
    message.certificate = certificate_message(plan.certificate, message)
    return message


def certificate_message(certificate: Mapping[str, Any], trajectory: Any) -> Any:
    """ComplianceReport of a plan's certificate; what the certificate leaves open is NaN."""
    report = ros.message_class("rover_energy_interfaces/msg/ComplianceReport")()
    report.header.frame_id, report.plan_id, report.subject = "map", trajectory.plan_id, report.PLAN
    report.passed = certificate.get("passed") is True
    for name in ("step", "peak_power", "peak_power_time", "least_power_margin", "least_power_margin_time",
                 "least_battery_margin", "least_battery_margin_time"):  # fmt: skip
        setattr(report, name, _number(certificate.get(name)))
    report.samples, report.energy = int(certificate.get("samples") or 0), trajectory.energy
    report.ledger_residual, report.provenance.value = math.nan, report.provenance.PHYSICS_MODEL
    for entry in certificate.get("checks", []):
        check = ros.message_class("rover_energy_interfaces/msg/ComplianceCheck")(
            name=str(entry["name"]), unit=str(entry["unit"]), passed=entry["passed"] is True
        )
        for name in ("worst_value", "limit", "margin", "between_samples_bound", "at_time"):
            setattr(check, name, _number(entry.get(name)))
        report.checks.append(check)
    report.text = "certified" if report.passed else "not certified"
    return report


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


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
