"""Figures of the cascade: Swift and Super on generated terrain, the energy score beside max-softmax, entropy and chance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from rover_energy.inference.cascade import SCORES, Cascade, Score, accuracy_curve, area_under, free_energy
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.terrain_networks import terrain
from rover_energy.inference.learning.classifiers import operations
from rover_energy.inference.learning.tools import logits_of, torch_of
from rover_energy.inference.tasks.terrain_patches import make_patches

SAVED = 3.0  # operations that the threshold is set for on calibration data; the energy left sets it on board
CALIBRATION, TEST = 6000, 30_000  # patches; on 6000 the area above chance has a standard deviation of .0013, a third of its bound
TEMPERATURES = (0.1, 0.25, 0.5, 1.0, 2.0)  # of the free energy; the paper has 1


def more_patches(seed: int, count: int) -> tuple[Any, Any]:
    """Patches and classes that no network was trained on."""
    x, y = make_patches(seed, count)
    return torch_of().from_numpy(x), torch_of().from_numpy(y)


def _area(scores: Any, right: dict[str, Any]) -> float:
    return area_under(accuracy_curve(scores, right["small"], right["large"]))


def one_seed(seed: int) -> dict[str, float]:
    """Temperature and thresholds from calibration data, everything else on test data."""
    _, large, small = terrain(seed)
    swift, super_ = float(sum(operations(small))), float(sum(operations(large)))
    found: dict[str, float] = {}
    right: dict[str, dict[str, Any]] = {}
    for part, x, y in (("c", *more_patches(4000 + seed, CALIBRATION)), ("t", *more_patches(5000 + seed, TEST))):
        logits = {name: logits_of(network, x).numpy() for name, network in (("small", small), ("large", large))}
        right[part] = {name: logits[name].argmax(axis=1) == y.numpy() for name in logits}
        right[part]["logits"] = logits["small"]
    temperature = max(TEMPERATURES, key=lambda t: _area(free_energy(right["c"]["logits"], t), right["c"]))
    scores: dict[str, Score] = {**SCORES, "energy": partial(free_energy, temperature=temperature)}
    for name, score in scores.items():
        calibrated, tested = score(right["c"]["logits"]), score(right["t"]["logits"])
        cascade = Cascade.calibrate(calibrated, swift, super_)
        threshold = cascade.threshold_for_energy(super_ / SAVED, 1.0)
        up = tested > threshold
        accuracy = np.where(up, right["t"]["large"], right["t"]["small"]).mean()
        found[f"{name} saving"] = super_ / (swift + float(up.mean()) * super_)
        found[f"{name} drop"] = 100.0 * float(right["t"]["large"].mean() - accuracy)
        found[f"{name} area"] = _area(tested, right["t"])
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
