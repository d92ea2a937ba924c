"""Time series of a length that does not grow with the bag: extremes for charts, means for comparing streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _runs(index: Ints) -> Ints:
    """Where runs of equal numbers begin."""
    found: Ints = np.concatenate([[0], np.flatnonzero(np.diff(index)) + 1]).astype(np.int64)
    return found


class Trace:
    """Least, greatest and mean value of each column in equal buckets of time.

    When time outgrows the buckets, neighbours are joined and the width doubles; so peaks are kept exactly, at any length.
    buckets : most of them, even. width : of a bucket at first [s].
    """

    def __init__(self, buckets: int = 1024, width: float = 0.02) -> None:
        self.buckets, self.width = buckets, width
        self.low: dict[str, Floats] = {}
        self.high: dict[str, Floats] = {}
        self.total: dict[str, Floats] = {}
        self.count: dict[str, Floats] = {}

    def add(self, t: Floats, columns: Mapping[str, Floats]) -> None:
        """Values (n,) at times (n,) [s] from 0 on; NaN is left out."""
        good = np.isfinite(t) & (t >= 0.0)
        if not good.any():
            return
        times = t[good]
        while float(times.max()) >= self.buckets * self.width:
            self._fold()
        index = (times / self.width).astype(np.int64)
        order = np.argsort(index, kind="stable") if np.any(np.diff(index) < 0) else None
        index = index if order is None else index[order]
        starts = _runs(index)
        places = index[starts]
        for name, column in columns.items():
            values = np.asarray(column, dtype=np.float64)[good]
            self._column(name, places, starts, values if order is None else values[order])

    def _column(self, name: str, places: Ints, starts: Ints, values: Floats) -> None:
        if name not in self.low:
            self.low[name], self.high[name] = np.full(self.buckets, np.nan), np.full(self.buckets, np.nan)
            self.total[name], self.count[name] = np.zeros(self.buckets), np.zeros(self.buckets)
        finite = np.isfinite(values)
        self.low[name][places] = np.fmin(self.low[name][places], np.fmin.reduceat(values, starts))
        self.high[name][places] = np.fmax(self.high[name][places], np.fmax.reduceat(values, starts))
        self.total[name][places] += np.add.reduceat(np.where(finite, values, 0.0), starts)
        self.count[name][places] += np.add.reduceat(finite.astype(np.float64), starts)

    def _fold(self) -> None:
        self.width *= 2.0
        half = self.buckets // 2
        for table, join, rest in (
            (self.low, np.fmin, np.nan), (self.high, np.fmax, np.nan), (self.total, np.add, 0.0), (self.count, np.add, 0.0),
        ):  # fmt: skip
            for name, values in table.items():
                table[name] = np.concatenate([join(values[::2], values[1::2]), np.full(half, rest)])

    def series(self, digits: int = 6) -> dict[str, Any]:
        """Plain lists: `t` [s] the middle of each bucket that holds anything, and per column `low`, `mean` and `high`."""
        if not self.low:
            return {"width": self.width, "t": [], "columns": {}}
        used = np.flatnonzero(np.sum([count for count in self.count.values()], axis=0) > 0.0)
        columns = {}
        for name in self.low:
            count = self.count[name][used]
            mean: Floats = np.where(count > 0.0, self.total[name][used] / np.maximum(count, 1.0), np.nan)
            parts = {"low": self.low[name][used], "mean": mean, "high": self.high[name][used]}
            columns[name] = {kind: rounded(values, digits) for kind, values in parts.items()}
        return {"width": self.width, "t": rounded((used + 0.5) * self.width, 9), "columns": columns}


def rounded(values: NDArray[Any], digits: int) -> list[float | None]:
    """Numbers with so many significant digits; None for what is not finite."""
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in values]


class Bins:
    """Means of columns in bins of time, growing with it: for putting streams of different rates side by side.

    width : of a bin [s].
    """

    def __init__(self, width: float = 1.0) -> None:
        self.width = width
        self.total: dict[str, Floats] = {}
        self.count: dict[str, Floats] = {}

    def add(self, t: Floats, columns: Mapping[str, Floats]) -> None:
        """Values (n,) at times (n,) [s] from 0 on; NaN is left out."""
        inside = np.isfinite(t) & (t >= 0.0) & (t < 1e8 * self.width)
        index = (t[inside] / self.width).astype(np.int64)
        if not index.size:
            return
        size = int(index.max()) + 1
        for name, column in columns.items():
            values = np.asarray(column, dtype=np.float64)[inside]
            good = np.isfinite(values)
            self._grow(name, size)
            self.total[name][:size] += np.bincount(index[good], values[good], minlength=size)
            self.count[name][:size] += np.bincount(index[good], minlength=size)

    def _grow(self, name: str, size: int) -> None:
        have = self.total.get(name, np.zeros(0)).size
        if have < size:
            more = np.zeros(max(size, 2 * have) - have)
            self.total[name] = np.concatenate([self.total.get(name, np.zeros(0)), more])
            self.count[name] = np.concatenate([self.count.get(name, np.zeros(0)), more])

    def mean(self, name: str, size: int | None = None) -> Floats:
        """Mean of a column in each bin (size,), NaN where there is nothing."""
        total, count = self.total.get(name, np.zeros(0)), self.count.get(name, np.zeros(0))
        values: Floats = np.where(count > 0.0, total / np.maximum(count, 1.0), np.nan)
        if size is None:
            return values
        return np.concatenate([values[:size], np.full(max(0, size - values.size), np.nan)])

    def pair(self, first: str, second: str) -> tuple[Floats, Floats, Floats]:
        """Times of the bins' middles [s] where both columns are, and the two columns there."""
        size = max(self.total.get(first, np.zeros(0)).size, self.total.get(second, np.zeros(0)).size)
        a, b = self.mean(first, size), self.mean(second, size)
        both = np.isfinite(a + b)
        return np.flatnonzero(both).astype(np.float64) * self.width + 0.5 * self.width, a[both], b[both]
