"""The profile of a traverse as checked columns: reading, thinning without losing peaks, integrals over time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.report.palette import QUANTITIES

Array = NDArray[np.float64]

#: columns without which there is no report
REQUIRED = (
    "t", "x", "y", "heading", "speed", "acceleration", "yaw_rate", "along_slope", "tilt",
    "rtg_power", "pv_power", "battery_power", "base_power", "drive_power", "turn_power", "inference_power",
    "total_power", "available_power", "battery_energy",
)  # fmt: skip
OPTIONAL = ("state_of_charge", "sunlit", "shunted_power", "unserved_power")
#: columns that must be finite everywhere: without them no sample has a place on any axis
PLACE = ("t", "x", "y")


@dataclass(frozen=True)
class Columns:
    """Columns of equal length in SI units, and a sentence for each column with values that are not finite."""

    data: dict[str, Array]
    remarks: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Array:
        return self.data[name]

    def __contains__(self, name: object) -> bool:
        return name in self.data

    @property
    def t(self) -> Array:
        """Time [s], shape (n,)."""
        return self.data["t"]

    @property
    def duration(self) -> float:
        """Time from the first to the last sample [s]."""
        return float(self.t[-1] - self.t[0])

    def shown(self, name: str) -> Array:
        """A column in its display unit."""
        return self.data[name] * QUANTITIES[name].scale


def read_columns(profile: Any) -> Columns:
    """Check a profile and add what follows from it: `margin` = available - total, and `state_of_charge` if it is missing.

    Parameters
    ----------
    profile : mapping, dataclass or object of arrays
        Columns of shape (n,), n >= 2, named as in profile.csv.

    Raises
    ------
    InputError
        A column is missing or of the wrong length, or time does not increase, or t, x, y are not finite.
    """
    found = _find(profile)
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise InputError("profile", missing[0], "column is missing", "give every column of profile.csv")
    data = {name: np.asarray(value, dtype=np.float64).reshape(-1) for name, value in found.items()}
    count = data["t"].size
    if not count >= 2:
        raise InputError("profile", "t", "has fewer than 2 samples", "give at least a first and a last sample", count)
    for name, values in data.items():
        if values.size != count:
            raise InputError("profile", name, f"length differs from t ({count})", "give columns of equal length", values.size)
        if name in PLACE and not bool(np.all(np.isfinite(values))):
            raise InputError("profile", name, "has values that are not finite", "give a finite time and place for each sample")
    if not bool(np.all(np.diff(data["t"]) >= 0.0)) or not data["t"][-1] > data["t"][0]:
        raise InputError("profile", "t", "does not increase", "sort the samples by time")
    data["margin"] = data["available_power"] - data["total_power"]
    return Columns(data, _remarks(data))


def _find(profile: Any) -> dict[str, Any]:
    names = REQUIRED + OPTIONAL
    if isinstance(profile, Mapping):
        return {name: profile[name] for name in names if profile.get(name) is not None}
    if dataclasses.is_dataclass(profile) or any(hasattr(profile, name) for name in names):
        return {name: getattr(profile, name) for name in names if getattr(profile, name, None) is not None}
    raise InputError("profile", type(profile).__name__, "is neither a mapping nor a dataclass of columns", "pass arrays by name")


def _remarks(data: Mapping[str, Array]) -> tuple[str, ...]:
    """Counts of values that are not finite. A battery that does not exist has no state of charge; that needs no remark."""
    if bool(np.all(np.nan_to_num(data["battery_energy"]) == 0.0)):
        data = {name: values for name, values in data.items() if name != "state_of_charge"}
    counts = {name: int(np.sum(~np.isfinite(values))) for name, values in data.items() if name != "margin"}
    return tuple(f"{n} of {data[name].size} values of {name} are not finite" for name, n in counts.items() if n)


def thin(columns: Sequence[Array], buckets: int) -> NDArray[np.int64]:
    """Indices that keep, in each of `buckets` runs of samples, the first sample and the least and greatest of every column.

    Drawing only these samples shows every peak at its true height and time. The first and last sample are kept.
    """
    count = columns[0].size
    edges = np.unique(np.linspace(0, count, min(buckets, count) + 1).astype(np.int64))
    kept = [edges[:-1], np.array([count - 1])]
    for values in columns:
        for filler, pick in ((np.inf, np.argmin), (-np.inf, np.argmax)):
            clean = np.where(np.isfinite(values), values, filler)
            kept.append(np.array([a + int(pick(clean[a:b])) for a, b in itertools.pairwise(edges)]))
    return np.unique(np.concatenate(kept)).astype(np.int64)


def integral(t: Array, values: Array) -> float:
    """Trapezoidal integral over time; NaN when any value is not finite."""
    return float(np.sum(0.5 * (values[1:] + values[:-1]) * np.diff(t)))


def energy_account(columns: Columns) -> dict[str, float]:
    """Energy [J] by source and load, and what flowed into and out of the battery at the bus.

    `surplus` is what the sources gave beyond loads and charging (shunted), so that
    rtg + pv + discharged = loads + charged + surplus.
    """
    t, battery = columns.t, columns["battery_power"]
    names = ("rtg_power", "pv_power", "base_power", "inference_power", "drive_power", "turn_power", "total_power")
    account = {name: integral(t, columns[name]) for name in names}
    account["discharged"] = integral(t, np.maximum(battery, 0.0))
    account["charged"] = integral(t, np.maximum(-battery, 0.0))
    supplied = account["rtg_power"] + account["pv_power"] + account["discharged"]
    account["surplus"] = supplied - account["charged"] - account["total_power"]
    return account


def travelled(columns: Columns) -> float:
    """Distance along the surface [m], the integral of the absolute speed."""
    return integral(columns.t, np.abs(columns["speed"]))
