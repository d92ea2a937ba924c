"""The rover in Gazebo in place of the simulator node: motor drivers, sensors and meters around the topics of ros_gz_bridge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rover_energy.control.command import Command
from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import read_world
from rover_energy.nodes.settings import GazeboParameters
from rover_energy.nodes.simulator_node import Simulator
from rover_energy.power.rtg import rtg_power
from rover_energy.simulation.body import BodyState
from rover_energy.simulation.gazebo_base import GazeboBase, Joints, motion_between
from rover_energy.simulation.geometry import CORNERS, WHEELS, FloatArray, rover_geometry
from rover_energy.simulation.protocol import Imu, Reading
from rover_energy.simulation.run import WINDOW, Driver
from rover_energy.simulation.soil import SoilScatter, TrueRover
from rover_energy.simulation.sunlight import SunSensor

PREFIX = "gazebo/"  # of the bridge's topics on the side of ROS


class GazeboSimulator(Simulator):
    """One tick for each odometry of Gazebo, every 20 ms of its time. The clock is Gazebo's; nobody waits for answers.

    Takes the name `simulator`, so that the rest of the graph sees no difference.
    """

    name, parameters = "simulator", GazeboParameters  # type: ignore[assignment]

    def configure(self) -> None:
        p = self.settings
        world = read_world(p.folder)
        soil = SoilScatter(resistance=p.resistance, slip=p.slip, mass=p.mass)
        geometry = rover_geometry(world.rover, None, gravity=world.environment.gravity)
        self.base = GazeboBase(geometry, TrueRover(world.rover.locomotion, soil, world.environment.gravity, p.seed))
        self.sun = SunSensor(world.environment, world.rover.pv)
        self.rtg = float(rtg_power(world.rover.rtg, world.mission.years_since_fuelling))
        self.time, self.energy, self.pv = -math.inf, 0.0, math.nan
        self.driver, self.commanded, self.heard = Driver(), -math.inf, {"cmd_vel": -math.inf, "load_command": -math.inf}
        self.lost = {"cmd_vel": True, "load_command": True}
        self.cap, self.cap_time, self.lapse, self.cap_pv = 0.0, -math.inf, -math.inf, math.nan
        self.array = {}
        self.state: BodyState | None = None
        self.imu: Imu | None = None
        self.speeds, self.steering = np.full(6, math.nan), np.full(4, math.nan)
        self.wrenches: dict[str, list[float]] = {wheel: [] for wheel in WHEELS}
        self.torques = np.full(6, math.nan)
        self.send = {name: self.publisher(name) for name in ("odom", "joint_states", "imu", "meter")}
        self.send["/clock"] = lambda _: None  # the bridge's
        self.subscribe("cmd_vel", self.on_command)
        self.subscribe("load_command", self.on_load)
        self._open_bridge()

    def _open_bridge(self) -> None:
        """Publishers and subscriptions on the bridge's topics, see `simulation.gazebo.bridge_entries`."""
        number, stream = ros.message_class("std_msgs/msg/Float64"), ros.quality("stream")
        self.number = number
        topics = [f"drive/{wheel}" for wheel in WHEELS] + [f"steer/{corner}" for corner in CORNERS]
        self.joints = {topic: self.ros.create_publisher(number, PREFIX + topic, stream).publish for topic in topics}
        hear: list[tuple[str, str, Callable[[Any], None]]] = [
            ("joint_states", "sensor_msgs/msg/JointState", self.on_joints),
            ("imu", "sensor_msgs/msg/Imu", self.on_imu),
            ("odom", "nav_msgs/msg/Odometry", self.on_odometry),
        ]
        hear += [(f"wrench/{wheel}", "geometry_msgs/msg/WrenchStamped", self._keeper(wheel)) for wheel in WHEELS]
        for name, kind, callback in hear:
            self.ros.create_subscription(ros.message_class(kind), PREFIX + name, callback, stream)

    def activate(self) -> None:
        """Begin with the next odometry."""

    def deactivate(self) -> None:
        """Wheels to rest."""
        if self.state is not None and self.ros.context.ok():
            self._drive(np.zeros(6))

    def _keeper(self, wheel: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            # What the wheel does to its carrier is minus what the motor does to the wheel.
            self.wrenches[wheel].append(-message.wrench.torque.y)

        return keep

    def on_joints(self, message: Any) -> None:
        """Speeds of the wheels and angles of the corners, whatever their order."""
        index = {name: i for i, name in enumerate(message.name)}
        for k, wheel in enumerate(WHEELS):
            i = index.get(f"drive_{wheel}_joint")
            self.speeds[k] = math.nan if i is None else message.velocity[i]
        for k, corner in enumerate(CORNERS):
            i = index.get(f"steer_{corner}_joint")
            self.steering[k] = math.nan if i is None else message.position[i]

    def on_imu(self, message: Any) -> None:
        a, w, q = message.linear_acceleration, message.angular_velocity, message.orientation
        self.imu = Imu(np.array([a.x, a.y, a.z]), np.array([w.x, w.y, w.z]), np.array([q.w, q.x, q.y, q.z]))

    def on_odometry(self, message: Any) -> None:
        """One window has ended."""
        if not self.active:
            return
        time, at = ros.seconds(message.header.stamp), message.pose.pose
        if not time > self.time:
            return
        now = BodyState(at.position.x, at.position.y, at.position.z, _rotation(at.orientation), 0.0, 0.0)
        seconds = time - self.time
        first = self.state is None
        self.state = now if self.state is None else motion_between(self.state, now, seconds)
        self.time = time
        if not first:
            self.window(seconds)

    def window(self, seconds: float) -> None:
        """Meter the window, say what was measured, and tell the joints what comes next."""
        assert self.state is not None
        if self.time - self.commanded > self.settings.watchdog:
            self.driver.command = Command(0.0, 0.0, self.settings.ramp)
        state, before = self.state, self.pv
        self.torques = np.array([self._mean(wheel, torque) for wheel, torque in zip(WHEELS, self.torques, strict=True)])
        joints = Joints(self.speeds.copy(), self.torques, self.steering.copy())
        metered = self.base.meter(joints, state, seconds)
        light = self.sun.read(state.x, state.y, self.time, state.rotation)
        self.pv = light.pv_power
        self.reading = Reading(
            self.time, state.x, state.y, state.heading, state.speed, state.yaw_rate, state.roll, -state.along_slope,
            metered.speeds, metered.torques, joints.steering, metered.power, light.sunlit, light.incidence, state.height,
            pv_power=light.pv_power, imu=self.imu,
        )  # fmt: skip
        self.energy += metered.power * seconds
        self.publish(metered.power, light.pv_power)
        cap = self._cap(before)
        wheels, angles = self.base.targets(self.driver.step(cap, WINDOW), joints.steering, seconds)
        self._drive(wheels)
        for corner, angle in zip(CORNERS, angles, strict=True):
            self.joints[f"steer/{corner}"](self.number(data=float(angle)))

    def _mean(self, wheel: str, last: float) -> float:
        """Of a wheel's torques since the last window; a window without one keeps the last mean."""
        found = self.wrenches[wheel]
        mean = float(np.mean(found)) if found else float(last)
        found.clear()
        return mean

    def _drive(self, speeds: FloatArray) -> None:
        for wheel, speed in zip(WHEELS, speeds, strict=True):
            self.joints[f"drive/{wheel}"](self.number(data=float(speed)))

    def on_timer(self) -> None:
        """Nothing is due by real time."""


def _rotation(q: Any) -> FloatArray:
    """Rotation matrix (3, 3) of a unit quaternion."""
    w, x, y, z = q.w, q.x, q.y, q.z
    return np.array([
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ])  # fmt: skip


def main() -> None:
    """Entry point."""
    ros.run(GazeboSimulator)


if __name__ == "__main__":
    main()
