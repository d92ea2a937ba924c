"""A trajectory along a path: the slower, sure plan for when no better one was found.

The drive of a `Timing` is turned into heading and speed polynomials. The speed is a quadratic B-spline in time whose
coefficients are the mean speeds over equal intervals, so it keeps the bounds of speed and acceleration of the drive
(variation diminishing; de Boor 1978, ch. XI), starts and ends at rest without a jump of acceleration and covers
the same distance, in two intervals more. The heading is the cubic B-spline whose coefficients are the path's headings at
the ends of those same intervals: heading rate over speed is then a mean, with weights, of the path's curvature, and never
beyond its extremes, even where the curvature jumps. What this rounding and the path's own inaccuracy displace is steered
back along the path, and at the goal by Newton's method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.planning.path import Path
from rover_energy.planning.retiming import Timing
from rover_energy.planning.retiming_kernel import FloatArray
from rover_energy.planning.trajectory import Trajectory

INTERVAL = 0.2  # [s] least length of a piece by default; half of it means twice the jerk and a drive 0.2 s shorter
INTERVAL_DISTANCE = 0.08  # [m] mean length of a piece at low speed
LEAST_INTERVALS = 12
MOST_INTERVALS = 1000  # by default
STEERING_WINDOW = 1.0  # [m] over which the growth of the position error is measured
STEERING_ROUNDS = 3
LARGEST_GROWTH = 0.2  # [m per m] of the position error; a path whose headings are its tangents stays far below
LARGEST_CHANGE = 0.1  # [rad] of heading and [-] of speed, to meet the goal
NEWTON_ROUNDS = 8
GOAL_TOLERANCE = 1e-9  # [m]
STANDING = 1e-3  # [m/s]: a certified plan may roll back as slowly as this where it stands
SLOWDOWNS = (1.002, 1.005, 1.01, 1.02, 1.04, 1.07, 1.12, 1.2, 1.35, 1.55, 1.8, 2.1, 2.5, 3.0)


class FollowError(RoverEnergyError):
    """No trajectory along the path meets its goal."""


#: Power coefficients in the local time over the interval of quadratic and cubic uniform B-splines, from their coefficients.
_QUADRATIC = np.array([[1.0, 1.0, 0.0], [-2.0, 2.0, 0.0], [1.0, -2.0, 1.0]]) / 2.0
_CUBIC = np.array([[1.0, 4.0, 1.0, 0.0], [-3.0, 0.0, 3.0, 0.0], [3.0, -6.0, 3.0, 0.0], [-1.0, 3.0, -3.0, 1.0]]) / 6.0


@dataclass(frozen=True)
class _Plan:
    """A trajectory of n pieces by B-spline coefficients: interval [s], start pose, speed (n + 2,), heading (n + 3,).

    Two coefficients of the speed at each end are zero and three of the heading equal: rest without a jump of acceleration.
    """

    interval: float
    start: FloatArray
    speed: FloatArray
    heading: FloatArray

    @property
    def lengths(self) -> FloatArray:
        """Distances driven in the pieces (n,) [m]."""
        c = self.speed
        return self.interval / 6.0 * (c[:-2] + 4.0 * c[1:-1] + c[2:])

    def trajectory(self) -> Trajectory:
        speed, heading = _rows(self.speed, _QUADRATIC, self.interval), _rows(self.heading, _CUBIC, self.interval)
        return Trajectory("unicycle", self.start, np.full(len(speed), self.interval), heading=heading, speed=speed)


def _rows(coefficients: FloatArray, basis: FloatArray, interval: float) -> FloatArray:
    """Ascending powers of the local time of each piece."""
    windows = np.lib.stride_tricks.sliding_window_view(coefficients, len(basis))
    rows: FloatArray = windows @ basis.T / interval ** np.arange(len(basis))
    return rows


def follow_path(path: Path, timing: Timing, *, slowdown: float = 1.0, interval: float | None = None) -> Trajectory:
    """A `unicycle` trajectory that drives a path as a timing says, smoothed, and uniformly slower.

    Parameters
    ----------
    path : Path
        Its curvature need not be continuous.
    timing : Timing
        Drive along that path, from rest to rest.
    slowdown : float
        Factor on the duration, above 0. Speed falls with it, acceleration with its square.
    interval : float, optional
        Length of the pieces before slowing [s]. Shorter ones follow power and path more closely; the drive takes two of
        them longer than the timing. Default: 0.2 s, or longer for slow and for long drives.

    Returns
    -------
    Trajectory
        From the first pose of the path to its last, exactly to 1e-9 m and rounding of the heading. Heading C2, cubic; speed
        C1, quadratic; at rest at both ends. Speed, acceleration and curvature keep to those of timing and path, up to the
        steering (some 0.1 %) and the change of slope within a piece. Power and yaw rate are close to the timing's but may
        exceed them, so the certificate must judge: see `fastest_passing`.

    Raises
    ------
    InputError
        The timing does not fit the path, does not start and end at rest, or a factor is not positive.
    FollowError
        The goal cannot be met by small corrections: heading and position of the path do not agree.
    """
    _check(path, timing, slowdown, interval)
    plan, targets = _first_plan(path, timing, interval)
    for _ in range(STEERING_ROUNDS):
        plan = _steered(plan, targets)
    trajectory = _to_goal(plan, path).trajectory()
    return trajectory if slowdown == 1.0 else trajectory.stretched(slowdown)


def fastest_passing(
    path: Path,
    timing: Timing,
    verify: Callable[[Trajectory], bool],
    *,
    slowdowns: Iterable[float] = SLOWDOWNS,
    interval: float | None = None,
) -> tuple[Trajectory, float] | None:
    """The first trajectory along the path, in the order of the slowdowns, that `verify` accepts, and its slowdown.

    None when none passes; slower is not always better, as the constant loads take longer. Errors as `follow_path`.
    """
    base = follow_path(path, timing, interval=interval)
    for slowdown in slowdowns:
        trajectory = base.stretched(slowdown)
        if verify(trajectory):
            return trajectory, slowdown
    return None


def _check(path: Path, timing: Timing, slowdown: float, interval: float | None) -> None:
    if not (0.0 < slowdown < math.inf):
        raise InputError("follow", "slowdown", "is not a positive number", "give a factor of 1 or more", slowdown)
    if interval is not None and not (0.0 < interval < math.inf):
        raise InputError("follow", "interval", "is not a positive number", "give the length of a piece in seconds", interval)
    if not (timing.speed[0] == 0.0 and timing.speed[-1] == 0.0):
        raise InputError("follow", "timing", "does not start and end at rest", "retime with start_speed and end_speed 0")
    if not (abs(float(timing.stations.distance[-1]) - path.length) <= 1e-6):
        raise InputError("follow", "timing", "is of another path", "retime this path", float(timing.stations.distance[-1]))


def _first_plan(path: Path, timing: Timing, interval: float | None) -> tuple[_Plan, FloatArray]:
    """The plan by mean speeds and path headings, and the path's points (2, n + 1) where it is meant to be at the knots."""
    if interval is None:
        interval = max(INTERVAL, INTERVAL_DISTANCE * timing.duration / path.length, timing.duration / MOST_INTERVALS)
    count = max(LEAST_INTERVALS, math.ceil(timing.duration / interval))
    interval = timing.duration / count
    control = np.pad(np.clip(timing.at(interval * np.arange(count + 1))[0], 0.0, path.length), 2, mode="edge")
    control[-3:] = path.length
    start = np.array([path.x[0], path.y[0], path.heading[0]])
    plan = _Plan(interval, start, np.diff(control) / interval, path.at(control)[2])
    distance = np.clip(np.concatenate(([0.0], np.cumsum(plan.lengths))), 0.0, path.length)
    return plan, np.stack(path.at(distance)[:2])


def _steered(plan: _Plan, targets: FloatArray) -> _Plan:
    """The plan with headings and speeds turned against the growth of its position error along the path."""
    state = plan.trajectory().evaluate(plan.interval * np.arange(targets.shape[1]))
    error = np.stack([state.x, state.y]) - targets
    travelled = np.concatenate(([0.0], np.cumsum(plan.lengths)))
    index = np.arange(len(travelled))
    before = np.floor(np.interp(travelled - 0.5 * STEERING_WINDOW, travelled, index)).astype(int)
    after = np.ceil(np.interp(travelled + 0.5 * STEERING_WINDOW, travelled, index)).astype(int)
    growth = (error[:, after] - error[:, before]) / np.maximum(travelled[after] - travelled[before], 1e-9)
    if not (float(np.max(np.abs(growth))) <= LARGEST_GROWTH):
        raise _inconsistent()
    across = growth[1] * np.cos(state.heading) - growth[0] * np.sin(state.heading)
    along = growth[0] * np.cos(state.heading) + growth[1] * np.sin(state.heading)
    across *= _ease(travelled, min(STEERING_WINDOW, 0.25 * travelled[-1]))  # headings at the ends stay
    return replace(
        plan,
        heading=plan.heading - np.pad(across, 1),
        speed=plan.speed * (1.0 - np.pad(0.5 * (along[1:] + along[:-1]), 1)),
    )


def _ease(travelled: FloatArray, window: float) -> FloatArray:
    """Smooth steps from 0 at both ends to 1 at `window` [m] from them; flat over the coefficients that must stay."""
    near = np.minimum(travelled, travelled[-1] - travelled)
    rise = np.clip(near / window, 0.0, 1.0)
    rise[:2] = rise[-2:] = 0.0
    result: FloatArray = rise * rise * (3.0 - 2.0 * rise)
    return result


def _to_goal(plan: _Plan, path: Path) -> _Plan:
    """The plan with its end on the goal, by the smallest change of two heading bumps and of the speed as a whole."""
    goal = np.array([path.x[-1], path.y[-1]])
    share = np.clip((np.arange(len(plan.heading)) - 2.0) / (len(plan.heading) - 5.0), 0.0, 1.0)
    bump = np.sin(np.pi * share) ** 2
    bumps = np.stack([bump, bump * np.cos(np.pi * share)])

    def changed(unknown: FloatArray) -> _Plan:
        return replace(plan, heading=plan.heading + unknown[:2] @ bumps, speed=plan.speed * (1.0 + unknown[2]))

    def miss(unknown: FloatArray) -> FloatArray:
        return np.array(changed(unknown).trajectory().end_pose[:2]) - goal

    unknown, step = np.zeros(3), 1e-6
    for _ in range(NEWTON_ROUNDS):
        residual = miss(unknown)
        if float(np.hypot(*residual)) <= GOAL_TOLERANCE:
            return changed(unknown)
        jacobian = np.stack([(miss(unknown + step * unit) - residual) / step for unit in np.eye(3)], axis=1)
        unknown = unknown - np.linalg.pinv(jacobian, rcond=1e-9) @ residual
        if not (float(np.max(np.abs(unknown))) <= LARGEST_CHANGE):
            break
    raise _inconsistent()


def _inconsistent() -> FollowError:
    return FollowError("follow: the path's positions do not follow from its headings; integrate them, or sample the path finer")


def trajectory_path(trajectory: Trajectory, *, step: float = 0.05) -> Path:
    """The path that a trajectory drives, for instance to retime it or to bound its time from below.

    Parameters
    ----------
    trajectory : Trajectory
        Driven forwards; it may rest in between.
    step : float
        Distance between the points of the path, at most about [m].

    Returns
    -------
    Path
        Arc length by Simpson's rule in time, eight intervals per piece or per `step`, whichever is finer.

    Raises
    ------
    InputError
        The trajectory drives backwards, or nowhere, or the step is not positive.
    """
    if not (0.0 < step < math.inf):
        raise InputError("trajectory", "step", "is not a positive number", "give the distance of the points in metres", step)
    coarse = trajectory.evaluate(np.linspace(0.0, trajectory.duration, 64 * trajectory.pieces + 1))
    length = float(np.max(coarse.speed)) * trajectory.duration
    parts = 2 * math.ceil(max(4.0, 4.0 * length / step / trajectory.pieces))
    local = np.linspace(0.0, 1.0, parts + 1)[:-1]
    times = np.append((trajectory.knots[:-1, None] + trajectory.durations[:, None] * local).ravel(), trajectory.duration)
    state = trajectory.evaluate(times)
    slowest, width = float(state.speed.min()), np.diff(times)
    if not (slowest >= -STANDING and length > 0.0):
        raise InputError("trajectory", "speed", "is negative or zero throughout", "give a forward drive", slowest)
    speed = np.maximum(state.speed, 0.0)
    doubles = (width[::2] + width[1::2]) / 6.0 * (speed[:-1:2] + 4.0 * speed[1::2] + speed[2::2])
    distance, even = np.concatenate(([0.0], np.cumsum(doubles))), slice(None, None, 2)
    chosen = np.flatnonzero(np.diff(np.floor(distance / step), prepend=-1.0) > 0.0)
    chosen = np.append(chosen[distance[chosen] < distance[-1] - 0.25 * step], len(distance) - 1)
    return Path(
        distance[chosen], *(column[even][chosen] for column in (state.x, state.y, state.heading, state.curvature))
    )  # fmt: skip
