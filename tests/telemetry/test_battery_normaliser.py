"""The normaliser gives back the stream that was written wrong, says what it did, and leaves a right stream alone."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from battery_cases import clean, with_values
from test_battery_lint import DEFECTS

from rover_energy.telemetry.battery_lint import lint
from rover_energy.telemetry.battery_normaliser import normalise
from rover_energy.telemetry.battery_series import SCALARS, BatterySeries

EXACT = [
    "percent", "millivolts", "milliamperes", "milliampere-hours", "capacity in mAh", "cells in mV", "kelvins",
    "positive when discharging", "magnitude of the current",
]  # fmt: skip
"""Defects that lose nothing, so that the stream itself must come back."""


def assert_same(left: BatterySeries, right: BatterySeries) -> None:
    for name in SCALARS:
        np.testing.assert_allclose(left.values[name], right.values[name], rtol=1e-9, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(left.cell_voltage, right.cell_voltage, rtol=1e-12)
    np.testing.assert_array_equal(left.stamp, right.stamp)


def test_a_right_stream_is_left_alone() -> None:
    series = clean()
    repaired, repairs = normalise(series)
    assert repairs == []
    assert_same(repaired, series)


@pytest.mark.parametrize("name", EXACT)
def test_what_was_written_wrong_comes_back(name: str) -> None:
    series = clean()
    repaired, repairs = normalise(DEFECTS[name][0](series))
    assert [repair.field for repair in repairs] == [DEFECTS[name][2]]
    assert repairs[0].why
    assert str(repairs[0].count) in str(repairs[0])
    assert_same(repaired, series)


PAIRS = [pair for pair in combinations(EXACT[:7] + EXACT[8:], 2) if DEFECTS[pair[0]][2] != DEFECTS[pair[1]][2]]


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_two_defects_at_once(pair: tuple[str, str]) -> None:
    series = clean(seed=3)
    spoilt = DEFECTS[pair[1]][0](DEFECTS[pair[0]][0](series))
    assert_same(normalise(spoilt)[0], series)


@pytest.mark.parametrize("name", DEFECTS)
def test_twice_is_once(name: str) -> None:
    once, _ = normalise(DEFECTS[name][0](clean()))
    twice, repairs = normalise(once)
    assert repairs == []
    assert_same(once, twice)


def test_what_cannot_be_known_becomes_nan() -> None:
    series = clean()
    for name, value in (("voltage", math.inf), ("percentage", -1.0), ("temperature", 150.0), ("capacity", 0.0)):
        repaired, repairs = normalise(with_values(series, **{name: value}))
        assert np.isnan(repaired.values[name]).all()
        assert [repair.field for repair in repairs] == [name]


def test_missing_stamps_become_the_time_of_arrival() -> None:
    series = DEFECTS["stamp not set"][0](clean())
    repaired, repairs = normalise(series)
    np.testing.assert_array_equal(repaired.stamp, series.received)
    assert [repair.field for repair in repairs] == ["header.stamp"]
    assert lint(repaired) == []


def test_what_cannot_be_repaired_is_still_found() -> None:
    for name in ("stamps swapped", "sensor died", "two batteries", "other percentage"):
        spoil, code, _ = DEFECTS[name]
        assert code in {finding.code for finding in lint(normalise(spoil(clean()))[0])}
