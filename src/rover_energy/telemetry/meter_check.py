"""Which readings of a meter tree are faulty, and which meter it was.

Four kinds of witness, from the surest to the weakest in saying which meter it was:

1. a single value: nothing recorded, exactly 0, stuck, beyond the rating;
2. two channels of one meter: power against its energy counter;
3. a segment of time in which the misfit of the balances goes with one meter's own reading, as a wrong transformer ratio makes it:
   a cumulative sum of log-likelihood ratios for each meter and factor (Page, Biometrika 41:100, 1954; Basseville & Nikiforov,
   Detection of Abrupt Changes, 1993, ch. 2.2);
4. the misfit of all balances at one instant, chi-squared after reconciliation.

Meters of one group (siblings without children, see `MeterTree.groups`) have the same part in the balances, so 4 alone never tells
them apart; 1 to 3 look at each meter's own readings and do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.telemetry.meter_faults import Issue, counter_power, disagreement, runs, stuck, zeros
from rover_energy.telemetry.meter_tree import MeterTree
from rover_energy.telemetry.reconciliation import reconcile

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
FACTORS = (0.1, 0.2, 0.5, 0.8, 1.25, 2.0, 5.0, 10.0)
"""Wrong transformer ratios that are always looked for, beside those that the readings suggest."""
IMPROBABLE = 1e-5
"""A healthy tree shows a greater misfit at so few instants."""
EVIDENCE = 40.0
"""Sum of log-likelihood ratios from which a segment counts: one in exp(40) if the noise is as described."""
ODD = 30.0
"""Squared misfit at which an instant counts as unexplained, however much larger it is."""
SMALLEST = 0.05
"""Least error of a ratio that is looked for: below it lie the classes of meters."""
CLEAR = 8.0
"""An instant speaks for a wrong ratio when the error by it is so many times what the classes of the meters may do."""
STEADY = 11
"""Readings whose median stands for one, where it must not be chosen by its own noise."""
LEAST = 5
"""Instants that must agree on a ratio before it is tried."""
BRIDGE = 4
"""Good readings between two faulty ones of a meter that are taken for faulty too: an erratic meter is right now and then."""


@dataclass(frozen=True)
class MeterReport:
    """What was found in n instants of m meters.

    flags (n,): something is wrong at this instant. blamed (n, m): this meter's reading is. issues: the same as stretches by
    meter, in the vocabulary of `meter_faults`. unlocated: instants at which no meter could be blamed.
    """

    flags: Mask
    blamed: Mask
    issues: tuple[Issue, ...]
    unlocated: int


def check_meters(tree: MeterTree, time: Array, power: Array, energy: Array | None = None) -> MeterReport:
    """Find faulty readings.

    Parameters
    ----------
    tree : MeterTree
    time : (n,)
        [s], ascending.
    power : (n, m)
        Readings of power [W], NaN where nothing was recorded.
    energy : (n, m), optional
        Readings of the energy counters [J].

    Raises
    ------
    InputError
        When shapes do not fit, or time does not ascend.
    """
    _check_shapes(tree, time, power, energy)
    reasons = np.zeros(power.shape, dtype="U18")
    for column, name in enumerate(tree.names):
        counter = None if energy is None else energy[:, column]
        _single(tree, name, time, power[:, column], counter, reasons[:, column])
    cleaned = np.where(reasons == "", power, np.nan)
    _scaled(tree, cleaned, reasons)
    cleaned = np.where(reasons == "", power, np.nan)
    flags = _misfit(tree, cleaned, reasons)
    for column in range(len(tree.names)):
        _bridge(reasons[:, column])
    blamed = reasons != ""
    issues = [
        Issue(name, str(reason), float(time[first]), float(time[last]))
        for column, name in enumerate(tree.names)
        for reason in np.unique(reasons[:, column])
        if reason
        for first, last in runs(reasons[:, column] == reason)
    ]
    issues.sort(key=lambda issue: (issue.start, issue.meter))
    everything = flags | blamed.any(axis=1)
    return MeterReport(everything, blamed, tuple(issues), int(np.sum(everything & ~blamed.any(axis=1))))


def _check_shapes(tree: MeterTree, time: Array, power: Array, energy: Array | None) -> None:
    wanted = (len(time), len(tree.names))
    for name, table in (("power", power), ("energy", energy)):
        if table is not None and table.shape != wanted:
            raise InputError(
                "readings", name, f"is not of shape {wanted}", "give a row per instant and a column per meter", table.shape
            )
    if len(time) < 2 or not np.all(np.diff(time) > 0.0):
        raise InputError("readings", "time", "does not ascend", "sort the readings and drop repeated times", len(time))


def _single(tree: MeterTree, name: str, time: Array, power: Array, energy: Array | None, reasons: NDArray[np.str_]) -> None:
    """Witnesses 1 and 2, written into `reasons` of this meter, the surer over the less sure."""
    meter = tree.meters[name]
    deviation = np.sqrt(tree.variance(np.repeat(power[:, None], len(tree.names), axis=1))[:, tree.names.index(name)])
    if energy is not None:
        counter = counter_power(time, energy)
        apart = disagreement(time, power, counter, deviation, meter.quantum, meter.rating)
        for first, last in runs(apart):
            jumps = bool(np.abs(counter[last]) > 1.2 * meter.rating)
            end = last if jumps or last == first else last - 1  # a wrong power spoils the step after it, too
            reasons[first : end + 1] = ("lasting_leap" if jumps else "single_leap") if end - first <= 1 else "errors"
    reasons[np.abs(power) > 1.2 * meter.rating + 5.0 * deviation] = "errors"
    if not meter.steady:
        reasons[stuck(power) & ~((power == 0.0) & (meter.dead_band > 0.0))] = "errors"
    reasons[zeros(power, meter.dead_band)] = "zero"
    gap = ~np.isfinite(power) if energy is None else ~(np.isfinite(power) & np.isfinite(energy))
    reasons[gap] = "gap"


def _scaled(tree: MeterTree, power: Array, reasons: NDArray[np.str_]) -> None:
    """Witness 3: segments in which one meter reads a multiple of its power, most evident first, each cleared before the next."""
    for _ in range(4 * len(tree.names)):
        best = _best_segments(tree, power)
        if not best:
            return
        for column, first, last in best:
            stretch = reasons[first : last + 1, column]
            stretch[stretch == ""] = "transformer_factor"
            power[first : last + 1, column] = np.nan


def _best_segments(tree: MeterTree, power: Array) -> list[tuple[int, int, int]]:
    """(meter, first, last) of the segments with the most evidence that do not overlap one another in time.

    If meter j reads f times its power, its error is the share b = 1 - 1/f of its reading p_j, and the misfit of the balances has
    the mean A_j b p_j. The log-likelihood ratio against none is half of the difference of both chi-squared misfits. Each is cut
    off at `ODD`, so that what neither explains, as another fault at the same time, counts for neither.
    """
    along, size, misfit, lasting = _projections(tree, power)
    from scipy.ndimage import median_filter

    deviation = np.sqrt(tree.variance(power))
    found: list[tuple[float, int, int, int]] = []
    for column in range(power.shape[1]):
        u, y = np.sqrt(size[:, column]), along[:, column]
        rest = misfit - y**2
        # Chosen by its own noise, a reading would go with the misfit that this noise makes: it is chosen by its neighbours', too.
        usual, allowed = median_filter(u, STEADY), CLEAR * median_filter(lasting[:, column], STEADY)
        noisy = median_filter(np.abs(np.nan_to_num(power[:, column])), STEADY) < 5.0 * deviation[:, column]
        for share in _shares(y, u, misfit):
            ratio = 0.5 * (np.minimum(misfit, ODD) - np.minimum((y - share * u) ** 2 + rest, ODD))
            silent = (abs(share) * usual <= allowed) | (noisy & (share > 0.0))
            sums, begun = _page(np.where(silent, 0.0, ratio))
            for first, last in runs(sums > EVIDENCE):
                peak = first + int(np.argmax(sums[first : last + 1]))
                found.append((float(sums[peak]), column, int(begun[peak]), peak))
    chosen: list[tuple[int, int, int]] = []
    for _, column, first, last in sorted(found, reverse=True):
        if all(last < a or first > b for _, a, b in chosen):
            chosen.append((column, first, last))
    return chosen


def _projections(tree: MeterTree, power: Array) -> tuple[Array, Array, Array, Array]:
    """For each reading its direction in the balances: y (n, m) of unit variance, size u^2 (n, m), so that y = b u + noise under
    a share b; the whole misfit (n,); and the standard deviation of y by the meters' classes alone (n, m). A reading whose
    balances lack another has u = 0."""
    r, inverse = _weighted_misfit(tree, power)
    weighted = np.einsum("nkl,nl->nk", inverse, r)
    a, reading = tree.balances, np.nan_to_num(power)
    scale = np.einsum("kj,nkl,lj->nj", a, inverse, a)
    usable = np.isfinite(power) & (scale > 1e-9)
    y = np.where(usable, (weighted @ a) * np.sign(reading) / np.sqrt(np.where(usable, scale, 1.0)), 0.0)
    directions = np.einsum("nkl,lj->nkj", inverse, a) / np.sqrt(np.maximum(scale, 1e-12))[:, None, :]
    classes = np.einsum("nkj,ki->nji", directions, a) ** 2
    lasting = np.sqrt(np.einsum("nji,ni->nj", classes, (tree.column("gain") * reading) ** 2))
    return y, np.where(usable, scale * reading**2, 0.0), np.einsum("nk,nk->n", r, weighted), lasting


def _shares(y: Array, u: Array, misfit: Array) -> list[float]:
    """Shares to look for: those of the usual wrong ratios, and what the instants of great misfit ask for most often."""
    known = [1.0 - 1.0 / factor for factor in FACTORS]
    great = (misfit > ODD) & (np.abs(y) > 5.0) & (u > 5.0)
    asked = y[great] / u[great]
    asked = asked[(asked > -20.0) & (asked < 1.0) & (np.abs(asked) > SMALLEST)]
    for _ in range(3):
        if len(asked) < LEAST:
            break
        step = 0.02
        bins, counts = np.unique(np.round(asked / step), return_counts=True)
        if np.max(counts) < LEAST:
            break
        near = np.abs(asked - step * bins[np.argmax(counts)]) <= step
        known.append(float(np.median(asked[near])))
        asked = asked[~near]
    return known


def _page(ratio: Array) -> tuple[Array, NDArray[np.int64]]:
    """Page's sums g_t = max(0, g_{t-1} + l_t), and the index at which each present sum began."""
    total = np.cumsum(ratio)
    before = np.concatenate(([0.0], total[:-1]))
    least = np.minimum.accumulate(before)
    begun = np.maximum.accumulate(np.where(before <= least, np.arange(len(ratio)), 0))
    return total - least, begun


def _weighted_misfit(tree: MeterTree, power: Array) -> tuple[Array, Array]:
    """Misfit of the balances (n, k), 0 where a reading lacks, and the inverse of its covariance (n, k, k) without those
    balances."""
    a = tree.balances
    missing = ~np.isfinite(power)
    lacking = missing @ (a != 0.0).T
    r = np.where(lacking, 0.0, np.nan_to_num(power) @ a.T)
    covariance = np.einsum("kj,nj,lj->nkl", a, tree.variance(power), a) + np.diag(tree.slack)
    covariance = covariance * ~(lacking[:, :, None] | lacking[:, None, :])
    huge = 1e12 * max(float(np.max(covariance)), float(np.max(tree.column("noise"))) ** 2)
    covariance[:, np.arange(len(a)), np.arange(len(a))] += np.where(lacking, huge, 0.0)
    return r, np.linalg.inv(covariance)


def _bridge(reasons: NDArray[np.str_]) -> None:
    """Take short stretches of good readings between faulty ones for faulty."""
    for first, last in runs(reasons == ""):
        if first > 0 and last < len(reasons) - 1 and last - first < BRIDGE:
            reasons[first : last + 1] = reasons[first - 1] if reasons[first - 1] == reasons[last + 1] else "errors"


def _misfit(tree: MeterTree, power: Array, reasons: NDArray[np.str_]) -> Mask:
    """Witness 4: instants at which the balances cannot be; the meter is blamed that explains the misfit alone, if one does."""
    flags = np.zeros(len(power), dtype=bool)
    rows = np.arange(len(power))
    for _ in range(3):  # two faults at once: take the blamed reading away and look again
        found = reconcile(tree, power[rows])
        bad = found.probability < IMPROBABLE
        rows = rows[bad]
        flags[rows] = True
        if not rows.size:
            break
        for row in rows:
            column = _culprit(tree, power, int(row))
            if column is not None:
                reasons[row, column] = "single_leap"
                power[row, column] = np.nan
    return flags


def _culprit(tree: MeterTree, power: Array, row: int) -> int | None:
    """The meter whose error would explain the misfit at one instant; among equals the one that itself changed most."""
    r, inverse = _weighted_misfit(tree, power[row : row + 1])
    weighted = inverse[0] @ r[0]
    a = tree.balances
    size = np.einsum("kj,kl,lj->j", a, inverse[0], a)
    known = np.isfinite(power[row]) & (size > 1e-9)
    if not known.any():
        return None
    gain = np.where(known, (weighted @ a) ** 2 / np.where(known, size, 1.0), -np.inf)
    equal = np.flatnonzero(gain > np.max(gain) * (1.0 - 1e-6))
    around = power[[max(row - 1, 0), min(row + 1, len(power) - 1)]]
    deviation = np.sqrt(tree.variance(power[row : row + 1]))[0]
    apart = np.abs(np.nan_to_num(around, nan=np.inf) - np.nan_to_num(power[row]))
    change = np.min(apart, axis=0) / deviation
    return int(equal[np.argmax(change[equal])])
