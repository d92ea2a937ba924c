"""Motors and meter of the rover in Gazebo: what lies between a command for the body and Gazebo's joints, and back.

Gazebo applies a torque to each wheel at every step of its engine, stiffness * (set speed - speed) by the model of `sdf`, and
measures it; it knows no soil, no slip and no power. Here the set speeds come from a speed loop and from the cap on the power, and
the soil's resistance and slip are added to what Gazebo measures, by the same laws as in `mujoco_drive`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rover_energy.simulation.body import BodyState
from rover_energy.simulation.geometry import FloatArray, RoverGeometry
from rover_energy.simulation.kinematics import alignment, feasible_motion, rolling_speeds, steering_angles
from rover_energy.simulation.protocol import Command
from rover_energy.simulation.sdf import STEERING_GAIN, drive_stiffness, gear_friction
from rover_energy.simulation.soil import TrueRover

SETTLING = 0.25  # [s] over which the torque that holds the rover's speed is found
FIRMNESS = 3.0  # times the stiffness of a wheel: torque by which all wheels together correct the rover's speed
SPREAD = 0.2  # of a wheel's speed: change, either way, that a capped power still bears
LEAST_SPREAD = 0.05  # of the rated wheel speed, likewise
CREEP = 0.05  # of the rated wheel speed: slower wheels roll freely, and a rover told to stand is parked
STANDSTILL = 1e-3  # of the rated wheel speed: slower wheels have no resistance
CAP_RESERVE = 0.04  # of a cap on the power, left unused: slope, slip and speed of the body change from window to window
FADING = 0.1  # in a window, of what the latest peaks of resistance and steering add to the foreseen power
BLIND = 2  # windows in a row without a measurement, from the next on the wheels are braked
_HALVINGS = 14


@dataclass(frozen=True, eq=False)
class Joints:
    """What Gazebo's joints did in one window of the meter, at n steps of the engine.

    Attributes
    ----------
    speeds : (n, 6) array
        Of the wheels, order of `geometry.WHEELS` [rad/s].
    torques : (n, 6) array
        On the wheels about their axles, at the same instants; positive drives forward [N m].
    rates, moments : (n, 4) array
        Of the corners' joints, order of `geometry.CORNERS` [rad/s], and the moments with which they turn the wheels [N m].
    steering : (4,) array
        Angles of the corners at the end [rad].
    """

    speeds: FloatArray
    torques: FloatArray
    rates: FloatArray
    moments: FloatArray
    steering: FloatArray


@dataclass(frozen=True, eq=False)
class Metered:
    """Motors in one window: mean speeds (6,) with slip [rad/s], mean torques (6,) with the soil's part [N m], mean power at the
    bus [W]."""

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
        self.stiffness, self.friction = drive_stiffness(geometry), gear_friction(geometry)
        self._rim, self._slip, self._drag = np.zeros(6), 0.0, 0.0
        self._speed, self._load, self._thrust = np.zeros(6), np.zeros(6), np.zeros(6)
        self._shared = np.zeros((6, 6))
        self._held, self._peak_drag, self._steered, self._blind = False, 0.0, 0.0, 0

    def meter(self, joints: Joints, state: BodyState, seconds: float) -> Metered:
        """Power of the motors in a window that has just ended.

        The mean over the window's steps of torque * speed, motor by motor, wheels and corners: nothing is fed back to the bus or
        from one to another. F_res |v| + (1 - s) M_turn |yaw rate|, spread over the wheels as friction against their rolling, is
        added, and the motors turn faster than Gazebo's wheels by 1/(1 - s). NaN in, and no step in: NaN out.
        """
        truth, count = self.truth, len(joints.speeds)
        pose = (state.x, state.y, state.speed, state.yaw_rate, *state.rotation.ravel())
        measured = (pose, joints.speeds, joints.torques, joints.rates, joints.moments)
        if count == 0 or not all(np.all(np.isfinite(part)) for part in measured):
            self._blind += 1
            return Metered(np.full(6, math.nan), np.full(6, math.nan), math.nan)
        self._blind = 0
        speeds, torques = joints.speeds.mean(axis=0), joints.torques.mean(axis=0)
        backward = float(speeds.sum()) < 0.0
        self._slip = truth.slip(-state.along_slope if backward else state.along_slope)
        resisted = truth.resistance(state.speed, state.tilt, state.x, state.y) * abs(state.speed)
        resisted += (1.0 - self._slip) * truth.turn_moment(state.x, state.y) * abs(state.yaw_rate)
        rolling = float(np.abs(joints.speeds).sum()) / count
        still = 6.0 * STANDSTILL * self.geometry.rated_speed
        self._drag = resisted / rolling if rolling > still else 0.0
        mechanical = joints.torques * joints.speeds + self._drag * np.abs(joints.speeds)
        steered = joints.moments * joints.rates
        drawn, steering = (float(np.maximum(work, 0.0).sum()) / count for work in (mechanical, steered))
        self._speed = joints.speeds[-1]
        found = self._shared @ torques - self._thrust
        self._load = self._load + min(1.0, seconds / SETTLING) * (found - self._load)
        self._peak_drag = max(self._drag, self._peak_drag + FADING * (self._drag - self._peak_drag))
        self._steered = max(steering, (1.0 - FADING) * self._steered)
        faster = 1.0 / (1.0 - self._slip)
        power = (drawn * faster + steering) / truth.efficiency
        return Metered(speeds * faster, torques + np.sign(speeds) * self._drag, power)

    def targets(self, command: Command, steering: FloatArray, seconds: float) -> tuple[FloatArray, FloatArray]:
        """Set speeds (6,) [rad/s] for Gazebo's wheels and angles (4,) [rad] for its corners in the next window.

        The wheels ramp as a driver's do, wait for corners that stand astray, and are set so that the power of the next windows
        stays within the command's cap, also when their speed changes by `SPREAD` meanwhile. 0 when nothing has been measured for
        more than `BLIND` windows.
        """
        g, standing = self.geometry, np.where(np.isfinite(steering), steering, 0.0)
        speed, yaw_rate = feasible_motion(g, command.speed, command.yaw_rate)
        angles, wanted = standing, np.zeros(6)
        if speed != 0.0 or yaw_rate != 0.0:
            angles = steering_angles(g, speed, yaw_rate)
            error = float(np.max(np.abs(angles - standing)))
            wanted = alignment(error) * rolling_speeds(g, speed, yaw_rate, standing)
        most, rolled = g.parameters.drive_ramp * seconds, (1.0 - self._slip) / g.wheel_radius
        if self._held:  # take up from the true speed, or the wheels would rush as soon as the cap lets them
            true = self._speed / rolled
            self._rim = self._rim * min(1.0, max(0.0, float(true @ self._rim) / max(float(self._rim @ self._rim), 1e-12)))
        change = wanted - self._rim  # all in proportion: wheels of a turn that ramped alike would work against each other
        change = change * min(1.0, most / max(float(np.max(np.abs(change))), 1e-12))
        self._rim = self._rim + change
        lacking = self._rim * rolled - self._speed
        self._shared = shared = _shared(g, self._rim, standing, spot=speed == 0.0)
        self._thrust = shared @ (g.mass * g.wheel_radius**2 / 6.0 * change * rolled / seconds)
        torque = self.stiffness * lacking + shared @ (FIRMNESS * self.stiffness * lacking + self._load) + self._thrust
        slow = CREEP * g.rated_speed
        torque = torque + self.friction * np.sign(np.where(np.abs(self._speed) > slow, self._speed, torque))
        torque = np.clip(torque, -g.torque_limit, g.torque_limit)
        parked = not np.any(self._rim) and float(np.max(np.abs(self._speed))) < slow
        self._held = False
        if parked or self._blind > BLIND:
            return np.zeros(6), angles
        set_speeds = self._speed + torque / self.stiffness
        return self._capped(set_speeds, command.power_cap, self._steering(angles - standing)), angles

    def _steering(self, errors: FloatArray) -> float:
        """Power that the corners may take in the next window [W]: what they took lately, or turning their wheels on the spot.

        Friction under a wheel that is turned about its middle has a lever of a quarter of its width.
        """
        g = self.geometry
        moment = g.parameters.friction * g.mass * self.truth.gravity / 6.0 * g.wheel_width / 4.0
        rates = np.minimum(STEERING_GAIN * np.abs(errors), g.parameters.steering_rate)
        return max(self._steered, moment * float(rates.sum()))

    def _capped(self, set_speeds: FloatArray, cap: float, steering: float) -> FloatArray:
        """Set speeds (6,) of which the power, with that of the corners [W], stays within a cap [W at the bus].

        They are lowered along the rover's motion: wheels that go farther give up more, so that the cap makes no moment of its own
        about the turn. None goes below the set speed at which it draws nothing even when it has slowed by its spread.
        """
        if not cap < math.inf:
            return set_speeds
        k, rated = self.stiffness, self.geometry.rated_speed
        drag = self._peak_drag - self.friction  # the gear's friction takes part of what the motor gives
        room = np.maximum(SPREAD * np.abs(self._speed), LEAST_SPREAD * rated)
        pull = np.where(set_speeds < self._speed, -1.0, 1.0)
        way = np.where(np.abs(self._speed) > room, np.sign(self._speed), pull)
        now, wanted = way * self._speed, way * set_speeds
        low = np.maximum(now - room, 0.0)
        high = np.where(now < 0.0, np.maximum(now + CREEP * rated, 0.0), now + room)  # to brake takes nothing from the bus
        now = np.maximum(now, 0.0)
        friction = drag / k * np.clip(now / (CREEP * rated), 0.0, 1.0)
        least = np.minimum(wanted, low - friction)
        share = np.maximum(np.abs(self._rim), 0.1 * max(float(np.max(np.abs(self._rim))), 1e-9))

        def told(part: float) -> FloatArray:
            return np.maximum(wanted - part * share, least)

        def foreseen(part: float) -> float:
            """Power of the wheels [W]: (k (u - w) + drag) w at the worst speeds that they may have together, half of the way to
            low or to high, and what each may draw above that at its own worst: each for itself, so these add as squares."""
            top = told(part) + drag / k
            together = [np.maximum(k * (top - w) * w, 0.0) for w in (0.5 * (now + low), now, 0.5 * (now + high))]
            most = max(together, key=np.sum)
            at = np.clip(0.5 * top, low, high)
            return float(most.sum() + np.linalg.norm(np.maximum(k * (top - at) * at - most, 0.0)))

        left = cap * self.truth.efficiency * (1.0 - CAP_RESERVE) - steering
        allowed = max(left, 0.0) * (1.0 - self._slip)
        if foreseen(0.0) <= allowed:
            return set_speeds
        self._held, below, above = True, 0.0, float(np.max((wanted - least) / share))
        for _ in range(_HALVINGS):
            middle = 0.5 * (below + above)
            below, above = (below, middle) if foreseen(middle) <= allowed else (middle, above)
        held: FloatArray = way * told(above)
        return held


def _shared(geometry: RoverGeometry, rim: FloatArray, steering: FloatArray, *, spot: bool) -> FloatArray:
    """Projection (6, 6) of the wheels' torques or speeds on those that move the body; what is left, wheels do against each other.

    On the way: along the motion of the rims `rim` (6,), as the corners alone decide how a rover turns that rolls, and wheels that
    would have another turn only work against them. Standing or on the spot: along and about z.
    """
    if spot or not np.any(rim):
        ways = np.stack([rolling_speeds(geometry, 1.0, 0.0, steering), rolling_speeds(geometry, 0.0, 1.0, steering)])
    else:
        ways = rim[np.newaxis]
    projection: FloatArray = np.linalg.pinv(ways) @ ways
    return projection


def motion_between(before: BodyState, now: BodyState, seconds: float) -> BodyState:
    """The newer pose with the speed along body x and the yaw rate about body z that led to it."""
    if not seconds > 0.0:
        return now
    moved = np.array([now.x - before.x, now.y - before.y, now.height - before.height]) / seconds
    turned = before.rotation.T @ now.rotation
    yaw_rate = math.atan2(float(turned[1, 0] - turned[0, 1]), float(turned[0, 0] + turned[1, 1])) / seconds
    speed = float(moved @ (before.rotation[:, 0] + now.rotation[:, 0])) / 2.0
    return BodyState(now.x, now.y, now.height, now.rotation, speed, yaw_rate)
