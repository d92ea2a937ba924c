"""Wheels and body agree: no wheel slides sideways, and the body's motion comes back from the wheels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from simulation_cases import GRAVITY, ROVER

from rover_energy.simulation.geometry import CORNER_INDEX, rover_geometry
from rover_energy.simulation.kinematics import alignment, body_motion, feasible_motion, rolling_speeds, steering_angles

GEOMETRY = rover_geometry(ROVER, gravity=GRAVITY)
SPEEDS = st.floats(-0.5, 0.5).filter(lambda v: v == 0.0 or abs(v) > 1e-4)
RATES = st.floats(-0.5, 0.5).filter(lambda w: w == 0.0 or abs(w) > 1e-4)


@example(-0.0, 0.0)
@given(SPEEDS, RATES)
def test_round_trip_and_no_sliding(speed: float, yaw_rate: float) -> None:
    speed, yaw_rate = feasible_motion(GEOMETRY, speed, yaw_rate)
    angles = steering_angles(GEOMETRY, speed, yaw_rate)
    assert np.all(np.abs(angles) <= GEOMETRY.parameters.steering_range + 1e-9)
    corners = GEOMETRY.positions[CORNER_INDEX]
    velocity = np.stack([speed - yaw_rate * corners[:, 1], yaw_rate * corners[:, 0]], axis=1)
    across = -velocity[:, 0] * np.sin(angles) + velocity[:, 1] * np.cos(angles)
    np.testing.assert_allclose(across, 0.0, atol=1e-12)
    rim = rolling_speeds(GEOMETRY, speed, yaw_rate, angles)
    np.testing.assert_allclose(np.abs(rim[CORNER_INDEX]), np.linalg.norm(velocity, axis=1), atol=1e-12)
    assert body_motion(GEOMETRY, rim, angles) == pytest.approx((speed, yaw_rate), abs=1e-12)


@given(SPEEDS, RATES)
def test_feasible_motion_keeps_what_is_feasible(speed: float, yaw_rate: float) -> None:
    once = feasible_motion(GEOMETRY, speed, yaw_rate)
    assert feasible_motion(GEOMETRY, *once) == pytest.approx(once)
    if abs(speed) >= GEOMETRY.tightest_turn * abs(yaw_rate):
        assert once == (speed, yaw_rate)
    assert abs(once[0]) <= abs(speed)
    assert abs(once[1]) <= abs(yaw_rate)


def test_body_motion_is_the_least_squares_solution() -> None:
    random = np.random.default_rng(5)
    angles, rim = random.uniform(-0.9, 0.9, 4), random.normal(0.0, 0.2, 6)
    full = np.zeros(6)
    full[CORNER_INDEX] = angles
    rows, right = [], []
    for (x, y), angle, speed in zip(GEOMETRY.positions, full, rim, strict=True):
        rows += [[math.cos(angle), x * math.sin(angle) - y * math.cos(angle)],
                 [-math.sin(angle), x * math.cos(angle) + y * math.sin(angle)]]  # fmt: skip
        right += [speed, 0.0]
    wanted = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    assert body_motion(GEOMETRY, rim, angles) == pytest.approx(tuple(wanted))


def test_left_turn_steers_left_and_turns_the_right_wheels_faster() -> None:
    angles = steering_angles(GEOMETRY, 0.1, 0.05)
    assert np.all(angles[:2] > 0.0)
    assert np.all(angles[2:] < 0.0)
    rim = rolling_speeds(GEOMETRY, 0.1, 0.05, angles)
    assert np.all(rim[1::2] > rim[0::2])


def test_wheels_wait_for_the_corners() -> None:
    assert [alignment(error) for error in (0.0, 0.1, 0.25, 0.4, 2.0)] == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
