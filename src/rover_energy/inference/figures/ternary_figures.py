"""Figures of ternary weights: exact table lookup, storage, counts, and what the training loses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.telemetry_networks import RATE, data
from rover_energy.inference.learning.bitlinear import bit_linear
from rover_energy.inference.learning.language import Size, make_weights, plain, score, train_decoder
from rover_energy.inference.ternary import multiply, operation_ratio, pack, quantise_rows, ternarise

SHAPES = 100
SIZE, EPOCHS = Size(168, 1, 4), 3  # the sums of a table serve all outputs of a product: below some 140 it is not worth them


def one_seed(seed: int) -> dict[str, float]:
    """Random shapes, and a decoder trained with ternary weights."""
    rng = np.random.default_rng(seed)
    exact = 0
    for _ in range(SHAPES):
        outputs, inputs, rows = (int(v) for v in rng.integers(1, 90, 3))
        w, x = rng.integers(-1, 2, (outputs, inputs)), rng.integers(-127, 128, (rows, inputs))
        exact += bool(np.array_equal(multiply(pack(w), x), x @ w.T))
    training, _, test = data(seed)
    full, ternary = math.nan, math.nan
    for linear in (plain, bit_linear):
        made = train_decoder(make_weights(seed, SIZE), training, SIZE, epochs=EPOCHS, rate=RATE, seed=seed, linear=linear)
        full, ternary = ternary, score(made, test, SIZE, linear)
    bits, count, lookups, zeros = 0, 0, 0.0, []
    for name, tensor in made.items():
        if name.split(".")[-1] in ("q", "k", "v", "o", "up", "down"):
            w, _ = ternarise(tensor.detach().numpy())
            packed = pack(w)
            x, _ = quantise_rows(rng.normal(size=(4, w.shape[1])))
            exact += bool(np.array_equal(multiply(packed, x), x @ w.T)) - 1
            bits, count = bits + packed.bits, count + w.size
            lookups += w.size / operation_ratio(*w.shape)
            zeros.append(float(np.mean(w == 0)))
    return {
        "exact": exact / SHAPES, "bits": bits / count, "loss": 100.0 * (ternary / full - 1.0), "ratio": count / lookups,
        "narrow ratio": operation_ratio(64, 64), "wide ratio": operation_ratio(1536, 576), "zeros": float(np.mean(zeros)),
        "full": full, "ternary": ternary,
    }  # fmt: skip


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "25 tokens/s at 5 W on an FPGA (data sheet): not reproducible here; in Python a lookup is slower than a product"
    model = "operation model"
    return [
        Figure("TeLLMe", "table products equal to plain ones", column["exact"], 1.0, True, "measured", paper=paper),
        Figure("TeLLMe", "stored bits per weight", column["bits"], 1.75, False, "measured", (32.0,) * len(found), "fp32"),
        Figure("TeLLMe", "negative log-likelihood over fp32 [%]", column["loss"], 5.0, False, "measured"),
        Figure("TeLLMe", "operations saved, this decoder", column["ratio"], 2.8, True, model, column["narrow ratio"], "64 x 64"),
        Figure("TeLLMe", "operations saved, 1536 x 576", column["wide ratio"], 2.8, True, model),
    ]
