"""The rest of a trajectory is the same motion."""

from __future__ import annotations

import numpy as np
import pytest

from rover_energy.planning.resume import rest_of
from rover_energy.planning.trajectory import Trajectory

RNG = np.random.default_rng(7)
STATE = ("x", "y", "heading", "speed", "speed_rate", "heading_rate", "heading_acceleration")


def winding(pieces: int = 24) -> Trajectory:
    """Continuous in heading, its rate and speed, as plans are."""
    d = RNG.uniform(0.8, 1.4, pieces)
    knots = np.concatenate(([0.0], np.cumsum(d)))
    theta, rate, u = np.sin(0.2 * knots), 0.2 * np.cos(0.2 * knots), 0.3 + 0.1 * np.sin(0.5 * knots)
    rise, push = np.diff(theta) / d, 0.05 * np.cos(0.5 * knots[:-1])
    heading = np.column_stack([
        theta[:-1], rate[:-1], (3 * rise - 2 * rate[:-1] - rate[1:]) / d, (rate[:-1] + rate[1:] - 2 * rise) / d**2
    ])  # fmt: skip
    speed = np.column_stack([u[:-1], push, (np.diff(u) - push * d) / d**2])
    return Trajectory("unicycle", np.array([1.0, 2.0, 0.0]), d, heading=heading, speed=speed)


@pytest.mark.parametrize("share", [0.0, 0.113, 0.5, 0.97])
def test_the_rest_is_the_same_motion(share: float) -> None:
    whole = winding()
    since = share * whole.duration
    rest = rest_of(whole, since)
    assert rest.duration == pytest.approx(whole.duration - since, abs=1e-9)
    t = np.linspace(0.0, rest.duration, 400)[1:-1]
    for name in STATE:
        assert getattr(rest.evaluate(t), name) == pytest.approx(getattr(whole.evaluate(since + t), name), abs=1e-9), name


def test_a_sliver_of_a_piece_is_left_out() -> None:
    whole = winding()
    rest = rest_of(whole, float(whole.knots[5]) - 1e-5)
    assert rest.pieces == whole.pieces - 5
    joint = whole.evaluate(whole.knots[5])
    assert rest.start[:2] == pytest.approx([float(joint.x), float(joint.y)], abs=1e-9)
