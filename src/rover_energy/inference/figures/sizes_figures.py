"""Figures of model sizes: what the last points of quality cost, with telemetry decoders of three sizes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.telemetry_networks import RATE, TEST, TRAINING
from rover_energy.inference.footprint import SizeRow, size_table
from rover_energy.inference.learning.language import CONTEXT, Size, logits, make_weights, sequences, train_decoder
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.metering import CORE_POWER, steady_state

SIZES = {"small": Size(32, 1, 2), "middle": Size(64, 3, 4), "large": Size(128, 4, 4)}
EPOCHS, BATCH = 3, 32


def hits(p: dict[str, Any], tokens: Any, size: Size) -> float:
    """Share of next tokens that the decoder thinks likeliest."""
    with torch_of().no_grad():
        return float((logits(p, tokens[:, :-1], size).argmax(dim=-1) == tokens[:, 1:]).float().mean())


def answer(p: dict[str, Any], tokens: Any, size: Size) -> Any:
    """One pass over sequences."""
    with torch_of().no_grad():
        return logits(p, tokens, size)


def one_seed(seed: int) -> dict[str, float]:
    """Train all sizes on the same data; energies by processor time."""
    training, test = sequences(seed + 100, TRAINING), sequences(seed + 300, TEST)
    rows = []
    for name, size in SIZES.items():
        began = time.process_time()
        p = train_decoder(make_weights(seed, size), training, size, epochs=EPOCHS, rate=RATE, seed=seed)
        spent = (time.process_time() - began) * CORE_POWER
        each = steady_state(partial(answer, p, test[:BATCH, :CONTEXT], size), BATCH, calls=3).energy.joules
        rows.append(SizeRow(name, sum(w.numel() for w in p.values()), hits(p, test, size), spent, each))
    small = size_table(rows)[0]
    return {
        "quality": small["quality"] / rows[-1].quality, "training": small["training_saved"], "answer": small["answer_saved"],
        "large": rows[-1].quality,
    }  # fmt: skip


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "T5, BART and LLaMA on highlights: other models, the same question; quality here is next tokens that are right"
    kind = "measured"
    return [
        Figure("How Green", "quality of the smallest over the largest", column["quality"], 0.97, True, kind, paper=paper),
        Figure("How Green", "training energy of the largest over the smallest", column["training"], 5.0, True, kind),
        Figure("How Green", "energy of an answer, likewise", column["answer"], 5.0, True, kind),
    ]
