"""Switched loads ahead, against made telegraph signals and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from rover_energy.power.duty import PRIOR, DutyCycle, switching

POWER, UP, DOWN = 12.0, 900.0, 450.0  # [W], mean times on and off [s]
EDGES = np.concatenate(([0.0], np.cumsum(np.full(60, 60.0))))


def telegraph(rng: np.random.Generator, n: int, state: bool, step: float) -> np.ndarray:
    """States at the ends of n steps, on for `UP` and off for `DOWN` in the mean."""
    found = np.zeros(n, dtype=bool)
    for i in range(n):
        if rng.random() < -np.expm1(-step / (UP if state else DOWN)):
            state = not state
        found[i] = state
    return found


def watched(seconds: float, seed: int, step: float = 10.0) -> DutyCycle:
    load = DutyCycle(POWER)
    for i, state in enumerate(telegraph(np.random.default_rng(seed), int(seconds / step), True, step)):
        load.watch(step * i, bool(state))
    return load


def test_nothing_seen_is_the_prior() -> None:
    load = DutyCycle(POWER)
    load.watch(0.0, True)
    assert load.duty == 0.5
    assert load.memory == pytest.approx(0.5 * PRIOR)
    ahead = load.ahead(EDGES)
    assert ahead[0] == pytest.approx(POWER * (0.5 + 0.5 * np.exp(-30.0 / load.memory)), rel=1e-3), "on, and known to be"
    assert ahead[-1] == pytest.approx(0.5 * POWER, rel=0.01)
    assert np.all(np.diff(ahead) < 0.0)


def test_duty_and_memory_are_learned() -> None:
    load = watched(4.0e5, 1)
    assert load.duty == pytest.approx(UP / (UP + DOWN), abs=0.04)
    assert load.memory == pytest.approx(1.0 / (1.0 / UP + 1.0 / DOWN), rel=0.15)
    assert load.doubt < 0.02 * load.variance


def test_expectation_and_spread_are_those_of_the_signal() -> None:
    """Ten thousand futures of a load that is on now and well known."""
    load, rng = watched(4.0e5, 2), np.random.default_rng(3)
    load.watch(load.time + 10.0, True)
    step, many = 10.0, 3000
    futures = np.array([telegraph(rng, 360, True, step) for _ in range(many)]) * POWER
    means = futures.reshape(many, 60, 6).mean(axis=2)
    assert load.ahead(EDGES) == pytest.approx(means.mean(axis=0), abs=0.06 * POWER)
    told = switching([load], EDGES)
    hour = means.mean(axis=1)
    expected = told.sigma * np.sqrt(2.0 * told.time / 3600.0)
    assert expected == pytest.approx(hour.std(), rel=0.25)


def test_loads_add_up() -> None:
    one, two = watched(1.0e5, 4), DutyCycle(8.0)
    two.watch(0.0, False)
    both = switching([one, two], EDGES)
    assert both.power == pytest.approx(one.ahead(EDGES) + two.ahead(EDGES))
    assert both.sigma**2 == pytest.approx(one.variance + two.variance)
    assert both.offset**2 == pytest.approx(one.doubt + two.doubt)
    assert min(one.memory, two.memory) <= both.time <= max(one.memory, two.memory)


def test_no_switched_load_is_no_power() -> None:
    none = switching([], EDGES)
    assert not none.power.any()
    assert (none.sigma, none.offset) == (0.0, 0.0)


def test_time_that_goes_back_counts_nothing() -> None:
    load = DutyCycle(POWER)
    load.watch(100.0, True)
    load.watch(50.0, False)
    load.watch(60.0, False)
    assert (load.seen, load.on) == (10.0, 0.0)
