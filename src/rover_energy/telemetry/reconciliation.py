"""Reconciliation of a meter tree's readings: weighted least squares under the balances, and how improbable the misfit is.

    minimise sum ((x - z) / sigma)^2   subject to   A x = e,   e ~ N(0, T)

for readings z, balances A and unmetered power e; solved in closed form (Kuehn & Davidson, Chem. Eng. Prog. 57(6), 1961;
Narasimhan & Jordache, Data Reconciliation and Gross Error Detection, 2000, eqs. 3-8 and 7-3). Readings that are NaN are
unmeasured: balances are combined so that they drop out, and they are computed back from the others where that determines them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.telemetry.meter_tree import MeterTree

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reconciled:
    """Outcome for n instants of m meters.

    values (n, m): reconciled power [W], NaN where it is neither measured nor determined by others. chi2, freedom, probability
    (n,): squared misfit, its degrees of freedom, and how probable a healthy tree shows as much or more; NaN where no balance is
    left.
    """

    values: Array
    chi2: Array
    freedom: NDArray[np.int64]
    probability: Array


def reconcile(tree: MeterTree, readings: Array, variance: Array | None = None) -> Reconciled:
    """Reconcile readings [W], (n, m).

    Parameters
    ----------
    tree : MeterTree
    readings : (n, m)
        NaN where nothing was measured.
    variance : (n, m), optional
        Of the readings [W2]; by default the tree's own, for readings of that size.

    Raises
    ------
    InputError
        When the columns are not the tree's meters.
    """
    z = np.asarray(readings, dtype=float)
    if z.ndim != 2 or z.shape[1] != len(tree.names):
        raise InputError(
            "readings", "columns", f"are not the {len(tree.names)} meters of the tree", "give one column per meter", z.shape
        )
    spread = tree.variance(z) if variance is None else np.asarray(variance, dtype=float)
    missing = ~np.isfinite(z)
    values, chi2 = np.full(z.shape, np.nan), np.full(len(z), np.nan)
    freedom = np.zeros(len(z), dtype=np.int64)
    patterns, which = np.unique(missing, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(which.ravel() == number)
        solved = _pattern(tree, pattern, z[rows], spread[rows])
        values[rows], chi2[rows], freedom[rows] = solved
    return Reconciled(values, chi2, freedom, _survival(chi2, freedom))


def _survival(chi2: Array, freedom: NDArray[np.int64]) -> Array:
    from scipy.stats import chi2 as distribution

    return np.where(freedom > 0, distribution.sf(chi2, np.maximum(freedom, 1)), np.nan)


def _pattern(tree: MeterTree, missing: NDArray[np.bool_], z: Array, variance: Array) -> tuple[Array, Array, int]:
    """Values, chi2 and degrees of freedom for instants that lack the same meters."""
    free = _null_space(tree.balances[:, missing].T)  # combinations of balances without what is missing
    a = free.T @ tree.balances[:, ~missing]
    slack = free.T @ (tree.slack[:, None] * free)
    known, spread = z[:, ~missing], variance[:, ~missing]
    values = np.full(z.shape, np.nan)
    values[:, ~missing] = known
    chi2 = np.full(len(z), np.nan)
    if len(a):
        misfit = known @ a.T
        covariance = np.einsum("ki,ni,li->nkl", a, spread, a) + slack
        weighted = np.linalg.solve(covariance, misfit[:, :, None])[:, :, 0]
        chi2 = np.einsum("nk,nk->n", misfit, weighted)
        values[:, ~missing] = known - spread * (weighted @ a)
    if missing.any():
        values[:, missing] = _determined(tree, missing, values[:, ~missing])
    return values, chi2, len(a)


def _null_space(matrix: Array) -> Array:
    """Orthonormal columns x with matrix x = 0; the identity for a matrix without rows."""
    if not matrix.size:
        return np.eye(matrix.shape[1])
    _, singular, right = np.linalg.svd(matrix)
    rank = int(np.sum(singular > 1e-9 * max(1.0, singular[0])))
    return np.asarray(right[rank:].T)


def _determined(tree: MeterTree, missing: NDArray[np.bool_], known: Array) -> Array:
    """Missing readings from the balances; NaN where these leave them open."""
    a = tree.balances[:, missing]
    inverse = np.linalg.pinv(a)
    solved = -(known @ tree.balances[:, ~missing].T) @ inverse.T
    fixed = np.abs(np.diag(inverse @ a) - 1.0) < 1e-9
    return np.where(fixed, solved, np.nan)
