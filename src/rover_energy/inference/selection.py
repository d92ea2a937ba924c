"""Which variant serves each task within a grant: the exact multiple-choice knapsack in energy and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rover_energy.errors import InputError
from rover_energy.inference.variant import Variant


@dataclass(frozen=True)
class TaskDemand:
    """What one task wants. count : units of work that the energy must serve. weight : worth of one answer of quality 1.

    deadline : longest time from request to answer [s]. at_a_time : units that the power must carry over a period, where
    these are others; NaN: `count`. runs : amounts of the runs that are known of these units; the rest comes in batches.
    """

    task: str
    count: float
    weight: float = 1.0
    deadline: float = math.inf
    at_a_time: float = math.nan
    runs: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (0.0 <= self.count < math.inf and 0.0 <= self.weight < math.inf and self.deadline > 0.0):
            value = (self.count, self.weight, self.deadline)
            raise InputError("task", self.task, "count, weight or deadline is NaN or out of range", "give 0 or more", value)

    def energy(self, variant: Variant) -> float:
        """Median energy of all units with a variant [J]."""
        return sum(variant.energy_of(n) for n in self.runs) + (self.count - sum(self.runs)) * variant.energy

    def lasting(self, variant: Variant) -> float:
        """Time of the longest run [s]."""
        return max((variant.seconds_of(n) for n in self.runs), default=variant.latency)

    def busy(self, variant: Variant) -> float:
        """Time that the runs of a period take together [s]."""
        units = self.count if math.isnan(self.at_a_time) else self.at_a_time
        rest = (units - sum(self.runs)) / variant.batch
        return sum(variant.seconds_of(n) for n in self.runs) + rest * variant.latency


@dataclass(frozen=True)
class Selection:
    """Chosen variant per task (None: it is not served), its energy [J], power [W] and worth (weight x count x quality)."""

    chosen: Mapping[str, Variant | None] = field(default_factory=dict)
    energy: float = 0.0
    power: float = 0.0
    worth: float = 0.0


def options(
    demand: TaskDemand, variants: Sequence[Variant], power: float, period: float | None
) -> list[tuple[Variant | None, float, float, float]]:
    """(variant, energy, power, worth) of every way to serve a task in time, and of not serving it."""
    found: list[tuple[Variant | None, float, float, float]] = [(None, 0.0, 0.0, 0.0)]
    for v in variants:
        if v.priced and demand.lasting(v) <= demand.deadline and v.peak_power <= power:
            share = 1.0 if period is None else demand.busy(v) / period
            found.append((v, demand.energy(v), share * v.peak_power, demand.weight * demand.count * v.quality))
    return found


def select(
    demands: Sequence[TaskDemand], variants: Mapping[str, Sequence[Variant]], *, energy: float, power: float,
    period: float | None = None,
) -> Selection:  # fmt: skip
    """One variant per task, so that the worth is greatest within energy [J] and power [W].

    Energies are medians: what a run may take beyond is the reservation's matter. Without a period [s] all chosen
    variants must be able to run at once: their peaks add up. With one they may take
    turns: what adds up are the peaks times the share of the period that their runs last.

    Exact: partial selections that another one beats in energy, power and worth are dropped, no others. Of equal worth,
    the cheaper one.

    Raises
    ------
    InputError
        When a limit is NaN or negative.
    """
    for name, value in (("energy", energy), ("power", power), ("period", 0.0 if period is None else period)):
        if not value >= 0.0:
            raise InputError("selection", name, "is not 0 or more", "give the grant's limit", value)
    partial = [Selection()]
    for demand in demands:
        grown = []
        for p in partial:
            for variant, joules, watts, worth in options(demand, variants.get(demand.task, ()), power, period):
                if p.energy + joules <= energy and p.power + watts <= power:
                    chosen = {**p.chosen, demand.task: variant}
                    grown.append(Selection(chosen, p.energy + joules, p.power + watts, p.worth + worth))
        partial = _undominated(grown)
    return max(partial, key=lambda p: (p.worth, -p.energy))


def _undominated(selections: list[Selection]) -> list[Selection]:
    kept: list[Selection] = []
    for p in sorted(selections, key=lambda p: (-p.worth, p.energy, p.power)):
        if not any(q.energy <= p.energy and q.power <= p.power for q in kept):
            kept.append(p)
    return kept
