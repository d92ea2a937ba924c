"""Figures of the tiers: the log's memory with all 27 combinations of tiers, and a chooser that learnt from runs of them all.

Twice: on a log of text lines with operations as prices and a forest as chooser, and for the analyst that flies, with joules of
processor time as prices and a table as chooser.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rover_energy.inference.extras import need
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.learning.analyst_build import TEST_LOGS, TRAINING_LOGS, calibrated, collect, evaluate, learn, meter
from rover_energy.inference.tasks.telemetry_log import MODULES, Question, answer, ask, right, write_log
from rover_energy.inference.tiers import choose_by_price, choose_by_quality, combinations, fixed, outcome, threshold_for

Array = NDArray[np.float64]
TRAINING, CALIBRATION, TEST = 900, 400, 1000
PRICES = np.geomspace(1e-5, 1e-1, 25)


def runs(seed: int) -> tuple[list[Question], Array, Array]:
    """Questions, and quality and price of every combination for each: (n, 27)."""
    log = write_log(seed)
    questions = ask(log, seed + 1000, TRAINING + CALIBRATION + TEST)
    arms = combinations(len(MODULES))
    quality, price = np.empty((2, len(questions), len(arms)))
    for i, question in enumerate(questions):
        for j, arm in enumerate(arms):
            given, price[i, j] = answer(log, question, arm)
            quality[i, j] = right(given, question)
    return questions, quality, price


def features(questions: Sequence[Question]) -> Array:
    """Bag of words, and the sol as a number: all that is known before anything is run."""
    words = sorted({w for q in questions for w in q.text.split() if not w.isdigit()})
    rows = [[float(w in q.text.split()) for w in words] + [float(q.sol if "sol" in q.text else -1)] for q in questions]
    return np.array(rows)


def one_seed(seed: int) -> dict[str, float]:
    """Train on runs of all combinations, calibrate the threshold, test."""
    forest = need("sklearn.ensemble", "the chooser of tiers", "scikit-learn").ExtraTreesRegressor
    questions, quality, price = runs(seed)
    x = features(questions)
    train, calibrate, test = np.split(np.arange(len(x)), [TRAINING, TRAINING + CALIBRATION])
    model = forest(60, min_samples_leaf=2, random_state=seed, n_jobs=1).fit(x[train], quality[train])
    mean_price = price[train].mean(axis=0)
    expected = model.predict(x[calibrate])
    high = fixed(quality[calibrate], price[calibrate])[-1]
    threshold = threshold_for(expected, quality[calibrate], mean_price, np.linspace(0.05, 1.0, 39).tolist(), high[0] - 0.005)
    predicted = model.predict(x[test])
    own = outcome(choose_by_quality(predicted, mean_price, threshold), quality[test], price[test])
    constant = fixed(quality[test], price[test])
    high = constant[-1]
    below = [q for q, c in constant if c <= own[1]]
    spent = [outcome(choose_by_price(predicted, mean_price, w), quality[test], price[test])[1] for w in PRICES]
    cheapest = np.where(quality[test] > 0.0, price[test], np.inf).min(axis=1)
    oracle = np.where(np.isfinite(cheapest), cheapest, price[test].min(axis=1))
    return {
        "saving": 100.0 * (1.0 - own[1] / high[1]), "loss": 100.0 * (high[0] - own[0]),
        "above_fixed": 100.0 * (own[0] - max(below, default=0.0)), "rises": float(np.sum(np.diff(spent) > 1e-9)),
        "oracle": 100.0 * (1.0 - float(oracle.mean()) / high[1]),
    }  # fmt: skip


def analyst_seed(seed: int, prices: tuple[float, ...]) -> dict[str, float]:
    """The analyst on event logs: table from some logs, threshold from others, test on others again."""
    first = 1000 * (seed + 1)
    made = learn(*collect(range(first, first + TRAINING_LOGS)), prices)
    made = calibrated(made, *collect(range(first + 100, first + 100 + TEST_LOGS)))
    cells, quality, counts, lengths = collect(range(first + 200, first + 200 + TEST_LOGS))
    expected, costs, true = evaluate(made, cells, counts, lengths)
    constant = fixed(quality, true)
    high = constant[-1]
    own = outcome(choose_by_quality(expected, costs, made.thresholds["full"]), quality, true)
    spent = [outcome(choose_by_price(expected, costs, w), quality, costs)[1] for w in PRICES / costs.mean()]
    cheapest = np.where(quality > 0.0, true, np.inf).min(axis=1)
    return {
        "saving": 100.0 * (1.0 - own[1] / high[1]), "loss": 100.0 * (high[0] - own[0]),
        "above_fixed": 100.0 * (own[0] - max((q for q, c in constant if c <= own[1]), default=0.0)),
        "rises": float(np.sum(np.diff(spent) > 1e-12)),
        "oracle": 100.0 * (1.0 - float(np.where(np.isfinite(cheapest), cheapest, true.min(axis=1)).mean()) / high[1]),
    }  # fmt: skip


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    prices = meter()
    flown = [analyst_seed(seed, prices) for seed in seeds]
    analyst = {name: tuple(f[name] for f in flown) for name in flown[0]}
    paper = "LoCoMo, LongMemEval and HotpotQA need language models: not comparable"
    kind = "generated world"
    return [
        Figure(
            "BudgetMem",
            "operations saved against all high [%]",
            column["saving"],
            25.0,
            True,
            kind,
            column["oracle"],
            "known",
            paper,
        ),
        Figure("BudgetMem", "quality lost against all high [pt]", column["loss"], 1.0, False, kind),
        Figure("BudgetMem", "quality above the best fixed tiers at its cost [pt]", column["above_fixed"], 0.0, True, kind),
        Figure("BudgetMem", "times that cost rises with its price", column["rises"], 0.0, False, kind),
        Figure("analyst", "joules saved against all high [%]", analyst["saving"], 25.0, True, kind, analyst["oracle"], "known"),
        Figure("analyst", "right answers lost against all high [pt]", analyst["loss"], 1.0, False, kind),
        Figure("analyst", "above the best fixed tiers at its cost [pt]", analyst["above_fixed"], 0.0, True, kind),
        Figure("analyst", "times that cost rises with its price", analyst["rises"], 0.0, False, kind),
    ]
