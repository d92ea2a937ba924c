"""The terrain as measured or generated: node heights on a square grid, what is unknown, and the rocks on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import Polygon

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import MINIMUM_NODES, FloatArray

# No ground of Moon, Mars or Earth lies beyond (lowest -9.2 km on the Moon, highest 21.3 km on Mars), but undeclared markers of
# missing data do (-9999, -32768, 3.4e38), and so do distances from the body's centre.
LOWEST_HEIGHT, HIGHEST_HEIGHT = -9500.0, 25000.0


@dataclass(frozen=True, eq=False)
class Terrain:
    """Heights at the nodes of a square grid in the map frame (x east, y north, z up).

    Attributes
    ----------
    height : (ny, nx) array
        Height [m], row j at y = y0 + j*cell (south to north), column i at x = x0 + i*cell. NaN = no data. Read-only.
    x0, y0 : float
        First node [m].
    cell : float
        Distance between nodes [m].
    name : str
        Shown in messages and reports.
    keep_outs : tuple of shapely Polygon
        Obstacles that came with the terrain, such as rocks [m].

    Raises
    ------
    InputError
        Fewer than 4 x 4 nodes, no valid height at all, a height outside -9.5 .. 25 km, a cell that is not positive, or an
        invalid polygon.
    """

    height: FloatArray
    x0: float = 0.0
    y0: float = 0.0
    cell: float = 1.0
    name: str = "terrain"
    keep_outs: tuple[Polygon, ...] = ()

    def __post_init__(self) -> None:
        try:
            height = np.array(self.height, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(self.name, "height", "is not an array of numbers", "give metres, NaN for no data") from None
        _check_grid(self.name, height, self.x0, self.y0, self.cell)
        height.flags.writeable = False
        object.__setattr__(self, "height", height)
        for field in ("x0", "y0", "cell"):
            object.__setattr__(self, field, float(getattr(self, field)))
        object.__setattr__(self, "keep_outs", tuple(self.keep_outs))
        for index, polygon in enumerate(self.keep_outs):
            if not (isinstance(polygon, Polygon) and polygon.is_valid and not polygon.is_empty):
                raise InputError(self.name, f"keep_outs[{index}]", "is not a valid polygon", "give simple rings in metres")

    @property
    def no_data(self) -> NDArray[np.bool_]:
        """(ny, nx) mask of the nodes without a height."""
        return np.asarray(np.isnan(self.height))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax) of the node centres [m]."""
        ny, nx = self.height.shape
        return self.x0, self.y0, self.x0 + (nx - 1) * self.cell, self.y0 + (ny - 1) * self.cell

    @property
    def x(self) -> FloatArray:
        """(nx,) node coordinates towards east [m]."""
        return np.asarray(self.x0 + self.cell * np.arange(self.height.shape[1]))

    @property
    def y(self) -> FloatArray:
        """(ny,) node coordinates towards north [m]."""
        return np.asarray(self.y0 + self.cell * np.arange(self.height.shape[0]))


def _check_grid(name: str, height: FloatArray, x0: float, y0: float, cell: float) -> None:
    if height.ndim != 2 or min(height.shape) < MINIMUM_NODES:
        raise InputError(
            name, "height", f"has shape {height.shape}, fewer than {MINIMUM_NODES} x {MINIMUM_NODES} nodes",
            "give a larger grid, rows south to north",
        )  # fmt: skip
    if not (np.isfinite(cell) and cell > 0.0):
        raise InputError(name, "cell", "is not a positive length", "give the node distance in metres", cell)
    if not (np.isfinite(x0) and np.isfinite(y0)):
        raise InputError(name, "x0, y0", "is not finite", "give the first node in metres", (x0, y0))
    if np.isnan(height).all():
        raise InputError(name, "height", "has no valid node at all", "check the file's nodata value")
    lowest, highest = float(np.nanmin(height)), float(np.nanmax(height))
    if not (lowest >= LOWEST_HEIGHT and highest <= HIGHEST_HEIGHT):
        raise InputError(
            name, "height", f"is not within {LOWEST_HEIGHT:g} .. {HIGHEST_HEIGHT:g} m",
            "mark missing data by NaN or a declared nodata value; count heights from a datum, not from the centre of the body",
            highest if lowest >= LOWEST_HEIGHT else lowest,
        )  # fmt: skip


def terrain_slope(terrain: Terrain) -> FloatArray:
    """Slope of the raw grid by central differences over two cells, one-sided at the border (ny, nx) [rad].

    NaN where a node that is needed has no data. Use `Surface.tilt` for the slope that the rover feels.
    """
    north, east = np.gradient(terrain.height, terrain.cell)
    return np.asarray(np.arctan(np.hypot(east, north)))


def polygons_from_rings(rings: Sequence[ArrayLike], source: str) -> tuple[Polygon, ...]:
    """Polygons from rings of (n, 2) points [m]; the closing point may be left out.

    Raises InputError, naming the ring, when one has fewer than three points, a point that is not finite, or crosses itself.
    """
    polygons = []
    for index, ring in enumerate(rings):
        field = f"keep_outs[{index}]"
        try:
            points = np.asarray(ring, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(source, field, "is not a list of x, y points", "give at least three points in metres") from None
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.all(np.isfinite(points)):
            raise InputError(
                source, field, f"has shape {points.shape} or holds values that are not finite",
                "give at least three x, y points in metres",
            )  # fmt: skip
        polygon = Polygon(points)
        if not polygon.is_valid or polygon.area == 0.0:
            raise InputError(source, field, "crosses itself or has no area", "give a simple ring")
        polygons.append(polygon)
    return tuple(polygons)
