"""What the simulated rover and ground truly are, beside what the planner was told: scatter of soil, mass and efficiency."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import LocomotionParameters, resistance_force, slip
from rover_energy.locomotion.soil import contact_length, sinkage
from rover_energy.parameters import Parameters, parameter
from rover_energy.simulation.geometry import FloatArray

LEAST_SLIP, MAXIMUM_SLIP = -0.5, 0.95
_WAVES = 24


@dataclass(frozen=True)
class SoilScatter(Parameters):
    """Factors between the described and the simulated rover and ground; 1 everywhere is the nominal case."""

    resistance: float = parameter(1.0, minimum=0.0, maximum=10.0, description="on the ground's resistance and turn moment")
    slip: float = parameter(1.0, minimum=0.0, maximum=10.0, description="on wheel slip")
    mass: float = parameter(1.0, minimum=0.1, maximum=10.0, description="on mass and moments of inertia")
    efficiency: float = parameter(1.0, minimum=0.05, maximum=2.0, description="on drivetrain efficiency, which stays at most 1")
    patchiness: float = parameter(
        0.0, minimum=0.0, maximum=0.3, description="standard deviation of the resistance from place to place, over its mean",
    )  # fmt: skip
    patch_length: float = parameter(
        2.0, unit="m", minimum=0.1, maximum=1000.0, description="distance over which the patches lose correlation",
    )  # fmt: skip

    @classmethod
    def random(cls, seed: int, spread: float = 0.2, *, patchiness: float = 0.0) -> SoilScatter:
        """Independent factors, uniform within 1 +- `spread` (0 to 0.9); the same seed gives the same factors."""
        if not 0.0 <= spread <= 0.9:
            raise InputError("scatter", "spread", "is not within 0 .. 0.9", "give a fraction", spread)
        resistance, slipping, mass, efficiency = np.random.default_rng(seed).uniform(1.0 - spread, 1.0 + spread, 4).tolist()
        return cls(resistance, slipping, mass, efficiency, patchiness)


class Motion(NamedTuple):
    """Speed [m/s], acceleration [m/s2], yaw rate [rad/s] and yaw acceleration [rad/s2] of the body; negative is backward."""

    speed: float
    acceleration: float
    yaw_rate: float
    yaw_acceleration: float


class TrueRover:
    """Locomotion constants with the scatter applied.

    Parameters
    ----------
    locomotion : LocomotionParameters
        As the planner knows them.
    scatter : SoilScatter
    gravity : float
        [m/s2].
    seed : int
        Of the patches.
    """

    def __init__(self, locomotion: LocomotionParameters, scatter: SoilScatter, gravity: float, seed: int = 0) -> None:
        self.scatter, self.gravity = scatter, gravity
        self.locomotion = dataclasses.replace(
            locomotion,
            mass=locomotion.mass * scatter.mass,
            yaw_inertia=locomotion.yaw_inertia * scatter.mass,
            turn_moment=locomotion.turn_moment * scatter.resistance,
            drivetrain_efficiency=min(1.0, locomotion.drivetrain_efficiency * scatter.efficiency),
        )
        self._patches = _Patches(scatter, seed)

    @property
    def efficiency(self) -> float:
        """Bus to wheel [-]."""
        return self.locomotion.drivetrain_efficiency

    def local_factor(self, x: float, y: float) -> float:
        """Ratio of the resistance at a place [m] to the described one: scatter and patches."""
        return self.scatter.resistance * self._patches.factor(x, y)

    def resistance(self, speed: float, tilt: float, x: float, y: float) -> float:
        """Force of the ground against rolling [N] at a speed [m/s], whatever its sign, tilt [rad] and place [m]."""
        force = resistance_force(self.locomotion, speed=abs(speed), tilt=tilt, gravity=self.gravity)
        return float(force) * self.local_factor(x, y)

    def turn_moment(self, x: float, y: float) -> float:
        """Moment of the ground against turning at a place [N m]."""
        return self.locomotion.turn_moment * self._patches.factor(x, y)

    def slip(self, along_slope: float) -> float:
        """Mean slip of the wheels on a slope in the direction of travel [rad]."""
        return min(MAXIMUM_SLIP, self.scatter.slip * float(slip(self.locomotion.slip, along_slope)))

    def motor_power(self, motion: Motion, along_slope: float, tilt: float, x: float, y: float) -> float:
        """Electrical power of driving and turning at the bus [W]: the demand model, forward or backward, for the true rover.

        Parameters
        ----------
        motion : Motion
        along_slope : float
            Of the body's x axis [rad]; driving backward turns its sign.
        tilt, x, y : float
            [rad, m, m]
        """
        way = -1.0 if motion.speed < 0.0 else 1.0
        grade = way * self.gravity * math.sin(along_slope)
        force = self.locomotion.mass * (way * motion.acceleration + grade) + self.resistance(motion.speed, tilt, x, y)
        drive = max(0.0, force * abs(motion.speed) / (1.0 - self.slip(way * along_slope)))
        inertia = max(0.0, self.locomotion.yaw_inertia * motion.yaw_acceleration * motion.yaw_rate)
        turn = inertia + self.turn_moment(x, y) * abs(motion.yaw_rate)
        return (drive + turn) / self.efficiency

    def slip_per_pull(self) -> float:
        """How much more than the mean a wheel slips for each unit of pull over load by which it pulls more than the mean.

        2 K / (l tan phi): the slope at zero slip of Janosi and Hanamoto's law (`locomotion.soil.traction`, without
        cohesion), with the shear modulus K, the contact length l at static sinkage and the friction angle phi of the soil.
        """
        soil, wheel = self.locomotion.resistance.soil, self.locomotion.resistance.wheel
        depth = sinkage(soil, wheel, self.locomotion.mass * self.gravity / wheel.count)
        length = float(contact_length(wheel, np.minimum(depth, wheel.diameter / 2.0)))
        return 2.0 * soil.shear_modulus / (length * math.tan(soil.friction_angle))


class _Patches:
    """Smooth random field of mean 1: plane waves of random phase and direction, kept within two standard deviations."""

    def __init__(self, scatter: SoilScatter, seed: int) -> None:
        self._spread = scatter.patchiness
        random = np.random.default_rng(seed)
        # Normal wave vectors give a correlation exp(-(d/length)^2 / 2): Bochner's theorem.
        self._wave: FloatArray = random.normal(0.0, 1.0 / scatter.patch_length, (2, _WAVES))
        self._phase: FloatArray = random.uniform(0.0, 2.0 * math.pi, _WAVES)

    def factor(self, x: float, y: float) -> float:
        if self._spread == 0.0:
            return 1.0
        wave = math.sqrt(2.0 / _WAVES) * float(np.sum(np.cos(x * self._wave[0] + y * self._wave[1] + self._phase)))
        return 1.0 + self._spread * min(2.0, max(-2.0, wave))
