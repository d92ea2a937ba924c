"""Two meters of the same power: what the wheels' shafts say about what the motors take from the bus."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rover_energy.errors import InputError


def shaft_power(torques: ArrayLike, speeds: ArrayLike, efficiency: float) -> float:
    """Power at the bus of wheels with torques [N m] at speeds [rad/s]: the sum of max(0, torque * speed) over the efficiency [W].

    What brakes gives nothing back. NaN in any wheel gives NaN. Raises InputError for an efficiency that is not in 0 .. 1.
    """
    if not 0.0 < efficiency <= 1.0:
        raise InputError("meter", "efficiency", "is not within 0 .. 1", "give the drivetrain's", efficiency)
    product = np.asarray(torques, dtype=float) * np.asarray(speeds, dtype=float)
    return float(np.sum(np.maximum(product, 0.0))) / efficiency


@dataclass
class Comparison:
    """Means of both over some time. Steering is on the bus but not on the wheels, so the meter may read more, never less."""

    offset: float = 2.0
    share: float = 0.05
    metered: float = 0.0
    shafts: float = 0.0
    count: int = 0
    missing: int = 0

    def add(self, metered: float, shafts: float) -> None:
        """One reading of both [W]."""
        if not math.isfinite(metered + shafts):
            self.missing += 1
            return
        self.metered, self.shafts, self.count = self.metered + metered, self.shafts + shafts, self.count + 1

    @property
    def difference(self) -> float:
        """Mean of meter less shafts [W]; NaN without readings."""
        return (self.metered - self.shafts) / self.count if self.count else math.nan

    @property
    def plausible(self) -> bool:
        """The meter reads at least what the shafts deliver, to within `offset` [W] and `share` of it, and nothing was missing."""
        if not self.count or self.missing:
            return False
        return self.difference >= -(self.offset + self.share * self.shafts / self.count)
