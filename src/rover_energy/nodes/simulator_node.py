"""The simulated rover: motor drivers, sensors and meters around MuJoCo or the loopback; it also makes the time."""

from __future__ import annotations

import math
import time as clock
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.control.command import Command
from rover_energy.errors import InputError
from rover_energy.nodes import durable, ros
from rover_energy.nodes.permission import Permission
from rover_energy.nodes.plan_folder import read_certified, read_world
from rover_energy.nodes.settings import SimulatorParameters
from rover_energy.power.rtg import rtg_power
from rover_energy.simulation.geometry import CORNERS, WHEELS
from rover_energy.simulation.loopback import LoopbackSimulator
from rover_energy.simulation.mujoco_rover import MujocoSimulator
from rover_energy.simulation.protocol import Reading, SimulationError
from rover_energy.simulation.run import STEP, WINDOW, Driver
from rover_energy.simulation.soil import SoilScatter

ENGINES = {"loopback": LoopbackSimulator, "mujoco": MujocoSimulator}
JOINTS = [f"drive_{name}_joint" for name in WHEELS] + [f"steer_{name}_joint" for name in CORNERS]
PARKED_STEP = 10.0  # [s] within which the Sun moves by less than its own radius
AGAIN = 0.1  # [s] of real time after which networks that are waited for are told the time again
HISTORY = 16  # windows for which the array's power is remembered
STATE = ("time", "x", "y", "heading", "energy")
MOTORS = "drive"  # load of wheels and steering together


class Simulator(ros.Part):
    """One tick is a window of the meter, 20 ms; longer ones let a parked rover's sols go by in the loopback. The next begins when
    drive and power have answered the last one, or after `patience` without them, or when the supervisor misses a node. What the
    motor drivers were told lapses by simulated time, and when its sender is not waited for any more. `patience` 0: nobody is
    waited for, as on a real rover."""

    name, parameters = "simulator", SimulatorParameters
    period, parked = WINDOW, False  # length of a window [s], and whether the drivers stay off

    def configure(self) -> None:
        p = self.settings
        self.period, self.parked = p.window, p.window > WINDOW
        if self.parked and p.engine != "loopback":
            problem = "is longer than 0.02 s, which is for a rover parked in the loopback"
            raise InputError("simulator", "window", problem, "take the loopback, or 0.02", p.window)
        world = read_world(p.folder)
        start, self.file = read_certified(p.folder).trajectory.start, Path(p.state) if p.state else None
        kept = durable.load(self.file, STATE) if self.file else None
        if kept is None:
            kept = dict(zip(STATE, (0.0, *(float(v) for v in start), 0.0), strict=True))
        soil = SoilScatter(resistance=p.resistance, slip=p.slip, mass=p.mass)
        self.engine = ENGINES[p.engine](world.terrain, world.surface, world.environment, world.rover, soil=soil, seed=p.seed)
        self.reading = self.engine.reset((kept["x"], kept["y"], kept["heading"]), kept["time"])
        self.rtg = float(rtg_power(world.rover.rtg, world.mission.years_since_fuelling))
        self.time, self.energy, self.pv = kept["time"], kept["energy"], self.reading.pv_power
        self.driver, self.commanded, self.heard = Driver(), -math.inf, {"cmd_vel": -math.inf, "load_command": -math.inf}
        self.lost = {"cmd_vel": True, "load_command": not self.parked}  # long windows wait for the bus from the first one on
        networks = [name for name in p.networks.split(",") if name]
        self.heard |= dict.fromkeys(networks, -math.inf)
        self.lost |= dict.fromkeys(networks, False)  # no time passes before they are there
        self.cap, self.cap_time, self.lapse, self.cap_pv = 0.0, -math.inf, -math.inf, self.pv
        self.array: dict[int, float] = {}  # power of the array at the end of the last windows [W]
        self.failed = False
        names = ("/clock", "odom", "joint_states", "imu", "meter")
        self.send = {name: self.publisher(name) for name in names}
        self.subscribe("cmd_vel", self.on_command)
        self.subscribe("load_command", self.on_load)
        if networks:
            self.subscribe("inference_idle", self.on_idle, depth=10 * len(networks))
        self.permission = Permission()
        self.subscribe("graph_state", lambda message: self.permission.hear(message, clock.monotonic()))
        self.timer = self.every(0.001, self.on_timer)

    def activate(self) -> None:
        self.began = self.ticked = self.repeated = clock.monotonic()
        self.begun_at = self.time
        self.publish(0.0, self.pv)

    def on_command(self, message: Any) -> None:
        """Set points. The drivers ramp to them over the time since the last ones, and brake no harder than `ramp`.

        A late answer to an earlier window does not take back what answered a later one, and none lasts longer for its stamp.
        """
        if self.parked:
            return
        t, rim, turn = ros.seconds(message.header.stamp), message.twist.linear.x, message.twist.angular.z
        t = min(t, self.time)
        if t < self.commanded:
            return
        if not (math.isfinite(rim) and math.isfinite(turn)):
            rim = turn = 0.0
        passed = min(max(t - self.commanded, WINDOW), 0.2)
        ramp = abs(rim - self.driver.speed) / passed if math.isfinite(passed) else self.settings.ramp
        ramp = max(ramp, 1e-3) if abs(rim) >= abs(self.driver.speed) else min(max(ramp, 1e-3), self.settings.ramp)
        self.driver.command = Command(rim, turn, ramp)
        self._heard("cmd_vel", t)
        self.commanded = t

    def on_load(self, message: Any) -> None:
        """Cap of the motors."""
        if message.name != MOTORS:
            return
        limit = message.power_limit if message.enabled else 0.0
        self.cap = limit if limit >= 0.0 else 0.0  # NaN is no permission
        self.cap_time = ros.seconds(message.header.stamp)
        self.lapse = self.cap_time + min(message.lifetime, self.settings.watchdog)
        self.cap_pv = self.array.get(round(self.cap_time / self.period), math.nan)
        self._heard("load_command", self.cap_time)

    def on_idle(self, message: Any) -> None:
        """A network has computed all that was asked of it up to a time."""
        if message.frame_id in self.heard:
            self._heard(message.frame_id, ros.seconds(message.stamp))

    def _heard(self, name: str, time: float) -> None:
        self.heard[name], self.lost[name] = time, False

    def on_timer(self) -> None:
        """Advance when everybody has answered."""
        if not self.active or self.failed:
            return
        now = clock.monotonic()
        if self.settings.pace > 0.0 and self.time - self.begun_at > (now - self.began) * self.settings.pace:
            return
        late = [name for name, time in self.heard.items() if not self.lost[name] and time < self.time - 1e-6]
        if late and now - self.ticked < self.settings.patience and (self.parked or not self.graph_lost(now)):
            if self.settings.networks and now - self.repeated > AGAIN:  # the clock is best effort, and a node may be new
                self.repeated = now
                self.send["/clock"](ros.message_class("rosgraph_msgs/msg/Clock")(clock=ros.stamp_of(self.time)))
            return
        if self.settings.patience > 0.0:
            for name in late:
                self.give_up_on(name)
        self.ticked = now
        try:
            self.tick()
        except (SimulationError, OSError) as error:
            self.failed = True  # time stands still, which everybody else notices
            self.ros.get_logger().error(str(error))

    def graph_lost(self, now: float) -> bool:
        """Whether there is a supervisor and it says that a node is missing: then nobody is waited for."""
        return self.permission.asked and bool(self.permission.missing(now))

    def give_up_on(self, name: str) -> None:
        """Its sender is silent in real time, so what it said last does not count any more, however little time was simulated."""
        self.lost[name] = True
        if name == "cmd_vel":
            self.commanded = -math.inf
        elif name == "load_command":
            self.lapse = -math.inf
        self.ros.get_logger().warning(f"no {name}: going on without")

    def tick(self) -> None:
        """One window."""
        if self.time - self.commanded > self.settings.watchdog or self.graph_lost(clock.monotonic()):
            self.driver.command = Command(0.0, 0.0, self.settings.ramp)
        window, longest = self.period, PARKED_STEP if self.parked else STEP
        steps, before, motion, mean_pv = math.ceil(window / longest - 1e-9), self.pv, 0.0, 0.0
        h = window / steps
        for _ in range(steps):
            reading = self.engine.step(self.driver.step(self._cap(before), h), h)
            before, self.pv = self.pv, reading.pv_power
            motion, mean_pv = motion + reading.motor_power / steps, mean_pv + reading.pv_power / steps
        self.reading, self.time = reading, round(self.time + window, 9)
        self.energy += motion * window
        if self.file is not None:
            values = (self.time, reading.x, reading.y, reading.heading, self.energy)
            durable.save(self.file, dict(zip(STATE, (float(v) for v in values), strict=True)), sync=False)
        self.publish(motion, mean_pv)

    def _cap(self, before: float) -> float:
        """The cap less what the array has lost since it was set, and its last loss once more. 0 when it has lapsed."""
        if not self.time <= self.lapse:
            return 0.0
        lost = max(0.0, self.cap_pv - self.pv) + max(0.0, before - self.pv)
        return max(0.0, self.cap - lost) if math.isfinite(lost) else 0.0

    def publish(self, motion: float, mean_pv: float) -> None:
        """Everything of one instant; the meter first, as power answers it."""
        r, stamp = self.reading, ros.stamp_of(self.time)
        self.array[round(self.time / self.period)] = self.pv
        while len(self.array) > HISTORY:
            del self.array[next(iter(self.array))]
        self.send["/clock"](ros.message_class("rosgraph_msgs/msg/Clock")(clock=stamp))
        self.send["meter"](self._meter(stamp, motion, mean_pv))
        self.send["joint_states"](self._joints(stamp, r))
        if r.imu is not None:
            self.send["imu"](self._imu(stamp, r))
        self.send["odom"](self._odometry(stamp, r))

    def _meter(self, stamp: Any, motion: float, mean_pv: float) -> Any:
        message = ros.message_class("rover_energy_interfaces/msg/PowerState")()
        message.header.stamp, message.header.frame_id = stamp, "base_link"
        message.rtg_power, message.pv_power = self.rtg, mean_pv
        message.rtg_provenance.value = message.pv_provenance.value = message.rtg_provenance.MEASURED
        message.validity = message.RTG_VALID | (message.PV_VALID if math.isfinite(mean_pv) else 0) | message.LOADS_VALID
        load = ros.message_class("rover_energy_interfaces/msg/LoadState")(
            name=MOTORS, power=motion, energy=self.energy, enabled=True, valid=math.isfinite(motion)
        )
        load.provenance.value = load.provenance.MEASURED
        message.loads = [load]
        for name in ("battery_power", "shunt_power", "available_power", "battery_energy", "battery_capacity", "state_of_charge",
                     "battery_floor", "battery_temperature", "discharge_limit", "charge_limit", "residual"):  # fmt: skip
            setattr(message, name, math.nan)
        return message

    def _odometry(self, stamp: Any, r: Reading) -> Any:
        message = ros.message_class("nav_msgs/msg/Odometry")()
        message.header.stamp, message.header.frame_id, message.child_frame_id = stamp, "map", "base_link"
        position = message.pose.pose.position
        position.x, position.y, position.z = float(r.x), float(r.y), float(r.height)
        message.pose.pose.orientation = ros.quaternion_of(r.roll, r.pitch, r.heading)
        message.twist.twist.linear.x, message.twist.twist.angular.z = float(r.speed), float(r.yaw_rate)
        return message

    def _joints(self, stamp: Any, r: Reading) -> Any:
        message = ros.message_class("sensor_msgs/msg/JointState")(name=JOINTS)
        message.header.stamp, message.header.frame_id = stamp, "base_link"
        message.position = [math.nan] * len(WHEELS) + [float(a) for a in r.steering]
        message.velocity = [float(w) for w in r.wheel_speeds] + [math.nan] * len(CORNERS)
        message.effort = [float(q) for q in r.wheel_torques] + [math.nan] * len(CORNERS)
        return message

    def _imu(self, stamp: Any, r: Reading) -> Any:
        message, imu = ros.message_class("sensor_msgs/msg/Imu")(), r.imu
        assert imu is not None
        message.header.stamp, message.header.frame_id = stamp, "base_link"
        for target, values in ((message.linear_acceleration, imu.acceleration), (message.angular_velocity, imu.angular_velocity)):
            target.x, target.y, target.z = (float(v) for v in np.asarray(values))
        q = message.orientation
        q.w, q.x, q.y, q.z = (float(v) for v in imu.orientation)
        return message


def main() -> None:
    """Entry point."""
    ros.run(Simulator)


if __name__ == "__main__":
    main()
