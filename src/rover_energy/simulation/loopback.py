"""The rover without a physics engine: kinematics and the demand model itself, a whole sol in seconds."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.rover import RoverParameters
from rover_energy.simulation.body import BodyState, quaternion, standing_rotation
from rover_energy.simulation.geometry import GeometryParameters, rover_geometry
from rover_energy.simulation.kinematics import feasible_motion, rolling_speeds, steering_angles
from rover_energy.simulation.protocol import Command, Imu, Pose, Reading, SimulationError, check_command
from rover_energy.simulation.soil import Motion, SoilScatter, TrueRover
from rover_energy.simulation.sunlight import SunSensor
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

LONGEST_STEP = 0.25  # [s] of one step of the kinematics while the rover moves
RESPONSE = 0.15  # [s] time constant of the body's speed, the order of a wheel controller's on soil
_AT_REST = 1e-5  # [m/s, rad/s] below which a rover told to stand stands
_HALVINGS = 30


class LoopbackSimulator:
    """Takes the place of `mujoco_rover.MujocoSimulator`, with the same arguments, commands, readings and scatter.

    The body lies on the planner's smooth surface. Its speed and yaw rate follow the command, less slip, with a first-order
    lag; the power is the demand model's for that motion. Under a power cap the motion is what the cap allows, braking no
    harder than the wheels' ramp.

    Parameters
    ----------
    terrain : Terrain
        Not used beyond its name; the surface has the heights.
    surface : Surface
    environment : Environment
    rover : RoverParameters
    geometry : GeometryParameters, optional
    soil : SoilScatter, optional
    seed : int
        Of the soil's patches.
    response : float
        Time constant of speed and yaw rate [s].
    """

    def __init__(
        self,
        terrain: Terrain,
        surface: Surface,
        environment: Environment,
        rover: RoverParameters,
        geometry: GeometryParameters | None = None,
        *,
        soil: SoilScatter | None = None,
        seed: int = 0,
        response: float = RESPONSE,
    ) -> None:
        if not 0.0 < response <= 10.0:
            raise InputError("simulation", "response", "is not within 0 .. 10 s", "give a positive time constant", response)
        self._name, self._surface, self._response = terrain.name, surface, response
        self.truth = TrueRover(rover.locomotion, soil or SoilScatter(), environment.gravity, seed)
        self.geometry = rover_geometry(rover, geometry, gravity=environment.gravity)
        self._sun = SunSensor(environment, rover.pv)
        self._state: BodyState | None = None

    @property
    def state(self) -> BodyState:
        """The body's true pose and motion. Raises SimulationError before `reset`."""
        if self._state is None:
            raise SimulationError("the simulator has no rover yet: call reset first")
        return self._state

    def reset(self, pose: Pose, time: float = 0.0) -> Reading:
        """Put the rover at rest at (x, y, heading) [m, m, rad], time [s]. Raises InputError for a pose off the map."""
        x, y, heading = pose
        if not (math.isfinite(heading) and math.isfinite(time)):
            raise InputError("simulation", "heading, time", "are not finite", "give radians and seconds", (heading, time))
        if not bool(self._surface.inside(x, y)):
            raise InputError(self._name, "x, y", "is off the map", "start inside its extent", (x, y))
        self._state = self._lie(x, y, heading, 0.0, 0.0)
        self._time, self._energy, self._power = time, 0.0, 0.0
        self._odometry: Pose = (0.0, 0.0, 0.0)
        self._motion, self._steering = Motion(0.0, 0.0, 0.0, 0.0), np.zeros(4)
        self._slip = self.truth.slip(self._state.along_slope)
        self._still: Reading | None = None
        self._sun.forget()
        return self._reading()

    def step(self, command: Command, dt: float) -> Reading:
        """Drive for dt [s]. Raises InputError for a command or dt out of range, SimulationError off the map or before `reset`."""
        check_command(command, dt)
        state, before = self.state, self._energy
        resting = command.speed == 0.0 == command.yaw_rate and abs(state.speed) < _AT_REST and abs(state.yaw_rate) < _AT_REST
        if resting:
            return self._rest(dt)
        steps = max(1, math.ceil(dt / LONGEST_STEP - 1e-9))
        for _ in range(steps):
            self._advance(command, dt / steps)
        self._power = (self._energy - before) / dt
        return self._reading()

    def _rest(self, dt: float) -> Reading:
        """Stand still: only time and light go on, so that a sol takes seconds."""
        state = self.state
        self._time += dt
        if self._still is None:
            self._state = BodyState(state.x, state.y, state.height, state.rotation, 0.0, 0.0)
            self._motion, self._power = Motion(0.0, 0.0, 0.0, 0.0), 0.0
            self._still = self._reading()
            return self._still
        light = self._sun.read(state.x, state.y, self._time, state.rotation)
        return dataclasses.replace(
            self._still, time=self._time, sunlit=light.sunlit, panel_incidence=light.incidence, pv_power=light.pv_power
        )

    def _lie(self, x: float, y: float, heading: float, speed: float, yaw_rate: float) -> BodyState:
        d = self._surface.partials(x, y, ((0, 0), (1, 0), (0, 1)))
        height = float(d[0, 0])
        if not math.isfinite(height):
            raise SimulationError(f"the rover left the map at x {x:.2f} m, y {y:.2f} m")
        return BodyState(x, y, height, standing_rotation(float(d[1, 0]), float(d[0, 1]), heading), speed, yaw_rate)

    def _advance(self, command: Command, h: float) -> None:
        state = self.state
        self._still = None
        motion, power = self._next_motion(command, state, h)
        # Positions by the mean speed of the step, at the heading of its middle.
        turn = motion.yaw_rate * h * math.cos(state.tilt)  # yaw_rate = heading rate / cos(tilt)
        middle = state.heading + 0.5 * turn
        along = motion.speed * h * math.cos(state.along_slope)
        end = motion.speed + 0.5 * motion.acceleration * h, motion.yaw_rate + 0.5 * motion.yaw_acceleration * h
        self._state = self._lie(
            state.x + along * math.cos(middle), state.y + along * math.sin(middle), state.heading + turn, *end
        )
        self._motion, self._energy, self._time = motion, self._energy + power * h, self._time + h
        x, y, heading = self._odometry
        rolled, turned = motion.speed * h / (1.0 - self._slip), motion.yaw_rate * h / (1.0 - self._slip)
        middle = heading + 0.5 * turned
        self._odometry = (x + rolled * math.cos(middle), y + rolled * math.sin(middle), heading + turned)

    def _next_motion(self, command: Command, state: BodyState, h: float) -> tuple[Motion, float]:
        """Mean motion over the next h [s], and its power [W at the bus], under the cap."""
        speed, yaw_rate = feasible_motion(self.geometry, command.speed, command.yaw_rate)
        way = -1.0 if (speed or state.speed) < 0.0 else 1.0
        self._slip = self.truth.slip(way * state.along_slope)
        share = -math.expm1(-h / self._response)
        ramp = self.geometry.parameters.drive_ramp * h
        limit = ramp / max(0.5 * self.geometry.wheel_base, 0.5 * self.geometry.track)
        if speed == 0.0 == yaw_rate:  # the brakes do not ask the motor controllers
            ramp = max(ramp, self.geometry.parameters.brake * h)
            limit = ramp / max(0.5 * self.geometry.wheel_base, 0.5 * self.geometry.track)
            share = 1.0
        gain = _clip(share * (speed * (1.0 - self._slip) - state.speed), ramp)
        turn = _clip(share * (yaw_rate * (1.0 - self._slip) - state.yaw_rate), limit)
        motion, power = self._moving(state, gain, turn, h)
        if power <= command.power_cap:
            return motion, power
        # From the hardest braking to what was wanted: the most that the cap allows.
        least, low_turn = _clip(-state.speed, ramp), _clip(-state.yaw_rate, limit)
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            part = 0.5 * (low + high)
            _, power = self._moving(state, least + part * (gain - least), low_turn + part * (turn - low_turn), h)
            low, high = (part, high) if power <= command.power_cap else (low, part)
        return self._moving(state, least + low * (gain - least), low_turn + low * (turn - low_turn), h)

    def _moving(self, state: BodyState, gain: float, turn: float, h: float) -> tuple[Motion, float]:
        motion = Motion(state.speed + 0.5 * gain, gain / h, state.yaw_rate + 0.5 * turn, turn / h)
        return motion, self.truth.motor_power(motion, state.along_slope, state.tilt, state.x, state.y)

    def _reading(self) -> Reading:
        state, motion = self.state, self._motion
        light = self._sun.read(state.x, state.y, self._time, state.rotation)
        if motion.speed != 0.0 or motion.yaw_rate != 0.0:  # at rest the corners stay as they are
            self._steering = steering_angles(self.geometry, motion.speed, motion.yaw_rate)
        steering = self._steering
        rim = rolling_speeds(self.geometry, state.speed, state.yaw_rate, steering)
        wheels = rim / (self.geometry.wheel_radius * (1.0 - self._slip))
        total = float(np.abs(wheels).sum())
        torque = self._power * self.truth.efficiency / total if total > 1e-9 else 0.0
        force = state.rotation.T @ np.array([0.0, 0.0, self.truth.gravity])
        force += np.array([motion.acceleration, state.speed * state.yaw_rate, 0.0])
        imu = Imu(force, np.array([0.0, 0.0, state.yaw_rate]), quaternion(state.rotation))
        return Reading(
            self._time, state.x, state.y, state.heading, state.speed, state.yaw_rate, state.roll, -state.along_slope,
            wheels, np.sign(wheels) * torque, steering, self._power, light.sunlit, light.incidence, state.height,
            self._energy, light.pv_power, self._odometry, imu,
        )  # fmt: skip


def _clip(value: float, limit: float) -> float:
    return min(limit, max(-limit, value))
