"""The pace of a plan: as fast as planned, slower where the bus would otherwise be asked for more than it can give.

The plan is driven at a rate: d(plan time)/dt. At the rate r the speed is r times the planned one, the acceleration r^2 times,
plus dr/dt times the speed. For instants ahead in the plan the largest rate is found at which the motion power, at its worst
within what the estimator leaves open, stays below what will be available there; the rate of now is low enough to reach
each of them by falling gently. The command of each period is checked once more against the power measured now.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.control.command import Command, Measurement
from rover_energy.control.load import Estimate, LoadModel
from rover_energy.control.reference import ROW, Point, Reference
from rover_energy.control.settings import GovernorParameters
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]

RATES = np.array([0.0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.78, 0.86, 0.94, 1.0, 1.06, 1.12, 1.2, 1.35, 1.5, 2.0])
METER_MEMORY = 0.3  # [s] over which the noise of the supply's meter is averaged
SUPPLY_MEMORY = 2.0  # [s] over which the supply's departure from the plan is averaged
SLOWEST = 0.3  # [-] rate below which the time to the instants ahead is not counted as longer
HALVINGS = 7  # of the interval of speeds in `limit`


@dataclass(frozen=True)
class Pace:
    """What the governor decided: rate [-], the largest rate that power allows [-], and the power margin foreseen [W]."""

    rate: float
    ceiling: float
    margin: float


class Governor:
    """Chooses the rate of the plan and limits commands.

    Parameters
    ----------
    reference : Reference
    rover : RoverParameters
    parameters : GovernorParameters
    power_limit : float
        Cap on the total load [W], whatever is available.
    stop_deceleration : float
        Largest braking that `limit` may ask for [m/s2].
    """

    def __init__(
        self, reference: Reference, rover: RoverParameters, parameters: GovernorParameters, *, power_limit: float = math.inf,
        stop_deceleration: float = 0.4,
    ) -> None:  # fmt: skip
        self.reference, self.parameters, self.power_limit = reference, parameters, power_limit
        self.model, self.limits, self.braking = LoadModel.of(rover), rover.limits, stop_deceleration
        rates = RATES[(parameters.fastest - 1e-9) > RATES]
        self._rates = np.append(rates, parameters.fastest)[:, None]
        self._departure = self._bias = self._spread = 0.0
        self._begun = False
        self.rate = 0.0

    def take_over(self, earlier: Governor) -> None:
        """Go on from another plan's governor: what the supply's noise is stays, its departure from that plan does not."""
        self._spread, self._begun, self.rate = earlier._spread, True, 1.0

    def observe(self, measurement: Measurement, ground: Point, seconds: float) -> None:
        """Compare the supply with the plan's, for the prediction of what is ahead."""
        departure = measurement.supply_power - ground.supply_power
        if not math.isfinite(departure):
            return
        self._departure += min(1.0, seconds / METER_MEMORY) * (departure - self._departure)
        share = min(1.0, seconds / SUPPLY_MEMORY)
        self._bias += share * (self._departure - self._bias)
        self._spread += share * (abs(self._departure - self._bias) * 1.2533 - self._spread)  # mean to standard deviation

    @property
    def bias(self) -> float:
        """Measured less planned supply, averaged over the last seconds [W]."""
        return self._bias

    def available(self, measurement: Measurement) -> float:
        """What motion may take now [W], before any margin."""
        total = measurement.supply_power + max(0.0, measurement.battery_limit)
        return min(total, self.power_limit) - measurement.constant_power

    def choose(
        self, time: float, measurement: Measurement, estimate: Estimate, seconds: float, *, wanted: float = 1.0,
    ) -> Pace:  # fmt: skip
        """The rate for the next `seconds`, at the plan time `time` [s].

        wanted : rate that is not exceeded (`fastest` while time is to be made up for, less to save energy).
        """
        p = self.parameters
        after, columns = self.reference.ahead(time, p.horizon, p.spacing)
        ceilings = np.minimum(self._power_ceilings(columns, measurement, estimate), self._motion_ceilings(columns))
        # From now on the rate falls, so the instants ahead are reached no sooner than at the rate of now.
        pace = max(self.rate, SLOWEST) if self._begun else p.fastest
        ceiling = float(np.min(ceilings + p.fall * after / pace))
        target = min(ceiling, wanted, p.fastest)
        if self._begun:
            change = (target - self.rate) / seconds
            change = max(-p.drop, min(change, self._change(time, measurement, estimate)))
            self.rate = min(max(self.rate + change * seconds, 0.0), p.fastest)
        else:
            self._begun, self.rate = True, max(target, 0.0)  # nothing moves yet
        return Pace(self.rate, ceiling, self.available(measurement) - measurement.motion_power)

    def _power_ceilings(self, columns: Array, measurement: Measurement, estimate: Estimate) -> Array:
        """Largest rate (m,) at which the worst motion power, with the rate falling, is below what is available ahead.

        A rate now from which every one of these is met by falling leaves, at each of them, falling on as a way out.
        """
        p, r = self.parameters, self._rates
        rows = {name: columns[ROW[name]] for name in ("speed", "acceleration", "yaw_rate", "yaw_acceleration")}
        spin = np.maximum(0.0, rows["yaw_rate"] * rows["yaw_acceleration"])
        features = self.model.features(
            r * rows["speed"], r * r * rows["acceleration"] - p.fall * rows["speed"], columns[ROW["grade"]],
            columns[ROW["resistance"]], estimate.worst_slip(columns[ROW["slip"]]), r * rows["yaw_rate"], r**3 * spin,
        )  # fmt: skip
        supply = columns[ROW["supply_power"]] + min(self._bias, 0.0) - p.supply_sigmas * self._spread
        total = np.minimum(supply + max(0.0, measurement.battery_limit), self.power_limit)
        excess = estimate.worst(features) - (total - measurement.constant_power - p.margin)
        over = excess > 0.0
        first = np.argmax(over, axis=0)  # 0 also where nothing is over
        low = np.maximum(first - 1, 0)
        every = np.arange(columns.shape[1])
        below, above = excess[low, every], excess[first, every]
        share = np.where(above > below, -below / np.where(above > below, above - below, 1.0), 0.0)
        rates = r[:, 0]
        found = rates[low] + np.clip(share, 0.0, 1.0) * (rates[first] - rates[low])
        return np.where(over.any(axis=0), np.where(first == 0, 0.0, found), rates[-1])

    def _motion_ceilings(self, columns: Array) -> Array:
        """Largest rate (m,) that the limits of motion allow; 1 at least, as the plan keeps them."""
        limits = self.limits

        def share(limit: float, name: str) -> Any:
            return limit / np.maximum(np.abs(columns[ROW[name]]), 1e-6)

        largest = np.minimum(share(limits.speed, "speed"), share(limits.yaw_rate, "yaw_rate"))
        return np.maximum(1.0, np.minimum(largest, np.sqrt(share(limits.acceleration, "acceleration"))))

    def _change(self, time: float, measurement: Measurement, estimate: Estimate) -> float:
        """Fastest change of the rate [1/s] that power and the limit of acceleration leave; negative where power lacks."""
        p, now = self.parameters, self.reference.at(time)
        rate = max(self.rate, 0.05)
        speed, slip = rate * now.speed, float(estimate.worst_slip(now.slip))
        worst = self._worst(speed, rate * rate * now.acceleration, rate * now.yaw_rate, now, slip, estimate)
        mass = min(estimate.factors[0] + estimate.sigmas * math.sqrt(max(estimate.covariance[0], 0.0)), estimate.high[0])
        gain = mass * self.model.mass * speed / (1.0 - slip)  # power per acceleration
        by_power = (self.available(measurement) - p.margin - worst) / max(gain, 1e-6)
        by_motion = max(0.0, 1.5 * self.limits.acceleration - rate * rate * now.acceleration)
        return min(p.rise, min(by_power, by_motion) / max(now.speed, 1e-3))

    def _worst(
        self, speed: float, acceleration: float, yaw_rate: float, ground: Point, slip: float, estimate: Estimate
    ) -> float:
        """Worst motion power [W] of a motion at a place, with that slip."""
        features = self.model.features(speed, acceleration, ground.grade, ground.resistance, slip, yaw_rate, 0.0)
        return float(estimate.worst(features))

    def limit(
        self, command: Command, present: float, measurement: Measurement, ground: Point, estimate: Estimate, seconds: float
    ) -> Command:
        """The command with its speed lowered so that the next period stays below the power measured now.

        Parameters
        ----------
        command : Command
            Wanted at the end of the period; its turn is lowered with the speed.
        present : float
            Speed that the drivers are set to now [m/s].
        measurement, ground, estimate
            Of now; `ground` is the plan where the rover is.
        seconds : float
            Length of the period [s].
        """
        p = self.parameters
        room = self.available(measurement)
        cap = max(0.0, room - p.guard)
        if not math.isfinite(room) or room <= 0.0:
            return Command(0.0, 0.0, self.braking, math.inf, 0.0)
        least = max(0.0, present - self.braking * seconds)
        most = min(command.speed, present + 1.5 * self.limits.acceleration * seconds)
        curvature = command.yaw_rate / command.speed if command.speed > 1e-6 else 0.0
        slip = float(estimate.worst_slip(ground.slip))

        def over(speed: float) -> bool:
            worst = self._worst(speed, (speed - present) / seconds, curvature * speed, ground, slip, estimate)
            return not worst <= room - p.margin

        speed = max(most, least) if most < least else most
        if speed > least and over(speed):
            low, high = least, speed
            for _ in range(HALVINGS):
                middle = 0.5 * (low + high)
                low, high = (low, middle) if over(middle) else (middle, high)
            speed = low
        acceleration = max(abs(speed - present) / seconds, 1e-3)
        return Command(speed, curvature * speed, acceleration, math.inf, cap, float(estimate.slip(ground.slip)))
