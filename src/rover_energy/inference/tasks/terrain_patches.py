"""Patches of ground with six kinds of terrain: height and shade, 16 x 16, generated from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Array = NDArray[np.float64]
SIDE, CHANNELS = 16, 2
CLASSES = ("plain", "slope", "crater", "boulders", "ripples", "scarp")
HAZARDS = ("crater", "boulders", "scarp")
SMOOTHING = 2


def make_patches(seed: int, count: int, *, noise: float = 0.15) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Patches (count, 2, 16, 16) and their classes (count,).

    Channel 0 is the height less its mean, channel 1 the shade under a Sun of random azimuth, each with sensor noise of so
    many standard deviations. Features are of random size and strength, so that some are hardly there.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), count)
    patches = np.empty((count, CHANNELS, SIDE, SIDE), dtype=np.float32)
    for i, label in enumerate(labels):
        height = _relief(rng) + _feature(rng, CLASSES[int(label)])
        azimuth = rng.uniform(0.0, 2.0 * np.pi)
        dy, dx = np.gradient(height)
        shade = dx * np.cos(azimuth) + dy * np.sin(azimuth)
        height = height - height.mean()
        patches[i, 0] = height / 2.0 + noise * rng.normal(size=height.shape)
        patches[i, 1] = shade / 0.5 + noise * rng.normal(size=height.shape)
    return patches, labels.astype(np.int64)


def _relief(rng: np.random.Generator) -> Array:
    """Gentle ground that all kinds share."""
    z = rng.normal(size=(SIDE, SIDE))
    for _ in range(SMOOTHING):
        z = (z + np.roll(z, 1, 0) + np.roll(z, -1, 0) + np.roll(z, 1, 1) + np.roll(z, -1, 1)) / 5.0
    ground: Array = 0.6 * z
    return ground


def _feature(rng: np.random.Generator, kind: str) -> Array:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2.0
    turn, strength = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.5, 1.6)
    along = x * np.cos(turn) + y * np.sin(turn)
    shift = rng.uniform(-3.0, 3.0, 2)
    radius = np.hypot(x - shift[0], y - shift[1])
    if kind == "slope":
        return 0.16 * strength * along
    if kind == "crater":
        size = rng.uniform(3.0, 6.0)
        bowl = -strength * np.exp(-((radius / size) ** 2)) + 0.6 * strength * np.exp(-(((radius - 1.3 * size) / 1.2) ** 2))
        return bowl
    if kind == "boulders":
        z = np.zeros((SIDE, SIDE))
        for _ in range(int(rng.integers(2, 6))):
            at = rng.uniform(-7.0, 7.0, 2)
            z += strength * np.exp(-(((x - at[0]) ** 2 + (y - at[1]) ** 2) / rng.uniform(0.6, 2.0)))
        return z
    if kind == "ripples":
        return 0.45 * strength * np.sin(2.0 * np.pi * along / rng.uniform(3.5, 7.0) + rng.uniform(0.0, 6.0))
    if kind == "scarp":
        return 0.8 * strength * np.tanh((along - shift[0]) / rng.uniform(0.5, 1.5))
    return np.zeros((SIDE, SIDE))


def cut_patches(
    height: NDArray[np.float64], x0: float, y0: float, cell: float, centres: Array, *, spacing: float, azimuth: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Patches (n, 2, 16, 16) of a terrain as the networks know them, and (n,) whether each lies on known ground.

    Parameters
    ----------
    height : (ny, nx) array
        Node heights [m]; NaN: no data.
    x0, y0, cell : float
        First node and distance of nodes [m].
    centres : (n, 2) array
        Middles of the patches, x and y [m].
    spacing : float
        Distance of the cells of a patch [m]. Heights are counted in it, so that the shapes are those of `make_patches`.
    azimuth : float
        Direction to the Sun [rad] from x towards y, of the shade: the slope towards the Sun stands for it.
    """
    across = spacing * (np.arange(SIDE) - (SIDE - 1) / 2.0)
    x = centres[:, 0, None, None] + across[None, None, :]
    y = centres[:, 1, None, None] + across[None, :, None]
    at = np.broadcast_arrays((y - y0) / cell, (x - x0) / cell)
    z = map_coordinates(height, at, order=1, mode="constant", cval=np.nan) / spacing
    known = np.asarray(np.isfinite(z).all(axis=(1, 2)))
    z = np.where(known[:, None, None], z, 0.0)
    dy, dx = np.gradient(z, axis=(1, 2))
    shade = dx * np.cos(azimuth) + dy * np.sin(azimuth)
    patches = np.stack([(z - z.mean(axis=(1, 2), keepdims=True)) / 2.0, shade / 0.5], axis=1)
    return np.ascontiguousarray(patches, dtype=np.float32), known
