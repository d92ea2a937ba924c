"""Made lunar terrain: relief, craters and rocks from one seed."""

from __future__ import annotations

import math

import numpy as np

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import MINIMUM_NODES
from rover_energy.terrain.craters import PROFILE_REACH, add_craters, equilibrium_craters
from rover_energy.terrain.loading import MAXIMUM_NODES
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.relief import fractal_relief
from rover_energy.terrain.rocks import random_rocks


def generate_lunar_terrain(
    *,
    seed: int,
    size: tuple[float, float] = (60.0, 60.0),
    cell: float = 0.2,
    hurst: float = 0.95,
    relief_slope: float = math.radians(2.7),
    relief_baseline: float = 17.0,
    crater_density: float = 1.0,
    smallest_crater: float = 1.0,
    largest_crater: float | None = None,
    rock_abundance: float = 0.03,
    rock_decay: float | None = None,
    smallest_rock: float = 0.4,
    name: str | None = None,
) -> Terrain:
    """Random lunar ground: self-affine relief, craters in equilibrium, and rocks as keep-outs.

    Parameters
    ----------
    seed : int
        Not negative. The same seed and options give the same terrain.
    size : (float, float)
        Extent towards east and north [m], rounded to whole cells.
    cell : float
        Node distance [m].
    hurst : float
        Exponent of the relief; LOLA found 0.95 on highlands and 0.76 on maria (Rosenburg et al. 2011,
        doi:10.1029/2010JE003716) at 17 m to 2.7 km, here continued to metres [-].
    relief_slope : float
        Root-mean-square slope of the relief over `relief_baseline`, without craters [rad]. The default is chosen for
        slopes of about 5, 11 and 20 degrees (median, 90 %, 99 %) after averaging with a 0.4 m footprint.
    relief_baseline : float
        [m]; shortened to a quarter of the shorter side on small maps.
    crater_density : float
        Number of craters against Trask's equilibrium [-]; 0 is none.
    smallest_crater : float
        Least crater diameter, at least two cells [m].
    largest_crater : float, optional
        [m]; by default a third of the shorter side, so that no single crater is the map.
    rock_abundance, rock_decay
        See `rover_energy.terrain.rocks.rock_diameters`.
    smallest_rock : float
        Least diameter of a rock kept [m]: smaller ones pass under the rover or its wheels climb them, and are part of the
        rolling resistance.
    name : str, optional
        By default tells the seed.

    Returns
    -------
    Terrain
        First node at (0, 0), mean height about 0; rocks are `keep_outs` and not part of the heights.

    Raises
    ------
    InputError
        A parameter out of range.
    """
    nx, ny = _node_counts(size, cell)
    _check_seed(seed)
    width, depth = (nx - 1) * cell, (ny - 1) * cell
    shorter = min(width, depth)
    largest = shorter / 3.0 if largest_crater is None else largest_crater
    if crater_density != 0.0 and not (2.0 * cell <= smallest_crater < largest):
        raise InputError(
            "terrain generator", "smallest_crater", f"is not within two cells, {2.0 * cell:g} m, and the largest, {largest:g} m",
            "choose it in between, or crater_density 0", smallest_crater,
        )  # fmt: skip
    # One stream per kind, so that changing the options of one leaves the others as they were.
    relief_rng, crater_rng, rock_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    baseline = min(relief_baseline, max(cell, shorter / 4.0))
    height = fractal_relief((ny, nx), cell, hurst=hurst, rms_slope=math.tan(relief_slope), baseline=baseline, rng=relief_rng)
    if crater_density != 0.0:
        margin = 0.5 * PROFILE_REACH * largest  # craters outside the map whose rims reach into it
        around = (-margin, -margin, width + margin, depth + margin)
        add_craters(height, 0.0, 0.0, cell, equilibrium_craters(around, smallest_crater, largest, crater_density, crater_rng))
    rocks = random_rocks((0.0, 0.0, width, depth), smallest_rock, rock_abundance, rock_rng, rock_decay)
    return Terrain(height, 0.0, 0.0, cell, f"lunar seed {seed}" if name is None else name, rocks)


def _node_counts(size: tuple[float, float], cell: float) -> tuple[int, int]:
    if not (0.0 < cell < math.inf):
        raise InputError("terrain generator", "cell", "is not a positive length", "give the node distance in metres", cell)
    try:
        width, depth = (float(s) for s in size)
    except (TypeError, ValueError):
        raise InputError("terrain generator", "size", "is not two lengths", "give (east, north) in metres", size) from None
    least = (MINIMUM_NODES - 1) * cell
    if not (least <= width < math.inf and least <= depth < math.inf):
        raise InputError("terrain generator", "size", f"is below {least:g} m", "give (east, north) in metres", size)
    if not ((width / cell + 1.0) * (depth / cell + 1.0) <= MAXIMUM_NODES):
        raise InputError("terrain generator", "size", f"needs over {MAXIMUM_NODES} nodes", "enlarge the cell", size)
    return round(width / cell) + 1, round(depth / cell) + 1


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not (seed >= 0):
        raise InputError("terrain generator", "seed", "is not a whole number from 0", "give a seed", seed)
