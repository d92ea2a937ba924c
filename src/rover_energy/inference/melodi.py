"""Power traces and published tables of language-model runs in the layouts of MELODI.

Husom et al. 2024, "The Price of Prompting", arXiv 2407.16893: a call's energy is the trapezoidal integral of the sampled
power over the call, a little widened. Columns are read by name, because the published files carry stray ones.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.energy import UNMETERED, Energy, Provenance

Array = NDArray[np.float64]
AFTER = 0.2  # [s] by which a call's window is widened at its end
JOULES = 3.6e6  # in a kilowatt-hour


@dataclass(frozen=True)
class Trace:
    """Sampled power. time: (n,) [s], rising. power: (n,) [W]."""

    time: Array
    power: Array


@dataclass(frozen=True)
class Call:
    """One call of a published table. Lengths in tokens; duration [s]; energy [J], NaN where the table has none."""

    model: str
    hardware: str
    prompt_tokens: float
    response_tokens: float
    duration: float
    energy: float


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(path), "file", str(getattr(error, "strerror", None) or error), "give a readable CSV file") from None
    if not rows:
        raise InputError(str(path), "rows", "has none", "give a table with at least one row")
    return rows


def _number(path: Path, line: int, row: dict[str, str], column: str) -> float:
    text = (row.get(column) or "").strip()
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise InputError(str(path), f"line {line}, {column}", "is not a number", "mend the table", text) from None


def read_trace(path: Path, *, watts_per_unit: float = 1.0) -> Trace:
    """Power samples of a file with the columns `timestamp` [s] and `consumption`, in units of `watts_per_unit` [W].

    Samples without a number are left out; samples at one instant count as their mean. Raises InputError.
    """
    rows = _rows(path)
    for column in ("timestamp", "consumption"):
        if column not in rows[0]:
            raise InputError(str(path), column, "column is missing", "give the columns timestamp and consumption")
    found = [(_number(path, i, r, "timestamp"), _number(path, i, r, "consumption")) for i, r in enumerate(rows, start=2)]
    good = np.array([pair for pair in found if all(math.isfinite(v) for v in pair)], dtype=float).reshape(-1, 2)
    if len(good) < 2:
        raise InputError(str(path), "consumption", "has fewer than 2 samples", "give a trace", len(good))
    time, index = np.unique(good[:, 0], return_inverse=True)
    power = np.bincount(index, weights=good[:, 1]) / np.bincount(index)
    if not np.all(power >= 0.0):
        raise InputError(str(path), "consumption", "is negative", "give the power taken", float(power.min()))
    return Trace(time, power * watts_per_unit)


def integrate(trace: Trace, begin: float, end: float, *, before: float = 0.0, after: float = AFTER, gap: float = 1.0) -> Energy:
    """Energy of a call from `begin` to `end` [s], widened by `before` and `after` [s].

    Trapezoids between the samples, the ends interpolated. A window that the trace does not cover, or in which two samples
    are more than `gap` [s] apart, is unmetered.
    """
    since, until = begin - before, end + after
    if not since < until:
        return UNMETERED
    inside = (trace.time > since) & (trace.time < until)
    if not (trace.time[0] <= since and trace.time[-1] >= until):
        return UNMETERED
    times = np.concatenate(([since], trace.time[inside], [until]))
    around = np.concatenate((trace.time[trace.time <= since][-1:], trace.time[inside], trace.time[trace.time >= until][:1]))
    if np.any(np.diff(around) > gap):
        return UNMETERED
    joules = float(np.trapezoid(np.interp(times, trace.time, trace.power), times))
    return Energy(joules, Provenance.MEASURED, detail=f"trapezoids over {len(times)} samples")


def read_calls(path: Path, *, hardware: str = "") -> list[Call]:
    """Calls of a published table; durations there are in nanoseconds, energies in kilowatt-hours. Raises InputError.

    `hardware`: the table does not name it; default the last word of the file's name.
    """
    place = hardware or path.stem.rpartition("_")[2]
    rows = _rows(path)
    for column in ("model_name", "prompt_token_length", "response_token_length"):
        if column not in rows[0]:
            raise InputError(str(path), column, "column is missing", "give a table of MELODI")
    return [
        Call(
            row["model_name"], place, _number(path, i, row, "prompt_token_length"),
            _number(path, i, row, "response_token_length"), _number(path, i, row, "total_duration") * 1e-9,
            _number(path, i, row, "energy_consumption_llm_total") * JOULES,
        )
        for i, row in enumerate(rows, start=2)
    ]  # fmt: skip
