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
from rover_energy.simulation.gazebo import QUEUE
from rover_energy.simulation.gazebo_base import GazeboBase, Joints, motion_between
from rover_energy.simulation.geometry import CORNERS, WHEELS, FloatArray, rover_geometry
from rover_energy.simulation.protocol import Imu, Reading
from rover_energy.simulation.run import WINDOW, Driver
from rover_energy.simulation.soil import SoilScatter, TrueRover
from rover_energy.simulation.sunlight import SunSensor

PREFIX = "gazebo/"  # of the bridge's topics on the side of ROS
SPEEDS, TORQUES, RATES, MOMENTS = slice(0, 6), slice(6, 12), slice(12, 16), slice(16, 20)  # of a step, see `Joints`


class GazeboSimulator(Simulator):
    """One tick for each odometry of Gazebo, every 20 ms of its time. The time is Gazebo's; nobody waits for answers.

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
        self.samples: dict[int, FloatArray] = {}  # by stamp [ns]: steps of the engine
        self.steering = np.full(4, math.nan)
        self.latest = dict.fromkeys((*WHEELS, "joints"), 0)  # stamp [ns] of each stream's last message
        self.ended: list[tuple[int, BodyState]] = []  # windows of which not all samples may have come
        self.send = {name: self.publisher(name) for name in ("/clock", "odom", "joint_states", "imu", "meter")}
        self.subscribe("cmd_vel", self.on_command)
        self.subscribe("load_command", self.on_load)
        self._open_bridge()

    def _open_bridge(self) -> None:
        """Publishers and subscriptions on the bridge's topics, see `simulation.gazebo.bridge_entries`."""
        number, stream = ros.message_class("std_msgs/msg/Float64"), ros.quality("stream", QUEUE)
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
        drive = TORQUES.start + WHEELS.index(wheel)
        steer = MOMENTS.start + CORNERS.index(wheel) if wheel in CORNERS else None

        def keep(message: Any) -> None:
            # What the wheel does to its carrier is minus what the motors do to the wheel.
            stamp, torque = _nanoseconds(message.header.stamp), message.wrench.torque
            sample = self._sample(stamp)
            sample[drive] = -torque.y
            if steer is not None:
                sample[steer] = -torque.z
            self._close(wheel, stamp)

        return keep

    def _sample(self, stamp: int) -> FloatArray:
        """One step of the engine, (20,); NaN: has not come."""
        while len(self.samples) >= QUEUE:
            del self.samples[next(iter(self.samples))]
        return self.samples.setdefault(stamp, np.full(MOMENTS.stop, math.nan))

    def on_joints(self, message: Any) -> None:
        """Speeds of the wheels, angles and rates of the corners, whatever their order."""
        stamp, index = _nanoseconds(message.header.stamp), {name: i for i, name in enumerate(message.name)}
        sample = self._sample(stamp)
        for k, wheel in enumerate(WHEELS):
            i = index.get(f"drive_{wheel}_joint")
            sample[SPEEDS.start + k] = math.nan if i is None else message.velocity[i]
        for k, corner in enumerate(CORNERS):
            i = index.get(f"steer_{corner}_joint")
            self.steering[k] = math.nan if i is None else message.position[i]
            sample[RATES.start + k] = math.nan if i is None else message.velocity[i]
        self._close("joints", stamp)

    def on_imu(self, message: Any) -> None:
        a, w, q = message.linear_acceleration, message.angular_velocity, message.orientation
        self.imu = Imu(np.array([a.x, a.y, a.z]), np.array([w.x, w.y, w.z]), np.array([q.w, q.x, q.y, q.z]))

    def on_odometry(self, message: Any) -> None:
        """One window has ended. It is closed when every stream has come as far: a burst brings odometry ahead of the rest."""
        if not self.active:
            return
        stamp, at = _nanoseconds(message.header.stamp), message.pose.pose
        if not 1e-9 * stamp > max(self.time, 1e-9 * self.ended[-1][0] if self.ended else -math.inf):
            return
        rotation = ros.rotation_of(at.orientation)
        self.ended.append((stamp, BodyState(at.position.x, at.position.y, at.position.z, rotation, 0.0, 0.0)))
        self._close_windows()

    def _close(self, stream: str, stamp: int) -> None:
        self.latest[stream] = stamp
        self._close_windows()

    def _close_windows(self) -> None:
        while self.ended and self.ended[0][0] <= min(self.latest.values()):
            self._end()

    def _end(self) -> None:
        """Close the window that has ended, with the steps of which everything has come."""
        stamp, now = self.ended.pop(0)
        time, first = 1e-9 * stamp, self.state is None
        seconds = time - self.time
        self.state = now if self.state is None else motion_between(self.state, now, seconds)
        self.time = time
        rows = [self.samples.pop(at) for at in sorted(self.samples) if at <= stamp]
        whole = [row for row in rows if not np.any(np.isnan(row))]
        if not first:
            self.window(np.array(whole).reshape(-1, MOMENTS.stop), seconds)

    def window(self, samples: FloatArray, seconds: float) -> None:
        """Meter the window from its samples (n, 20), say what was measured, and tell the joints what comes next."""
        assert self.state is not None
        if self.time - self.commanded > self.settings.watchdog:
            self.driver.command = Command(0.0, 0.0, self.settings.ramp)
        state, before = self.state, self.pv
        speeds, torques, rates, moments = (samples[:, part] for part in (SPEEDS, TORQUES, RATES, MOMENTS))
        joints = Joints(speeds, torques, rates, moments, self.steering.copy())
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

    def _drive(self, speeds: FloatArray) -> None:
        for wheel, speed in zip(WHEELS, speeds, strict=True):
            self.joints[f"drive/{wheel}"](self.number(data=float(speed)))

    def on_timer(self) -> None:
        """Nothing is due by real time."""


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)



def main() -> None:
    """Entry point."""
    ros.run(GazeboSimulator)


if __name__ == "__main__":
    main()
