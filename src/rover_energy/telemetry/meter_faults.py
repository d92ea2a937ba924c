"""Faults of meters: the vocabulary and the issue files of the smart company building data set, and tests of single meters'
values.

The vocabulary: gap (nothing was recorded), zero (0 is read where there is power), single_leap or leap (one value is off),
lasting_leap (a counter jumps and goes on from there), transformer_factor (readings scaled by a wrong ratio), errors (anything
else: stuck, erratic). An issue file holds entries `<meter>@<reason>@<start>` (10.5061/dryad.73n5tb363).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.parameters import read_yaml

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
REASONS = ("gap", "zero", "leap", "single_leap", "lasting_leap", "transformer_factor", "errors")
CORRECTIONS = {
    "gap": "interpolate", "zero": "interpolate", "leap": "interpolate", "single_leap": "interpolate", "lasting_leap": "offset",
    "transformer_factor": "scale", "errors": "interpolate",
}  # fmt: skip
"""What is done about each by default."""
KEYS = {"comment", "correction", "correction_params", "reason", "reference", "time_start", "time_end"}


@dataclass(frozen=True)
class Issue:
    """One fault of one meter, from `start` to `end` [s, Unix time or any clock of the readings], both included."""

    meter: str
    reason: str
    start: float
    end: float
    correction: str = ""
    parameters: dict[str, Any] | None = None
    comment: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise InputError("issue", "reason", "is not in the vocabulary", f"use one of {', '.join(REASONS)}", self.reason)
        if not (math.isfinite(self.start) and self.end >= self.start):
            raise InputError("issue", "time_end", "lies before the start", "give time_end >= time_start", (self.start, self.end))

    @property
    def key(self) -> str:
        """Name of the entry in a file."""
        return f"{self.meter}@{self.reason}@{self.start:.15g}"


def read_issues(path: str | Path) -> list[Issue]:
    """Issues of one file. Times are Unix seconds or ISO text (UTC where no zone stands). Raises InputError."""
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise InputError(str(path), "file", "is not a mapping of issues", "write '<meter>@<reason>@<start>:' entries")
    return [_issue(str(path), str(key), entry) for key, entry in data.items()]


def _issue(source: str, key: str, entry: Any) -> Issue:
    parts = key.split("@")
    if len(parts) != 3 or not isinstance(entry, dict) or not set(entry) <= KEYS:
        raise InputError(source, key, "is not an issue", f"write <meter>@<reason>@<start> with {', '.join(sorted(KEYS))}")
    start = _time(source, f"{key}.time_start", entry.get("time_start", parts[2]))
    end = _time(source, f"{key}.time_end", entry.get("time_end", start))
    try:
        return Issue(
            parts[0], str(entry.get("reason", parts[1])), start, end, str(entry.get("correction") or ""),
            entry.get("correction_params") or None, str(entry.get("comment") or ""), str(entry.get("reference") or ""),
        )  # fmt: skip
    except InputError as error:
        raise InputError(source, f"{key}.{error.field}", error.problem, error.remedy, error.value) from None


def _time(source: str, field: str, value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        when = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise InputError(source, field, "is no time", "write Unix seconds or 2018-01-31T12:00:00+00:00", str(value)) from None
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


def issue_text(issues: Iterable[Issue]) -> str:
    """The issues as YAML that `read_issues` and the data set's own reader take."""
    entries = {
        issue.key: {
            "comment": issue.comment, "correction": issue.correction or CORRECTIONS[issue.reason],
            "correction_params": issue.parameters or {}, "reason": issue.reason, "reference": issue.reference,
            "time_start": issue.start, "time_end": issue.end,
        }
        for issue in issues
    }  # fmt: skip
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def runs(mask: Mask) -> list[tuple[int, int]]:
    """Stretches of True as (first, last) indices, both included."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(mask, dtype=np.int8), [0]))))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def zeros(power: Array, dead_band: float) -> Mask:
    """Readings of exactly 0 of a meter that has no dead band: its noise alone would not leave it there."""
    return (power == 0.0) if dead_band == 0.0 else np.zeros(len(power), dtype=bool)


def stuck(power: Array, *, least: int = 6) -> Mask:
    """Readings that repeat the one before them exactly, in runs of `least` or more; the first of the run is still right."""
    same = np.concatenate(([False], np.diff(power) == 0.0))
    found = np.zeros(len(power), dtype=bool)
    for first, last in runs(same):
        if last - first + 1 >= least - 1:
            found[first : last + 1] = True
    return found


def counter_power(time: Array, energy: Array) -> Array:
    """Mean power between readings of a counter [W], (n,): of the step that ends at each reading; NaN for the first.

    After a gap the step goes back to the last reading before it.
    """
    result = np.full(len(time), np.nan)
    known = np.flatnonzero(np.isfinite(energy))
    result[known[1:]] = np.diff(energy[known]) / np.diff(time[known])
    return result


def disagreement(time: Array, power: Array, counter: Array, deviation: Array, quantum: float, rating: float) -> Mask:
    """Where the power of a meter and the power by its counter cannot be one: P against W.

    Both are compared over each step, the power by its mean of both ends. What a load does within a step is unknown, so half of
    the change of power is allowed for, beside five standard deviations and two quanta of the counter.

    Parameters
    ----------
    time [s], power [W], counter [W] by `counter_power`, deviation [W] of one reading : (n,)
    quantum : float
        Step of the counter [J].
    rating : float
        A counter's power beyond 1.2 of it is wrong whatever the power says [W].
    """
    step = np.diff(time, prepend=time[0] - 1.0)
    before = np.concatenate(([np.nan], power[:-1]))
    allowed = 5.0 * deviation + 2.0 * quantum / step + 0.5 * np.abs(power - before) + 0.01 * np.abs(counter)
    apart = np.abs(0.5 * (power + before) - counter) > allowed
    apart &= np.isfinite(power) & np.isfinite(before) & np.isfinite(counter)
    return apart | (np.abs(counter) > 1.2 * rating + 2.0 * quantum / step)
