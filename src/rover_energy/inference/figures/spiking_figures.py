"""Figures of the spiking network: five steps to one, beside direct training at one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.figures.terrain_networks import terrain
from rover_energy.inference.learning.spiking import BUDGET, LADDER, convert, energy, iterate, retrain
from rover_energy.inference.learning.tools import accuracy, torch_of
from rover_energy.inference.tasks.terrain_patches import make_patches

DIRECT = LADDER[-1][1]  # epochs of the baseline, under the same budget of spikes: as many as the last of the ladder
TEST = 12_000  # patches: of the 3000 of a seed, differences of accuracy have a standard deviation of half a point


def one_seed(seed: int) -> dict[str, float]:
    """All networks of a seed."""
    data, ann, _ = terrain(seed)
    x, y = (torch_of().from_numpy(part) for part in make_patches(5000 + seed, TEST))

    def right(network: Any) -> float:
        return 100.0 * accuracy(network, x, y)

    made = iterate(ann, data, seed, LADDER, budget=BUDGET)
    direct = retrain(convert(ann, data.x[:500], 1), data, seed, DIRECT, budget=BUDGET)
    spent, one, whole = energy(made[1], ann, data.test_x[:1000]), right(made[1]), right(ann)
    return {
        "below five": right(made[5]) - one, "below ann": whole - one, "rate": spent["ann"] / spent["rate"],
        "conservative": spent["ann"] / spent["conservative"], "spikes": spent["spikes"], "above direct": one - right(direct),
        "one": one, "ann": whole,
    }  # fmt: skip


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "25 to 33x at 67.7 % on ImageNet: other data; the same 45 nm operation model"
    kind = "operation model"
    return [
        Figure("IIR-SNN", "accuracy at T = 1 [%]", column["one"], float("inf"), True, "measured", column["ann"], "ReLU"),
        Figure("IIR-SNN", "T = 1 below T = 5 [pt]", column["below five"], 4.0, False, "measured", paper=paper),
        Figure("IIR-SNN", "T = 1 below the network with ReLU [pt]", column["below ann"], 7.0, False, "measured"),
        Figure("IIR-SNN", "energy ratio by spike rates", column["rate"], 20.0, True, kind),
        Figure("IIR-SNN", "energy ratio, pooled spikes one by one", column["conservative"], 14.0, True, kind),
        Figure("IIR-SNN", "spikes per neuron at T = 1", column["spikes"], 0.25, False, "measured"),
        Figure("IIR-SNN", "above direct training at T = 1 [pt]", column["above direct"], -0.5, True, "measured"),
    ]
