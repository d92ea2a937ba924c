"""The ground as the rover feels it: a twice continuously differentiable surface through the smoothed terrain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.ops import unary_union

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import BicubicSpline, FloatArray
from rover_energy.terrain.raster import Terrain

GAUSSIAN_TRUNCATE = 4.0  # the smoothing kernel ends at this many standard deviations


@dataclass(frozen=True, eq=False)
class Surface(BicubicSpline):
    """Height of the ground averaged over the rover's footprint, with exact derivatives.

    Made by `from_terrain`. Within the extent of the nodes it equals, to rounding,
    `map_coordinates(gaussian_filter(z, footprint / cell, mode="mirror", truncate=4), [row, column], order=3, mode="mirror")`.

    Attributes
    ----------
    coefficients, x0, y0, cell
        See `BicubicSpline`.
    footprint : float
        Standard deviation of the Gaussian average [m].
    no_data_mask : (ny, nx) array of bool
        Nodes whose height was filled in.
    blocked_cells : (ny - 1, nx - 1) array of bool
        Cells in which the surface rests on filled heights; see `has_data`.
    name : str
        Name of the terrain.
    """

    footprint: float = 0.0
    no_data_mask: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    blocked_cells: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    name: str = "terrain"

    @classmethod
    def from_terrain(cls, terrain: Terrain, footprint: float) -> Surface:
        """Smooth the terrain and interpolate it.

        Parameters
        ----------
        terrain : Terrain
            Nodes without data take the height of the nearest node that has one, and are remembered; see `has_data`.
        footprint : float
            Standard deviation of the Gaussian average [m]; 0 interpolates the nodes as they are.

        Returns
        -------
        Surface

        Raises
        ------
        InputError
            Footprint negative or not finite, or so large against the map that smoothing would leave nothing of it.

        Notes
        -----
        Direct B-spline transform: Unser, Aldroubi & Eden (1993), doi:10.1109/78.193220, by scipy, with mirror (whole-sample
        symmetric) ends. Before that, a Gaussian average stands for wheels and rockers that bridge details of the ground.
        """
        xmin, ymin, xmax, ymax = terrain.extent
        limit = min(xmax - xmin, ymax - ymin) / 4.0
        if not (0.0 <= footprint <= limit):
            raise InputError(
                terrain.name, "footprint", f"is not within 0 .. {limit:.4g} m, a quarter of the map's shorter side",
                "give the averaging length of the rover in metres, or a larger map", footprint,
            )  # fmt: skip
        filled = fill_no_data(terrain.height)
        if footprint > 0.0:
            filled = ndimage.gaussian_filter(filled, footprint / terrain.cell, mode="mirror", truncate=GAUSSIAN_TRUNCATE)
        filtered = ndimage.spline_filter(filled, order=3, output=np.float64, mode="mirror")
        return cls(
            np.pad(filtered, 1, mode="reflect"), terrain.x0, terrain.y0, terrain.cell, float(footprint),
            terrain.no_data, _blocked_cells(terrain, footprint), terrain.name,
        )  # fmt: skip

    def height(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Height of the ground at points of the map frame [m]; shapes broadcast; NaN outside the extent."""
        return self.value(x, y)

    def along_slope(self, x: ArrayLike, y: ArrayLike, heading: ArrayLike) -> FloatArray:
        """Slope along the heading, positive uphill [rad]: tan phi = grad h . (cos heading, sin heading)."""
        hx, hy = self.gradient(x, y)
        return np.asarray(np.arctan(hx * np.cos(heading) + hy * np.sin(heading)))

    def tilt(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Angle between the surface normal and the vertical [rad], acos(1/sqrt(1 + |grad h|^2)) computed as atan |grad h|."""
        return np.asarray(np.arctan(np.hypot(*self.gradient(x, y))))

    def normal(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Upward unit normal (..., 3) in the map frame [-]."""
        hx, hy = self.gradient(x, y)
        n = np.stack([-hx, -hy, np.ones_like(hx)], axis=-1)
        return np.asarray(n / np.linalg.norm(n, axis=-1, keepdims=True))

    def has_data(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.bool_]:
        """Whether the surface rests on measured heights at each point; False outside the extent.

        A cell is blocked when a node without data lies within one cell + 2 footprints of one of its corners. So every point
        within that distance of such a node is excluded, and points up to one cell diagonal beyond it. Beyond, filled heights
        still enter with what is left of the Gaussian: at most 2.3 % of the weight, across a straight edge.
        """
        inside = self.inside(x, y)
        if not self.blocked_cells.any():
            return inside
        column, row = self.cell_index(x, y)
        return np.asarray(inside & ~self.blocked_cells[row, column])


def fill_no_data(height: FloatArray) -> FloatArray:
    """Heights (ny, nx) [m] with each NaN replaced by the nearest valid node (Euclidean, in cells).

    The fill only keeps the spline finite: it continues the border of a gap without steps across it. It is no estimate of the
    ground, and planning must stay out of it. Raises InputError when no node is valid.
    """
    missing = np.isnan(height)
    if not missing.any():
        return np.asarray(height, dtype=np.float64)
    if missing.all():
        raise InputError("terrain", "height", "has no valid node at all", "check the file's nodata value")
    row, column = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(height[row, column], dtype=np.float64)


def no_data_polygons(terrain: Terrain, footprint: float = 0.0) -> tuple[Polygon, ...]:
    """Keep-out polygons [m] that cover exactly the cells in which `Surface.has_data` is False.

    Parameters
    ----------
    terrain : Terrain
    footprint : float
        The surface's averaging length [m].

    Returns
    -------
    tuple of shapely Polygon
        Empty when every node has data; a polygon may have holes.
    """
    blocked = _blocked_cells(terrain, footprint)
    strips = [
        box(terrain.x0 + a * terrain.cell, terrain.y0 + j * terrain.cell,
            terrain.x0 + b * terrain.cell, terrain.y0 + (j + 1) * terrain.cell)
        for j, line in enumerate(blocked) for a, b in _runs(line)
    ]  # fmt: skip
    if not strips:
        return ()
    union = unary_union(strips)
    return tuple(union.geoms) if isinstance(union, MultiPolygon) else (union,)


def _runs(line: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open index ranges of consecutive True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], line, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _blocked_cells(terrain: Terrain, footprint: float) -> NDArray[np.bool_]:
    ny, nx = terrain.height.shape
    missing = terrain.no_data
    if not missing.any():
        return np.zeros((ny - 1, nx - 1), dtype=bool)
    reach = 1.0 + 2.0 * footprint / terrain.cell
    near = ndimage.distance_transform_edt(~missing) <= math.nextafter(reach, math.inf)
    return np.asarray(near[:-1, :-1] | near[:-1, 1:] | near[1:, :-1] | near[1:, 1:])
