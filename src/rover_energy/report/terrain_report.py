"""A look at a terrain before anything is planned on it: relief, slope, light, and the figures of the ground."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.report.chart import SIZE
from rover_energy.report.columns import Array
from rover_energy.report.extras import need
from rover_energy.report.figures import draw_ground, new_figure, save, still_style
from rover_energy.report.headline import Figure, figure_html
from rover_energy.report.numbers import quantity, significant
from rover_energy.report.page import document, sections
from rover_energy.report.relief import Window, colour_uri, rings, shadow_frames, slope_picture, whole
from rover_energy.report.route_map import (
    PIXELS,
    SHADOW_PIXELS,
    Place,
    east_labels,
    ground_layers,
    north_labels,
    scale_bar,
)
from rover_energy.report.tables import facts
from rover_energy.report.writer import ReportFiles, make_folder, write_page
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

#: colour maps whose lightness rises evenly, and the parts of them that show on paper
SLOPE_RAMP, LIGHT_RAMP = ("viridis", 1.0, 0.0), ("bone", 0.05, 1.0)
SLOPE_SHARES = (0.5, 0.9, 0.99)
SECTIONS = (("maps", "Maps", "maps"), ("ground", "Ground", "facts"))


def write_terrain_report(
    out: Path, *, terrain: Terrain, surface: Surface, environment: Environment | None = None, title: str = "Terrain report"
) -> ReportFiles:
    """Write terrain.html and terrain.png into the directory `out`, which is made if needed.

    Parameters
    ----------
    out : Path
        Directory.
    terrain, surface : Terrain, Surface
        The ground as given, and as the rover feels it: slopes are those of the surface.
    environment : Environment, optional
        The light is shown at its first instant.
    title : str
        Heading of the page.

    Raises
    ------
    InputError
        `out` cannot be written.
    MissingExtraError
        matplotlib is not installed.
    """
    need("matplotlib")
    folder, window = make_folder(out), whole(terrain)
    tilt = np.degrees(slope_picture(surface, window, PIXELS))
    x, y = window.pixels(PIXELS)
    tilt = np.where(np.asarray(surface.has_data(x, y)), tilt, np.nan)
    light = _light(environment, window)
    place = Place(window)
    maps = [
        _ground_map(terrain, place),
        _scalar_map("slope", "Slope as the rover feels it", tilt, place, _slope_top(tilt), "°", SLOPE_RAMP),
    ]
    if light is not None:
        maps.append(_scalar_map("light", "Sunlit fraction at the start", 100.0 * light, place, 100.0, "%", LIGHT_RAMP))
    figures = "".join(figure_html(figure) for figure in ground_figures(terrain, tilt, light))
    lead = f"{escape(terrain.name)}, {quantity(window.width, 'm')} east by {quantity(window.height, 'm')} north."
    body = sections(SECTIONS, {"maps": "".join(maps), "facts": facts(ground_facts(terrain, tilt))})
    page = document(title, f'<p class="lead">{lead}</p><dl class="figures">{figures}</dl>', body)
    picture = _picture(folder / "terrain.png", terrain, window, tilt, light, environment)
    return ReportFiles(write_page(folder / "terrain.html", page), {"terrain": picture})


def ground_figures(terrain: Terrain, tilt: Array, light: Array | None) -> list[Figure]:
    """Headline figures: relief, slopes [deg], rocks, light."""
    height = terrain.height[np.isfinite(terrain.height)]
    half, most, steep = _quantiles(tilt)
    figures = [
        Figure(
            "relief",
            "Relief",
            quantity(float(np.ptp(height)), "m"),
            f"from {quantity(height.min(), 'm')} to {quantity(height.max(), 'm')}",
        ),
        Figure(
            "slope",
            "Median slope",
            quantity(half, "°", 3),
            f"90\u00a0% below {quantity(most, '°', 3)}, 99\u00a0% below {quantity(steep, '°', 3)}",
        ),
        Figure("rocks", "Rocks and keep-outs", str(len(terrain.keep_outs)), _covered(terrain)),
    ]
    if light is not None:
        figures.append(
            Figure("light", "Sunlit ground", quantity(100.0 * float(np.mean(light)), "%", 3), "mean sunlit fraction at the start")
        )
    return figures


def ground_facts(terrain: Terrain, tilt: Array) -> dict[str, Any]:
    """Grid and slope figures, slopes [deg] as text with their unit."""
    ny, nx = terrain.height.shape
    named = {
        f"slope, {100 * share:g}\u00a0% below": quantity(q, "°", 3)
        for share, q in zip(SLOPE_SHARES, _quantiles(tilt), strict=True)
    }
    return {
        "nodes": f"{nx} \u00d7 {ny}",
        "cell": quantity(terrain.cell, "m"),
        "first node": f"{significant(terrain.x0, 8)}, {quantity(terrain.y0, 'm', 8)}",
        "nodes without data": quantity(100.0 * float(np.mean(terrain.no_data)), "%", 3),
        **named,
    }


def _covered(terrain: Terrain) -> str:
    window = whole(terrain)
    area = sum(polygon.area for polygon in terrain.keep_outs)
    return (
        f"cover {quantity(100.0 * area / (window.width * window.height), '%', 2)} of the ground"
        if terrain.keep_outs
        else "none given"
    )


def _quantiles(tilt: Array) -> list[float]:
    finite = tilt[np.isfinite(tilt)]
    return [float(v) for v in np.quantile(finite, SLOPE_SHARES)] if finite.size else [float("nan")] * len(SLOPE_SHARES)


def _slope_top(tilt: Array) -> float:
    """End of the slope scale [deg]: the steepest hundredth, rounded up to 5 degrees."""
    steep = _quantiles(tilt)[-1]
    return 5.0 * max(1.0, float(np.ceil(steep / 5.0))) if np.isfinite(steep) else 5.0


def _light(environment: Environment | None, window: Window) -> Array | None:
    """Sunlit fraction of the window, None without an environment."""
    if environment is None:
        return None
    frames = shadow_frames(environment, window, np.asarray(environment.times[:1]), SHADOW_PIXELS)
    dark = not float(environment.direct[0]) > 0.0
    x, _ = window.pixels(SHADOW_PIXELS)
    return np.zeros_like(x) if dark else frames[0][1] if frames else np.ones_like(x)


def _ground_map(terrain: Terrain, place: Place) -> str:
    layers, caption = ground_layers(terrain, place, [], terrain.keep_outs)
    return _map_html("relief", "Relief", layers, place, f"<p>{escape(caption)}</p>")


def _scalar_map(name: str, title: str, values: Array, place: Place, top: float, unit: str, ramp: tuple[str, float, float]) -> str:
    """A map of values from 0 to `top` in a colour map, with its scale."""
    colormap = need("matplotlib").colormaps[ramp[0]]
    low, high = ramp[1], ramp[2]
    part = low + (high - low) * np.clip(np.nan_to_num(values) / top, 0.0, 1.0)
    rgba = np.rint(255.0 * colormap(part)).astype(np.uint8)
    rgba[..., 3] = np.where(np.isfinite(values), 255, 0)
    image = f'<image href="{colour_uri(rgba)}" width="{SIZE:g}" height="{place.tall:.1f}" preserveAspectRatio="none"/>'
    to_hex: Any = need("matplotlib.colors").to_hex
    stops = ",".join(to_hex(colormap(low + (high - low) * k / 8.0)) for k in range(9))
    over = "+" if bool(np.nanmax(values, initial=0.0) > 1.001 * top) else ""
    scale = f'<i style="background:linear-gradient(90deg,{stops})"></i>'
    legend = f'<div class="ramp"><span>0</span>{scale}<span>{quantity(top, unit)}{over}</span></div>'
    return _map_html(name, title, image, place, legend)


def _map_html(name: str, title: str, layers: str, place: Place, legend: str) -> str:
    window, words = place.window, escape(title)
    return (
        f'<figure class="chart map" id="map-{name}"><figcaption><h3>{words}</h3></figcaption>'
        f'<div class="plot"><div class="y-axis">{north_labels(window)}</div>'
        f'<div class="frame" style="aspect-ratio:1000/{place.tall:.1f}">'
        f'<svg viewBox="0 0 1000 {place.tall:.1f}" role="img" aria-label="{words}">{layers}</svg>{scale_bar(window)}</div>'
        f'<div class="x-axis">{east_labels(window)}</div></div><div class="map-legend">{legend}</div></figure>'
    )


def _picture(
    path: Path, terrain: Terrain, window: Window, tilt: Array, light: Array | None, environment: Environment | None
) -> Path:
    """Relief with shadow, slope, and light if known, side by side."""
    count = 2 if light is None else 3
    with still_style():
        figure = new_figure(4.6 * count, 4.6 * window.height / window.width + 1.0)
        axes = figure.subplots(1, count, sharex=True, sharey=True)
        draw_ground(
            axes[0],
            terrain,
            window,
            environment,
            0.0 if environment is None else float(environment.times[0]),
            list(terrain.keep_outs),
        )
        axes[0].set(title="Relief", anchor="N")
        extent = (window.xmin, window.xmax, window.ymin, window.ymax)
        scales = [(tilt, "Slope [°]", _slope_top(tilt), "viridis_r")]
        scales += [] if light is None else [(light, "Sunlit fraction", 1.0, LIGHT_RAMP[0])]
        for plot, (values, title, top, colormap) in zip(axes[1:], scales, strict=True):
            picture = plot.imshow(values, extent=extent, cmap=colormap, vmin=0.0, vmax=top, interpolation="bilinear")
            for ring in rings(terrain.keep_outs):
                plot.plot(ring[:, 0], ring[:, 1], color="black", linewidth=0.5)
            bar = figure.colorbar(picture, ax=plot, orientation="horizontal", shrink=0.5, aspect=30, pad=0.02)
            bar.outline.set_visible(False)
            plot.set(title=title, xlabel="East [m]", anchor="N", xlim=extent[:2], ylim=extent[2:])
            plot.grid(False)
        return save(figure, path)
