"""Runs in each other's way, against a queue played event by event."""

from __future__ import annotations

import math

import numpy as np
import pytest
from inference_cases import variant

from rover_energy.inference.crowding import expected_worths, held_against
from rover_energy.inference.selection import TaskDemand, select


def played(rng: np.random.Generator, every: float, seconds: float, slack: float) -> float:
    """Share of newcomers at random instants who find a run that still lasts longer than they wait; runs never overlap much."""
    begins = np.cumsum(rng.exponential(every, 200_000))
    came = rng.uniform(seconds, begins[-1], 100_000)
    last = np.searchsorted(begins, came) - 1
    return float(np.mean((last >= 0) & (begins[last] + seconds - came > slack)))


@pytest.mark.parametrize(("seconds", "slack"), [(5.0, 0.0), (5.0, 3.0), (2.0, 4.0)])
def test_chance_to_find_a_run_is_that_of_a_played_queue(seconds: float, slack: float) -> None:
    chance = held_against(1.0, np.array([seconds]), 100.0, np.array([slack]))[0, 0]
    assert chance == pytest.approx(played(np.random.default_rng(0), 100.0, seconds, slack), abs=0.004)


def test_three_that_fit_in_pairs_only() -> None:
    """Peaks of 4 W within 10 W: two fit, three do not. Only both others at once (0.4 x 0.5 of the time) block a newcomer."""
    one = [np.array([4.0])] * 3
    worths = expected_worths(
        [1.0, 1.0, 1.0], [np.array([1.0]), np.array([0.0]), np.array([0.0])], [0.25, 0.0, 0.0],
        [np.array([1.0]), np.array([4.0]), np.array([5.0])], one, [np.zeros(1), np.full(1, 99.0), np.full(1, 99.0)],
        limit=10.0, period=10.0,
    )  # fmt: skip
    assert worths.shape == (1, 1, 1)
    assert worths[0, 0, 0] == pytest.approx(1.0 - 0.4 * 0.5 * 0.75)


def test_a_long_run_is_not_chosen_where_it_blocks_what_is_worth_more() -> None:
    """The better map would run for 30 of 40 s with a power that leaves none for hazards, which come every 10 s and wait 2 s."""
    ladders = {
        "hazard": [variant("h", "hazard", 4.0, peak_power=4.0, quality=0.9, latency=1.0)],
        "map": [
            variant("small", "map", 6.0, peak_power=3.0, quality=0.6, latency=2.0),
            variant("large", "map", 90.0, peak_power=3.5, quality=0.9, latency=30.0),
        ],
    }
    demands = [TaskDemand("hazard", 4.0, 3.0, patience=3.0), TaskDemand("map", 1.0, 1.0, patience=200.0)]
    chosen = {p: select(demands, ladders, energy=400.0, power=p, period=40.0).chosen["map"] for p in (7.2, 7.6)}
    assert {p: v.name for p, v in chosen.items() if v} == {7.2: "small", 7.6: "large"}
    careless = [TaskDemand(d.task, d.count, d.weight) for d in demands]
    unaware = select(careless, ladders, energy=400.0, power=7.2, period=40.0).chosen["map"]
    assert unaware is not None
    assert unaware.name == "large"


def test_without_any_conflict_it_is_the_plain_knapsack() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        joules, quality = rng.uniform(0.1, 5.0, (3, 3)), rng.uniform(size=(3, 3))
        ladders = {
            f"t{i}": [
                variant(f"v{i}{j}", f"t{i}", joules[i, j], peak_power=0.01, quality=quality[i, j], latency=0.1)
                for j in range(3)
            ]
            for i in range(3)
        }  # fmt: skip
        demands = [TaskDemand(t, float(rng.uniform(0.5, 4.0)), float(rng.uniform(0.5, 2.0))) for t in ladders]
        patient = [TaskDemand(d.task, d.count, d.weight, patience=50.0) for d in demands]
        energy = float(rng.uniform(1.0, 40.0))
        plain = select(demands, ladders, energy=energy, power=9.0, period=10.0)
        aware = select(patient, ladders, energy=energy, power=9.0, period=10.0)
        assert aware.worth == pytest.approx(plain.worth)
        assert aware.chosen == plain.chosen


def test_what_finds_no_power_is_worth_its_fallback() -> None:
    ladders = {"hazard": [variant("h", "hazard", 4.0, peak_power=4.0, quality=0.9, latency=1.0)]}
    found = select([TaskDemand("hazard", 2.0, 3.0, patience=3.0, fallback=0.5)], ladders, energy=1.0, power=9.0, period=10.0)
    assert found.chosen["hazard"] is None
    assert found.worth == pytest.approx(3.0)
    assert math.isclose(found.energy, 0.0)
