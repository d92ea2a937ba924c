"""Driving logs for calibration: one class for all sources, a generic CSV reader, and averaging over windows."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]
QUANTITIES = ("power", "current")
REQUIRED_COLUMNS = ("t", "speed", "yaw_rate", "along_slope")
AVERAGES = ("speed", "grade", "speed_grade", "acceleration", "speed_acceleration", "turning", "net_turning", "signal")
LONGEST_GAP = 0.3
"""A window with two samples further apart than this [s] is dropped."""
LEAST_FILL = 0.8
"""A window must hold this share of the samples that its length calls for."""


@dataclass(frozen=True)
class DriveLog:
    """One run. All arrays (n,), time ascending.

    t [s]; speed along the surface, forward [m/s]; yaw_rate about body z [rad/s]; along_slope, positive uphill [rad];
    acceleration [m/s2]; signal: power at the bus [W] or sum of the motor currents' magnitudes [A], as `quantity` says;
    usable: samples that are to be trusted. `dropped` counts what was refused, by reason.
    """

    name: str
    t: Array
    speed: Array
    yaw_rate: Array
    along_slope: Array
    acceleration: Array
    signal: Array
    quantity: str
    usable: NDArray[np.bool_]
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise InputError(self.name, "quantity", "unknown choice", f"use one of {', '.join(QUANTITIES)}", self.quantity)
        arrays = (self.speed, self.yaw_rate, self.along_slope, self.acceleration, self.signal, self.usable)
        if self.t.ndim != 1 or len(self.t) < 2 or any(array.shape != self.t.shape for array in arrays):
            raise InputError(self.name, "columns", "differ in length or hold fewer than 2 samples", "give equal columns")
        if not np.all(np.diff(self.t) > 0.0):
            raise InputError(self.name, "t", "does not ascend strictly", "sort the samples and drop repeated times")


@dataclass(frozen=True)
class Windows:
    """Averages over windows of driving, (n,) each.

    run: index of the log. speed [m/s], grade: mean of sin(along_slope) [-], speed_grade: mean of speed sin(along_slope)
    [m/s], acceleration [m/s2], speed_acceleration [m2/s3], turning: mean of |yaw_rate| [rad/s], net_turning: |mean of
    yaw_rate| [rad/s], what a planned, smooth motion through the window would have had; signal [W or A].
    """

    run: NDArray[np.int64]
    speed: Array
    grade: Array
    speed_grade: Array
    acceleration: Array
    speed_acceleration: Array
    turning: Array
    net_turning: Array
    signal: Array
    seconds: float
    quantity: str
    names: tuple[str, ...]
    rejected: int

    def __len__(self) -> int:
        return len(self.signal)


def average_windows(logs: Sequence[DriveLog], *, seconds: float = 3.0, least_speed: float = 0.15) -> Windows:
    """Average the logs over windows, end to end, and keep those of undisturbed forward driving.

    A window is kept when every sample in it is usable and finite, every speed is at least `least_speed`, no gap is longer
    than `LONGEST_GAP` and at least `LEAST_FILL` of its samples are there.

    Parameters
    ----------
    logs : sequence of DriveLog
        All with the same `quantity`.
    seconds : float
        Length of the windows [s].
    least_speed : float
        [m/s].

    Returns
    -------
    Windows

    Raises
    ------
    InputError
        When no log is given, the logs measure different quantities, or no window is left.
    """
    if not logs or len({log.quantity for log in logs}) != 1:
        raise InputError("logs", "quantity", "no log, or logs of different quantities", "give logs of one kind")
    if not (seconds > 0.0 and least_speed > 0.0):
        raise InputError("logs", "seconds, least_speed", "are not positive", "give values above 0", (seconds, least_speed))
    rows, runs, rejected = [], [], 0
    for index, log in enumerate(logs):
        kept, refused = _log_windows(log, seconds, least_speed)
        rows += kept
        runs += [index] * len(kept)
        rejected += refused
    if not rows:
        raise InputError("logs", "windows", "none is left", "check the units, lower least_speed or shorten the windows")
    table = np.array(rows)
    columns = {name: table[:, index] for index, name in enumerate(AVERAGES)}
    return Windows(
        run=np.array(runs),
        seconds=seconds,
        quantity=logs[0].quantity,
        names=tuple(log.name for log in logs),
        rejected=rejected,
        **columns,
    )


def _log_windows(log: DriveLog, seconds: float, least_speed: float) -> tuple[list[tuple[float, ...]], int]:
    period = float(np.median(np.diff(log.t)))
    values = np.stack((log.speed, log.yaw_rate, log.along_slope, log.acceleration, log.signal))
    good = log.usable & np.all(np.isfinite(values), axis=0) & (log.speed >= least_speed)
    number = ((log.t - log.t[0]) // seconds).astype(int)
    edges = np.searchsorted(number, np.arange(number[-1] + 2))
    kept = []
    for start, end in itertools.pairwise(edges):
        span = slice(start, end)
        filled = end - start >= max(2.0, LEAST_FILL * seconds / period)
        if filled and good[span].all() and np.max(np.diff(log.t[span])) <= max(LONGEST_GAP, 3.0 * period):
            kept.append(_averages(log, span))
    return kept, len(edges) - 1 - len(kept)


def _averages(log: DriveLog, span: slice) -> tuple[float, ...]:
    speed, grade, acceleration = log.speed[span], np.sin(log.along_slope[span]), log.acceleration[span]
    means = (
        speed, grade, speed * grade, acceleration, speed * acceleration, np.abs(log.yaw_rate[span]),
    )  # fmt: skip
    turning = abs(float(np.mean(log.yaw_rate[span])))
    return (*(float(np.mean(values)) for values in means), turning, float(np.mean(log.signal[span])))


def read_csv_log(path: str | Path) -> list[DriveLog]:
    """Read logs from a CSV file with a header line.

    Columns, in any order: t [s], speed [m/s], yaw_rate [rad/s], along_slope [rad], and either power [W] or current [A];
    optional: acceleration [m/s2] (else differences of the speed), run (text; each value becomes a log of its own, as
    out-of-sample figures are by run). An empty cell is a sample that is not used.

    Raises
    ------
    InputError
        When the file cannot be read, a column is missing, or a cell is not a number.
    """
    source = str(path)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError(source, "file", reason, "check the path and that it is a CSV file") from None
    names = set(rows[0]) if rows else set()
    quantity = next((name for name in QUANTITIES if name in names), None)
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing or quantity is None:
        absent = ", ".join(missing + ([] if quantity else ["power or current"]))
        raise InputError(source, "columns", f"{absent} missing", f"give {', '.join(REQUIRED_COLUMNS)} and power or current")
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.get("run") or Path(path).stem, []).append(index)
    return [_csv_run(source, name, [rows[i] for i in lines], lines, quantity) for name, lines in groups.items()]


def _csv_run(source: str, name: str, rows: list[dict[str, str]], lines: list[int], quantity: str) -> DriveLog:
    def column(key: str) -> Array:
        return np.array([_cell(source, key, row.get(key), line) for row, line in zip(rows, lines, strict=True)])

    t, speed = column("t"), column("speed")
    differences = "acceleration" not in rows[0] and len(t) >= 2 and bool(np.all(np.diff(t) > 0.0))
    acceleration = np.gradient(speed, t) if differences else column("acceleration")
    yaw_rate, slope, signal = column("yaw_rate"), column("along_slope"), column(quantity)
    usable = np.all(np.isfinite([t, speed, yaw_rate, slope, signal, acceleration]), axis=0)
    return DriveLog(
        name, t, speed, yaw_rate, slope, acceleration, signal, quantity, usable, {"empty cells": int(np.sum(~usable))}
    )


def _cell(source: str, key: str, text: str | None, line: int) -> float:
    if text is None or not text.strip():
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise InputError(source, f"line {line + 2}, {key}", "is not a number", "write it with a decimal point", text) from None
