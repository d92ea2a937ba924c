"""Following a path: the goal to 1e-9 m, the path to millimetres, smooth at the joints, and limits of the timing kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from retiming_cases import DARK, NO_BATTERY, circle, flat, rough, rover_with, straight, winding
from scipy.integrate import solve_ivp
from scipy.spatial import cKDTree

from rover_energy.errors import InputError
from rover_energy.planning.certificate import certify
from rover_energy.planning.follow import FollowError, fastest_passing, follow_path, trajectory_path
from rover_energy.planning.path import Path, path_from_arcs
from rover_energy.planning.retiming import Timing, retime
from rover_energy.planning.trajectory import Trajectory
from rover_energy.terrain.surface import Surface

ROVER = rover_with(rtg={"beginning_of_life_power": 2000.0})
ARCS = path_from_arcs((6.0, 16.0, 0.3), [(0.0, 2.0), (0.5, 2.0), (-0.5, 3.0), (0.0, 4.0), (0.6, 1.0), (0.0, 3.0)])


def timed(path: Path, surface: Surface | None = None, limit: float = 110.0) -> Timing:
    return retime(path, surface or flat(), DARK, ROVER, replace(NO_BATTERY, power_limit=limit))


def distance_to_path(trajectory: Trajectory, path: Path) -> float:
    x, y, _, _ = path.at(np.linspace(0.0, path.length, 100_001))
    state = trajectory.evaluate(np.linspace(0.0, trajectory.duration, 2001))
    return float(cKDTree(np.column_stack([x, y])).query(np.column_stack([state.x, state.y]))[0].max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("slowdown", [1.0, 1.3])
def test_the_path_is_followed_to_its_goal(seed: int, slowdown: float) -> None:
    path = winding(seed)
    timing = timed(path, rough(seed))
    trajectory = follow_path(path, timing, slowdown=slowdown)
    x, y, heading = trajectory.end_pose
    assert np.hypot(x - path.x[-1], y - path.y[-1]) <= 1e-8
    assert heading == pytest.approx(path.heading[-1], abs=1e-12)
    assert tuple(trajectory.start) == (path.x[0], path.y[0], path.heading[0])
    assert distance_to_path(trajectory, path) <= 1.5e-3
    assert (
        timing.duration
        <= trajectory.duration / slowdown
        <= timing.duration + 2.0 * max(0.2, 0.08 * timing.duration / 12.0) + 1e-9
    )


def test_a_path_of_arcs_is_followed_with_its_corners_rounded() -> None:
    trajectory = follow_path(ARCS, timed(ARCS))
    assert distance_to_path(trajectory, ARCS) <= 4e-3
    curvature = trajectory.evaluate(np.linspace(0.0, trajectory.duration, 5001)).curvature
    assert np.all(np.isfinite(curvature))
    assert np.abs(curvature).max() <= 1.1 * 0.6


def test_an_independent_integration_meets_the_goal() -> None:
    """The unicycle equations integrated by scipy from the coefficients alone."""
    path = winding(3)
    trajectory = follow_path(path, timed(path))
    pose = np.array([path.x[0], path.y[0]])
    for length, heading, speed in zip(trajectory.durations, trajectory.heading, trajectory.speed, strict=True):

        def velocity(t: float, _: object, heading: np.ndarray = heading, speed: np.ndarray = speed) -> list[float]:
            theta, u = np.polyval(heading[::-1], t), np.polyval(speed[::-1], t)
            return [u * np.cos(theta), u * np.sin(theta)]

        pose = solve_ivp(velocity, (0.0, length), pose, rtol=1e-10, atol=1e-12).y[:, -1]
    assert np.hypot(pose[0] - path.x[-1], pose[1] - path.y[-1]) <= 1e-7


@pytest.mark.parametrize("path", [winding(1), ARCS], ids=["winding", "arcs"])
def test_the_joints_are_smooth_and_the_ends_at_rest(path: Path) -> None:
    trajectory = follow_path(path, timed(path), slowdown=1.1)
    pieces = np.arange(trajectory.pieces - 1)
    before = trajectory.evaluate_local(pieces, trajectory.durations[:-1])
    after = trajectory.evaluate_local(pieces + 1, np.zeros(len(pieces)))
    for name in ("x", "y", "heading", "heading_rate", "heading_acceleration", "speed", "speed_rate"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-9, err_msg=name)
    ends = trajectory.evaluate(np.array([0.0, trajectory.duration]))
    for name in ("heading_rate", "heading_acceleration", "speed", "speed_rate"):
        np.testing.assert_allclose(getattr(ends, name), 0.0, atol=1e-12, err_msg=name)
    assert np.all(np.isfinite(ends.curvature))


@pytest.mark.parametrize("seed", range(5))
def test_speed_acceleration_and_curvature_keep_the_limits_of_the_timing(seed: int) -> None:
    path = winding(seed, sharpness=0.2)
    timing = timed(path, limit=500.0)
    state = (trajectory := follow_path(path, timing)).evaluate(np.linspace(0.0, trajectory.duration, 8001))
    assert state.speed.min() >= -1e-12
    assert state.speed.max() <= timing.speed.max() * 1.003
    assert np.abs(state.speed_rate).max() <= 0.1 * 1.003
    assert np.abs(state.curvature).max() <= np.abs(path.curvature).max() * 1.01
    assert np.abs(state.heading_rate).max() <= 0.3 * 1.02


def test_a_straight_line_is_exact() -> None:
    trajectory = follow_path(straight(8.0, heading=0.7), timed(straight(8.0, heading=0.7)))
    state = trajectory.evaluate(np.linspace(0.0, trajectory.duration, 501))
    np.testing.assert_allclose(state.heading, 0.7, atol=1e-12)
    np.testing.assert_allclose(state.heading_rate, 0.0, atol=1e-12)
    assert np.all(np.diff(state.x) >= 0.0)


def test_a_circle_has_its_curvature_everywhere() -> None:
    path = circle(2.0, 2.5)
    state = (trajectory := follow_path(path, timed(path))).evaluate(np.linspace(0.01, trajectory.duration - 0.01, 501))
    np.testing.assert_allclose(state.curvature, 0.5, rtol=1e-3)


def test_slowing_scales_time_alone() -> None:
    path = winding(2)
    timing = timed(path)
    fast, slow = follow_path(path, timing), follow_path(path, timing, slowdown=2.0)
    assert slow.duration == pytest.approx(2.0 * fast.duration, rel=1e-12)
    t = np.linspace(0.0, fast.duration, 101)
    at, later = fast.evaluate(t), slow.evaluate(2.0 * t)
    np.testing.assert_allclose(np.stack([later.x, later.y, later.heading]), np.stack([at.x, at.y, at.heading]), atol=1e-9)
    np.testing.assert_allclose(later.speed, 0.5 * at.speed, atol=1e-12)
    np.testing.assert_allclose(later.speed_rate, 0.25 * at.speed_rate, atol=1e-12)


def test_the_first_slowdown_that_passes_is_taken() -> None:
    path = winding(0)
    timing, tried = timed(path), []

    def verify(trajectory: Trajectory) -> bool:
        tried.append(trajectory.duration)
        return bool(trajectory.evaluate(np.linspace(0.0, trajectory.duration, 501)).speed.max() < 0.3)

    found = fastest_passing(path, timing, verify, slowdowns=(1.0, 1.2, 2.0, 3.0))
    assert found is not None
    trajectory, slowdown = found
    assert (slowdown, len(tried)) == (2.0, 3)
    assert trajectory.duration == tried[-1]
    assert fastest_passing(path, timing, lambda _: False) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_certificate_passes_it_close_to_the_least_time(seed: int) -> None:
    path, surface, mission = winding(seed), rough(seed, scale=1.2), replace(NO_BATTERY, power_limit=120.0)
    timing = retime(path, surface, DARK, ROVER, mission)
    goal = (path.x[-1], path.y[-1], path.heading[-1])

    def verify(trajectory: Trajectory) -> bool:
        return certify(trajectory, surface, DARK, ROVER, mission, goal=goal).passed

    found = fastest_passing(path, timing, verify)
    assert found is not None
    assert timing.duration < found[0].duration <= 1.06 * timing.duration


def test_bad_use_is_refused() -> None:
    path = winding(0)
    timing = timed(path)
    with pytest.raises(InputError, match="slowdown"):
        follow_path(path, timing, slowdown=float("nan"))
    with pytest.raises(InputError, match="interval"):
        follow_path(path, timing, interval=0.0)
    with pytest.raises(InputError, match="another path"):
        follow_path(winding(0, length=11.0), timing)
    moving = retime(path, flat(), DARK, ROVER, NO_BATTERY, start_speed=0.2)
    with pytest.raises(InputError, match="at rest"):
        follow_path(path, moving)
    bent = Path(path.s, path.x, path.y + 0.6 * path.s, path.heading, path.curvature)
    with pytest.raises(FollowError, match="do not follow from its headings"):
        follow_path(bent, timing)


@pytest.mark.parametrize("seed", range(3))
def test_the_path_of_a_trajectory_is_that_path(seed: int) -> None:
    path = winding(seed)
    trajectory = follow_path(path, timed(path))
    driven = trajectory_path(trajectory)
    assert driven.length == pytest.approx(path.length, abs=2e-3)
    middle = np.linspace(0.0, driven.length, 1777)
    x, y, heading, curvature = driven.at(middle)
    np.testing.assert_allclose(np.diff(x), np.diff(middle) * np.cos(0.5 * (heading[1:] + heading[:-1])), atol=1e-6)
    state = trajectory.evaluate(np.linspace(0.0, trajectory.duration, 2001))
    assert cKDTree(np.column_stack([x, y])).query(np.column_stack([state.x, state.y]))[0].max() <= 5e-3
    np.testing.assert_allclose(np.gradient(heading, middle)[2:-2], curvature[2:-2], atol=2e-3)
    assert retime(driven, flat(), DARK, ROVER, NO_BATTERY).duration <= trajectory.duration


def test_a_trajectory_that_all_but_stands_has_a_path() -> None:
    """One metre in parabolic starts and stops; between them the speed is a hair below 0, as an optimiser leaves it."""
    stop, rest = [0.0, 1.0, -1.0], [-3e-5, 0.0, 0.0]
    speed = 3.0 * np.array([stop, rest, stop])
    trajectory = Trajectory("unicycle", np.zeros(3), np.ones(3), heading=np.zeros((3, 3)), speed=speed)
    driven = trajectory_path(trajectory)
    assert driven.length == pytest.approx(1.0, abs=1e-3)
    assert np.all(np.diff(driven.s) > 0.0)


def test_a_backward_trajectory_has_no_path() -> None:
    backward = Trajectory("unicycle", np.zeros(3), np.array([2.0]), heading=np.zeros((1, 1)), speed=np.array([[0.0, -0.1]]))
    with pytest.raises(InputError, match="forward"):
        trajectory_path(backward)
    with pytest.raises(InputError, match="step"):
        trajectory_path(backward, step=0.0)
