"""Whole drives of a rover with unknown soil: never above the limit, to the goal or to a stop with a reason."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from drive_cases import plan, world
from hypothesis import given, settings
from hypothesis import strategies as st
from rover_double import RADIUS, RoverDouble, Truth

from rover_energy.control import controller
from rover_energy.control.command import StopReason
from rover_energy.control.controller import Controller
from rover_energy.control.settings import ControlParameters, WatchParameters
from rover_energy.simulation.run import SensorNoise, drive_plan

NOISE = SensorNoise(0.005, 0.003, 0.003, 0.003, 0.2)
SHORT = 3.5  # [m]


def drive(truth=None, *, w=None, length=12.0, seed=0, noise=NOISE, **options):
    w = world() if w is None else w
    double = RoverDouble(w.surface, w.environment, w.rover, truth, seed)
    return drive_plan(plan(length=length), w, double, noise=noise, seed=seed, wheel_radius=RADIUS, **options)


def test_as_planned():
    record = drive()
    assert record.reached
    assert record.lost_time < 0.04
    assert record.windows_over == 0
    assert record.error_quantiles()[0] < 0.05
    assert record.motion_energy == pytest.approx(record.plan_energy, rel=0.02)
    assert record.ledger.closed


@pytest.mark.parametrize(("resistance", "mass", "slip"), list(product((0.8, 1.2), repeat=3)))
def test_a_cautious_governor_keeps_the_limit_in_every_corner_of_the_scatter_even_without_a_cap(resistance, mass, slip):
    p = ControlParameters()
    cautious = replace(p, governor=replace(p.governor, margin=0.8), estimator=replace(p.estimator, sigmas=2.0))
    record = drive(Truth(resistance, mass, slip, 1.0, resistance), length=SHORT, enforce_cap=False, control=cautious)
    assert record.reached
    assert record.windows_over == 0
    assert record.lost_time < 0.35


@settings(max_examples=4, deadline=None)
@given(
    st.tuples(*[st.floats(0.8, 1.2)] * 4), st.floats(0.0, 0.08), st.floats(0.05, 0.2), st.one_of(st.none(), st.floats(0.8, 1.4)),
    st.integers(0, 1000),
)  # fmt: skip
def test_with_the_cap_nothing_exceeds_it_not_even_on_rough_and_changing_ground(factors, roughness, lag, patch, seed):
    truth = Truth(*factors[:3], 1.0, factors[3], lag=lag, roughness=roughness, patch=patch, patch_at=1.8)
    record = drive(truth, length=SHORT, seed=seed)
    assert record.reached
    assert record.windows_over == 0
    assert np.all((record.rate >= 0.0) & (record.rate <= ControlParameters().governor.fastest))


def test_knowing_the_soil_is_worth_time():
    heavy = Truth(1.0, 1.0, 1.0)
    blind = ControlParameters(estimator=replace(ControlParameters().estimator, drift=0.0, roughness=50.0, meter_noise=500.0))
    assert drive(heavy, control=blind).lost_time > drive(heavy).lost_time + 0.04


def spoiled(change, at=10.0):
    return lambda m: change(m) if m.time >= at else m


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: replace(m, speed=math.nan), StopReason.INVALID),
        (lambda m: replace(m, x=math.inf), StopReason.INVALID),
        (lambda m: replace(m, supply_power=math.nan), StopReason.INVALID),
        (lambda m: replace(m, battery_energy=math.nan), StopReason.INVALID),
        (lambda m: replace(m, pose_time=10.0), StopReason.STALE),
        (lambda m: replace(m, power_time=10.0), StopReason.STALE),
        (lambda m: replace(m, battery_time=10.0), StopReason.STALE),
        (lambda m: replace(m, x=12.0, y=9.0, heading=0.5, speed=0.3), StopReason.OFF_TRACK),
        (lambda m: replace(m, x=-50.0), StopReason.OFF_MAP),
        (lambda m: replace(m, roll=1.2), StopReason.TILT),
    ],
)
def test_a_fault_stops_the_rover_at_once_and_for_good(change, reason):
    record = drive(noise=None, spoil=spoiled(change))
    assert record.stop.reason is reason
    assert not record.reached
    assert record.stop.time <= 10.0 + 0.15 + 0.05 + 1e-6
    assert record.speed[-1] < 0.02
    assert record.time[-1] < record.stop.time + 2.0
    assert record.windows_over == 0


def test_a_frozen_pose_stops_the_rover():
    kept = {}

    def freeze(m):
        kept.setdefault("pose", (m.x, m.y, m.heading))
        return replace(m, x=kept["pose"][0], y=kept["pose"][1], heading=kept["pose"][2])

    record = drive(noise=None, spoil=spoiled(freeze))
    assert record.stop.reason is StopReason.FROZEN
    assert record.stop.time <= 10.0 + 0.15 + 0.05 + 1e-6


def test_without_power_the_rover_stands_and_says_so():
    control = ControlParameters(watch=WatchParameters(stuck=3.0))
    record = drive(spoil=spoiled(lambda m: replace(m, supply_power=m.constant_power)), noise=None, control=control)
    assert record.stop.reason is StopReason.POWER
    assert record.speed[-1] < 0.02


def test_a_crawl_that_gets_nowhere_is_stuck_long_before_it_is_late():
    """0.6 W beyond the constant load: enough to creep, for hours."""
    w = world()
    supply = w.rover.loads.base_power + 0.6
    record = drive(spoil=lambda m: replace(m, supply_power=supply) if m.time >= 5.0 else m)
    assert record.stop.reason is StopReason.POWER
    assert record.stop.time < 5.0 + 2.5 * ControlParameters().watch.stuck


def test_what_the_raw_ground_forbids_is_not_begun():
    """A step across the path under one row of wheels leans the body too far; the smooth surface of the plan has none."""
    w = world()
    height = w.terrain.height.copy()
    y = w.terrain.y0 + w.terrain.cell * np.arange(height.shape[0])
    reference = Controller(plan(), w.surface, w.environment, w.rover, w.mission).reference
    middle = reference.at(0.5 * reference.duration)
    height[y > middle.y] += 0.8
    steep = replace(w.terrain, height=height)
    wheels = [(a, b) for a in (0.53, 0.0, -0.53) for b in (0.45, -0.45)]

    def begun(terrain):
        return Controller(plan(), w.surface, w.environment, w.rover, w.mission, terrain=terrain, wheels=wheels)

    assert begun(w.terrain).foreseen is None
    stop = begun(steep).foreseen
    assert stop.reason is StopReason.TILT
    assert stop.foreseen


def test_a_battery_too_low_for_the_drive_stops_before_its_floor():
    w = world(use_battery=True, generator=20.0, state_of_charge=0.16)
    t = plan(use_battery=True, generator=20.0, state_of_charge=0.16)
    # Base load that nobody planned: the generator and array no longer carry it.
    record = drive_plan(
        t, w, RoverDouble(w.surface, w.environment, w.rover, Truth(1.2, 1.2, 1.2)), noise=NOISE,
        spoil=lambda m: replace(m, constant_power=m.constant_power + 60.0),
    )  # fmt: skip
    assert record.stop.reason is StopReason.ENERGY
    assert "missing" in record.stop.detail
    assert record.least_battery_margin > 0.0


def test_the_floor_holds_with_a_thin_store():
    w = world(use_battery=True, generator=55.0, state_of_charge=0.1512)
    t = plan(use_battery=True, generator=55.0, state_of_charge=0.1512)
    record = drive_plan(t, w, RoverDouble(w.surface, w.environment, w.rover, Truth(1.15, 1.1, 1.0)), noise=NOISE)
    assert record.least_battery_margin >= -1e-9
    assert record.windows_over == 0
    assert record.reached


def test_same_seed_same_drive():
    first, second = (drive(Truth(1.1), length=SHORT, seed=3) for _ in range(2))
    assert all(np.array_equal(first.columns[name], second.columns[name]) for name in first.columns)


def test_a_drive_much_slower_than_planned_is_given_up(monkeypatch):
    monkeypatch.setattr(controller, "GRACE", 0.0)
    record = drive(Truth(1.2), control=ControlParameters(watch=WatchParameters(lateness=1.0)), length=SHORT)
    assert record.stop.reason is StopReason.TIMEOUT
    assert record.speed[-1] < 0.02
