"""Atoms on small pieces of metal, with energies and forces by effective medium theory: a toy potential, not DFT.

Eight atoms of a (111) surface in two layers, without periodic repetition, and one atom upon them. The potential is the one of
ASE (extra `chemistry`, LGPL, imported here only), with its own constants for H, C, N and O "just for fun" in its words: orders of
magnitude are those of chemistry, differences between metals are far too small. It stands in for the millions of DFT
calculations of OC20 (Chanussot et al. 2021, 10.1021/acscatal.0c04525, arXiv 2010.09435).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.extras import need

Array = NDArray[np.float64]
METALS, ADSORBATES = ("Ni", "Cu", "Pd", "Ag", "Pt", "Au"), ("H", "C", "N", "O")
PAIRS = tuple((metal, adsorbate) for metal in METALS for adsorbate in ADSORBATES)
SORTS = METALS + ADSORBATES  # of the tokens
ATOMS = 9  # the last one is the adsorbate
RATTLE, STRAIN = 0.06, 0.02  # standard deviation of metal atoms [A]; most that a piece is stretched or pressed [-]
LOWEST, HIGHEST, ASIDE = 1.0, 2.8, 0.6  # heights [A] and share of the neighbours' distance at which an adsorbate stands
REFUSED = 0.0  # [eV]: what is bound less than not at all is no adsorption, and drawn again
SIDE_STEPS, HEIGHT_STEPS = 5, 10  # of a scan
FOLDS = 4


@dataclass(frozen=True, eq=False)
class Clusters:
    """n pieces with an adsorbate.

    pair : (n,) of `PAIRS`. sorts : (n, 9) of `SORTS`. places : (n, 9, 3) [A]. energy : (n,) of adsorption, E(both) -
    E(piece as it stands) - E(atom alone) [eV]. forces : (n, 9, 3) [eV/A].
    """

    pair: NDArray[np.int64]
    sorts: NDArray[np.int64]
    places: Array
    energy: Array
    forces: Array


class Bench:
    """A pair of metal and adsorbate under the potential."""

    def __init__(self, metal: str, adsorbate: str) -> None:
        parts = ("build", "calculators.emt", "atoms")
        build, emt, atoms = (need(f"ase.{name}", "effective medium theory", "ase", "chemistry") for name in parts)
        piece = build.fcc111(metal, (2, 2, 2))
        piece.pbc = False
        self.piece, self.both = piece, piece + atoms.Atoms(adsorbate, [(0.0, 0.0, 0.0)])
        alone = atoms.Atoms(adsorbate)
        for each in (self.piece, self.both, alone):
            each.calc = emt.EMT()
        self.alone = float(alone.get_potential_energy())
        self.flat: Array = piece.positions.copy()
        upper = self.flat[self.flat[:, 2] > self.flat[:, 2].mean()]
        self.middle: Array = upper.mean(axis=0)
        self.spacing = float(np.linalg.norm(upper[1] - upper[0]))

    def label(self, metal: Array, adsorbate: Array) -> tuple[float, Array]:
        """Adsorption energy [eV] and forces (9, 3) [eV/A] with metal atoms at (8, 3) and the adsorbate at (3,) [A]."""
        self.piece.positions = metal
        self.both.positions = np.vstack([metal, adsorbate])
        energy = float(self.both.get_potential_energy()) - float(self.piece.get_potential_energy()) - self.alone
        return energy, np.asarray(self.both.get_forces(), dtype=float)


@cache
def bench(pair: int) -> Bench:
    """The bench of a pair of `PAIRS`."""
    return Bench(*PAIRS[pair])


def make_clusters(seed: int, count: int, pairs: Sequence[int] = range(len(PAIRS))) -> Clusters:
    """Random pairs among those given, metal atoms off their places, adsorbates anywhere above the middle."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, Array, float, Array]] = []
    while len(rows) < count:
        pair = int(rng.choice(list(pairs)))
        b = bench(pair)
        metal = b.flat * (1.0 + rng.uniform(-STRAIN, STRAIN)) + RATTLE * rng.normal(size=b.flat.shape)
        aside = ASIDE * b.spacing * rng.uniform(-1.0, 1.0, 2)
        spot = b.middle + np.array([*aside, rng.uniform(LOWEST, HIGHEST)])
        energy, forces = b.label(metal, spot)
        if energy < REFUSED:
            rows.append((pair, np.vstack([metal, spot]), energy, forces))
    return _clusters(rows)


@cache
def scan(pair: int) -> Clusters:
    """An adsorbate at all places of a grid above a piece at rest."""
    b = bench(pair)
    rows: list[tuple[int, Array, float, Array]] = []
    sides = ASIDE * b.spacing * np.linspace(-1.0, 1.0, SIDE_STEPS)
    for x in sides:
        for y in sides:
            for z in np.linspace(LOWEST, HIGHEST, HEIGHT_STEPS):
                spot = b.middle + np.array([x, y, z])
                rows.append((pair, np.vstack([b.flat, spot]), *b.label(b.flat, spot)))
    return _clusters(rows)


def binding_energy(pair: int) -> float:
    """Least adsorption energy of a scan [eV], by the potential itself."""
    return float(scan(pair).energy.min())


def beyond_platinum(metal: str, adsorbate: str, energy: Callable[[int], float] = binding_energy) -> float:
    """How much weaker a metal binds than platinum [eV]: what all metals share, the potential's offset too, falls out.

    energy : of a place in `PAIRS`, by the potential or by a network. Raises InputError for an unknown pair.
    """
    if metal not in METALS or adsorbate not in ADSORBATES:
        known = f"use one of {', '.join(METALS)} with one of {', '.join(ADSORBATES)}"
        raise InputError("adsorption", "pair", "is unknown", known, f"{metal}-{adsorbate}")
    return energy(PAIRS.index((metal, adsorbate))) - energy(PAIRS.index(("Pt", adsorbate)))


def held_out(fold: int, seed: int) -> list[int]:
    """Pairs of a fold: one of each metal; the four folds hold each pair once, in another order for another seed."""
    rng = np.random.default_rng(seed)
    metals, adsorbates = rng.permutation(len(METALS)), rng.permutation(len(ADSORBATES))
    return [
        i for i, (m, a) in enumerate(PAIRS)
        if (metals[METALS.index(m)] + adsorbates[ADSORBATES.index(a)]) % FOLDS == fold
    ]  # fmt: skip


def additive(pairs: Sequence[int], energies: Array) -> Array:
    """Baseline: one number per metal and one per adsorbate, by least squares on some pairs; for all pairs (24,) [eV]."""
    design = np.zeros((len(PAIRS), len(SORTS)))
    for i, (metal, adsorbate) in enumerate(PAIRS):
        design[i, [SORTS.index(metal), SORTS.index(adsorbate)]] = 1.0
    found: Array = design @ np.linalg.lstsq(design[list(pairs)], energies, rcond=None)[0]
    return found


def _clusters(rows: list[tuple[int, Array, float, Array]]) -> Clusters:
    pair, places, energy, forces = (np.array(column) for column in zip(*rows, strict=True))
    sorts = np.array([[SORTS.index(PAIRS[p][0])] * (ATOMS - 1) + [SORTS.index(PAIRS[p][1])] for p in pair])
    return Clusters(pair, sorts, places, energy, forces)
