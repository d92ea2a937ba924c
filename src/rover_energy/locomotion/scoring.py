"""Scores of a linear model over runs: leave-one-run-out prediction, bootstrap over runs, errors by bin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LEAST_SHARE = 0.05
"""Relative errors divide by the measured value, but by no less than this share of the mean magnitude."""


@dataclass(frozen=True)
class Interval:
    """The middle 90 %."""

    low: float
    high: float

    @classmethod
    def of(cls, samples: Array) -> Interval:
        """From samples; NaN when any sample is NaN."""
        low, high = np.quantile(samples, (0.05, 0.95))
        return cls(float(low), float(high))


@dataclass(frozen=True)
class Score:
    """R2 against the mean of all windows [-], mean absolute error relative to the measured value [-], root mean square."""

    r2: float
    mape: float
    rmse: float


@dataclass(frozen=True)
class BinError:
    """Errors in one bin: its edges, count, mean measured value, bias (predicted less measured), relative error."""

    low: float
    high: float
    count: int
    measured: float
    bias: float
    mape: float


def leave_one_run_out(matrix: Array, target: Array, run: NDArray[np.int64]) -> Array:
    """Prediction of each window by least squares on all the other runs.

    Parameters
    ----------
    matrix : (n, k)
        Design matrix.
    target : (n,)
    run : (n,)
        Run of each window; two runs or more.

    Returns
    -------
    ndarray, (n,)
    """
    predicted = np.full(len(target), np.nan)
    for number in np.unique(run):
        held_out = run == number
        coefficients, *_ = np.linalg.lstsq(matrix[~held_out], target[~held_out], rcond=None)
        predicted[held_out] = matrix[held_out] @ coefficients
    return predicted


def bootstrap(matrix: Array, target: Array, run: NDArray[np.int64], resamples: int, seed: int) -> Array:
    """Least-squares coefficients over draws of whole runs with replacement, (resamples, k) (Efron 1979, by cluster)."""
    rng = np.random.default_rng(seed)
    numbers = np.unique(run)
    # Normal equations add over runs, so a draw is a weighted sum of per-run blocks.
    blocks = np.array([matrix[run == number].T @ matrix[run == number] for number in numbers])
    sides = np.array([matrix[run == number].T @ target[run == number] for number in numbers])
    weights = rng.multinomial(len(numbers), np.full(len(numbers), 1.0 / len(numbers)), size=resamples).astype(float)
    left, right = np.tensordot(weights, blocks, axes=1), weights @ sides
    return np.stack([np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(left, right, strict=True)])


def relative_errors(measured: Array, residual: Array) -> Array:
    """|residual| over |measured|, guarded by `LEAST_SHARE` where the measured value is near 0."""
    guard = LEAST_SHARE * float(np.mean(np.abs(measured)))
    errors: Array = np.abs(residual) / np.maximum(np.abs(measured), guard)
    return errors


def score(measured: Array, predicted: Array) -> Score:
    """Score of a prediction; R2 is negative where it is worse than the mean."""
    residual = predicted - measured
    variance = float(np.sum((measured - np.mean(measured)) ** 2))
    return Score(
        r2=1.0 - float(np.sum(residual**2)) / variance if variance > 0.0 else math.nan,
        mape=float(np.mean(relative_errors(measured, residual))),
        rmse=float(np.sqrt(np.mean(residual**2))),
    )


def bin_errors(position: Array, edges: Sequence[float], measured: Array, residual: Array) -> tuple[BinError, ...]:
    """Errors by bin of `position`; a bin that holds nothing is listed with count 0 and NaN."""
    relative = relative_errors(measured, residual)
    bins = []
    for index in range(len(edges) - 1):
        low, high = edges[index], edges[index + 1]
        inside = (position >= low) & (position < high)
        values = [float(np.mean(x[inside])) if inside.any() else math.nan for x in (measured, residual, relative)]
        bins.append(BinError(low, high, int(np.sum(inside)), *values))
    return tuple(bins)
