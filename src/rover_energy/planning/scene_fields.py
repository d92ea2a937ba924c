"""Terrain, light and clearance in the layout that the compiled oracle reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Grid:
    """Coefficients (..., rows, columns) of a uniform bicubic B-spline padded by one node, or a constant."""

    coefficients: Any
    x0: float = 0.0
    y0: float = 0.0
    cell: float = 1.0
    constant: float = 0.0

    def __post_init__(self) -> None:
        if self.coefficients is not None:
            object.__setattr__(self, "coefficients", np.ascontiguousarray(self.coefficients, dtype=float))


@dataclass(frozen=True, eq=False)
class SceneFields:
    """What the optimiser sees of the world: height [m], sunlit fraction, clearance [m], Sun and irradiance by time slice.

    `slices` is (nt, 5): unit vector to the Sun in the map frame, direct and diffuse irradiance [W/m2].
    """

    height: Grid
    sunlit: Grid
    clearance: Grid
    slices: Any
    start: float = 0.0
    step: float = 1.0
