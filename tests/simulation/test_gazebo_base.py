"""Motors and meter around Gazebo: against the demand model, which knows neither wheels nor joints."""

from __future__ import annotations

import math

import numpy as np
import pytest
from simulation_cases import GRAVITY, ROVER

from rover_energy.simulation.body import BodyState, standing_rotation
from rover_energy.simulation.gazebo_base import GazeboBase, Joints, motion_between
from rover_energy.simulation.geometry import rover_geometry
from rover_energy.simulation.kinematics import rolling_speeds, steering_angles
from rover_energy.simulation.protocol import STOP, Command
from rover_energy.simulation.soil import Motion, SoilScatter, TrueRover

G = rover_geometry(ROVER, gravity=GRAVITY)
WINDOW = 0.02
STRAIGHT = np.zeros(4)


def base(**soil: float) -> GazeboBase:
    return GazeboBase(G, TrueRover(ROVER.locomotion, SoilScatter(**soil), GRAVITY))


def steady(part: GazeboBase, joints: Joints, state: BodyState) -> float:
    """Power after the average has settled [W]."""
    return [part.meter(joints, state, WINDOW).power for _ in range(100)][-1]


@pytest.mark.parametrize("degrees", [0.0, 8.0])
@pytest.mark.parametrize("speed", [0.1, 0.4])
def test_straight_drives_cost_what_the_demand_model_says(speed: float, degrees: float) -> None:
    """Gazebo's wheels feel gravity alone; resistance and slip are the meter's part."""
    slope = math.radians(degrees)
    rotation = standing_rotation(math.tan(slope), 0.0, 0.0)
    state = BodyState(0.0, 0.0, 0.0, rotation, speed, 0.0)
    pull = ROVER.locomotion.mass * GRAVITY * math.sin(slope) * G.wheel_radius / 6.0
    joints = Joints(np.full(6, speed / G.wheel_radius), np.full(6, pull), STRAIGHT)
    part = base()
    wanted = part.truth.motor_power(Motion(speed, 0.0, 0.0, 0.0), slope, slope, 0.0, 0.0)
    assert steady(part, joints, state) == pytest.approx(wanted, rel=1e-6)


def test_turns_on_the_spot_cost_the_turn_moment() -> None:
    yaw_rate = 0.2
    angles = steering_angles(G, 0.0, yaw_rate)
    wheels = rolling_speeds(G, 0.0, yaw_rate, angles) / G.wheel_radius
    state = BodyState(0.0, 0.0, 0.0, np.eye(3), 0.0, yaw_rate)
    part = base()
    wanted = part.truth.motor_power(Motion(0.0, 0.0, yaw_rate, 0.0), 0.0, 0.0, 0.0, 0.0)
    assert steady(part, Joints(wheels, np.zeros(6), angles), state) == pytest.approx(wanted, rel=1e-6)


def test_wheels_that_fight_each_other_draw_nothing_for_it() -> None:
    state = BodyState(0.0, 0.0, 0.0, np.eye(3), 0.3, 0.0)
    wheels = np.full(6, 0.3 / G.wheel_radius)
    fight = np.array([6.0, -6.0, 5.0, -5.0, 4.0, -4.0])
    assert steady(base(), Joints(wheels, fight, STRAIGHT), state) == pytest.approx(
        steady(base(), Joints(wheels, np.zeros(6), STRAIGHT), state)
    )


def test_downhill_nothing_flows_back() -> None:
    state = BodyState(0.0, 0.0, 0.0, np.eye(3), 0.3, 0.0)
    assert steady(base(), Joints(np.full(6, 2.0), np.full(6, -9.0), STRAIGHT), state) == 0.0


def test_a_missing_measurement_is_not_a_power() -> None:
    state = BodyState(0.0, 0.0, 0.0, np.eye(3), 0.3, 0.0)
    for torques, speeds in ((np.full(6, math.nan), np.full(6, 2.0)), (np.zeros(6), np.full(6, math.nan))):
        assert math.isnan(base().meter(Joints(speeds, torques, STRAIGHT), state, WINDOW).power)


def test_wheels_ramp_to_the_command_and_turn_slower_by_the_slip() -> None:
    part = base()
    for _ in range(200):
        wheels, angles = part.targets(Command(0.3, 0.0), STRAIGHT, WINDOW)
    part.meter(Joints(wheels, np.zeros(6), STRAIGHT), BodyState(0.0, 0.0, 0.0, np.eye(3), 0.3, 0.0), WINDOW)
    wheels, angles = part.targets(Command(0.3, 0.0), STRAIGHT, WINDOW)
    np.testing.assert_allclose(wheels, 0.3 / G.wheel_radius * (1.0 - part.truth.slip(0.0)))
    np.testing.assert_array_equal(angles, STRAIGHT)
    first, _ = base().targets(Command(0.3, 0.0), STRAIGHT, WINDOW)
    np.testing.assert_allclose(first, G.parameters.drive_ramp * WINDOW / G.wheel_radius)


def test_wheels_wait_for_the_corners() -> None:
    wheels, angles = base().targets(Command(0.0, 0.2), STRAIGHT, WINDOW)
    np.testing.assert_array_equal(wheels, np.zeros(6))
    np.testing.assert_allclose(angles, steering_angles(G, 0.0, 0.2))


@pytest.mark.parametrize("cap", [0.0, 5.0, 20.0])
def test_a_cap_slows_the_wheels_until_the_next_window_fits(cap: float) -> None:
    """The plant is the meter itself: wheels do as told, and the same resistance meets them."""
    part, speed = base(), 0.4
    part._rim[:] = speed
    wheels = np.full(6, speed / G.wheel_radius)
    for _ in range(300):
        state = BodyState(0.0, 0.0, 0.0, np.eye(3), float(wheels[0]) * G.wheel_radius, 0.0)
        power = part.meter(Joints(wheels, np.zeros(6), STRAIGHT), state, WINDOW).power
        wheels, _ = part.targets(Command(speed, 0.0, cap), STRAIGHT, WINDOW)
    assert power <= cap * (1.0 + 1e-6)
    if cap > 0.0:
        assert power > 0.5 * cap


def test_rest_is_rest() -> None:
    part = base()
    wheels, _ = part.targets(STOP, STRAIGHT, WINDOW)
    np.testing.assert_array_equal(wheels, np.zeros(6))
    still = BodyState(0.0, 0.0, 0.0, np.eye(3), 0.0, 0.0)
    assert part.meter(Joints(np.zeros(6), np.full(6, 3.0), STRAIGHT), still, WINDOW).power == 0.0


def test_motion_between_poses_of_a_circle() -> None:
    """A circle of radius 5 m at 0.5 m/s, on a slope across the heading."""
    radius, speed = 5.0, 0.5
    rate = speed / radius

    def pose(t: float) -> BodyState:
        a = rate * t
        rotation = standing_rotation(0.0, 0.0, a + math.pi / 2.0)
        return BodyState(radius * math.cos(a), radius * math.sin(a), 0.0, rotation, math.nan, math.nan)

    found = motion_between(pose(3.0), pose(3.02), 0.02)
    assert found.speed == pytest.approx(speed, rel=1e-5)
    assert found.yaw_rate == pytest.approx(rate, rel=1e-6)
