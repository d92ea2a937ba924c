"""Elevation of the terrain's horizon, seen from every node towards an azimuth.

The ground is known where the ray from a node crosses the lines of the grid: there it is interpolated linearly between the two
nodes of the line. For one azimuth these crossings have the same offsets from every node, so that the whole map is swept at once,
one crossing after the other: in C where there is a compiler, else in numpy, with the same arithmetic and the same result.
"""

from __future__ import annotations

import ctypes
import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.native import FLAGS, load_library
from rover_energy.terrain.bspline import FloatArray
from rover_energy.terrain.raster import Terrain

NOTHING = -0.5 * math.pi  # [rad] horizon where the map ends at once: straight down
_MISSING = -1.0e30  # [m] stands for no data: lower than any ground, so that it casts no shadow
_ON_NODE = 1.0e-9  # [cells] a ray this close to a node meets the node

_SOURCE = r"""
#include <stddef.h>
/* tangent[j][i] = max over crossings of the slope from (height + raised) of node (j, i) to the ground at the crossing. */
void sweep(const double *height, long ny, long nx, double raised, long count, const long *offsets, const double *steps,
           double *tangent)
{
    for (long j = 0; j < ny; ++j) {
        const double *own = height + j * nx;
        double *out = tangent + j * nx;
        for (long k = 0; k < count; ++k) {
            const long da = offsets[4 * k], ja = j + offsets[4 * k + 1], db = offsets[4 * k + 2], jb = j + offsets[4 * k + 3];
            if (ja < 0 || ja >= ny || jb < 0 || jb >= ny) continue;
            const double f = steps[3 * k], e = 1.0 - f, inverse = steps[3 * k + 1], drop = steps[3 * k + 2];
            const long least = da < db ? da : db, most = da > db ? da : db;
            const long first = least < 0 ? -least : 0, end = most > 0 ? nx - most : nx;
            const double *a = height + ja * nx + da, *b = height + jb * nx + db;
            for (long i = first; i < end; ++i) {
                const double v = ((e * a[i] + f * b[i]) - (own[i] + raised)) * inverse - drop;
                out[i] = v > out[i] ? v : out[i];
            }
        }
    }
}
"""


@dataclass(frozen=True)
class _Crossings:
    """Where a ray crosses the grid, relative to the node it starts from, nearest first.

    offsets (n, 4): column and row of the two nodes of the crossed line; fraction (n,): weight of the second one; distance (n,)
    [m]. A ray that meets a node has fraction 0 and the node twice.
    """

    offsets: NDArray[np.int64]
    fraction: FloatArray
    distance: FloatArray


def _crossings(ny: int, nx: int, cell: float, azimuth: float) -> _Crossings:
    ux, uy = math.sin(azimuth), math.cos(azimuth)
    parts = [
        _line_crossings(np.arange(1, nx), ux, uy, transposed=False),
        _line_crossings(np.arange(1, ny), uy, ux, transposed=True),
    ]
    offsets, fraction, distance = (np.concatenate([part[k] for part in parts]) for k in range(3))
    within = (np.abs(offsets[:, [0, 2]]) < nx).all(axis=1) & (np.abs(offsets[:, [1, 3]]) < ny).all(axis=1)
    order = np.argsort(distance[within], kind="stable")
    return _Crossings(offsets[within][order], fraction[within][order], distance[within][order] * cell)


def _line_crossings(
    steps: NDArray[np.int64], along: float, across: float, *, transposed: bool
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Crossings with the grid lines at `steps` cells along one axis; distances in cells. Empty for a ray parallel to them."""
    if abs(along) < 1.0e-12:
        return np.zeros((0, 4), dtype=np.int64), np.zeros(0), np.zeros(0)
    distance = steps / abs(along)
    position = distance * across
    near = np.round(position)
    position = np.where(np.abs(position - near) < _ON_NODE, near, position)
    low = np.floor(position)
    fraction = position - low
    line = steps * int(math.copysign(1, along))
    first, second = low.astype(np.int64), np.where(fraction > 0.0, low + 1, low).astype(np.int64)
    columns = (first, line, second, line) if transposed else (line, first, line, second)
    return np.stack(columns, axis=1).astype(np.int64), fraction, distance


def horizon_elevation(
    terrain: Terrain, azimuth: ArrayLike, *, observer_height: float = 0.0, body_radius: float = math.inf
) -> FloatArray:
    """Elevation angle of the highest ground of the map, seen from every node.

    H(x) = max over distance d of atan((h(x + d u) - h(x) - observer_height)/d - d/(2 R)), the standard horizon with the ground
    falling away by d^2/(2 R) on a body of radius R (its use for lunar light: Mazarico et al. 2011,
    10.1016/j.icarus.2010.10.030). Against exact spherical geometry the tangent is off by about height/R of itself.

    Parameters
    ----------
    terrain : Terrain
        Nodes without data cast no shadow, nor do the cell edges that end in them.
    azimuth : float or (k,) array_like
        Direction of view, clockwise from north (+y) [rad].
    observer_height : float
        Height of the eye above the ground [m].
    body_radius : float
        R [m]; infinite for a flat body.

    Returns
    -------
    (ny, nx) or (k, ny, nx) array
        [rad]; NaN at nodes without data; -pi/2 where no ground of the map lies in that direction. What is beyond the map
        is unknown and not in the result (see `far_horizon_elevation`).

    Raises
    ------
    InputError
        An azimuth that is not finite, a radius that is not positive, a negative observer height.
    """
    azimuths = np.atleast_1d(np.asarray(azimuth, dtype=np.float64))
    if azimuths.ndim != 1 or not np.all(np.isfinite(azimuths)):
        raise InputError("horizon", "azimuth", "is not a finite number or list", "give radians clockwise from north")
    if not body_radius > 0.0:
        raise InputError("horizon", "body_radius", "is not positive", "give metres, or infinity for flat ground", body_radius)
    if not (observer_height >= 0.0 and math.isfinite(observer_height)):
        raise InputError("horizon", "observer_height", "is below the least allowed 0 m", "raise it to 0 m", observer_height)
    height = np.ascontiguousarray(np.where(terrain.no_data, _MISSING, terrain.height))
    out = np.empty((azimuths.size, *height.shape))
    for k, angle in enumerate(azimuths):
        crossings = _crossings(height.shape[0], height.shape[1], terrain.cell, float(angle))
        out[k] = np.arctan(_sweep(height, crossings, observer_height, body_radius))
    out[:, terrain.no_data] = np.nan
    return out if np.ndim(azimuth) else out[0]


def _sweep(height: FloatArray, crossings: _Crossings, observer_height: float, body_radius: float) -> FloatArray:
    """Greatest tangent (ny, nx) over all crossings; -inf where there is none."""
    tangent = np.full(height.shape, -np.inf)
    inverse, drop = 1.0 / crossings.distance, crossings.distance / (2.0 * body_radius)
    library = _library()
    if library is None:
        _sweep_numpy(height, crossings, observer_height, inverse, drop, tangent)
        return tangent
    steps = np.ascontiguousarray(np.stack([crossings.fraction, inverse, drop], axis=1))
    offsets = np.ascontiguousarray(crossings.offsets, dtype=np.dtype(ctypes.c_long))
    library.sweep(
        height.ctypes.data, height.shape[0], height.shape[1], observer_height, len(steps), offsets.ctypes.data, steps.ctypes.data,
        tangent.ctypes.data,
    )  # fmt: skip
    return tangent


@functools.lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    library = load_library(_SOURCE, "horizon", (*FLAGS, "-O3"))
    if library is not None:
        pointer, integer = ctypes.c_void_p, ctypes.c_long
        library.sweep.argtypes = [pointer, integer, integer, ctypes.c_double, integer, pointer, pointer, pointer]
        library.sweep.restype = None
    return library


def _sweep_numpy(
    height: FloatArray, crossings: _Crossings, raised: float, inverse: FloatArray, drop: FloatArray, tangent: FloatArray
) -> None:
    ny, nx = height.shape
    eye = height + raised
    for (ia, ja, ib, jb), f, inv, fall in zip(crossings.offsets.tolist(), crossings.fraction, inverse, drop, strict=True):
        rows = slice(max(0, -min(ja, jb)), min(ny, ny - max(ja, jb)))
        columns = slice(max(0, -min(ia, ib)), min(nx, nx - max(ia, ib)))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        a = height[rows.start + ja : rows.stop + ja, columns.start + ia : columns.stop + ia]
        b = height[rows.start + jb : rows.stop + jb, columns.start + ib : columns.stop + ib]
        part = tangent[rows, columns]
        np.maximum(part, (((1.0 - f) * a + f * b) - eye[rows, columns]) * inv - fall, out=part)


def far_horizon_elevation(far_horizon: ArrayLike | None, azimuth: ArrayLike) -> FloatArray:
    """Elevation of the horizon beyond the map.

    Parameters
    ----------
    far_horizon : (n, 2) array_like or None
        Rows of azimuth (clockwise from north) and elevation [rad], in any order, taken linear and periodic between them.
        None: the horizontal, elevation 0.
    azimuth : array_like
        [rad]

    Returns
    -------
    array of the shape of `azimuth` [rad].

    Raises
    ------
    InputError
        A table of another shape, a value that is not finite, an elevation beyond +-pi/2.
    """
    wanted = np.asarray(azimuth, dtype=np.float64)
    if far_horizon is None:
        return np.where(np.isnan(wanted), np.nan, 0.0)
    table = np.asarray(far_horizon, dtype=np.float64)
    if table.ndim != 2 or table.shape[1:] != (2,) or len(table) < 1:
        raise InputError("environment", "far_horizon", f"has shape {table.shape}", "give rows of azimuth and elevation [rad]")
    if not (np.all(np.isfinite(table)) and np.all(np.abs(table[:, 1]) <= 0.5 * math.pi)):
        raise InputError("environment", "far_horizon", "has values out of range", "give finite angles, elevations within +-pi/2")
    return np.asarray(np.interp(wanted, table[:, 0], table[:, 1], period=2.0 * math.pi))
