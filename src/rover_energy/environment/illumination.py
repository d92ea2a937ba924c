"""How much of the Sun's disc is seen from each node of the terrain.

The Sun is a disc, not a point: as it sinks behind a ridge its light fades over a penumbra whose width is the distance to the
ridge times the disc's angular diameter (0.53 deg at 1 au).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from rover_energy.environment.horizon import far_horizon_elevation, horizon_elevation
from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray
from rover_energy.terrain.raster import Terrain


def disc_fraction(clearance: ArrayLike, radius: ArrayLike) -> FloatArray:
    """Fraction of a disc's area that lies above a straight edge.

    1/2 + (u sqrt(1 - u^2) + asin u)/pi with u = clearance/radius, clipped to +-1: the exact circular segment, for a horizon
    that is level across the disc. The disc's brightness is taken uniform (limb darkening would shift light by a few per cent
    of the full value within the penumbra, none at its middle and ends).

    Parameters
    ----------
    clearance : array_like
        Elevation of the disc's centre above the edge [rad]; +-inf allowed, NaN gives NaN.
    radius : array_like
        Angular radius of the disc [rad], positive. Shapes broadcast.
    """
    u = np.clip(np.asarray(clearance, dtype=np.float64) / np.asarray(radius, dtype=np.float64), -1.0, 1.0)
    return np.asarray(0.5 + (u * np.sqrt(1.0 - u * u) + np.arcsin(u)) / math.pi)


def sunlit_nodes(
    terrain: Terrain,
    azimuth: ArrayLike,
    elevation: ArrayLike,
    radius: ArrayLike,
    *,
    footprint: float = 0.0,
    panel_height: float = 0.0,
    body_radius: float = math.inf,
    far_horizon: ArrayLike | None = None,
) -> FloatArray:
    """Visible fraction of the Sun's disc at the nodes of the terrain, averaged over the footprint.

    Parameters
    ----------
    terrain : Terrain
    azimuth, elevation, radius : (nt,) array_like
        Sun's centre, clockwise from north and above the horizontal, and angular radius of its disc [rad].
    footprint : float
        Standard deviation of the Gaussian that averages the light [m]; 0 for none.
    panel_height : float
        Height of the panel above the ground [m]. 0, at the ground, sees the least light.
    body_radius : float
        For the curvature of the ground [m].
    far_horizon : (n, 2) array_like or None
        Horizon beyond the map, see `far_horizon_elevation`; None: the horizontal.

    Returns
    -------
    (nt, ny, nx) array
        0 to 1. Nodes without data get the value of the nearest node that has some: nothing may drive there, but the field
        needs a value.

    Raises
    ------
    InputError
        Shapes that do not match, angles that are not finite, a footprint below 0.
    """
    angles = [np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (azimuth, elevation, radius)]
    if not (angles[0].ndim == 1 and all(a.shape == angles[0].shape and np.all(np.isfinite(a)) for a in angles)):
        raise InputError("illumination", "sun", "angles are not finite lists of one length", "give one value per slice")
    if not angles[2].min() > 0.0:
        raise InputError("illumination", "radius", "is not positive", "give radians", float(angles[2].min()))
    if not (footprint >= 0.0 and math.isfinite(footprint)):
        raise InputError("illumination", "footprint", "is below the least allowed 0 m", "raise it to 0 m or more", footprint)
    floor = far_horizon_elevation(far_horizon, angles[0])
    out = np.zeros((angles[0].size, *terrain.height.shape))
    nearest = _nearest_valid(terrain)
    for k, (az, el, r) in enumerate(zip(*angles, strict=True)):
        if el + r <= floor[k]:
            continue
        horizon = horizon_elevation(terrain, az, observer_height=panel_height, body_radius=body_radius)
        fraction = disc_fraction(el - np.maximum(horizon, floor[k]), r)
        out[k] = _smoothed(fraction if nearest is None else fraction[nearest], footprint / terrain.cell)
    return out


def _nearest_valid(terrain: Terrain) -> tuple[FloatArray, ...] | None:
    """Row and column of the nearest node with data, for every node; None when all have some."""
    if not terrain.no_data.any():
        return None
    indices = ndimage.distance_transform_edt(terrain.no_data, return_distances=False, return_indices=True)
    return tuple(indices)


def _smoothed(fraction: FloatArray, sigma: float) -> FloatArray:
    if sigma > 0.0:
        fraction = ndimage.gaussian_filter(fraction, sigma, mode="nearest", truncate=4.0)
    return np.clip(fraction, 0.0, 1.0)  # rounding alone leaves the range
