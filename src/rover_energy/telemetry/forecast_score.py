"""How good forecasts of power and energy were: coverage, quantile scores, bias, and the two questions operators ask.

Time to floor: when will the battery reach its floor. Energy to goal: how much will the loads still take until the goal. Every
score counts what could not be judged; a forecast that says nothing is not a forecast that was right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]
SAME = 1e-6
"""Relative difference up to which a value counts as the same: of a quantile, or of the floor."""
LEVELS = (0.1, 0.5, 0.9)
"""Levels of the quantiles in a PowerForecast."""


@dataclass(frozen=True)
class Forecast:
    """One forecast: start [s]; time (k,) after it [s], the ends of its steps; load, available (k, 3), P10, P50, P90 of the means
    over the steps [W]; battery (k, 3), likewise at their ends [J]; floor [J]. to_floor (3,): its own answer, early, median and
    late, when the battery meets the floor after the start [s]; infinite: not within the forecast; None: it gives none."""

    start: float
    time: Array
    load: Array
    available: Array
    battery: Array
    floor: float
    to_floor: Array | None = None


@dataclass(frozen=True)
class Truth:
    """What happened: time (n,) [s], load and available [W], battery [J], (n,) each, NaN where it was not measured."""

    time: Array
    load: Array
    available: Array
    battery: Array


@dataclass(frozen=True)
class QuantileScore:
    """count of judged values, `missing` ones; coverage of P10..P90 (0.8 is right) and below P50 (0.5 is right); bias of P50 and
    mean width of P10..P90 [unit of the value]; pinball: mean over the levels; crps: twice that, the continuous ranked
    probability score as far as three quantiles know it."""

    count: int
    missing: int
    coverage: float
    below_median: float
    bias: float
    width: float
    pinball: float
    crps: float


@dataclass(frozen=True)
class HorizonScore:
    """A question with one answer that is forecast again and again: time to floor [s], or energy to goal [J].

    quantiles: over all forecasts. alpha_lambda: of the forecasts made in each quarter of the time until the event, the share
    whose median is within `alpha` of the true remainder (Saxena et al., Int. J. PHM 1(1), 2010); NaN where none was made.
    missed: forecasts that saw no event within their horizon though it came within it; false: that saw one where none came.
    """

    quantiles: QuantileScore
    alpha: float
    alpha_lambda: tuple[float, ...]
    missed: int
    false: int


def pinball(actual: ArrayLike, predicted: ArrayLike, level: float) -> Array:
    """Loss of a quantile forecast, level (y - q) above it and (1 - level)(q - y) below (Koenker & Bassett 1978); shape of
    both."""
    y, q = np.asarray(actual, dtype=float), np.asarray(predicted, dtype=float)
    return np.asarray(np.maximum(level * (y - q), (level - 1.0) * (y - q)))


def crps(actual: ArrayLike, quantiles: ArrayLike, levels: Sequence[float] = LEVELS) -> Array:
    """Twice the mean pinball loss over the levels, (n,): tends to the CRPS as the levels fill 0..1 (Gneiting & Ranjan 2011, eq.
    6).

    quantiles : (n, levels)
    """
    q = np.asarray(quantiles, dtype=float)
    losses = [pinball(actual, q[:, k], level) for k, level in enumerate(levels)]
    return np.asarray(2.0 * np.mean(losses, axis=0))


def quantile_score(actual: ArrayLike, quantiles: ArrayLike, levels: Sequence[float] = LEVELS) -> QuantileScore:
    """Score of n forecasts of a value by quantiles, (n, 3). Raises InputError when shapes differ or quantiles are out of
    order."""
    y, q = np.asarray(actual, dtype=float), np.asarray(quantiles, dtype=float)
    if q.shape != (len(y), len(levels)):
        raise InputError("forecast", "quantiles", f"are not of shape {(len(y), len(levels))}", "give one row per value", q.shape)
    judged = np.isfinite(y) & np.all(np.isfinite(q), axis=1)
    missing = int(np.sum(~judged))
    y, q = y[judged], q[judged]
    if np.any(np.diff(q, axis=1) < 0.0):
        raise InputError(
            "forecast", "quantiles", "are not in ascending order", "sort P10, P50, P90", int(np.sum(np.diff(q) < 0.0))
        )
    if not len(y):
        return QuantileScore(0, missing, *([math.nan] * 6))
    middle = q[:, len(levels) // 2]
    loss = float(np.mean(crps(y, q, levels)))
    same = SAME * np.abs(y)  # of what is certain the quantiles are one number
    inside = (y >= q[:, 0] - same) & (y <= q[:, -1] + same)
    return QuantileScore(
        len(y), missing, float(inside.mean()), float(np.mean(y <= middle)), float(np.mean(middle - y)),
        float(np.mean(q[:, -1] - q[:, 0])), 0.5 * loss, loss,
    )  # fmt: skip


def time_to_floor(time: ArrayLike, energy: ArrayLike, floor: float) -> float:
    """First time [s] at which stored energy [J] is at its floor or below, linear in between; infinity if it never is, NaN if
    unknown."""
    t, e = np.asarray(time, dtype=float), np.asarray(energy, dtype=float)
    if not len(t) or not np.all(np.isfinite(e)) or not math.isfinite(floor):
        return math.nan
    below = np.flatnonzero(e <= floor)
    if not below.size:
        return math.inf
    k = int(below[0])
    if k == 0:
        return float(t[0])
    return float(t[k - 1] + (t[k] - t[k - 1]) * (e[k - 1] - floor) / (e[k - 1] - e[k]))


def score_series(forecasts: Sequence[Forecast], truth: Truth, name: str) -> QuantileScore:
    """Score of 'load' or 'available', means over the steps, or of 'battery', at their ends, in every step of every forecast."""
    if not forecasts:
        return quantile_score(np.zeros(0), np.zeros((0, len(LEVELS))))
    actual = np.concatenate([actual_in(truth, forecast, name) for forecast in forecasts])
    return quantile_score(actual, np.concatenate([getattr(forecast, name) for forecast in forecasts]))


def actual_in(truth: Truth, forecast: Forecast, name: str) -> Array:
    """What came of a forecast's 'load', 'available' or 'battery', (k,); NaN outside the record."""
    found, edges = getattr(truth, name), forecast.start + np.concatenate(([0.0], forecast.time))
    return _at(truth.time, found, edges[1:]) if name == "battery" else _means(truth.time, found, edges)


def _at(time: Array, values: Array, wanted: Array) -> Array:
    """Linear in between; NaN outside the record and next to what was not measured."""
    return np.asarray(np.interp(wanted, time, values, left=math.nan, right=math.nan))


def _means(time: Array, values: Array, edges: Array) -> Array:
    """Means between edges (k + 1,), by trapezoids; NaN where a step leaves the record or holds what was not measured."""
    known = np.isfinite(values)
    steps = np.diff(time)
    total = np.concatenate(([0.0], np.cumsum(np.where(known[1:] & known[:-1], 0.5 * (values[1:] + values[:-1]) * steps, 0.0))))
    holes = np.concatenate(([0.0], np.cumsum(np.where(known[1:] & known[:-1], 0.0, steps))))
    widths = np.diff(edges)
    means = np.diff(_at(time, total, edges)) / np.where(widths > 0.0, widths, 1.0)
    means = np.where(widths > 0.0, means, _at(time, values, edges[1:]))  # a step without length is an instant
    return np.where(np.diff(_at(time, holes, edges)) > 0.0, math.nan, means)


def score_time_to_floor(
    forecasts: Sequence[Forecast], truth: Truth, *, alpha: float = 0.2, level: float | None = None
) -> HorizonScore:
    """Score the times to floor that the forecasts give, or that their battery quantiles imply, from their starts [s].

    level : stored energy [J] that counts in place of the floor: a rover that is governed never quite reaches its floor, and one
    that plans well not even nearly. Judged are forecasts that see an event within their horizon where it truly came within the
    record. The low quantile of the energy gives the early time.
    """
    rows: list[tuple[float, float, Array]] = []
    missed = false = missing = 0
    for forecast in forecasts:
        later = truth.time >= forecast.start
        goal = forecast.floor * (1.0 + SAME) if level is None else level
        actual = time_to_floor(truth.time[later] - forecast.start, truth.battery[later], goal)
        if actual == 0.0:  # is there already
            continue
        now = float(_at(truth.time, truth.battery, np.array([forecast.start]))[0])
        ahead = np.concatenate(([0.0], forecast.time))
        seen = np.array([time_to_floor(ahead, np.append(now, forecast.battery[:, k]), goal) for k in range(len(LEVELS))])
        if level is None and forecast.to_floor is not None:
            seen = forecast.to_floor
        if math.isnan(actual) or np.isnan(seen[1]):
            missing += 1
        elif math.isinf(actual) and math.isfinite(seen[1]):
            false += int(forecast.start + seen[1] <= truth.time[-1])
        elif math.isfinite(actual) and math.isinf(seen[1]):
            missed += int(actual <= forecast.time[-1])
        elif math.isfinite(actual):
            late = np.where(np.isfinite(seen), seen, forecast.time[-1])  # P90 beyond the horizon is at least there
            rows.append((forecast.start, actual, late))
    return _horizon(rows, missing, missed, false, alpha)


def score_energy_to_goal(forecasts: Sequence[Forecast], truth: Truth, goal: float, *, alpha: float = 0.2) -> HorizonScore:
    """Score the energy that the loads take from each forecast's start until the goal is reached at `goal` [s].

    The forecast's answer is the integral of each load quantile, which takes all errors of one forecast to go together: where they
    do not, P10..P90 is wider than it need be, and its coverage above 0.8. Forecasts that end before the goal are not judged.
    """
    rows: list[tuple[float, float, Array]] = []
    missing = 0
    for forecast in forecasts:
        left = goal - forecast.start
        if not left > 0.0:
            continue
        actual = _integral(truth.time - forecast.start, truth.load, left)
        said = np.array([_steps_integral(forecast.time, forecast.load[:, k], left) for k in range(len(LEVELS))])
        if math.isfinite(actual) and np.all(np.isfinite(said)):
            rows.append((forecast.start, actual, said))
        else:
            missing += 1
    return _horizon(rows, missing, 0, 0, alpha, life=goal - min((row[0] for row in rows), default=0.0))


def _integral(time: Array, power: Array, end: float) -> float:
    """Energy [J] from 0 to `end`, by trapezoids; NaN when the samples do not reach that far or lack a value."""
    inner = (time > 0.0) & (time < end)
    if not len(time) or time[-1] < end - 1e-6 or time[0] > 1.0:
        return math.nan
    t = np.concatenate(([0.0], time[inner], [end]))
    return float(np.trapezoid(np.interp(t, time, power), t))


def _steps_integral(ends: Array, means: Array, end: float) -> float:
    """Energy [J] from 0 to `end` of mean powers over steps; NaN when the steps do not reach that far."""
    if not len(ends) or ends[-1] < end - 1e-6:
        return math.nan
    edges = np.concatenate(([0.0], ends))
    return float(np.interp(end, edges, np.concatenate(([0.0], np.cumsum(means * np.diff(edges))))))


def _horizon(
    rows: list[tuple[float, float, Array]], missing: int, missed: int, false: int, alpha: float, life: float | None = None
) -> HorizonScore:
    """life : time from the first forecast to the event [s]; None where what is forecast is that time."""
    if not rows:
        nothing = quantile_score(np.full(missing, math.nan), np.full((missing, len(LEVELS)), math.nan))
        return HorizonScore(nothing, alpha, (math.nan,) * 4, missed, false)
    start, actual = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    said = np.sort(np.array([row[2] for row in rows]), axis=1)
    found = quantile_score(np.append(actual, np.full(missing, math.nan)), np.vstack((said, np.full((missing, 3), math.nan))))
    within = np.abs(said[:, 1] - actual) <= alpha * actual
    first = float(start.min())
    life = max(float(actual[np.argmin(start)]) if life is None else life, float(start.max()) - first, 1e-9)
    quarter = np.clip(((start - first) / life * 4.0).astype(int), 0, 3)
    shares = tuple(float(within[quarter == k].mean()) if np.any(quarter == k) else math.nan for k in range(4))
    return HorizonScore(found, alpha, shares, missed, false)
