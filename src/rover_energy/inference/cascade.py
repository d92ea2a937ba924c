"""E-LANG: a small network always answers; where its energy score is high, the large one is asked as well.

Akbari et al. 2022, "E-LANG: Energy-based joint inferencing of super and swift language models", arXiv 2203.00748. The
score is the free energy of the small network's logits; the threshold follows from the joules left.

The score needs logits whose level means something. Training by softmax alone leaves it open; a network that also learns each
class against the rest (`learning.classifiers.distil_swift`) is told apart by it almost as well as by max-softmax.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]


def free_energy(logits: ArrayLike, temperature: float = 1.0) -> Array:
    """-T log sum exp(f/T) of logits (n, classes): low where the network is sure. (n,) [-]."""
    scaled = np.asarray(logits, dtype=float) / temperature
    top = scaled.max(axis=-1)
    score: Array = -temperature * (top + np.log(np.exp(scaled - top[..., None]).sum(axis=-1)))
    return score


def softmax(logits: ArrayLike) -> Array:
    """Probabilities (n, classes)."""
    scaled = np.asarray(logits, dtype=float)
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    share: Array = weights / weights.sum(axis=-1, keepdims=True)
    return share


def max_softmax(logits: ArrayLike) -> Array:
    """1 - the largest probability (n,): the plain baseline to the energy score."""
    score: Array = 1.0 - softmax(logits).max(axis=-1)
    return score


def entropy(logits: ArrayLike) -> Array:
    """Entropy of the probabilities (n,) [nat]: the other baseline."""
    p = softmax(logits)
    score: Array = -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1)
    return score


@dataclass(frozen=True)
class Cascade:
    """A calibrated cascade. scores: of calibration data, rising (n,). swift, super_: joules of one answer of either [J]."""

    scores: Array
    swift: float
    super_: float

    @classmethod
    def calibrate(cls, scores: ArrayLike, swift: float, super_: float) -> Cascade:
        """From scores of the small network on data like those to come. Raises InputError for NaN or too few."""
        found = np.sort(np.asarray(scores, dtype=float))
        if len(found) < 2 or not np.all(np.isfinite(found)):
            raise InputError("cascade", "scores", "are fewer than 2 or not finite", "calibrate on more data")
        if not 0.0 < swift < math.inf or not 0.0 < super_ < math.inf:
            raise InputError("cascade", "energy", "is not above 0", "meter both networks", (swift, super_))
        return cls(found, swift, super_)

    def threshold_for_share(self, share: float) -> float:
        """Score above which so large a share of the calibration data goes to the large network."""
        if not share > 0.0:
            return math.inf
        return -math.inf if share >= 1.0 else float(np.quantile(self.scores, 1.0 - share))

    def threshold_for_energy(self, joules: float, requests: float) -> float:
        """Threshold at which the expected energy of so many requests is what is left [J].

        Solves swift + P(F > threshold) super = joules/requests. Infinite, so that the small network answers alone, when
        there is no more than that, or when nothing is known.
        """
        if not (joules >= 0.0 and requests > 0.0):
            return math.inf
        return self.threshold_for_share((joules / requests - self.swift) / self.super_)

    def energy(self, share: float) -> float:
        """Expected energy of a request [J] when so large a share goes up."""
        return self.swift + share * self.super_

    def route_up(self, score: float, threshold: float) -> bool:
        """Ask the large network; what is not a number goes up, unless nothing may."""
        return threshold < math.inf and not score <= threshold


def accuracy_curve(scores: ArrayLike, swift_right: ArrayLike, super_right: ArrayLike) -> Array:
    """Accuracy of the cascade when the 0, 1, ... n highest scores go up, (n + 1,)."""
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
    small, large = np.asarray(swift_right, dtype=float)[order], np.asarray(super_right, dtype=float)[order]
    gained = np.concatenate(([0.0], np.cumsum(large - small)))
    curve: Array = (small.sum() + gained) / len(small)
    return curve


def area_under(curve: ArrayLike) -> float:
    """Mean accuracy over all shares, by trapezoids."""
    values = np.asarray(curve, dtype=float)
    return float(np.trapezoid(values, dx=1.0 / (len(values) - 1)))


def cheapest_share(scores: ArrayLike, swift_right: ArrayLike, super_right: ArrayLike, *, drop: float) -> float:
    """Least share that goes up at which accuracy is no more than `drop` below the large network's; on calibration data."""
    curve = accuracy_curve(scores, swift_right, super_right)
    wanted = float(np.mean(np.asarray(super_right, dtype=float))) - drop
    enough = np.flatnonzero(curve >= wanted - 1e-12)
    return float(enough[0] / (len(curve) - 1)) if len(enough) else 1.0


Score = Callable[[ArrayLike], Array]
SCORES: dict[str, Score] = {"energy": free_energy, "max-softmax": max_softmax, "entropy": entropy}
