"""The charts of a traverse over time: loads, limits in use, sources, battery, motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from rover_energy.report.chart import Chart, Frame, css, span, x_labels
from rover_energy.report.columns import Array, Columns
from rover_energy.report.limits import BINDING, LimitUse, free_share, has_battery
from rover_energy.report.numbers import quantity
from rover_energy.report.palette import LOADS, QUANTITIES
from rover_energy.rover import RoverParameters

LANE_BINS = 400


@dataclass(frozen=True)
class View:
    """What the charts share: all columns, the samples to draw, and the sample where the cursor rests."""

    columns: Columns
    drawn: NDArray[np.int64]
    rest: int

    def pick(self, name: str) -> Array:
        """A column at the drawn samples, in its display unit."""
        return self.columns.shown(name)[self.drawn]

    @property
    def t(self) -> Array:
        """Time of the drawn samples [s]."""
        return self.columns.t[self.drawn]

    def frame(self, low: float, high: float) -> Frame:
        """A window over the whole traverse."""
        return Frame(float(self.columns.t[0]), float(self.columns.t[-1]), low, high)

    def resting(self, name: str) -> float:
        """A column's value at the resting cursor, in its display unit."""
        return float(self.columns.shown(name)[self.rest])

    @property
    def cursor(self) -> float:
        """Time of the resting cursor [s]."""
        return float(self.columns.t[self.rest])


def loads_chart(view: View) -> str:
    """Stacked loads under the available power, the peak marked."""
    total, available = view.pick("total_power"), view.pick("available_power")
    chart = Chart("loads", "Loads against available power", view.frame(*span([total, available])), "W", height=320)
    base = np.zeros_like(total)
    for name in LOADS:
        load = view.pick(name)
        if np.any(np.nan_to_num(load) != 0.0):
            chart.band(view.t, base, base + load, name)
            base = base + load
        chart.key(name, view.resting(name))
    chart.line(view.t, total, "total_power", "line thin")
    chart.line(view.t, available, "available_power", "line dashed")
    chart.key("total_power", view.resting("total_power"), shape="stroke thin")
    chart.key("available_power", view.resting("available_power"), shape="stroke dashed")
    chart.key("margin", view.resting("margin"), shape="none", label="Margin")
    if np.any(np.isfinite(total)):
        peak = int(np.nanargmax(total))
        # Below the point where the line of the available power would run through the words above it.
        near = bool(0.0 <= available[peak] - total[peak] < 0.12 * (chart.frame.high - chart.frame.low))
        chart.dot(float(view.t[peak]), float(total[peak]), f"peak {quantity(total[peak], 'W')}", under=near)
    return chart.html(view.cursor)


def sources_chart(view: View, rover: RoverParameters) -> str:
    """Stacked sources with what charges the battery below zero, and the load they carry."""
    rtg, pv, battery = (view.pick(name) for name in ("rtg_power", "pv_power", "battery_power"))
    giving, taking = np.maximum(battery, 0.0), np.minimum(battery, 0.0)
    chart = Chart("sources", "Sources", view.frame(*span([rtg + pv + giving, taking, view.pick("total_power")])), "W", height=240)
    base = np.zeros_like(rtg)
    for name, power in (("rtg_power", rtg), ("pv_power", pv), ("battery_power", giving)):
        if np.any(np.nan_to_num(power) != 0.0):
            chart.band(view.t, base, base + power, name)
            base = base + power
    if np.any(np.nan_to_num(taking) < 0.0):
        chart.band(view.t, taking, np.zeros_like(taking), "battery_power", "area faint")
    chart.line(view.t, view.pick("total_power"), "total_power", "line thin")
    chart.key("rtg_power", view.resting("rtg_power"))
    chart.key("pv_power", view.resting("pv_power"))
    chart.key("battery_power", view.resting("battery_power"), label="Battery (negative: charging)")
    chart.key("total_power", view.resting("total_power"), shape="stroke thin")
    for name, label in (("shunted_power", "Shunted"), ("unserved_power", "Unserved"), ("sunlit", "Sunlit")):
        if name in view.columns:
            chart.key(name, view.resting(name), shape="none", label=label)
    return chart.html(view.cursor)


def battery_chart(view: View, rover: RoverParameters) -> str:
    """State of charge with the floor, or a sentence where there is no battery."""
    if "state_of_charge" not in view.columns or not has_battery(view.columns, rover):
        return '<p class="absent" id="chart-battery">No battery on this rover: the loads live on what the sources give.</p>'
    charge, floor = view.pick("state_of_charge"), 100.0 * rover.battery.floor
    chart = Chart("battery", "Battery", view.frame(0.0, 104.0), "%", height=200)
    chart.band(view.t, np.zeros_like(charge), charge, "battery_power", "area faint")
    chart.line(view.t, charge, "battery_power", "line thick")
    chart.limit(floor, f"floor {quantity(floor, '%')}")
    chart.key("state_of_charge", view.resting("state_of_charge"), colour="battery_power", shape="stroke thick")
    chart.key("battery_energy", view.resting("battery_energy"), shape="none")
    return chart.html(view.cursor)


def motion_charts(view: View, rover: RoverParameters, height: Array | None) -> str:
    """Small charts of speed, slope and tilt, acceleration, yaw rate and ground height, each with its limit."""
    limits = rover.limits
    charts = [
        _small(view, "speed", "Speed", {"speed": "motion"}, limits.speed),
        _small(
            view, "slope", "Slope and tilt", {"along_slope": "motion", "tilt": "second"}, limits.along_slope, other=limits.tilt
        ),
        _small(view, "acceleration", "Acceleration", {"acceleration": "motion"}, limits.acceleration),
        _small(view, "yaw-rate", "Yaw rate", {"yaw_rate": "motion"}, limits.yaw_rate),
    ]
    if height is not None and np.any(np.isfinite(height)):
        drawn = height[view.drawn]
        chart = Chart("height", "Ground height", view.frame(*span([drawn], zero=False, room=0.12)), "m", height=130, zero=False)
        chart.band(view.t, np.full_like(drawn, chart.frame.low), drawn, "motion", "area faint")
        chart.line(view.t, drawn, "motion", "line thick")
        chart.key("height", float(height[view.rest]), colour="motion", shape="stroke thick")
        charts.append(chart.html(view.cursor))
    if "sunlit" in view.columns and bool(np.any(view.columns["sunlit"] < 0.999)):
        chart = Chart("sunlit", "Sunlit fraction", view.frame(0.0, 104.0), "%", height=130)
        chart.band(view.t, np.zeros_like(view.t), view.pick("sunlit"), "pv_power", "area faint")
        chart.line(view.t, view.pick("sunlit"), "pv_power", "line thick")
        chart.key("sunlit", view.resting("sunlit"), colour="pv_power", shape="stroke thick")
        charts.append(chart.html(view.cursor))
    return "".join(charts)


def _small(view: View, name: str, title: str, curves: Mapping[str, str], limit: float, other: float | None = None) -> str:
    """A small chart whose window spans the limit, on both sides of zero where the values are."""
    first = next(iter(curves))
    unit, scale = QUANTITIES[first].unit, QUANTITIES[first].scale
    values = [view.pick(column) for column in curves]
    bound = limit * scale
    signed = bool(np.any(np.nan_to_num(np.concatenate(values)) < -1e-3 * bound))
    bounds = [bound] + ([other * scale] if other is not None else [])
    edges = [*values, np.array([*bounds, -bound if signed else 0.0])]
    chart = Chart(name, title, view.frame(*span(edges, room=0.08)), unit, height=130)
    for column, colour in curves.items():
        chart.line(view.t, view.pick(column), colour, "line thick")
        chart.key(
            column,
            view.resting(column),
            colour=colour,
            shape="stroke thick",
            label="Along heading" if column == "along_slope" else "",
        )
    chart.limit(bound, f"limit {quantity(bound, unit, 3)}", below=other is not None and other > limit)
    if signed:
        chart.limit(-bound, "")
    if other is not None and abs(other - limit) > 1e-9:
        chart.limit(other * scale, f"tilt limit {quantity(other * scale, unit, 3)}", below=other < limit)
    return chart.html(view.cursor)


def limit_lanes(view: View, uses: list[LimitUse]) -> str:
    """One lane per limit: tinted by how much of it is used, solid where it binds; on the right the share of time it binds."""
    frame = view.frame(0.0, 1.0)
    lanes = "".join(_lane(use, view.columns.t, frame) for use in uses)
    free = free_share(view.columns, uses)
    caption = (
        f"Solid where at least {quantity(100.0 * BINDING, '%')} of a limit is used; the tint shows how much is used elsewhere. "
    )
    caption += f"No limit binds for {quantity(round(100.0 * free, 1), '%', 3)} of the time."
    return (
        f'<figure class="chart lanes" id="chart-limits">'
        f"<figcaption><h3>What holds the rover back</h3><p>{escape(caption)}</p></figcaption>"
        f'<div class="plot"><div class="y-axis"></div><div class="frame" data-time>{lanes}'
        f'<div class="cursor" style="left:{frame.left(view.cursor)}"></div></div>'
        f'<div class="x-axis">{x_labels(frame)}</div></div></figure>'
    )


def lane_cells(use: LimitUse, t: Array) -> list[str]:
    """Rectangles of a lane, darker the more of the limit is used."""
    edges, levels = lane_levels(use, t)
    cells = []
    for a, b, level in zip(edges[:-1], edges[1:], levels, strict=True):
        if level > 0:
            style = ' class="binds"' if level > 10 else f' fill-opacity="{0.04 * level:.2f}"'
            cells.append(f'<rect x="{a:g}" width="{b - a:g}" height="10"{style}/>')
    return cells


def _lane(use: LimitUse, t: Array, frame: Frame) -> str:
    cells = lane_cells(use, t)
    share, label = quantity(round(100.0 * use.share, 1), "%", 3), escape(use.label)
    words = f"{label} binds {share} of the time"
    return (
        f'<div class="lane" data-limit="{css(use.name)}"><span>{label}</span><b>{share}</b>'
        f'<svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="{words}">'
        f"{''.join(cells)}</svg></div>"
    )


def lane_levels(use: LimitUse, t: Array) -> tuple[list[float], list[int]]:
    """Runs of equal greatest use: edges in 0..1000 and, per run, tenths of the limit (11 where it binds, 0 where unknown)."""
    bins = np.minimum(((t - t[0]) / (t[-1] - t[0]) * LANE_BINS).astype(np.int64), LANE_BINS - 1)
    greatest = np.full(LANE_BINS, -np.inf)
    np.maximum.at(greatest, bins, np.where(np.isfinite(use.use), use.use, np.where(np.isnan(use.use), -np.inf, 2.0)))
    filled = np.flatnonzero(np.isin(np.arange(LANE_BINS), bins))
    # A bin without a sample shows the sample before it.
    greatest = greatest[filled[np.maximum(np.searchsorted(filled, np.arange(LANE_BINS), side="right") - 1, 0)]]
    level = np.where(greatest >= BINDING, 11, np.clip(np.where(np.isfinite(greatest), greatest, 0.0) * 10.0, 0, 10)).astype(
        np.int64
    )
    starts = np.concatenate([[0], np.flatnonzero(np.diff(level)) + 1])
    edges = [float(s) * 1000.0 / LANE_BINS for s in starts] + [1000.0]
    return edges, [int(level[s]) for s in starts]
