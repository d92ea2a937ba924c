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


def test_an_old_pose_read_again_is_stale_not_frozen():
    w, t = watch(), 0.0
    while (stop := w.check(replace(GOOD, time=t, pose_time=0.0, power_time=t, battery_time=t), t)) is None:
        t += 0.02
    assert stop.reason is StopReason.STALE


def test_a_rover_at_rest_is_not_frozen():
    w = watch()
    for k in range(100):
        t = 0.05 * k
        m = replace(GOOD, time=t, pose_time=t, power_time=t, battery_time=t, speed=0.0, motion_power=0.0)
        assert w.check(m, t) is None


def gauge(readings, period=0.04, **powers):
    """Reason and time of the stop while the battery's gauge reads this, one reading per period; None when there is none."""
    w = watch()
    for k, energy in enumerate(readings):
        t = period * k
        m = replace(GOOD, time=t, pose_time=t, power_time=t, battery_time=t, x=t, battery_energy=energy, **powers)
        stop = w.check(m, t)
        if stop is not None:
            return stop.reason, t, stop.detail
    return None


def falling(watts, count, period=0.04, step=0.0):
    """A gauge that falls by so many watts, in steps of its resolution [J]."""
    exact = [5e4 - watts * period * k for k in range(count)]
    return [e if step == 0.0 else step * math.floor(e / step) for e in exact]


@pytest.mark.parametrize("watts", [2.0, 10.0, 100.0])
@pytest.mark.parametrize("way", ["drawn", "metered out", "metered in"])
def test_a_gauge_that_freezes_is_seen_within_two_periods_and_50_ms(watts, way):
    metered = {"metered out": watts, "metered in": -watts}.get(way)
    powers = {"constant_power": 55.0 + watts} if metered is None else {"battery_power": metered}
    readings = falling(watts, 20)
    reason, t, detail = gauge(readings + [readings[-1]] * 20, supply_power=95.0, **powers)
    assert reason is StopReason.FROZEN
    assert "battery" in detail
    assert 0.0 < t - 20 * 0.04 <= 2 * 0.04 + 0.05


def test_a_fine_gauge_is_known_as_one_after_a_few_readings_at_high_power():
    """Its changes are large then, but differ by little; when it freezes at 10 W, 1 J would take too long."""
    energy, readings = 5e4, []
    for k in range(20):
        readings.append(energy)
        energy -= 0.04 * (100.0 + math.sin(k))
    assert gauge(readings + [readings[-1]] * 20, battery_power=10.0)[1] <= 20 * 0.04 + 2 * 0.04 + 0.05


def test_a_gauge_that_never_moves_is_seen_by_what_a_coarse_one_would_have_shown():
    reason, t, _ = gauge([5e4] * 100, supply_power=84.0)
    assert reason is StopReason.FROZEN
    assert 0.19 < t < 0.25, "two steps of 1 J at 11 W less the meters' error"


@pytest.mark.parametrize("step", [0.0, 1.0 / 32.0, 0.1, 1.0])
@pytest.mark.parametrize("watts", [0.0, 0.5, 3.0, 30.0, 100.0])
def test_a_good_gauge_of_any_resolution_is_trusted(step, watts):
    powers = {"supply_power": 95.0, "constant_power": 55.0 + watts, "battery_power": watts}
    assert gauge(falling(watts, 3000, step=step), **powers) is None


def test_nothing_flows_and_nothing_changes():
    assert gauge([5e4] * 500, supply_power=95.0, battery_power=0.0) is None
    assert gauge([5e4] * 500, supply_power=110.0, battery_power=0.0) is None, "full: the surplus is shunted"
    assert gauge([5e4] * 500, supply_power=90.0, battery_limit=0.0) is None, "the loads are about to be shed"


def test_an_old_message_read_again_is_not_a_frozen_gauge():
    """The drive may look twice before the bus speaks again; that is stale when it lasts, by its stamp."""
    w = watch()
    for k in range(40):
        t, spoken = 0.04 * k, 0.12 * (k // 3)
        m = replace(GOOD, time=t, pose_time=t, power_time=spoken, battery_time=spoken, x=t, battery_energy=5e4 - 20.0 * spoken)
        assert w.check(replace(m, supply_power=75.0), t) is None


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
