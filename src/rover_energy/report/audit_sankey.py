"""The flow of energy through a run as a Sankey diagram: sources on the left, the bus, loads and store on the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from rover_energy.report.chart import css
from rover_energy.report.numbers import energy, finite, fixed

HEIGHT = 300.0  # of all that flows, in the units of the drawing
SLOT = 40.0  # least room for a label
GAP = 12.0
LEFT, BUS, RIGHT, BAR = 0.0, 490.0, 986.0, 14.0  # left edges of the bars, their width; the drawing is 1000 wide
THIN = 16.0  # a ribbon through which its label would not be read
SMALL = 1e-4  # of all that flows: smaller flows are left to the table
COLOURS = {
    "rtg": "rtg_power", "pv": "pv_power", "base": "base_power", "inference": "inference_power", "drive": "drive_power",
    "turn": "turn_power", "battery": "battery_power",
}  # fmt: skip
OTHERS = ("second", "motion", "turn_power", "inference_power", "base_power")
NAMES = {"rtg": "RTG", "pv": "Solar array", "drive": "Driving", "turn": "Turning", "base": "Base", "inference": "Inference"}


@dataclass(frozen=True)
class Flow:
    """One source or one use of energy [J]."""

    label: str
    joules: float
    colour: str
    faint: bool = False


def colour_of(name: str, rank: int = 0) -> str:
    """Colour of a load or source, the same everywhere on the page."""
    return COLOURS.get(name, OTHERS[rank % len(OTHERS)])


def label_of(name: str) -> str:
    """Name of a load or source for people."""
    return NAMES.get(name, name[:1].upper() + name[1:])


def flows(account: Mapping[str, Any]) -> tuple[list[Flow], list[Flow]]:
    """Where the energy came from and where it went; both sides add up to the same when the ledger closes."""
    given = [Flow(label_of(s["name"]), s["energy_J"], colour_of(s["name"])) for s in account["sources"]]
    used = [Flow(label_of(load["name"]), load["energy_J"], colour_of(load["name"], i)) for i, load in enumerate(account["loads"])]
    given.append(Flow("Battery, discharged", account["discharged_J"] or 0.0, "battery_power"))
    if account["kind"] in ("bus", "meter"):
        used.append(Flow("Battery, charged", account["charged_J"] or 0.0, "battery_power", faint=True))
        used.append(Flow("Shunted", account["shunted_J"] or 0.0, "soft", faint=True))
        used.append(Flow("Loads, not metered", max(finite(account["unmetered_J"]) or 0.0, 0.0), "soft"))
        rest = finite(account["unexplained_J"]) or 0.0
        (used if rest > 0.0 else given).append(Flow("Not explained", abs(rest), "limit"))
    least = SMALL * max(sum(f.joules for f in given), sum(f.joules for f in used), 1e-9)
    return [f for f in given if f.joules > least], [f for f in used if f.joules > least]


def sankey(account: Mapping[str, Any]) -> str:
    """The diagram, or a sentence where nothing flowed."""
    given, used = flows(account)
    total = max(sum(f.joules for f in given), sum(f.joules for f in used))
    if not (given and used and total > 0.0):
        return '<p class="absent">The bag tells of no flow of energy.</p>'
    left, right = _places(given, total), _places(used, total)
    height = max(_end(left), _end(right))
    shift_left, shift_right = (height - _end(left)) / 2.0, (height - _end(right)) / 2.0
    top = (height - HEIGHT) / 2.0
    marks, words = [], []
    for items, places, shift, edge, outward in (
        (given, left, shift_left, LEFT, False), (used, right, shift_right, RIGHT, True),
    ):  # fmt: skip
        at = top
        for item, (_, y, size) in zip(items, places, strict=True):
            marks += _drawn(item, y + shift, size, at, edge, outward)
            words.append(_label(item, (y + shift + size / 2.0) / height, total, outward, size < THIN))
            at += size
    marks.append(f'<rect class="bus" x="{BUS}" y="{top:.1f}" width="{BAR}" height="{HEIGHT}"/>')
    words.append(f'<span class="bus-name" style="top:{100.0 * top / height:.2f}%">Bus {energy(total)}</span>')
    return (
        f'<figure class="sankey" id="sankey"><div class="flow" style="height:{height:.0f}px">'
        f'<svg viewBox="0 0 1000 {height:.0f}" preserveAspectRatio="none" role="img" aria-label="Flow of energy">'
        f"{''.join(marks)}</svg>"
        f"{''.join(words)}</div></figure>"
    )


def _places(items: list[Flow], total: float) -> list[tuple[float, float, float]]:
    """Slot, top and height of each bar."""
    places, at = [], 0.0
    for item in items:
        size = HEIGHT * item.joules / total
        slot = max(size, SLOT)
        places.append((slot, at + (slot - size) / 2.0, size))
        at += slot + GAP
    return places


def _end(places: list[tuple[float, float, float]]) -> float:
    return max(sum(slot for slot, _, _ in places) + GAP * (len(places) - 1), HEIGHT)


def _drawn(item: Flow, y: float, size: float, at: float, edge: float, outward: bool) -> list[str]:
    """Bar and ribbon of one flow; `at` is where it meets the bus."""
    bar, size = max(size, 1.5), max(size, 0.75)
    x0, x1 = (BUS + BAR, RIGHT) if outward else (LEFT + BAR, BUS)
    a, b = (at, y) if outward else (y, at)
    middle = 0.5 * (x0 + x1)
    path = (
        f"M{x0} {a:.1f}C{middle} {a:.1f} {middle} {b:.1f} {x1} {b:.1f}V{b + size:.1f}"
        f"C{middle} {b + size:.1f} {middle} {a + size:.1f} {x0} {a + size:.1f}Z"
    )
    style = f"fill:var(--{css(item.colour)})"
    faint = " faint" if item.faint else ""
    return [
        f'<path class="ribbon{faint}" style="{style}" d="{path}"/>',
        f'<rect class="bar-end{faint}" style="{style}" x="{edge}" y="{y:.1f}" width="{BAR}" height="{bar:.1f}"/>',
    ]


def _label(item: Flow, place: float, total: float, outward: bool, above: bool) -> str:
    side = ("right" if outward else "left") + (" above" if above else "")
    share = f"{fixed(100.0 * item.joules / total)}\u00a0%"
    return (
        f'<span class="flow-name {side}" style="top:{100.0 * place:.2f}%"><b>{escape(item.label)}</b> '
        f"{energy(item.joules)} <small>{share}</small></span>"
    )
