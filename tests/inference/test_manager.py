"""The manager: floor first, deferrable work on surplus, reservations and receipts; a short sol as a whole."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from inference_cases import FLOOR, grant, store

from rover_energy.errors import InputError
from rover_energy.inference.accountant import Accountant, violations
from rover_energy.inference.budget import Budget
from rover_energy.inference.energy import UNMETERED, Energy, Provenance
from rover_energy.inference.grants import Mode, floor_energy
from rover_energy.inference.manager import Manager
from rover_energy.inference.receipts import Outcome, Request
from rover_energy.inference.sol import Sol, random_store, world, write_script
from rover_energy.inference.sol_oracle import fixed_stores, upper_bound
from rover_energy.inference.store import Store


def manager(**fields: Any) -> Manager:
    return Manager(store(), Budget(FLOOR), **fields)


def request(name: str, task: str, **fields: Any) -> Request:
    return Request(name, task, 0.0, **{"deadline": 10.0, **fields})


def names(starts: list) -> list[str]:  # type: ignore[type-arg]
    return [s.variant.name for s in starts]


def test_without_a_grant_only_the_hazard_task_answers() -> None:
    m = manager()
    for task in ("hazard", "map", "log"):
        assert m.submit(request(task, task), 0.0) == ""
    starts, stops = m.step(0.0)
    assert (names(starts), stops) == (["hazard-floor"], [])
    assert starts[0].floor
    m.budget.advance(0.5)
    assert names(m.step(0.5)[0]) == []


def test_within_a_grant_the_best_that_fits() -> None:
    m = manager()
    m.receive(grant(energy=20.0, power=20.0), 0.0)
    for task in ("hazard", "map", "log"):
        m.submit(request(task, task), 0.0)
    assert set(names(m.step(0.0)[0])) == {"hazard-best", "map-large", "log-large"}
    m = manager()
    m.receive(grant(energy=floor_energy(FLOOR, 2.0) + 5.5, power=20.0), 0.0)
    for task in ("map", "log"):
        m.submit(request(task, task), 0.0)
    assert set(names(m.step(0.0)[0])) == {"map-large"} or set(names(m.step(0.0)[0])) <= {"map-small", "log-small"}


def test_saving_takes_the_cheapest_and_defers_the_rest() -> None:
    m = manager()
    m.receive(grant(mode=Mode.SAVING), 0.0)
    m.submit(request("a", "map"), 0.0)
    m.submit(request("b", "log", deferrable=True, deadline=1e4), 0.0)
    m.submit(request("c", "hazard"), 0.0)
    assert set(names(m.step(0.0)[0])) == {"map-small", "hazard-floor"}


def test_a_large_run_is_reserved_and_quoted_by_its_price() -> None:
    """1 J for 16 units, three quarters of it fixed: 256 cost 4.75 J and not 16 J, so that they fit, and in 0.95 s."""
    made = store().with_variant(
        replace(store()["map-large"], energy=1.0 / 16.0, energy_high=1.2 / 16.0, batch=16, fixed_share=0.75, latency=0.2)
    )
    m = Manager(made, Budget(FLOOR))
    m.receive(grant(energy=floor_energy(FLOOR, 2.0) + 5.8, power=20.0), 0.0)
    (start,), _ = m.submit(request("a", "map", amount=256.0, deadline=1.0), 0.0) or m.step(0.0)
    assert (start.variant.name, start.energy, start.until) == ("map-large", pytest.approx(5.7), pytest.approx(0.95))
    assert m.finish("a", Energy(4.7, Provenance.MEASURED), 0.5).quoted == pytest.approx(4.75)


def test_what_can_wait_waits_for_surplus_or_its_last_moment() -> None:
    m = manager()
    m.submit(request("b", "log", deferrable=True, deadline=100.0), 0.0)
    m.receive(grant(), 0.0)
    assert m.step(0.0)[0] == []
    m.receive(grant(1.0, mode=Mode.SURPLUS, intensity=0.3, sequence=2), 1.0)
    assert names(m.step(1.0)[0]) == ["log-large"]
    m = manager()
    m.submit(request("b", "log", deferrable=True, deadline=100.0), 0.0)
    m.receive(grant(98.0), 98.0)
    assert names(m.step(98.0)[0]) == ["log-large"]


def test_what_would_be_late_is_not_begun() -> None:
    """Of the map's variants the large one lasts 0.4 s; with 0.3 s left only the small one is of use."""
    m = manager()
    m.receive(grant(energy=20.0, power=20.0), 0.0)
    m.submit(request("a", "map", deadline=0.3), 0.0)
    assert names(m.step(0.0)[0]) == ["map-small"]
    m.submit(request("b", "map", deadline=0.3), 0.0)
    assert m.step(0.27)[0] == [], "0.05 s are needed"


def test_a_better_variant_is_waited_for_on_surplus() -> None:
    m = manager()
    m.receive(grant(energy=40.0, power=FLOOR.peak_power + 6.0, mode=Mode.SURPLUS, intensity=0.0), 0.0)
    for name in "ab":
        m.submit(request(name, "log", deferrable=True, deadline=100.0), 0.0)
    (start,), _ = m.step(0.0)
    assert start.variant.name == "log-large", "beside its 4 W the small one would fit, the large one not"
    m.finish(start.request.name, Energy(5.0, Provenance.MEASURED), 0.5)
    assert names(m.step(0.5)[0]) == ["log-large"]


def test_what_has_time_leaves_power_for_the_better_perception() -> None:
    """The hazard's better variant takes 4 W, the large map 5 W; of 8 W the map takes them only when it must."""
    for rate, first in ((0.5, []), (0.0, ["map-large"])):
        m = manager(forecast={"hazard": (rate, 3.0)}, horizon=2.0)
        m.receive(grant(energy=40.0, power=FLOOR.peak_power + 8.0), 0.0)
        m.submit(request("a", "map", deadline=1.5), 0.0)
        assert names(m.step(0.0)[0]) == first
    m = manager(forecast={"hazard": (0.5, 3.0)}, horizon=2.0)
    m.receive(grant(energy=40.0, power=FLOOR.peak_power + 8.0), 0.0)
    m.submit(request("a", "map", deadline=1.5), 0.0)
    assert names(m.step(1.0)[0]) == ["map-large"]


def test_late_answers_are_worth_nothing() -> None:
    """A task whose only variant lasts longer than it may: nothing for the manager, nothing for the bound."""
    p = world(seconds=1200.0)
    script = write_script(p, 6)
    slow = Store.of([replace(v, peak_power=v.energy / 36.0, latency=60.0) for v in random_store(6) if v.name == "map-1"])
    only = replace(script, requests=tuple(replace(r, deadline=r.stamp + 30.0) for r in script.requests if r.task == "map"))
    result = Sol.of(p, only, slow).run()
    assert sum(r.outcome is Outcome.COMPLETED for r in result.receipts) > 10, "the fastest variant tries all the same"
    assert result.worth == 0.0
    assert upper_bound(only, result.grants, slow, p.floor, p.policy.period) == 0.0


def test_a_run_is_trued_up_and_its_receipt_says_all() -> None:
    m = manager()
    m.receive(grant(energy=20.0, power=20.0, sequence=4), 0.0)
    m.submit(request("a", "map"), 0.0)
    (start,), _ = m.step(0.1)
    receipt = m.finish("a", Energy(3.5, Provenance.MEASURED, 0.1), 0.4)
    assert start.energy == pytest.approx(1.2 * 4.0)
    assert (receipt.grant_sequence, receipt.outcome, receipt.energy.joules) == (4, Outcome.COMPLETED, 3.5)
    assert (receipt.quoted, receipt.latency, receipt.begun) == pytest.approx((4.0, 0.4, 0.1))
    assert receipt.quality == 0.9
    with pytest.raises(InputError, match="belongs to no open run"):
        m.finish("a", UNMETERED, 0.5)


def test_every_request_ends_in_one_receipt() -> None:
    m = manager()
    assert "no metered variant" in m.submit(request("x", "opera"), 0.0)
    m.submit(request("y", "map"), 0.0)
    assert "is open" in m.submit(request("y", "map"), 0.0)
    m.step(20.0)
    assert [(r.name, r.outcome) for r in m.receipts] == [("x", Outcome.REFUSED), ("y", Outcome.REFUSED), ("y", Outcome.REFUSED)]
    assert all(r.reason for r in m.receipts)


def test_the_silent_are_given_up_as_wholly_spent() -> None:
    m = manager()
    m.receive(grant(energy=20.0, power=20.0), 0.0)
    m.submit(request("a", "map"), 0.0)
    m.step(0.0)
    left = m.budget.energy_left
    (receipt,) = m.abandon(1.9, 1.0)
    assert receipt.outcome is Outcome.FAILED
    assert not receipt.energy.metered
    assert m.budget.energy_left == pytest.approx(left)


def test_overdue_and_uncarried_runs_are_told_to_stop() -> None:
    m = manager()
    m.receive(grant(energy=20.0, power=20.0), 0.0)
    m.submit(request("a", "map"), 0.0)
    m.step(0.0)
    assert m.step(0.2)[1] == []
    assert [s.request.name for s in m.step(0.5)[1]] == ["a"]
    assert [s.request.name for s in m.receive(grant(0.6, 1.6, 20.0, sequence=2), 0.6)] == ["a"]


def test_demand_sums_up_what_waits() -> None:
    m = manager(horizon=2.0)
    m.submit(request("a", "map"), 0.0)
    m.submit(request("b", "log", deferrable=True, amount=2.0), 0.0)
    d = m.demand(0.5)
    assert d.deferrable_energy == pytest.approx(2.0 * 7.2)
    assert d.energy_wanted == pytest.approx(FLOOR.power * 2.0 + 4.8 + 14.4)
    assert (d.queued, d.provenance) == (2, Provenance.CPU_TIME_MODEL)


def test_bad_requests_cannot_be_made() -> None:
    for fields in ({"amount": math.nan}, {"amount": 0.0}, {"deadline": 0.0}, {"deadline": math.nan}, {"weight": -1.0}):
        with pytest.raises(InputError):
            request("a", "map", **fields)


HOURS = 4 * 3600.0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_part_of_a_sol(seed: int) -> None:
    """Nothing above its grant, the battery never short, near the bound of all schedules."""
    p = world(seconds=HOURS)
    script, variants = write_script(p, seed), random_store(seed)
    result = Sol.of(p, script, variants).run()
    assert violations(result.grants, result.receipts, p.floor) == []
    assert result.unserved == 0.0
    assert len({r.name for r in result.receipts}) == len(result.receipts)
    bound = upper_bound(script, result.grants, variants, p.floor, p.policy.period)
    assert 0.9 * bound <= result.worth <= bound


def test_a_sol_is_worth_more_than_with_one_variant_per_task() -> None:
    """Two hours by night: no fixed choice of maps and sentinels does as well."""
    p = world(seconds=7200.0)
    script, variants = write_script(p, 1), random_store(1)
    own = Sol.of(p, script, variants).run()
    for name, fixed in fixed_stores(variants):
        if "hazard-1" in name and "digest-1" in name:
            assert Sol.of(p, script, fixed).run().worth < own.worth, name


@pytest.mark.parametrize("share", [0.1, 0.0])
def test_with_a_tenth_of_the_grants_hazards_are_still_answered(share: float) -> None:
    p = world(seconds=HOURS, grant_share=share)
    result = Sol.of(p, write_script(p, 3), random_store(3)).run()
    hazards = [r for r in result.receipts if r.task == "hazard"]
    assert len(hazards) > 500
    answered = [r for r in hazards if r.outcome is Outcome.COMPLETED and r.latency <= 5.0]
    assert len(answered) >= 0.98 * len(hazards), "the others took more than they had reserved and were stopped"
    assert violations(result.grants, result.receipts, p.floor) == []


def test_the_bound_is_a_bound() -> None:
    """Against every assignment of three requests to two grants and their variants, whole runs only."""
    p = world(seconds=600.0)
    script = write_script(p, 5)
    few = tuple(r for r in script.requests if r.task in ("map", "sentinel"))[:3]
    small = replace(script, requests=tuple(replace(r, stamp=1.0 + i, deadline=75.0) for i, r in enumerate(few)))
    grants = [grant(0.0, 40.0, 9.0, lifetime=80.0), grant(40.0, 30.0, 9.0, lifetime=80.0, sequence=2)]
    variants = random_store(5)
    choices = [[None, *((k, v) for k in (0, 1) for v in variants.of_task(r.task) if v.peak_power <= 7.5)] for r in few]
    best = 0.0
    for index in np.ndindex(*(len(c) for c in choices)):
        picked = [(r, c[i]) for r, c, i in zip(few, choices, index, strict=True) if c[i] is not None]
        spent = [sum(v.energy * script.luck[r.name] for r, (k, v) in picked if k == kk) for kk in (0, 1)]
        if all(s <= g.energy + p.floor.burst for s, g in zip(spent, grants, strict=True)):
            best = max(best, sum(r.weight * v.quality for r, (_, v) in picked))
    assert upper_bound(small, grants, variants, p.floor, 40.0) >= best - 1e-9
    assert len(fixed_stores(variants)) == 2 * 3 * 3 * 2


def test_the_accountant_sums_by_task_and_provenance() -> None:
    p = world(seconds=3600.0)
    result = Sol.of(p, write_script(p, 4), random_store(4)).run()
    a = Accountant(p.floor, kept=10_000)
    for g in result.grants:
        a.on_grant(g)
    for r in (*result.receipts, result.receipts[0]):
        a.on_receipt(r)
    data = a.to_mapping()
    done = [r for r in result.receipts if r.outcome is not Outcome.REFUSED]
    assert data["total"]["whole_J"] == pytest.approx(sum(r.energy.joules for r in done))
    assert sum(t["known_J"] for t in data["tasks"].values()) == pytest.approx(data["total"]["known_J"])
    assert (data["receipts_twice"], data["violations"], data["provenance"]) == (1, 0, "physics_model")
    assert data["quote_error"] < 0.2
    a.on_receipt(replace(done[0], name="new", energy=UNMETERED))
    assert a.to_mapping()["total"]["unmetered"] == 1
    assert math.isnan(a.to_mapping()["total"]["whole_J"])
    assert a.to_mapping()["provenance"] == "unknown"
