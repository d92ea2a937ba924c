"""What is left of a trajectory that is driven: cut out as it stands."""

from __future__ import annotations

import math

import numpy as np

from rover_energy.planning.trajectory import Array, Trajectory

LEAST_PIECE = 1e-3  # [s] of a piece that is worth keeping


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
