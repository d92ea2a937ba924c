"""The page of an audit: one file that needs no network, made from the audit's plain data alone."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.report import audit_charts as charts
from rover_energy.report import audit_tables as tables
from rover_energy.report.audit_sankey import sankey
from rover_energy.report.headline import Figure, figure_html
from rover_energy.report.numbers import NOTHING, duration, energy, finite, quantity, significant, watt_hours
from rover_energy.report.page import document, sections, template

GRID = 600  # instants at which the cursor reads out
SECTIONS = (
    ("faults", "To look at", "faults"), ("energy", "Energy", "ledger sankey energy"), ("power", "Power", "loads sources battery"),
    ("limits", "Limits", "lanes checks"), ("model", "Model and meters", "model model_table"), ("events", "Events", "events"),
    ("motion", "Motion and numbers", "motion"), ("topics", "Topics", "topics"), ("bag", "The bag itself", "loss"),
)  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n"
LARGEST_PICTURE = 20_000_000  # bytes


def audit_page(audit: Mapping[str, Any], *, title: str = "", picture: bytes | None = None) -> str:
    """The report of one bag as an HTML document.

    audit : as from `rover_energy.telemetry.run_audit.audit_bag`, or read back from audit.json. picture : of the rover, PNG.
    """
    series = {name: charts.read_series(data) for name, data in audit["series"].items()}
    empty = charts.read_series(None)
    end = max(finite(audit["bag"]["duration"]) or 0.0, 1e-3)
    rest = finite(audit["compliance"]["least_margin_time"])
    rest = finite(audit["compliance"]["peak_time"]) if rest is None else rest
    page = charts.Page(end, min(max(rest or 0.0, 0.0), end), np.linspace(0.0, end, GRID), {}, {})
    power = series.get("power", empty)
    packs = {name.removeprefix("battery "): s for name, s in series.items() if name.startswith("battery ")}
    checks = audit["compliance"]["checks"]
    parts = {
        "faults": tables.faults_list(audit["faults"]),
        "sankey": sankey(audit["energy"]),
        "ledger": f'<p class="note">{_ledger(audit)}</p>',
        "energy": tables.energy_table(audit["energy"]),
        "loads": charts.loads_chart(page, _with_battery(power, packs, audit), checks),
        "sources": charts.sources_chart(page, power),
        "battery": charts.battery_chart(page, power, packs, _floor(checks, audit)),
        "lanes": charts.limit_lanes(page, series.get("use", empty)),
        "checks": tables.checks_table(audit["compliance"]),
        "model": charts.model_chart(page, series.get("model", empty)),
        "model_table": tables.model_table(audit["model"], audit["meters"]),
        "motion": charts.motion_charts(page, series.get("motion", empty))
        + charts.number_charts(page, series.get("numbers", empty)),
        "events": charts.event_lanes(page, audit) + tables.events_table(audit),
        "topics": tables.topics_table(audit),
        "loss": tables.loss_section(audit),
    }
    title = title or f"Audit of {audit['bag']['name']}"
    head = f'<p class="lead">{lead(audit)}</p>{verdict(audit)}{_picture(picture)}<dl class="figures">{figures(audit)}</dl>'
    return document(title, head, sections(SECTIONS, parts), _data(page), script="audit.js", style=template("audit.css"))


def _ledger(audit: Mapping[str, Any]) -> str:
    return tables.ledger_sentence(audit["energy"]) + tables.inference_sentence(audit.get("inference"))


def _with_battery(power: charts.Series, packs: Mapping[str, charts.Series], audit: Mapping[str, Any]) -> charts.Series:
    """Where only a battery was seen, its discharge stands for the power."""
    topic = audit["energy"]["from"]
    if audit["energy"]["kind"] == "volts times amperes":
        return charts.read_series(audit["series"].get("volts times amperes"))
    if "total_power" in power or topic not in packs:
        return power
    parts = {name: np.maximum(values, 0.0) for name, values in packs[topic].columns["battery_power"].items()}
    return charts.Series(packs[topic].t, {"total_power": parts, "load.at the battery": parts})


def _floor(checks: Any, audit: Mapping[str, Any]) -> float | None:
    """The floor as a state of charge."""
    battery = audit["battery"]
    for check in checks:
        limit = finite(check["limit"])
        if check["name"] == "state of charge floor":
            return limit
        if check["name"] == "battery floor" and limit is not None:
            start, charge = finite(battery.get("start_J")), finite(battery.get("start_charge"))
            if start and charge:
                return limit * charge / start
    return None


def _data(page: charts.Page) -> dict[str, Any]:
    columns = {
        name: [None if not np.isfinite(v) else round(float(v), page.decimals[name] + 1) for v in values]
        for name, values in page.columns.items()
    }
    return {"t": [round(float(v), 6) for v in page.grid], "columns": columns, "rest": page.rest, "end": page.end}


def lead(audit: Mapping[str, Any]) -> str:
    """What the run was, in one or two sentences."""
    bag, e = audit["bag"], audit["energy"]
    name = bag["rover"] or "The rover"
    text = f"{name} took {energy(e['consumed_J'])} in {duration(bag['duration'])}"
    way = audit["motion"]
    if way is not None:
        text += f" over {quantity(way['distance_m'], 'm', 3)}"
    if not e["loads"]:
        return escape(f"{bag['messages']} messages in {duration(bag['duration'])}; no topic tells the power of the run.")
    most = max(e["loads"], key=lambda load: load["energy_J"])
    share = 100.0 * most["energy_J"] / e["consumed_J"] if e["consumed_J"] else 0.0
    said = (
        f" Most of it, {significant(share, 2)}\u00a0%, went into {tables.label_of(most['name']).lower()}."
        if len(e["loads"]) > 1
        else ""
    )
    return escape(text + "." + said)


def verdict(audit: Mapping[str, Any]) -> str:
    """Whether every limit was kept, and whether the bag was whole."""
    c, loss = audit["compliance"], audit["loss"]
    windows = f"{c['windows']} windows of {significant(1e3 * (finite(c['window_s']) or 0.0), 3)}\u00a0ms"
    if c["passed"] is None:
        text, good = "<b>Compliance is not judged.</b> Nothing in the bag says what power was available.", False
    elif c["passed"]:
        text, good = f"<b>\u2713 Every limit of power and energy was kept</b> in all {windows}.", True
    elif c["limits_kept"]:
        lost = c["missing"] + c["unusable"] + c["disordered"]
        text, good = (
            f"<b>\u2715 Not every window could be judged:</b> {lost} besides {windows}; no limit was broken in those.",
            False,
        )
    else:
        broken = ", ".join(check["name"] for check in c["checks"] if check["violations"])
        extra = (
            f" {quantity(c['seconds_over'], 's', 3)} and {energy(c['joules_over'])} above the available power."
            if c["over"]
            else ""
        )
        text, good = f"<b>\u2715 Limits were broken:</b> {escape(broken)}.{extra}", False
    damage = ""
    if loss["any"]:
        damage = (
            f'<p class="verdict bad"><b>\u2715 The bag is damaged.</b> {escape(loss["words"])} are lost; '
            "the figures are those of what is left.</p>"
        )
    return f'<p class="verdict {"good" if good else "bad"}" role="status">{text}</p>{damage}'


def figures(audit: Mapping[str, Any]) -> str:
    """The headline figures."""
    c, e, b, bag = audit["compliance"], audit["energy"], audit["battery"], audit["bag"]
    margin = finite(c["least_margin_W"])
    peak = finite(c["peak_W"])
    made = [
        Figure("time", "Time", duration(bag["duration"]), f"{bag['messages']} messages, {bag['storage']}"),
        Figure("energy", "Energy taken", energy(e["consumed_J"]), watt_hours(e["consumed_J"])),
        Figure("peak", "Peak power", quantity(peak, "W"), f"at {quantity(c['peak_time'], 's', 5)}" if peak is not None else ""),
        Figure("margin", "Least power margin", quantity(margin, "W", 3),
               f"at {quantity(c['least_margin_time'], 's', 5)}" if margin is not None else "no limit is known"),
    ]  # fmt: skip
    charge = finite(b.get("end_charge"))
    pack = b["packs"][0] if b["packs"] else None
    start = b.get("start_charge") if charge is not None else (pack["first_charge"] if pack else None)
    charge = charge if charge is not None or pack is None else finite(pack["last_charge"])
    if charge is not None:
        note = f"from {quantity(100.0 * (finite(start) or 0.0), '%', 3)}"
        made.append(
            Figure("battery", "Battery at the end", quantity(100.0 * charge, "%", 3), note, charge, _floor(c["checks"], audit))
        )
    drive = audit["model"]["loads"].get("drive")
    if drive is not None and finite(drive["relative"]) is not None:
        value = f"{significant(100.0 * drive['relative'], 2)}\u00a0%"
        made.append(Figure("model", "Driving against the model", value, f"{quantity(drive['rms_W'], 'W', 2)} rms over a second"))
    elif e["closure"] is not None:
        made.append(Figure("closure", "Ledger closes to", significant(e["closure"], 2), "of what flowed"))
    return "".join(figure_html(figure) for figure in made) if made else NOTHING


def _picture(picture: bytes | None) -> str:
    if not picture:
        return ""
    data = base64.b64encode(picture).decode("ascii")
    return f'<img class="portrait" alt="The rover" src="data:image/png;base64,{data}">'


def read_picture(folder: Path) -> bytes | None:
    """rover.png of a bag's folder, or of the one around it; None when there is none that can be shown."""
    for place in (folder / "rover.png", folder.parent / "rover.png"):
        try:
            if place.is_file() and place.stat().st_size <= LARGEST_PICTURE:
                data = place.read_bytes()
                if data.startswith(PNG):
                    return data
        except OSError:
            continue
    return None
