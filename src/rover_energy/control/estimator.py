"""Soil, mass and slip, learnt while driving from metered power and speed.

Recursive least squares with a prior (a Kalman filter of constants that may drift along the path; Ljung 1999, System
Identification, section 11.2) on energies instead of powers: over a block of time the metered energy is compared with the work
against inertia and grade, against the ground, and of turning. Kinetic energy needs no differentiated speed, so noise of
the speed does not bias the mass. Slip comes from the speeds of wheels and rover, with an offset for the wheel's radius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.control.command import Measurement
from rover_energy.control.load import Estimate, LoadModel
from rover_energy.control.reference import Point
from rover_energy.control.settings import EstimatorParameters
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]

LEAST_TRACTION = 0.3  # of the resistance; below it single wheels brake and the metered power is no longer linear
LEAST_DISTANCE = 0.01  # [m] in a block
STRAIGHT = 0.3  # [1/m] curvature up to which the mean of the wheels' speeds is that of the rover
MEMORY = 0.1  # weight of the newest block in the mean squared innovation
LEAST_SURPRISE = 0.3
LONGEST_GAP = 0.5  # [s] between measurements


@dataclass
class _Block:
    """Sums over one block: seconds [s], metered energy [J], features [J], distances of rover and rims [m]."""

    seconds: float = 0.0
    count: int = 0
    energy: float = 0.0
    mass: float = 0.0
    resistance: float = 0.0
    turning: float = 0.0
    distance: float = 0.0
    rims: float = 0.0
    slip: float = 0.0
    straight: bool = True
    linear: bool = True


class Estimator:
    """Factors of mass, resistance, turning and slip.

    Parameters
    ----------
    rover : RoverParameters
    parameters : EstimatorParameters
        Its departures bound the factors before anything is measured; evidence may lead beyond them.
    """

    def __init__(self, rover: RoverParameters, parameters: EstimatorParameters) -> None:
        self.parameters = p = parameters
        self.model = LoadModel.of(rover)
        own = np.array([p.mass, p.resistance, p.turning])
        self._low = tuple((1.0 - own) / (1.0 + p.efficiency))
        self._high = tuple((1.0 + own) / (1.0 - p.efficiency))
        # Variance of an even distribution over the bounds; the efficiency is common to all three.
        self._covariance: Array = (np.diag(own**2) + p.efficiency**2) / 3.0 + 1e-12 * np.eye(3)
        self._factors: Array = np.ones(3)
        self._slip: Array = np.array([1.0, 0.0])
        self._slip_covariance: Array = np.diag([p.slip**2 / 3.0, p.slip_offset**2]) + 1e-12 * np.eye(2)
        self._surprise = 1.0
        self._last: Measurement | None = None
        self._block = _Block()
        self.blocks = 0
        self.estimate = self._snapshot()

    def update(self, measurement: Measurement, ground: Point) -> None:
        """Take in one measurement, made where the plan says `ground`; what is not finite is left out."""
        last, self._last = self._last, measurement
        needed = (measurement.time, measurement.speed, measurement.motion_power, measurement.yaw_rate)
        if not all(map(math.isfinite, needed)):
            self._last, self._block = None, _Block()
            return
        if last is None:
            return
        seconds = measurement.time - last.time
        if not 0.0 < seconds <= LONGEST_GAP:
            self._block = _Block()
            return
        self._accumulate(last, measurement, ground, seconds)
        if self._block.seconds >= self.parameters.block - 1e-9:
            block, self._block = self._block, _Block()
            self._learn(block)

    def _accumulate(self, last: Measurement, now: Measurement, ground: Point, seconds: float) -> None:
        block, model = self._block, self.model
        speed = 0.5 * (last.speed + now.speed)
        slip = min(max(float(self._slip[0]) * ground.slip + float(self._slip[1]), 0.0), 0.95)
        rim = 0.5 * (last.wheel_speed + now.wheel_speed)
        metered = math.isfinite(rim)
        rim = rim if metered else speed / (1.0 - slip)
        yaw_rate = 0.5 * (last.yaw_rate + now.yaw_rate)
        gain = rim / speed if speed > 0.02 else 1.0 / (1.0 - slip)
        drag = model.inverse_efficiency * ground.resistance + speed * (model.linear + model.quadratic * speed)
        mass = model.mass * (0.5 * (now.speed**2 - last.speed**2) * gain + ground.grade * rim * seconds)
        spin = 0.5 * (now.yaw_rate**2 - last.yaw_rate**2)
        block.seconds += seconds
        block.count += 1
        block.energy += now.motion_power * seconds
        block.mass += mass
        block.resistance += drag * rim * seconds
        block.turning += model.inertia * max(0.0, spin) + model.turning * abs(yaw_rate) * seconds
        block.distance += speed * seconds
        block.rims += rim * seconds
        block.slip += ground.slip * seconds
        block.straight &= metered and abs(yaw_rate) <= STRAIGHT * max(speed, 0.05)
        block.linear &= model.mass * ground.grade > -(1.0 - LEAST_TRACTION) * drag

    def _learn(self, block: _Block) -> None:
        if not block.distance >= LEAST_DISTANCE:
            return
        if block.straight and block.rims > 0.0:
            self._learn_slip(1.0 - block.distance / block.rims, block)
        if block.linear and block.mass > -(1.0 - LEAST_TRACTION) * block.resistance:
            self._learn_factors(block)
        self.estimate = self._snapshot()

    def _learn_factors(self, block: _Block) -> None:
        p, h = self.parameters, np.array([block.mass, block.resistance, block.turning])
        speed = block.distance / block.seconds
        meter = p.meter_noise**2 * block.seconds**2 / block.count
        kinetic = 2.0 * (self.model.mass * speed * p.speed_noise) ** 2
        noise = meter + kinetic + (p.roughness * block.resistance) ** 2
        covariance = self._covariance + np.eye(3) * p.drift**2 * block.distance
        direction = covariance @ h
        spread = float(h @ direction)
        innovation = block.energy - float(h @ self._factors)
        # The noise is scaled to what the innovations show, so rough ground widens the region and even ground narrows it.
        self._surprise += MEMORY * (min(innovation**2 / (spread + noise), 25.0) - self._surprise)
        noise *= max(LEAST_SURPRISE, self._surprise)
        gain = direction / (spread + noise)
        self._factors = self._factors + gain * innovation
        keep = np.eye(3) - np.outer(gain, h)
        self._covariance = keep @ covariance @ keep.T + noise * np.outer(gain, gain)
        self.blocks += 1

    def _learn_slip(self, seen: float, block: _Block) -> None:
        p, h = self.parameters, np.array([block.slip / block.seconds, 1.0])
        rounding = p.speed_noise / math.sqrt(block.count) * block.seconds / block.distance
        noise = p.slip_noise**2 + rounding**2
        covariance = self._slip_covariance + np.diag([p.drift**2 * block.distance, 0.0])
        direction = covariance @ h
        gain = direction / (float(h @ direction) + noise)
        self._slip = self._slip + gain * (min(max(seen, -0.3), 0.95) - float(h @ self._slip))
        keep = np.eye(2) - np.outer(gain, h)
        self._slip_covariance = keep @ covariance @ keep.T + noise * np.outer(gain, gain)

    def _snapshot(self) -> Estimate:
        """The estimate: factors a third to three times the model's, of slip a quarter beyond its bounds."""
        p, c, s = self.parameters, self._covariance, self._slip_covariance
        self._factors = np.clip(self._factors, 1.0 / 3.0, 3.0)
        self._slip = np.clip(self._slip, [1.0 - 1.25 * p.slip, -0.1], [1.0 + 1.25 * p.slip, 0.1])
        factors = self._factors.tolist()
        # What is measured counts for more than what was thought possible.
        low = tuple(min(bound, value) for bound, value in zip(self._low, factors, strict=True))
        high = tuple(max(bound, value) for bound, value in zip(self._high, factors, strict=True))
        return Estimate(
            factors=(factors[0], factors[1], factors[2]),
            covariance=(float(c[0, 0]), float(c[0, 1]), float(c[0, 2]), float(c[1, 1]), float(c[1, 2]), float(c[2, 2])),
            low=(float(low[0]), float(low[1]), float(low[2])),
            high=(float(high[0]), float(high[1]), float(high[2])),
            slip_factor=float(self._slip[0]), slip_offset=float(self._slip[1]),
            slip_covariance=(float(s[0, 0]), float(s[0, 1]), float(s[1, 1])),
            slip_high=1.0 + p.slip, sigmas=p.sigmas,
        )  # fmt: skip
