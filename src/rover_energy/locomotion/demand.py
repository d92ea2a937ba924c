"""Electrical demand of driving: rolling, grade, acceleration, turning, slip and drivetrain losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.soil import SoilParameters, WheelParameters, rover_resistance, stiffness
from rover_energy.parameters import Parameters, group, parameter

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ResistanceParameters(Parameters):
    """Resistance force of the ground at zero grade, F_res(v) [N]."""

    model: str = parameter(
        "polynomial", choices=("polynomial", "bekker"),
        description="'polynomial': c0 + c1 v + c2 v^2; 'bekker': wheel-soil mechanics, plus c1 v + c2 v^2",
    )  # fmt: skip
    c0: float = parameter(80.0, unit="N", minimum=0.0, description="constant part (unused with 'bekker')")
    c1: float = parameter(0.0, unit="N s/m", minimum=0.0, description="part linear in speed")
    c2: float = parameter(0.0, unit="N s2/m2", minimum=0.0, description="part quadratic in speed")
    soil: SoilParameters = group(SoilParameters, "ground, used with 'bekker'")
    wheel: WheelParameters = group(WheelParameters, "wheels, used with 'bekker'")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model == "bekker":
            stiffness(self.soil, self.wheel)


@dataclass(frozen=True)
class SlipParameters(Parameters):
    """Wheel slip against the grade: maximum / (1 + (maximum/flat - 1) exp(-gain tan phi)), a bounded log-linear law."""

    flat: float = parameter(0.05, minimum=0.0, maximum=0.5, description="slip on level ground; 0 switches slip off")
    maximum: float = parameter(0.80, minimum=0.01, maximum=0.95, description="slip approached on the steepest climb")
    gain: float = parameter(
        10.0, minimum=0.0, maximum=100.0, description="growth of the logarithm of slip with tan(along_slope)",
        source="chosen so that slip is 0.40 at 15 deg: VIPER design maximum, 10.3847/PSJ/add13f",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.flat <= self.maximum:
            raise InputError("SlipParameters", "flat", f"exceeds maximum {self.maximum:g}", "lower it", self.flat)


@dataclass(frozen=True)
class LocomotionParameters(Parameters):
    """Constants of the mobility system."""

    mass: float = parameter(200.0, unit="kg", minimum=0.1, maximum=1.0e5, description="rover mass")
    yaw_inertia: float = parameter(30.0, unit="kg m2", minimum=0.0, maximum=1.0e6, description="moment of inertia about body z")
    resistance: ResistanceParameters = group(ResistanceParameters, "ground resistance")
    turn_moment: float = parameter(
        40.0, unit="N m", minimum=0.0, description="steady scrubbing moment while turning, M_turn",
        source="Wong, mu_t W L / 4 with mu_t 0.5, W 324 N, L 1 m",
    )  # fmt: skip
    slip: SlipParameters = group(SlipParameters, "wheel slip")
    drivetrain_efficiency: float = parameter(
        0.60, minimum=0.01, maximum=1.0, description="bus to wheel: motor, gear and driver",
    )  # fmt: skip


@dataclass(frozen=True)
class Demand:
    """Loads on the bus [W], arrays that broadcast together."""

    base_power: Array
    drive_power: Array
    turn_power: Array
    inference_power: Array

    @property
    def total_power(self) -> Array:
        """Sum of the loads [W]."""
        total: Array = self.base_power + self.drive_power + self.turn_power + self.inference_power
        return total


def slip(parameters: SlipParameters, along_slope: ArrayLike) -> Array:
    """Wheel slip on a slope along the heading.

    s = S / (1 + (S/s0 - 1) exp(-k tan phi)): logistic between 0 and the maximum S, equal to s0 on level ground. Where s is
    small it is s0 exp(k tan phi), the log-linear law seen on slopes by Mars rovers; the bound S is ours.

    Parameters
    ----------
    parameters : SlipParameters
    along_slope : array_like
        Slope along the heading, positive uphill [rad], inside +-90 deg.

    Returns
    -------
    ndarray
        1 - v/(r omega_wheel), from 0 to S; zeros when `flat` is 0.

    Notes
    -----
    Anchor: 0.40 at 15 deg uphill (VIPER design maximum, 10.3847/PSJ/add13f). Downhill slip is small and positive here,
    while real wheels skid (Yutu-2: 0 to -0.075 within 8.9 deg); with no regeneration that costs no power.
    """
    grade = np.tan(np.asarray(along_slope, dtype=float))
    if parameters.flat == 0.0:
        return np.where(np.isnan(grade), np.nan, 0.0)
    with np.errstate(over="ignore"):
        falling = np.exp(-parameters.gain * grade)
    result: Array = parameters.maximum / (1.0 + (parameters.maximum / parameters.flat - 1.0) * falling)
    return result


def resistance_force(parameters: LocomotionParameters, *, speed: ArrayLike, tilt: ArrayLike, gravity: float) -> Array:
    """Resistance of the ground against forward motion, F_res [N].

    'polynomial': c0 + c1 v + c2 v^2. 'bekker': wheel-soil resistance of `rover_resistance` at the load m g cos(tilt), plus
    c1 v + c2 v^2.

    Parameters
    ----------
    parameters : LocomotionParameters
    speed : array_like
        Along the surface, forward [m/s].
    tilt : array_like
        Angle between surface normal and vertical [rad]; unused with 'polynomial' except that NaN gives NaN.
    gravity : float
        [m/s2].

    Raises
    ------
    InputError
        With 'bekker', when the wheels sink to their axles.
    """
    resistance = parameters.resistance
    v, xi = np.asarray(speed, dtype=float), np.asarray(tilt, dtype=float)
    if resistance.model == "bekker":
        load = parameters.mass * gravity * np.cos(xi)
        constant = rover_resistance(resistance.soil, resistance.wheel, load, gravity)
    else:
        constant = resistance.c0 + 0.0 * xi
    force: Array = constant + v * (resistance.c1 + resistance.c2 * v)
    return force


def traction_force(
    parameters: LocomotionParameters,
    *,
    speed: ArrayLike,
    acceleration: ArrayLike,
    along_slope: ArrayLike,
    tilt: ArrayLike,
    gravity: float,
) -> Array:
    """Force that the wheels must bring along the surface [N]: F = m a + m g sin phi + F_res, negative when braking.

    Arguments as in `drive_power`.
    """
    grade = gravity * np.sin(np.asarray(along_slope, dtype=float))
    inertia = parameters.mass * (np.asarray(acceleration, dtype=float) + grade)
    force: Array = inertia + resistance_force(parameters, speed=speed, tilt=tilt, gravity=gravity)
    return force


def drive_power(
    parameters: LocomotionParameters,
    *,
    speed: ArrayLike,
    acceleration: ArrayLike,
    along_slope: ArrayLike,
    tilt: ArrayLike,
    gravity: float,
) -> Array:
    """Electrical power of driving forward at the bus.

    P = max(0, F v / (1 - s(phi))) / eta: the wheels turn faster than the ground passes, so slip divides; there is no
    regeneration (the current of a real skid-steer rover stays positive down 20 deg, docs/physics_locomotion.md).

    Parameters
    ----------
    parameters : LocomotionParameters
    speed : array_like
        Along the surface, forward, 0 or more [m/s].
    acceleration : array_like
        Along the surface [m/s2].
    along_slope : array_like
        Slope along the heading, positive uphill [rad].
    tilt : array_like
        Angle between surface normal and vertical [rad].
    gravity : float
        [m/s2].

    Returns
    -------
    ndarray
        Power [W], shape of the broadcast inputs; NaN in any input gives NaN.
    """
    force = traction_force(
        parameters, speed=speed, acceleration=acceleration, along_slope=along_slope, tilt=tilt, gravity=gravity
    )
    wheel = force * np.asarray(speed, dtype=float) / (1.0 - slip(parameters.slip, along_slope))
    power: Array = np.maximum(0.0, wheel) / parameters.drivetrain_efficiency
    return power


def turn_power(parameters: LocomotionParameters, *, yaw_rate: ArrayLike, yaw_acceleration: ArrayLike) -> Array:
    """Electrical power of turning at the bus.

    P = (max(0, I_z alpha omega) + M_turn |omega|) / eta: the second term is the steady scrubbing of the wheels, which the
    power models of planners often leave out (docs/physics_locomotion.md shows its size on a real rover).

    Parameters
    ----------
    parameters : LocomotionParameters
    yaw_rate : array_like
        About body z [rad/s].
    yaw_acceleration : array_like
        Its derivative [rad/s2].

    Returns
    -------
    ndarray
        Power [W]; NaN in any input gives NaN.
    """
    omega = np.asarray(yaw_rate, dtype=float)
    inertia = np.maximum(0.0, parameters.yaw_inertia * np.asarray(yaw_acceleration, dtype=float) * omega)
    power: Array = (inertia + parameters.turn_moment * np.abs(omega)) / parameters.drivetrain_efficiency
    return power


def total_power(
    parameters: LocomotionParameters,
    *,
    speed: ArrayLike,
    acceleration: ArrayLike,
    yaw_rate: ArrayLike,
    yaw_acceleration: ArrayLike,
    along_slope: ArrayLike,
    tilt: ArrayLike,
    gravity: float,
    base_power: ArrayLike = 0.0,
    inference_power: ArrayLike = 0.0,
) -> Demand:
    """All loads on the bus.

    `base_power` and `inference_power` [W] come from the rover's `LoadParameters`; the other arguments are those of
    `drive_power` and `turn_power`.

    Returns
    -------
    Demand
        Each load, and their sum as `total_power` [W].
    """
    drive = drive_power(parameters, speed=speed, acceleration=acceleration, along_slope=along_slope, tilt=tilt, gravity=gravity)
    turn = turn_power(parameters, yaw_rate=yaw_rate, yaw_acceleration=yaw_acceleration)
    return Demand(np.asarray(base_power, dtype=float), drive, turn, np.asarray(inference_power, dtype=float))
