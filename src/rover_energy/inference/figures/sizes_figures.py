"""Figures of model sizes: what the last points of quality cost, with decoders of three sizes that summarise event logs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.footprint import SizeRow, size_table
from rover_energy.inference.learning.language import Size
from rover_energy.inference.learning.summaries import quality, train_summary, write_summaries
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.metering import CORE_POWER, steady_state
from rover_energy.inference.tasks.fault_summaries import make_logs

SIZES = {"small": Size(32, 2, 4), "middle": Size(64, 3, 4), "large": Size(128, 4, 4)}
COUNT, EPOCHS, BATCH = 4000, 5, 32
RATE = 0.192  # over the width: wider networks need smaller steps


def one_seed(seed: int) -> dict[str, float]:
    """Train all sizes on the same data for the same epochs; energies by processor time."""
    rows = []
    logs = torch_of().from_numpy(make_logs(seed + 500, BATCH))
    for name, size in SIZES.items():
        began = time.process_time()
        p = train_summary(seed, size, count=COUNT, epochs=EPOCHS, rate=RATE / size.width)
        spent = (time.process_time() - began) * CORE_POWER
        each = steady_state(partial(write_summaries, p, logs, size), BATCH, windows=5, calls=2).energy.joules
        rows.append(SizeRow(name, sum(w.numel() for w in p.values()), quality(p, seed, size), spent, each))
    small, large = size_table(rows)[0], rows[-1]
    return {
        "quality": small["quality"] / large.quality, "training": small["training_saved"], "answer": small["answer_saved"],
        "small": rows[0].quality, "large": large.quality, "joules": 1000.0 * rows[0].answer,
        "large joules": 1000.0 * large.answer,
    }  # fmt: skip


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "T5, BART and LLaMA on highlights: other models and texts, the same question"
    kind, infinite = "measured", float("inf")
    return [
        Figure("How Green", "ROUGE-L of the smallest over the largest", column["quality"], 0.97, True, kind, paper=paper),
        Figure("How Green", "ROUGE-L of the smallest", column["small"], infinite, True, kind, column["large"], "largest"),
        Figure("How Green", "training energy of the largest over the smallest", column["training"], 5.0, True, kind),
        Figure("How Green", "energy of a summary, likewise", column["answer"], 5.0, True, kind),
        Figure(
            "How Green", "energy of a summary [mJ]", column["joules"], infinite, False, kind, column["large joules"], "largest"
        ),
    ]
