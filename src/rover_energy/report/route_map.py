"""The map: shaded relief, contours, shadow and obstacles, and the path coloured by the power it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.environment.scene import Environment
from rover_energy.report.chart import SIZE
from rover_energy.report.columns import Array, Columns
from rover_energy.report.extras import need
from rover_energy.report.numbers import duration, join, nice_step, quantity, significant, ticks
from rover_energy.report.relief import (
    Window,
    around,
    contour_lines,
    data_uri,
    relief_picture,
    rings,
    shadow_frames,
    whole,
)
from rover_energy.terrain.raster import Terrain

PIXELS, SHADOW_PIXELS, MAP_SHADOWS = 900, 300, 8
COLOUR_STEPS = 40
HEADING_MARKS = 22
#: least distance between labels along the path, as a part of the map's width
MARK_ROOM = 0.09
#: part of the colour map used for power: its ends vanish on paper and on black
RAMP = ("plasma", 0.02, 0.90)


@dataclass(frozen=True)
class Place:
    """Metres to the map's SVG units, whose width is 1000, and to CSS percentages."""

    window: Window

    @property
    def tall(self) -> float:
        """Height of the SVG."""
        return SIZE * self.window.height / self.window.width

    def units(self, x: Array, y: Array) -> tuple[Array, Array]:
        """SVG coordinates of map points."""
        scale = SIZE / self.window.width
        return (np.asarray(x) - self.window.xmin) * scale, (self.window.ymax - np.asarray(y)) * scale

    def style(self, x: float, y: float) -> str:
        """CSS position of a map point."""
        left, top = (x - self.window.xmin) / self.window.width, (self.window.ymax - y) / self.window.height
        return f"left:{100.0 * left:.3f}%;top:{100.0 * top:.3f}%"

    def path(self, points: Array, closed: bool = False) -> str:
        """SVG path through (n, 2) map points."""
        across, down = self.units(points[:, 0], points[:, 1])
        return "M" + " ".join(f"{a:.1f} {d:.1f}" for a, d in zip(across, down, strict=True)) + ("Z" if closed else "")


def ramp_colours(count: int) -> list[str]:
    """Colours for power from least to most, hexadecimal."""
    colormaps: Any = need("matplotlib").colormaps
    name, low, high = RAMP
    to_hex: Any = need("matplotlib.colors").to_hex
    return [to_hex(colormaps[name](low + (high - low) * k / (count - 1))) for k in range(count)]


def route_map(
    terrain: Terrain,
    columns: Columns,
    drawn: NDArray[np.int64],
    rest: int,
    environment: Environment | None,
    keep_outs: Iterable[Any],
) -> str:
    """The map as HTML, its rover marker at sample `rest`."""
    x, y = columns["x"], columns["y"]
    place = Place(around(terrain, x, y))
    seconds = columns.t - columns.t[0]
    frames = shadow_frames(environment, place.window, _shadow_times(environment, columns.t), SHADOW_PIXELS)
    ground, caption = ground_layers(terrain, place, frames, [*terrain.keep_outs, *keep_outs])
    power, legend = _power_path(place, columns, drawn)
    top, bottom = (_free_corner(place.window, x, y, north) for north in (True, False))
    turn = -np.degrees(np.nan_to_num(columns["heading"][rest]))
    overlay = [
        *_heading_marks(place, columns),
        *_time_marks(place, columns),
        _label(place, x[0], y[0], "start", "Start", ""),
        _label(place, x[-1], y[-1], "goal", "Goal", f", {duration(seconds[-1])}"),
        _compass(environment, float(columns.t[0]), top),
        scale_bar(place.window, bottom),
        _locator(terrain, place.window, "at-left" if bottom == "at-right" else "at-right"),
        f'<div class="rover" style="{place.style(x[rest], y[rest])};--turn:{turn:.1f}deg"></div>',
    ]
    picture = f'<svg viewBox="0 0 1000 {place.tall:.1f}" role="img" aria-label="Map of the route">{ground}{power}</svg>'
    return (
        f'<figure class="map" id="map" data-window="{_window_text(place.window)}">'
        f'<div class="plot"><div class="y-axis">{north_labels(place.window)}</div>'
        f'<div class="frame" style="aspect-ratio:1000/{place.tall:.1f}" data-map>{picture}{"".join(overlay)}</div>'
        f'<div class="x-axis">{east_labels(place.window)}</div></div>'
        f'<div class="map-legend">{legend}<p>{escape(caption)}</p></div></figure>'
    )


def ground_layers(terrain: Terrain, place: Place, frames: list[tuple[float, Array]], keep_outs: Iterable[Any]) -> tuple[str, str]:
    """SVG layers of the ground and the sentence that explains them."""
    grey, height, exaggeration = relief_picture(terrain, place.window, PIXELS)
    parts = [_image(data_uri(grey, np.isfinite(height).astype(np.float64)), place, "relief")]
    words = [f"Shaded relief{f', slopes exaggerated {exaggeration:.1f} times' if exaggeration > 1.05 else ''}"]
    for index, (t, lit) in enumerate(frames):
        uri = data_uri(np.full_like(lit, 0.04), 0.62 * (1.0 - lit))
        parts.append(_image(uri, place, "shadow", f' data-from="{t:g}"' + ("" if index == 0 else ' style="display:none"')))
    lines, step = contour_lines(place.window, height[::3, ::3])
    for level, runs in lines:
        strong = " strong" if round(level / step) % 5 == 0 else ""
        parts.append(f'<path class="contour{strong}" d="{"".join(place.path(run) for run in runs)}"/>')
    if lines:
        words.append(f"contours every {quantity(step, 'm')}")
    outlines = [ring for ring in rings(keep_outs) if _touches(ring, place.window)]
    if outlines:
        parts.append(f'<path class="keep-out" d="{"".join(place.path(ring, closed=True) for ring in outlines)}"/>')
        words.append("outlined: rocks and keep-out areas")
    if frames:
        words.append("darkened: cast shadow" + (", following the time" if len(frames) > 1 else ""))
    return "".join(parts), "; ".join(words) + "."


def _image(uri: str, place: Place, name: str, more: str = "") -> str:
    return f'<image class="{name}" href="{uri}" width="1000" height="{place.tall:.1f}" preserveAspectRatio="none"{more}/>'


def _touches(ring: Array, window: Window) -> bool:
    x, y = ring[:, 0], ring[:, 1]
    return bool(x.max() >= window.xmin and x.min() <= window.xmax and y.max() >= window.ymin and y.min() <= window.ymax)


def _shadow_times(environment: Environment | None, t: Array) -> Array:
    """Instants of the traverse at which a shadow is worth drawing."""
    if environment is None or len(environment.times) < 2:
        return np.array([t[0]])
    return np.linspace(max(t[0], environment.times[0]), min(t[-1], environment.times[-1]), MAP_SHADOWS)


def _power_path(place: Place, columns: Columns, drawn: NDArray[np.int64]) -> tuple[str, str]:
    x, y, power = columns["x"][drawn], columns["y"][drawn], columns["total_power"][drawn]
    across, down = place.units(x, y)
    points = [f"{a:.1f} {d:.1f}" for a, d in zip(across, down, strict=True)]
    whole_path = "M" + " ".join(points)
    finite = power[np.isfinite(power)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    shades = ramp_colours(COLOUR_STEPS)
    level = np.nan_to_num((np.fmax(power[1:], power[:-1]) - low) / max(high - low, 1e-9)) * (COLOUR_STEPS - 1)
    bins = np.clip(np.rint(level), 0, COLOUR_STEPS - 1).astype(int)
    cuts = [0, *(np.flatnonzero(np.diff(bins)) + 1).tolist(), len(bins)]
    runs = "".join(f'<path stroke="{shades[bins[a]]}" d="M{" ".join(points[a : b + 1])}"/>' for a, b in pairwise(cuts))
    gradient = ",".join(ramp_colours(9))
    legend = (
        f'<div class="ramp"><span>Total load</span><span>{significant(low, 3)}</span>'
        f'<i style="background:linear-gradient(90deg,{gradient})"></i><span>{quantity(high, "W")}</span></div>'
    )
    return f'<path class="casing" d="{whole_path}"/><g class="route">{runs}</g>', legend


def _heading_marks(place: Place, columns: Columns) -> list[str]:
    """Small arrow heads at equal distances along the path."""
    x, y, heading = columns["x"], columns["y"], columns["heading"]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    if not way[-1] > 0.0:
        return []
    at = np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], HEADING_MARKS + 2)[1:-1]))
    return [f'<i class="tick" style="{place.style(x[i], y[i])};--turn:{-np.degrees(heading[i]):.1f}deg"></i>' for i in at]


def _time_marks(place: Place, columns: Columns) -> list[str]:
    """Dots at round times, left out where they would crowd each other or the ends."""
    span = columns.duration
    x, y, clear = columns["x"], columns["y"], MARK_ROOM * place.window.width
    taken = [0, x.size - 1]
    texts = []
    for mark in ticks(0.0, span, 5, sixty=True):
        i = min(int(np.searchsorted(columns.t, columns.t[0] + mark)), x.size - 1)
        if all(np.hypot(x[i] - x[j], y[i] - y[j]) > clear for j in taken):
            taken.append(i)
            texts.append(f'<span class="time-mark" style="{place.style(x[i], y[i])}"><b>{duration(mark)}</b></span>')
    return texts


def _label(place: Place, x: float, y: float, name: str, text: str, more: str) -> str:
    side = " flip" if x > place.window.xmin + 0.75 * place.window.width else ""
    words = f"<b>{escape(text)}<small>{escape(more)}</small></b>"
    return f'<span class="end-mark {name}{side}" style="{place.style(float(x), float(y))}"><i></i>{words}</span>'


def _free_corner(window: Window, x: Array, y: Array, north: bool) -> str:
    """The upper or lower corner of the map that is farther from the path, as a CSS class."""
    edge = window.ymax if north else window.ymin
    left, right = (float(np.min(np.hypot(x - corner, y - edge))) for corner in (window.xmin, window.xmax))
    return "at-left" if left > right else "at-right"


def _compass(environment: Environment | None, t: float, side: str) -> str:
    """Compass rose with the direction from which the Sun shines at the start."""
    north = '<path d="M24 6 29 24 24 20 19 24Z" class="needle"/><text x="24" y="40">N</text>'
    if environment is None or not float(np.max(environment.direct)) > 0.0:
        return f'<svg class="compass {side}" viewBox="0 0 48 48" role="img" aria-label="North is up">{north}</svg>'
    east, up_north, up = (float(v) for v in np.asarray(environment.sun_direction(t)).reshape(-1)[:3])
    azimuth, elevation = np.degrees(np.arctan2(east, up_north)) % 360.0, np.degrees(np.arctan2(up, np.hypot(east, up_north)))
    words = f"Sun from azimuth {azimuth:.0f}\u00b0, elevation {elevation:.1f}\u00b0"
    sun = f'<g transform="rotate({azimuth:.1f} 24 24)"><circle cx="24" cy="-3" r="5" class="sun"/></g>'
    return (
        f'<svg class="compass {side}" viewBox="-10 -10 68 68" role="img" aria-label="North is up; {words}"><title>{words}</title>'
        f'<circle cx="24" cy="24" r="27" class="ring"/>{north}{sun}</svg>'
    )


def scale_bar(window: Window, side: str = "at-left") -> str:
    """A bar of a round length in a lower corner."""
    length = nice_step(window.width, 6)
    return f'<span class="scale {side}" style="width:{100.0 * length / window.width:.3f}%">{quantity(length, "m")}</span>'


def _locator(terrain: Terrain, window: Window, side: str) -> str:
    """The whole terrain in small with the map's window on it, where the map shows only a part."""
    full = whole(terrain)
    if window.width * window.height > 0.6 * full.width * full.height:
        return ""
    grey, height, _ = relief_picture(terrain, full, 160)
    place = Place(full)
    across, down = place.units(np.array([window.xmin, window.xmax]), np.array([window.ymax, window.ymin]))
    box = f'<rect x="{across[0]:.1f}" y="{down[0]:.1f}" width="{np.ptp(across):.1f}" height="{np.ptp(down):.1f}"/>'
    image = _image(data_uri(grey, np.isfinite(height).astype(np.float64)), place, "relief")
    words = f"The map on the whole terrain, {quantity(full.width, 'm')} by {quantity(full.height, 'm')}"
    return (
        f'<svg class="locator {side}" viewBox="0 0 1000 {place.tall:.1f}" role="img" aria-label="{words}">'
        f"<title>{words}</title>{image}{box}</svg>"
    )


def east_labels(window: Window) -> str:
    """Labels under the map [m]."""
    marks = ticks(window.xmin, window.xmax, 8)
    last, spans = len(marks) - 1, []
    for i, mark in enumerate(marks):
        at_edge = mark > window.xmax - 0.02 * window.width
        classes = " ".join(name for name, used in (("minor", (last - i) % 2 == 1), ("end", i == last and at_edge)) if used)
        text = join(significant(mark, 6), "m" if i == last else "")
        spans.append(f'<span class="{classes}" style="left:{100.0 * (mark - window.xmin) / window.width:.3f}%">{text}</span>')
    return "".join(spans)


def north_labels(window: Window) -> str:
    """Labels left of the map [m]."""
    marks = ticks(window.ymin, window.ymax, 6)
    place = [100.0 * (window.ymax - mark) / window.height for mark in marks]
    return "".join(f'<span style="top:{top:.3f}%">{significant(m, 6)}</span>' for top, m in zip(place, marks, strict=True))


def _window_text(window: Window) -> str:
    return f"{window.xmin:.6g} {window.ymin:.6g} {window.xmax:.6g} {window.ymax:.6g}"
