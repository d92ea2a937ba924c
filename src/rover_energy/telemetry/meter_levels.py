"""Levels of correction of metered data, as in the smart company building data set: raw, harmonized, corrected, resampled.

raw: as recorded. harmonized: on a regular grid, a value where one was recorded. corrected: what is faulty replaced by what other
meters or the neighbours in time say, and counters freed of jumps. resampled: on a coarser grid, counters by linear interpolation
and everything else by means.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.telemetry.meter_faults import Issue, runs
from rover_energy.telemetry.meter_tree import MeterTree
from rover_energy.telemetry.reconciliation import reconcile

Array = NDArray[np.float64]
LEVELS = ("raw", "harmonized", "corrected", "corrected_resampled")


def is_counter(measurement: str) -> bool:
    """Whether a measurement counts up (W, W1, WQ_in, V, ...) and is not a power, temperature or the like."""
    return measurement.startswith("W") or measurement == "V"


def harmonize(time: Array, values: Array, step: float) -> tuple[Array, Array]:
    """A regular grid of `step` [s] on its whole multiples, with the recorded value nearest to each; NaN where none is within
    half.

    Raises InputError when time does not ascend.
    """
    _ascending(time)
    grid = step * np.arange(np.ceil(time[0] / step - 0.5), np.floor(time[-1] / step + 0.5) + 1)
    after = np.clip(np.searchsorted(time, grid), 0, len(time) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(time[before] - grid) <= np.abs(time[after] - grid), before, after)
    near = np.abs(time[nearest] - grid) <= 0.5 * step * (1.0 + 1e-9)
    return grid, np.where(near, values[nearest], np.nan)


def resample(time: Array, values: Array, step: float, *, counter: bool) -> tuple[Array, Array]:
    """Onto a grid of `step` [s]: a counter by linear interpolation at the grid's times, else the mean over the step that begins
    there.

    A mean is NaN when fewer than half of the usual readings are in it; a counter is NaN where its neighbours lie two steps or
    more apart.
    """
    _ascending(time)
    good = np.isfinite(values)
    first, last = np.ceil(time[0] / step), np.floor(time[-1] / step)
    if not counter:
        first = np.floor(time[0] / step)
    grid = step * np.arange(first, last + 1)
    if not good.any() or not len(grid):
        return grid, np.full(len(grid), np.nan)
    t, y = time[good], values[good]
    if counter:
        after = np.clip(np.searchsorted(t, grid), 0, len(t) - 1)
        apart = t[after] - t[np.maximum(after - 1, 0)]
        exact = t[after] == grid
        return grid, np.where(exact | (apart < 2.0 * step), np.interp(grid, t, y, left=np.nan, right=np.nan), np.nan)
    usual = max(1.0, step / float(np.median(np.diff(time))) if len(time) > 1 else 1.0)
    number = (np.floor(t / step) - first).astype(int)
    counts = np.bincount(number, minlength=len(grid))[: len(grid)]
    sums = np.bincount(number, weights=y, minlength=len(grid))[: len(grid)]
    return grid, np.where(counts >= 0.5 * usual, sums / np.maximum(counts, 1), np.nan)


def correct_power(tree: MeterTree, time: Array, power: Array, issues: Iterable[Issue], *, longest: float = 60.0) -> Array:
    """Power (n, m) [W] with the readings of issues replaced.

    By the balances where the other meters determine them; else, in stretches of up to `longest` [s], by a line between the good
    readings at both ends; else NaN.
    """
    blamed = mask_of(tree, time, issues)
    cleaned = np.where(blamed, np.nan, power)
    filled = np.where(np.isfinite(cleaned), cleaned, reconcile(tree, cleaned).values)
    for column in range(filled.shape[1]):
        values = filled[:, column]
        for first, last in runs(~np.isfinite(values)):
            if first > 0 and last < len(time) - 1 and time[last + 1] - time[first - 1] <= longest:
                ends = [first - 1, last + 1]
                values[first : last + 1] = np.interp(time[first : last + 1], time[ends], values[ends])
    return filled


def correct_counter(time: Array, energy: Array, power: Array, issues: Iterable[Issue]) -> Array:
    """A counter (n,) [J] without the jumps of its lasting leaps: each step at one is replaced by the power (n,) [W] over it."""
    steps = np.diff(energy, prepend=energy[0])
    lengths = np.diff(time, prepend=time[0])
    for issue in issues:
        if issue.reason == "lasting_leap":
            at = (time >= issue.start) & (time <= issue.end)
            steps[at] = power[at] * lengths[at]
    return np.asarray(energy[0] + np.cumsum(steps))


def mask_of(tree: MeterTree, time: Array, issues: Iterable[Issue]) -> NDArray[np.bool_]:
    """Readings (n, m) that issues cover. Raises InputError for a meter that is not in the tree."""
    mask = np.zeros((len(time), len(tree.names)), dtype=bool)
    for issue in issues:
        if issue.meter not in tree.meters:
            raise InputError("issues", "meter", "is not in the tree", f"use one of {', '.join(tree.names)}", issue.meter)
        mask[(time >= issue.start) & (time <= issue.end), tree.names.index(issue.meter)] = True
    return mask


def _ascending(time: Array) -> None:
    if not len(time) or not np.all(np.diff(time) > 0.0):
        raise InputError(
            "readings", "time", "is empty or does not ascend", "sort the readings and drop repeated times", len(time)
        )
