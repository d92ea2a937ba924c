"""Figures of adsorption energies: the transformer of `points` on atoms, under a toy potential."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.learning.adsorption import ask, binding_energy, cosine_of_turned, nearness, training_data, without
from rover_energy.inference.tasks import adsorption
from rover_energy.inference.tasks.adsorption import ADSORBATES, FOLDS, METALS, PAIRS, Array, held_out, make_clusters

TEST = 600


def one_seed(seed: int) -> dict[str, float]:
    """A network that has seen 18 pairs: its ranking of all 24, its errors on unseen pairs and on unseen clusters."""
    fold = seed % FOLDS
    unseen = held_out(fold, seed)
    seen = [i for i in range(len(PAIRS)) if i not in unseen]
    surrogate, data = without(fold, seed), training_data(fold, seed)
    true = np.array([adsorption.binding_energy(i) for i in range(len(PAIRS))])
    made = np.array([binding_energy(surrogate, i) for i in range(len(PAIRS))])
    linear = adsorption.additive(seen, true[seen])
    test = make_clusters(41000 + seed, TEST, seen)
    found = ask(surrogate, test.places, test.sorts)
    mean = {pair: data.energy[data.pair == pair].mean() for pair in seen}
    composition = np.array([mean[int(pair)] for pair in test.pair])
    looked, near = nearness(surrogate, test)
    return {
        "rank": _rank(made, true), "rank linear": _rank(linear, true),
        "metals": _rank_of_metals(made, true), "metals linear": _rank_of_metals(linear, true),
        "unseen": float(np.abs(made - true)[unseen].mean()), "unseen linear": float(np.abs(linear - true)[unseen].mean()),
        "energy": float(np.abs(found.energy - test.energy).mean() / np.abs(composition - test.energy).mean()),
        "energy composition": float(np.abs(composition - test.energy).mean()),
        "force": float(np.abs(found.forces - test.forces).mean() / np.abs(test.forces).mean()),
        "force none": float(np.abs(test.forces).mean()),
        "nearness": float(stats.spearmanr(looked, near).statistic), "cosine": cosine_of_turned(surrogate, test, seed),
    }  # fmt: skip


def _rank(a: Array, b: Array) -> float:
    return float(stats.spearmanr(a, b).statistic)


def _rank_of_metals(a: Array, b: Array) -> float:
    """Mean over the adsorbates of the ranking of the metals."""
    shape = (len(METALS), len(ADSORBATES))
    return float(np.mean([_rank(x, y) for x, y in zip(a.reshape(shape).T, b.reshape(shape).T, strict=True)]))


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    system, kind, whatever, linear = "adsorption", "generated world", float("inf"), "metal + adsorbate"
    paper = "OC20, 1.3 million relaxations by DFT: here a toy potential on nine atoms, so only the way of working compares"
    plain = "molecules of OMol25, rotated forces > 0.99: other data, the same kind of network and test"
    return [
        Figure(
            system, "ranking of 24 pairs, 6 of them unseen, Spearman", column["rank"], 0.8, True, kind, column["rank linear"],
            linear, paper,
        ),
        Figure(
            system, "ranking of 6 metals, mean of adsorbates", column["metals"], whatever, True, kind, column["metals linear"],
            linear,
        ),
        Figure(system, "error on the 6 [eV]", column["unseen"], whatever, False, kind, column["unseen linear"], linear),
        Figure(
            system, "energy error over the composition's", column["energy"], 0.7, False, kind, column["energy composition"],
            "composition [eV]",
        ),
        Figure(system, "force error over their size", column["force"], 0.5, False, kind, column["force none"], "size [eV/A]"),
        Figure(system, "attention against nearness, Spearman", column["nearness"], 0.5, True, kind, paper=plain),
        Figure(system, "cosine of forces on turned atoms", column["cosine"], 0.97, True, kind, paper=plain),
    ]  # fmt: skip
