"""What every simulator takes and gives: one command in, one reading out, whatever stands behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError, RoverEnergyError

FloatArray = NDArray[np.float64]
Pose = tuple[float, float, float]

MAXIMUM_SPEED = 10.0  # [m/s] far above any rover: what is faster is a unit mistaken
MAXIMUM_YAW_RATE = 10.0  # [rad/s]
MAXIMUM_STEP = 3600.0  # [s]


@dataclass(frozen=True)
class Command:
    """Wanted motion of the body.

    Attributes
    ----------
    speed : float
        Forward along the surface [m/s], negative backward. The wheels are turned as if they did not slip, so the rover is
        slower than this by the slip: who commands makes up for it.
    yaw_rate : float
        About body z, counter-clockwise from above [rad/s].
    power_cap : float
        Electrical power that the motor drivers may draw together [W at the bus]; infinity is no cap. Works like the current
        limit of a real driver: it takes torque away from the wheels, at every step of the engine, whatever the speed wanted.
    """

    speed: float = 0.0
    yaw_rate: float = 0.0
    power_cap: float = math.inf


STOP = Command()


@dataclass(frozen=True, eq=False)
class Imu:
    """Inertial measurement at the body's origin, in the body frame (x forward, y left, z up).

    Attributes
    ----------
    acceleration : (3,) array
        Specific force [m/s2]: at rest on level ground it is (0, 0, +gravity).
    angular_velocity : (3,) array
        [rad/s].
    orientation : (4,) array
        Unit quaternion (w, x, y, z) from the body frame to the map frame [-].
    """

    acceleration: FloatArray
    angular_velocity: FloatArray
    orientation: FloatArray


@dataclass(frozen=True, eq=False)
class Reading:
    """State and measurements at the end of a step.

    Wheels are in the order front left, front right, middle left, middle right, rear left, rear right; steered corners in the
    order front left, front right, rear left, rear right (`rover_energy.simulation.geometry`).

    Attributes
    ----------
    time : float
        [s], on the clock given to `reset`.
    x, y : float
        Body origin, between the wheels at ground level, map frame [m].
    heading : float
        Yaw in the map frame, -pi to pi [rad].
    speed : float
        Of the body origin along body x [m/s].
    yaw_rate : float
        About body z [rad/s].
    roll, pitch : float
        REP 103 angles of the body [rad]: pitch is positive nose down, so the slope along the heading is -pitch.
    wheel_speeds : (6,) array
        Of the motors' output shafts [rad/s]; slip included, as an encoder shows it.
    wheel_torques : (6,) array
        Of the motors on the wheels, mean over the step [N m].
    steering : (4,) array
        Angles of the corners, positive counter-clockwise from above [rad].
    motor_power : float
        Electrical power of the drive and steering motors at the bus, mean over the step [W]: sum over motors of
        max(0, torque * speed), divided by the drivetrain efficiency.
    sunlit : float
        Visible fraction of the Sun's disc, 0 to 1; NaN where the environment knows nothing.
    panel_incidence : float
        Cosine between the panel's normal and the Sun, 0 when the Sun is behind the panel.
    height : float
        Body origin, map frame [m].
    motor_energy : float
        Integral of motor_power since `reset` [J].
    pv_power : float
        Power of the solar array at the bus [W]; NaN as `sunlit`.
    odometry : (x, y, heading)
        Pose dead-reckoned from wheel speeds and steering alone, blind to slip, from (0, 0, 0) at `reset` [m, m, rad].
    imu : Imu or None
        None where the simulator has no inertial sensor.
    """

    time: float
    x: float
    y: float
    heading: float
    speed: float
    yaw_rate: float
    roll: float
    pitch: float
    wheel_speeds: FloatArray
    wheel_torques: FloatArray
    steering: FloatArray
    motor_power: float
    sunlit: float
    panel_incidence: float
    height: float = math.nan
    motor_energy: float = math.nan
    pv_power: float = math.nan
    odometry: Pose = (math.nan, math.nan, math.nan)
    imu: Imu | None = None


class Simulator(Protocol):
    """A rover on its terrain. One call of `step` at a time; not thread-safe."""

    def reset(self, pose: Pose, time: float = 0.0) -> Reading:
        """Put the rover at rest at (x, y, heading) [m, m, rad], time [s]. Raises InputError for a pose off the map."""
        ...

    def step(self, command: Command, dt: float) -> Reading:
        """Drive for dt [s]. Raises InputError for a command or dt that is not finite or is beyond reason."""
        ...


class SimulationError(RoverEnergyError):
    """The simulated rover has left its map or overturned, or the engine has diverged: what follows would mean nothing."""


def check_command(command: Command, dt: float) -> None:
    """Refuse what no drive could follow. Raises InputError; NaN fails every check."""
    for name, value, limit, unit in (
        ("speed", command.speed, MAXIMUM_SPEED, "m/s"), ("yaw_rate", command.yaw_rate, MAXIMUM_YAW_RATE, "rad/s"),
    ):  # fmt: skip
        if not (abs(value) <= limit):
            raise InputError("command", name, f"is not within +-{limit:g} {unit}", "send a finite value in SI units", value)
    if not (command.power_cap >= 0.0):
        raise InputError("command", "power_cap", "is below the least allowed 0 W", "send 0 or more", command.power_cap)
    if not (0.0 < dt <= MAXIMUM_STEP):
        raise InputError("simulation", "dt", f"is not within 0 .. {MAXIMUM_STEP:g} s", "give a positive step", dt)
