"""Which variant serves each task within a grant: the multiple-choice knapsack in energy and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rover_energy.errors import InputError
from rover_energy.inference.crowding import expected_worths
from rover_energy.inference.variant import Variant

COMBINATIONS = 20000  # of options that are all looked at where runs take turns


@dataclass(frozen=True)
class TaskDemand:
    """What one task wants. count : units of work that the energy must serve. weight : worth of one answer of quality 1.

    deadline : longest time from request to answer [s]. at_a_time : units that the power must carry over a period, where
    these are others; NaN: `count`. patience : usual time from request to deadline [s], for what is still to come.
    fallback : quality of the answer there is where the chosen variant finds no power in time. runs : amounts of the runs that
    are known of these units; the rest comes in batches.
    """

    task: str
    count: float
    weight: float = 1.0
    deadline: float = math.inf
    at_a_time: float = math.nan
    patience: float = math.inf
    fallback: float = 0.0
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
        return sum(variant.seconds_of(n) for n in self.runs) + self._rest * variant.latency / variant.batch

    @property
    def times(self) -> float:
        """Runs of a period: those known, and one for each further unit."""
        return len(self.runs) + self._rest

    @property
    def _rest(self) -> float:
        return (self.count if math.isnan(self.at_a_time) else self.at_a_time) - sum(self.runs)


@dataclass(frozen=True)
class Selection:
    """Chosen variant per task (None: it is not served), its energy [J], power [W] and worth (weight x count x quality)."""

    chosen: Mapping[str, Variant | None] = field(default_factory=dict)
    energy: float = 0.0
    power: float = 0.0
    worth: float = 0.0


Option = tuple[Variant | None, float, float, float]


def options(demand: TaskDemand, variants: Sequence[Variant], power: float, period: float | None) -> list[Option]:
    """(variant, energy, power, worth) of every way to serve a task in time, and of not serving it."""
    found: list[Option] = [(None, 0.0, 0.0, 0.0)]
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
    turns: what adds up are the peaks times the share of the period that their runs last, and where the tasks' patience is
    known a choice is worth what is expected when runs stand in each other's way (`crowding`).

    Exact: all combinations are compared, or partial selections that another one beats in energy, power and worth are
    dropped and no others (always without a period; with more than 20 000 combinations runs are taken not to stand in each
    other's way). Of equal worth, the cheaper one.

    Raises
    ------
    InputError
        When a limit is NaN or negative.
    """
    for name, value in (("energy", energy), ("power", power), ("period", 0.0 if period is None else period)):
        if not value >= 0.0:
            raise InputError("selection", name, "is not 0 or more", "give the grant's limit", value)
    ladders = [options(demand, variants.get(demand.task, ()), power, period) for demand in demands]
    if period is not None and any(math.isfinite(d.patience) for d in demands) and math.prod(map(len, ladders)) <= COMBINATIONS:
        return _of_all(demands, ladders, energy, power, period)
    partial = [Selection()]
    for demand, ladder in zip(demands, ladders, strict=True):
        grown = []
        for p in partial:
            for variant, joules, watts, worth in ladder:
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


def _of_all(
    demands: Sequence[TaskDemand], ladders: Sequence[Sequence[Option]], energy: float, power: float, period: float
) -> Selection:
    """The best of all combinations, each worth what is expected of it."""
    columns = [np.array([(j, w, q) for _, j, w, q in ladder]).T for ladder in ladders]
    joules, watts = (sum(np.ix_(*(c[row] for c in columns)), np.zeros(())) for row in (0, 1))
    seconds = [
        np.array([d.busy(v) / d.times if v and d.times > 0.0 else 0.0 for v, *_ in ladder])
        for d, ladder in zip(demands, ladders, strict=True)
    ]
    peaks = [np.array([v.peak_power if v else 0.0 for v, *_ in ladder]) for ladder in ladders]
    slacks = [np.maximum(0.0, d.patience - s) for d, s in zip(demands, seconds, strict=True)]
    fallback = [d.weight * d.count * d.fallback for d in demands]
    full = [np.where(np.arange(len(c[2])) > 0, c[2], f) for c, f in zip(columns, fallback, strict=True)]
    worths = expected_worths(
        [d.times for d in demands], full, fallback, seconds, peaks, slacks, limit=power, period=period
    )  # fmt: skip
    worths = np.where((joules <= energy) & (watts <= power), worths, -math.inf)
    top = np.flatnonzero(worths >= worths.max() - 1e-12 * max(1.0, abs(worths.max())))
    best = np.unravel_index(top[np.argmin(joules.ravel()[top])], worths.shape)
    chosen = {d.task: ladder[k][0] for d, ladder, k in zip(demands, ladders, best, strict=True)}
    return Selection(chosen, float(joules[best]), float(watts[best]), float(worths[best]))
