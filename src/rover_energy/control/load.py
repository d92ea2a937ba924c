"""The demand model in the form that the controller estimates and bounds: three powers, each times an unknown factor.

    motion power = k_m f_m + k_r f_r + k_t f_t
    f_m = m (a + g sin phi) w / eta        f_r = F_res(v) w / eta        f_t = (max(0, I_z alpha omega) + M_turn |omega|) / eta

with w = v / (1 - s) the speed of the wheels' rims. The factors hold what is not known of mass, ground and turning, each
divided by the factor of the efficiency. The model is `locomotion.demand`, whose power is max(0, f_m + f_r) + f_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]
MASS, RESISTANCE, TURNING = 0, 1, 2
MOST_SLIP = 0.95


@dataclass(frozen=True)
class LoadModel:
    """Constants of the demand in SI units; force constants are already divided by the drivetrain's efficiency."""

    mass: float
    linear: float
    quadratic: float
    inverse_efficiency: float
    inertia: float
    turning: float

    @classmethod
    def of(cls, rover: RoverParameters) -> LoadModel:
        """Constants of a rover."""
        locomotion = rover.locomotion
        gain = 1.0 / locomotion.drivetrain_efficiency
        return cls(
            locomotion.mass * gain, locomotion.resistance.c1 * gain, locomotion.resistance.c2 * gain, gain,
            locomotion.yaw_inertia * gain, locomotion.turn_moment * gain,
        )  # fmt: skip

    def features(
        self, speed: Any, acceleration: Any, grade: Any, resistance: Any, slip: Any, yaw_rate: Any, spin: Any
    ) -> tuple[Any, Any, Any]:
        """f_m, f_r, f_t [W] for floats or arrays that broadcast.

        speed, acceleration : along the surface [m/s, m/s2]. grade : g sin(along_slope) [m/s2]. resistance : at rest [N].
        slip : [-]. yaw_rate : [rad/s]. spin : yaw rate times yaw acceleration, 0 or more [rad2/s3].
        """
        rim = speed / (1.0 - slip)
        drag = self.inverse_efficiency * resistance + speed * (self.linear + self.quadratic * speed)
        return self.mass * (acceleration + grade) * rim, drag * rim, self.inertia * spin + self.turning * abs(yaw_rate)


@dataclass(frozen=True)
class Estimate:
    """What is known of the factors at one moment.

    factors : k_m, k_r, k_t. covariance : their upper triangle (mm, mr, mt, rr, rt, tt). low, high : what is possible at all.
    slip_factor, slip_offset : slip = slip_factor model + slip_offset. slip_covariance : (ff, fo, oo). slip_high : largest
    possible factor. sigmas : width of the confidence region.
    """

    factors: tuple[float, float, float]
    covariance: tuple[float, float, float, float, float, float]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    slip_factor: float
    slip_offset: float
    slip_covariance: tuple[float, float, float]
    slip_high: float
    sigmas: float

    def slip(self, model: Any) -> Any:
        """Expected slip where the model says `model`."""
        return np.clip(self.slip_factor * model + self.slip_offset, 0.0, MOST_SLIP)

    def worst_slip(self, model: Any) -> Any:
        """Largest slip within the confidence region."""
        ff, fo, oo = self.slip_covariance
        spread = np.sqrt(np.maximum(0.0, ff * model * model + 2.0 * fo * model + oo))
        expected = self.slip_factor * model + self.slip_offset
        ceiling = np.maximum(self.slip_high * model, expected)
        return np.clip(np.minimum(expected + self.sigmas * spread, ceiling), 0.0, MOST_SLIP)

    def expected(self, features: tuple[Any, Any, Any]) -> Any:
        """Expected motion power [W]."""
        m, r, t = features
        km, kr, kt = self.factors
        return np.maximum(0.0, km * m + kr * r) + kt * t

    def worst(self, features: tuple[Any, Any, Any]) -> Any:
        """Largest motion power [W] within the confidence region and within what is possible."""
        m, r, t = features
        km, kr, kt = self.factors
        mm, mr, mt, rr, rt, tt = self.covariance
        variance = m * (mm * m + 2.0 * (mr * r + mt * t)) + r * (rr * r + 2.0 * rt * t) + tt * t * t
        likely = km * m + kr * r + kt * t + self.sigmas * np.sqrt(np.maximum(0.0, variance))
        top = np.where(m > 0.0, self.high[0], self.low[0]) * m + self.high[1] * r + self.high[2] * t
        return np.maximum(np.minimum(likely, top), kt * t)
