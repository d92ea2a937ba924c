"""Figures of integer quantisation with learnt ranges, on a decoder with loud channels."""

from __future__ import annotations

from collections.abc import Sequence

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.telemetry_networks import SIZE, data, decoder
from rover_energy.inference.learning.integers import mobile_quant, naive, smooth_quant, with_outliers
from rover_energy.inference.learning.language import score


def one_seed(seed: int) -> dict[str, float]:
    """Negative log-likelihoods of every way to quantise."""
    _, calibration, test = data(seed)
    calibration = calibration[:, :-1]  # the last token is only ever asked for
    p = with_outliers(decoder(seed), SIZE, seed)
    found = {"full": score(p, test, SIZE)}
    for bits in (8, 4):
        found[f"naive {bits}"] = score(p, test, SIZE, naive(p, calibration, SIZE, bits))
        found[f"smooth {bits}"] = score(p, test, SIZE, smooth_quant(p, calibration, SIZE, bits))
        found[f"mobile {bits}"] = score(p, test, SIZE, mobile_quant(p, calibration, SIZE, bits, seed))
    gap, rest = found["naive 4"] - found["full"], found["mobile 4"] - found["full"]
    found["closed"] = 100.0 * (1.0 - rest / gap)
    found["closed smooth"] = 100.0 * (1.0 - rest / (found["smooth 4"] - found["full"]))
    found["smooth closed"] = 100.0 * (1.0 - (found["smooth 4"] - found["full"]) / gap)
    found["loss 8"] = 100.0 * (found["mobile 8"] / found["full"] - 1.0)
    found["naive loss 8"] = 100.0 * (found["naive 8"] / found["full"] - 1.0)
    return found


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "20 to 50 % of latency and energy on a phone's processor for networks: not reproducible here"
    kind = "measured"
    return [
        Figure(
            "MobileQuant",
            "gap closed, W4A8 [%]",
            column["closed"],
            90.0,
            True,
            kind,
            column["smooth closed"],
            "SmoothQuant",
            paper,
        ),
        Figure("MobileQuant", "of SmoothQuant's gap closed, W4A8 [%]", column["closed smooth"], 50.0, True, kind),
        Figure("MobileQuant", "likelihood lost, W8A8 [%]", column["loss 8"], 1.0, False, kind, column["naive loss 8"], "naive"),
    ]
