"""Charts over time as HTML: a stretched SVG for the data, HTML for every word.

The SVG is stretched to the width of the page with strokes that do not scale, and the labels are ordinary text placed by
percentages; so the chart is sharp at any width, prints, follows the theme and needs no script to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import numpy as np

from rover_energy.report.columns import Array
from rover_energy.report.numbers import fixed, join, significant, ticks, time_axis
from rover_energy.report.palette import QUANTITIES

SIZE = 1000.0


@dataclass(frozen=True)
class Frame:
    """The window of a chart in data units, mapped to the SVG's 1000 by 1000."""

    t0: float
    t1: float
    low: float
    high: float

    def across(self, t: Array) -> Array:
        """Time to SVG x."""
        return (np.asarray(t, dtype=np.float64) - self.t0) / (self.t1 - self.t0) * SIZE

    def down(self, values: Array) -> Array:
        """Value to SVG y."""
        return (self.high - np.asarray(values, dtype=np.float64)) / (self.high - self.low) * SIZE

    def left(self, t: float) -> str:
        """Time as a CSS percentage from the left."""
        return f"{(t - self.t0) / (self.t1 - self.t0) * 100.0:.3f}%"

    def top(self, value: float) -> str:
        """Value as a CSS percentage from the top."""
        return f"{(self.high - value) / (self.high - self.low) * 100.0:.3f}%"


@dataclass
class Chart:
    """One chart being put together: marks go into the SVG, notes above it as HTML, keys into the legend."""

    name: str
    title: str
    frame: Frame
    unit: str
    height: int = 240
    caption: str = ""
    zero: bool = True
    marks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def band(self, t: Array, low: Array, high: Array, colour: str, style: str = "area") -> None:
        """A filled band between two curves; samples that are not finite leave a gap."""
        across, floor, roof = self.frame.across(t), self.frame.down(low), self.frame.down(high)
        for run in finite_runs(floor + roof):
            there = polyline(across[run], roof[run])
            back = polyline(across[run][::-1], floor[run][::-1], first="L")
            self.marks.append(f'<path class="{style}" style="fill:var(--{css(colour)})" d="{there}{back}Z"/>')

    def line(self, t: Array, values: Array, colour: str, style: str = "line") -> None:
        """A curve; samples that are not finite leave a gap."""
        across, down = self.frame.across(t), self.frame.down(values)
        path = "".join(polyline(across[run], down[run]) for run in finite_runs(down))
        if path:
            self.marks.append(f'<path class="{style}" style="stroke:var(--{css(colour)})" d="{path}"/>')

    def limit(self, value: float, label: str, below: bool = False) -> None:
        """A horizontal limit with its name, if it lies inside the window."""
        if not self.frame.low <= value <= self.frame.high:
            return
        y = float(self.frame.down(np.array(value)))
        self.marks.append(f'<path class="limit" d="M0 {y:.1f}H1000"/>')
        side = " below" if below else ""
        self.notes.append(f'<span class="limit-name{side}" style="top:{self.frame.top(value)}">{escape(label)}</span>')

    def dot(self, t: float, value: float, label: str, under: bool = False) -> None:
        """A labelled point; the label turns to the side where there is room, and below the point if asked."""
        right = " flip" if t > self.frame.t0 + 0.6 * (self.frame.t1 - self.frame.t0) else ""
        right += " under" if under else ""
        place = f"left:{self.frame.left(t)};top:{self.frame.top(value)}"
        self.notes.append(f'<span class="dot{right}" style="{place}"><i></i><b>{escape(label)}</b></span>')

    def key(self, column: str, value: float, *, label: str = "", colour: str = "", shape: str = "box") -> None:
        """A legend entry that also reads out the value at the cursor."""
        quantity, decimals = QUANTITIES[column], decimals_of(column)
        swatch = f'<i class="{shape}" style="--c:var(--{css(colour or column)})"></i>'
        reading = f'<output data-column="{column}" data-decimals="{decimals}">{fixed(value, decimals)}</output>'
        self.keys.append(f"<li>{swatch}{escape(label or quantity.label)} <span>{join(reading, quantity.unit)}</span></li>")

    def html(self, cursor: float) -> str:
        """The finished figure, its cursor at time `cursor`."""
        legend = f'<ul class="keys">{"".join(self.keys)}</ul>' if self.keys else ""
        caption = f"<p>{self.caption}</p>" if self.caption else ""
        return (
            f'<figure class="chart" id="chart-{self.name}">'
            f"<figcaption><h3>{escape(self.title)}</h3>{caption}{legend}</figcaption>"
            f'<div class="plot" style="--h:{self.height}px"><div class="y-axis">{self._y_labels()}</div>'
            f'<div class="frame" data-time><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(self.title)} over time">{self._grid()}{"".join(self.marks)}</svg>'
            f'{"".join(self.notes)}<div class="cursor" style="left:{self.frame.left(cursor)}"></div></div>'
            f'<div class="x-axis">{x_labels(self.frame)}</div></div></figure>'
        )

    def _grid(self) -> str:
        rows = ticks(self.frame.low, self.frame.high, max(3, self.height // 60))
        lines = "".join(f"M0 {float(self.frame.down(np.array(v))):.1f}H1000" for v in rows)
        level = float(self.frame.down(np.array(0.0)))
        zero = f'<path class="zero" d="M0 {level:.1f}H1000"/>' if self.zero and self.frame.low < 0.0 else ""
        return f'<path class="grid" d="{lines}"/>{zero}'

    def _y_labels(self) -> str:
        rows = ticks(self.frame.low, self.frame.high, max(3, self.height // 60))
        last = len(rows) - 1
        texts = [join(significant(v), self.unit if i == last else "") for i, v in enumerate(rows)]
        return "".join(f'<span style="top:{self.frame.top(v)}">{s}</span>' for v, s in zip(rows, texts, strict=True))


def x_labels(frame: Frame, count: int = 8) -> str:
    """Labels of the time axis; every other one is marked `minor` and hidden where the page is narrow."""
    divisor, unit = time_axis(frame.t1 - frame.t0)
    marks = ticks(frame.t0 / divisor, frame.t1 / divisor, count, sixty=unit != "h")
    spans = []
    for i, mark in enumerate(marks):
        last = i == len(marks) - 1
        at_edge = last and mark * divisor > frame.t1 - 0.02 * (frame.t1 - frame.t0)
        classes = ("minor " if (len(marks) - 1 - i) % 2 else "") + ("end" if at_edge else "")
        text = join(significant(mark), unit if last else "")
        spans.append(f'<span class="{classes.strip()}" style="left:{frame.left(mark * divisor)}">{text}</span>')
    return "".join(spans)


def decimals_of(column: str) -> int:
    """Decimals with which a column is read out in its display unit."""
    return {"speed": 3, "acceleration": 3, "yaw_rate": 2, "x": 2, "y": 2, "height": 2, "battery_energy": 2}.get(column, 1)


def css(name: str) -> str:
    """Name of a colour as CSS custom properties spell it."""
    return name.replace("_", "-")


def finite_runs(values: Array) -> list[slice]:
    """Slices over the runs of finite values that are at least two samples long."""
    good = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(np.diff(good.astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 2]


def polyline(across: Array, down: Array, first: str = "M") -> str:
    """SVG path through points to a tenth of a unit, without the inner points of level stretches."""
    x, y = np.round(across, 1), np.round(down, 1)
    inner = (y[1:-1] == y[:-2]) & (y[1:-1] == y[2:])
    keep = np.concatenate([[True], ~inner, [True]])
    points = " ".join(f"{a:g} {b:g}" for a, b in zip(x[keep], y[keep], strict=True))
    return f"{first}{points}"


def span(values: list[Array], *, zero: bool = True, room: float = 0.06) -> tuple[float, float]:
    """Window that holds all finite values (and zero), with a little room; never empty."""
    flat = np.concatenate([np.asarray(v, dtype=np.float64).reshape(-1) for v in values])
    flat = flat[np.isfinite(flat)]
    low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    reach = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-9)
    if high - low < 1e-9 * max(1.0, abs(high)):
        reach = max(abs(high) * 0.1, 1.0)
        low, high = (low, high + reach) if zero and low == 0.0 else (low - 0.5 * reach, high + 0.5 * reach)
    return (low if zero and low == 0.0 else low - room * reach), high + room * reach
