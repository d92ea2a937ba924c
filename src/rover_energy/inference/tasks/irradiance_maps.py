"""Maps of sunlight on generated ground with cast shadows, in the Sun's frame: what a network is to learn from heights alone.

The exact answer is that of `environment.horizon`: it exists, so that the network can be held against it in quality and joules.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rover_energy.environment.horizon import horizon_elevation
from rover_energy.environment.illumination import disc_fraction
from rover_energy.terrain.craters import add_craters, equilibrium_craters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.relief import fractal_relief

Floats = NDArray[np.float32]
Array = NDArray[np.float64]
SIDE, CELL = 64, 1.0  # nodes, [m]
CHANNELS = 4
LOWEST, HIGHEST = math.radians(4.0), math.radians(7.5)  # elevation of the Sun: a polar day, when shadows are long
SUN_RADIUS = math.radians(0.265)  # of the disc at 1 au
RELIEF, BASELINE, HURST = math.tan(math.radians(9.0)), 28.0, 0.95
SMALLEST, LARGEST, DENSITY, MARGIN = 4.0, 28.0, 1.0, 14.0  # craters [m]
DARK = 0.02  # share of the full light below which a place counts as shaded


def make_ground(rng: np.random.Generator) -> Terrain:
    """Relief and craters, (64, 64) nodes of 1 m."""
    height = fractal_relief((SIDE, SIDE), CELL, hurst=HURST, rms_slope=RELIEF, baseline=BASELINE, rng=rng)
    around = (-MARGIN, -MARGIN, SIDE * CELL + MARGIN, SIDE * CELL + MARGIN)
    add_craters(height, 0.0, 0.0, CELL, equilibrium_craters(around, SMALLEST, LARGEST, DENSITY, rng))
    return Terrain(height, 0.0, 0.0, CELL)


def exact_irradiance(terrain: Terrain, elevation: float) -> Array:
    """Light on the ground over the light on a surface that faces the Sun, (ny, nx), 0 to 1; the Sun stands at +y.

    Cosine of incidence times the visible share of the disc above the horizon of the map, `elevation` [rad].
    """
    hy, hx = np.gradient(terrain.height, terrain.cell)
    incidence = (math.sin(elevation) - hy * math.cos(elevation)) / np.sqrt(1.0 + hx**2 + hy**2)
    horizon = np.maximum(horizon_elevation(terrain, 0.0), 0.0)
    return np.asarray(np.maximum(incidence, 0.0) * disc_fraction(elevation - horizon, SUN_RADIUS))


def features(terrain: Terrain, elevation: float) -> Floats:
    """What a network sees, (4, ny, nx): length of shadows that heights cast, slopes towards and across the Sun, its elevation.

    Heights are divided by tan(elevation): then a shadow of so many cells looks alike at every elevation [rad].
    """
    hy, hx = np.gradient(terrain.height, terrain.cell)
    steepness = math.tan(elevation)
    height = (terrain.height - terrain.height.mean()) / (steepness * terrain.cell)
    level = np.full(height.shape, math.sin(elevation))
    return np.stack([height / 16.0, hy / steepness, hx / steepness, 4.0 * level]).astype(np.float32)


def make_maps(seed: int, count: int) -> tuple[Floats, Floats]:
    """Features (count, 4, 64, 64) and exact light (count, 1, 64, 64)."""
    rng = np.random.default_rng(seed)
    x, y = np.empty((count, CHANNELS, SIDE, SIDE), np.float32), np.empty((count, 1, SIDE, SIDE), np.float32)
    for i in range(count):
        ground, elevation = make_ground(rng), float(rng.uniform(LOWEST, HIGHEST))
        x[i], y[i, 0] = features(ground, elevation), exact_irradiance(ground, elevation)
    return x, y


def explained(predicted: Array | Floats, wanted: Array | Floats) -> float:
    """Share of the variance that a prediction explains, R2; over all nodes of all maps."""
    residual = float(np.mean((np.asarray(predicted, float) - np.asarray(wanted, float)) ** 2))
    return 1.0 - residual / float(np.var(np.asarray(wanted, float)))


def shadow_score(predicted: Array | Floats, wanted: Array | Floats) -> float:
    """F1 score of finding the shaded nodes, 0 to 1."""
    found, true = np.asarray(predicted, float) < DARK, np.asarray(wanted, float) < DARK
    return float(2.0 * np.sum(found & true) / max(1, int(np.sum(found) + np.sum(true))))
