"""Trajectories against closed forms, an ODE solver and finite differences."""

from __future__ import annotations

import numpy as np
import plan_cases as cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from rover_energy.errors import InputError
from rover_energy.planning.trajectory import Trajectory


def test_straight_line_is_exact():
    trajectory = cases.straight(distance=4.0, seconds=20.0, start=(1.0, 2.0, np.pi / 6), ramp=5.0)
    t = np.array([0.0, 2.5, 5.0, 10.0, 20.0])
    way = np.array([0.0, 4.0 / 15.0 / 5.0 * 2.5**2 / 2, 4.0 / 15.0 * 2.5, 4.0 / 15.0 * 7.5, 4.0])
    state = trajectory.evaluate(t)
    np.testing.assert_allclose(state.x, 1.0 + way * np.cos(np.pi / 6), atol=1e-12)
    np.testing.assert_allclose(state.y, 2.0 + way * np.sin(np.pi / 6), atol=1e-12)
    assert trajectory.duration == 20.0


def test_circle_is_exact():
    rate, speed, radius = 0.7, 0.35, 0.5
    heading = [[0.2, rate], [0.2 + 3 * rate, rate]]
    trajectory = Trajectory("unicycle", [0, 0, 0.2], [3.0, 40.0], heading=heading, speed=[[speed], [speed]])
    t = np.linspace(0.0, 43.0, 997)
    state = trajectory.evaluate(t)
    np.testing.assert_allclose(state.x, radius * (np.sin(0.2 + rate * t) - np.sin(0.2)), atol=1e-11)
    np.testing.assert_allclose(state.y, radius * (np.cos(0.2) - np.cos(0.2 + rate * t)), atol=1e-11)
    np.testing.assert_allclose(state.curvature, 1.0 / radius, rtol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_position_agrees_with_an_ode_solver(seed):
    rng = np.random.default_rng(seed)
    heading = rng.normal(size=(4, 6)) * [2.0, 1.5, 0.5, 0.2, 0.05, 0.01]
    speed = rng.normal(size=(4, 5)) * [0.5, 0.3, 0.1, 0.03, 0.01]
    trajectory = Trajectory("unicycle", [1.0, -2.0, heading[0, 0]], [2.0, 0.5, 3.0, 1.0], heading=heading, speed=speed)
    pose = np.array([1.0, -2.0])
    for i, duration in enumerate(trajectory.durations):

        def velocity(t, _, i=i):
            angle, along = np.polyval(heading[i, ::-1], t), np.polyval(speed[i, ::-1], t)
            return [along * np.cos(angle), along * np.sin(angle)]

        times = [0.3 * duration, duration]
        part = solve_ivp(velocity, (0.0, duration), pose, method="DOP853", rtol=1e-12, atol=1e-13, t_eval=times)
        for t, x, y in zip(part.t, *part.y, strict=True):
            state = trajectory.evaluate_local(np.array([i]), np.array([t]))
            assert np.hypot(state.x[0] - x, state.y[0] - y) < 1e-9
        pose = part.y[:, -1]
    assert np.hypot(trajectory.end_pose[0] - pose[0], trajectory.end_pose[1] - pose[1]) < 1e-9


def central(trajectory, name, t, e=1e-5):
    return (getattr(trajectory.evaluate(t + e), name) - getattr(trajectory.evaluate(t - e), name)) / (2 * e)


@pytest.mark.parametrize("make", [cases.wander, lambda: cases.as_flat(cases.wander())])
def test_rates_are_the_derivatives(make):
    trajectory = make()
    t = np.linspace(0.33, trajectory.duration - 0.33, 40)  # no joint among them
    state = trajectory.evaluate(t)
    np.testing.assert_allclose(central(trajectory, "heading", t), state.heading_rate, atol=1e-7)
    np.testing.assert_allclose(central(trajectory, "heading_rate", t), state.heading_acceleration, atol=1e-6)
    np.testing.assert_allclose(central(trajectory, "speed", t), state.speed_rate, atol=1e-7)
    np.testing.assert_allclose(central(trajectory, "x", t), state.speed * np.cos(state.heading), atol=1e-7)
    np.testing.assert_allclose(central(trajectory, "y", t), state.speed * np.sin(state.heading), atol=1e-7)
    np.testing.assert_allclose(state.curvature, state.heading_rate / state.speed)


def test_flat_at_rest_takes_the_limits_of_its_direction():
    """v = t^2 (2 - t) (1, t): it rests at both ends, and its heading is atan t throughout."""
    velocity = np.polynomial.polynomial.polymul([0, 0, 2, -1], [1.0])
    turned = np.polynomial.polynomial.polymul([0, 0, 2, -1], [0.0, 1.0])
    x, y = (np.polynomial.polynomial.polyint(p) for p in (velocity, turned))
    trajectory = Trajectory("flat", [0, 0, 0], [2.0], x=[np.pad(x, (0, 1))], y=[y])
    t = np.array([0.0, 1e-6, 0.5, 1.0, 2.0 - 1e-6, 2.0])
    state = trajectory.evaluate(t)
    np.testing.assert_allclose(state.heading, np.arctan(t), atol=1e-12)
    np.testing.assert_allclose(state.heading_rate, 1 / (1 + t**2), atol=1e-12)
    np.testing.assert_allclose(state.heading_acceleration, -2 * t / (1 + t**2) ** 2, atol=1e-12)
    np.testing.assert_allclose(state.speed, t**2 * (2 - t) * np.sqrt(1 + t**2), atol=1e-12)


def test_flat_cusp_inside_a_piece_is_not_a_number():
    trajectory = Trajectory("flat", [0, 0, 0], [2.0], x=[[0.0, 1.0, -1.0, 1 / 3]], y=[[0.0]])  # speed (t - 1)^2
    state = trajectory.evaluate([0.5, 1.0])
    assert state.heading[0] == 0.0
    assert np.isnan(state.heading[1])


def test_flat_with_its_own_heading_shows_sideways_motion():
    trajectory = Trajectory("flat", [0, 0, np.pi / 2], [1.0], x=[[0.0, 0.3]], y=[[0.0, 0.4]], heading=[[np.pi / 2]])
    state = trajectory.evaluate(0.5)
    assert state.speed == pytest.approx(0.4)
    assert state.lateral_speed == pytest.approx(-0.3)
    assert state.x.shape == ()


def test_curvature_at_rest_is_its_limit():
    for power in (1, 2, 3):
        speed = np.eye(4)[power] * 0.5
        heading = np.concatenate([[0.3], 0.8 * speed / np.arange(1, 5)])
        trajectory = Trajectory("unicycle", [0, 0, 0.3], [2.0], heading=[heading], speed=[speed])
        np.testing.assert_allclose(trajectory.evaluate([0.0, 1e-4, 1.0]).curvature, 0.8, rtol=1e-9)


def test_turning_on_the_spot_has_infinite_curvature():
    trajectory = Trajectory("unicycle", [0, 0, 0], [2.0], heading=[[0.0, 0.0, 0.1]], speed=[[0.0]])
    assert np.all(np.isinf(trajectory.evaluate([0.0, 1.0]).curvature))


def test_times_outside_are_not_numbers():
    state = cases.straight().evaluate(np.array([-1e-3, -1e-12, 20.0 + 1e-12, 20.001, np.nan]))
    assert np.isnan(state.x).tolist() == [True, False, False, True, True]
    assert np.isnan(state.heading).tolist() == [True, False, False, True, True]
    assert np.isnan(state.speed).tolist() == [True, False, False, True, True]


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(0.2, 5.0), flat=st.booleans())
def test_stretching_keeps_the_path_and_scales_the_rates(factor, flat):
    trajectory = cases.as_flat(cases.wander()) if flat else cases.wander()
    slow = trajectory.stretched(factor)
    t = np.linspace(0.0, trajectory.duration, 60)
    a, b = trajectory.evaluate(t), slow.evaluate(np.minimum(t * factor, slow.duration))
    assert slow.duration == pytest.approx(factor * trajectory.duration)
    for name, power in (("x", 0), ("y", 0), ("heading", 0), ("speed", 1), ("heading_rate", 1), ("speed_rate", 2)):
        np.testing.assert_allclose(getattr(b, name) * factor**power, getattr(a, name), atol=1e-7, err_msg=name)


def test_both_sides_of_a_joint_can_be_seen():
    trajectory = cases.straight()
    left = trajectory.evaluate_local(np.array([0]), trajectory.durations[:1])
    right = trajectory.evaluate_local(np.array([1]), np.zeros(1))
    assert left.speed_rate[0] > 0.01
    assert right.speed_rate[0] == 0.0
    assert left.x[0] == pytest.approx(right.x[0], abs=1e-12)


GOOD = {"kind": "unicycle", "start": [0, 0, 0], "durations": [1.0], "heading": [[0.0]], "speed": [[1.0]]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "cubic"}, "kind"),
        ({"start": [0, 0]}, "start"),
        ({"start": [0, 0, np.nan]}, "start"),
        ({"durations": [0.0]}, "durations"),
        ({"durations": [-1.0]}, "durations"),
        ({"durations": []}, "durations"),
        ({"durations": [np.inf]}, "durations"),
        ({"heading": None}, "heading"),
        ({"heading": [[np.nan]]}, "heading"),
        ({"speed": [[1.0], [2.0]]}, "speed"),
        ({"speed": [1.0]}, "speed"),
        ({"speed": [["fast"]]}, "speed"),
        ({"x": [[0.0]]}, "x"),
        ({"kind": "flat", "heading": None, "speed": None, "x": [[0.0]]}, "y"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, field):
    with pytest.raises(InputError) as caught:
        Trajectory(**{**GOOD, **change})
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
def test_bad_stretch_is_refused(factor):
    with pytest.raises(InputError):
        cases.straight().stretched(factor)


def test_arrays_cannot_be_changed_from_outside():
    durations = np.array([1.0])
    trajectory = Trajectory(**{**GOOD, "durations": durations})
    durations[0] = 5.0
    assert trajectory.duration == 1.0
    with pytest.raises(ValueError, match="read-only"):
        trajectory.durations[0] = 2.0


def test_coefficients_beyond_integration_give_nan():
    """A heading that turns 10^9 times a second cannot be integrated; it must not look like a position."""
    trajectory = Trajectory("unicycle", [0, 0, 0], [10.0], heading=[[0.0, 1e9]], speed=[[1.0]])
    assert np.isnan(trajectory.end_pose[0])
