"""Figures of deep activation quantisation at three bits, beside direct quantisation and ranges of least square error.

On a deep and thin network, where the errors of direct quantisation add up, and on the wide one of five layers, where
direct quantisation loses little and there is little to gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.terrain_networks import terrain
from rover_energy.inference.learning.activations import Quantised, calibrate
from rover_energy.inference.learning.classifiers import Data, train_deep
from rover_energy.inference.learning.tools import accuracy

BITS, EXTRA, SHARE = 3, 2, 0.5
CALIBRATION = 3000  # patches of the training data, for the largest values


def measured(network: Any, data: Data) -> dict[str, float]:
    """Ranges from training data, accuracies on test data."""
    some = data.x[:CALIBRATION]
    plain, least = calibrate(network, some, BITS), calibrate(network, some[:500], BITS, by_error=True)
    deep = Quantised(network, plain, BITS, EXTRA, SHARE)

    def right(made: Any) -> float:
        return 100.0 * accuracy(made, data.test_x, data.test_y)

    direct, bits = right(Quantised(network, plain, BITS)), deep.stored_bits(data.test_x[:300])
    return {
        "full": right(network), "direct": direct, "deep": right(deep), "gain": right(deep) - direct, "bits": bits[0],
        "exact": float(bits[1]), "least gain": right(Quantised(network, least, BITS)) - direct,
    }  # fmt: skip


def one_seed(seed: int) -> dict[str, float]:
    """Both networks of a seed."""
    data, wide, _ = terrain(seed)
    return {**measured(train_deep(data, seed), data), **{f"wide {k}": v for k, v in measured(wide, data).items()}}


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "up to +29.28 pt over direct quantisation on CIFAR-10 at 3 bits: larger networks and pictures"
    kind, ranges = "measured", "MSE ranges"
    return [
        Figure("DQA", "accuracy at 3 bits [%]", column["deep"], math.inf, True, kind, column["full"], "fp32"),
        Figure("DQA", "gain over direct at 3 bits [pt]", column["gain"], 8.0, True, kind, column["least gain"], ranges, paper),
        Figure(
            "DQA", "the same on the wide network [pt]", column["wide gain"], math.inf, True, kind, column["wide least gain"],
            ranges,
        ),
        Figure("DQA", "stored bits per activation", column["bits"], 4.0, False, kind, (3.0,) * len(found), "direct"),
        Figure("DQA", "codes that come back exactly", column["exact"], 1.0, True, kind),
    ]  # fmt: skip
