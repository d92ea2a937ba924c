"""Pictures of the ground: the window to show, shaded relief, contours, slope and shadow, sampled on a pixel grid."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rover_energy.environment.scene import Environment
from rover_energy.report.columns import Array
from rover_energy.report.extras import need
from rover_energy.report.numbers import nice_step
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface, fill_no_data

#: slopes are exaggerated until the steep twentieth of the ground is shaded like this slope [rad]
SHADED_SLOPE = np.radians(27.0)
#: lights of the relief: azimuth clockwise from north [deg], weight; light from the upper left is what people expect
LIGHTS = ((315.0, 0.6), (270.0, 0.2), (0.0, 0.2))
LIGHT_ELEVATION = np.radians(45.0)
#: a later shadow is drawn anew when it moved by this fraction of light anywhere
SHADOW_CHANGE = 0.05


@dataclass(frozen=True)
class Window:
    """A rectangle of the map frame [m] shown by `columns` by `rows` pixels, row 0 in the north."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def width(self) -> float:
        """Towards east [m]."""
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        """Towards north [m]."""
        return self.ymax - self.ymin

    def pixels(self, longest: int) -> tuple[Array, Array]:
        """Pixel centres x, y, each (rows, columns) [m], with `longest` pixels on the longer side."""
        size = max(self.width, self.height) / longest
        columns, rows = (max(2, round(extent / size)) for extent in (self.width, self.height))
        x = self.xmin + (np.arange(columns) + 0.5) * self.width / columns
        y = self.ymax - (np.arange(rows) + 0.5) * self.height / rows
        return tuple(np.meshgrid(x, y))  # type: ignore[return-value]


def whole(terrain: Terrain) -> Window:
    """The window over all nodes."""
    return Window(*terrain.extent)


def around(terrain: Terrain, x: Array, y: Array, *, room: float = 0.22, flattest: float = 0.5, tallest: float = 0.8) -> Window:
    """Window around a path with room on all sides, of pleasing proportions, shifted and cut to the terrain.

    `flattest` and `tallest` bound height over width.
    """
    reach = max(float(np.ptp(x)), float(np.ptp(y)), 8.0 * terrain.cell)
    width, height = (float(np.ptp(v)) + 2.0 * room * reach for v in (x, y))
    height = max(height, flattest * width)
    width = max(width, height / tallest)
    xmin, ymin, xmax, ymax = terrain.extent
    left, right = _fit(0.5 * float(x.min() + x.max()), width, xmin, xmax)
    low, high = _fit(0.5 * float(y.min() + y.max()), height, ymin, ymax)
    return Window(left, low, right, high)


def _fit(centre: float, extent: float, low: float, high: float) -> tuple[float, float]:
    extent = min(extent, high - low)
    start = min(max(centre - 0.5 * extent, low), high - extent)
    return start, start + extent


def sample_height(terrain: Terrain, x: Array, y: Array) -> Array:
    """Cubic interpolation of the raw heights [m] at any points; NaN next to nodes without data and outside."""
    columns, rows = (x - terrain.x0) / terrain.cell, (y - terrain.y0) / terrain.cell
    ny, nx = terrain.height.shape
    left, right = max(int(np.floor(columns.min())) - 8, 0), min(int(np.ceil(columns.max())) + 9, nx)
    low, high = max(int(np.floor(rows.min())) - 8, 0), min(int(np.ceil(rows.max())) + 9, ny)
    part = terrain.height[low:high, left:right]
    if part.size == 0 or bool(np.all(np.isnan(part))):
        return np.full(np.shape(x), np.nan)
    place = [rows - low, columns - left]
    missing = np.isnan(part)
    filled = fill_no_data(part) if missing.any() else part
    height = ndimage.map_coordinates(filled, place, order=3, mode="nearest")
    outside = (columns < -0.5) | (columns > nx - 0.5) | (rows < -0.5) | (rows > ny - 0.5)
    return np.where(_in_gap(missing, place) | outside, np.nan, height)


def _in_gap(missing: NDArray[np.bool_], place: list[Array]) -> NDArray[np.bool_]:
    """Where the nearest node has no data."""
    rows = np.clip(np.rint(place[0]).astype(np.int64), 0, missing.shape[0] - 1)
    columns = np.clip(np.rint(place[1]).astype(np.int64), 0, missing.shape[1] - 1)
    return np.asarray(missing[rows, columns])


def shade(height: Array, size: float) -> tuple[Array, float]:
    """Relief brightness 0 to 1 of heights on square pixels of `size` [m], and the exaggeration used (at least 1).

    Lambert's cosine for a few lights (the weighted sum keeps valleys along the main light visible), after Horn,
    10.1109/PROC.1981.11918.
    """
    north, east = np.gradient(height, -size, size)
    steep = np.nanpercentile(np.hypot(east, north), 95.0) if np.any(np.isfinite(east)) else 0.0
    exaggeration = float(np.clip(np.tan(SHADED_SLOPE) / max(steep, 1e-6), 1.0, 12.0))
    east, north = exaggeration * east, exaggeration * north
    length = np.sqrt(1.0 + east**2 + north**2)
    light = np.zeros_like(height)
    for azimuth, weight in LIGHTS:
        sx, sy = np.cos(LIGHT_ELEVATION) * np.sin(np.radians(azimuth)), np.cos(LIGHT_ELEVATION) * np.cos(np.radians(azimuth))
        light += weight * np.maximum(0.0, (np.sin(LIGHT_ELEVATION) - sx * east - sy * north) / length)
    return light, exaggeration


def relief_picture(terrain: Terrain, window: Window, longest: int) -> tuple[Array, Array, float]:
    """Brightness (0 to 1, light paper tones), heights [m], both (rows, columns), and the exaggeration of the shading."""
    x, y = window.pixels(longest)
    height = sample_height(terrain, x, y)
    light, exaggeration = shade(height, float(x[0, 1] - x[0, 0]))
    flat = np.sin(LIGHT_ELEVATION)
    return np.clip(0.80 + 0.62 * (light - flat), 0.22, 1.0), height, exaggeration


def contour_lines(window: Window, height: Array, count: int = 16) -> tuple[list[tuple[float, list[Array]]], float]:
    """Contours as (level, lines of (n, 2) points [m]) and their interval [m], a round number."""
    contourpy = need("contourpy")
    finite = height[np.isfinite(height)]
    if finite.size < 4 or not float(np.ptp(finite)) > 1e-6:
        return [], 0.0
    step = nice_step(float(np.ptp(finite)), count)
    rows, columns = height.shape
    x = window.xmin + (np.arange(columns) + 0.5) * window.width / columns
    y = window.ymax - (np.arange(rows) + 0.5) * window.height / rows
    generator = contourpy.contour_generator(x=x, y=y, z=np.ma.masked_invalid(height))
    levels = np.arange(np.ceil(finite.min() / step), np.floor(finite.max() / step) + 1) * step
    return [(float(level), list(generator.lines(float(level)))) for level in levels], step


def slope_picture(surface: Surface, window: Window, longest: int) -> Array:
    """Tilt of the ground that the rover feels [rad], (rows, columns)."""
    return np.asarray(surface.tilt(*window.pixels(longest)))


def shadow_frames(environment: Environment | None, window: Window, times: Array, longest: int) -> list[tuple[float, Array]]:
    """Sunlit fraction (rows, columns) at those of `times` [s] at which the shadow has visibly moved; none where all is lit.

    Places outside the field of light are unknown and drawn as lit.
    """
    if environment is None or environment.sunlit is None:
        return []
    x, y = window.pixels(longest)
    frames: list[tuple[float, Array]] = []
    for t in times:
        raw = np.asarray(environment.sunlit_fraction(x, y, float(t)), dtype=np.float64)
        lit = np.clip(np.where(np.isfinite(raw), raw, 1.0), 0.0, 1.0)
        if not frames or float(np.max(np.abs(lit - frames[-1][1]))) > SHADOW_CHANGE:
            frames.append((float(t), lit))
    return frames if any(float(lit.min()) < 0.98 for _, lit in frames) else []


def data_uri(grey: Array, alpha: Array | None = None) -> str:
    """An 8-bit PNG of (rows, columns) values 0 to 1, with opacity if given, as a data URI."""
    image_module: Any = need("PIL.Image", "pillow")
    layers = [grey] if alpha is None else [grey, alpha]
    stack = np.stack([np.clip(np.rint(np.nan_to_num(layer) * 255.0), 0, 255).astype(np.uint8) for layer in layers], axis=-1)
    return _encode(image_module.fromarray(stack[..., 0] if alpha is None else stack))


def colour_uri(rgba: NDArray[np.uint8]) -> str:
    """An 8-bit PNG of (rows, columns, 4) colours as a data URI."""
    image_module: Any = need("PIL.Image", "pillow")
    return _encode(image_module.fromarray(rgba))


def _encode(image: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def rings(keep_outs: Iterable[Any]) -> list[Array]:
    """Outlines (n, 2) [m] of shapely polygons (outer rings) or of sequences of points; each outline once."""
    found: dict[bytes, Array] = {}
    for shape in keep_outs:
        for part in getattr(shape, "geoms", [shape]):
            points = part.exterior.coords if hasattr(part, "exterior") else part
            ring = np.ascontiguousarray(np.asarray(points, dtype=np.float64)[:, :2])
            found.setdefault(ring.tobytes(), ring)
    return list(found.values())
