"""Figures of the transformer on raw points, beside statics on the plane through them."""

from __future__ import annotations

from collections.abc import Sequence

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.learning.points import EPOCHS, fit, judge, stances_of


def one_seed(seed: int) -> dict[str, float]:
    """What a seed's network does on stances that it has not seen."""
    training, test = stances_of(seed)
    return judge(fit(training, seed, EPOCHS), test, seed)


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}

    def over(name: str, baseline: str) -> tuple[float, ...]:
        return tuple(a / b for a, b in zip(column[name], column[baseline], strict=True))

    paper, kind, system = "molecules of OMol25: other data, the same kind of network and test", "generated world", "points"
    force, energy, turning = over("force", "force plane"), over("energy", "energy plane"), "cosine of forces on turned ground"
    flat, level, mean = column["force plane"], column["energy plane"], column["force mean"]
    return [
        Figure(system, "force error over the plane's", force, 0.5, False, kind, flat, "plane [N]", paper),
        Figure(system, "force error [N]", column["force"], float("inf"), False, kind, mean, "mean [N]"),
        Figure(system, "energy error over the plane's", energy, 0.7, False, kind, level, "plane [J/m]", paper),
        Figure(system, "attention against nearness, Spearman", column["nearness"], 0.5, True, kind, paper=paper),
        Figure(system, turning, column["cosine"], 0.97, True, kind, paper=paper),
        Figure(system, f"{turning}, level parts", column["cosine level"], 0.97, True, kind, paper=paper),
    ]
