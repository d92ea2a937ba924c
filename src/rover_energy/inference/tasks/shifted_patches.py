"""Patches as many places show them to a camera, and as one does.

The simulator varies camera and light widely, because nobody knows the place beforehand; a rover then stands at one place.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from rover_energy.inference.tasks.terrain_patches import SIDE, make_patches

Patches = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Place:
    """How ground looks at a place.

    height_gain : of the stereo's heights [-]. shade_gain, shade_offset : exposure [-]; what is darker than -1 or brighter than
    1 is cut off, much of it under a low Sun. noise : standard deviation of each pixel [-]. stripes : of each row as a whole
    [-]. blur : share of each pixel of the shade that its four neighbours get [-].
    """

    height_gain: float = 0.65
    shade_gain: float = 1.8
    shade_offset: float = 0.35
    noise: float = 0.3
    stripes: float = 0.1
    blur: float = 0.45


PLACE = Place()
FOREIGN = Place(0.5, 2.5, 0.6, 0.35, 0.3, 0.8)  # beyond everything that the simulator varies
LEAST, MOST = Place(0.6, 0.7, -0.4, 0.05, 0.0, 0.0), Place(1.4, 2.0, 0.4, 0.35, 0.1, 0.5)  # what the simulator varies


def simulated_patches(seed: int, count: int) -> Patches:
    """Patches (count, 2, 16, 16) and classes (count,), each at a place of its own between `LEAST` and `MOST`."""
    rng = np.random.default_rng([seed, 1])
    drawn = [rng.uniform(getattr(LEAST, f.name), getattr(MOST, f.name), (count, 1, 1)) for f in fields(Place)]
    return _seen(seed, count, drawn, rng)


def shifted_patches(seed: int, count: int, place: Place = PLACE) -> Patches:
    """The same kinds of ground as one place shows them."""
    same = [np.full((count, 1, 1), getattr(place, f.name)) for f in fields(Place)]
    return _seen(seed, count, same, np.random.default_rng([seed, 2]))


def _seen(seed: int, count: int, places: list[NDArray[np.float64]], rng: np.random.Generator) -> Patches:
    height_gain, shade_gain, shade_offset, noise, stripes, blur = places
    x, y = make_patches(seed, count, noise=0.0)
    shade = (1.0 - blur) * x[:, 1] + blur * _neighbours(x[:, 1])
    seen = np.stack([height_gain * x[:, 0], np.clip(shade_gain * shade + shade_offset, -1.0, 1.0)], axis=1)
    rows = stripes[:, None] * rng.normal(size=(count, 2, SIDE, 1))
    return (seen + rows + noise[:, None] * rng.normal(size=seen.shape)).astype(np.float32), y


def _neighbours(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the four neighbours, the edge repeated."""
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    mean: NDArray[np.float32] = (p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2] + p[:, 1:-1, 2:]) / 4.0
    return mean
