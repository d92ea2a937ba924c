"""Series of bounded length, against numpy on all the values at once."""

from __future__ import annotations

import numpy as np
import pytest

from rover_energy.telemetry.power_account import Check, PowerAccount
from rover_energy.telemetry.stream_health import TopicHealth
from rover_energy.telemetry.traces import Bins, Trace


def test_peaks_and_sums_survive_any_length() -> None:
    dice = np.random.default_rng(0)
    t, values = np.sort(dice.random(20000)) * 900.0, dice.normal(size=20000)
    values[::37] = np.nan
    trace = Trace(buckets=64, width=0.01)
    for part in np.array_split(np.arange(t.size), 113):
        trace.add(t[part], {"a": values[part]})
    made = trace.series(digits=17)
    assert len(made["t"]) <= 64
    assert made["width"] * 64 >= 900.0
    index = (t / made["width"]).astype(int)
    for at, low, mean, high in zip(made["t"], *(made["columns"]["a"][part] for part in ("low", "mean", "high")), strict=True):
        own = values[index == int(at / made["width"])]
        assert (low, high) == (np.nanmin(own), np.nanmax(own))
        assert mean == pytest.approx(np.nanmean(own), rel=1e-9, abs=1e-12)


def test_values_out_of_order_and_before_the_beginning() -> None:
    trace = Trace(buckets=8, width=1.0)
    trace.add(np.array([3.2, -1.0, 0.5, 3.7, np.nan]), {"a": np.array([1.0, 9.0, 2.0, 5.0, 7.0])})
    made = trace.series()
    assert made["t"] == [0.5, 3.5]
    assert made["columns"]["a"]["high"] == [2.0, 5.0]


def test_bins_put_streams_side_by_side() -> None:
    bins = Bins(1.0)
    t = np.arange(0.0, 10.0, 0.1)
    bins.add(t, {"a": t})
    bins.add(np.array([2.5, 7.5]), {"b": np.array([1.0, 2.0])})
    when, a, b = bins.pair("a", "b")
    assert when.tolist() == [2.5, 7.5]
    assert a == pytest.approx([2.45, 7.45])
    assert b.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("pieces", [1, 2, 7, 50])
def test_the_account_does_not_depend_on_how_it_is_fed(pieces: int) -> None:
    """Batches of any size give the same sums, episodes included."""
    dice = np.random.default_rng(3)
    t, load, limit = 0.02 * np.arange(400), 50.0 + 10.0 * dice.random(400), np.full(400, 58.0)
    load[150:170] = 70.0
    whole, parts = PowerAccount(usual=0.02), PowerAccount(usual=0.02)
    whole.add(t, {"available_power": limit}, {"a": load})
    for part in np.array_split(np.arange(400), pieces):
        parts.add(t[part], {"available_power": limit[part]}, {"a": load[part]})
    assert parts.energy["total_power"] == pytest.approx(whole.energy["total_power"])
    assert parts.power.violations == whole.power.violations
    assert len(parts.power.episodes) == len(whole.power.episodes)
    assert np.array(parts.power.episodes) == pytest.approx(np.array(whole.power.episodes))


def test_a_limit_that_is_not_a_number_is_not_judged() -> None:
    check = Check("power", "W")
    check.add(np.arange(3.0), np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.0, 2.0]), np.ones(3))
    assert (check.judged, check.violations, check.excess) == (1, 1, 1.0)


def test_counters_that_are_reset_go_on() -> None:
    account = PowerAccount()
    account.count("a", np.array([5.0, 7.0, np.nan, 9.0]))
    account.count("a", np.array([1.0, 4.0]))
    assert account.counters["a"][1] == pytest.approx(4.0 + 4.0)


def test_silences_and_staleness() -> None:
    health, t = TopicHealth("/a", "x"), np.concatenate([np.arange(0.0, 5.0, 0.1), np.arange(8.0, 9.0, 0.1)])
    for part in np.array_split(t, 9):
        health.add(part, np.ones(part.size, dtype=np.int64))
    assert health.period == pytest.approx(0.1)
    assert health.gap_count == 1
    assert health.gaps[0] == (pytest.approx(4.9), pytest.approx(3.1))
    assert health.stale(20.0)
    assert not health.stale(9.2)
