"""The true rover: nominal it is the demand model, and each factor does what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation_cases import GRAVITY, ROVER

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import drive_power, resistance_force, slip, total_power, turn_power
from rover_energy.locomotion.soil import traction
from rover_energy.parameters import from_mapping
from rover_energy.rover import RoverParameters
from rover_energy.simulation.soil import Motion, SoilScatter, TrueRover

LOCOMOTION = ROVER.locomotion
BEKKER = from_mapping(RoverParameters, {"locomotion": {"resistance": {"model": "bekker"}}}, "test").locomotion


@pytest.mark.parametrize("locomotion", [LOCOMOTION, BEKKER], ids=["polynomial", "bekker"])
@given(st.floats(0.0, 0.5), st.floats(-0.2, 0.2), st.floats(-0.3, 0.3), st.floats(-0.2, 0.2), st.floats(-0.3, 0.3))
def test_nominal_power_is_the_demand_model(
    locomotion: object, speed: float, acceleration: float, yaw_rate: float, yaw_acceleration: float, slope: float
) -> None:
    true = TrueRover(locomotion, SoilScatter(), GRAVITY)  # type: ignore[arg-type]
    wanted = total_power(
        locomotion, speed=speed, acceleration=acceleration, yaw_rate=yaw_rate, yaw_acceleration=yaw_acceleration,  # type: ignore[arg-type]
        along_slope=slope, tilt=abs(slope), gravity=GRAVITY,
    )  # fmt: skip
    power = true.motor_power(Motion(speed, acceleration, yaw_rate, yaw_acceleration), slope, abs(slope), 0.0, 0.0)
    assert power == pytest.approx(float(wanted.total_power), rel=1e-12, abs=1e-12)


def test_backward_is_forward_on_the_opposite_slope() -> None:
    true = TrueRover(LOCOMOTION, SoilScatter(), GRAVITY)
    back = true.motor_power(Motion(-0.2, -0.05, 0.0, 0.0), 0.1, 0.1, 0.0, 0.0)
    assert back == pytest.approx(true.motor_power(Motion(0.2, 0.05, 0.0, 0.0), -0.1, 0.1, 0.0, 0.0))


def test_factors() -> None:
    scatter = SoilScatter(resistance=1.2, slip=0.5, mass=0.9, efficiency=1.1)
    true = TrueRover(LOCOMOTION, scatter, GRAVITY)
    nominal = float(resistance_force(LOCOMOTION, speed=0.1, tilt=0.0, gravity=GRAVITY))
    assert true.resistance(0.1, 0.0, 3.0, 4.0) == pytest.approx(1.2 * nominal)
    assert true.slip(0.1) == pytest.approx(0.5 * float(slip(LOCOMOTION.slip, 0.1)))
    assert (true.locomotion.mass, true.locomotion.yaw_inertia) == pytest.approx((180.0, 27.0))
    assert true.efficiency == pytest.approx(0.66)
    turn = float(turn_power(LOCOMOTION, yaw_rate=0.1, yaw_acceleration=0.0))
    assert true.motor_power(Motion(0.0, 0.0, 0.1, 0.0), 0.0, 0.0, 0.0, 0.0) == pytest.approx(turn * 1.2 / 1.1)
    drive = float(drive_power(LOCOMOTION, speed=0.1, acceleration=0.0, along_slope=0.0, tilt=0.0, gravity=GRAVITY))
    slower = (1.0 - 0.05) / (1.0 - 0.025)
    assert true.motor_power(Motion(0.1, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0) == pytest.approx(drive * 1.2 / 1.1 * slower)


def test_efficiency_and_slip_stay_physical() -> None:
    true = TrueRover(LOCOMOTION, SoilScatter(slip=10.0, efficiency=2.0), GRAVITY)
    assert true.efficiency == 1.0
    assert true.slip(0.6) < 1.0


def test_slip_per_pull_is_the_slope_of_the_traction_law() -> None:
    """Against a finite difference of the law itself, with the cohesion that the formula leaves out set to zero."""
    locomotion = from_mapping(RoverParameters, {"locomotion": {"resistance": {"soil": {"cohesion": 0.0}}}}, "test").locomotion
    soil, wheel = locomotion.resistance.soil, locomotion.resistance.wheel
    load = locomotion.mass * GRAVITY / wheel.count
    step = 1e-4
    pull = float(traction(soil, wheel, load, step)) / load
    assert TrueRover(locomotion, SoilScatter(), GRAVITY).slip_per_pull() == pytest.approx(step / pull, rel=1e-3)


def test_random_factors_are_uniform_and_repeatable() -> None:
    drawn = [SoilScatter.random(seed) for seed in range(400)]
    assert drawn[7] == SoilScatter.random(7)
    values = np.array([[s.resistance, s.slip, s.mass, s.efficiency] for s in drawn])
    assert values.min() >= 0.8
    assert values.max() <= 1.2
    np.testing.assert_allclose(values.mean(axis=0), 1.0, atol=0.02)
    np.testing.assert_allclose(values.std(axis=0), 0.4 / math.sqrt(12.0), atol=0.01)
    assert np.max(np.abs(np.corrcoef(values.T) - np.eye(4))) < 0.2


def test_patches_have_the_spread_and_length_asked_for() -> None:
    scatter = SoilScatter(patchiness=0.1, patch_length=2.0)
    here, there, near = [], [], []
    for seed in range(300):
        true = TrueRover(LOCOMOTION, scatter, GRAVITY, seed)
        here.append(true.local_factor(3.0, 4.0))
        near.append(true.local_factor(3.2, 4.0))
        there.append(true.local_factor(23.0, 4.0))
    assert np.mean(here) == pytest.approx(1.0, abs=0.02)
    assert np.std(here) == pytest.approx(0.1, rel=0.2)
    assert np.corrcoef(here, near)[0, 1] > 0.97
    assert abs(np.corrcoef(here, there)[0, 1]) < 0.2
    assert max(here) <= 1.2


@pytest.mark.parametrize("spread", [-0.1, 0.95, math.nan])
def test_spread_out_of_range_is_refused(spread: float) -> None:
    with pytest.raises(InputError, match="spread"):
        SoilScatter.random(0, spread)
