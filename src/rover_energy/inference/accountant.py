"""The energy accountant: receipts against grants, windows of a minute, quotes against receipts, and what was unmetered."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from rover_energy.inference.energy import Total
from rover_energy.inference.grants import FloorReserve, Grant
from rover_energy.inference.receipts import Outcome, Receipt

WINDOW = 60.0  # [s]
TOLERANCE = 1e-6  # relative


@dataclass(frozen=True)
class InForce:
    """A grant from its stamp until it expired or was replaced [s]."""

    grant: Grant
    until: float

    @property
    def begun(self) -> float:
        """[s]"""
        return self.grant.stamp

    def allows(self, since: float, until: float) -> float:
        """Most that it allows between two times [J]: its energy, and no more than its power for so long."""
        return min(self.grant.energy, self.grant.power_limit * max(0.0, min(until, self.until) - max(since, self.begun)))


@dataclass(frozen=True)
class Violation:
    """More was taken than allowed. kind: "energy" of the window that ends at `time` [s], or "power" at `time`."""

    kind: str
    time: float
    taken: float
    allowed: float


def in_force(grants: Sequence[Grant]) -> list[InForce]:
    """Grants in the order of their stamps, each until the next one or its expiry."""
    ordered = sorted(grants, key=lambda g: (g.stamp, g.sequence))
    ends = [min(a.valid_until, b.stamp) for a, b in pairwise(ordered)]
    return [InForce(g, end) for g, end in zip(ordered, [*ends, *(g.valid_until for g in ordered[-1:])], strict=True)]


def violations(
    grants: Sequence[Grant], receipts: Sequence[Receipt], floor: FloorReserve, *, window: float = WINDOW
) -> list[Violation]:
    """Every window and every instant in which more was taken than was granted.

    A receipt's joules count as spread evenly over its run. A window is allowed what each grant in force in it allows
    (`InForce.allows`) and what the floor may take while there was none; an instant the power limit in force, or the
    floor's peak. Looked at are windows that end with a run, and instants at which one begins.
    """
    force = in_force(grants)
    runs = [r for r in receipts if r.energy.metered and math.isfinite(r.begun)]
    begun, ended = np.array([r.begun for r in runs]), np.array([r.stamp for r in runs])
    joules, watts = np.array([r.energy.joules for r in runs]), np.array([r.power for r in runs])
    span = np.maximum(ended - begun, 1e-9)
    starts, ends, found = [f.begun for f in force], [f.until for f in force], []
    for end in np.unique(ended):
        overlap = np.minimum(ended, end) - np.maximum(ended - span, end - window)
        taken = float(joules @ (np.clip(overlap, 0.0, None) / span))
        mine = force[bisect_right(ends, float(end) - window) : bisect_left(starts, float(end))]
        allowed = _allowed(mine, floor, float(end) - window, float(end))
        if taken > allowed * (1.0 + TOLERANCE) + 1e-9:
            found.append(Violation("energy", float(end), taken, allowed))
    for at in np.unique(begun):
        power = float(watts @ ((begun <= at) & (at < ended)))
        k = bisect_right(starts, at) - 1
        limit = max(floor.peak_power, force[k].grant.power_limit) if k >= 0 and at < force[k].until else floor.peak_power
        if power > limit * (1.0 + TOLERANCE) + 1e-9:
            found.append(Violation("power", float(at), power, limit))
    return found


def _allowed(mine: list[InForce], floor: FloorReserve, since: float, until: float) -> float:
    """By the grants of a window."""
    covered = sum(min(until, f.until) - max(since, f.begun) for f in mine)
    return sum(f.allows(since, until) for f in mine) + floor.burst + floor.power * max(0.0, until - since - covered)


def quote_error(receipts: Sequence[Receipt]) -> float:
    """Mean absolute error of quotes relative to what was taken [-], over completed runs; NaN without any."""
    pairs = [(r.quoted, r.energy.joules) for r in receipts if r.outcome is Outcome.COMPLETED and r.energy.metered]
    errors = [abs(q - j) / j for q, j in pairs if math.isfinite(q) and j > 0.0]
    return float(np.mean(errors)) if errors else math.nan


@dataclass
class Accountant:
    """The running account. `kept`: receipts and grants that are looked at for windows."""

    floor: FloorReserve = field(default_factory=FloorReserve)
    kept: int = 2000

    def __post_init__(self) -> None:
        self.total = Total()
        self.by_task: dict[str, Total] = {}
        self.by_variant: dict[str, Total] = {}
        self.outcomes = dict.fromkeys(Outcome, 0)
        self.grants: deque[Grant] = deque(maxlen=self.kept)
        self.receipts: deque[Receipt] = deque(maxlen=self.kept)
        self.runs: dict[str, tuple[float, float]] = {}
        self._seen: set[str] = set()
        self.twice = 0

    def on_grant(self, grant: Grant) -> None:
        """Note a grant."""
        self.grants.append(grant)

    def on_run(self, name: str, begun: float, power: float) -> None:
        """Note when a run began [s] and what it draws [W], which its receipt does not say."""
        if math.isfinite(begun) and power > 0.0:
            self.runs[name] = (begun, power)
            while len(self.runs) > self.kept:
                del self.runs[next(iter(self.runs))]

    def on_receipt(self, receipt: Receipt) -> None:
        """Note a receipt; one of a request that has one already is counted and left out."""
        key = f"{receipt.name}/{receipt.variant}"
        if key in self._seen:
            self.twice += 1
            return
        self._seen = {f"{r.name}/{r.variant}" for r in self.receipts} if len(self._seen) > 4 * self.kept else self._seen
        self._seen.add(key)
        if receipt.name in self.runs:
            begun, power = self.runs.pop(receipt.name)
            receipt = replace(receipt, begun=begun, power=power)
        self.outcomes[receipt.outcome] += 1
        self.receipts.append(receipt)
        if receipt.outcome is Outcome.REFUSED:
            return
        self.total.add(receipt.energy)
        self.by_task.setdefault(receipt.task, Total()).add(receipt.energy)
        self.by_variant.setdefault(receipt.variant, Total()).add(receipt.energy)

    def violations(self) -> list[Violation]:
        """Of what is kept."""
        return violations(tuple(self.grants), tuple(self.receipts), self.floor)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data of the account."""
        return {
            "total": self.total.to_mapping(), "provenance": self.total.weakest.name.lower(),
            "tasks": {name: total.to_mapping() for name, total in self.by_task.items()},
            "variants": {name: total.to_mapping() for name, total in self.by_variant.items()},
            "outcomes": {outcome.name.lower(): count for outcome, count in self.outcomes.items()},
            "receipts_twice": self.twice, "violations": len(self.violations()), "quote_error": quote_error(tuple(self.receipts)),
        }  # fmt: skip


def plain(value: Any) -> Any:
    """Data for strict JSON: what is not a finite number is null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
