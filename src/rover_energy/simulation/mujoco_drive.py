"""Motors, soil and meter of the rover in MuJoCo: everything between a command and the engine's joints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.simulation.body import BodyState
from rover_energy.simulation.geometry import CORNERS, WHEELS, FloatArray, RoverGeometry
from rover_energy.simulation.kinematics import alignment, feasible_motion, rolling_speeds, steering_angles
from rover_energy.simulation.protocol import Command
from rover_energy.simulation.soil import LEAST_SLIP, MAXIMUM_SLIP, TrueRover

_STANDSTILL = 0.02  # of the rated wheel speed: below it the stiffness of drive on soil no longer rises
_MEAN_TORQUE_TIME = 0.15  # [s] over which the wheels' common torque is averaged
_CAP_RESERVE = 0.005  # of a cap on the power, left unused
_TRIES = 4  # of one step under a cap
_LEAST_POWER = 1e-3  # [W] not worth a second try
_TORQUE_RISE = 0.1  # [s] in which a capped motor may go from no torque to its limit
_PARKED = 0.01  # [m/s] below which the brakes close when the wheels are told to stand


@dataclass
class Work:
    """Where the mechanical work of the motors has gone since `reset` [J].

    Attributes
    ----------
    motors : float
        Work of the drive motors, positive and negative.
    slip : float
        Part of it lost between wheel and ground.
    resistance : float
        Part of it taken by the ground's resistance and turn moment.
    steering : float
        Work of the steering motors, not in `motors`.
    electrical : float
        Energy that all motors took from the bus.
    """

    motors: float = 0.0
    slip: float = 0.0
    resistance: float = 0.0
    steering: float = 0.0
    electrical: float = 0.0


class MujocoDrive:
    """See the notes of `mujoco_rover.MujocoSimulator` for the laws.

    Parameters
    ----------
    mujoco, model, data
        The module, and the engine's model and state, which this class writes to.
    geometry : RoverGeometry
    truth : TrueRover
    """

    def __init__(self, mujoco: Any, model: Any, data: Any, geometry: RoverGeometry, truth: TrueRover) -> None:
        self._mujoco, self._model, self._data = mujoco, model, data
        # Views on the engine's memory: asking for them anew at every step costs as much as the arithmetic.
        self._qvel, self._control, self._force = data.qvel, data.ctrl, data.actuator_force
        self._geometry, self._truth = geometry, truth

        def degrees(names: list[str]) -> Any:
            ids = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) for name in names]
            return np.asarray(model.jnt_dofadr[ids], dtype=np.intp)

        self._wheel_dof = degrees([f"drive_{name}" for name in WHEELS])
        self._steer_dof = degrees([f"steer_{name}" for name in CORNERS])
        self._steer_position = self._steer_dof + 1  # the free joint has one more position than velocities
        load_torque = truth.locomotion.mass * truth.gravity / 6.0 * geometry.wheel_radius
        self._slip_per_torque = truth.slip_per_pull() / load_torque
        self._steering_range = model.actuator_forcerange[6:10].copy()
        self._wheel_load_inertia = truth.locomotion.mass / 6.0 * geometry.wheel_radius**2
        self.reset()

    def reset(self) -> None:
        """Forget targets and meters; the corners stand straight."""
        self._rim, self._target = np.zeros(6), np.zeros(4)
        self._slip, self._mean_torque, self._friction = 0.0, 0.0, 0.0
        self._gain, self._motor = np.ones(6), np.zeros(6)
        self._rise, self._torque = np.zeros(6), np.zeros(6)
        self._high = np.full(6, self._geometry.torque_limit)
        self._low = -self._high
        self._model.actuator_forcerange[0:6] = np.stack([self._low, self._high], axis=1)
        self._held, self._steering_held, self._steering_power = False, False, 0.0
        self._model.actuator_forcerange[6:10] = self._steering_range
        self.work = Work()

    @property
    def wheel_speeds(self) -> FloatArray:
        """Speeds (6,) of the motors' output shafts, slip included [rad/s]."""
        return self._motor.copy()

    @property
    def steering(self) -> FloatArray:
        """Angles (4,) of the corners [rad]."""
        return np.array(self._data.qpos[self._steer_position])

    def run(self, command: Command, dt: float, timestep: float, state: BodyState) -> FloatArray:
        """Drive for one period [s] with engine steps of at most `timestep`; returns the wheels' mean torques (6,) [N m]."""
        substeps = max(1, math.ceil(dt / timestep - 1e-9))
        h = dt / substeps
        self._model.opt.timestep = h
        speed, yaw_rate = feasible_motion(self._geometry, command.speed, command.yaw_rate)
        start = self._rim.copy()
        if self._held:  # take up from the true speed, or the wheels would spin as soon as the cap lets them
            true = self._motor * self._geometry.wheel_radius
            start = start * min(1.0, max(0.0, float(true @ start) / max(float(start @ start), 1e-12)))
        ramp = self._geometry.parameters.drive_ramp * dt
        self._rim = start + np.clip(self._wanted_rim_speeds(speed, yaw_rate, dt) - start, -ramp, ramp)
        self._set_soil(command, state)
        total = np.zeros(6)
        for k in range(1, substeps + 1):
            total += self._substep(start + (self._rim - start) * (k / substeps), command.power_cap, h)
        return total / substeps

    def _wanted_rim_speeds(self, speed: float, yaw_rate: float, dt: float) -> FloatArray:
        """Steers, and gives the rim speeds (6,) [m/s] that fit where the corners stand; at rest the corners stay."""
        if speed == 0.0 and yaw_rate == 0.0:
            return np.zeros(6)
        wanted = steering_angles(self._geometry, speed, yaw_rate)
        change = self._geometry.parameters.steering_rate * dt
        if self._steering_held:  # take up from where the corners stand
            self._target = self.steering
        self._target = self._target + np.clip(wanted - self._target, -change, change)
        self._control[6:10] = self._target
        steering = self.steering
        error = float(np.max(np.abs(wanted - steering)))
        return alignment(error) * rolling_speeds(self._geometry, speed, yaw_rate, steering)

    def _set_soil(self, command: Command, state: BodyState) -> None:
        """Resistance, slip, and stiffness of drive on soil, for the state now."""
        r, rated = self._geometry.wheel_radius, self._geometry.rated_speed
        backward = command.speed < 0.0 or (command.speed == 0.0 and state.speed < 0.0)
        self._slip = self._truth.slip(-state.along_slope if backward else state.along_slope)
        rolling = float(np.sum(np.abs(self._qvel[self._wheel_dof]))) * r
        creep = 1e-3 * rated * r  # lets a rover at rest feel the same force as a slow one
        resisted = self._truth.resistance(state.speed, state.tilt, state.x, state.y) * (abs(state.speed) + creep)
        resisted += (1.0 - self._slip) * self._truth.turn_moment(state.x, state.y) * abs(state.yaw_rate)
        self._friction = resisted / (rolling + 6.0 * creep) * r
        parked = not np.any(self._rim) and abs(state.speed) < _PARKED
        self._model.dof_frictionloss[self._wheel_dof] = self._geometry.torque_limit if parked else self._friction
        self._gain = 1.0 / (self._slip_per_torque * np.maximum(np.abs(self._rim) / r, _STANDSTILL * rated))
        self._model.actuator_gainprm[0:6, 0] = self._gain
        self._model.actuator_biasprm[0:6, 2] = -self._gain

    def _substep(self, rim: FloatArray, cap: float, h: float) -> FloatArray:
        """One step of the engine and of the meter; returns the torques (6,) of the wheel motors [N m]."""
        qvel, dof = self._qvel, self._wheel_dof
        motor = rim / self._geometry.wheel_radius
        forward = np.sign(motor)
        # The pull that all wheels share costs the mean slip only: their common torque makes no error of speed.
        wanted = motor * (1.0 - self._slip) + forward * self._mean_torque / self._gain
        self._control[0:6] = wanted
        before, steer_before = qvel[dof], qvel[self._steer_dof]  # indexed by arrays: copies
        self._limit(self._gain * (wanted - before), before, cap, h)
        torque = self._capped_step(forward, before, cap) if cap < math.inf else self._engine_step(forward, before)
        after = qvel[dof]
        self._meter(torque, after, steer_before, h)
        self._rise, self._torque = after - before, torque
        mean = float(forward @ torque) / 6.0
        self._mean_torque += min(1.0, h / _MEAN_TORQUE_TIME) * (mean - self._mean_torque)
        return torque

    def _engine_step(self, forward: FloatArray, before: FloatArray) -> FloatArray:
        """Step the engine; returns the torques (6,) that it applied, and sets the speeds of the motors."""
        self._mujoco.mj_step(self._model, self._data)
        after, force = self._qvel[self._wheel_dof], self._force[0:6]
        # The implicit integrator applies the torque of the speed at the end of the step, unless the torque is limited.
        limited = (force <= self._low) | (force >= self._high)
        torque: FloatArray = np.where(limited, force, force - self._gain * (after - before))
        slips = self._slip + self._slip_per_torque * (forward * torque - float(forward @ torque) / 6.0)
        self._motor = after / (1.0 - np.minimum(np.maximum(slips, LEAST_SLIP), MAXIMUM_SLIP))
        return torque

    def _capped_step(self, forward: FloatArray, before: FloatArray, cap: float) -> FloatArray:
        """As `_engine_step`, taken back and tried with less torque when the motors drew more than the cap, as over an edge.

        A driver's current loop is some hundred times faster than the engine's step, so it would not have let that happen.
        Steering comes first, as a rover with wheels askew cannot drive; the wheels get what it leaves.
        """
        data, steer_before = self._data, self._qvel[self._steer_dof]
        saved = data.qpos.copy(), data.qvel.copy(), data.qacc_warmstart.copy(), data.time
        allowed = max(cap * self._truth.efficiency, 0.0)
        for _ in range(_TRIES):
            torque = self._engine_step(forward, before)
            steering = self._steering_work(steer_before)
            power = np.maximum(torque * self._motor, 0.0)
            drawn, turned = float(power.sum()), float(steering.sum())
            if drawn + turned <= max(allowed, _LEAST_POWER):
                break
            data.qpos[:], data.qvel[:], data.qacc_warmstart[:], data.time = saved
            self._held = True
            if turned > 0.95 * allowed:
                self._hold_steering(steering > 0.0, 0.9 * allowed / turned)
            if drawn > 0.0:
                share = min(1.0, 0.95 * max(allowed - turned, 0.0) / drawn)
                self._set_limits(np.where(power > 0.0, np.maximum(share * np.abs(torque), 1e-9), self._high))
        else:  # over an edge the wheels that pull change from try to try: the driver switches off for this step
            self._set_limits(np.full(6, 1e-9))
            self._hold_steering(np.ones(4, dtype=bool), 0.0)
            torque = self._engine_step(forward, before)
        return torque

    def _steering_work(self, before: FloatArray) -> FloatArray:
        """Power (4,) that the steering motors drew in the step just made, nothing fed back [W]."""
        rate = 0.5 * (before + self._qvel[self._steer_dof])
        return np.maximum(self._force[6:10] * rate, 0.0)

    def _hold_steering(self, moving: NDArray[np.bool_], share: float) -> None:
        """Leave the moving corners this share of their torque, and let the targets wait for them."""
        limit = np.where(moving, np.maximum(share * np.abs(self._force[6:10]), 1e-9), self._steering_range[:, 1])
        self._model.actuator_forcerange[6:10] = np.stack([-limit, limit], axis=1)
        self._steering_held = True

    def _meter(self, torque: FloatArray, wheel: FloatArray, steer_before: FloatArray, h: float) -> None:
        work, power = self.work, torque * self._motor
        steering = self._force[6:10] * (0.5 * (steer_before + self._qvel[self._steer_dof]))
        motors, ground = float(power.sum()), float(torque @ wheel)
        work.motors += motors * h
        work.slip += (motors - ground) * h
        work.resistance += self._friction * float(np.abs(wheel).sum()) * h
        work.steering += float(steering.sum()) * h
        self._steering_power = float(np.maximum(steering, 0.0).sum())
        work.electrical += (float(np.maximum(power, 0.0).sum()) + self._steering_power) * h / self._truth.efficiency

    def _limit(self, wanted: FloatArray, wheel: FloatArray, cap: float, h: float) -> None:
        """Limit the torques about to be applied so that the motors stay within `cap` [W at the bus].

        All pulling wheels lose the same share of their torque, and none while the cap leaves room: a cap that does not bind
        changes nothing. The speed at the end of the step, by which the power will be metered, is foreseen as if what held the
        wheels back during the last step went on holding them.
        """
        limit = np.full(6, self._geometry.torque_limit)
        self._held = self._steering_held = False
        self._model.actuator_forcerange[6:10] = self._steering_range
        if cap < math.inf:
            most = np.minimum(limit, np.abs(self._torque) + limit * (h / _TORQUE_RISE))
            torque = np.clip(wanted, -most, most)
            slips = self._slip + self._slip_per_torque * (np.abs(torque) - float(np.abs(torque).mean()))
            rate = h / self._wheel_load_inertia
            seen = 1.0 / (1.0 - np.clip(slips, LEAST_SLIP, MAXIMUM_SLIP))
            fixed = torque * (wheel + self._rise - rate * self._torque) * seen
            pulling = (torque * wheel > 0.0) | (np.abs(wheel) < rate * np.abs(torque))
            a, b = float((rate * torque * torque * seen)[pulling].sum()), float(fixed[pulling].sum())
            c = max(0.0, cap * self._truth.efficiency * (1.0 - _CAP_RESERVE) - self._steering_power)
            limit, self._held = most, a + b > c
            if self._held:  # the largest share with a share^2 + b share <= c
                root = math.sqrt(b * b + 4.0 * a * c)
                share = max(0.0, 2.0 * c / (b + root) if b > 0.0 else (root - b) / (2.0 * a))
                limit = np.where(pulling, np.maximum(np.abs(torque) * min(1.0, share), 1e-9), most)
        self._set_limits(limit)

    def _set_limits(self, limit: FloatArray) -> None:
        self._high, self._low = limit, -limit
        self._model.actuator_forcerange[0:6, 0] = self._low
        self._model.actuator_forcerange[0:6, 1] = self._high
