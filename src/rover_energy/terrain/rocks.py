"""Rocks too large to drive over, as keep-out polygons."""

from __future__ import annotations

import math

import numpy as np
from shapely.affinity import scale, translate
from shapely.geometry import Polygon

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray

LARGEST_ROCK = 5.0  # diameter [m] at which the law is cut off
_CORNERS = 10


def rock_decay(abundance: float) -> float:
    """Exponent q [1/m] of Golombek & Rapp (1997), doi:10.1029/96JE03319: q = 1.79 + 0.152 / k for rocks covering a fraction k."""
    if not (0.0 < abundance <= 0.4):
        raise InputError("rocks", "abundance", "is not above 0 and up to 0.4", "give the fraction of area covered", abundance)
    return 1.79 + 0.152 / abundance


def rock_count_density(diameter: FloatArray, abundance: float, decay: float) -> FloatArray:
    """Number of rocks per area and diameter [1/m3] at each diameter [m], from the area law k exp(-q D) by dF = n(D) pi D^2/4."""
    return np.asarray(abundance * decay * np.exp(-decay * diameter) * 4.0 / (np.pi * diameter**2))


def rock_diameters(
    area: float, smallest: float, abundance: float, rng: np.random.Generator, decay: float | None = None
) -> FloatArray:
    """Random diameters of the rocks on an area.

    Parameters
    ----------
    area : float
        [m2].
    smallest : float
        Least diameter, above 0.02 and below 5 [m].
    abundance : float
        Fraction of the area covered by rocks of all sizes, 0 to 0.4; 0 is none [-].
    rng : numpy.random.Generator
    decay : float, optional
        q in exp(-q D) [1/m]; by default Golombek & Rapp's value for this abundance.

    Returns
    -------
    (n,) array
        Diameters [m]; n is Poisson.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    Golombek & Rapp measured their law on Mars. At lunar landing sites the covered area falls off exponentially too, with
    constants of each site (Di et al. 2016, doi:10.1016/j.pss.2015.11.012, Chang'E-3), which can be given here.
    """
    if not (0.02 < smallest < LARGEST_ROCK):
        raise InputError("rocks", "smallest", f"not within 0.02 .. {LARGEST_ROCK} m", "give the least diameter kept", smallest)
    if not (0.0 <= area < math.inf):
        raise InputError("rocks", "area", "is not an area", "give square metres", area)
    if abundance == 0.0:
        return np.zeros(0)
    default = rock_decay(abundance)  # checks the abundance
    q = default if decay is None else decay
    if not (0.0 < q < math.inf):
        raise InputError("rocks", "decay", "is not positive", "give 1/m", decay)
    grid = np.geomspace(smallest, LARGEST_ROCK, 4001)
    density = rock_count_density(grid, abundance, q)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    count = int(rng.poisson(area * cumulative[-1]))
    return np.asarray(np.interp(rng.uniform(0.0, cumulative[-1], count), cumulative, grid))


def rock_outline(x: float, y: float, diameter: float, rng: np.random.Generator) -> Polygon:
    """Convex outline around (x, y) with the area of a disc of this diameter [m]."""
    angle = (np.arange(_CORNERS) + rng.uniform(0.0, 0.8, _CORNERS)) * (2.0 * np.pi / _CORNERS)
    radius = rng.uniform(0.75, 1.0, _CORNERS)
    hull = Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])).convex_hull
    factor = diameter * math.sqrt(math.pi / (4.0 * hull.area))
    shape = scale(hull, factor, factor, origin=(0.0, 0.0))
    return translate(shape, x, y)


def random_rocks(
    extent: tuple[float, float, float, float], smallest: float, abundance: float, rng: np.random.Generator,
    decay: float | None = None,
) -> tuple[Polygon, ...]:  # fmt: skip
    """Outlines of random rocks, placed uniformly over the extent (xmin, ymin, xmax, ymax) [m]; see `rock_diameters`."""
    xmin, ymin, xmax, ymax = extent
    diameters = rock_diameters((xmax - xmin) * (ymax - ymin), smallest, abundance, rng, decay)
    centres = rng.uniform((xmin, ymin), (xmax, ymax), (diameters.size, 2))
    return tuple(rock_outline(float(x), float(y), float(d), rng) for (x, y), d in zip(centres, diameters, strict=True))
