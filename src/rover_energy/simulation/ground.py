"""The terrain as an engine needs it: a grid of heights, fine enough for the wheels, small enough to be fast, that can follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rover_energy.errors import InputError
from rover_energy.simulation.geometry import FloatArray
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface, fill_no_data

WIDEST_SPACING = 0.25  # [m] coarser maps are interpolated to this, or wheels would feel the kinks between their facets
MAXIMUM_NODES = 401  # along each side of a window
MINIMUM_NODES = 8


@dataclass(frozen=True, eq=False)
class Window:
    """Heights on a part of the map.

    Attributes
    ----------
    heights : (n, m) array
        [m], rows south to north.
    x0, y0 : float
        First node, map frame [m].
    spacing : float
        Distance between nodes [m].
    """

    heights: FloatArray
    x0: float
    y0: float
    spacing: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax) [m]."""
        rows, columns = self.heights.shape
        return self.x0, self.y0, self.x0 + (columns - 1) * self.spacing, self.y0 + (rows - 1) * self.spacing

    def margin(self, x: float, y: float) -> float:
        """Distance from a point to the nearest side [m], negative outside, NaN for NaN."""
        xmin, ymin, xmax, ymax = self.extent
        return min(x - xmin, xmax - x, y - ymin, ymax - y) if math.isfinite(x) and math.isfinite(y) else math.nan


class Ground:
    """Source of windows over a terrain.

    The raw nodes of the map are used as they are where they stand close enough together, so the engine's ground is rougher
    than the smoothed surface on which plans are made. Coarser maps are interpolated (bicubic, no smoothing) at a whole
    fraction of their cell. Every window has its nodes at the same places, so that the ground does not change under a rover
    when a window moves. Heights without data are those of the nearest node with data.

    Parameters
    ----------
    terrain : Terrain
    spacing : float
        Widest distance between nodes [m].
    nodes : int
        Most nodes along each side of a window.
    border : float
        Width of level ground put around the map [m], so that wheels find it while the body stands at the map's edge: each
        point of it has the height of the nearest point of the map.
    """

    def __init__(
        self, terrain: Terrain, *, spacing: float = WIDEST_SPACING, nodes: int = MAXIMUM_NODES, border: float = 0.0
    ) -> None:
        if not (spacing > 0.0 and math.isfinite(spacing)):
            raise InputError("ground", "spacing", "is not a positive length", "give metres", spacing)
        if not MINIMUM_NODES <= nodes <= 4097:
            raise InputError("ground", "nodes", f"is not within {MINIMUM_NODES} .. 4097", "choose a window within", nodes)
        self.terrain = terrain
        self.fraction = max(1, math.ceil(terrain.cell / spacing - 1e-9))
        self.spacing = terrain.cell / self.fraction
        ny, nx = terrain.height.shape
        self._border = math.ceil(border / self.spacing)
        extra = 2 * self._border + 1
        self._rows, self._columns = (ny - 1) * self.fraction + extra, (nx - 1) * self.fraction + extra
        self.shape = min(nodes, self._rows), min(nodes, self._columns)

    @property
    def whole(self) -> bool:
        """Whether one window holds the whole map."""
        return self.shape == (self._rows, self._columns)

    @cached_property
    def range(self) -> tuple[float, float]:
        """Heights that no window leaves [m]; interpolation may swing past the nodes by a little."""
        low, high = float(np.min(self._heights)), float(np.max(self._heights))
        swing = 0.0 if self.fraction == 1 else 0.25 * (high - low)
        return low - swing, high + swing

    @cached_property
    def _heights(self) -> FloatArray:
        return fill_no_data(self.terrain.height)

    @cached_property
    def _spline(self) -> Surface:
        return Surface.from_terrain(self.terrain, 0.0)

    def window(self, x: float, y: float) -> Window:
        """Window with a point of the map near its middle. Raises InputError for a point off the map."""
        t = self.terrain
        xmin, ymin, xmax, ymax = t.extent
        if not (xmin <= x <= xmax and ymin <= y <= ymax):
            raise InputError(t.name, "x, y", "is off the map", f"stay within {xmin:g}..{xmax:g}, {ymin:g}..{ymax:g} m", (x, y))
        rows, columns = self.shape
        # Rows and columns count from the map's first node: negative in the border.
        low, high_row, high_column = -self._border, self._rows - rows, self._columns - columns
        first_row = low + min(max(0, round((y - t.y0) / self.spacing) - rows // 2 - low), high_row)
        first_column = low + min(max(0, round((x - t.x0) / self.spacing) - columns // 2 - low), high_column)
        x0, y0 = t.x0 + first_column * self.spacing, t.y0 + first_row * self.spacing
        if self.fraction == 1:
            ny, nx = t.height.shape
            row = np.clip(first_row + np.arange(rows), 0, ny - 1)
            heights = self._heights[row[:, None], np.clip(first_column + np.arange(columns), 0, nx - 1)]
        else:
            heights = self._interpolated(first_row, first_column)
        return Window(heights, x0, y0, self.spacing)

    def _interpolated(self, first_row: int, first_column: int) -> FloatArray:
        """Nodes by index over the whole map, so that windows agree to the last digit; clipped to it for border and rounding."""
        xmin, ymin, xmax, ymax = self.terrain.extent
        x = np.clip(xmin + self.spacing * (first_column + np.arange(self.shape[1])), xmin, xmax)
        y = np.clip(ymin + self.spacing * (first_row + np.arange(self.shape[0])), ymin, ymax)
        return self._spline.height(x[None, :], y[:, None])


def bilinear(window: Window, x: float, y: float) -> float:
    """Height between the nodes of a window [m], by the four around; NaN outside."""
    if not window.margin(x, y) >= 0.0:
        return math.nan
    rows, columns = window.heights.shape
    u, v = (x - window.x0) / window.spacing, (y - window.y0) / window.spacing
    i, j = min(int(u), columns - 2), min(int(v), rows - 2)
    a, b = u - i, v - j
    h = window.heights
    return float((1 - b) * ((1 - a) * h[j, i] + a * h[j, i + 1]) + b * ((1 - a) * h[j + 1, i] + a * h[j + 1, i + 1]))
