"""What steady driving costs: the fastest speed that the supply allows at a slope, a tilt and a curvature, and its price.

This is the front end's reading of the demand model: accelerations are left out, slip and ground resistance are tabulated so
that the compiled search and this code use the very same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.locomotion.demand import resistance_force, slip
from rover_energy.mission import MissionParameters
from rover_energy.rover import RoverParameters

FloatArray = NDArray[np.float64]

_TABLE = 512
_TILT_REACH = math.radians(45.0)  # beyond any tilt limit in use; the tables are held constant outside
_NEWTON_STEPS = 30


@dataclass(frozen=True, eq=False)
class CostModel:
    """Constants of the cost per metre.

    Attributes
    ----------
    traction : (n,) array
        1/(1 - slip), uniform over tan(along_slope) from -traction_reach to traction_reach [-].
    resistance : (n,) array
        Ground resistance at rest, uniform over cos(tilt) from resistance_low to 1 [N].
    weight, linear, quadratic, efficiency, turn_moment : float
        m g [N], c1 [N s/m], c2 [N s2/m2], drivetrain efficiency [-], M_turn [N m].
    constant_load : float
        Base and inference loads [W].
    time_weight, energy_weight : float
        Cost = time_weight * time + energy_weight * energy consumed by all loads [1/s], [1/J].
    speed, yaw_rate : float
        Limits [m/s], [rad/s].
    """

    traction: FloatArray
    resistance: FloatArray
    traction_reach: float
    resistance_low: float
    weight: float
    linear: float
    quadratic: float
    efficiency: float
    turn_moment: float
    constant_load: float
    time_weight: float
    energy_weight: float
    speed: float
    yaw_rate: float

    @classmethod
    def from_parameters(cls, rover: RoverParameters, mission: MissionParameters, gravity: float) -> CostModel:
        """Tables and constants of a rover under `gravity` [m/s2].

        With both weights of the mission at 0 the time counts alone: a path that costs nothing cannot be compared.
        """
        reach, low = math.tan(_TILT_REACH), math.cos(_TILT_REACH)
        tangent, cos_tilt = np.linspace(-reach, reach, _TABLE), np.linspace(low, 1.0, _TABLE)
        locomotion, weights = rover.locomotion, mission.weights
        return cls(
            traction=np.ascontiguousarray(1.0 / (1.0 - slip(locomotion.slip, np.arctan(tangent)))),
            resistance=np.ascontiguousarray(
                np.broadcast_to(resistance_force(locomotion, speed=0.0, tilt=np.arccos(cos_tilt), gravity=gravity), _TABLE),
                dtype=np.float64,
            ),
            traction_reach=reach,
            resistance_low=low,
            weight=locomotion.mass * gravity,
            linear=locomotion.resistance.c1,
            quadratic=locomotion.resistance.c2,
            efficiency=locomotion.drivetrain_efficiency,
            turn_moment=locomotion.turn_moment,
            constant_load=rover.loads.base_power + rover.loads.inference_power,
            time_weight=1.0 if weights.time == weights.energy == 0.0 else weights.time,
            energy_weight=weights.energy,
            speed=rover.limits.speed,
            yaw_rate=rover.limits.yaw_rate,
        )

    def steady_speed(self, power: ArrayLike, tan_slope: ArrayLike, cos_tilt: ArrayLike, turn: ArrayLike) -> FloatArray:
        """Fastest steady speed along the surface whose drive and turn power stay under `power` [m/s].

        Parameters
        ----------
        power : array_like
            What is left for mobility [W].
        tan_slope, cos_tilt : array_like
            tan(along_slope) and cos(tilt) [-].
        turn : array_like
            |yaw rate| per speed along the surface [1/m].

        Returns
        -------
        array of the broadcast shape
            0 where `power` is not positive. The demand is convex and increasing in speed: Newton's method from above.
        """
        power, tangent, cos_tilt, turn = (
            np.asarray(a, dtype=np.float64) for a in np.broadcast_arrays(power, tan_slope, cos_tilt, turn)
        )
        force, factor = self._force(tangent, cos_tilt), self._traction(tangent)
        with np.errstate(divide="ignore", invalid="ignore"):
            v = np.where(turn * self.speed > self.yaw_rate, self.yaw_rate / turn, self.speed)
            wanted = np.where(power > 0.0, power, 0.0) * self.efficiency
            for _ in range(_NEWTON_STEPS):
                f = force + v * (self.linear + v * self.quadratic)
                slope = np.where(f > 0.0, factor * (force + v * (2.0 * self.linear + 3.0 * v * self.quadratic)), 0.0)
                excess = np.where(f > 0.0, factor * f * v, 0.0) + self.turn_moment * turn * v - wanted
                above = excess > 1e-9 * wanted
                if not np.any(above):
                    break
                v = np.where(above, v - excess / (slope + self.turn_moment * turn), v)
        return np.asarray(np.where(power > 0.0, v, 0.0))

    def rate(self, power: ArrayLike, tan_slope: ArrayLike, tan_tilt: ArrayLike, curvature: ArrayLike) -> FloatArray:
        """Cost per horizontal metre at the fastest steady speed [1/m]; infinite without power.

        `curvature` is d heading per horizontal metre [1/m]; the other arguments as for `steady_speed`.
        """
        tangent = np.asarray(tan_slope, dtype=np.float64)
        cosine, cos_tilt = 1.0 / np.sqrt(1.0 + tangent**2), 1.0 / np.sqrt(1.0 + np.asarray(tan_tilt) ** 2)
        turn = np.abs(curvature) * cosine / cos_tilt
        v = self.steady_speed(power, tangent, cos_tilt, turn)
        f = self._force(tangent, cos_tilt) + v * (self.linear + v * self.quadratic)
        drive = (np.maximum(0.0, f) * self._traction(tangent) + self.turn_moment * turn) * v / self.efficiency
        cost = self.time_weight + self.energy_weight * (self.constant_load + drive)
        with np.errstate(divide="ignore"):
            return np.asarray(np.where(v > 0.0, cost / (v * cosine), np.inf))

    def _force(self, tangent: FloatArray, cos_tilt: FloatArray) -> FloatArray:
        at_rest = np.interp(cos_tilt, np.linspace(self.resistance_low, 1.0, len(self.resistance)), self.resistance)
        return np.asarray(self.weight * tangent / np.sqrt(1.0 + tangent**2) + at_rest)

    def _traction(self, tangent: FloatArray) -> FloatArray:
        grid = np.linspace(-self.traction_reach, self.traction_reach, len(self.traction))
        return np.asarray(np.interp(tangent, grid, self.traction))
