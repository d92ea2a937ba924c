"""The two files of a plan: `plan.json`, from which anybody can re-evaluate it, and `profile.csv`, for reading and plotting."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.planning.trajectory import KINDS, Trajectory

Array = NDArray[np.float64]

FACTS = ("limits", "rover", "certificate", "solver")
PROFILE_COLUMNS = (
    "t", "x", "y", "heading", "speed", "acceleration", "yaw_rate", "yaw_acceleration", "curvature", "along_slope", "tilt",
    "rtg_power", "pv_power", "battery_power", "base_power", "drive_power", "turn_power", "inference_power", "total_power",
    "available_power", "battery_energy", "state_of_charge", "shunted_power", "lost_power", "sunlit",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A trajectory and what is known about it. Everything but the trajectory is plain data, ready for JSON.

    `limits` [SI], `rover`: the parameters planned with; `certificate`: see `certificate.Certificate.to_mapping`; `status`:
    one word from the planner; `solver`: names, times, iterations; `extra`: further top-level entries of the file.
    """

    trajectory: Trajectory
    limits: dict[str, Any] = field(default_factory=dict)
    rover: dict[str, Any] = field(default_factory=dict)
    certificate: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    solver: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """The plain data that `plan.json` holds."""
        return {
            **trajectory_mapping(self.trajectory),
            "limits": self.limits,
            "rover": self.rover,
            "certificate": self.certificate,
            "status": self.status,
            "solver": self.solver,
            **self.extra,
        }


def trajectory_mapping(trajectory: Trajectory) -> dict[str, Any]:
    """`kind`, `start` and `pieces` as plain data; reading them back gives the same numbers."""
    names = [name for name in ("x", "y", "heading", "speed") if getattr(trajectory, name) is not None]
    pieces = [
        {"duration": float(duration), **{name: getattr(trajectory, name)[i].tolist() for name in names}}
        for i, duration in enumerate(trajectory.durations)
    ]
    return {"kind": trajectory.kind, "start": trajectory.start.tolist(), "pieces": pieces}


def trajectory_from_mapping(data: Any, source: str = "plan") -> Trajectory:
    """Trajectory from the plain data of a plan; rows shorter than the longest of their name are filled with zeros.

    Raises InputError naming `source`, the entry and the remedy.
    """
    if not isinstance(data, dict):
        raise InputError(source, "top level", "is not an object", "write kind, start and pieces")
    kind = _required(data, "kind", source, "")
    if kind not in KINDS:
        raise InputError(source, "kind", "unknown kind", f"use one of {', '.join(KINDS)}", kind)
    start = _numbers(_required(data, "start", source, ""), source, "start")
    if len(start) != 3:
        raise InputError(source, "start", f"has {len(start)} entries", "give [x, y, heading]", start)
    pieces = _required(data, "pieces", source, "")
    if not isinstance(pieces, list) or not pieces:
        raise InputError(source, "pieces", "is not a list with at least one piece", "give [{duration, ...}, ...]")
    durations, rows = _read_pieces(kind, pieces, source)
    return Trajectory(kind, np.array(start), np.array(durations), **{name: _padded(row) for name, row in rows.items()})


def _read_pieces(kind: str, pieces: list[Any], source: str) -> tuple[list[float], dict[str, list[list[float]]]]:
    first = pieces[0] if isinstance(pieces[0], dict) else {}
    names = {"unicycle": ["heading", "speed"], "flat": ["x", "y", *(["heading"] if "heading" in first else [])]}[kind]
    durations: list[float] = []
    rows: dict[str, list[list[float]]] = {name: [] for name in names}
    for i, piece in enumerate(pieces):
        prefix = f"pieces[{i}]"
        if not isinstance(piece, dict):
            raise InputError(source, prefix, "is not an object", f"give duration, {', '.join(names)}")
        for key in piece:
            if key not in ("duration", *names):
                problem, remedy = f"does not belong here with kind {kind!r}", f"keys: duration, {', '.join(names)}"
                raise InputError(source, f"{prefix}.{key}", problem, remedy)
        durations.append(_duration(_required(piece, "duration", source, f"{prefix}."), source, f"{prefix}.duration"))
        for name in names:
            rows[name].append(_numbers(_required(piece, name, source, f"{prefix}."), source, f"{prefix}.{name}"))
    return durations, rows


def _required(data: dict[str, Any], key: str, source: str, prefix: str) -> Any:
    if key not in data:
        raise InputError(source, f"{prefix}{key}", "is missing", "add it")
    return data[key]


def _duration(value: Any, source: str, name: str) -> float:
    number = _numbers([value], source, name)[0]
    if not number > 0.0:
        raise InputError(source, name, "is not positive", "give seconds above 0", number)
    return number


def _numbers(value: Any, source: str, name: str) -> list[float]:
    if not isinstance(value, list) or not value:
        raise InputError(source, name, "is not a list of numbers", "write it as [a, b, ...]", value)
    for item in value:
        if isinstance(item, bool) or not isinstance(item, (int, float)):
            raise InputError(source, name, "holds something that is not a number", "give finite numbers", item)
        try:
            finite = math.isfinite(item)
        except OverflowError:
            finite = False
        if not finite:
            raise InputError(source, name, "holds a number that is not finite", "give finite numbers")
    return [float(item) for item in value]


def _padded(rows: list[list[float]]) -> Array:
    table = np.zeros((len(rows), max(len(row) for row in rows)))
    for target, row in zip(table, rows, strict=True):
        target[: len(row)] = row
    return table


def plan_from_mapping(data: Any, source: str = "plan") -> Plan:
    """Plan from the plain data of `plan.json`. Raises InputError as `trajectory_from_mapping` does."""
    trajectory = trajectory_from_mapping(data, source)
    facts: dict[str, Any] = {}
    for name in FACTS:
        facts[name] = data.get(name, {})
        if not isinstance(facts[name], dict):
            raise InputError(source, name, "is not an object", "write it as {...} or leave it out", facts[name])
    status = data.get("status", "")
    if not isinstance(status, str):
        raise InputError(source, "status", "is not a text", "write one word", status)
    known = {"kind", "start", "pieces", "status", *FACTS}
    extra = {key: value for key, value in data.items() if key not in known}
    return Plan(trajectory, status=status, extra=extra, **facts)


def write_plan(path: str | Path, plan: Plan) -> None:
    """Write `plan.json`; it appears whole or not at all. Raises InputError for NaN and for a path that cannot be written."""
    try:
        text = json.dumps(plan.to_mapping(), indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(str(path), "plan", f"cannot be written as JSON ({error})", "use plain, finite values") from None
    _write_whole(Path(path), text + "\n")


def read_plan(path: str | Path) -> Plan:
    """Read `plan.json` strictly. Raises InputError, one line, for anything missing, misspelt, not finite or of wrong length."""
    return plan_from_mapping(_read_json(Path(path)), str(path))


def _read_json(path: Path) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise InputError(str(path), "number", "is not finite", "give finite numbers", constant)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise InputError(str(path), twice, "stands twice in one object", "remove one of them")
        return result

    try:
        return json.loads(_read_text(path), parse_constant=refuse, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(str(path), where, f"is not valid JSON ({error.msg})", "mend the syntax there") from None
    except RecursionError:
        raise InputError(str(path), "file", "is nested too deeply", "give a plan as written by write_plan") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError(str(path), "file", reason, "check the path and that it is a readable text file") from None


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(str(path), "file", error.strerror or "cannot be written", "check the directory and its rights") from None


def write_profile(path: str | Path, columns: Mapping[str, Array]) -> None:
    """Write `profile.csv`: a header line, then one row per time; further columns follow those of `PROFILE_COLUMNS`.

    Ten significant digits, SI units. Raises InputError when a column is missing or of another length.
    """
    missing = [name for name in PROFILE_COLUMNS if name not in columns]
    if missing:
        raise InputError(str(path), missing[0], "column is missing", "give every profile column")
    names = [*PROFILE_COLUMNS, *(name for name in columns if name not in PROFILE_COLUMNS)]
    size = np.size(columns["t"])
    for name in names:
        if np.shape(columns[name]) != (size,):
            raise InputError(str(path), name, f"has shape {np.shape(columns[name])}", f"give {size} values as in column t")
    table = np.column_stack([columns[name] for name in names])
    line = ",".join(["%.10g"] * len(names))
    rows = "\n".join(line % tuple(row) for row in table.tolist())
    _write_whole(Path(path), ",".join(names) + "\n" + rows + "\n")


def read_profile(path: str | Path) -> dict[str, Array]:
    """Columns of `profile.csv` by name, each (n,).

    Raises InputError when the header lacks a column or a row is incomplete, not numeric or NaN.
    """
    lines = _read_text(Path(path)).splitlines()
    names = lines[0].split(",") if lines else []
    for name in PROFILE_COLUMNS:
        if name not in names:
            raise InputError(str(path), name, "column is missing", "give a profile as written by write_profile")
    if len(set(names)) != len(names):
        raise InputError(str(path), "header", "names a column twice", "remove one of them")
    table = np.array([_profile_row(line, len(names), f"line {i}", str(path)) for i, line in enumerate(lines[1:], start=2)])
    if not table.size:
        raise InputError(str(path), "rows", "are missing", "give at least one")
    return {name: table[:, i] for i, name in enumerate(names)}


def _profile_row(line: str, width: int, where: str, source: str) -> list[float]:
    try:
        row = [float(cell) for cell in line.split(",")]
    except ValueError:
        raise InputError(source, where, "holds a cell that is not a number", "give numbers separated by commas") from None
    if len(row) != width:
        raise InputError(source, where, f"has {len(row)} cells", f"give {width}, as in the header")
    if any(math.isnan(cell) for cell in row):
        raise InputError(source, where, "holds NaN", "give finite numbers")
    return row
