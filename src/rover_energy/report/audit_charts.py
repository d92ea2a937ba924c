"""Charts of an audit over time: loads, sources, battery, limits in use, model, motion, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.report.audit_sankey import colour_of, label_of
from rover_energy.report.chart import Chart, Frame, css, span, x_labels
from rover_energy.report.columns import Array
from rover_energy.report.limits import BINDING, LimitUse, time_share
from rover_energy.report.numbers import fixed, join, quantity
from rover_energy.report.time_charts import lane_cells

SILENT = 4.0  # usual distances between two buckets that leave a gap in a line
LANES = ("power", "battery discharge", "battery floor", "speed", "yaw rate", "slope", "tilt")


@dataclass(frozen=True)
class Series:
    """One trace of an audit: times (n,) [s], and per column its least, mean and greatest value in each bucket."""

    t: Array
    columns: Mapping[str, Mapping[str, Array]]

    def __contains__(self, name: object) -> bool:
        return name in self.columns and bool(np.isfinite(self.columns[str(name)]["mean"]).any())

    def get(self, name: str, part: str = "mean") -> Array:
        """A column, or NaN where there is none."""
        return self.columns[name][part] if name in self.columns else np.full(self.t.shape, np.nan)


def read_series(data: Mapping[str, Any] | None) -> Series:
    """A trace from the plain data of an audit."""
    data = data or {"t": [], "columns": {}}
    t = _numbers(data["t"])
    breaks = _breaks(t)
    columns = {
        name: {part: np.insert(_numbers(values), breaks, np.nan) for part, values in parts.items()}
        for name, parts in data["columns"].items()
    }
    return Series(np.insert(t, breaks, 0.5 * (t[breaks - 1] + t[breaks])), columns)


def _breaks(t: Array) -> NDArray[np.int64]:
    """Where the buckets are so far apart that no line may be drawn between them."""
    steps = np.diff(t)
    if not steps.size:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(steps > SILENT * float(np.median(steps))).astype(np.int64) + 1


def _numbers(values: Sequence[float | None]) -> Array:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


@dataclass
class Page:
    """What the charts share: the run's length [s], the resting cursor [s], and the columns that the cursor reads out."""

    end: float
    rest: float
    grid: Array
    columns: dict[str, Array]
    decimals: dict[str, int]

    def frame(self, low: float, high: float) -> Frame:
        return Frame(0.0, self.end, low, high)

    def key(self, chart: Chart, name: str, label: str, t: Array, values: Array, unit: str, *, colour: str, shape: str = "box",
            decimals: int = 1) -> None:  # fmt: skip
        """A legend entry that follows the cursor."""
        column = f"{chart.name}-{name}"
        good = np.isfinite(values)
        self.columns[column] = np.interp(self.grid, t[good], values[good]) if good.any() else np.full(self.grid.shape, np.nan)
        self.decimals[column] = decimals
        resting = float(np.interp(self.rest, self.grid, self.columns[column])) if good.any() else float("nan")
        reading = f'<output data-column="{escape(column)}" data-decimals="{decimals}">{fixed(resting, decimals)}</output>'
        swatch = f'<i class="{shape}" style="--c:var(--{css(colour)})"></i>'
        chart.keys.append(f"<li>{swatch}{escape(label)} <span>{join(reading, unit)}</span></li>")


def loads_chart(page: Page, s: Series, checks: Sequence[Mapping[str, Any]]) -> str:
    """Stacked loads under the available power; stretches above it are marked."""
    names = [name for name in s.columns if name.startswith("load.")]
    total, available = s.get("total_power", "high"), s.get("available_power", "low")
    if not np.isfinite(total).any():
        return '<p class="absent" id="chart-loads">No topic of the bag tells the power of the run.</p>'
    chart = Chart("loads", "Power against what was available", page.frame(*span([total, available])), "W", height=320)
    _excess(chart, checks)
    base = np.zeros_like(total)
    for i, name in enumerate(names):
        load, colour = s.get(name), colour_of(name[5:], i)
        if np.any(np.nan_to_num(load) != 0.0):
            chart.band(s.t, base, base + load, colour)
            base = base + np.nan_to_num(load)
        page.key(chart, name, label_of(name[5:]), s.t, load, "W", colour=colour)
    chart.line(s.t, total, "total_power", "line thin")
    page.key(chart, "total", "Total, greatest in the bucket", s.t, total, "W", colour="total_power", shape="stroke thin")
    if np.isfinite(available).any():
        chart.line(s.t, available, "available_power", "line dashed")
        page.key(chart, "available", "Available, least", s.t, available, "W", colour="available_power", shape="stroke dashed")
    peak = int(np.nanargmax(total))
    chart.dot(float(s.t[peak]), float(total[peak]), f"peak {quantity(total[peak], 'W')}", under=True)
    return chart.html(page.rest)


def _excess(chart: Chart, checks: Sequence[Mapping[str, Any]]) -> None:
    """A red ground behind every stretch in which a limit of power was broken."""
    f = chart.frame
    for check in checks:
        if check["name"] != "power":
            continue
        for e in check["episodes"]:
            start, end = e["start"], e["start"] + max(e["seconds"], 0.002 * (f.t1 - f.t0))
            times = np.array([start, end])
            chart.band(times, np.full(2, f.low), np.full(2, f.high), "limit", "area faint")


def sources_chart(page: Page, s: Series) -> str:
    """Stacked sources, with what charges the battery below zero."""
    battery = s.get("battery_power")
    if not any(name in s for name in ("rtg_power", "pv_power", "battery_power")):
        return ""
    giving, taking = np.maximum(battery, 0.0), np.minimum(battery, 0.0)
    stack = [
        ("rtg_power", "RTG", s.get("rtg_power")),
        ("pv_power", "Solar array", s.get("pv_power")),
        ("battery_power", "", giving),
    ]
    top = np.nansum([values for _, _, values in stack], axis=0)
    chart = Chart("sources", "Sources", page.frame(*span([top, taking])), "W", height=220)
    base = np.zeros_like(battery)
    for name, label, values in stack:
        if np.any(np.nan_to_num(values) != 0.0):
            chart.band(s.t, base, base + values, name)
            base = base + np.nan_to_num(values)
        if label:
            page.key(chart, name, label, s.t, values, "W", colour=name)
    if np.any(np.nan_to_num(taking) < 0.0):
        chart.band(s.t, taking, np.zeros_like(taking), "battery_power", "area faint")
    page.key(chart, "battery", "Battery (negative: charging)", s.t, battery, "W", colour="battery_power")
    return chart.html(page.rest)


def battery_chart(page: Page, s: Series, packs: Mapping[str, Series], floor: float | None) -> str:
    """State of charge, of the bus or else of the packs, with the floor."""
    shown = (
        [("bus", s)] if "state_of_charge" in s else [(name, pack) for name, pack in packs.items() if "state_of_charge" in pack]
    )
    if not shown:
        return '<p class="absent" id="chart-battery">No topic of the bag tells the state of charge.</p>'
    chart = Chart("battery", "State of charge", page.frame(0.0, 104.0), "%", height=200)
    for i, (name, series) in enumerate(shown):
        charge, colour = 100.0 * series.get("state_of_charge"), ("battery_power", "second", "motion")[i % 3]
        chart.band(series.t, np.zeros_like(charge), charge, colour, "area faint")
        chart.line(series.t, charge, colour, "line thick")
        label = "State of charge" if len(shown) == 1 else name
        page.key(chart, name, label, series.t, charge, "%", colour=colour, shape="stroke thick")
    if "battery_energy" in s:
        page.key(
            chart, "energy", "Stored", s.t, s.get("battery_energy") / 1e3, "kJ", colour="battery_power", shape="none", decimals=2
        )
    if floor is not None:
        chart.limit(100.0 * floor, f"floor {quantity(100.0 * floor, '%', 3)}")
    return chart.html(page.rest)


def limit_lanes(page: Page, s: Series) -> str:
    """One lane per limit: solid where it binds, tinted by how much of it is used elsewhere."""
    uses = []
    for name in LANES:
        if name in s:
            values = s.get(name, "high")
            good = np.isfinite(values)
            share = time_share(s.t[good], values[good] >= BINDING) if good.sum() > 1 else 0.0
            uses.append(LimitUse(name.replace(" ", "_"), name[:1].upper() + name[1:], np.where(good, values, np.nan), share))
    if not uses or s.t.size < 2:
        return ""
    frame = page.frame(0.0, 1.0)
    lanes = "".join(_lane(use, s.t) for use in uses)
    caption = (
        f"Solid where at least {quantity(100.0 * BINDING, '%')} of a limit is used; the tint shows how much is used elsewhere."
    )
    return (
        '<figure class="chart lanes" id="chart-limits"><figcaption><h3>What bound, and when</h3>'
        f'<p>{escape(caption)}</p></figcaption><div class="plot"><div class="y-axis"></div><div class="frame" data-time>{lanes}'
        f'<div class="cursor" style="left:{frame.left(page.rest)}"></div></div>'
        f'<div class="x-axis">{x_labels(frame)}</div></div></figure>'
    )


def _lane(use: LimitUse, t: Array) -> str:
    cells = lane_cells(use, t)
    share = quantity(round(100.0 * use.share, 1), "%", 3)
    return (
        f'<div class="lane" data-limit="{css(use.name)}"><span>{escape(use.label)}</span><b>{share}</b>'
        f'<svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="{escape(use.label)}">'
        f"{''.join(cells)}</svg></div>"
    )


def model_chart(page: Page, s: Series) -> str:
    """Measured power of the motors against the model's prediction, and the difference."""
    measured, predicted = s.get("measured.drive"), s.get("predicted.drive")
    if not np.isfinite(measured + predicted).any():
        return ""
    chart = Chart("model", "Driving: measured against predicted", page.frame(*span([measured, predicted])), "W", height=220)
    chart.band(s.t, np.zeros_like(measured), measured, "drive_power", "area faint")
    chart.line(s.t, measured, "drive_power", "line thick")
    chart.line(s.t, predicted, "total_power", "line dashed")
    page.key(chart, "measured", "Measured", s.t, measured, "W", colour="drive_power", shape="stroke thick")
    page.key(chart, "predicted", "Predicted from the motion", s.t, predicted, "W", colour="total_power", shape="stroke dashed")
    if "shafts.drive" in s:
        page.key(chart, "shafts", "From the wheels' shafts", s.t, s.get("shafts.drive"), "W", colour="second", shape="none")
    rest = measured - predicted
    low, high = span([rest, np.array([-1.0, 1.0])], room=0.1)
    small = Chart("residual", "Measured less predicted", page.frame(low, high), "W", height=110)
    small.band(s.t, np.zeros_like(rest), rest, "drive_power")
    page.key(small, "residual", "Difference", s.t, rest, "W", colour="drive_power", decimals=2)
    return chart.html(page.rest) + small.html(page.rest)


def motion_charts(page: Page, s: Series) -> str:
    """Small charts of speed and slope."""
    charts = []
    for name, title, unit, scale, decimals in (
        ("speed", "Speed", "m/s", 1.0, 3), ("along_slope", "Slope along the heading", "°", 57.29578, 1),
        ("yaw_rate", "Yaw rate", "°/s", 57.29578, 2), ("tilt", "Tilt", "°", 57.29578, 1),
    ):  # fmt: skip
        if name in s:
            values = scale * s.get(name)
            chart = Chart(name, title, page.frame(*span([values], room=0.08)), unit, height=120)
            chart.line(s.t, values, "motion", "line thick")
            page.key(chart, name, title, s.t, values, unit, colour="motion", shape="stroke thick", decimals=decimals)
            charts.append(chart.html(page.rest))
    return f'<div class="pairs">{"".join(charts)}</div>' if charts else ""


def number_charts(page: Page, s: Series) -> str:
    """One small chart for each topic with a single number."""
    charts = []
    for i, name in enumerate(sorted(s.columns)):
        good = np.isfinite(s.get(name))  # topics of different rates share the buckets
        t, values = s.t[good], s.get(name)[good]
        chart = Chart(f"number{i}", name, page.frame(*span([values], zero=False, room=0.1)), "", height=110)
        chart.line(t, values, "second", "line thick")
        page.key(chart, name, "Value", t, values, "", colour="second", shape="stroke thick", decimals=2)
        charts.append(chart.html(page.rest))
    return f'<div class="pairs">{"".join(charts)}</div>' if charts else ""


def event_lanes(page: Page, audit: Mapping[str, Any]) -> str:
    """A line of time for what happened: faults, switches, breaches, silences."""
    frame = page.frame(0.0, 1.0)
    rows: list[tuple[str, list[tuple[float, float, str, str]]]] = []
    broken = [
        (e["start"], e["seconds"], "error", check["name"]) for check in audit["compliance"]["checks"] for e in check["episodes"]
    ]
    rows.append(("Limits broken", broken))
    for kind, title in (("switch", "Switches and validity"), ("diagnostics", "Diagnostics")):
        rows.append((title, [(e["time"], 0.0, e["severity"], e["text"]) for e in audit["events"] if e["kind"] == kind]))
    used = {role["topic"] for role in audit["roles"]}
    silent = [
        (g["start"], g["seconds"], "warning", t["name"]) for t in audit["topics"] if t["name"] in used for g in t["gap_list"]
    ]
    rows.append(("Silences", silent))
    lanes = "".join(_event_lane(title, marks, frame) for title, marks in rows if marks)
    if not lanes:
        return '<p class="absent" id="chart-events">Nothing was switched, broken, reported or silent during the run.</p>'
    return (
        '<figure class="chart lanes events" id="chart-events"><figcaption><h3>Events</h3></figcaption><div class="plot">'
        f'<div class="y-axis"></div><div class="frame" data-time>{lanes}'
        f'<div class="cursor" style="left:{frame.left(page.rest)}"></div></div>'
        f'<div class="x-axis">{x_labels(frame)}</div></div></figure>'
    )


def _event_lane(title: str, marks: Sequence[tuple[float, float, str, str]], frame: Frame) -> str:
    pieces = []
    for start, seconds, severity, text in marks:
        left = min(max(1000.0 * (start - frame.t0) / (frame.t1 - frame.t0), 0.0), 998.0)
        width = max(1000.0 * seconds / (frame.t1 - frame.t0), 2.0)
        pieces.append(
            f'<rect class="{severity}" x="{left:.1f}" width="{width:.1f}" height="10"><title>{escape(text)}</title></rect>'
        )
    return (
        f'<div class="lane"><span>{escape(title)}</span><b>{len(marks)}</b><svg viewBox="0 0 1000 10" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(title)}">{"".join(pieces)}</svg></div>'
    )
