"""A telemetry log of text lines, questions about it, and a memory whose modules answer at three tiers.

Retrieval finds lines, extraction reads a value from each, aggregation makes the answer. Each works at a low, middle or
high tier, and every tier's price is counted in operations: lines looked at, words read, values put together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PARTS = ("wheel_front_left", "wheel_front_right", "wheel_rear_left", "wheel_rear_right", "arm", "mast", "radio", "battery")
QUANTITIES = {"current": "A", "temperature": "K", "speed": "rad/s"}
LINES, SOLS, RECENT, SAME_PART = 160, 20, 12, 24
MODULES = ("retrieve", "extract", "aggregate")
#: operations per line looked at, per line read, per value put together; by tier
COSTS = {"retrieve": (0.0, 1.0, 2.5), "extract": (0.5, 1.5, 6.0), "aggregate": (1.0, 1.5, 3.0)}
FAULT = "FAULT"


@dataclass(frozen=True)
class Line:
    """One line of the log and what it says."""

    text: str
    sol: int
    part: str
    values: dict[str, float]
    fault: bool


@dataclass(frozen=True)
class Question:
    """A question with its true answer. kind: latest, at, maximum, mean, count, first."""

    text: str
    kind: str
    part: str
    quantity: str
    sol: int
    answer: float


def write_log(seed: int) -> list[Line]:
    """So many lines, by rising sol."""
    rng = np.random.default_rng(seed)
    lines = []
    for sol in np.sort(rng.integers(0, SOLS, LINES)):
        part = PARTS[int(rng.integers(len(PARTS)))]
        names = [str(n) for n in rng.permutation(list(QUANTITIES))]
        values = {name: round(float(rng.uniform(0.5, 400.0)), 2) for name in names}
        fault = bool(rng.random() < 0.2)
        said = " ".join(f"{name} {values[name]:.2f} {QUANTITIES[name]}" for name in names)
        lines.append(Line(f"sol {sol:03d} {part} {said} {FAULT if fault else 'nominal'}", int(sol), part, values, fault))
    return lines


def ask(log: Sequence[Line], seed: int, count: int) -> list[Question]:
    """Questions whose answer the log holds."""
    rng = np.random.default_rng(seed)
    asked: list[Question] = []
    while len(asked) < count:
        kind = str(rng.choice(["latest", "at", "maximum", "mean", "count", "first"], p=[0.4, 0.12, 0.12, 0.12, 0.12, 0.12]))
        line = log[int(rng.integers(len(log)))]
        quantity = str(rng.choice(list(QUANTITIES)))
        sol = line.sol if kind == "at" else int(rng.integers(0, SOLS - 2))
        mine = [other for other in log if other.part == line.part]
        rows = [other for other in mine if (other.sol == sol if kind == "at" else other.sol >= sol)]
        if not rows:
            continue
        words = {
            "latest": f"what is the latest {quantity} of {line.part}",
            "at": f"what was the {quantity} of {line.part} on sol {sol}",
            "maximum": f"what was the highest {quantity} of {line.part} since sol {sol}",
            "mean": f"what was the average {quantity} of {line.part} since sol {sol}",
            "count": f"how many faults has {line.part} had since sol {sol}",
            "first": f"what was the first {quantity} of {line.part} since sol {sol}",
        }[kind]  # fmt: skip
        if kind == "latest":
            rows = mine
        asked.append(Question(words, kind, line.part, quantity, sol, _true(kind, rows, quantity)))
    return asked


def _true(kind: str, rows: Sequence[Line], quantity: str) -> float:
    values = [row.values[quantity] for row in rows]
    faults = float(sum(row.fault for row in rows))
    made = {"maximum": max(values), "mean": float(np.mean(values)), "first": values[0], "count": faults}
    return made.get(kind, values[-1])


def answer(log: Sequence[Line], question: Question, arm: tuple[int, ...]) -> tuple[float, float]:
    """Answer of the memory with a tier per module, and its price in operations."""
    lines, price = _retrieve(log, question.text, arm[0])
    values, read = _extract(lines, question.text, arm[1])
    result, put = _aggregate(values, question.text, arm[2])
    return result, price + read + put


def _words(question: str) -> tuple[str, str, int | None]:
    part = next((p for p in PARTS if p in question), "")
    quantity = next((q for q in QUANTITIES if q in question), FAULT)
    sol = re.search(r"sol (\d+)", question)
    return part, quantity, int(sol.group(1)) if sol else None


def _retrieve(log: Sequence[Line], question: str, tier: int) -> tuple[list[str], float]:
    """Low: the last lines that are at hand. Middle: the last lines with the part's name. High: all of the right sols."""
    part, _, sol = _words(question)
    if tier == 0:
        return [line.text for line in log[-RECENT:] if part in line.text], COSTS["retrieve"][0] + RECENT
    found = [line.text for line in log if part in line.text]
    price = COSTS["retrieve"][tier] * len(log)
    if tier == 1 or sol is None:
        return found[-SAME_PART:] if tier == 1 else found, price
    numbers = [int(text.split()[1]) for text in found]
    exact = " on sol " in question
    return [t for t, n in zip(found, numbers, strict=True) if (n == sol if exact else n >= sol)], price


def _extract(lines: Sequence[str], question: str, tier: int) -> tuple[list[float], float]:
    """Low: the first decimal number of the last line. Middle: the number behind the word, last line. High: of every line."""
    _, quantity, _ = _words(question)
    if tier < 2:
        lines = lines[-1:]
    pattern = r"(\d+\.\d+)" if tier == 0 else rf"{quantity} (\d+\.\d+)"
    values = []
    for text in lines:
        if quantity == FAULT and tier > 0:
            values.append(float(FAULT in text))
        else:
            found = re.search(pattern, text)
            values += [float(found.group(1))] if found else []
    return values, COSTS["extract"][tier] * max(1, len(lines))


def _aggregate(values: Sequence[float], question: str, tier: int) -> tuple[float, float]:
    """Low: the last value. Middle: the last or the largest. High: whatever the question asks for."""
    price = COSTS["aggregate"][tier] * max(1, len(values))
    if not values:
        return 0.0, price
    if tier >= 1 and "highest" in question:
        return max(values), price
    if tier == 2 and "average" in question:
        return float(np.mean(values)), price
    if tier == 2 and "how many" in question:
        return float(sum(values)), price
    if tier == 2 and "first" in question:
        return values[0], price
    return values[-1], price


def right(given: float, question: Question) -> bool:
    """The answer is that of the log, to 1e-6."""
    return abs(given - question.answer) <= 1e-6 * max(1.0, abs(question.answer))
