"""The log analyst: questions about what happened on board, answered from the lines of the event log.

Three modules do the work: the filter finds lines, extraction reads a value from each, the summary makes the answer. Each
works at a low, middle or high tier (BudgetMem, arXiv 2602.06025); a chooser that learnt from runs of all combinations takes
the cheapest one that is good enough for the kind of question, within the joules that are left. What an answer costs is
counted: lines looked at, lines read, values put together.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.log_questions import EXTREMES, KINDS, Question, read_question
from rover_energy.inference.metering import CORE_POWER
from rover_energy.inference.tiers import HIGH, LOW, MID, NAMES, choose_by_quality, combinations

TASK = "log_query"
MODULES = ("filter", "extract", "summary")
ARMS = combinations(len(MODULES))
RECENT, SAME_PART = 40, 8  # lines at hand; lines of a part that the middle tier looks for
NOW, AT_HAND, LATE, WHOLE = range(4)  # how far back a question reaches: not, to lines at hand, to the last quarter, further
CELLS = [(kind, reach) for kind in KINDS for reach in (NOW, AT_HAND, LATE, WHOLE)]
MOST_EVIDENCE = 12
LINE = re.compile(r"^(\d+\.\d+) s (\w+) (\w+) (\w+):(.*)$")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """What an answer has cost: lines looked at, parsed for their time and event, read for a value, and values put together."""

    looked: int = 0
    parsed: int = 0
    read: int = 0
    put: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.looked + other.looked, self.parsed + other.parsed, self.read + other.read, self.put + other.put)

    def seconds(self, prices: Sequence[float]) -> float:
        """Processor time [s], by the price of a question and of each count [s]."""
        start, *each = prices
        return start + sum(p * n for p, n in zip(each, (self.looked, self.parsed, self.read, self.put), strict=True))


@dataclass(frozen=True)
class Found:
    """What the modules found. value: NaN when the log does not say. lines: what it rests on."""

    value: float
    time: float
    lines: tuple[str, ...]
    work: Work


def run(log: Sequence[str], question: Question, arm: tuple[int, ...]) -> Found:
    """Answer a question by the modules at the tiers of `arm`."""
    lines, looked = _filter(log, question, arm[0])
    rows, read = _extract(lines, question, arm[1])
    value, time, used, put = _summarise(rows, question, arm[2])
    return Found(value, time, used, looked + read + put)


def _filter(log: Sequence[str], question: Question, tier: int) -> tuple[list[str], Work]:
    """Low: the lines at hand. Middle: the last few lines of the part. High: all lines of part, event and time."""
    part = f" s {question.part} "
    if tier == LOW:
        at_hand = log[-RECENT:]
        return [line for line in at_hand if part in line], Work(looked=len(at_hand))
    found: list[str] = []
    looked = parsed = 0
    for line in reversed(log):
        looked += 1
        if part not in line and question.part:
            continue
        if tier == MID:
            found.append(line)
            if len(found) == SAME_PART:
                break
            continue
        parsed += 1
        time = float(line[: line.index(" ")])
        if time < question.begin:
            break
        if time <= question.end and question.wants(line):
            found.append(line)
    return found[::-1], Work(looked=looked, parsed=parsed)


Row = tuple[float, float, str]  # time, value, line


def _extract(lines: Sequence[str], question: Question, tier: int) -> tuple[list[Row], Work]:
    """Low: the first number of the last line. Middle: the right number of the last line. High: of every line."""
    chosen = lines if tier == HIGH else lines[-1:]
    rows = []
    for line in chosen:
        time, _, rest = line.partition(" ")
        if question.quantity == "event":
            rows.append((float(time), 1.0 if tier == LOW or question.wants(line) else 0.0, line))
            continue
        said = rest.partition(":")[2]
        pattern = r"(-?[\d.]+(?:e[+-]?\d+)?) " if tier == LOW else rf"\b{question.quantity} (-?[\d.]+(?:e[+-]?\d+)?)"
        if found := re.search(pattern, said):
            rows.append((float(time), float(found.group(1)), line))
    return rows, Work(read=len(chosen) * (1 + tier))


def _summarise(rows: list[Row], question: Question, tier: int) -> tuple[float, float, tuple[str, ...], Work]:
    """Low: the last value. Middle: the last, or the greatest or least. High: whatever is asked."""
    if not rows:
        nothing = 0.0 if question.kind in ("count", "list") and tier == HIGH else math.nan
        return nothing, math.nan, (), Work(put=1)
    work, kind = Work(put=len(rows) * (1 + tier) if tier else 1), question.kind
    best = rows[-1]
    if tier >= MID and kind in EXTREMES:
        best = max(rows, key=lambda r: r[1]) if kind in ("maximum", "when_maximum") else min(rows, key=lambda r: r[1])
    if tier == HIGH and kind in ("first", "when_first"):
        best = rows[0]
    value = best[0] if kind.startswith("when") else best[1]
    if tier == HIGH and kind == "at":
        best = min(rows, key=lambda r: abs(r[0] - question.at))
        value = best[1]
    if tier == HIGH and kind in ("count", "list", "mean", "integral"):
        value = _over_all(rows, kind)
        return value, best[0], tuple(row[2] for row in rows[-MOST_EVIDENCE:]), work
    return value, best[0], (best[2],), work


def _over_all(rows: list[Row], kind: str) -> float:
    """Number, mean, or integral over time without the gaps of the log: steps over three times the usual count as that."""
    t, v = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if kind in ("count", "list"):
        return float(v.sum())
    if kind == "mean" or len(t) < 2:
        return float(v.mean()) if kind == "mean" else 0.0
    steps = np.diff(t)
    usual = float(np.median(steps))
    steps = np.minimum(steps, 3.0 * usual)
    ends = 0.5 * usual * (v[0] + v[-1])  # a sample stands for a period, of which half is before it
    return float(np.sum(0.5 * (v[1:] + v[:-1]) * steps) + ends)


def cell_of(question: Question, log: Sequence[str]) -> int:
    """Which row of the chooser's table a question belongs to: its kind, and how far back it reaches."""
    if question.kind in ("latest", "when_latest"):
        return CELLS.index((question.kind, NOW))
    if not log or question.begin == -math.inf:
        return CELLS.index((question.kind, WHOLE))
    first, oldest, last = (float(log[i][: log[i].index(" ")]) for i in (0, max(0, len(log) - RECENT), -1))
    late = last - question.begin <= 0.25 * (last - first)
    return CELLS.index((question.kind, AT_HAND if question.begin > oldest else LATE if late else WHOLE))


@dataclass(frozen=True)
class Answer:
    """An answer in one line.

    confidence : expected chance that it is right. energy, expected : [J], by the work done, and before it.
    """

    text: str
    value: float
    confidence: float
    evidence: tuple[str, ...]
    arm: tuple[int, ...]
    energy: float
    expected: float

    @property
    def tiers(self) -> str:
        """Tier of each module."""
        return ", ".join(f"{module} {NAMES[tier]}" for module, tier in zip(MODULES, self.arm, strict=True))


@dataclass(frozen=True)
class Analyst:
    """The chooser's tables.

    quality : (cells, arms), share of right answers. work : (cells, arms, 8), counts per line of the log, then counts whatever
    its length. prices : seconds of processor time of a question and of each count. core_power : [W]. thresholds : name:
    expected quality that is good enough.
    """

    quality: Array
    work: Array
    prices: tuple[float, ...]
    core_power: float
    thresholds: dict[str, float]

    def costs(self, cell: int, lines: int) -> Array:
        """Expected energy [J] of every combination for a log of so many lines."""
        counts = self.work[cell, :, :4] * lines + self.work[cell, :, 4:]
        return self.core_power * (self.prices[0] + counts @ np.array(self.prices[1:]))

    def choose(
        self, question: Question, log: Sequence[str], threshold: float, limit: float = math.inf
    ) -> tuple[int, float, float]:
        """Combination, its expected quality and energy [J], within `limit` [J]. Raises InputError when none fits."""
        cell = cell_of(question, log)
        quality, costs = self.quality[cell], self.costs(cell, len(log))
        fits = np.flatnonzero(costs <= limit)
        if not fits.size:
            problem = f"is below the {costs.min():.3g} J of the cheapest tiers"
            raise InputError("analyst", "energy_limit", problem, "give more, or ask when there is a surplus", limit)
        chosen = choose_by_quality(quality[None, fits], costs[None, fits], threshold)
        arm = int(fits[chosen.arm[0]])
        return arm, float(quality[arm]), float(costs[arm])

    def ask(self, log: Sequence[str], text: str, *, level: str = "full", limit: float = math.inf) -> Answer:
        """Answer a question from a log's lines. Raises InputError for one about nothing in it, no log, or too few joules."""
        if not log:
            raise InputError("analyst", "log", "is empty", "record diagnostics or power_state first")
        if level not in self.thresholds:
            raise InputError("analyst", "level", "is unknown", f"use one of {', '.join(self.thresholds)}", level)
        question = read_question(text)
        index, confidence, expected = self.choose(question, log, self.thresholds[level], limit)
        found = run(log, question, ARMS[index])
        energy = self.core_power * found.work.seconds(self.prices)
        said = question.words(found.value, found.time, len(found.lines))
        return Answer(said, found.value, confidence, found.lines, ARMS[index], energy, expected)


PRICES = (5e-6, 5e-8, 5e-7, 4e-7, 1e-9)  # [s], of a Xeon; measured anew where tables are built


def untaught() -> Analyst:
    """An analyst without tables: it takes nothing but the high tiers, whose price it thinks the highest."""
    quality = np.zeros((len(CELLS), len(ARMS)))
    quality[:, -1] = 1.0
    work = np.zeros((len(CELLS), len(ARMS), 8))
    work[:, :, :4] = np.array([1.0, 1.0, 3.0, 3.0])
    return Analyst(quality, work, PRICES, CORE_POWER, {"saving": 1.0, "balanced": 1.0, "full": 1.0})


UNTAUGHT = untaught()


def write_analyst(path: Path, analyst: Analyst) -> None:
    """Write the tables as JSON."""
    data = {
        "arms": [list(arm) for arm in ARMS],
        "cells": [list(cell) for cell in CELLS], "quality": analyst.quality.round(6).tolist(),
        "work": analyst.work.round(6).tolist(), "prices": list(analyst.prices), "core_power": analyst.core_power,
        "thresholds": analyst.thresholds,
    }  # fmt: skip
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_analyst(path: Path) -> Analyst:
    """Raises InputError for what is no such file."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made = Analyst(
            np.array(data["quality"], dtype=float), np.array(data["work"], dtype=float), tuple(map(float, data["prices"])),
            float(data["core_power"]), {str(k): float(v) for k, v in data["thresholds"].items()},
        )  # fmt: skip
        fits = [tuple(c) for c in data["cells"]] == CELLS and [tuple(a) for a in data["arms"]] == ARMS
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"is no analyst ({str(error).splitlines()[0][:80] or type(error).__name__})"
        raise InputError(str(path), "artefact", problem, "build it again: rover-energy infer build") from None
    shapes = made.quality.shape == (len(CELLS), len(ARMS)) and made.work.shape == (len(CELLS), len(ARMS), 8)
    if not (fits and shapes and np.all(np.isfinite(made.quality)) and np.all(made.work >= 0.0) and len(made.prices) == 5):
        raise InputError(str(path), "tables", "do not fit this version", "build it again: rover-energy infer build")
    return made
