"""The rover in MuJoCo: rigid bodies on the raw terrain, with the soil's resistance and slip, and every joule metered."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.rover import RoverParameters
from rover_energy.simulation.body import BodyState, quaternion, standing_rotation
from rover_energy.simulation.extras import need_mujoco
from rover_energy.simulation.geometry import FloatArray, GeometryParameters, RoverGeometry, rover_geometry
from rover_energy.simulation.ground import MAXIMUM_NODES, Ground, Window, bilinear
from rover_energy.simulation.kinematics import body_motion
from rover_energy.simulation.mjcf import rover_mjcf
from rover_energy.simulation.mujoco_drive import MujocoDrive, Work
from rover_energy.simulation.protocol import STOP, Command, Imu, Pose, Reading, SimulationError, check_command
from rover_energy.simulation.soil import SoilScatter, TrueRover
from rover_energy.simulation.sunlight import SunSensor
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

CONTROL_PERIOD = 0.025  # [s] at most: soil and wheel targets are brought up to date this often
TIMESTEP = 0.005  # [s] of the engine, at most
_SETTLING = 1.5  # [s] of rest after a reset, before the clock starts
_OVERTURNED = math.radians(75.0)


class MujocoSimulator:
    """Six driven wheels on rockers and bogies, four steered corners, on the terrain's own nodes.

    Parameters
    ----------
    terrain : Terrain
        Ground under the wheels, see `ground.Ground`: not smoothed. Keep-outs are not made into obstacles.
    surface : Surface
        The planner's surface; here it only gives the attitude from which the rover settles after `reset`.
    environment : Environment
        Gravity, Sun and shadows.
    rover : RoverParameters
        As the planner knows it.
    geometry : GeometryParameters, optional
    soil : SoilScatter, optional
        What is truly different from the description.
    seed : int
        Of the soil's patches.
    timestep : float
        Longest step of the engine [s]; steps of 2 to 10 ms give the same energy.
    nodes : int
        Most nodes along each side of the engine's ground; on larger maps this window follows the rover.

    Raises
    ------
    MissingExtraError
        Without mujoco.
    InputError
        A geometry that cannot be built.

    Notes
    -----
    *Slip.* The engine's wheels roll on the ground without slip, but for the creep of its contacts. Motor and engine wheel are
    apart by the slip: the motor turns at omega with v = r omega (1 - s), both under the same torque, so the motors' metered
    power torque * omega holds what slip costs, as torque * (engine's wheel speed) would not. The mean s of the wheels follows
    `locomotion.slip` at the body's own slope in the direction of travel. Between wheels it differs by `slip_per_pull` times the
    difference of pull over load: wheels of a stiff drive train that run over unlike bumps slip a little instead of
    fighting each other.

    *Resistance.* Dry friction in the wheel joints, the same in all six, such that the rolling of all wheels takes
    F_res |v| + (1 - s) M_turn |yaw rate|: F_res of `locomotion.resistance_force` and M_turn scrub as the demand model
    has them. The factor (1 - s) is there because M_turn is measured at the motors.

    *Meter.* Power of a motor is its torque at the end of the engine's step, with which the implicit integrator has moved the
    wheel, times its speed. Per motor nothing is fed back to the bus.
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
        timestep: float = TIMESTEP,
        nodes: int = MAXIMUM_NODES,
    ) -> None:
        if not 1e-4 <= timestep <= 0.01:
            raise InputError("simulation", "timestep", "is not within 0.0001 .. 0.01 s", "10 ms is the longest", timestep)
        self._mujoco = need_mujoco("the MuJoCo simulator")
        self._surface, self._timestep = surface, timestep
        self.truth = TrueRover(rover.locomotion, soil or SoilScatter(), environment.gravity, seed)
        self.geometry = _true_geometry(rover, self.truth, geometry)
        self._sun = SunSensor(environment, rover.pv)
        self._ground = Ground(terrain, nodes=nodes, border=self.geometry.wheel_base + self.geometry.track)
        low, high = self._ground.range
        self._relief = max(high - low, 1e-3)
        xmin, ymin, xmax, ymax = terrain.extent
        # Engine coordinates start in the middle of the map, at its lowest height.
        self._origin = np.array([(xmin + xmax) / 2.0, (ymin + ymax) / 2.0, low])
        self.mjcf = self._mjcf(environment.gravity)
        self.model: Any = self._mujoco.MjModel.from_xml_string(self.mjcf)
        self.data: Any = self._mujoco.MjData(self.model)
        self._drive = MujocoDrive(self._mujoco, self.model, self.data, self.geometry, self.truth)
        self.window: Window | None = None

    def _mjcf(self, gravity: float) -> str:
        rows, columns = self._ground.shape
        half = (columns - 1) * self._ground.spacing / 2.0, (rows - 1) * self._ground.spacing / 2.0
        size = (*half, self._relief)
        return rover_mjcf(
            self.geometry, gravity=gravity, ground_nodes=(rows, columns), ground_size=size, timestep=self._timestep
        )

    @property
    def work(self) -> Work:
        """Mechanical and electrical work of the motors since `reset` [J]."""
        return self._drive.work

    @property
    def state(self) -> BodyState:
        """The body's true pose and motion."""
        q, v = self.data.qpos, self.data.qvel
        flat = np.zeros(9)
        self._mujoco.mju_quat2Mat(flat, q[3:7])
        rotation = flat.reshape(3, 3)
        x, y, height = (float(value) for value in q[0:3] + self._origin)
        return BodyState(x, y, height, rotation, float(rotation[:, 0] @ v[0:3]), float(v[5]))

    def _show(self, x: float, y: float) -> None:
        """Move the engine's ground so that a point of the map is near its middle. Raises InputError off the map."""
        window = self._ground.window(x, y)
        xmin, ymin, xmax, ymax = window.extent
        heights = (window.heights - self._origin[2]) / self._relief
        self.model.hfield_data[:] = np.clip(heights, 0.0, 1.0).ravel()
        ground = self._mujoco.mj_name2id(self.model, self._mujoco.mjtObj.mjOBJ_GEOM, "ground")
        middle = np.array([(xmin + xmax) / 2.0, (ymin + ymax) / 2.0, self._origin[2]])
        self.model.geom_pos[ground] = middle - self._origin
        # The compiler notes that a geom lies at its body's origin, and the engine then never looks at geom_pos.
        self.model.geom_sameframe[ground] = self._mujoco.mjtSameFrame.mjSAMEFRAME_NONE
        self.window = window

    def reset(self, pose: Pose, time: float = 0.0) -> Reading:
        """Put the rover at rest and let it settle on its wheels.

        Parameters
        ----------
        pose : (x, y, heading)
            Map frame [m, m, rad]. Settling may shift it by millimetres; the reading says where it stands.
        time : float
            [s] at the first step.

        Raises
        ------
        InputError
            A pose that is not finite or off the map, or a time that is not finite.
        SimulationError
            When it does not come to rest upright.
        """
        x, y, heading = pose
        if not (math.isfinite(heading) and math.isfinite(time)):
            raise InputError("simulation", "heading, time", "are not finite", "give radians and seconds", (heading, time))
        self._show(x, y)
        self._mujoco.mj_resetData(self.model, self.data)
        self._place(x, y, heading)
        self._drive.reset()
        for _ in range(math.ceil(_SETTLING / CONTROL_PERIOD)):
            self._drive.run(STOP, CONTROL_PERIOD, self._timestep, self.state)
        self._drive.work = Work()
        self._time, self._odometry = time, (0.0, 0.0, 0.0)
        self._torques, self._power = np.zeros(6), 0.0
        self._sun.forget()
        self._check()
        return self._reading()

    def _place(self, x: float, y: float, heading: float) -> None:
        slopes = self._surface.gradient(x, y)
        hx, hy = (float(value) if math.isfinite(value) else 0.0 for value in slopes)
        rotation = standing_rotation(hx, hy, heading)
        assert self.window is not None
        lift = -math.inf
        for wx, wy in self.geometry.positions:
            corner = rotation @ np.array([wx, wy, 0.0])
            lift = max(lift, bilinear(self.window, x + corner[0], y + corner[1]) - corner[2])
        self.data.qpos[0:3] = np.array([x, y, lift + 0.005]) - self._origin
        self.data.qpos[3:7] = quaternion(rotation)

    def step(self, command: Command, dt: float) -> Reading:
        """Drive for dt [s], in blocks of at most 25 ms.

        Raises
        ------
        InputError
            A command or dt out of range.
        SimulationError
            Off the map, overturned, diverged, or not reset.
        """
        check_command(command, dt)
        if self.window is None:
            raise SimulationError("the simulator has no rover yet: call reset first")
        before, torques = self.work.electrical, np.zeros(6)
        blocks = max(1, math.ceil(dt / CONTROL_PERIOD - 1e-9))
        for _ in range(blocks):
            torques += self._drive.run(command, dt / blocks, self._timestep, self.state)
            self._dead_reckon(dt / blocks)
            self._check()
        self._time += dt
        self._torques, self._power = torques / blocks, (self.work.electrical - before) / dt
        return self._reading()

    def _dead_reckon(self, dt: float) -> None:
        rim = self._drive.wheel_speeds * self.geometry.wheel_radius
        speed, yaw_rate = body_motion(self.geometry, rim, self._drive.steering)
        x, y, heading = self._odometry
        middle = heading + 0.5 * yaw_rate * dt
        self._odometry = (x + speed * dt * math.cos(middle), y + speed * dt * math.sin(middle), heading + yaw_rate * dt)

    def _check(self) -> None:
        """Refuse to go on with a rover that is lost, and bring the ground along."""
        state = self.state
        assert self.window is not None
        margin = self.window.margin(state.x, state.y)
        if not (math.isfinite(margin) and math.isfinite(state.speed)):
            raise SimulationError(f"the engine diverged at time {self._time:.2f} s; a shorter timestep may help")
        if not state.tilt <= _OVERTURNED:
            raise SimulationError(f"the rover overturned at x {state.x:.2f} m, y {state.y:.2f} m, time {self._time:.2f} s")
        need = 0.5 * (self.geometry.wheel_base + self.geometry.track) + 1.0
        xmin, ymin, xmax, ymax = self._ground.terrain.extent
        if not (xmin <= state.x <= xmax and ymin <= state.y <= ymax):
            raise SimulationError(f"the rover left the map at x {state.x:.2f} m, y {state.y:.2f} m, time {self._time:.2f} s")
        if margin < need and not self._ground.whole:
            self._show(state.x, state.y)

    def _reading(self) -> Reading:
        state = self.state
        light = self._sun.read(state.x, state.y, self._time, state.rotation)
        sensors = self.data.sensordata
        imu = Imu(sensors[0:3].copy(), sensors[3:6].copy(), self.data.qpos[3:7].copy())
        return Reading(
            self._time, state.x, state.y, state.heading, state.speed, state.yaw_rate,
            state.roll, -state.along_slope, self._drive.wheel_speeds, self._torques, self._drive.steering,
            self._power, light.sunlit, light.incidence, state.height, self.work.electrical,
            light.pv_power, self._odometry, imu,
        )  # fmt: skip

    def sun_in_sight(self, direction: FloatArray) -> bool:
        """Whether a ray from the panel towards the Sun meets neither the engine's ground nor the rover.

        An independent, all-or-nothing check of the shadow fields that `Reading.sunlit` comes from; it sees no farther than the
        engine's window. `direction` (3,) is the map-frame vector to the Sun.
        """
        self._mujoco.mj_forward(self.model, self.data)
        start = self.data.site("panel").xpos
        unit = np.asarray(direction, dtype=float) / float(np.linalg.norm(direction))
        hit = np.zeros(1, dtype=np.int32)
        return bool(self._mujoco.mj_ray(self.model, self.data, start, unit, None, 1, -1, hit) < 0.0)


def _true_geometry(rover: RoverParameters, truth: TrueRover, parameters: GeometryParameters | None) -> RoverGeometry:
    """The running gear with the true mass, and with the motors of the described rover."""
    described = rover_geometry(rover, parameters, gravity=truth.gravity)
    true = rover_geometry(dataclasses.replace(rover, locomotion=truth.locomotion), parameters, gravity=truth.gravity)
    return dataclasses.replace(true, torque_limit=described.torque_limit)
