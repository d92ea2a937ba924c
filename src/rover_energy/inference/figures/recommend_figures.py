"""Figures of the recommendation: predicted accuracy and energy of sixty ways to learn on a data set never seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from rover_energy.inference.extras import need
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.recommend import cheapest_within, hypervolume, ndcg, pareto, scores
from rover_energy.inference.tasks.run_base import Run, run_all

DROP = 0.0135  # of predicted accuracy: what is really lost is less on most data sets and more on a few
WEIGHT = 0.5
TREES = 100


def predict(known: Sequence[Run], asked: Sequence[Run], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted accuracy, but for a constant of the data set, and energy [J]."""
    forest = need("sklearn.ensemble", "the recommendation", "scikit-learn").ExtraTreesRegressor
    x, new = np.array([r.features for r in known]), np.array([r.features for r in asked])
    best: dict[str, float] = {}
    for r in known:
        best[r.dataset] = max(best.get(r.dataset, 0.0), r.accuracy)
    behind = np.array([r.accuracy - best[r.dataset] for r in known])
    quality = 1.0 + forest(TREES, max_features=0.5, random_state=seed).fit(x, behind).predict(new)
    joules = forest(TREES, min_samples_leaf=2, random_state=seed).fit(x, np.log([r.energy for r in known])).predict(new)
    return quality, np.exp(joules)


def one_seed(seed: int) -> dict[str, float]:
    """Leave one data set out after the other; means over them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few steps do not converge: that is one of the settings
        runs = run_all(seed)
    found: dict[str, list[float]] = {"volume": [], "random": [], "ndcg": [], "saving": [], "loss": []}
    rng = np.random.default_rng(seed)
    for name in dict.fromkeys(r.dataset for r in runs):
        asked, known = [r for r in runs if r.dataset == name], [r for r in runs if r.dataset != name]
        quality, energy = predict(known, asked, seed)
        true_q, true_e = np.array([r.accuracy for r in asked]), np.array([r.energy for r in asked])
        logs = np.log(true_e)
        worst = {"worst_quality": float(true_q.min()) - 1e-9, "worst_energy": float(logs.max()) + 1e-9}
        front = pareto(quality, energy)
        whole = hypervolume(true_q, logs, **worst)
        found["volume"].append(hypervolume(true_q[front], logs[front], **worst) / whole)
        chance = rng.permutation(len(asked))[: len(front)]
        found["random"].append(hypervolume(true_q[chance], logs[chance], **worst) / whole)
        order = np.argsort(-scores(quality, np.log(energy), WEIGHT)).tolist()
        found["ndcg"].append(ndcg(scores(true_q, logs, WEIGHT), order, 5))
        best, chosen = int(np.argmax(quality)), cheapest_within(quality, energy, DROP)
        found["saving"].append(1.0 - true_e[chosen] / true_e[best])
        found["loss"].append(true_q[best] - true_q[chosen])
    return {name: float(np.mean(values)) * (100.0 if name in ("saving", "loss") else 1.0) for name, values in found.items()}


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "1767 runs of large models, from their own store: the method is the same, the figures are not comparable"
    kind = "measured"  # accuracies; energies by the processor-time model
    return [
        Figure(
            "GREEN", "hyper-volume of the predicted front", column["volume"], 0.90, True, kind, column["random"], "random", paper
        ),
        Figure("GREEN", "NDCG at 5", column["ndcg"], 0.90, True, kind),
        Figure("GREEN", f"energy saved within {100.0 * DROP:g} predicted pt [%]", column["saving"], 25.0, True, kind),
        Figure("GREEN", "accuracy lost by that [pt]", column["loss"], 1.0, False, kind),
    ]
