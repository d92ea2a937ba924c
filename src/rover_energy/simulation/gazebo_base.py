"""Motors and meter of the rover in Gazebo: what lies between a command for the body and Gazebo's joints, and back.

Gazebo turns wheels and corners as they are told and measures the torques; it knows no soil, no slip and no power. Here the
soil's resistance and slip are added to what it measures, and the motors' power is metered and capped, by the same laws as in
`mujoco_drive`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rover_energy.simulation.body import BodyState
from rover_energy.simulation.geometry import FloatArray, RoverGeometry
from rover_energy.simulation.kinematics import alignment, feasible_motion, rolling_speeds, steering_angles
from rover_energy.simulation.protocol import Command
from rover_energy.simulation.soil import TrueRover

AVERAGE = 0.15  # [s] over which the wheels' mechanical power is averaged: contact forces of a rigid ground jump from step to step
STANDSTILL = 1e-3  # of the rated wheel speed: slower wheels draw nothing


@dataclass(frozen=True, eq=False)
class Joints:
    """What Gazebo's joints did in one window of the meter.

    Attributes
    ----------
    speeds : (6,) array
        Of the wheels, order of `geometry.WHEELS` [rad/s].
    torques : (6,) array
        On the wheels about their axles, mean over the window; positive drives forward [N m].
    steering : (4,) array
        Angles of the corners, order of `geometry.CORNERS` [rad].
    """

    speeds: FloatArray
    torques: FloatArray
    steering: FloatArray


@dataclass(frozen=True, eq=False)
class Metered:
    """Motors in one window: speeds (6,) with slip [rad/s], torques (6,) with the soil's part [N m], power at the bus [W]."""

    speeds: FloatArray
    torques: FloatArray
    power: float


class GazeboBase:
    """Drivers and meter. Call `meter` and then `targets` once in each window.

    Parameters
    ----------
    geometry : RoverGeometry
    truth : TrueRover
        Soil as it is.
    """

    def __init__(self, geometry: RoverGeometry, truth: TrueRover) -> None:
        self.geometry, self.truth = geometry, truth
        self._rim, self._slip, self._drag = np.zeros(6), 0.0, 0.0
        self._torque, self._net = np.zeros(6), 0.0

    def meter(self, joints: Joints, state: BodyState, seconds: float) -> Metered:
        """Power of the motors in a window that has just ended.

        All wheels bear the same share of the mechanical power that they have together, averaged over `AVERAGE`: on Gazebo's
        rigid ground wheels that are driven by speed work against each other with torques of either sign, several times the
        mean, which the slip of soil relieves. F_res |v| + (1 - s) M_turn |yaw rate|, spread over the wheels as friction
        against their rolling, is added, and the motors turn faster than Gazebo's wheels by 1/(1 - s). Nothing is fed back to
        the bus. NaN in, NaN out.
        """
        truth = self.truth
        backward = float(np.sum(joints.speeds)) < 0.0
        self._slip = truth.slip(-state.along_slope if backward else state.along_slope)
        resisted = truth.resistance(state.speed, state.tilt, state.x, state.y) * abs(state.speed)
        resisted += (1.0 - self._slip) * truth.turn_moment(state.x, state.y) * abs(state.yaw_rate)
        rolling = float(np.sum(np.abs(joints.speeds)))
        still = 6.0 * STANDSTILL * self.geometry.rated_speed
        turning = rolling > still or math.isnan(rolling)
        self._drag = resisted / rolling if turning else 0.0
        net = float(joints.torques @ joints.speeds)
        share = min(1.0, seconds / AVERAGE)
        self._net = self._net + share * (net - self._net) if math.isfinite(self._net) else net
        shared = self._net / rolling if turning else 0.0
        torques = np.sign(joints.speeds) * (shared + self._drag)
        self._torque = np.where(np.isfinite(torques), torques, self._torque)
        speeds = joints.speeds / (1.0 - self._slip)
        return Metered(speeds, torques, self._power(torques, speeds))

    def targets(self, command: Command, steering: FloatArray, seconds: float) -> tuple[FloatArray, FloatArray]:
        """Speeds (6,) [rad/s] for Gazebo's wheels and angles (4,) [rad] for its corners in the next window.

        The wheels ramp as a driver's do, wait for corners that stand astray, and are slowed so that the power foreseen from the
        last torques stays within the command's cap.
        """
        g = self.geometry
        speed, yaw_rate = feasible_motion(g, command.speed, command.yaw_rate)
        standing = np.where(np.isfinite(steering), steering, 0.0)
        angles, wanted = standing, np.zeros(6)
        if speed != 0.0 or yaw_rate != 0.0:
            angles = steering_angles(g, speed, yaw_rate)
            error = float(np.max(np.abs(angles - standing)))
            wanted = alignment(error) * rolling_speeds(g, speed, yaw_rate, standing)
        most = g.parameters.drive_ramp * seconds
        rim = self._rim + np.clip(wanted - self._rim, -most, most)
        motor = rim / g.wheel_radius
        foreseen = self._power(np.sign(motor) * np.maximum(np.abs(self._torque), self._drag), motor)
        if foreseen > command.power_cap:
            rim = rim * (command.power_cap / foreseen)
        elif command.power_cap <= 0.0:
            rim = np.zeros(6)
        self._rim = rim
        return rim / g.wheel_radius * (1.0 - self._slip), angles

    def _power(self, torques: FloatArray, speeds: FloatArray) -> float:
        mechanical = torques * speeds
        return float(np.sum(np.where(mechanical <= 0.0, 0.0, mechanical))) / self.truth.efficiency


def motion_between(before: BodyState, now: BodyState, seconds: float) -> BodyState:
    """The newer pose with the speed along body x and the yaw rate about body z that led to it."""
    if not seconds > 0.0:
        return now
    moved = np.array([now.x - before.x, now.y - before.y, now.height - before.height]) / seconds
    turned = before.rotation.T @ now.rotation
    yaw_rate = math.atan2(float(turned[1, 0] - turned[0, 1]), float(turned[0, 0] + turned[1, 1])) / seconds
    speed = float(moved @ (before.rotation[:, 0] + now.rotation[:, 0])) / 2.0
    return BodyState(now.x, now.y, now.height, now.rotation, speed, yaw_rate)
