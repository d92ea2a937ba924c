"""One row of the table of figures, and the list of all of them."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rover_energy.errors import InputError
from rover_energy.inference.extras import need

KINDS = ("measured", "operation model", "generated world", "arithmetic")


@dataclass(frozen=True)
class Figure:
    """One figure over several seeds.

    system, what : its name. values : one per seed. wanted : bound on every seed. at_least : the bound is from below.
    baseline : values of the honest baseline, one per seed; empty without one. kind : of `KINDS`. paper : what the paper
    shows, a colon, and why it is comparable or not.
    """

    system: str
    what: str
    values: tuple[float, ...]
    wanted: float
    at_least: bool
    kind: str
    baseline: tuple[float, ...] = ()
    baseline_name: str = ""
    paper: str = ""

    @property
    def reached(self) -> bool:
        """Every seed keeps the bound; NaN does not."""
        return bool(self.values) and all(v >= self.wanted if self.at_least else v <= self.wanted for v in self.values)

    def row(self) -> tuple[str, ...]:
        """Cells of the printed table."""
        bound = "" if math.isinf(self.wanted) else f"{'>=' if self.at_least else '<='} {self.wanted:g}"
        baseline = f"{shown(self.baseline)} ({self.baseline_name})" if self.baseline else ""
        verdict = "" if math.isinf(self.wanted) else "yes" if self.reached else "NO"
        published = self.paper.partition(": ")[0]
        return (self.system, self.what, shown(self.values), bound, verdict, baseline, self.kind, published)


TITLES = ("system", "figure", "here", "wanted", "reached", "baseline", "kind", "paper")


def comparable(figures: Iterable[Figure]) -> list[str]:
    """One line per paper: what it shows, and why it is comparable or not."""
    return list(dict.fromkeys(f"{figure.system}: {figure.paper}" for figure in figures if figure.paper))


def shown(values: Sequence[float]) -> str:
    """Median and range of values over seeds."""
    v = np.asarray(values, dtype=float)
    middle = float(np.median(v))
    return f"{middle:.4g}" if len(v) == 1 or float(np.ptp(v)) == 0.0 else f"{middle:.4g} [{v.min():.4g}, {v.max():.4g}]"


#: name: module that has `figures(seeds) -> list[Figure]`, in the order of the table
SYSTEMS = {
    "grants": "sol_figures", "cascade": "cascade_figures", "experts": "experts_figures", "recommend": "recommend_figures",
    "tiers": "tiers_figures", "metering": "metering_figures", "footprint": "footprint_figures", "sizes": "sizes_figures",
    "spiking": "spiking_figures", "activations": "activation_figures", "integers": "integer_figures",
    "ternary": "ternary_figures", "nrgpt": "nrgpt_figures", "distil": "distil_figures", "confidant": "confidant_figures",
    "energy_map": "energy_map_figures", "points": "points_figures", "adsorption": "adsorption_figures",
}  # fmt: skip


#: name: module, purpose, package and extra of what is in no other extra
NEEDS = {"adsorption": ("ase", "effective medium theory", "ase", "chemistry")}


def compute(names: Iterable[str], seeds: Sequence[int], began: Callable[[str], None] = lambda _: None) -> list[Figure]:
    """Figures of the named systems. Raises InputError for an unknown name, MissingExtraError where torch is absent."""
    chosen = list(names) or list(SYSTEMS)
    if unknown := [name for name in chosen if name not in SYSTEMS]:
        raise InputError("figures", "system", "is unknown", f"use some of {', '.join(SYSTEMS)}", unknown[0])
    for name in chosen:  # at once, not after an hour
        if name in NEEDS:
            need(*NEEDS[name])
    found: list[Figure] = []
    for name in chosen:
        began(name)
        found += importlib.import_module(f"rover_energy.inference.figures.{SYSTEMS[name]}").figures(seeds)
    return found
