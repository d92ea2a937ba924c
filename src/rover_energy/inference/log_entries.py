"""The event log of a rover: entries, the lines they are kept as, and entries from the audit of a bag.

A line is one sentence: time, part, severity, event, then quantities with their units. Numbers keep six digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

UNITS = {
    "power": "W",
    "peak": "W",
    "available": "W",
    "charge": "-",
    "energy": "J",
    "speed": "m/s",
    "seconds": "s",
    "score": "nat",
}
PARTS = ("bus", "battery", "motors", "array", "generator", "base", "inference", "rover", "meters", "graph")
SAMPLE = "sample"
SEVERITIES = ("info", "warning", "error")
STILL, PULLING = 0.01, 5.0  # [m/s], [W]: motors that take more while the rover is slower are stalled
SILENCE = 1.0  # [s]: shorter ones are no event
LOADS = {"drive": "motors"}


@dataclass(frozen=True)
class Entry:
    """One thing that was so or happened.

    time : [s] from the beginning of the log. values : quantities of `UNITS`. note : words of whoever said it.
    """

    time: float
    part: str
    event: str
    severity: str = "info"
    values: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def line(self) -> str:
        """As it stands in the log; what is not finite is left out."""
        said = " ".join(f"{name} {value:.6g} {UNITS[name]}" for name, value in self.values.items() if math.isfinite(value))
        note = " ".join(self.note.split())
        return f"{self.time:.2f} s {self.part} {self.severity} {self.event}: {said}{' | ' if said and note else ''}{note}"


def entries_of_audit(audit: Mapping[str, Any], period: float = 1.0) -> list[Entry]:
    """Entries of the audit of a bag (`audit.json`) by time: samples every `period` [s], and what happened."""
    found = [*_samples(audit["series"], period), *_switches(audit["events"]), *_limits(audit["compliance"])]
    found += [*stalls(audit["series"]), *_silences(audit["topics"])]
    told = {check["name"] for check in audit["compliance"]["checks"] if check["violations"]}
    for fault in audit["faults"]:
        if fault["subject"] not in told:
            at = fault["time"] if fault["time"] is not None else 0.0
            part = part_of(f"{fault['subject']} {fault['text']}")
            found.append(Entry(at, part, "fault", fault["severity"], note=fault["text"]))
    return sorted(found, key=lambda e: e.time)


def part_of(text: str) -> str:
    """The part that a text is about; the graph of programs when it names none."""
    words = text.lower()
    for part, names in WORDS.items():
        if any(name in words for name in names):
            return part
    return "graph"


#: words by which a part is known, the particular before the general
WORDS = {
    "meters": ("meter", "validity", "window", "sensor"), "inference": ("inference", "network"),
    "motors": ("motor", "drive", "wheel", "turn", "traction"), "battery": ("battery", "charge", "stored"),
    "array": ("array", "solar", "panel", "pv"), "generator": ("generator", "rtg"), "base": ("base", "avionics"),
    "rover": ("rover", "speed", "tilt", "slope", "yaw"), "graph": ("program", "node", "supervisor", "plan"),
    "bus": ("bus", "power", "load", "ledger", "limit"),
}  # fmt: skip


def _samples(series: Mapping[str, Any], period: float) -> Iterator[Entry]:
    """Means over each period and, of powers, the greatest value in it."""
    power = series.get("power", {"t": [], "columns": {}})
    for t, rows in _periods(power["t"], period):
        now = {name: _mean(column["mean"], rows) for name, column in power["columns"].items()}
        peak = {name: _greatest(column["high"], rows) for name, column in power["columns"].items()}

        watts = {name: _known(power=now[name], peak=peak[name]) for name in now}
        yield Entry(t, "bus", SAMPLE, values={**watts.get("total_power", {}), **_known(available=now.get("available_power"))})
        if "battery_energy" in now or "state_of_charge" in now:
            stored = _known(charge=now.get("state_of_charge"), energy=now.get("battery_energy"))
            yield Entry(t, "battery", SAMPLE, values={**watts.get("battery_power", {}), **stored})
        for name, part in (("pv_power", "array"), ("rtg_power", "generator")):
            if name in now:
                yield Entry(t, part, SAMPLE, values=watts[name])
        for name in now:
            if name.startswith("load.") and (part := LOADS.get(name[5:], name[5:])) in PARTS:
                yield Entry(t, part, SAMPLE, values=watts[name])
    motion = series.get("motion", {"t": []})
    for t, rows in _periods(motion["t"], period):
        yield Entry(t, "rover", SAMPLE, values=_known(speed=_mean(motion["columns"]["speed"]["mean"], rows)))


def _periods(times: list[float], period: float) -> Iterator[tuple[float, list[int]]]:
    """Middle of each period that holds anything, and which buckets lie in it."""
    for number, rows in groupby(range(len(times)), key=lambda i: int(times[i] // period)):
        yield (number + 0.5) * period, list(rows)


def _mean(values: list[float | None], rows: list[int]) -> float:
    known = [v for i in rows if (v := values[i]) is not None and math.isfinite(v)]
    return math.fsum(known) / len(known) if known else math.nan


def _greatest(values: list[float | None], rows: list[int]) -> float:
    return max((v for i in rows if (v := values[i]) is not None and math.isfinite(v)), default=math.nan)


def _known(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def _switches(events: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    for event in events:
        text = event["text"]
        off, on = text.endswith(("switched off", "at zero")), text.endswith(("switched on", "above zero"))
        name = "switched_off" if off else "switched_on" if on else "state"
        yield Entry(event["time"], part_of(text), name, event["severity"], note=text)


def _limits(compliance: Mapping[str, Any]) -> Iterator[Entry]:
    """Every stretch of time beyond a limit."""
    for check in compliance["checks"]:
        part = "bus" if check["name"] == "power" else part_of(check["name"])
        for episode in check["episodes"]:
            note = f"{check['name']} beyond its limit"
            yield Entry(episode["start"], part, "over_limit", "error", _known(seconds=episode["seconds"]), note)


def stalls(series: Mapping[str, Any]) -> Iterator[Entry]:
    """Stretches in which the motors take power while the rover stands, from the series of an audit."""
    power, motion = series.get("power"), series.get("motion")
    if not power or not motion or not motion["t"] or "load.drive" not in power["columns"]:
        return
    width = motion["width"]
    speeds = dict(zip((int(t / width) for t in motion["t"]), motion["columns"]["speed"]["high"], strict=True))
    watts = power["columns"]["load.drive"]["mean"]
    begun, worst, last = math.nan, 0.0, math.nan
    for t, w in [*zip(power["t"], watts, strict=True), (math.inf, None)]:
        speed = speeds.get(int(t / width)) if math.isfinite(t) else None
        if speed is None and math.isfinite(t):
            continue
        if w is not None and speed is not None and w > PULLING and abs(speed) < STILL:
            begun, worst, last = (t if math.isnan(begun) else begun), max(worst, w), t
        elif math.isfinite(begun):
            yield Entry(begun, "motors", "stall", "warning", _known(power=worst, seconds=last - begun + power["width"]))
            begun, worst = math.nan, 0.0


def _silences(topics: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    for topic in topics:
        for gap in (g for g in topic["gap_list"] if g["seconds"] >= SILENCE):
            yield Entry(gap["start"], "meters", "silence", "warning", _known(seconds=gap["seconds"]), topic["name"])
