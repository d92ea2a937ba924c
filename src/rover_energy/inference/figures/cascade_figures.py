"""Figures of the cascade: Swift and Super on generated terrain, the energy score beside max-softmax, entropy and chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rover_energy.inference.cascade import SCORES, accuracy_curve, area_under, cheapest_share
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.terrain_networks import terrain
from rover_energy.inference.learning.classifiers import operations
from rover_energy.inference.learning.tools import logits_of

DROP = 0.002  # on calibration data; 0.5 pt on test data is wanted


def one_seed(seed: int) -> dict[str, float]:
    """Thresholds from calibration data, everything else on test data."""
    data, large, small = terrain(seed)
    swift, super_ = float(sum(operations(small))), float(sum(operations(large)))
    found: dict[str, float] = {}
    right = {}
    for part, x, y in (("c", data.calibration_x, data.calibration_y), ("t", data.test_x, data.test_y)):
        logits = {name: logits_of(network, x).numpy() for name, network in (("small", small), ("large", large))}
        right[part] = {name: logits[name].argmax(axis=1) == y.numpy() for name in logits}
        right[part]["logits"] = logits["small"]
    for name, score in SCORES.items():
        calibrated, tested = score(right["c"]["logits"]), score(right["t"]["logits"])
        share = cheapest_share(calibrated, right["c"]["small"], right["c"]["large"], drop=DROP)
        threshold = np.quantile(calibrated, 1.0 - share)
        up = tested > threshold
        accuracy = np.where(up, right["t"]["large"], right["t"]["small"]).mean()
        found[f"{name} saving"] = super_ / (swift + float(up.mean()) * super_)
        found[f"{name} drop"] = 100.0 * float(right["t"]["large"].mean() - accuracy)
        found[f"{name} area"] = area_under(accuracy_curve(tested, right["t"]["small"], right["t"]["large"]))
    found["random area"] = float(0.5 * (right["t"]["small"].mean() + right["t"]["large"].mean()))
    found["gain"] = found["energy area"] - found["random area"]
    found["softmax gain"] = found["max-softmax area"] - found["random area"]
    return found


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "3.3x on GLUE with BERT: other models; the way of choosing is the same"
    kind, softmax = "operation model", "max-softmax"
    return [
        Figure(
            "E-LANG",
            "operations saved, factor",
            column["energy saving"],
            2.0,
            True,
            kind,
            column[f"{softmax} saving"],
            softmax,
            paper,
        ),
        Figure(
            "E-LANG", "accuracy lost by that [pt]", column["energy drop"], 0.5, False, kind, column[f"{softmax} drop"], softmax
        ),
        Figure("E-LANG", "area above chance", column["gain"], 0.004, True, kind, column["softmax gain"], softmax),
    ]
