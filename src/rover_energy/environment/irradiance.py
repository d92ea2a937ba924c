"""Irradiance at the ground: the bare Sun on the Moon, dimmed and scattered by dust in the air of Mars."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rover_energy.environment.bodies import MARS, SOLAR_CONSTANT, Body
from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray

MARS_ALBEDO = 0.1  # [-] of the ground, for which the table below was computed
MARS_SCALE_HEIGHT = 11_100.0  # [m] NASA Mars fact sheet; dust is taken as mixed evenly with the air
MAXIMUM_OPTICAL_DEPTH = 10.0

# Normalised net flux f(z, tau) at the ground, albedo 0.1, from Pollack's multiple-scattering computation: Appelbaum & Flood 1990,
# Solar Energy 45(6), 10.1016/0038-092X(90)90156-7, and NASA TM-102299, table III. Rows: optical depth; columns: zenith
# angle. Read from the transcription in the R package marsrad; twenty of its 29 rows are kept; five of the others serve as a test.
_ZENITH = np.radians([0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 85.0])
_TABLE = np.array([
    [0.1, 0.885, 0.883, 0.882, 0.880, 0.876, 0.870, 0.857, 0.830, 0.755, 0.635],
    [0.2, 0.866, 0.865, 0.860, 0.858, 0.851, 0.836, 0.813, 0.758, 0.640, 0.470],
    [0.3, 0.847, 0.846, 0.841, 0.836, 0.826, 0.806, 0.774, 0.708, 0.562, 0.412],
    [0.4, 0.828, 0.827, 0.821, 0.815, 0.802, 0.778, 0.740, 0.667, 0.502, 0.373],
    [0.5, 0.810, 0.810, 0.802, 0.796, 0.778, 0.752, 0.708, 0.628, 0.452, 0.342],
    [0.6, 0.793, 0.791, 0.785, 0.775, 0.755, 0.725, 0.677, 0.593, 0.414, 0.318],
    [0.7, 0.776, 0.773, 0.766, 0.755, 0.733, 0.700, 0.646, 0.555, 0.383, 0.298],
    [0.8, 0.760, 0.756, 0.750, 0.736, 0.710, 0.675, 0.616, 0.520, 0.360, 0.280],
    [0.9, 0.745, 0.740, 0.733, 0.717, 0.690, 0.650, 0.587, 0.487, 0.336, 0.264],
    [1.0, 0.732, 0.725, 0.717, 0.700, 0.670, 0.628, 0.560, 0.455, 0.317, 0.252],
    [1.2, 0.697, 0.692, 0.683, 0.662, 0.632, 0.585, 0.518, 0.413, 0.288, 0.230],
    [1.4, 0.666, 0.661, 0.650, 0.629, 0.596, 0.546, 0.478, 0.379, 0.262, 0.210],
    [1.6, 0.637, 0.630, 0.618, 0.597, 0.563, 0.512, 0.441, 0.348, 0.240, 0.195],
    [1.8, 0.609, 0.600, 0.586, 0.568, 0.531, 0.480, 0.408, 0.318, 0.224, 0.181],
    [2.0, 0.582, 0.573, 0.558, 0.537, 0.500, 0.448, 0.378, 0.293, 0.208, 0.170],
    [2.5, 0.518, 0.509, 0.492, 0.469, 0.430, 0.378, 0.316, 0.242, 0.174, 0.145],
    [3.0, 0.460, 0.450, 0.434, 0.414, 0.376, 0.330, 0.273, 0.206, 0.150, 0.128],
    [4.0, 0.370, 0.360, 0.347, 0.330, 0.296, 0.258, 0.212, 0.160, 0.118, 0.100],
    [5.0, 0.294, 0.286, 0.275, 0.258, 0.230, 0.203, 0.166, 0.130, 0.094, 0.080],
    [6.0, 0.228, 0.223, 0.215, 0.200, 0.178, 0.153, 0.130, 0.103, 0.080, 0.068],
])  # fmt: skip


def net_flux(zenith: ArrayLike, optical_depth: float) -> FloatArray:
    """Share f(z, tau) of the light at the top of the Martian atmosphere that the ground (albedo 0.1) keeps.

    Linear in zenith angle and in optical depth between the entries of the table. Departures where the table has none: f =
    1 - albedo without dust, f(90 deg) = 0 with dust (linear from 85 deg), and beyond tau = 6 the decay from 5 to 6 goes on.

    Parameters
    ----------
    zenith : array_like
        [rad], 0 to pi/2; above it the result is that at pi/2, NaN stays.
    optical_depth : float
        tau, 0 to 10.

    Returns
    -------
    array [-]

    Raises
    ------
    InputError
        An optical depth outside 0 .. 10.
    """
    _check_depth(optical_depth)
    depths = np.concatenate([[0.0], _TABLE[:, 0]])
    rows = np.vstack([np.full(_ZENITH.size, 1.0 - MARS_ALBEDO), _TABLE[:, 1:]])
    if optical_depth > depths[-1]:
        row = rows[-1] * (rows[-1] / rows[-2]) ** ((optical_depth - depths[-1]) / (depths[-1] - depths[-2]))
    else:
        row = np.array([np.interp(optical_depth, depths, column) for column in rows.T])
    last = 1.0 - MARS_ALBEDO if optical_depth == 0.0 else 0.0
    return np.asarray(np.interp(np.asarray(zenith, dtype=np.float64), np.append(_ZENITH, 0.5 * math.pi), np.append(row, last)))


def air_mass(elevation: ArrayLike) -> FloatArray:
    """Length of the Sun's path through the Martian air over that of a vertical one.

    sqrt((X s)^2 + 2 X + 1) - X s with s = sin(elevation), X = radius/scale height: a shell of even density (Schoenberg 1929). It
    equals 1/sin(elevation) within 2 % above 16 deg and stays finite (24.7) at the horizon, where 1/sin does not. [rad] -> [-]
    """
    depth = MARS.radius / MARS_SCALE_HEIGHT
    s = depth * np.sin(np.asarray(elevation, dtype=np.float64))
    return np.asarray(np.sqrt(s * s + 2.0 * depth + 1.0) - s)


def irradiance(
    body: Body, distance: ArrayLike, elevation: ArrayLike, optical_depth: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Direct and diffuse irradiance at the ground, outside shadows.

    Moon: 1361 W/m2 / r^2, no diffuse light. Mars (Appelbaum & Flood 1990): direct = G0 exp(-tau m), with the air
    mass m of a spherical shell instead of 1/cos z; global on the horizontal = G0 cos z f(z, tau)/(1 - albedo); diffuse = global
    - direct cos z, never below 0, and 0 with the Sun's centre below the horizontal (twilight is left out).

    Parameters
    ----------
    body : Body
    distance : array_like
        To the Sun [au].
    elevation : array_like
        Of the Sun's centre [rad]; shapes broadcast.
    optical_depth : float
        tau, Mars only: 0 to 10. About 0.3 to 0.6 on clear sols, 1 in the dusty season, above 3 in a global storm.

    Returns
    -------
    direct, diffuse : arrays
        On a surface that faces the Sun, and on a horizontal one [W/m2]. `direct` knows nothing of the horizon. NaN for NaN.

    Raises
    ------
    InputError
        A distance that is not positive, an optical depth out of range.
    """
    r, elevation = np.broadcast_arrays(np.asarray(distance, dtype=np.float64), np.asarray(elevation, dtype=np.float64))
    if not np.all(np.isnan(r) | (r > 0.0)):
        raise InputError("irradiance", "distance", "is not positive", "give astronomical units")
    above = SOLAR_CONSTANT / r**2
    if not body.atmosphere:
        return np.where(np.isnan(elevation), np.nan, above), np.where(np.isnan(above + elevation), np.nan, 0.0)
    _check_depth(optical_depth)
    direct = above * np.exp(-optical_depth * air_mass(elevation))
    cosine = np.maximum(np.sin(elevation), 0.0)
    total = above * cosine * net_flux(0.5 * math.pi - elevation, optical_depth) / (1.0 - MARS_ALBEDO)
    return direct, np.maximum(total - direct * cosine, 0.0)


def _check_depth(optical_depth: float) -> None:
    if not (0.0 <= optical_depth <= MAXIMUM_OPTICAL_DEPTH):
        raise InputError(
            "irradiance", "optical_depth", f"is not within 0 .. {MAXIMUM_OPTICAL_DEPTH:g}", "give the dust's tau", optical_depth
        )
