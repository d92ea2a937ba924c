"""Small lunar craters: how many of which size, how deep, and how worn down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_banded

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray

# Cumulative number of craters above diameter D per area, N = 10^-1.1 D^-2, in equilibrium between making and wearing down:
# Trask (1966), JPL Tech. Rep. 32-800; NASA's SLS-SPEC-159 rev. I (2021), sec. 3.4.1, uses it below 100 m and down to metres. It
# lies within the 1 to 10 % of geometric saturation of Gault (1970), doi:10.1029/RS005i002p00273.
EQUILIBRIUM_COEFFICIENT = 10.0**-1.1

# Depth / diameter of fresh craters by diameter [m]: Stopar et al. (2017), doi:10.1016/j.icarus.2017.05.022, from 40 m; the two
# last continue the trend, as synthterrain does. The mean over all ages then comes to 0.054 below 10 m; on small craters,
# Chang'E-4 measured 0.061 (Wu et al. 2021, doi:10.1016/j.epsl.2020.116666).
_FRESH_DEPTH = ((400.0, 0.21), (200.0, 0.17), (100.0, 0.15), (40.0, 0.13), (10.0, 0.11), (0.0, 0.10))

FAINTEST_DEPTH = 0.03  # depth / diameter at which a crater is counted no more; sets how old a crater can be
PROFILE_REACH = 4.0  # radii to which a profile is kept; beyond it, worn material adds less than 1e-4 of the diameter

_RIM_HEIGHT = 0.036822095  # of the diameter; Fassett & Thomson (2014), eq. 4, like Pike (1977)
_CREST = 0.98  # where the published pieces meet [radii]
_INTERIOR = (-0.228809953, 0.227533882, 0.083116795, -0.039499407)
_EXTERIOR = (0.188253307, -0.187050452, 0.01844746, 0.01505647)
_STEP = 0.01  # radial grid of the diffusion [radii]
_AGE_STEP = 0.002  # time step of the diffusion [radii^2]


@dataclass(frozen=True, eq=False)
class Craters:
    """A population of craters.

    Attributes
    ----------
    x, y : (n,) arrays
        Centres in the map frame [m].
    diameter : (n,) array
        Rim to rim [m].
    age : (n,) array
        Age as a fraction of the time after which a crater of this size is counted no more, 0 to 1 [-].
    """

    x: FloatArray
    y: FloatArray
    diameter: FloatArray
    age: FloatArray


def fresh_depth_ratio(diameter: float) -> float:
    """Depth / diameter [-] of a fresh crater with this rim diameter [m]; for sources see the table above.

    Raises InputError for a diameter that is not positive.
    """
    if not (0.0 < diameter < math.inf):
        raise InputError("craters", "diameter", "is not a positive length", "give metres", diameter)
    return next(ratio for smallest, ratio in _FRESH_DEPTH if diameter >= smallest)


def fresh_profile(radius_fraction: ArrayLike, depth_ratio: float) -> FloatArray:
    """Height of a fresh crater over the plain, in rim diameters, at distance / rim radius from its centre; shapes broadcast.

    Fassett & Thomson (2014), doi:10.1002/2014JE004698, eq. 4; small craters get a flat floor at their smaller depth.
    The published crest, where the two polynomials meet, lies at 0.98 radii; radii are stretched by 2 % to put it on the rim.
    """
    r = _CREST * np.asarray(radius_fraction, dtype=np.float64)
    inner = np.polynomial.polynomial.polyval(r, _INTERIOR)
    outer = np.polynomial.polynomial.polyval(r, _EXTERIOR)
    height = np.select([r < _CREST, r < 1.5], [inner, outer], 0.0)
    return np.asarray(np.maximum(height, _RIM_HEIGHT - depth_ratio))


@lru_cache(maxsize=16)
def worn_profiles(depth_ratio: float, faintest: float = FAINTEST_DEPTH) -> tuple[FloatArray, FloatArray]:
    """Profiles of a crater as it wears down, until its depth is `faintest` diameters.

    Parameters
    ----------
    depth_ratio : float
        Depth / diameter when fresh, above `faintest` [-].
    faintest : float
        Depth / diameter at the last profile [-].

    Returns
    -------
    radius_fraction : (m,) array
        Distance / rim radius.
    profiles : (ages, m) array
        Height / diameter, at equal steps of age from fresh to the last.

    Raises
    ------
    InputError
        `depth_ratio` not above `faintest`, or either out of range.

    Notes
    -----
    Topographic diffusion dh/dt = kappa laplacian(h), as for lunar craters by Fassett & Thomson (2014), with circular symmetry and
    age measured in radius^2 / kappa, so that one table serves all diameters. Implicit Euler on rings, which keeps the volume.
    """
    if not (0.001 <= faintest < depth_ratio <= 0.3):
        raise InputError("craters", "depth ratio", f"not within {faintest} .. 0.3", "give fresh above faintest", depth_ratio)
    edges = np.arange(0.0, 2.0 * PROFILE_REACH + _STEP / 2.0, _STEP)  # the far half lets material leave the kept part
    middle = 0.5 * (edges[1:] + edges[:-1])
    flow = _AGE_STEP * edges[1:-1] / _STEP**2
    bands = np.zeros((3, middle.size))
    bands[0, 1:], bands[2, :-1] = -flow / middle[:-1], -flow / middle[1:]
    bands[1] = 1.0
    bands[1, :-1] += flow / middle[:-1]
    bands[1, 1:] += flow / middle[1:]
    profiles = [fresh_profile(middle, depth_ratio)]
    while profiles[-1].max() - profiles[-1].min() > faintest:
        profiles.append(solve_banded((1, 1), bands, profiles[-1]))
    kept = middle <= PROFILE_REACH
    radius, table = middle[kept], np.array(profiles)[:, kept]
    table.flags.writeable = radius.flags.writeable = False  # shared through the cache
    return radius, table


def worn_profile(radius_fraction: ArrayLike, depth_ratio: float, age: float, faintest: float = FAINTEST_DEPTH) -> FloatArray:
    """Height / diameter [-] at distance / rim radius of a crater of this age (0 fresh to 1 counted no more)."""
    radius, table = worn_profiles(depth_ratio, faintest)
    place = float(np.clip(age, 0.0, 1.0)) * (len(table) - 1)
    first = min(int(place), len(table) - 2)
    profile = table[first] + (place - first) * (table[first + 1] - table[first])
    return np.asarray(np.interp(np.asarray(radius_fraction, dtype=np.float64), radius, profile, right=0.0))


def equilibrium_craters(
    extent: tuple[float, float, float, float], smallest: float, largest: float, density: float, rng: np.random.Generator
) -> Craters:
    """Random craters in equilibrium: uniform in place and age, cumulative number `density` * 10^-1.1 D^-2 per area.

    Parameters
    ----------
    extent : (xmin, ymin, xmax, ymax)
        Where the centres lie [m].
    smallest, largest : float
        Range of diameters [m].
    density : float
        1 is Trask's equilibrium [-].
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        A diameter or the density out of range.

    Notes
    -----
    The number is Poisson. In equilibrium, craters of a size are made at a constant rate and each is lost at the same age, so the
    ages of those present are uniform; worn by linear diffusion, that age goes with the square of the size, which gives D^-2.
    """
    if not (0.0 < smallest < largest < math.inf):
        raise InputError("craters", "diameters", "are not a rising positive range", "give metres", (smallest, largest))
    if not (0.0 <= density <= 5.0):
        raise InputError("craters", "density", "is not within 0 .. 5", "1 is the lunar equilibrium", density)
    xmin, ymin, xmax, ymax = extent
    per_area = density * EQUILIBRIUM_COEFFICIENT * (smallest**-2 - largest**-2)
    count = int(rng.poisson(per_area * (xmax - xmin) * (ymax - ymin)))
    u = rng.uniform(size=count)
    diameter = (smallest**-2 - u * (smallest**-2 - largest**-2)) ** -0.5
    return Craters(rng.uniform(xmin, xmax, count), rng.uniform(ymin, ymax, count), diameter, rng.uniform(size=count))


def add_craters(height: FloatArray, x0: float, y0: float, cell: float, craters: Craters) -> None:
    """Add each crater's profile to the heights (ny, nx) [m] in place.

    Profiles are added up. On the Moon a new crater also erases what was inside it; where craters overlap, this ground is
    therefore somewhat rougher than the Moon's.
    """
    ny, nx = height.shape
    for x, y, diameter, age in zip(craters.x, craters.y, craters.diameter, craters.age, strict=True):
        reach = 0.5 * PROFILE_REACH * diameter
        i0, i1 = max(0, math.ceil((x - reach - x0) / cell)), min(nx, math.floor((x + reach - x0) / cell) + 1)
        j0, j1 = max(0, math.ceil((y - reach - y0) / cell)), min(ny, math.floor((y + reach - y0) / cell) + 1)
        if i0 >= i1 or j0 >= j1:
            continue
        dx = x0 + cell * np.arange(i0, i1) - x
        dy = y0 + cell * np.arange(j0, j1) - y
        distance = np.hypot(dx[None, :], dy[:, None]) / (0.5 * diameter)
        height[j0:j1, i0:i1] += diameter * worn_profile(distance, fresh_depth_ratio(diameter), age)
