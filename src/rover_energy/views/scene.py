"""Ground, route and rover as plain geometry, for whatever draws them in three dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.rover import RoverParameters
from rover_energy.simulation.geometry import rover_geometry
from rover_energy.terrain.raster import Terrain

FloatArray = NDArray[np.float64]
MOST_NODES = 160  # along each side of the drawn ground
#: From little to much power: dark blue, teal, green, yellow, red; told apart in grey too, as lightness rises up to yellow.
RAMP = np.array([[59, 28, 140], [33, 111, 141], [53, 183, 121], [249, 226, 55], [225, 60, 30]], dtype=float)
SUN = np.array([-0.60, 0.35, 0.72])  # light for the shading only, not the mission's Sun


@dataclass(frozen=True)
class Mesh:
    """vertices : (n, 3) map frame [m]. triangles : (m, 3) indices, counter-clockwise from above. colours : (n, 3) uint8."""

    vertices: FloatArray
    triangles: NDArray[np.uint32]
    colours: NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """A part of the rover in its body frame: centre and half sizes [m], colour."""

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    colour: tuple[int, int, int]


def ground(terrain: Terrain, most: int = MOST_NODES) -> Mesh:
    """The terrain with at most so many nodes along each side; no triangle where there is no data."""
    every = max(1, -(-max(terrain.height.shape) // most))
    z = terrain.height[::every, ::every]
    rows, columns = z.shape
    x = terrain.x0 + terrain.cell * every * np.arange(columns)
    y = terrain.y0 + terrain.cell * every * np.arange(rows)
    known = np.isfinite(z)
    filled = np.where(known, z, np.nanmin(z))
    vertices = np.column_stack([np.tile(x, rows), np.repeat(y, columns), filled.ravel()])
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None, :]).ravel()
    a, b, c, d = corner, corner + 1, corner + columns, corner + columns + 1
    whole = (known[:-1, :-1] & known[:-1, 1:] & known[1:, :-1] & known[1:, 1:]).ravel()
    triangles = np.concatenate([np.column_stack([a, b, d])[whole], np.column_stack([a, d, c])[whole]]).astype(np.uint32)
    return Mesh(vertices, triangles, _shaded(filled, terrain.cell * every))


def _shaded(z: FloatArray, cell: float) -> NDArray[np.uint8]:
    """Grey brown, lighter where it faces the light and where it is high."""
    dy, dx = np.gradient(z, cell)
    light = (-dx * SUN[0] - dy * SUN[1] + SUN[2]) / np.sqrt(dx**2 + dy**2 + 1.0) / np.linalg.norm(SUN)
    span = float(np.ptp(z)) or 1.0
    value = 0.25 + 0.55 * np.clip(light, 0.0, 1.0) ** 1.5 + 0.20 * (z - z.min()) / span
    tint = np.array([196.0, 184.0, 168.0])
    return np.clip(value[..., None] * tint, 0, 255).astype(np.uint8).reshape(-1, 3)


def colours(values: ArrayLike, low: float, high: float) -> NDArray[np.uint8]:
    """Colours (n, 3) of values on the ramp from `low` to `high`; grey for NaN."""
    v = np.atleast_1d(np.asarray(values, dtype=float))
    share = np.clip((v - low) / (high - low), 0.0, 1.0) if high > low else np.zeros_like(v)
    at = np.where(np.isfinite(share), share, 0.0) * (len(RAMP) - 1)
    channels = [np.interp(at, np.arange(len(RAMP)), RAMP[:, i]) for i in range(3)]
    made = np.column_stack(channels)
    made[~np.isfinite(v)] = 128.0
    return made.round().astype(np.uint8)


def thinned(points: FloatArray, step: float) -> NDArray[np.int64]:
    """Indices of the points (n, 2 or 3) that lie at least `step` [m] of way apart, the first and the last included."""
    if len(points) == 0:
        return np.zeros(0, dtype=np.int64)
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    kept = np.flatnonzero(np.diff(np.floor(way / step), prepend=-1.0) > 0)
    return np.unique(np.append(kept, len(points) - 1)).astype(np.int64)


def rover(parameters: RoverParameters, gravity: float = 1.62) -> list[Box]:
    """Body, panel and six wheels; origin on the ground under the middle, x forward."""
    shape = rover_geometry(parameters, None, gravity=gravity)
    radius, wide = shape.wheel_radius, shape.wheel_width
    places = np.asarray(shape.positions)
    length, width = float(np.ptp(places[:, 0])), float(np.ptp(places[:, 1]))
    top = 3.2 * radius
    boxes = [
        Box((0.0, 0.0, top), (0.42 * length, 0.38 * width, 0.9 * radius), (205, 200, 190)),
        Box((0.0, 0.0, top + 1.1 * radius), (0.55 * length, 0.52 * width, 0.08 * radius), (30, 50, 110)),
        Box((0.40 * length, 0.0, top + 2.4 * radius), (0.05 * length, 0.05 * width, 1.3 * radius), (230, 230, 235)),
    ]
    wheels = [Box((float(p[0]), float(p[1]), radius), (radius, 0.5 * wide, radius), (50, 50, 55)) for p in places]
    return boxes + wheels
