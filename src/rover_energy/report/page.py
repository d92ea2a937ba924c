"""The page: templates filled in, everything inline, nothing fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.report import time_charts
from rover_energy.report.chart import decimals_of
from rover_energy.report.columns import Array, Columns, thin
from rover_energy.report.headline import contradictions, figure_html, headline_figures, lead, verdict_html
from rover_energy.report.limits import limit_use
from rover_energy.report.numbers import finite, fixed, join, quantity
from rover_energy.report.palette import QUANTITIES, css_variables
from rover_energy.report.route_map import route_map
from rover_energy.report.tables import certificate_table, energy_bars, facts, parameter_tables
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

BUCKETS = 300
#: what the strip under the map reads out
STRIP = ("t", "total_power", "margin", "speed", "along_slope", "heading", "state_of_charge")

SECTIONS = (
    ("route", "Route", "map strip"), ("power", "Power", "loads limits sources battery"), ("energy", "Energy", "energy"),
    ("motion", "Motion", "motion"), ("certificate", "Certificate", "independent certificate"),
    ("plan", "Plan and solver", "plan"), ("parameters", "Parameters", "parameters"),
)  # fmt: skip
INDEPENDENT = (
    '<p class="note">Evaluated again from the finished plan by code that shares nothing with the optimiser.</p>'
)


def template(name: str) -> str:
    """Text of a template that ships with the package."""
    return (resources.files("rover_energy.report") / "templates" / name).read_text(encoding="utf-8")


def view_of(columns: Columns) -> time_charts.View:
    """Samples to draw, and the resting cursor at the instant of the least power margin."""
    drawn = thin([values for name, values in columns.data.items() if name != "t"], BUCKETS)
    margin = columns["margin"]
    rest = int(np.nanargmin(margin)) if np.any(np.isfinite(margin)) else 0
    drawn = np.union1d(drawn, [rest]).astype(np.int64)
    return time_charts.View(columns, drawn, rest)


def traverse_page(
    *,
    title: str,
    terrain: Terrain,
    surface: Surface,
    columns: Columns,
    certificate: Mapping[str, Any],
    plan: Mapping[str, Any],
    rover: RoverParameters,
    mission: MissionParameters,
    environment: Environment | None,
    keep_outs: Iterable[Any],
) -> str:
    """The whole report as one HTML document."""
    view = view_of(columns)
    height = np.asarray(surface.height(columns["x"], columns["y"]), dtype=np.float64)
    uses = limit_use(columns, rover)
    rest_index = int(np.searchsorted(view.drawn, view.rest))
    parts = {
        "map": route_map(terrain, columns, view.drawn, view.rest, environment, keep_outs),
        "strip": _strip(columns, view.rest),
        "loads": time_charts.loads_chart(view),
        "limits": time_charts.limit_lanes(view, uses),
        "sources": time_charts.sources_chart(view, rover),
        "battery": time_charts.battery_chart(view, rover),
        "energy": energy_bars(columns),
        "motion": f'<div class="pairs">{time_charts.motion_charts(view, rover, height)}</div>',
        "independent": INDEPENDENT,
        "certificate": certificate_table(certificate),
        "plan": facts(_plan_facts(plan)),
        "parameters": parameter_tables(rover, f"Rover: {rover.name}") + parameter_tables(mission, "Mission"),
    }
    figures = "".join(figure_html(figure) for figure in headline_figures(columns, certificate, rover, mission))
    verdict = verdict_html(certificate) + _remarks(columns, certificate)
    head = f'<p class="lead">{lead(columns, rover, uses, terrain.name)}</p>{verdict}<dl class="figures">{figures}</dl>'
    body = sections(SECTIONS, parts)
    return document(title, head, body, cursor_data(columns, view.drawn, height, rest_index))


def sections(titles: Sequence[tuple[str, str, str]], parts: Mapping[str, str]) -> str:
    """Sections of a page, each given as (name, title, names of its parts), in their order."""
    return "\n".join(
        f'<section id="{name}">\n<h2>{escape(title)}</h2>\n' + "\n".join(parts[part] for part in held.split()) + "\n</section>"
        for name, title, held in titles
    )


def document(
    title: str, head: str, body: str, data: Mapping[str, Any] | None = None, *, script: str = "cursor.js", style: str = ""
) -> str:
    """A page with `head` under its title and then `body`, with its style, its script and the data that it reads."""
    text = json.dumps(data or {}, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return Template(template("page.html")).substitute(
        title=escape(title), light=css_variables(dark=False), dark=css_variables(dark=True),
        style=template("style.css") + style, head=head, body=body, data=text, script=template("page.js") + template(script),
    )  # fmt: skip


def cursor_data(columns: Columns, drawn: NDArray[np.int64], height: Array, rest: int) -> dict[str, Any]:
    """Columns at the drawn samples in display units, as the script reads them; null where there is no finite number."""
    shown = {name: columns.shown(name)[drawn] for name in columns.data}
    shown["height"] = height[drawn]
    decimals = {name: max(decimals_of(name), 3 if name == "t" else 0) for name in shown}
    table = {name: [_rounded(v, decimals[name]) for v in values] for name, values in shown.items()}
    return {"columns": table, "start": float(columns.t[0]), "end": float(columns.t[-1]), "rest": rest}


def _rounded(value: float, decimals: int) -> float | None:
    number = finite(value)
    return None if number is None else round(number, decimals) + 0.0


def _remarks(columns: Columns, certificate: Mapping[str, Any]) -> str:
    remarks = [f"{remark}; the charts leave them out." for remark in columns.remarks] + contradictions(columns, certificate)
    return "".join(f'<p class="verdict bad">{escape(remark)}</p>' for remark in remarks)


def _strip(columns: Columns, rest: int) -> str:
    """The readout under the map with its time slider."""
    cells = []
    for name in STRIP:
        if name not in columns or not np.any(np.isfinite(columns[name])):
            continue
        entry, decimals = QUANTITIES[name], decimals_of(name)
        gap = join("", entry.unit)[: -len(entry.unit)]
        reading = f'<output data-column="{name}" data-decimals="{decimals}">{fixed(columns.shown(name)[rest], decimals)}</output>'
        cells.append(f"<div><dt>{escape(entry.label)}</dt><dd>{reading}{gap}<small>{entry.unit}</small></dd></div>")
    place = 1000.0 * (columns.t[rest] - columns.t[0]) / columns.duration
    slider = (
        f'<input type="range" id="scrub" min="0" max="1000" step="1" value="{place:.0f}" aria-label="Time along the traverse">'
    )
    note = f"Opened at the tightest instant, {quantity(columns.t[rest], 's')}: point at any chart or the map, or drag."
    return f'<div class="strip">{slider}<dl>{"".join(cells)}</dl><p>{escape(note)}</p></div>'


def _plan_facts(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Plan and solver facts; pieces are counted, and what has its own section is left out."""
    pieces = list(plan.get("pieces") or ())
    rest = {key: value for key, value in plan.items() if key not in ("pieces", "certificate", "rover", "limits", "mission")}
    if pieces:
        rest["pieces"] = len(pieces)
        durations = [finite(piece.get("duration")) for piece in pieces if isinstance(piece, Mapping)]
        known = [d for d in durations if d is not None]
        if known:
            rest["piece_duration"] = f"{quantity(min(known), 's', 3)} to {quantity(max(known), 's', 3)}"
    return rest
