"""BudgetMem: every module of the memory runs at a low, middle or high tier; a learned chooser picks the cheapest that will do.

After "Learning query-aware budget-tier routing for runtime agent memory", arXiv 2602.06025. That work trains a router by
PPO; here the expected quality of every combination of tiers is learned from runs of all of them, which is affordable on
board logs and steadier, and the cheapest combination that is good enough is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]
LOW, MID, HIGH = 0, 1, 2
NAMES = ("low", "mid", "high")


def combinations(modules: int) -> list[tuple[int, ...]]:
    """Every combination of tiers of so many modules."""
    return list(product((LOW, MID, HIGH), repeat=modules))


@dataclass(frozen=True)
class TierChoice:
    """Chosen combination for each query (n,) and the quality expected of it (n,)."""

    arm: NDArray[np.int64]
    expected: Array


def choose_by_quality(expected: ArrayLike, costs: ArrayLike, threshold: float) -> TierChoice:
    """For each query the cheapest combination whose expected quality is `threshold` or more; else the best one.

    Parameters
    ----------
    expected : array_like, (n, arms)
        Expected quality [0..1].
    costs : array_like, (n, arms) or (arms,)
        Joules, tokens or whatever it costs, 0 or more.
    """
    quality, price = _checked(expected, costs)
    enough = quality >= min(max(threshold, 0.0), 1.0)
    cheapest = np.argmin(np.where(enough, price, np.inf), axis=1)
    best = np.argmax(quality - 1e-9 * price / max(float(price.max()), 1e-300), axis=1)
    arm = np.where(enough.any(axis=1), cheapest, best)
    return TierChoice(arm, quality[np.arange(len(arm)), arm])


def choose_by_price(expected: ArrayLike, costs: ArrayLike, weight: float) -> TierChoice:
    """For each query the combination of greatest quality - weight x cost; its cost never rises with the weight."""
    quality, price = _checked(expected, costs)
    if not 0.0 <= weight < math.inf:
        raise InputError("tiers", "weight", "is not a finite number of 0 or more", "give the price of cost", weight)
    value = quality - weight * price
    top = value.max(axis=1, keepdims=True)
    arm = np.argmin(np.where(value >= top - 1e-12, price, np.inf), axis=1)
    return TierChoice(arm, quality[np.arange(len(arm)), arm])


def _checked(expected: ArrayLike, costs: ArrayLike) -> tuple[Array, Array]:
    quality = np.asarray(expected, dtype=float)
    price = np.broadcast_to(np.asarray(costs, dtype=float), quality.shape)
    if not (np.all(np.isfinite(quality)) and np.all(price >= 0.0) and np.all(np.isfinite(price))):
        raise InputError("tiers", "expected, costs", "hold NaN or a negative cost", "give finite values")
    return quality, price


def outcome(choice: TierChoice, quality: ArrayLike, costs: ArrayLike) -> tuple[float, float]:
    """Mean quality and mean cost of a choice, by the true values (n, arms)."""
    right, price = _checked(quality, costs)
    rows = np.arange(len(choice.arm))
    return float(right[rows, choice.arm].mean()), float(price[rows, choice.arm].mean())


def fixed(quality: ArrayLike, costs: ArrayLike) -> list[tuple[float, float]]:
    """Mean quality and cost of every combination when it is always taken."""
    right, price = _checked(quality, costs)
    return [(float(q), float(c)) for q, c in zip(right.mean(axis=0), price.mean(axis=0), strict=True)]


def threshold_for(expected: ArrayLike, quality: ArrayLike, costs: ArrayLike, thresholds: Sequence[float], wanted: float) -> float:
    """The threshold that is cheapest on calibration data while its mean quality is `wanted` or more; the highest otherwise."""
    found = [(outcome(choose_by_quality(expected, costs, t), quality, costs), t) for t in thresholds]
    good = [(cost, t) for (right, cost), t in found if right >= wanted]
    return min(good)[1] if good else max(thresholds)
