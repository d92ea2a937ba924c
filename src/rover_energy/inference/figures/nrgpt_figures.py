"""Figures of the telemetry sentinel: NRGPT with P free and P = A^T A, beside plain networks and two detectors without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import MissingExtraError
from rover_energy.inference.extras import need
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.learning import nrgpt
from rover_energy.inference.learning.language import Size, logits, make_weights
from rover_energy.inference.learning.sentinel_build import (
    CALIBRATION,
    EPOCHS,
    FALSE_ALARM,
    RATE,
    SCORE_TOKENS,
    TRAINING,
    area_at,
    auroc,
    network_of,
    stretches,
    train_sentinel,
)  # fmt: skip
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.sentinel import calibrate, scores_of
from rover_energy.inference.tasks.telemetry_faults import CONTEXT, VOCABULARY, make_rows, tokens_of

Array = NDArray[np.float64]
GPT = Size(nrgpt.WIDTH, 3, nrgpt.HEADS)
TREES, TREE_HEIGHT = 15, 8


def area_of(forward: nrgpt.Forward, p: dict[str, Any], nominal: Array, faulty: Array) -> float:
    """The area of a network in torch at its last depth, by the sentinel's score."""
    torch, found = torch_of(), []
    for rows in (nominal, faulty):
        each = nrgpt.surprise(forward, p, torch.from_numpy(tokens_of(rows)))[-1].numpy()
        found.append(scores_of(each, SCORE_TOKENS))
    return auroc(*found)


def trained(p: dict[str, Any], forward: nrgpt.Forward, seed: int) -> dict[str, Any]:
    """The same data, epochs and rate as the sentinel's."""
    tokens = torch_of().from_numpy(tokens_of(make_rows(seed + 1000, TRAINING)))
    nrgpt.train_all_depths(p, forward, tokens, epochs=EPOCHS, rate=RATE, seed=seed)
    return p


def summary(rows: Array) -> Array:
    """Features of a stretch for detectors without a network: of each channel, and of what should agree."""
    steps = np.diff(rows, axis=1)
    parts = [rows.mean(axis=1), rows.std(axis=1), rows[:, -1], np.abs(steps).max(axis=1), steps.mean(axis=1)]
    balance = rows[..., 3]
    pull = rows[..., 1] - 0.4 * rows[..., 0]
    parts += [np.stack([balance.mean(1), balance.std(1), np.ptp(balance, 1), pull.std(1), np.ptp(pull, 1)], axis=1)]
    return np.concatenate(parts, axis=1)


def forest(training: Array, nominal: Array, faulty: Array, seed: int) -> float:
    """Area of an isolation forest: Liu, Ting and Zhou 2008, 10.1109/ICDM.2008.17."""
    ensemble = need("sklearn.ensemble", "the isolation forest", "scikit-learn")
    made = ensemble.IsolationForest(n_estimators=200, random_state=seed, n_jobs=1)
    made.fit(summary(training))
    return auroc(-made.score_samples(summary(nominal)), -made.score_samples(summary(faulty)))


def half_spaces(training: Array, nominal: Array, faulty: Array, seed: int) -> float:
    """Area of half-space trees: Tan, Ting and Liu 2011; NaN without river."""
    try:
        anomaly = need("river.anomaly", "half-space trees", "river")
    except MissingExtraError:
        return float("nan")
    x = summary(training)
    low, high = np.quantile(x, [0.001, 0.999], axis=0)

    def named(rows: Array) -> list[dict[int, float]]:
        share = np.clip((summary(rows) - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
        return [dict(enumerate(row)) for row in share.tolist()]

    trees = anomaly.HalfSpaceTrees(n_trees=TREES, height=TREE_HEIGHT, window_size=250, seed=seed)
    for row in named(training[:1500]):
        trees.learn_one(row)
    return auroc(*([trees.score_one(row) for row in named(rows)] for rows in (nominal, faulty)))


def one_seed(seed: int) -> dict[str, float]:
    """All detectors of a seed, on the same stretches."""
    torch = torch_of()
    nominal, faulty, _ = stretches(seed)
    training = make_rows(seed + 1000, TRAINING)
    free, positive = (train_sentinel(seed, positive=kind) for kind in (False, True))
    sentinel = calibrate(network_of(positive), nrgpt.DEPTH, make_rows(seed + 2000, CALIBRATION), FALSE_ALARM, SCORE_TOKENS)
    other = calibrate(network_of(free), nrgpt.DEPTH, make_rows(seed + 2000, CALIBRATION), FALSE_ALARM, SCORE_TOKENS)
    plain = trained(make_weights(seed, GPT, VOCABULARY, CONTEXT), gpt_forward, seed)
    recurrent = trained(nrgpt.make_recurrent(seed, VOCABULARY, CONTEXT), nrgpt.run_recurrent, seed)
    tokens = torch.from_numpy(tokens_of(nominal[:300]))[:, :-1]
    down, down_free = (np.diff(nrgpt.energies(p, tokens).mean(dim=(1, 2)).numpy()) for p in (positive, free))
    alarms, caught = (
        float(np.mean(scores_of(sentinel.surprise(rows, nrgpt.DEPTH)[0], SCORE_TOKENS) > sentinel.thresholds[-1]))
        for rows in (nominal, faulty)
    )
    return {
        "positive": area_at(sentinel, nominal, faulty, nrgpt.DEPTH), "free": area_at(other, nominal, faulty, nrgpt.DEPTH),
        "shallow": area_at(sentinel, nominal, faulty, 1), "gpt": area_of(gpt_forward, plain, nominal, faulty),
        "recurrent": area_of(nrgpt.run_recurrent, recurrent, nominal, faulty),
        "forest": forest(training, nominal, faulty, seed), "half spaces": half_spaces(training, nominal, faulty, seed),
        "weights": nrgpt.count_weights(positive) / nrgpt.count_weights(plain), "rise": float(down.max()),
        "rise free": float(down_free.max()), "alarms": 100.0 * alarms, "caught": 100.0 * caught,
    }  # fmt: skip


def gpt_forward(p: dict[str, Any], tokens: Any) -> list[Any]:
    """A plain decoder has one depth."""
    return [logits(p, tokens, GPT)]


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    infinite = float("inf")
    paper = "ListOps, Shakespeare and OpenWebText: other data; here it models no better than a plain transformer"
    return [
        Figure("NRGPT", "area under the curve, P = A'A", column["positive"], 0.85, True, "measured", column["gpt"], "GPT", paper),
        Figure("NRGPT", "area, P free", column["free"], 0.85, True, "measured", column["recurrent"], "recurrent GPT"),
        Figure(
            "NRGPT",
            "area after one recursion",
            column["shallow"],
            infinite,
            True,
            "measured",
            column["forest"],
            "isolation forest",
        ),
        Figure("NRGPT", "area of half-space trees", column["half spaces"], infinite, True, "measured"),
        Figure(
            "NRGPT",
            "greatest step of the mean energy, P = A'A",
            column["rise"],
            0.0,
            False,
            "measured",
            column["rise free"],
            "P free",
        ),
        Figure("NRGPT", "weights over the plain decoder's", column["weights"], 1.0 / 3.0, False, "arithmetic"),
        Figure("NRGPT", "false alarms [% of stretches], set to 1", column["alarms"], 3.0, False, "generated world"),
        Figure("NRGPT", "faults found at that threshold [%]", column["caught"], infinite, True, "generated world"),
    ]
