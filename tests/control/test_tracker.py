"""Path following: the gains against a Riccati solver, convergence on curves, limits, rest."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drive_cases import plan, world
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_continuous_are

from rover_energy.control.reference import FIELDS, ROW, Reference
from rover_energy.control.settings import TrackerParameters
from rover_energy.control.tracker import Tracker, TrackingError


@pytest.fixture(scope="module")
def reference():
    w = world()
    return Reference.sample(plan(), w.surface, w.environment, w.rover, w.mission)


@pytest.fixture
def tracker(reference):
    return Tracker(reference, world().rover, TrackerParameters())


@pytest.mark.parametrize("length", [0.4, 0.7, 2.0])
def test_gains_solve_the_riccati_equation(reference, length):
    tracker = Tracker(reference, world().rover, TrackerParameters(length=length, correction=1e9))
    a, b = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0], [1.0]])
    weight, cost = np.diag([1.0 / length**2, 0.0]), np.array([[length**2]])
    gain = (b.T @ solve_continuous_are(a, b, weight, cost)) / cost
    tiny = 1e-6
    across = tracker.turn(0.1, 0.0, TrackingError(0.0, tiny, 0.0)) / (0.1 * tiny)
    turned = tracker.turn(0.1, 0.0, TrackingError(0.0, 0.0, tiny)) / (0.1 * tiny)
    np.testing.assert_allclose([-across, -turned], gain[0], rtol=1e-6)


def test_errors_are_those_of_the_reference_frame(tracker, reference):
    p = reference.at(20.0)
    ahead = (p.x + 0.3 * math.cos(p.heading), p.y + 0.3 * math.sin(p.heading), p.heading + 0.1 + 2 * math.pi)
    error, _ = tracker.error(20.0, ahead)
    assert (error.along, error.lateral, error.heading) == pytest.approx((0.3, 0.0, 0.1))
    left = (p.x - 0.2 * math.sin(p.heading), p.y + 0.2 * math.cos(p.heading), p.heading)
    assert tracker.error(20.0, left)[0].lateral == pytest.approx(0.2)


@pytest.mark.parametrize(("lateral", "heading"), [(0.2, 0.0), (-0.2, 0.3), (0.0, -0.4)])
@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_an_ideal_rover_converges_within_a_few_lengths(reference, lateral, heading, rate):
    tracker = Tracker(reference, world().rover, TrackerParameters(preview=0.0))
    t, dt = 8.0, 0.02
    p = reference.at(t)
    x, y, theta = p.x - lateral * math.sin(p.heading), p.y + lateral * math.cos(p.heading), p.heading + heading
    began = p.arc
    while reference.at(t).arc < began + 4.0:
        command, error = tracker.command(t, (x, y, theta), rate)
        x, y = x + command.speed * math.cos(theta) * dt, y + command.speed * math.sin(theta) * dt
        theta += command.yaw_rate * dt
        t = tracker.advance(t, rate, error, dt)
    assert abs(error.lateral) < 0.01
    assert abs(error.heading) < 0.02
    assert abs(error.along) < 0.02


def driven_far(parameters, *, crab=0.0, turning=1.0, limit=30.0):
    """Lateral errors [m] along 15 m of a circle of 1.6 m radius at 0.5 m/s; the rover slides or turns wrongly."""
    kappa, v = 1.0 / 1.6, 0.5
    times = np.linspace(0.0, 60.0, 1201)
    angle = v * kappa * times
    rows = dict.fromkeys(ROW, np.zeros_like(times)) | {
        "x": np.sin(angle) / kappa, "y": (1.0 - np.cos(angle)) / kappa, "heading": angle, "speed": np.full_like(times, v),
        "curvature": np.full_like(times, kappa), "arc": v * times,
    }  # fmt: skip
    rover = world().rover
    rover = replace(rover, limits=replace(rover.limits, yaw_rate=limit))
    tracker = Tracker(Reference(np.array([rows[name] for name in FIELDS]), 0.05, 60.0), rover, parameters)
    x = y = theta = t = 0.0
    lateral, dt = [], 0.05
    while tracker.reference.at(t).arc < 15.0:
        command, error = tracker.command(t, (x, y, theta), 1.0)
        assert abs(command.yaw_rate) <= limit + 1e-12
        x += command.speed * math.cos(theta + crab) * dt
        y += command.speed * math.sin(theta + crab) * dt
        theta += turning * command.yaw_rate * dt
        tracker.learn(error, command.speed * dt)
        t = tracker.advance(t, tracker.driven_rate(t, 1.0, command.speed), error, dt)
        lateral.append(error.lateral)
    return np.abs(lateral)


@pytest.mark.parametrize("disturbance", [{"crab": 0.07}, {"crab": -0.07}, {"turning": 0.85}, {"turning": 1.25}])
def test_a_lasting_drift_is_learnt(disturbance):
    learning = TrackerParameters(preview=0.0)
    assert driven_far(learning, **disturbance)[-100:].max() < 0.01
    assert driven_far(replace(learning, lasting=0.0), **disturbance)[-100:].max() > 0.025


def test_where_the_plan_turns_at_the_limit_the_rover_slows_down_and_stays_on_it():
    errors = driven_far(TrackerParameters(preview=0.0), turning=0.9, limit=0.5 / 1.6)
    assert errors.max() < 0.05
    assert errors[-100:].max() < 0.01


def test_what_is_learnt_is_bounded_and_not_wound_up(tracker):
    for _ in range(400):
        tracker.learn(TrackingError(0.0, 0.02, 0.0), 0.02)
    assert tracker.offset == -TrackerParameters().lasting
    tracker.offset = 0.0
    for _ in range(200):
        tracker.learn(TrackingError(0.0, 0.5, 0.0), 0.02)  # far off: the correction is at its bound anyway
    assert tracker.offset == 0.0


def test_the_plan_waits_for_a_rover_whose_command_was_lowered(tracker, reference):
    planned = reference.at(20.0 + tracker.parameters.preview).speed
    assert tracker.driven_rate(20.0, 1.0, planned) == pytest.approx(1.0)
    assert tracker.driven_rate(20.0, 1.0, 0.4 * planned) == pytest.approx(0.4)
    assert tracker.driven_rate(reference.duration, 1.0, 0.0) == 1.0  # at rest the plan's time passes by itself


finite = st.floats(-2.0, 2.0)


@given(speed=st.floats(0.0, 2.0), curvature=st.floats(-3.0, 3.0), along=finite, lateral=finite, heading=finite)
def test_turns_keep_the_limits_and_rest_is_rest(speed, curvature, along, lateral, heading):
    w = world()
    tracker = Tracker(Reference(np.zeros((15, 3)), 1.0, 2.0), w.rover, TrackerParameters())
    turn = tracker.turn(speed, curvature, TrackingError(along, lateral, heading))
    assert abs(turn) <= w.rover.limits.yaw_rate
    assert abs(turn) <= speed * (w.rover.limits.curvature + TrackerParameters().correction) + 1e-12


@settings(deadline=None)
@given(t=st.floats(0.0, 46.0), rate=st.floats(0.0, 1.3), along=finite)
def test_the_reference_never_goes_back_nor_beyond_the_end(t, rate, along):
    w = world()
    reference = Reference.sample(plan(), w.surface, w.environment, w.rover, w.mission)
    tracker = Tracker(reference, w.rover, TrackerParameters())
    later = tracker.advance(t, rate, TrackingError(along, 0.0, 0.0), 0.05)
    assert t <= later <= min(reference.duration, t + (rate + 0.5) * 0.05 + 1e-12)
