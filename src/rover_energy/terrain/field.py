"""Bounded map between nodes: a smooth field that never leaves the range of its node values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import BicubicSpline, FloatArray


def field_coefficients(values: ArrayLike) -> FloatArray:
    """B-spline coefficients (..., ny + 2, nx + 2) of node values (..., ny, nx): the values, with the border repeated.

    Raises InputError when a value is not finite.
    """
    nodes = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(nodes)):
        raise InputError("field", "values", "not all finite", "replace NaN by a value before making a field")
    return np.pad(nodes, [(0, 0)] * (nodes.ndim - 2) + [(1, 1), (1, 1)], mode="edge")


@dataclass(frozen=True, eq=False)
class ScalarField(BicubicSpline):
    """Field whose B-spline coefficients are its node values (Schoenberg's variation-diminishing approximation).

    The basis functions are non-negative and sum to one, so the field stays within the range of the values around it
    (convex hull property) and its gradient never exceeds theirs. The price is that it does not pass through the values:
    at a node it is their average with weights (1, 4, 1)/6 along each axis. Source: de Boor (1978), ch. XI.

    A leading axis of `coefficients` holds layers, for instance time slices; see `BicubicSpline.partials`.
    """

    @classmethod
    def from_values(cls, values: ArrayLike, x0: float, y0: float, cell: float) -> ScalarField:
        """Field from node values (ny, nx) or (layers, ny, nx), rows south to north; first node and node distance [m].

        Raises InputError when a value is not finite or the grid has fewer than 4 x 4 nodes.
        """
        return cls(field_coefficients(values), float(x0), float(y0), float(cell))
