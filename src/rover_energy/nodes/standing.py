"""The array of a rover that stands, ahead: Sun and ground of the plan's folder at its place, scaled by what it has given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import read_world
from rover_energy.simulation.sunlight import SunSensor

Array = NDArray[np.float64]
ENOUGH = 1500.0  # [J] expected of the array after which half of its factor's logarithm is taken from the meter
MEMORY = 1800.0  # [s] after which the meter's word counts 1/e: dust in the air dims the low Sun more than the high one


class Standing:
    """Light at one place after the other.

    folder : of a plan. Raises InputError when it cannot be read.
    """

    def __init__(self, folder: str) -> None:
        world = read_world(folder)
        self.sun = SunSensor(world.environment, world.rover.pv) if world.environment.times.size > 1 else None
        self.place: tuple[float, float] | None = None
        self.rotation = np.eye(3)
        self.gave = self.meant = 0.0

    def on_odometry(self, message: Any) -> None:
        """Where and how the rover stands."""
        at = message.pose.pose.position
        self.place = at.x, at.y
        self.rotation = ros.rotation_of(message.pose.pose.orientation)

    def light(self, time: float) -> float:
        """Expected power of the array [W]; NaN where nothing is known of the Sun or the place."""
        if self.sun is None or self.place is None:
            return math.nan
        return self.sun.read(*self.place, time, self.rotation).pv_power

    def watch(self, now: float, seconds: float, array: float) -> None:
        """The array has given so much [W] in the time [s] before now."""
        meant = self.light(now - 0.5 * seconds) * seconds
        if math.isfinite(meant + array):
            keep = math.exp(-seconds / MEMORY)
            self.meant, self.gave = keep * self.meant + meant, keep * self.gave + array * seconds

    @property
    def factor(self) -> float:
        """Of the array beside what is expected of it."""
        if not (self.meant > 0.0 and self.gave > 0.0):
            return 1.0
        return float((self.gave / self.meant) ** (self.meant / (self.meant + ENOUGH)))

    def ahead(self, now: float, edges: Array) -> tuple[Array | None, bool]:
        """Mean powers (n,) between times from now (n + 1,) [W], and whether the Sun is known that far; where it is not, the last
        that is known goes on. None where nothing is known."""
        found = np.array([self.light(now + t) for t in 0.5 * (edges[1:] + edges[:-1])])
        known = np.isfinite(found)
        if not known[0]:
            return None, False
        return self.factor * found[np.maximum.accumulate(np.where(known, np.arange(found.size), 0))], bool(known.all())
