"""Replanning the next seconds only: from where the rover is back onto the earlier plan, whose rest stays as it is.

A deviation of centimetres needs no new plan to the goal. The programme of the next `WINDOW` seconds is a fraction of the
whole in size, and ends in the earlier plan's state of motion at a joint of its pieces. The joined trajectory is certified whole,
so that a rest which no longer holds (the charge or the light has changed) is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rover_energy.planning.model import ROWS
from rover_energy.planning.stage import CONTROLS, SAMPLES
from rover_energy.planning.trajectory import Array, Trajectory
from rover_energy.planning.transcription import Motion, Programme, continue_programme, kept_margins, to_trajectory
from rover_energy.planning.world import World

WINDOW = 12.0  # [s] after which the earlier plan is met again
LEAST_REST = 6.0  # [s] of the earlier plan after that; with less, the whole rest is planned anew
FREE_YAW_ACCELERATION = 1.0  # [rad/s2]
MOST_REJOINING = 40  # iterations: most need a dozen, and who waits for more can plan the whole rest instead
EASED_PIECES = 3  # before the joint, over which the margins of a rover that drives fall to those of the earlier plan


@dataclass(frozen=True, eq=False)
class Rest:
    """What stays of an earlier trajectory: its pieces from the one numbered `first` on."""

    trajectory: Trajectory
    first: int

    @classmethod
    def after(cls, trajectory: Trajectory, elapsed: float) -> Rest | None:
        """The rest from the first joint after the window; None when too little is left."""
        if trajectory.kind != "unicycle":
            return None
        first = int(np.searchsorted(trajectory.knots, elapsed + WINDOW))
        if first >= trajectory.pieces or trajectory.duration - float(trajectory.knots[first]) < LEAST_REST:
            return None
        return cls(trajectory, first)

    @property
    def head(self) -> Trajectory:
        """The earlier trajectory up to the joint."""
        old, k = self.trajectory, self.first
        heading, speed = _rows(old)
        return Trajectory("unicycle", old.start, old.durations[:k], heading=heading[:k], speed=speed[:k])

    def programme(self, world: World, start: Motion, elapsed: float) -> Programme:
        """From `start` to the joint, at the earlier plan's speed and heading rate; energy is the certificate's matter."""
        programme = continue_programme(world, start, self.head, elapsed)
        lower_g, upper_g = programme.lower_g.copy(), programme.upper_g.copy()
        lower_x, upper_x = programme.lower_x.copy(), programme.upper_x.copy()
        lower_g[-2:] = upper_g[-2:] = self._motion()
        last = programme.pieces * (programme.variant.states + CONTROLS)
        lower_x[last + 4], upper_x[last + 4] = -FREE_YAW_ACCELERATION, FREE_YAW_ACCELERATION
        upper_x[last + 7 :] = np.inf
        programme = replace(programme, lower_g=lower_g, upper_g=upper_g, lower_x=lower_x, upper_x=upper_x)
        return programme.easing(_taken_back(programme, start))

    def _motion(self) -> tuple[float, float]:
        """Heading rate and horizontal speed at the joint."""
        heading, speed = _rows(self.trajectory)
        return float(heading[self.first, 1]), float(speed[self.first, 0])

    def joined(self, programme: Programme, x: object) -> Trajectory:
        """The new beginning and the rest as one trajectory; their joint is exact in heading, heading rate and speed."""
        old, k = self.trajectory, self.first
        solution = np.array(x, dtype=float)
        end = solution[-programme.variant.states :]
        end[2], (end[3], end[5]) = programme.lower_g[-3], self._motion()
        new = to_trajectory(programme, solution)
        heading, speed = (np.vstack([begun, rest[k:]]) for begun, rest in zip(_rows(new), _rows(old), strict=True))
        durations = np.concatenate([new.durations, old.durations[k:]])
        return Trajectory("unicycle", new.start, durations, heading=heading, speed=speed)


def _taken_back(programme: Programme, start: Motion) -> Array:
    """Margins taken back before the joint: the earlier plan meets its limits there with less, and at its speed none are left."""
    amount = np.zeros_like(programme.lower_g)
    count = min(EASED_PIECES * SAMPLES, programme.pieces * SAMPLES)
    rows = programme.limit_rows.reshape(-1, len(ROWS))[-count:]
    least = kept_margins(REST)
    for name, margin in kept_margins(start).items():
        amount[rows[:, ROWS.index(name)]] = (margin - least.get(name, 0.0)) * np.arange(1, count + 1) / count
    return amount


REST = Motion(0.0, 0.0, 0.0)  # of a plan that begins at rest, which keeps the least margins


def _rows(trajectory: Trajectory) -> tuple[Array, Array]:
    """Coefficients of heading and speed, which a `unicycle` trajectory always has."""
    assert trajectory.heading is not None
    assert trajectory.speed is not None
    return trajectory.heading, trajectory.speed
