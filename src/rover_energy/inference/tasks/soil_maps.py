"""Ground with patches of soft soil that show only in texture and shade, and what driving on it costs by the soil model.

Nothing local gives a patch away. Soft soil is smooth and rippled; but firm ground has smooth places without ripples and
ripples of stone that are rough, and its brightness differs from place to place more than from soil to soil.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rover_energy.locomotion.soil import SoilParameters, WheelParameters, rover_resistance
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.relief import fractal_relief

Floats = NDArray[np.float32]
Array = NDArray[np.float64]
SIDE, CELL, CHANNELS = 64, 0.5, 2  # nodes, [m]
FIRM, SOFT = 820.0e3, 80.0e3  # k_phi [N/m^(n+2)]: lunar regolith of the NASA LTV white paper, and a tenth of it
MASS, GRAVITY = 200.0, 1.62  # [kg], [m/s2]
PATCH = 9.0  # cells over which softness keeps its kind
ROUGH, SMOOTH, RIPPLE = 0.035, 0.006, 0.035  # [m] standard deviations of pebbles, of sand, and height of ripples
WAVELENGTH = 3.7  # of ripples [cells]
NOISE, ALBEDO = 0.03, 0.10  # of the image, over its mean


@dataclass(frozen=True, eq=False)
class SoilScene:
    """Generated ground: the terrain, its softness (0 firm to 1 soft) and the image of it, all (ny, nx)."""

    terrain: Terrain
    softness: Array
    image: Array

    @property
    def factor(self) -> Array:
        """Resistance over that of firm ground, 1 or more."""
        return resistance_factor(self.softness)


def resistance_factor(softness: Array) -> Array:
    """Resistance of soil over that of firm ground, by Bekker and Wong (`locomotion.soil`), from softness 0 .. 1.

    The frictional modulus falls from lunar regolith to a tenth of it, uniformly in its logarithm.
    """
    wheel, table = WheelParameters(), np.linspace(0.0, 1.0, 33)
    soils = [replace(SoilParameters(), frictional_modulus=FIRM * (SOFT / FIRM) ** s) for s in table]
    force = [float(rover_resistance(soil, wheel, MASS * GRAVITY, GRAVITY)) for soil in soils]
    return np.interp(softness, table, np.array(force) / force[0])


def make_scene(rng: np.random.Generator, side: int = SIDE, *, share: float | None = None, relief: float = 0.8) -> SoilScene:
    """Random ground of `side` nodes; `share` of it soft (default random), gentle relief of so many degrees over 8 m."""
    shape = (side, side)
    wanted = float(rng.uniform(0.15, 0.45)) if share is None else share
    soft = _patches(rng, shape, wanted, PATCH)
    calm, stony = (_patches(rng, shape, 0.3, 0.8 * PATCH) * (1.0 - soft) for _ in range(2))
    pebbles = rng.normal(size=shape)
    sandy = np.clip(soft + calm, 0.0, 1.0)
    texture = (SMOOTH * sandy + ROUGH * (1.0 - sandy)) * pebbles
    texture += RIPPLE * np.clip(soft + stony * (1.0 - calm), 0.0, 1.0) * _ripples(rng, shape)
    ground = fractal_relief(shape, CELL, hurst=0.95, rms_slope=math.tan(math.radians(relief)), baseline=8.0, rng=rng)
    height = ground + texture
    dy = np.gradient(height, CELL, axis=0)
    bright = 1.0 + ALBEDO * _field(rng, shape, 10.0) - 0.3 * ALBEDO * soft
    image = bright * (1.0 - 2.0 * dy) + NOISE * rng.normal(size=shape)
    return SoilScene(Terrain(height, 0.0, 0.0, CELL, "patches of soft soil"), soft, image)


def features(height: Array, image: Array) -> Floats:
    """What a network sees, (2, ny, nx): height less its surroundings [2 cm], and brightness less its mean."""
    local = height - ndimage.gaussian_filter(height, 3.0, mode="nearest")
    return np.stack([local / 0.02, (image - image.mean()) / 0.15]).astype(np.float32)


def make_maps(seed: int, count: int) -> tuple[Floats, Floats]:
    """Features (count, 2, 64, 64) and the logarithm of the resistance factor (count, 1, 64, 64)."""
    rng = np.random.default_rng(seed)
    x, y = np.empty((count, CHANNELS, SIDE, SIDE), np.float32), np.empty((count, 1, SIDE, SIDE), np.float32)
    for i in range(count):
        scene = make_scene(rng)
        x[i], y[i, 0] = features(scene.terrain.height, scene.image), np.log(scene.factor)
    return x, y


def traction_energy(factor: Array, firm: float, slip: float, efficiency: float) -> Array:
    """Energy at the bus per metre of level ground [J/m] of a rover whose resistance on firm ground is `firm` [N]."""
    return np.asarray(firm * factor / ((1.0 - slip) * efficiency))


def _field(rng: np.random.Generator, shape: tuple[int, int], length: float) -> Array:
    """Smooth random field of deviation 1."""
    z = ndimage.gaussian_filter(rng.normal(size=shape), length / 2.0, mode="wrap")
    return np.asarray((z - z.mean()) / z.std())


def _patches(rng: np.random.Generator, shape: tuple[int, int], share: float, length: float) -> Array:
    """Blobs that cover a share of the map, 0 to 1 with borders of about a cell."""
    z = _field(rng, shape, length)
    return np.asarray(1.0 / (1.0 + np.exp(-(z - np.quantile(z, 1.0 - share)) / 0.12)))


def _ripples(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Waves of one direction whose crests wander."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    turn = rng.uniform(0.0, math.pi)
    along = x * math.cos(turn) + y * math.sin(turn)
    return np.asarray(np.sin(2.0 * math.pi * along / WAVELENGTH + 1.5 * _field(rng, shape, 12.0)))
