"""Figures of the choice of experts: ten small classifiers of noisy digits under caps of energy and latency."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.inference.experts import choose_experts, cross_entropy, greedy_experts, mixture
from rover_energy.inference.extras import need
from rover_energy.inference.figures.figure import Figure

Array = NDArray[np.float64]
BUDGETS = 20
RETRAINED = 5  # budgets at which the gate is trained anew, for comparison
STEPS = 300
COPIES, NOISE = 4, 0.35
DECAY = 1e-2
DROPPED = 0.5  # of the experts, in each step of the training of the gate


@dataclass(frozen=True)
class Bench:
    """Experts with their answers. answers: (experts, n, classes) on training, calibration and test data."""

    x: tuple[Array, ...]
    y: tuple[Array, ...]
    answers: tuple[Array, ...]
    energies: Array
    latencies: Array


def build(seed: int) -> Bench:
    """Ten experts: some see a part of the picture, some are shallow. Energies from counted operations."""
    purpose = "the experts of the figures"
    datasets = need("sklearn.datasets", purpose, "scikit-learn")
    rng = np.random.default_rng(seed)
    x, y = datasets.load_digits(return_X_y=True)
    x, y, parts = _noisy(x / 16.0, y, rng)
    answers: list[list[Any]] = [[], [], []]
    operations = []
    for kind, columns in _plans(rng, x.shape[1]):
        model, count = _expert(kind, seed, len(columns))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some are meant to be weak
            model.fit(x[parts[0]][:, columns], y[parts[0]])
        for held, part in zip(answers, parts[1:], strict=True):
            held.append(model.predict_proba(x[part][:, columns]))
        operations.append(count)
    energies = np.array(operations) * 20e-12 * 1e6  # [uJ] at 20 pJ per operation, declared
    latencies = np.array(operations) * 1e-9 + rng.uniform(0.5e-6, 5e-6, len(operations))
    return Bench(
        tuple(x[p] for p in parts[1:]), tuple(y[p] for p in parts[1:]), tuple(np.array(a) for a in answers), energies, latencies
    )


def _noisy(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array, list[NDArray[np.int64]]]:
    """Copies of each picture with noise of their own, and their numbers for experts, gate, choice and test: no picture in two."""
    order = np.split(rng.permutation(len(x)), [400, 1200, 1400])
    x, y = np.repeat(x, COPIES, axis=0), np.repeat(y, COPIES)
    parts = [(COPIES * o[:, None] + np.arange(COPIES)).ravel() for o in order]
    return x + rng.normal(0.0, NOISE, x.shape), y, parts


def _plans(rng: np.random.Generator, width: int) -> list[tuple[str, Array]]:
    kinds = ("linear", "linear", "linear", "tree", "tree", "forest", "neighbours", "network", "network", "bayes")
    sizes = (16, 32, 64, 32, 64, 48, 32, 32, 64, 64)
    return [(kind, np.sort(rng.permutation(width)[:size])) for kind, size in zip(kinds, sizes, strict=True)]


def _expert(kind: str, seed: int, columns: int) -> tuple[Any, float]:
    """A classifier and the operations of one answer."""
    purpose = "the experts of the figures"
    if kind == "linear":
        made = need("sklearn.linear_model", purpose, "scikit-learn").LogisticRegression(max_iter=300), 10.0 * columns
    elif kind == "tree":
        made = need("sklearn.tree", purpose, "scikit-learn").DecisionTreeClassifier(max_depth=8, random_state=seed), 16.0
    elif kind == "forest":
        ensemble = need("sklearn.ensemble", purpose, "scikit-learn")
        made = ensemble.RandomForestClassifier(30, max_depth=8, random_state=seed), 480.0
    elif kind == "neighbours":
        made = need("sklearn.neighbors", purpose, "scikit-learn").KNeighborsClassifier(5), 700.0 * columns
    elif kind == "network":
        networks = need("sklearn.neural_network", purpose, "scikit-learn")
        made = networks.MLPClassifier((columns,), max_iter=60, random_state=seed), columns * (columns + 10.0)
    else:
        made = need("sklearn.naive_bayes", purpose, "scikit-learn").GaussianNB(), 30.0 * columns
    return made


def train_gate(
    x: Array, y: Array, answers: Array, members: Sequence[int], seed: int, *, dropped: float = 0.0
) -> Array:
    """Weights (features + 1, members) of a softmax gate that minimises the mixture's cross-entropy, by Adam.

    `dropped`: share of the experts that each step leaves out at random, and differently for each input, so that the gate
    also learns to choose among those that are left when the best ones do not fit. With 0 it is trained on all together.
    """
    rng = np.random.default_rng(seed)
    features = np.hstack((x, np.ones((len(x), 1))))
    right = answers[list(members)][:, np.arange(len(y)), y.astype(int)].T  # (n, members)
    weights = 0.01 * rng.normal(size=(features.shape[1], len(members)))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        kept = rng.random(right.shape) >= dropped
        kept[np.arange(len(y)), rng.integers(0, len(members), len(y))] = True  # never none
        gate = _softmax(np.where(kept, features @ weights, -np.inf))
        mixed = np.maximum(np.sum(gate * right, axis=1, keepdims=True), 1e-9)
        gradient = -features.T @ (gate * (right / mixed - 1.0)) / len(y) + DECAY * weights
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        weights -= 0.05 * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    share: Array = e / e.sum(axis=1, keepdims=True)
    return share


def gate_of(weights: Array, x: Array) -> Array:
    """Gate weights of inputs (n, members)."""
    return _softmax(np.hstack((x, np.ones((len(x), 1)))) @ weights)


def accuracy(probabilities: Array, labels: Array) -> float:
    """Share of right answers."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def _trained_anew(b: Bench, members: tuple[int, ...], seed: int) -> list[float]:
    """Accuracies with gates that are trained for a subset, with and without leaving experts out."""
    gates = [train_gate(b.x[0], b.y[0], b.answers[0], members, seed, dropped=d) for d in (0.0, DROPPED)]
    return [accuracy(np.einsum("nm,mnc->nc", gate_of(g, b.x[2]), b.answers[2][list(members)]), b.y[2]) for g in gates]


def one_seed(seed: int) -> dict[str, float]:
    """Everything of one seed."""
    b = build(seed)
    n = len(b.energies)
    weights = train_gate(b.x[0], b.y[0], b.answers[0], range(n), seed, dropped=DROPPED)
    gates = [gate_of(weights, x) for x in b.x]
    loss = cache(lambda s: cross_entropy(mixture(gates[1], b.answers[1], s), b.y[1].astype(int)))
    every = [s for k in range(1, n + 1) for s in combinations(range(n), k)]
    equal, greedy_equal, above, gaps, gains = 0, 0, 0, [], []
    budgets = np.geomspace(1.05 * b.energies.min(), 1.01 * b.energies.sum(), BUDGETS)
    for i, budget in enumerate(budgets):
        cap = float(b.latencies.max()) if i % 2 else float(np.quantile(b.latencies, 0.8))
        limits = {"energy": float(budget), "latency": cap}
        found = choose_experts(loss, b.energies, b.latencies, **limits)
        greedy = greedy_experts(loss, b.energies, b.latencies, **limits)
        fitting = [s for s in every if b.energies[list(s)].sum() <= budget and b.latencies[list(s)].max() <= cap]
        if found is None or greedy is None:
            equal += not fitting
            continue
        best = min(fitting, key=loss)
        equal += loss(found.members) == loss(best)
        greedy_equal += loss(greedy.members) == loss(best)
        above += b.energies[list(found.members)].sum() > budget or b.latencies[list(found.members)].max() > cap
        own = accuracy(mixture(gates[2], b.answers[2], found.members), b.y[2])
        singles = [s[0] for s in fitting if len(s) == 1]
        single = min(singles, key=lambda e: loss((e,)))
        gains.append(100.0 * (own - accuracy(b.answers[2][single], b.y[2])))
        if i % (BUDGETS // RETRAINED) == 0:
            gaps.append(100.0 * (max(_trained_anew(b, found.members, seed)) - own))
    return {
        "equal": equal / BUDGETS, "greedy": greedy_equal / BUDGETS, "above": float(above), "gap": max(gaps),
        "gain": float(np.median(gains)),
    }  # fmt: skip


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "up to +14.4 % on MMLU with language models: other models and data, not comparable"
    kind = "generated world"
    return [
        Figure(
            "MoE^2",
            "choices equal to all subsets, 20 budgets",
            column["equal"],
            1.0,
            True,
            kind,
            column["greedy"],
            "greedy",
            paper,
        ),
        Figure("MoE^2", "choices above a cap", column["above"], 0.0, False, kind),
        Figure("MoE^2", "gain of a gate trained anew, largest [pt]", column["gap"], 1.5, False, kind),
        Figure("MoE^2", "gain over the best single expert [pt]", column["gain"], float("inf"), True, kind),
    ]
