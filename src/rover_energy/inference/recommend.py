"""GREEN: from predicted accuracy and energy of candidate networks, the Pareto front and a weighted recommendation.

Betello et al. 2025, "Green Recommender / EcoTaskSet", arXiv 2505.01468: predict, keep the front, filter by the least
accuracy, rank by a weighted sum of min-max-scaled objectives; judged by hyper-volume and NDCG.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]


def pareto(quality: ArrayLike, energy: ArrayLike) -> NDArray[np.int64]:
    """Indices of what nothing else beats in both, by rising energy; of equals, all."""
    q, e = np.asarray(quality, dtype=float), np.asarray(energy, dtype=float)
    best, front, at = -math.inf, [], -math.inf
    for i in np.lexsort((-q, e)):
        if q[i] > best or (q[i] == best and e[i] == at):
            best, at = q[i], e[i]
            front.append(int(i))
    return np.array(front, dtype=np.int64)


def hypervolume(quality: ArrayLike, energy: ArrayLike, *, worst_quality: float, worst_energy: float) -> float:
    """Area between a front and the worst point. Quality counts up, energy down; points beyond the worst add nothing."""
    q, e = np.asarray(quality, dtype=float), np.asarray(energy, dtype=float)
    inside = (q > worst_quality) & (e < worst_energy)
    q, e = q[inside], e[inside]
    front = pareto(q, e)
    area, reached = 0.0, worst_quality
    for i in front:
        area += max(0.0, q[i] - reached) * (worst_energy - e[i])
        reached = max(reached, q[i])
    return float(area)


def scores(quality: ArrayLike, energy: ArrayLike, weight: float) -> Array:
    """weight x scaled quality + (1 - weight) x (1 - scaled energy), each scaled to 0..1 over the candidates. (n,)."""
    if not 0.0 <= weight <= 1.0:
        raise InputError("recommendation", "weight", "is not within 0 .. 1", "give the weight of quality", weight)
    scaled: Array = weight * _scaled(quality) + (1.0 - weight) * (1.0 - _scaled(energy))
    return scaled


def _scaled(values: ArrayLike) -> Array:
    v = np.asarray(values, dtype=float)
    span = float(np.ptp(v))
    scaled: Array = (v - v.min()) / span if span > 0.0 else np.zeros_like(v)
    return scaled


def recommend(quality: ArrayLike, energy: ArrayLike, weight: float, *, least: float = 0.0) -> NDArray[np.int64]:
    """Members of the front of at least quality `least`, best score first; the best alone when none is that good."""
    q = np.asarray(quality, dtype=float)
    front = pareto(quality, energy)
    good = front[q[front] >= least]
    if not len(good):
        return np.array([front[int(np.argmax(q[front]))]])
    ranked: NDArray[np.int64] = good[np.argsort(-scores(quality, energy, weight)[good], kind="stable")]
    return ranked


def cheapest_within(quality: ArrayLike, energy: ArrayLike, drop: float) -> int:
    """The cheapest candidate whose quality is no more than `drop` below the best one's."""
    q, e = np.asarray(quality, dtype=float), np.asarray(energy, dtype=float)
    return int(np.argmin(np.where(q >= q.max() - drop, e, np.inf)))


def ndcg(relevance: ArrayLike, order: Sequence[int], at: int) -> float:
    """Normalised discounted cumulative gain of the first `at` of an order [0..1]; 1 for the ideal order.

    Jarvelin and Kekalainen 2002, 10.1145/582415.582418, with gains as they are and log2 discounts. NaN without relevance.
    """
    gains = np.asarray(relevance, dtype=float)
    discount = 1.0 / np.log2(np.arange(2, at + 2))
    got = gains[list(order)[:at]]
    ideal = np.sort(gains)[::-1][:at]
    best = float(ideal @ discount[: len(ideal)])
    return float(got @ discount[: len(got)]) / best if best > 0.0 else math.nan
