"""Every reason to distrust a measurement, provoked."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.control.command import Measurement, StopReason
from rover_energy.control.settings import WatchParameters
from rover_energy.control.watch import FIELDS, NOT_NEGATIVE, Watch

GOOD = Measurement(10.0, 10.0, 10.0, 10.0, 1.0, 2.0, 0.3, 0.3, 0.0, 0.31, 40.0, 55.0, 110.0, 20.0, 5e4)


def watch():
    return Watch(WatchParameters(), tilt=0.35)


def test_a_good_measurement_passes():
    assert watch().check(GOOD, 10.0) is None


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_field_may_be_missing(name, value):
    stop = watch().check(replace(GOOD, **{name: value}), 10.0)
    assert stop is not None
    assert stop.reason is StopReason.INVALID
    assert name in stop.detail


@pytest.mark.parametrize("name", NOT_NEGATIVE)
def test_what_cannot_be_negative(name):
    stop = watch().check(replace(GOOD, **{name: -0.1}), 10.0)
    assert stop is not None
    assert stop.reason is StopReason.INVALID


@pytest.mark.parametrize("name", ["pose_time", "power_time", "battery_time"])
@pytest.mark.parametrize(("age", "good"), [(0.0, True), (0.15, True), (0.151, False), (-0.2, False), (5.0, False)])
def test_age(name, age, good):
    stop = watch().check(replace(GOOD, **{name: 10.0 - age}), 10.0)
    assert (stop is None) == good
    assert good or stop.reason is StopReason.STALE


def test_a_frozen_pose_is_seen_within_two_periods_and_50_ms():
    w = watch()
    for k in range(20):
        stop = w.check(replace(GOOD, time=0.05 * k, pose_time=0.05 * k, power_time=0.05 * k, battery_time=0.05 * k), 0.05 * k)
        if stop is not None:
            break
    assert stop is not None
    assert stop.reason is StopReason.FROZEN
    assert k * 0.05 <= 0.1501


def test_a_rover_at_rest_is_not_frozen():
    w = watch()
    for k in range(100):
        t = 0.05 * k
        m = replace(GOOD, time=t, pose_time=t, power_time=t, battery_time=t, speed=0.0, motion_power=0.0)
        assert w.check(m, t) is None


def test_a_frozen_gauge_is_seen_once_some_joules_are_missing():
    w, seen = watch(), None
    for k in range(100):
        t = 0.05 * k
        m = replace(GOOD, time=t, pose_time=t, power_time=t, battery_time=t, x=t, supply_power=85.0)
        seen = w.check(m, t)
        if seen is not None:
            break
    assert seen is not None
    assert seen.reason is StopReason.FROZEN
    assert "battery" in seen.detail
    assert 0.1 < t < 0.4  # 10 W short


def test_leaning():
    w = watch()
    assert w.check(replace(GOOD, roll=0.43), 10.0) is None
    assert w.check(replace(GOOD, roll=0.5), 10.0) is None  # for a moment
    late = replace(GOOD, roll=0.5, x=1.1, time=10.5, pose_time=10.5, power_time=10.5, battery_time=10.5)
    assert w.check(late, 10.5).reason is StopReason.TILT
    assert watch().check(replace(GOOD, roll=0.8, pitch=0.8), 10.0).reason is StopReason.TILT


@given(st.sampled_from(FIELDS), st.floats(allow_nan=True))
def test_no_value_makes_it_raise(name, value):
    stop = watch().check(replace(GOOD, **{name: value}), 10.0)
    assert math.isfinite(value) or stop is not None
