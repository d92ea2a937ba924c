"""Budgets under random schedules: never more than granted in any window or at any instant, and the books close."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_cases import FLOOR, grant

from rover_energy.inference.accountant import violations
from rover_energy.inference.budget import Budget, Denied, Reservation
from rover_energy.inference.energy import UNMETERED, Energy, Provenance
from rover_energy.inference.grants import Grant, Mode, floor_energy
from rover_energy.inference.receipts import Outcome, Receipt


def joules(value: float) -> Energy:
    return Energy(value, Provenance.CPU_TIME_MODEL)


def test_reserve_run_true_up() -> None:
    b = Budget(FLOOR)
    b.receive(grant(energy=20.0), 0.0)
    allowed = 20.0 - floor_energy(FLOOR, 2.0)
    assert b.energy_left == pytest.approx(allowed)
    assert isinstance(b.reserve("a", energy=5.0, power=4.0, seconds=0.5, now=0.1), Reservation)
    assert (b.energy_left, b.power_left) == pytest.approx((allowed - 5.0, 12.0 - 3.0 - 4.0))
    b.settle("a", joules(3.0), 0.4)
    assert (b.energy_left, b.power_left) == pytest.approx((allowed - 3.0, 9.0))
    assert b.settle("a", joules(3.0), 0.5) is None, "once only"


@pytest.mark.parametrize(
    ("change", "denied"),
    [
        ({"energy": math.nan}, Denied.INVALID), ({"power": -1.0}, Denied.INVALID), ({"seconds": math.inf}, Denied.INVALID),
        ({"energy": 18.6}, Denied.ENERGY), ({"power": 9.1}, Denied.POWER), ({"seconds": 1.95}, Denied.TOO_LONG),
        ({"now": 2.0, "seconds": 0.1}, Denied.NO_GRANT),
    ],
)  # fmt: skip
def test_refusals(change: dict[str, float], denied: Denied) -> None:
    b = Budget(FLOOR)
    b.receive(grant(energy=20.0), 0.0)
    values = {"energy": 1.0, "power": 1.0, "seconds": 1.0, "now": 0.1, **change}
    assert b.reserve("a", **values) is denied


def test_without_a_grant_only_the_floor() -> None:
    b = Budget(FLOOR)
    assert b.reserve("a", energy=0.1, power=1.0, seconds=0.1, now=0.0) is Denied.NO_GRANT
    assert isinstance(b.reserve("b", energy=0.4, power=2.0, seconds=0.1, now=0.0, floor=True), Reservation)
    assert b.reserve("c", energy=0.2, power=1.0, seconds=0.1, now=0.0, floor=True) is Denied.ENERGY
    b.settle("b", joules(0.4), 0.1)
    assert b.reserve("d", energy=0.5, power=2.0, seconds=0.1, now=0.5, floor=True) is Denied.ENERGY
    assert isinstance(b.reserve("e", energy=0.5, power=2.0, seconds=0.1, now=0.9, floor=True), Reservation), "it fills at 0.5 W"
    assert b.reserve("f", energy=0.0, power=2.0, seconds=0.1, now=0.9, floor=True) is Denied.POWER


def test_a_floor_grant_allows_nothing_else() -> None:
    b = Budget(FLOOR)
    b.receive(grant(mode=Mode.FLOOR, energy=100.0), 0.0)
    assert b.reserve("a", energy=0.1, power=0.1, seconds=0.1, now=0.0) is Denied.FLOOR_ONLY


def test_grants_out_of_order_or_stale_change_nothing() -> None:
    b = Budget(FLOOR)
    b.receive(grant(stamp=0.0, sequence=5), 0.0)
    b.receive(grant(stamp=0.0, sequence=4, energy=99.0), 0.1)
    b.receive(grant(stamp=-5.0, sequence=6, energy=99.0), 0.1)
    b.receive(grant(stamp=5.0, sequence=7, energy=99.0), 0.1)
    assert b.grant is not None
    assert b.grant.sequence == 5


def test_a_smaller_grant_ends_the_last_begun() -> None:
    b = Budget(FLOOR)
    b.receive(grant(energy=20.0), 0.0)
    for name, at in (("old", 0.1), ("young", 0.2)):
        b.reserve(name, energy=5.0, power=4.0, seconds=1.0, now=at)
    assert [r.name for r in b.receive(grant(0.5, 8.0, sequence=2), 0.5)] == ["young"]
    assert [r.name for r in b.receive(grant(0.6, 20.0, 6.9, sequence=3), 0.6)] == ["young", "old"]


def test_unmetered_counts_as_the_whole_reservation() -> None:
    b = Budget(FLOOR)
    b.receive(grant(energy=20.0), 0.0)
    before = b.energy_left
    b.reserve("a", energy=5.0, power=4.0, seconds=0.5, now=0.1)
    b.settle("a", UNMETERED, 0.2)
    assert b.energy_left == pytest.approx(before - 5.0)


def test_an_overrun_is_paid_back_by_the_next_grant() -> None:
    b = Budget(FLOOR)
    b.receive(grant(energy=8.0), 0.0)
    b.reserve("a", energy=6.0, power=4.0, seconds=0.5, now=0.1)
    b.settle("a", joules(9.0), 0.2)
    left = 8.0 - floor_energy(FLOOR, 2.0)
    assert b.energy_left == 0.0
    assert b.debt == pytest.approx(9.0 - left)
    b.receive(grant(1.0, 20.0, sequence=2), 1.0)
    assert b.energy_left == pytest.approx(20.0 - floor_energy(FLOOR, 2.0) - (9.0 - left))
    assert b.debt == 0.0


def test_time_does_not_go_back() -> None:
    b = Budget(FLOOR)
    b.receive(grant(), 0.0)
    b.advance(5.0)
    b.advance(1.0)
    assert b.grant is None
    b.advance(math.nan)
    assert b.now == 5.0


@dataclass
class World:
    """A random run of a budget: what was granted, what was really taken and when."""

    budget: Budget = field(default_factory=lambda: Budget(FLOOR))
    grants: list[Grant] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    running: dict[str, tuple[Reservation, float]] = field(default_factory=dict)

    def end(self, name: str, now: float) -> None:
        """The run stops: it took its power for as long as it ran, at most what was reserved, by the contract."""
        held, power = self.running.pop(name)
        taken = min(power * (now - held.begun), held.energy)
        self.budget.settle(name, joules(taken), now)
        self.receipts.append(
            Receipt(now, name, "t", "v", Outcome.COMPLETED, joules(taken), held.sequence, begun=held.begun, power=held.power)
        )

    def end_what_is_over(self, now: float) -> None:
        for name, (held, power) in list(self.running.items()):
            over = min(held.until, held.begun + held.energy / max(power, 1e-9))
            if over <= now:
                self.end(name, over)


ACTIONS = st.lists(
    st.tuples(
        st.floats(0.01, 1.5), st.sampled_from(["grant", "run", "floor", "end", "wait"]), st.floats(0.0, 30.0),
        st.floats(0.0, 12.0), st.floats(0.0, 2.5),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


def play(actions: list[tuple[float, str, float, float, float]]) -> World:
    w, now = World(), 0.0
    for k, (pause, action, energy, power, seconds) in enumerate(actions):
        now += pause
        w.end_what_is_over(now)
        if action == "grant":
            energy, power = energy + floor_energy(FLOOR, 3.0), power + FLOOR.peak_power
            g = Grant(now, now + 0.5 + seconds, k + 1, Mode.NORMAL, energy, power)
            w.grants.append(g)
            for r in w.budget.receive(g, now):
                w.end(r.name, now)
        elif action in ("run", "floor"):
            small = action == "floor"
            held = w.budget.reserve(
                f"r{k}", energy=energy * (0.02 if small else 0.3), power=power * (0.3 if small else 0.5), seconds=seconds,
                now=now, floor=small,
            )  # fmt: skip
            if isinstance(held, Reservation):
                w.running[f"r{k}"] = (held, held.power)
        elif action == "end" and w.running:
            w.end(next(iter(w.running)), now)
    w.end_what_is_over(now + 100.0)
    return w


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_never_more_than_granted(actions: list[tuple[float, str, float, float, float]]) -> None:
    """In any window of 3 s and 60 s, and at any instant, over random schedules."""
    w = play(actions)
    for window in (3.0, 60.0):
        assert violations(w.grants, w.receipts, FLOOR, window=window) == []


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_the_books_close(actions: list[tuple[float, str, float, float, float]]) -> None:
    """What the receipts say is what the grants and the floor were charged, to rounding; nothing is left open."""
    w = play(actions)
    entries = [*w.budget.history, *([w.budget.entry] if w.budget.entry else [])]
    charged = sum(e.spent for e in entries) + w.budget.floor_spent
    assert charged == pytest.approx(sum(r.energy.joules for r in w.receipts), abs=1e-9)
    assert w.budget.open == {}
    assert all(e.overrun == 0.0 for e in entries)
    assert w.budget.debt == 0.0
    assert 0.0 <= w.budget.level <= FLOOR.burst


def test_the_check_of_windows_can_fail() -> None:
    """The property above would be worth nothing otherwise: the same run with 1.6 times its joules is found."""
    g = grant(energy=6.0, power=8.0)
    fine = Receipt(1.0, "a", "t", "v", Outcome.COMPLETED, joules(5.0), 1, begun=0.0, power=5.0)
    assert violations([g], [fine], FLOOR) == []
    more = Receipt(1.0, "a", "t", "v", Outcome.COMPLETED, joules(38.0), 1, begun=0.0, power=5.0)
    assert [v.kind for v in violations([g], [more], FLOOR)] == ["energy"]
    hot = Receipt(1.0, "a", "t", "v", Outcome.COMPLETED, joules(5.0), 1, begun=0.0, power=8.1)
    assert [v.kind for v in violations([g], [hot], FLOOR)] == ["power"]
