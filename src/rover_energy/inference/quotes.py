"""The quote: joules predicted before a run, by the linear model of MELODI, with the quantiles that its residuals give.

Husom et al. 2024, arXiv 2407.16893, RQ4: E = b0 + b1 tokens + sum of indicators + sum of (tokens x indicator). Here with
the tokens, patches or whatever the work is counted in, and one indicator per variant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]
TERMS = ("amount", "variant", "interaction", "prompt")
HUBER, ROUNDS = 1.345, 20  # robust standard deviations beyond which a run counts less; rounds of reweighting


@dataclass(frozen=True)
class Quote:
    """Predicted energy [J] of a run: 10 %, 50 % and 90 % of the runs take less."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class QuoteModel:
    """A fitted model. `names`: known variants; `terms`: of `TERMS`; `residuals`: of the fit, relative to the prediction [-]."""

    names: tuple[str, ...]
    terms: tuple[str, ...]
    weights: Array
    residuals: Array
    least: float

    def mean(self, name: str, amount: float, prompt: float = 0.0) -> float:
        """Predicted energy [J]. Raises InputError for an unknown variant or an amount that is not above 0."""
        if name not in self.names:
            raise InputError("quote", "variant", f"has no model (known: {', '.join(self.names)})", "meter it first", name)
        if not (0.0 < amount < math.inf and 0.0 <= prompt < math.inf):
            raise InputError("quote", "amount", "is not a finite number above 0", "give units of work", amount)
        row = design((name,), (amount,), (prompt,), self.names, self.terms)
        return max(self.least, float((row @ self.weights)[0]))

    def quote(self, name: str, amount: float, prompt: float = 0.0) -> Quote:
        """Quantiles of the energy. Raises as `mean`."""
        mean = self.mean(name, amount, prompt)
        low, median, high = (max(self.least, mean * (1.0 + float(q))) for q in np.percentile(self.residuals, (10.0, 50.0, 90.0)))
        return Quote(low, median, high)

    def surprise(self, name: str, amount: float, joules: float, prompt: float = 0.0) -> float:
        """How many robust standard deviations a receipt lies above its quote [-]; large ones hint at a fault.

        The deviation is 1.4826 times the median absolute residual, so that a few odd runs in the fit hide nothing.
        """
        scale = 1.4826 * float(np.median(np.abs(self.residuals - np.median(self.residuals))))
        mean = self.mean(name, amount, prompt)
        return (joules / mean - 1.0 - float(np.median(self.residuals))) / max(scale, 1e-6)


def design(names: Sequence[str], amounts: ArrayLike, prompts: ArrayLike, known: Sequence[str], terms: Sequence[str]) -> Array:
    """Matrix of the linear model: a constant, and the columns of each term. The first known variant is the reference."""
    amount, prompt = np.asarray(amounts, dtype=float), np.asarray(prompts, dtype=float)
    flags = np.array([[float(name == k) for k in known[1:]] for name in names]).reshape(len(names), len(known) - 1)
    parts = {"amount": amount[:, None], "variant": flags, "interaction": flags * amount[:, None], "prompt": prompt[:, None]}
    return np.hstack([np.ones((len(names), 1)), *(parts[term] for term in terms)])


def fit_quotes(
    names: Sequence[str], amounts: ArrayLike, joules: ArrayLike, *, prompts: ArrayLike | None = None,
    terms: Sequence[str] = ("amount", "variant", "interaction"),
) -> QuoteModel:  # fmt: skip
    """Fit by least squares of the relative error, so that small runs count as much as large ones.

    Runs that a busy machine disturbed count less: weights of Huber 1964, 10.1214/aoms/1177703732, with his 1.345 robust
    standard deviations.

    Parameters
    ----------
    names : sequence of str, n
        Variant of each run.
    amounts, joules, prompts : array_like, (n,)
        Units of work, energy [J] above 0, and length of the prompt.
    terms : sequence of str
        Of `TERMS`.

    Raises
    ------
    InputError
        When the shapes do not fit, a value is NaN or not above 0, or there are fewer runs than weights.
    """
    amount, energy = np.asarray(amounts, dtype=float), np.asarray(joules, dtype=float)
    prompt = np.zeros(len(names)) if prompts is None else np.asarray(prompts, dtype=float)
    if not len(names) == len(amount) == len(energy) == len(prompt):
        raise InputError("quote", "runs", "have arrays of different length", "give one value per run")
    if not (np.all(energy > 0.0) and np.all(np.isfinite(energy)) and np.all(amount > 0.0) and np.all(np.isfinite(prompt))):
        raise InputError("quote", "runs", "hold a value that is NaN or not above 0", "leave unmetered runs out")
    if unknown := [term for term in terms if term not in TERMS]:
        raise InputError("quote", "terms", "unknown term", f"use some of {', '.join(TERMS)}", unknown[0])
    known = tuple(dict.fromkeys(names))
    matrix = design(names, amount, prompt, known, terms)
    if len(energy) <= matrix.shape[1]:
        raise InputError("quote", "runs", f"are no more than the {matrix.shape[1]} weights", "meter more runs", len(energy))
    weights = _huber(matrix / energy[:, None])
    least = 0.1 * float(energy.min())
    predicted = np.maximum(matrix @ weights, least)
    return QuoteModel(known, tuple(terms), weights, energy / predicted - 1.0, least)


def _huber(matrix: Array) -> Array:
    """Weights w for which matrix w is near 1, by iteratively reweighted least squares; exact data stay exact."""
    trust = np.ones(len(matrix))
    weights: Array = np.zeros(matrix.shape[1])
    for _ in range(ROUNDS):
        root = np.sqrt(trust)
        weights = np.asarray(np.linalg.lstsq(matrix * root[:, None], root, rcond=None)[0], dtype=float)
        error = np.abs(matrix @ weights - 1.0)
        scale = max(1.4826 * float(np.median(error)), 1e-12)
        trust = np.minimum(1.0, HUBER * scale / np.maximum(error, 1e-12))
    return weights


def determination(observed: ArrayLike, predicted: ArrayLike) -> float:
    """Share of the variance that is explained, R2 [-]; NaN for a constant observation."""
    y, p = np.asarray(observed, dtype=float), np.asarray(predicted, dtype=float)
    spread = float(np.sum((y - y.mean()) ** 2))
    return 1.0 - float(np.sum((y - p) ** 2)) / spread if spread > 0.0 else math.nan
