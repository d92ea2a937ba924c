"""The demand in three parts against `locomotion.demand`, and its worst case against sampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rover_energy.control.estimator import Estimator
from rover_energy.control.load import LoadModel
from rover_energy.control.settings import EstimatorParameters
from rover_energy.locomotion.demand import resistance_force, slip, total_power
from rover_energy.rover import RoverParameters


@pytest.mark.parametrize("c", [(80.0, 0.0, 0.0), (60.0, 30.0, 12.0)])
def test_parts_add_up_to_the_demand(c):
    rng = np.random.default_rng(1)
    rover = RoverParameters()
    resistance = replace(rover.locomotion.resistance, c0=c[0], c1=c[1], c2=c[2])
    rover = replace(rover, locomotion=replace(rover.locomotion, resistance=resistance))
    speed, acceleration, slope = rng.uniform(0.0, 0.5, 300), rng.uniform(-0.1, 0.1, 300), rng.uniform(-0.25, 0.25, 300)
    yaw_rate, spin = rng.uniform(-0.3, 0.3, 300), rng.uniform(-0.1, 0.1, 300)
    wanted = total_power(
        rover.locomotion, speed=speed, acceleration=acceleration, yaw_rate=yaw_rate, yaw_acceleration=spin, along_slope=slope,
        tilt=np.abs(slope), gravity=1.62,
    ).total_power  # fmt: skip
    at_rest = resistance_force(rover.locomotion, speed=0.0, tilt=np.abs(slope), gravity=1.62)
    features = LoadModel.of(rover).features(
        speed, acceleration, 1.62 * np.sin(slope), at_rest, slip(rover.locomotion.slip, slope), yaw_rate,
        np.maximum(0.0, yaw_rate * spin),
    )  # fmt: skip
    estimate = Estimator(rover, EstimatorParameters()).estimate
    np.testing.assert_allclose(estimate.expected(features), wanted, rtol=1e-12, atol=1e-9)


def test_worst_before_the_drive_is_the_corner_of_the_bounds():
    estimate = Estimator(RoverParameters(), EstimatorParameters(sigmas=6.0)).estimate
    assert estimate.worst((10.0, 40.0, 2.0)) == pytest.approx(1.2 * 52.0)
    assert estimate.worst((-10.0, 40.0, 2.0)) == pytest.approx(-0.8 * 10.0 + 1.2 * 42.0)
    assert estimate.worst_slip(0.1) == pytest.approx(0.12)


def test_worst_bounds_every_member_of_the_confidence_region():
    rng = np.random.default_rng(2)
    root = rng.normal(size=(3, 3)) * 0.03
    c = root @ root.T
    base = Estimator(RoverParameters(), EstimatorParameters()).estimate
    upper = (c[0, 0], c[0, 1], c[0, 2], c[1, 1], c[1, 2], c[2, 2])
    estimate = replace(base, factors=(0.95, 1.02, 1.1), covariance=upper, low=(0.1,) * 3, high=(9.0,) * 3, sigmas=2.0)
    directions = rng.normal(size=(20000, 3))
    directions *= 2.0 / np.linalg.norm(directions, axis=1)[:, None]
    members = np.array(estimate.factors) + directions @ np.linalg.cholesky(c).T
    for features in ((12.0, 45.0, 3.0), (-20.0, 45.0, 0.0), (30.0, 20.0, 8.0)):
        powers = members @ np.array(features)
        assert powers.max() <= estimate.worst(features) + 1e-9
        assert powers.max() >= estimate.worst(features) - 0.02 * abs(powers).max()
