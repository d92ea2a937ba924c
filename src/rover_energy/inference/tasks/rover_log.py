"""Generated event logs of a rover, as the analyst reads them, and questions whose answers the entries themselves hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rover_energy.inference.log_entries import SAMPLE, Entry

HOURS, PERIOD = 2.0, 60.0  # length of a log [h], between samples [s]
EVENT_RATES = {"stall": 4.0, "over_limit": 1.5, "switched_off": 2.0, "switched_on": 2.0, "anomaly": 2.0, "silence": 1.0}  # [1/h]
HAPPENS_TO = {
    "stall": ("motors",), "over_limit": ("bus", "battery", "rover"), "switched_off": ("inference", "motors", "base"),
    "switched_on": ("inference", "motors", "base"), "anomaly": ("battery", "motors"), "silence": ("meters",),
}  # fmt: skip
MEASURED = {
    "bus": ("power", "available"), "battery": ("power", "charge"), "motors": ("power",), "array": ("power",),
    "generator": ("power",), "inference": ("power",), "rover": ("speed",),
}  # fmt: skip
BAD = {"stall": "warning", "over_limit": "error", "anomaly": "warning", "silence": "warning"}
SAID = {"stall": "stall", "over_limit": "go over the limit", "anomaly": "show an anomaly", "fault": "have a fault"}
#: kinds of questions and how often they are asked
ASKED = {
    "latest": 0.3, "at": 0.1, "maximum": 0.1, "minimum": 0.05, "mean": 0.1, "count": 0.15, "when_first": 0.05,
    "when_latest": 0.15,
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A question and its true answer. kind: of `ASKED`."""

    text: str
    kind: str
    answer: float


def write_rover_log(seed: int, hours: float = HOURS) -> list[Entry]:
    """Samples of every part once a period, and events at random times."""
    rng = np.random.default_rng(seed)
    entries, charge = [], float(rng.uniform(0.4, 0.9))
    times = np.arange(0.5 * PERIOD, 3600.0 * hours, PERIOD)
    driving, speed = False, 0.0
    for t in times:
        driving = driving if rng.random() > 0.1 else not driving
        speed = float(rng.uniform(0.1, 0.5)) if driving else 0.0
        drawn = rng.uniform([126.0, 0.0, 0.0, 74.0], [234.0, 12.0, 120.0, 76.0]) * [speed, 1.0, 1.0, 1.0]
        watts = {n: round(float(w), 2) for n, w in zip(("motors", "inference", "array", "generator"), drawn, strict=True)}
        total = round(55.0 + watts["motors"] + watts["inference"], 2)
        watts |= {"bus": total, "battery": round(total - watts["array"] - watts["generator"], 2)}
        charge = float(np.clip(charge - watts["battery"] * PERIOD / 2e6, 0.05, 1.0))
        for part, names in MEASURED.items():
            above = round(watts[part] + 0.2 * abs(watts[part]) * float(rng.random()) + 0.01, 2) if part in watts else 0.0
            values = {"power": watts[part], "peak": above} if part in watts else {}
            values |= {"available": round(float(rng.uniform(150.0, 260.0)), 2)} if "available" in names else {}
            values |= {"charge": round(charge, 4)} if "charge" in names else {}
            values |= {"speed": round(speed, 3)} if "speed" in names else {}
            entries.append(Entry(float(t), part, SAMPLE, values=values))
    for event, rate in EVENT_RATES.items():
        for t in np.sort(rng.uniform(0.0, 3600.0 * hours, rng.poisson(rate * hours))):
            part = str(rng.choice(HAPPENS_TO[event]))
            values = {"seconds": round(float(rng.exponential(2.0)), 2)} if event in ("stall", "silence", "over_limit") else {}
            entries.append(Entry(round(float(t), 2), part, event, BAD.get(event, "info"), values))
    return sorted(entries, key=lambda e: e.time)


def ask_rover(log: list[Entry], seed: int, count: int) -> list[Asked]:
    """Questions that the log can answer."""
    rng = np.random.default_rng(seed)
    found: list[Asked] = []
    kinds, shares = list(ASKED), np.array(list(ASKED.values()))
    while len(found) < count:
        kind = str(rng.choice(kinds, p=shares / shares.sum()))
        back = float(rng.uniform(0.0, log[-1].time) if rng.random() < 0.6 else rng.uniform(60.0, 600.0))
        since = round(log[-1].time - back, 1)
        made = (
            _events(log, kind, since, rng) if kind in ("count", "when_first", "when_latest") else _values(log, kind, since, rng)
        )
        if made is not None:
            found.append(made)
    return found


def _values(log: list[Entry], kind: str, since: float, rng: np.random.Generator) -> Asked | None:
    part = str(rng.choice(list(MEASURED)))
    name = str(rng.choice(MEASURED[part]))
    rows = [e for e in log if e.part == part and e.event == SAMPLE]
    if kind == "latest":
        return Asked(f"what is the latest {name} of the {part}", kind, rows[-1].values[name])
    if kind == "at":
        row = rows[int(rng.integers(len(rows)))]
        return Asked(f"what was the {name} of the {part} at {row.time:.1f} s", kind, row.values[name])
    rows = [e for e in rows if e.time >= since]
    if not rows:
        return None
    key = "peak" if name == "power" and kind == "maximum" else name
    values = [e.values[key] for e in rows]
    word = {"maximum": "highest", "minimum": "lowest", "mean": "average"}[kind]
    answer = {"maximum": max(values), "minimum": min(values), "mean": math.fsum(values) / len(values)}[kind]
    return Asked(f"what was the {word} {name} of the {part} since {since:.1f} s", kind, answer)


def _events(log: list[Entry], kind: str, since: float, rng: np.random.Generator) -> Asked | None:
    event = str(rng.choice(list(SAID)))
    part = str(rng.choice(HAPPENS_TO[event])) if event in HAPPENS_TO else str(rng.choice(["battery", "motors", "meters"]))
    the = "the power" if part == "bus" else f"the {part}"
    rows = [
        e for e in log if (e.part == part or part == "bus") and (e.severity != "info" if event == "fault" else e.event == event)
    ]
    if kind == "count":
        hits = [e for e in rows if e.time >= since]
        return Asked(f"how often did {the} {SAID[event]} since {since:.1f} s", kind, float(len(hits)))
    if kind == "when_first":
        rows = [e for e in rows if e.time >= since]
        return Asked(f"when did {the} first {SAID[event]} since {since:.1f} s", kind, rows[0].time) if rows else None
    return Asked(f"when did {the} last {SAID[event]}", kind, rows[-1].time) if rows else None
