"""The meter check on made trees whose every fault is known: found, not invented, the right meter blamed, the record repaired."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.telemetry.made_meters import make_readings, rover_tree
from rover_energy.telemetry.meter_check import check_meters
from rover_energy.telemetry.meter_faults import Issue
from rover_energy.telemetry.meter_levels import correct_counter, correct_power, harmonize, is_counter, resample
from rover_energy.telemetry.meter_tree import tree_of

TREE = rover_tree()


def test_the_made_tree_is_balanced() -> None:
    """The truth closes; readings without faults close within their noise; counters follow the power."""
    data = make_readings(TREE, 3000, faults=0, seed=0)
    np.testing.assert_allclose(data.truth @ TREE.balances.T, 0.0, atol=1e-9)
    assert not data.faulty.any()
    total = (data.energy[-1] - data.energy[0]) / np.trapezoid(data.truth, data.time, axis=0)
    np.testing.assert_allclose(total, 1.0, atol=0.02)


def test_a_healthy_record_is_left_in_peace() -> None:
    data = make_readings(TREE, 10000, faults=0, seed=11)
    report = check_meters(TREE, data.time, data.power, data.energy)
    assert report.flags.mean() < 0.002
    assert report.blamed.mean() < 0.0005


def test_faults_are_found_and_located() -> None:
    """One fresh record; the benchmark meter_tree.py measures many."""
    data = make_readings(TREE, 10000, faults=30, seed=12)
    report = check_meters(TREE, data.time, data.power, data.energy)
    truth = data.faulty.any(axis=1)
    assert report.flags[truth].mean() >= 0.985
    assert report.flags[~truth].mean() <= 0.005
    assert report.blamed[data.faulty].mean() >= 0.85
    assert report.blamed[~data.faulty].mean() <= 0.005


def spoilt(meter: str, first: int, last: int, factor: float) -> tuple[np.ndarray, ...]:
    """Readings of one meter scaled in both channels."""
    data = make_readings(TREE, 4000, faults=0, seed=5)
    column = TREE.names.index(meter)
    power, steps = data.power.copy(), np.diff(data.energy, axis=0, prepend=data.energy[:1])
    power[first : last + 1, column] *= factor
    steps[first : last + 1, column] *= factor
    return data.time, power, data.energy[0] + np.cumsum(steps, axis=0), data.truth


@pytest.mark.parametrize("meter", ["front_left", "rear_right", "array", "compute", "bus"])
def test_a_wrong_ratio_is_given_to_its_meter(meter: str) -> None:
    """Power and counter agree with each other and four wheels enter one balance: only the meter's own course tells which."""
    time, power, energy, _ = spoilt(meter, 1000, 2500, 2.0)
    report = check_meters(TREE, time, power, energy)
    blamed = report.blamed[1000:2501].mean(axis=0)
    assert TREE.names[int(np.argmax(blamed))] == meter
    assert blamed[TREE.names.index(meter)] > 0.9
    assert np.sort(blamed)[-2] < 0.05
    reasons = {issue.reason for issue in report.issues if issue.meter == meter and issue.end - issue.start > 100.0}
    assert "transformer_factor" in reasons
    assert reasons <= {"transformer_factor", "errors"}, "errors where twice the power is beyond the rating"


def test_correction_by_the_other_meters() -> None:
    time, power, energy, truth = spoilt("rear_right", 1000, 2500, 2.0)
    report = check_meters(TREE, time, power, energy)
    corrected = correct_power(TREE, time, power, report.issues)
    column = TREE.names.index("rear_right")
    before, after = (np.sqrt(np.mean((table[1000:2500, column] - truth[1000:2500, column]) ** 2)) for table in (power, corrected))
    assert before > 10.0
    assert after < 1.0


def test_correction_in_time_where_nothing_else_says() -> None:
    """Both heater and pump are gone: short gaps are bridged, long ones stay open."""
    data = make_readings(TREE, 400, faults=0, seed=3)
    issues = [Issue(name, "gap", *span) for name in ("heater", "pump") for span in ((100.0, 105.0), (200.0, 350.0))]
    corrected = correct_power(TREE, data.time, data.power, issues)
    column = TREE.names.index("heater")
    assert np.isfinite(corrected[100:106, column]).all()
    assert np.isnan(corrected[200:351, column]).all()
    with pytest.raises(InputError, match="is not in the tree"):
        correct_power(TREE, data.time, data.power, [Issue("lamp", "gap", 0.0, 1.0)])


def test_a_counter_is_freed_of_its_jump() -> None:
    t = np.arange(0.0, 100.0)
    power = np.full(100, 20.0)
    energy = 20.0 * t + 5000.0 * (t >= 40.0)
    found = correct_counter(t, energy, power, [Issue("m", "lasting_leap", 40.0, 40.0)])
    np.testing.assert_allclose(found, 20.0 * t)


def test_levels_of_a_series() -> None:
    t = np.array([0.2, 9.9, 20.4, 40.1])
    grid, values = harmonize(t, np.array([1.0, 2.0, 3.0, 5.0]), 10.0)
    np.testing.assert_array_equal(grid, [0.0, 10.0, 20.0, 30.0, 40.0])
    np.testing.assert_array_equal(values, [1.0, 2.0, 3.0, math.nan, 5.0])
    minute = np.arange(0.0, 7200.0, 60.0)
    hours, means = resample(minute, minute / 60.0, 3600.0, counter=False)
    np.testing.assert_array_equal(hours, [0.0, 3600.0])
    np.testing.assert_allclose(means, [29.5, 89.5])
    hours, counted = resample(minute + 30.0, 2.0 * minute, 3600.0, counter=True)
    np.testing.assert_allclose(counted, 2.0 * (hours - 30.0))
    assert [is_counter(name) for name in ("W", "W_in", "WQ", "V", "P", "Ta")] == [True, True, True, True, False, False]
    sparse = np.where(minute < 2400.0, math.nan, 1.0)
    assert np.isnan(resample(minute, sparse, 3600.0, counter=False)[1][0]), "a third of an hour is no hourly mean"


def test_readings_that_do_not_fit() -> None:
    data = make_readings(TREE, 1000, faults=0, seed=0)
    with pytest.raises(InputError, match="not of shape"):
        check_meters(TREE, data.time, data.power[:, :3])
    with pytest.raises(InputError, match="does not ascend"):
        check_meters(TREE, data.time[::-1], data.power)
    report = check_meters(TREE, data.time, np.full(data.power.shape, math.nan))
    assert report.flags.all(), "nothing recorded is no health"


def test_what_stands_still_or_reads_nothing_may_be_healthy() -> None:
    """A described load and one below its dead band repeat their readings; the same readings of a noisy meter are faults."""
    n = 200
    power = np.column_stack((np.full(n, 30.0), np.full(n, 30.0), np.zeros(n)))
    rows = {"bus": {}, "base": {"parent": "bus"}, "motors": {"parent": "bus"}}
    kinds = {"bus": {"steady": True}, "base": {"steady": True}, "motors": {"dead_band": 0.1}}
    healthy = tree_of({"meters": {name: {**row, **kinds[name]} for name, row in rows.items()}})
    assert not check_meters(healthy, np.arange(n, dtype=float), power).flags.any()
    report = check_meters(tree_of({"meters": rows}), np.arange(n, dtype=float), power)
    assert {(issue.meter, issue.reason) for issue in report.issues} >= {("bus", "errors"), ("base", "errors"), ("motors", "zero")}
