"""The inference manager: which request runs now, with which variant, and what it may take.

The rules, in this order: the reserved perception runs out of its own bucket, with or without a grant; what has a
deadline runs with the variants that are worth most within the grant; what can wait runs on surplus, or as late as it
must. Joules are reserved before a run and trued up by its receipt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rover_energy.errors import InputError
from rover_energy.inference.budget import Budget, Denied, Reservation
from rover_energy.inference.energy import UNMETERED, Energy, Provenance
from rover_energy.inference.grants import Grant, Mode, floor_energy
from rover_energy.inference.receipts import Demand, Outcome, Receipt, Request
from rover_energy.inference.selection import TaskDemand, select
from rover_energy.inference.store import Store
from rover_energy.inference.variant import Variant

LIMIT = 1000  # requests that may wait


@dataclass(frozen=True)
class Start:
    """A run that may begin now. It must be stopped when it has taken `energy` [J], or at `until` [s]."""

    request: Request
    variant: Variant
    energy: float
    until: float
    floor: bool


@dataclass
class Manager:
    """Requests in, starts and receipts out.

    horizon : period of the grants, for which variants are chosen together [s]. slack, margin : runs are reserved for so
    many times their variant's latency and 95 % energy. lead : time that a run may take to begin after its permission [s], for
    which it is reserved, too. surplus_below : intensity below which what can wait runs [-].
    patience : longest time between two calls of `step` [s], by which what is urgent is started early.
    forecast : units of work that a task is expected to ask for [1/s] and the weight of one, so that the first requests
    of a period leave something for those to come.
    """

    store: Store
    budget: Budget = field(default_factory=Budget)
    horizon: float = 1.0
    slack: float = 1.0
    lead: float = 0.0
    margin: float = 1.0
    surplus_below: float = 1.0
    patience: float = 0.2
    forecast: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting: dict[str, Request] = {}
        self.running: dict[str, Start] = {}
        self.receipts: list[Receipt] = []
        self._choice: tuple[tuple[object, ...], dict[str, Variant | None]] = ((), {})
        self.usual: dict[str, float] = {}  # task: time from request to deadline of its latest request [s]

    # ------------------------------------------------------------------------------------------------------- incoming

    def submit(self, request: Request, now: float) -> str:
        """Take a request; why not, or an empty text. Whatever is not taken has a receipt with the outcome REFUSED."""
        self.budget.advance(now)
        problem = ""
        if request.name in self.waiting or request.name in self.running:
            problem = "a request of this name is open"
        elif not any(v.priced for v in self.store if v.task == request.task):
            problem = f"no metered variant does {request.task}"
        elif len(self.waiting) >= LIMIT:
            problem = f"{LIMIT} requests wait already"
        elif not now < request.deadline:
            problem = "its deadline is over"
        if problem:
            self.receipts.append(_refused(request, now, problem))
        else:
            self.waiting[request.name] = request
            self.usual[request.task] = request.deadline - request.stamp
        return problem

    def receive(self, grant: Grant, now: float) -> list[Start]:
        """Take a grant; the running ones that it cannot carry and that must be stopped at once."""
        return self._stop(self.budget.receive(grant, now))

    def _stop(self, reservations: list[Reservation]) -> list[Start]:
        return [self.running[r.name] for r in reservations if r.name in self.running]

    def finish(
        self, name: str, energy: Energy, now: float, *, outcome: Outcome = Outcome.COMPLETED, operations: float = math.nan,
        energy_score: float = math.nan, routed_up: bool = False,
    ) -> Receipt:  # fmt: skip
        """A run has ended: true up its reservation and hand in its receipt. Raises InputError for a run that is not open."""
        start, held = self.running.pop(name, None), self.budget.settle(name, energy, now)
        if start is None or held is None:
            raise InputError("receipt", "name", "belongs to no open run", "reserve before running", name)
        request, quality = start.request, start.variant.quality if outcome is Outcome.COMPLETED else math.nan
        receipt = Receipt(
            self.budget.now, name, request.task, start.variant.name, outcome, energy, held.sequence,
            start.variant.energy_of(request.amount), held.begun, self.budget.now - request.stamp, held.power, operations,
            routed_up, energy_score, quality,
        )  # fmt: skip
        self.receipts.append(receipt)
        return receipt

    # ------------------------------------------------------------------------------------------------------- deciding

    def step(self, now: float) -> tuple[list[Start], list[Start]]:
        """What to start and what to stop now. What is stopped must still be finished, with what it took."""
        self._expire(now)
        stop = self.to_stop(now)
        starts = []
        for request in sorted(self.waiting.values(), key=self._rank):
            if not stop or self._is_floor(request):
                start = self._start(request, now)
                starts += [start] if start else []
        return starts, stop

    def to_stop(self, now: float) -> list[Start]:
        """Runs that the present grant does not carry, or that last too long."""
        self.budget.advance(now)
        if not self.running:
            return []
        found = self._stop(self.budget.too_much() + self.budget.overdue(now))
        return list({s.request.name: s for s in found}.values())

    def ask(self, request: Request, now: float) -> Start | str:
        """Start this one request now, or say why not; it then counts as waiting until its deadline, and may be asked again.

        For networks that run elsewhere: they ask before each run.
        """
        self._expire(now)
        known = self.waiting.get(request.name)
        if known is None and (problem := self.submit(request, now)):
            return problem
        start = self._start(known or request, now)
        if start is not None:
            return start
        return "there is no valid grant" if self.budget.grant is None else "the present grant does not carry it"

    def _is_floor(self, request: Request) -> bool:
        return self.store.floor is not None and request.task == self.store.floor.task and not request.deferrable

    def _rank(self, request: Request) -> tuple[bool, bool, float, float, str]:
        return (not self._is_floor(request), request.deferrable, -request.weight, request.deadline, request.name)

    def _start(self, request: Request, now: float) -> Start | None:
        if self._is_floor(request):
            return self._start_floor(request, now)
        grant = self.budget.grant
        if grant is None or grant.mode is Mode.FLOOR:
            return None
        return self._start_deferrable(request, now, grant) if request.deferrable else self._start_urgent(request, now, grant)

    def _expire(self, now: float) -> None:
        for request in [r for r in self.waiting.values() if not now < r.deadline]:
            del self.waiting[request.name]
            self.receipts.append(_refused(request, now, "its deadline passed while it waited"))

    def _begin(self, request: Request, variant: Variant, now: float, *, floor: bool = False) -> Start | None:
        held = self.budget.reserve(
            request.name, energy=self.margin * variant.energy_high_of(request.amount), power=variant.peak_power,
            seconds=self._seconds(request, variant), now=now, floor=floor,
        )  # fmt: skip
        if isinstance(held, Denied):
            return None
        self.waiting.pop(request.name, None)
        start = Start(request, variant, held.energy, held.until, floor)
        self.running[request.name] = start
        return start

    def _start_floor(self, request: Request, now: float) -> Start | None:
        """The reserved perception out of its own bucket, where the grant does not give it anything better."""
        variant = self.store.floor
        if variant is None:
            return None
        better = self._affordable_better(request, variant, now)
        start = None if better is None else self._begin(request, better, now)
        return start or self._begin(request, variant, now, floor=True) or self._begin(request, variant, now)

    def _affordable_better(self, request: Request, floor: Variant, now: float) -> Variant | None:
        """The variant that the grant affords this task, if it is better than the floor's and in time."""
        grant = self.budget.grant
        if grant is None or grant.mode in (Mode.FLOOR, Mode.SAVING):
            return None
        chosen = self._choose(now).get(request.task)
        in_time = chosen is not None and now <= self._last(request, chosen)
        return chosen if chosen is not None and in_time and chosen.quality > floor.quality else None

    def _choose(self, now: float) -> dict[str, Variant | None]:
        """The variants that are worth most for what waits and what is expected.

        Within the energy that is left of the grant until the next one, and within its power over a whole horizon: runs that
        last go on under the next grant.
        """
        grant = self.budget.grant
        if grant is None:
            return {}
        state = (now, grant, self.store, self.budget.energy_left, tuple(self.waiting))
        if state != self._choice[0]:  # many requests may wait in one step
            self._choice = state, self._chosen(grant, now)
        return self._choice[1]

    def _chosen(self, grant: Grant, now: float) -> dict[str, Variant | None]:
        period = max(0.0, min(grant.stamp + self.horizon, grant.valid_until) - now)
        demands = [self._expected(task, period) for task in self.store.tasks]
        wanted = [d for d in demands if d.count > 0.0]
        variants = {d.task: self._allowed(d.task, grant) for d in wanted}
        limit = max(0.0, grant.power_limit - self.budget.floor.peak_power)
        energy = self.budget.energy_left
        return dict(select(wanted, variants, energy=energy, power=limit, period=max(self.horizon, 1.0)).chosen)

    def _allowed(self, task: str, grant: Grant) -> tuple[Variant, ...]:
        found = self.store.of_task(task)
        return found[:1] if grant.mode is Mode.SAVING else found

    def _expected(self, task: str, period: float) -> TaskDemand:
        mine = [r for r in self.waiting.values() if r.task == task and not r.deferrable]
        rate, weight = self.forecast.get(task, (0.0, 1.0))
        waiting = sum(r.amount for r in mine)
        count, at_a_time = waiting + rate * period, waiting + rate * max(self.horizon, 1.0)
        weights = [r.weight for r in mine] or [weight]
        left = min((r.deadline - self.budget.now for r in mine), default=math.inf)
        patience, floor = self.usual.get(task, math.inf) - self.patience, self.store.floor
        fallback = floor.quality if floor is not None and floor.task == task else 0.0
        return TaskDemand(
            task, count, sum(weights) / len(weights), max(left / self.slack, 1e-9), at_a_time, patience, fallback,
            tuple(r.amount for r in mine),
        )  # fmt: skip

    def _start_urgent(self, request: Request, now: float, grant: Grant) -> Start | None:
        """With the chosen variant, or with a cheaper one when it is the last moment at which that can still be in time.

        An answer after its deadline is worth nothing, so a variant that is too slow is not begun; where all of the task's
        are too slow from the beginning, the fastest one tries.
        """
        chosen = self._choose(now)
        variant = chosen.get(request.task)
        wait = variant is not None and self._crowds(chosen, variant) and now < self._last(request, variant) - self.patience
        start = None if variant is None or wait else self._begin(request, variant, now)
        for other in reversed(self._allowed(request.task, grant)):
            last = self._last(request, other)
            late = now >= last - self._lasts(request, other) - self.patience
            cheaper = variant is None or other.energy_high_of(request.amount) <= variant.energy_high_of(request.amount)
            if start is None and late and cheaper and (now <= last or self._hopeless(request, other)):
                start = self._begin(request, other, now)
        return start

    def _last(self, request: Request, variant: Variant) -> float:
        """When this variant must begin to be in time [s]."""
        return request.deadline - self._lasts(request, variant)

    def _lasts(self, request: Request, variant: Variant) -> float:
        return self.slack * variant.seconds_of(request.amount)

    def _crowds(self, chosen: Mapping[str, Variant | None], variant: Variant) -> bool:
        """Beside this run there would be no power for the better variant of the reserved perception."""
        floor = self.store.floor
        better = None if floor is None else chosen.get(floor.task)
        if floor is None or better is None or better is floor or not self.forecast.get(floor.task, (0.0, 0.0))[0]:
            return False
        mine = sum(self.budget.open[s.request.name].power for s in self.running.values() if s.variant is better)
        return self.budget.power_left + mine - variant.peak_power < better.peak_power

    def _hopeless(self, request: Request, fastest: Variant) -> bool:
        """No variant of its task could be in time even at once, and this is the fastest one."""
        least = min(self._lasts(request, v) for v in self.store.of_task(request.task))
        return self._lasts(request, fastest) == least and least > request.deadline - request.stamp

    def _start_deferrable(self, request: Request, now: float, grant: Grant) -> Start | None:
        """What can wait: on surplus, or when it would otherwise be late; with the best variant that fits.

        A better variant that this grant could carry, were it not for what runs already, is waited for.
        """
        surplus = grant.mode is Mode.SURPLUS and grant.intensity < self.surplus_below
        for variant in sorted(self._allowed(request.task, grant), key=lambda v: -v.quality):
            seconds = self._seconds(request, variant)
            late = now >= request.deadline - (seconds + 2.0 * self.horizon)
            start = self._begin(request, variant, now) if surplus or late else None
            if start is not None:
                return start
            if surplus and not late and self._carries(grant, request, variant):
                return None
        return None

    def _seconds(self, request: Request, variant: Variant) -> float:
        return self.lead + self._lasts(request, variant)

    def _carries(self, grant: Grant, request: Request, variant: Variant) -> bool:
        """A fresh grant like this one has the energy, the power and the time for this run alone."""
        floor, lifetime = self.budget.floor, grant.valid_until - grant.stamp
        enough = self.margin * variant.energy_high_of(request.amount) <= grant.energy - floor_energy(floor, lifetime)
        power = variant.peak_power <= grant.power_limit - floor.peak_power
        return enough and power and self._seconds(request, variant) <= lifetime

    # ------------------------------------------------------------------------------------------------------- outgoing

    def demand(self, now: float) -> Demand:
        """What the networks would like to take over the next horizon."""
        self.budget.advance(now)
        wanted, deferrable, power, floor = 0.0, 0.0, 0.0, self.budget.floor
        weakest = Provenance.UNKNOWN
        for request in self.waiting.values():
            variants = self.store.of_task(request.task)
            best = max(variants, key=lambda v: v.quality)
            joules = best.energy_high_of(request.amount)
            wanted, power, weakest = wanted + joules, max(power, best.peak_power), max(weakest, best.provenance)
            deferrable += joules if request.deferrable else 0.0
        base = floor.power * self.horizon
        return Demand(
            self.budget.now, self.horizon, base, base + wanted, deferrable, floor.peak_power + power, len(self.waiting), weakest
        )

    def abandon(self, now: float, grace: float) -> list[Receipt]:
        """Give up runs that are silent for `grace` [s] after their time: they are unmetered and count as wholly spent."""
        self.budget.advance(now)
        lost = [r.name for r in self.budget.overdue(now) if r.until + grace < self.budget.now and r.name in self.running]
        return [self.finish(name, UNMETERED, now, outcome=Outcome.FAILED) for name in lost]


def _refused(request: Request, now: float, reason: str) -> Receipt:
    free = Energy(0.0, Provenance.PHYSICS_MODEL, 0.0, "never started")
    return Receipt(now, request.name, request.task, "", Outcome.REFUSED, free, reason=reason)
