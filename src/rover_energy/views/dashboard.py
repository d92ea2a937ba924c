"""The status of a rover on a terminal of 80 columns and 24 lines, drawn with rich."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.views.extras import need
from rover_energy.views.status import Status

WIDTH, HEIGHT = 80, 24
BLOCKS = " ▁▂▃▄▅▆▇█"
COLOURS = {"OK": "green", "WARN": "yellow", "ERROR": "red", "STALE": "magenta"}
UNKNOWN = "--"
COURSE = 66  # columns of the drawn course


def number(value: float, digits: int, unit: str = "") -> str:
    """A value with its unit; dashes when it is not known."""
    return f"{value:.{digits}f}{unit}" if math.isfinite(value) else f"{UNKNOWN}{unit}"


def bar(value: float, most: float, width: int, mark: float = math.nan) -> str:
    """A bar of a share, with a mark at another value; dots when it is not known."""
    if not (math.isfinite(value) and most > 0.0):
        return "·" * width
    cells = ["█" if (i + 0.5) / width <= value / most else "░" for i in range(width)]
    if math.isfinite(mark):
        cells[min(width - 1, max(0, int(width * mark / most)))] = "│"
    return "".join(cells)


def course(status: Status, width: int = COURSE) -> tuple[str, str]:
    """Total load over the last time in block letters, and below it where it came within 5 % of what was available or over."""
    points = list(status.course)[-width:]
    top = max([1.0, *(v for pair in points for v in pair if math.isfinite(v))])
    drawn = "".join(BLOCKS[min(8, max(1, round(8 * t / top)))] if math.isfinite(t) else "?" for t, _ in points)
    near = "".join(("!" if t > a else "·" if t > 0.95 * a else " ") if math.isfinite(t + a) else "?" for t, a in points)
    return drawn.rjust(width), near.rjust(width)


def screen(status: Status, title: str = "") -> Any:
    """A rich renderable of at most 24 lines of 80 columns."""
    group, text = need("rich.console", "the dashboard").Group, need("rich.text", "the dashboard").Text
    alarms = status.alarms()
    head = text(f" {title[:46]:<46} t {number(status.now, 1, ' s'):>12} {status.messages:>9} msg"[:WIDTH], style="reverse")
    words = "  ".join(alarms)
    state = text(f" {words}"[:WIDTH], style="bold white on red") if alarms else text(" all well", style="bold green")
    power = status.fresh("power_state")
    lines = [head, state, *(_power(status, text) if power else [_dim(text, "power_state")]), text("")]
    lines += [*_battery(status, text), text("")] if power else []
    lines += [*_course(status, text), text("")]
    lines += [_motion(status, text) if status.fresh("odom") else _dim(text, "odom"), _plan(status, text), text("")]
    lines += _health(status, text)
    return group(*lines[: HEIGHT - 1])


def _dim(text: Any, topic: str) -> Any:
    return text(f" {topic}: nothing fresh; old values are not shown", style="magenta")


def _power(s: Status, text: Any) -> list[Any]:
    most = max(v for v in (s.available, s.total, 1.0) if math.isfinite(v))
    style = "green" if s.margin >= 5.0 else "yellow" if s.margin >= 0.0 else "red"
    first = text(f" power   {bar(s.total, most, 40, s.available)} ")
    first.append(f"{number(s.total, 1)} of {number(s.available, 1)} W", style=f"bold {style}")
    names = "  ".join(f"{name} {number(v, 1)}" for name, v in s.sources.items())
    loads = "  ".join(f"{name} {number(v, 1)}" for name, v in s.loads.items())
    rest = f"peak {number(s.peak, 1)} W   least margin {number(s.least_margin, 2)} W   windows over {s.over}"
    margin = text(" margin  ")
    margin.append(f"{number(s.margin, 1, ' W')}", style=f"bold {style}")
    return [
        first, margin, text(f" from    {names}"[:WIDTH]), text(f" to      {loads}"[:WIDTH]), text(f" so far  {rest}"[:WIDTH])
    ]  # fmt: skip


def _battery(s: Status, text: Any) -> list[Any]:
    if not s.capacity > 0.0:
        return [text(" battery none")]
    style = "green" if s.energy > 1.2 * s.floor else "yellow" if s.energy > s.floor else "red"
    line = text(f" battery {bar(s.energy, s.capacity, 40, s.floor)} ")
    line.append(f"{number(100 * s.charge, 1, ' %')}", style=f"bold {style}")
    above, floor = number((s.energy - s.floor) / 1e3, 2, " kJ"), number(s.floor / 1e3, 2, " kJ")
    return [line, text(f"         {above} above the floor of {floor}")]


def _course(s: Status, text: Any) -> list[Any]:
    drawn, near = course(s)
    return [text(f" load    {drawn}"[:WIDTH], style="cyan"), text(f" near!   {near}"[:WIDTH], style="red")]


def _motion(s: Status, text: Any) -> Any:
    x, y, z = s.place
    heading = math.degrees(s.heading) % 360.0 if math.isfinite(s.heading) else math.nan
    where = f"x {number(x, 2)}  y {number(y, 2)}  z {number(z, 2)} m  heading {number(heading, 0)} deg"
    return text(f" rover   {where}  {number(s.speed, 3)} m/s"[:WIDTH])


def _plan(s: Status, text: Any) -> Any:
    if not s.plan:
        return text(" drive   none", style="dim")
    if s.verdict is not None:
        return text(f" drive   {s.plan[:16]}: {s.verdict[1]}"[:WIDTH], style=COLOURS[s.verdict[0]])
    apart = s.apart if s.fresh("reference") else math.nan
    left, off = number(s.remaining, 0, " s"), number(apart, 3, " m")
    return text(f" drive   {s.plan[:16]}: {left} left by the plan, {off} off it"[:WIDTH])


def _health(s: Status, text: Any) -> list[Any]:
    if not s.fresh("/diagnostics"):
        return [text(" health  no diagnostics", style="magenta")]
    return [text(f" {level:<7} {name}: {told}"[:WIDTH], style=COLOURS[level]) for name, (level, told) in s.health.items()]
