"""MoE^2: which experts are powered under caps of energy and latency, mixed by a gate that was trained once.

Jin et al. 2025, "MoE^2: Optimizing collaborative inference for edge large language models", arXiv 2501.09410. The gate is
trained on all experts; for a subset its weights are renormalised. The subset is searched exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]
MOST = 12  # experts; beyond, the number of subsets is too large to search all


@dataclass(frozen=True)
class Chosen:
    """Best subset (indices, rising), its loss, and how many subsets were looked at."""

    members: tuple[int, ...]
    loss: float
    visited: int


def renormalised(gate: ArrayLike, members: Sequence[int]) -> Array:
    """Gate weights (n, experts) of a subset, adding up to 1: (n, members)."""
    weights = np.asarray(gate, dtype=float)[:, list(members)]
    share: Array = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    return share


def mixture(gate: ArrayLike, answers: ArrayLike, members: Sequence[int]) -> Array:
    """Probabilities (n, classes) of a subset; answers: those of every expert (experts, n, classes)."""
    mixed: Array = np.einsum("nm,mnc->nc", renormalised(gate, members), np.asarray(answers, dtype=float)[list(members)])
    return mixed


def cross_entropy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of -log p of the right class [nat]."""
    p = np.asarray(probabilities, dtype=float)
    return float(-np.mean(np.log(np.maximum(p[np.arange(len(p)), np.asarray(labels)], 1e-12))))


def choose_experts(
    loss: Callable[[tuple[int, ...]], float], energies: ArrayLike, latencies: ArrayLike, *, energy: float, latency: float
) -> Chosen | None:
    """The subset of least loss within both caps; None when not even one expert fits.

    Energy of a subset is the sum, latency the largest of its experts' (they run side by side). Both only grow with the
    subset, so a branch ends where a cap is passed; the loss is not monotone with a gate that is trained once, so nothing
    is concluded from it. Exact.

    Parameters
    ----------
    loss : callable
        Loss of a subset, given as rising indices.
    energies, latencies : array_like, (experts,)
        [J], [s], 0 or more.
    energy, latency : float
        Caps [J], [s].

    Raises
    ------
    InputError
        For more than `MOST` experts, NaN or negative values.
    """
    joules, seconds = np.asarray(energies, dtype=float), np.asarray(latencies, dtype=float)
    if not (np.all(joules >= 0.0) and np.all(seconds >= 0.0) and len(joules) == len(seconds)):
        raise InputError("experts", "energies, latencies", "are NaN, negative or of different number", "give one each per expert")
    if math.isnan(energy) or math.isnan(latency):
        raise InputError("experts", "caps", "are NaN", "give joules and seconds", (energy, latency))
    if len(joules) > MOST:
        raise InputError("experts", "number", f"is above {MOST}", "group the experts", len(joules))
    usable = [i for i in range(len(joules)) if seconds[i] <= latency]
    best: Chosen | None = None
    visited = 0
    stack: list[tuple[tuple[int, ...], int, float]] = [((), 0, 0.0)]
    while stack:
        members, following, taken = stack.pop()
        for at in range(following, len(usable)):
            total = taken + float(joules[usable[at]])
            if total > energy:
                continue
            grown = (*members, usable[at])
            visited += 1
            value = loss(grown)
            if best is None or value < best.loss:
                best = Chosen(grown, value, visited)
            stack.append((grown, at + 1, total))
    return None if best is None else Chosen(best.members, best.loss, visited)


def greedy_experts(
    loss: Callable[[tuple[int, ...]], float], energies: ArrayLike, latencies: ArrayLike, *, energy: float, latency: float
) -> Chosen | None:
    """The baseline: add the expert that helps most while it fits and helps."""
    joules, seconds = np.asarray(energies, dtype=float), np.asarray(latencies, dtype=float)
    members: tuple[int, ...] = ()
    value, visited = math.inf, 0
    while True:
        taken = float(joules[list(members)].sum())
        left = [i for i in range(len(joules)) if i not in members and seconds[i] <= latency and taken + joules[i] <= energy]
        found = [(loss(tuple(sorted((*members, i)))), i) for i in left]
        visited += len(found)
        if not found or min(found)[0] >= value:
            return Chosen(members, value, visited) if members else None
        value, i = min(found)
        members = tuple(sorted((*members, i)))
