"""Figures of deep activation quantisation at three bits, beside direct quantisation and ranges of least square error."""

from __future__ import annotations

from collections.abc import Sequence

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.terrain_networks import terrain
from rover_energy.inference.learning.activations import Quantised, calibrate
from rover_energy.inference.learning.tools import accuracy

BITS, EXTRA, SHARE = 3, 2, 0.5


def one_seed(seed: int) -> dict[str, float]:
    """Ranges from calibration data, accuracies on test data."""
    data, network, _ = terrain(seed)
    plain, least = (calibrate(network, data.calibration_x[:500], BITS, by_error=flag) for flag in (False, True))
    deep = Quantised(network, plain, BITS, EXTRA, SHARE)

    def right(made: Quantised) -> float:
        return 100.0 * accuracy(made, data.test_x, data.test_y)

    direct = right(Quantised(network, plain, BITS))
    coarse = calibrate(network, data.calibration_x[:500], 2)
    rough, finer = right(Quantised(network, coarse, 2)), right(Quantised(network, coarse, 2, EXTRA, SHARE))
    bits, exact = deep.stored_bits(data.test_x[:300])
    return {
        "gain": right(deep) - direct,
        "gain 2": finer - rough,
        "deep 2": finer, "bits": bits, "exact": float(exact), "deep": right(deep), "direct": direct,
        "least": right(Quantised(network, least, BITS)), "least gain": right(Quantised(network, least, BITS)) - direct,
        "full": 100.0 * accuracy(network, data.test_x, data.test_y),
    }  # fmt: skip


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "up to +29.28 pt on CIFAR-10: other network and data"
    return [
        Figure("DQA", "accuracy at 3 bits [%]", column["deep"], float("inf"), True, "measured", column["full"], "fp32"),
        Figure(
            "DQA",
            "gain over direct at 3 bits [pt]",
            column["gain"],
            8.0,
            True,
            "measured",
            column["least gain"],
            "MSE ranges",
            paper,
        ),
        Figure("DQA", "gain over direct at 2 bits [pt]", column["gain 2"], float("inf"), True, "measured"),
        Figure("DQA", "stored bits per activation", column["bits"], 4.0, False, "measured", (3.0,) * len(found), "direct"),
        Figure("DQA", "codes that come back exactly", column["exact"], 1.0, True, "measured"),
    ]
