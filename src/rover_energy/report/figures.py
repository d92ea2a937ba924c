"""The same charts as still pictures for papers and README pages, with matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.report.extras import need
from rover_energy.report.limits import LimitUse, has_battery
from rover_energy.report.numbers import quantity, time_axis
from rover_energy.report.palette import LOADS, QUANTITIES, colour
from rover_energy.report.relief import Window, around, contour_lines, relief_picture, rings, shadow_frames
from rover_energy.report.route_map import RAMP
from rover_energy.report.time_charts import View, lane_levels
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain

DPI = 200
#: least and most height over width of the map in the overview
OVERVIEW_MAP = (0.75, 1.05)
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Liberation Sans", "Arial", "Helvetica", "DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": colour("hair"),
    "axes.labelcolor": colour("soft"),
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": colour("grid"),
    "xtick.color": colour("soft"),
    "ytick.color": colour("soft"),
    "ytick.left": False,
    "text.color": colour("ink"),
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "rover_energy",
}


def write_figures(
    out: Path, terrain: Terrain, view: View, uses: list[LimitUse], rover: RoverParameters, environment: Environment | None,
    keep_outs: Iterable[Any], title: str,
) -> dict[str, Path]:  # fmt: skip
    """Write map.png, power.png, battery.png and overview.png into `out`; returns their paths by name."""
    obstacles = [*terrain.keep_outs, *keep_outs]
    with still_style():
        pictures = {
            "map": _map_figure(terrain, view, environment, obstacles),
            "power": _power_figure(view, uses),
            "battery": _battery_figure(view, rover),
            "overview": _overview_figure(terrain, view, uses, rover, environment, obstacles, title),
        }
        return {name: save(figure, out / f"{name}.png") for name, figure in pictures.items()}


def still_style() -> Any:
    """Context in which matplotlib draws in the style of the report; fonts that are not installed are left out."""
    matplotlib: Any = need("matplotlib")
    manager: Any = need("matplotlib.font_manager").fontManager
    known = {font.name for font in manager.ttflist}
    families = [name for name in STYLE["font.sans-serif"] if name in known]  # type: ignore[attr-defined]
    return matplotlib.rc_context({**STYLE, "font.sans-serif": families or ["DejaVu Sans"]})


def new_figure(width: float, height: float) -> Any:
    """A figure of so many inches that belongs to no window."""
    return need("matplotlib.figure").Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save(figure: Any, path: Path) -> Path:
    """Write a PNG without time or version stamps, so that equal input gives equal files."""
    figure.savefig(path, dpi=DPI, facecolor="white", metadata={"Software": None})
    return path


def _map_figure(terrain: Terrain, view: View, environment: Environment | None, obstacles: list[Any]) -> Any:
    window = around(terrain, view.columns["x"], view.columns["y"])
    figure = new_figure(7.2, 7.2 * window.height / window.width * 0.86 + 0.9)
    draw_map(figure, figure.subplots(), terrain, view, environment, obstacles)
    return figure


def _power_figure(view: View, uses: list[LimitUse]) -> Any:
    figure = new_figure(8.0, 4.6)
    power, lanes = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 1.3))
    draw_loads(power, view)
    draw_lanes(lanes, view, uses)
    return figure


def _battery_figure(view: View, rover: RoverParameters) -> Any:
    figure = new_figure(8.0, 4.0)
    sources, battery = figure.subplots(2, 1, sharex=True, height_ratios=(1.4, 1.0))
    draw_sources(sources, view)
    draw_battery(battery, view, rover)
    return figure


def _overview_figure(
    terrain: Terrain, view: View, uses: list[LimitUse], rover: RoverParameters, environment: Environment | None,
    obstacles: list[Any], title: str,
) -> Any:  # fmt: skip
    # As high as the map on the left asks for, within what the charts on the right need.
    window = around(terrain, view.columns["x"], view.columns["y"], flattest=OVERVIEW_MAP[0], tallest=OVERVIEW_MAP[1])
    figure = new_figure(13.0, float(np.clip(1.6 + 5.6 * window.height / window.width, 5.6, 7.6)))
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 1.15), wspace=0.03)
    draw_map(left, left.subplots(), terrain, view, environment, obstacles, shape=OVERVIEW_MAP)
    power, lanes, battery = right.subplots(3, 1, sharex=True, height_ratios=(2.6, 1.3, 1.0))
    draw_loads(power, view)
    draw_lanes(lanes, view, uses)
    draw_battery(battery, view, rover)
    power.tick_params(labelbottom=False)
    lanes.tick_params(labelbottom=False)
    lanes.set_xlabel("")
    figure.suptitle(title, x=0.008, ha="left", fontsize=14, fontweight="bold")
    return figure


def draw_map(
    figure: Any, axes: Any, terrain: Terrain, view: View, environment: Environment | None, obstacles: list[Any],
    shape: tuple[float, float] = (0.5, 0.8),
) -> None:  # fmt: skip
    """Relief, contours, shadow, obstacles, the path by power, start and goal."""
    columns = view.columns
    window = around(terrain, columns["x"], columns["y"], flattest=shape[0], tallest=shape[1])
    draw_ground(axes, terrain, window, environment, float(columns.t[0]), obstacles)
    x, y, power = (columns[name][view.drawn] for name in ("x", "y", "total_power"))
    pieces = np.stack([np.column_stack([x[:-1], y[:-1]]), np.column_stack([x[1:], y[1:]])], axis=1)
    colors: Any = need("matplotlib.colors")
    colormap = need("matplotlib").colormaps[RAMP[0]](np.linspace(RAMP[1], RAMP[2], 256))
    lines = need("matplotlib.collections").LineCollection(
        pieces, cmap=colors.ListedColormap(colormap), linewidth=3.2, capstyle="round", zorder=5
    )
    lines.set_array(np.nan_to_num(np.fmax(power[1:], power[:-1])))
    axes.plot(x, y, color="white", linewidth=5.6, solid_capstyle="round", zorder=4)
    axes.add_collection(lines, autolim=False)
    axes.plot(x[0], y[0], "o", markersize=9, markerfacecolor="white", markeredgecolor=colour("ink"), markeredgewidth=2, zorder=6)
    axes.plot(
        x[-1], y[-1], "o", markersize=9, markerfacecolor=colour("ink"), markeredgecolor="white", markeredgewidth=2, zorder=6
    )
    for place, text in ((0, "Start"), (-1, "Goal")):
        left = x[place] > window.xmin + 0.8 * window.width
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
        side, shift = ("right", -9) if left else ("left", 9)
        axes.annotate(
            text, (x[place], y[place]), (shift, -9), textcoords="offset points", ha=side, va="top", fontweight="bold",
            zorder=7, bbox=box,
        )  # fmt: skip
    bar = figure.colorbar(lines, ax=axes, orientation="horizontal", shrink=0.45, aspect=34, pad=0.02, anchor=(0.0, 1.0))
    bar.outline.set_visible(False)
    bar.set_label("Total load [W]")


def draw_ground(
    axes: Any, terrain: Terrain, window: Window, environment: Environment | None, t: float, obstacles: list[Any]
) -> None:
    """Relief, contours, shadow at time `t` [s] and obstacles, with axes in metres."""
    grey, height, _ = relief_picture(terrain, window, 900)
    extent = (window.xmin, window.xmax, window.ymin, window.ymax)
    axes.imshow(
        np.where(np.isfinite(height), grey, np.nan),
        extent=extent,
        cmap="gray",
        vmin=0.0,
        vmax=1.0,
        interpolation="bilinear",
        zorder=0,
    )
    for _, lit in shadow_frames(environment, window, np.array([t]), 400):
        ink = np.zeros((*lit.shape, 4))
        ink[..., 3] = 0.62 * (1.0 - lit)
        axes.imshow(ink, extent=extent, interpolation="bilinear", zorder=1)
    lines, step = contour_lines(window, height[::3, ::3])
    for level, runs in lines:
        strong = round(level / step) % 5 == 0
        for run in runs:
            axes.plot(
                run[:, 0], run[:, 1], color="black", alpha=0.3 if strong else 0.14, linewidth=0.7 if strong else 0.5, zorder=2
            )
    for ring in rings(obstacles):
        axes.fill(
            ring[:, 0], ring[:, 1], facecolor=(0.08, 0.09, 0.11, 0.35), edgecolor=(0.08, 0.09, 0.11, 0.9), linewidth=0.7, zorder=3
        )
    axes.set(
        xlim=(window.xmin, window.xmax), ylim=(window.ymin, window.ymax), aspect="equal", xlabel="East [m]", ylabel="North [m]"
    )
    axes.grid(False)


def draw_loads(axes: Any, view: View) -> None:
    """Stacked loads under the available power."""
    scale, unit = time_axis(view.columns.duration)
    t = view.t / scale
    names = [name for name in LOADS if np.any(np.nan_to_num(view.pick(name)) != 0.0)]
    _stack(axes, t, view, names, [QUANTITIES[name].label for name in names])
    total = view.pick("total_power")
    axes.plot(t, total, color=colour("ink"), linewidth=0.9)
    axes.plot(t, view.pick("available_power"), color=colour("ink"), linewidth=1.3, linestyle=(0, (4, 2)), label="Available")
    if np.any(np.isfinite(total)):
        peak = int(np.nanargmax(total))
        axes.plot(t[peak], total[peak], "o", markersize=5, markerfacecolor="white", markeredgecolor=colour("ink"), zorder=5)
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0}
        axes.annotate(
            quantity(total[peak], "W"), (t[peak], total[peak]), (0, -6), textcoords="offset points", ha="center", va="top",
            fontsize=8.5, fontweight="bold", zorder=6, bbox=box,
        )  # fmt: skip
    axes.set(xlim=(t[0], t[-1]), title="Loads against available power [W]")
    axes.set_ylim(bottom=0.0)
    _legend(axes, unit)


def draw_sources(axes: Any, view: View) -> None:
    """Stacked sources; charging lies below zero."""
    scale, unit = time_axis(view.columns.duration)
    t, battery = view.t / scale, view.pick("battery_power")
    names = [name for name in ("rtg_power", "pv_power") if np.any(np.nan_to_num(view.pick(name)) != 0.0)]
    base = _stack(axes, t, view, names, [QUANTITIES[name].label for name in names])
    if np.any(np.nan_to_num(battery) != 0.0):
        axes.fill_between(
            t, base, base + np.maximum(battery, 0.0), color=colour("battery_power"), linewidth=0, label="Battery, discharging"
        )
        axes.fill_between(
            t, np.minimum(battery, 0.0), 0.0, color=colour("battery_power"), alpha=0.3, linewidth=0, label="Battery, charging"
        )
    axes.plot(t, view.pick("total_power"), color=colour("ink"), linewidth=1.0, label="Total load")
    axes.axhline(0.0, color=colour("soft"), linewidth=0.7)
    axes.set(xlim=(t[0], t[-1]), title="Sources [W]")
    _legend(axes, unit)


def _stack(axes: Any, t: Any, view: View, names: list[str], labels: list[str]) -> Any:
    base = np.zeros_like(t)
    for name, label in zip(names, labels, strict=True):
        power = view.pick(name)
        axes.fill_between(t, base, base + power, color=colour(name), linewidth=0, label=label)
        base = base + power
    return base


def draw_battery(axes: Any, view: View, rover: RoverParameters) -> None:
    """State of charge with its floor."""
    scale, unit = time_axis(view.columns.duration)
    t = view.t / scale
    axes.set(xlim=(t[0], t[-1]), ylim=(0.0, 104.0), title="Battery, state of charge [%]", xlabel=f"Time [{unit}]")
    if "state_of_charge" not in view.columns or not has_battery(view.columns, rover):
        axes.text(0.5, 0.5, "no battery", transform=axes.transAxes, ha="center", color=colour("soft"))
        return
    charge, floor = view.pick("state_of_charge"), 100.0 * rover.battery.floor
    axes.fill_between(t, 0.0, charge, color=colour("battery_power"), alpha=0.25, linewidth=0)
    axes.plot(t, charge, color=colour("battery_power"), linewidth=1.6)
    axes.axhline(floor, color=colour("limit"), linewidth=1.0, linestyle=(0, (2, 2)))
    axes.text(t[-1], floor + 2.0, "floor", color=colour("limit"), ha="right", va="bottom", fontsize=8.5)


def draw_lanes(axes: Any, view: View, uses: list[LimitUse]) -> None:
    """One lane per limit, solid where it binds."""
    scale, unit = time_axis(view.columns.duration)
    t = view.columns.t
    width = (t[-1] - t[0]) / scale / 1000.0
    for row, use in enumerate(uses):
        edges, levels = lane_levels(use, t)
        for a, b, level in zip(edges[:-1], edges[1:], levels, strict=True):
            ink = colour("ink") if level > 10 else colour("motion")
            alpha = 1.0 if level > 10 else 0.04 * level
            axes.barh(row, (b - a) * width, left=t[0] / scale + a * width, height=0.72, color=ink, alpha=alpha, linewidth=0)
    axes.set_yticks(range(len(uses)), [use.label for use in uses], fontsize=8)
    axes.set(
        xlim=(t[0] / scale, t[-1] / scale),
        ylim=(len(uses) - 0.5, -0.5),
        title="Limits in use: solid where one binds",
        xlabel=f"Time [{unit}]",
    )
    axes.grid(False)


def _legend(axes: Any, unit: str) -> None:
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=6,
        borderaxespad=0.2,
        handlelength=1.1,
        columnspacing=1.2,
        handletextpad=0.5,
    )
