"""Estimation of soil, mass and slip: truth recovered, bounds kept, rubbish left out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover_energy.control.command import Measurement
from rover_energy.control.estimator import Estimator
from rover_energy.control.load import LoadModel
from rover_energy.control.reference import Point
from rover_energy.control.settings import EstimatorParameters
from rover_energy.rover import RoverParameters

ROVER = RoverParameters()


def measurement(t, speed=0.3, power=60.0, yaw_rate=0.0, wheel=math.nan):
    return Measurement(t, t, t, t, 0.0, 0.0, 0.0, speed, yaw_rate, wheel, power, 55.0, 120.0, 0.0, 1e5)


def ground(grade=0.0, slip=0.05, resistance=80.0):
    return Point(*([0.0] * 8), grade, resistance, slip, 0.0, 0.0, 0.0, 0.0)


def drive(estimator, mass=1.0, resistance=1.0, slip=1.0, seconds=60.0, noise=0.0, seed=0, hilly=True):
    """Speed and slope that vary; the power is exactly that of the model with factors, plus noise of all readings."""
    rng, model, dt = np.random.default_rng(seed), LoadModel.of(ROVER), 0.05
    t = np.arange(0.0, seconds, dt)
    speed = 0.3 + 0.1 * np.sin(0.5 * t)
    rate = 0.05 * np.cos(0.5 * t)
    slope = 0.08 * np.sin(0.3 * t) if hilly else 0.0 * t
    power = 0.0
    for k in range(t.size):
        modelled = 0.05 * math.exp(10.0 * slope[k])
        true = slip * modelled
        fm, fr, ft = model.features(speed[k], rate[k], 1.62 * math.sin(slope[k]), 80.0, true, 0.0, 0.0)
        before, power = power, mass * fm + resistance * fr + ft
        e = noise * rng.normal(size=3)
        mean = 0.5 * (before + power) if k else power
        read = measurement(t[k], speed[k] + 0.003 * e[0], mean + 0.5 * e[1], 0.0, speed[k] / (1.0 - true) + 0.003 * e[2])
        estimator.update(read, ground(1.62 * math.sin(slope[k]), modelled))


@pytest.mark.parametrize(("mass", "resistance", "slip"), [(1.2, 0.8, 1.2), (0.8, 1.2, 0.8), (1.0, 1.0, 1.0), (1.2, 1.2, 1.0)])
def test_factors_are_found(mass, resistance, slip):
    estimator = Estimator(ROVER, EstimatorParameters())
    drive(estimator, mass, resistance, slip, noise=1.0)
    found = estimator.estimate
    assert found.factors[0] == pytest.approx(mass, abs=0.05)
    assert found.factors[1] == pytest.approx(resistance, abs=0.02)
    # An offset of slip cannot be told from its factor where the slope varies little: their sum counts.
    assert found.slip(0.1) == pytest.approx(0.1 * slip, abs=0.012)
    assert found.covariance[3] < 0.02**2


def test_the_true_power_lies_within_the_region_from_the_first_block_on():
    model = LoadModel.of(ROVER)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mass, resistance = rng.uniform(0.8, 1.2, 2)
        estimator = Estimator(ROVER, EstimatorParameters(sigmas=3.0))
        drive(estimator, mass, resistance, seconds=4.0 + seed, noise=1.0, seed=seed)
        fm, fr, ft = model.features(0.4, 0.0, 0.1, 80.0, 0.05, 0.0, 0.0)
        assert estimator.estimate.worst((fm, fr, ft)) >= mass * fm + resistance * fr + ft


def test_on_level_ground_the_mass_stays_less_known_than_the_resistance():
    estimator = Estimator(ROVER, EstimatorParameters())
    drive(estimator, resistance=1.1, hilly=False, noise=1.0, seconds=30.0)
    estimate = estimator.estimate
    assert estimate.covariance[0] > 4.0 * estimate.covariance[3]
    assert estimate.factors[1] == pytest.approx(1.1, abs=0.03)


def test_rough_ground_widens_the_region():
    spread = []
    for noise in (1.0, 8.0):
        estimator = Estimator(ROVER, EstimatorParameters())
        drive(estimator, noise=noise)
        spread.append(estimator.estimate.covariance[3])
    assert spread[1] > 2.0 * spread[0]


def test_a_gap_and_a_missing_reading_do_not_count_as_driving():
    estimator = Estimator(ROVER, EstimatorParameters())
    for k in range(100):
        power = math.nan if k % 5 == 0 else 60.0
        estimator.update(measurement(0.05 * k, power=power), ground())
    assert estimator.blocks == 0
    for k in range(10):
        estimator.update(measurement(10.0 + 2.0 * k), ground())
    assert estimator.blocks == 0


def test_standing_still_teaches_nothing():
    estimator = Estimator(ROVER, EstimatorParameters())
    for k in range(200):
        estimator.update(measurement(0.05 * k, speed=0.0, power=3.0), ground())
    assert estimator.estimate.factors == (1.0, 1.0, 1.0)


anything = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(anything, st.floats(-10.0, 1e4), anything, anything), min_size=1, max_size=60))
def test_whatever_is_read_the_estimate_stays_finite_and_bounded(readings):
    estimator = Estimator(ROVER, EstimatorParameters())
    for k, (speed, power, yaw_rate, wheel) in enumerate(readings):
        speed = min(max(speed, -5.0), 5.0) if math.isfinite(speed) else speed
        yaw_rate = min(max(yaw_rate, -5.0), 5.0) if math.isfinite(yaw_rate) else yaw_rate
        wheel = min(max(wheel, -9.0), 9.0) if math.isfinite(wheel) else wheel
        estimator.update(measurement(0.1 * k, speed, power, yaw_rate, wheel), ground(grade=0.1))
    e = estimator.estimate
    assert all(1.0 / 3.0 <= f <= 3.0 for f in e.factors)
    mm, mr, mt, rr, rt, tt = e.covariance
    c = np.array([[mm, mr, mt], [mr, rr, rt], [mt, rt, tt]])
    assert np.all(np.isfinite(c))
    assert np.linalg.eigvalsh(c).min() >= -1e-9
    assert 0.0 <= e.slip(0.1) <= e.worst_slip(0.1) <= 0.95
    assert math.isfinite(float(e.worst((10.0, 40.0, 1.0))))


def test_departures_of_the_efficiency_move_all_bounds():
    estimate = Estimator(ROVER, replace(EstimatorParameters(), efficiency=0.2, sigmas=6.0)).estimate
    assert estimate.high == pytest.approx((1.5, 1.5, 1.5))
