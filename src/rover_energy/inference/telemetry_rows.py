"""Rows of telemetry from measurements as they come, for the sentinel: means over a period, as shares of what there can be."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.tasks.telemetry_faults import CHANNELS, ROWS

BASE_SHARE = 0.2  # of the reference power that the constant load takes, as in the telemetry that the network learnt from


def reference_power(base_power: float) -> float:
    """Power that stands for 1 in a row [W], from the rover's constant load [W]. Raises InputError unless that is above 0."""
    if not 0.0 < base_power < math.inf:
        raise InputError("sentinel", "base_power", "is not above 0 W", "describe the rover's constant load", base_power)
    return base_power / BASE_SHARE


@dataclass
class RowMaker:
    """Gathers measurements into rows; the last `ROWS` of them are the stretch to be judged.

    period : of a row [s]. power : that stands for 1 [W]. speed : of the wheels' rims that stands for 1 [m/s].
    """

    period: float
    power: float
    speed: float
    rows: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=ROWS))
    begins: float = math.nan
    stored: float = math.nan
    latest: tuple[float, float] = (math.nan, math.nan)
    wheels: list[float] = field(default_factory=list)
    powers: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("period", "power", "speed"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise InputError("sentinel", name, "is not a positive number", "describe the rover", getattr(self, name))

    def add_wheels(self, speeds: Iterable[float]) -> None:
        """Speeds of the wheels' rims [m/s] at one instant."""
        values = [abs(v) for v in speeds]
        if values:
            self.wheels.append(math.fsum(values) / len(values) / self.speed)

    def add_power(self, time: float, motors: float, generation: float, surplus: float, stored: float) -> bool:
        """A measurement of the bus at `time` [s]: motors and sources [W], sources less loads and shunt [W], stored energy [J].

        True when a row is complete. Time that jumps (back, or over more than two periods) begins a new stretch.
        """
        before = self.latest[0]
        if not before <= time <= before + 2.0 * self.period:
            self.rows.clear()
            self._begin(time, stored)
        self.latest = time, stored
        self.powers.append((motors, generation, surplus))
        if time < self.begins + self.period - 1e-6:
            return False
        self.rows.append(self._row(time, stored))
        self._begin(time, stored)
        return True

    def _begin(self, time: float, stored: float) -> None:
        self.begins, self.stored = time, stored
        self.wheels, self.powers = [], []

    def _row(self, time: float, stored: float) -> tuple[float, ...]:
        motors, generation, surplus = (math.fsum(column) / len(column) for column in zip(*self.powers, strict=True))
        wheels = math.fsum(self.wheels) / len(self.wheels) if self.wheels else math.nan
        change = (stored - self.stored) / (time - self.begins)
        return wheels, motors / self.power, generation / self.power, (change - surplus) / self.power

    @property
    def full(self) -> bool:
        """There is a whole stretch."""
        return len(self.rows) == ROWS

    @property
    def stretch(self) -> NDArray[np.float64]:
        """Rows (rows, channels) so far."""
        return np.array(self.rows, dtype=float).reshape(-1, len(CHANNELS))
