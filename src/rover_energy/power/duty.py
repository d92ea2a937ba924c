"""Loads that somebody switches on and off: how they have been switched tells what they will take.

Each is taken for a random telegraph signal (Kac 1974, doi:10.1216/RMJ-1974-4-3-497): it leaves its state at a steady rate, so
what is known of its state now is forgotten as exp(-t/time). Duty and rate are learned from what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PRIOR = 1200.0
"""A load that nobody has seen yet is expected to be switched so often [s]."""


@dataclass
class DutyCycle:
    """One switched load of `power` [W], as watched so far.

    seen : time of watching [s]. on : of it switched on [s]. switches : how often it was switched. state : on now.
    """

    power: float
    seen: float = 0.0
    on: float = 0.0
    switches: int = 0
    state: bool = False
    time: float = math.nan

    def watch(self, now: float, state: bool) -> None:
        """Its state at a time [s]; it counts as that since the last look. Time that goes back begins anew."""
        if now > self.time:
            self.seen += now - self.time
            self.on += (now - self.time) * state
            self.switches += state != self.state
        self.time, self.state = now, state

    @property
    def dwell(self) -> float:
        """Expected time between two switchings [s]."""
        return (self.seen + PRIOR) / (self.switches + 1)

    @property
    def duty(self) -> float:
        """Expected share of the time that it is on: from an even prior, which is worth two looks, a dwell apart, at states that
        have nothing to do with one another."""
        return (self.on + self.dwell) / (self.seen + 2.0 * self.dwell)

    @property
    def memory(self) -> float:
        """Time after which its state now says little [s]: 1 over the sum of both rates of leaving a state."""
        return 2.0 * self.duty * (1.0 - self.duty) * self.dwell

    @property
    def variance(self) -> float:
        """Of its power about its mean, in the long run [W2]."""
        return self.power**2 * self.duty * (1.0 - self.duty)

    @property
    def doubt(self) -> float:
        """Variance of that mean by what is not known of the duty [W2]: that of a beta distribution after so many looks."""
        return self.variance / (self.seen / (2.0 * self.memory) + 3.0)

    def ahead(self, edges: Array) -> Array:
        """Expected mean powers (n,) between times from now (n + 1,) [W]."""
        decay = -np.expm1(-edges / self.memory) * self.memory  # integral of exp(-t/memory) from now
        return np.asarray(self.power * (self.duty + (self.state - self.duty) * np.diff(decay) / np.diff(edges)))


@dataclass(frozen=True)
class Switching:
    """What several loads do ahead: power (n,) expected [W], standard deviation of the process about it in the long run [W], its
    correlation time [s], and standard deviation of an error of the expectation [W]."""

    power: Array
    sigma: float
    time: float
    offset: float


def switching(loads: Iterable[DutyCycle], edges: Array) -> Switching:
    """All loads together, between times from now (n + 1,) [s]: variances add up, and the correlation time is that at which the
    mean over a long time has the right variance."""
    power, total, integral, doubt = np.zeros(len(edges) - 1), 0.0, 0.0, 0.0
    for load in loads:
        power = power + load.ahead(edges)
        total, integral, doubt = total + load.variance, integral + load.variance * load.memory, doubt + load.doubt
    return Switching(power, math.sqrt(total), integral / total if total > 0.0 else PRIOR, math.sqrt(doubt))
