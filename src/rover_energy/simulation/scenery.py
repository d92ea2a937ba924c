"""The ground of a picture: a smooth mesh that is fine around the rover and reaches the horizon, with shadows and wheel tracks.

Heights on the map are the terrain's own, interpolated without smoothing. Beyond the map they are its mirror image, so that a
picture has a horizon; nothing there is known, and nothing of it is used but to look at. The grain of the surface (a few
millimetres of relief and a mottled albedo) is drawn from a fixed seed.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rover_energy.environment.illumination import sunlit_nodes
from rover_energy.simulation.geometry import FloatArray
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface, fill_no_data

FINE, NEAR, REACH, GROWTH = 0.05, 7.0, 220.0, 1.035  # [m] spacing near the rover, how far it holds, end of the ground; ratio
PIXELS = 3072  # of the texture, along each side
MARGIN = 40.0  # [m] beyond the map within which shadows are cast
SUN_RADIUS = math.radians(0.267)  # of the Sun's disc at 1 au
SHADE = 0.40  # of ground in the terrain's shadow over ground in the Sun: its surroundings throw some light back
GRAIN = 0.004  # [m] of the surface's own relief
TILE = 1024  # pixels of noise, repeated
CAST = 6.0  # [m] around the rover in which OpenGL casts the shadows, as seen from the Sun; beyond, they are in the texture
LEVEL = 0.34  # brightness of level ground over that of ground that faces the Sun
#: red, green and blue of the ground, by celestial body (albedo of the picture, brightened)
COLOURS = {"moon": (0.80, 0.785, 0.765), "mars": (0.76, 0.50, 0.34)}


@dataclass(frozen=True, eq=False)
class Scenery:
    """What surrounds a point of the map.

    Attributes
    ----------
    mesh : bytes
        Vertices relative to `origin`, normals, texture coordinates and faces in MuJoCo's binary mesh format.
    texture : (n, n, 3) array of uint8
        First row is the south.
    origin : (x, y, z)
        Point of the map on the ground that is the picture's origin [m].
    """

    mesh: bytes
    texture: NDArray[np.uint8]
    origin: FloatArray


class Land:
    """Heights of a terrain and of its mirror images around it."""

    def __init__(self, terrain: Terrain) -> None:
        self.terrain, self._spline = terrain, Surface.from_terrain(terrain, 0.0)

    def height(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """[m] at any place; shapes broadcast."""
        xmin, ymin, xmax, ymax = self.terrain.extent
        heights: FloatArray = self._spline.height(folded(x, xmin, xmax), folded(y, ymin, ymax))
        return heights

    def lit(self, x: FloatArray, y: FloatArray, sun: FloatArray) -> FloatArray:
        """Fraction of the Sun's disc seen from the nodes of a grid, x (nx,) and y (ny,): shape (ny, nx). 1 far off the map."""
        t = self.terrain
        pad = min(round(MARGIN / t.cell), *(n - 2 for n in t.height.shape))
        wide = np.pad(fill_no_data(t.height), pad, mode="reflect")
        x0, y0 = t.x0 - pad * t.cell, t.y0 - pad * t.cell
        azimuth, elevation = math.atan2(sun[0], sun[1]), math.atan2(sun[2], math.hypot(sun[0], sun[1]))
        seen = sunlit_nodes(Terrain(wide, x0, y0, t.cell), [azimuth], [elevation], [SUN_RADIUS])[0]
        rows, columns = np.meshgrid((y - y0) / t.cell, (x - x0) / t.cell, indexing="ij")
        fraction: FloatArray = ndimage.map_coordinates(seen, [rows, columns], order=1, mode="constant", cval=1.0)
        return fraction


def folded(values: FloatArray, low: float, high: float) -> FloatArray:
    """Coordinates reflected at both ends of an interval, again and again, until they lie in it."""
    span = high - low
    turned: FloatArray = low + np.abs((np.asarray(values) - low + span) % (2.0 * span) - span)
    return turned


def nodes() -> FloatArray:
    """Offsets of the mesh's nodes along one axis [m]: evenly near 0, and farther and farther apart."""
    steps = [FINE] * round(NEAR / FINE)
    while sum(steps) < REACH:
        steps.append(steps[-1] * GROWTH)
    half = np.cumsum(steps)
    return np.concatenate([-half[::-1], [0.0], half])


def scenery(terrain: Terrain, body: str, sun: FloatArray, at: tuple[float, float], tracks: FloatArray, width: float) -> Scenery:
    """Ground around a point.

    Parameters
    ----------
    terrain : Terrain
    body : str
        Celestial body, a key of `COLOURS`.
    sun : (3,) array
        Map-frame vector to the Sun.
    at : (x, y)
        Point around which it is finest [m].
    tracks : (n, m, 2) array
        Places that m wheels have rolled over [m], in order.
    width : float
        Of a wheel [m].
    """
    land, offsets = Land(terrain), nodes()
    x, y = at[0] + offsets, at[1] + offsets
    origin = np.array([*at, float(land.height(np.array(at[0]), np.array(at[1])))])
    rng = np.random.default_rng(7)
    z = land.height(x[None, :], y[:, None]) + GRAIN * _grain(rng, (len(y), len(x))) * _fading(offsets)
    mesh = _mesh(offsets, z - origin[2], sun)
    picture = _texture(land, body, sun, (x, y), rng)
    _paint_tracks(picture, (x, y), tracks, width)
    return Scenery(mesh, np.round(255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8), origin)


def _grain(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Noise of unit variance at several scales of the grid."""
    total = np.zeros(shape)
    for sigma, weight in ((0.7, 0.6), (2.0, 0.8), (6.0, 1.2)):
        layer = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
        total += weight * layer / float(layer.std())
    return total / float(total.std())


def _fading(offsets: FloatArray) -> FloatArray:
    """Share of the grain that the mesh can show where its nodes stand farther apart."""
    share = _share(offsets)
    return np.minimum(share[None, :], share[:, None])


def _share(offsets: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + (np.abs(offsets) / (1.5 * NEAR)) ** 2)


def _mesh(offsets: FloatArray, z: FloatArray, sun: FloatArray) -> bytes:
    """Under a low Sun all normals are leaned towards it, so that level ground has the brightness to which a camera exposes."""
    n = len(offsets)
    east, north = np.meshgrid(offsets, offsets)
    hy, hx = np.gradient(z, offsets, offsets)
    lean = max(0.0, LEVEL - float(sun[2])) * sun[:2] / max(float(np.hypot(sun[0], sun[1])), 1e-9)
    normals = np.stack([lean[0] - hx, lean[1] - hy, np.ones_like(z)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    share = np.linspace(0.0, 1.0, n)
    u, v = np.meshgrid(share, share)
    first = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)[None, :]).ravel()
    faces = np.concatenate([np.stack([first, first + 1, first + n + 1], 1), np.stack([first, first + n + 1, first + n], 1)])
    parts = (np.stack([east, north, z], -1), normals, np.stack([u, v], -1))
    header = struct.pack("<4i", n * n, n * n, n * n, len(faces))
    return header + b"".join(p.astype("<f4").tobytes() for p in parts) + faces.astype("<i4").tobytes()


def _texture(
    land: Land, body: str, sun: FloatArray, axes: tuple[FloatArray, FloatArray], rng: np.random.Generator
) -> FloatArray:
    """Albedo times the shadow of the terrain, (PIXELS, PIXELS, 3); pixels are spaced as the mesh's nodes are."""
    n = PIXELS
    where = np.linspace(0.0, len(axes[0]) - 1.0, n)
    x, y = (np.interp(where, np.arange(len(axis)), axis) for axis in axes)
    fine = np.tile(_grain(rng, (TILE, TILE)), (n // TILE, n // TILE))
    coarse = ndimage.zoom(_grain(rng, (n // 16, n // 16)), 16, order=1)
    share = np.interp(where, np.arange(len(axes[0])), _share(nodes()))
    mottle = 1.0 + (0.04 * fine + 0.03 * coarse) * np.minimum(share[None, :], share[:, None])
    baked = SHADE + (1.0 - SHADE) * land.lit(x, y, sun)
    light = 1.0 + _beyond(np.interp(where, np.arange(len(axes[0])), nodes()), sun) * (baked - 1.0)
    return (mottle * light)[..., None] * np.array(COLOURS[body])


def _beyond(offsets: FloatArray, sun: FloatArray) -> FloatArray:
    """0 where OpenGL casts the shadows, 1 beyond, over a square of offsets from the rover [m]."""
    level = float(np.hypot(sun[0], sun[1]))
    ahead = np.array([sun[0], sun[1]]) / level if level > 1e-9 else np.array([1.0, 0.0])
    east, north = offsets[None, :], offsets[:, None]
    aside, along = np.abs(north * ahead[0] - east * ahead[1]), np.abs(east * ahead[0] + north * ahead[1]) * float(sun[2])
    share: FloatArray = np.clip((np.maximum(aside, along) / CAST - 0.85) / 0.12, 0.0, 1.0)
    return share


def _paint_tracks(picture: FloatArray, axes: tuple[FloatArray, FloatArray], tracks: FloatArray, width: float) -> None:
    """Darken where the wheels have rolled, with the print of the grousers; far from the rover pixels are too large for it."""
    scale = (len(picture) - 1.0) / (len(axes[0]) - 1.0)
    index = [np.interp(tracks[..., k], axes[k], np.arange(len(axes[k]))) * scale for k in (0, 1)]
    shade = np.ones(picture.shape[:2])
    pixel = FINE / scale
    near = (np.abs(tracks - np.array([axis[len(axis) // 2] for axis in axes])) < NEAR).all(axis=-1)
    for wheel in range(tracks.shape[1]):
        steps = np.linalg.norm(np.diff(tracks[:, wheel], axis=0), axis=-1)
        arc = np.concatenate([[0.0], np.cumsum(steps)])
        half = max(1, round(0.5 * width / pixel))
        for k in np.flatnonzero(near[:, wheel]):
            column, row = round(float(index[0][k, wheel])), round(float(index[1][k, wheel]))
            dark = 0.74 if (arc[k] / 0.055) % 1.0 < 0.45 else 0.90
            patch = shade[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
            disc = _disc(half)[: patch.shape[0], : patch.shape[1]]
            patch[disc] = dark
    picture *= ndimage.gaussian_filter(shade, 1.0)[..., None]


def _disc(half: int) -> NDArray[np.bool_]:
    offsets = np.arange(-half, half + 1)
    inside: NDArray[np.bool_] = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= half * half
    return inside
