"""What is left of a trajectory that is driven: cut out as it stands, or slowed step by step as the guess of another."""

from __future__ import annotations

import math

import numpy as np

from rover_energy.planning.trajectory import Array, Trajectory

LEAST_PIECE = 1e-3  # [s] of a piece that is worth keeping
DECELERATION = 0.06  # [m/s2] at which a guess comes from one speed to another


def rest_of(trajectory: Trajectory, since: float) -> Trajectory:
    """The `unicycle` trajectory from a time [s] on, as one of its own: the same motion, by a shift of its polynomials."""
    assert trajectory.heading is not None
    assert trajectory.speed is not None
    knots = trajectory.knots
    first = int(np.clip(np.searchsorted(knots, since, side="right") - 1, 0, trajectory.pieces - 1))
    if first + 1 < trajectory.pieces and knots[first + 1] - since < LEAST_PIECE:
        first, since = first + 1, float(knots[first + 1])
    passed = max(0.0, since - float(knots[first]))
    begin = trajectory.evaluate_local(np.array([first]), np.array([passed]))
    heading, speed, durations = (a[first:].copy() for a in (trajectory.heading, trajectory.speed, trajectory.durations))
    heading[0], speed[0] = _shifted(heading[0], passed), _shifted(speed[0], passed)
    durations[0] -= passed
    start = np.array([float(begin.x[0]), float(begin.y[0]), float(begin.heading[0])])
    return Trajectory("unicycle", start, durations, heading=heading, speed=speed)


def _shifted(row: Array, by: float) -> Array:
    """Coefficients of p(t + by) in t."""
    powers = range(len(row))
    return np.array([sum(math.comb(j, k) * row[j] * by ** (j - k) for j in powers if j >= k) for k in powers])


def eased(trajectory: Trajectory, since: float, factor: float, speed: float) -> tuple[Trajectory, float]:
    """A guess: the path of a `unicycle` trajectory driven `factor` times as long, but from the present speed [m/s] on.

    The first pieces after `since` [s] are stretched less, so that the guess begins near the horizontal speed of the rover.
    Between these the speed jumps, which a guess may. Returns it with the time in it at which the rover is [s].
    """
    assert trajectory.heading is not None
    assert trajectory.speed is not None
    knots, durations = trajectory.knots, trajectory.durations
    planned = float(trajectory.evaluate(min(since, trajectory.duration)).speed)
    begun = float(np.clip(planned / speed, 1.0, factor)) if speed > 0.0 else factor
    ramp = max(LEAST_PIECE, planned * (1.0 / begun - 1.0 / factor) / DECELERATION)
    share = np.clip((knots[:-1] + 0.5 * durations - since) / ramp, 0.0, 1.0)
    factors = 1.0 / ((1.0 - share) / begun + share / factor)
    orders = np.arange(trajectory.heading.shape[1]), np.arange(trajectory.speed.shape[1]) + 1
    heading, along = (
        rows / factors[:, None] ** order for rows, order in zip((trajectory.heading, trajectory.speed), orders, strict=True)
    )
    slowed = Trajectory("unicycle", trajectory.start.copy(), durations * factors, heading=heading, speed=along)
    return slowed, float(np.interp(since, knots, slowed.knots))
