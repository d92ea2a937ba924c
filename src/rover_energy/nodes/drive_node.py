"""DriveTraverse: the controller between odometry and power on one side and cmd_vel on the other."""

from __future__ import annotations

import math
import time as clock
from dataclasses import replace
from typing import Any

from rover_energy.control.command import STOP as HALT
from rover_energy.control.command import Stop, StopReason
from rover_energy.control.controller import Controller
from rover_energy.control.settings import ControlParameters, WatchParameters
from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.drive_messages import (
    command_message,
    feedback_message,
    fill_result,
    measurement_of,
    reference_message,
    sample_audit,
)
from rover_energy.nodes.drive_switch import certified, switch
from rover_energy.nodes.grant_messages import Reserve
from rover_energy.nodes.permission import Permission
from rover_energy.nodes.plan_folder import later, read_world, trajectory_from_message
from rover_energy.nodes.settings import DriveParameters
from rover_energy.planning.trajectory import Trajectory
from rover_energy.simulation.geometry import rover_geometry
from rover_energy.simulation.protocol import STOP, Command
from rover_energy.simulation.run import WINDOW, Driver
from rover_energy.telemetry.audit import Audit

FEEDBACK_PERIOD, SETTLING = 0.5, 3.0  # [s] between two; most time to come to rest after a stop
BLIND = 0.5  # [s] without odometry after which a stop is not watched any more
UNSEEN = {StopReason.INVALID, StopReason.STALE, StopReason.FROZEN, StopReason.GRAPH}


class Drive(ros.Part):
    """Answers every odometry with a command: to stand still unless a goal is driven."""

    name, parameters = "drive", DriveParameters

    def configure(self) -> None:
        self.world = read_world(self.settings.folder)
        geometry = rover_geometry(self.world.rover, None, gravity=self.world.environment.gravity)
        self.radius = geometry.wheel_radius
        self.wheels = geometry.positions if self.settings.raw_ground else None
        self.odometry: Any = None
        self.joints: Any = None
        self.power: Any = None
        self.meter = (math.nan, math.nan, 0.0)  # time, energy of the motors, mean power since
        self.controller: Controller | None = None
        self.stop: Stop | None = None
        self.next_feedback = 0.0
        self.answered = -math.inf  # newest time of the bus at which a command went out without odometry [s]
        self.send = {name: self.publisher(name) for name in ("cmd_vel", "reference", "trajectory", "compliance")}
        self.reserve = Reserve(self, self.world.rover.loads.inference_power)
        self.subscribe("odom", self.on_odometry)
        self.subscribe("joint_states", lambda message: setattr(self, "joints", message))
        self.subscribe("power_state", self.on_power)
        self.subscribe("replan", self.on_replan)
        self.permission = Permission()
        self.subscribe("graph_state", lambda message: self.permission.hear(message, clock.monotonic()))
        kind = ros.need("rover_energy_interfaces.action").DriveTraverse
        self.server = self.action_server(kind, "drive_traverse", self.execute, lambda: self.free)
        clocks = ros.need("rclpy.clock")
        self.timer = self.ros.create_timer(0.04, self.on_silence, clock=clocks.Clock(clock_type=clocks.ClockType.STEADY_TIME))

    @property
    def free(self) -> bool:
        """Whether a goal can be taken: one at a time."""
        return self.active and self.controller is None

    def deactivate(self) -> None:
        if self.controller is not None:
            self.finish(None)
        if self.odometry is not None and self.ros.context.ok():
            self.command(self.odometry.header.stamp, STOP)

    def on_power(self, message: Any) -> None:
        """Remember, and let the audit see every window."""
        self.power = message
        motors = next((load for load in message.loads if load.name == "drive"), None)
        if motors is not None:
            time, (last, energy, _) = ros.seconds(message.header.stamp), self.meter
            if time > last or not math.isfinite(last):
                mean = (motors.energy - energy) / (time - last) if math.isfinite(last) else motors.power
                self.meter = time, motors.energy, mean if motors.valid else math.nan
        if self.controller is not None:
            sample_audit(self.audit, message)
            self.blind(ros.seconds(message.header.stamp), message.header.stamp)

    def on_odometry(self, message: Any) -> None:
        """One period: a command for each odometry."""
        self.odometry, self.heard = message, clock.monotonic()
        if not self.active:
            return
        stamp, time = message.header.stamp, ros.seconds(message.header.stamp)
        if self.controller is None or self.power is None:
            self.driver = Driver()
        else:
            self.permitted()
            if time >= self.due - 1e-6:
                self.step(time)
        self.command(stamp, self.driver.step(math.inf, WINDOW))

    def permitted(self) -> None:
        """Stop when the supervisor does not allow to drive."""
        missing = self.permission.missing(clock.monotonic()) if self.settings.supervised else ""
        if missing and self.controller is not None and self.controller.stop is None:
            self.halt(Stop(StopReason.GRAPH, self.status_time(), missing))

    def halt(self, stop: Stop) -> None:
        """A stop that the controller has not found by itself."""
        assert self.controller is not None
        self.controller.stop, self.due = stop, -math.inf

    def blind(self, time: float, stamp: Any) -> None:
        """The bus goes on and odometry does not: command the motors by the bus's clock, and stop when the pose is too old."""
        assert self.controller is not None
        age = time - self.status_time()
        real = clock.monotonic() - self.heard
        if time <= self.answered or age <= (0.5 if real > 2.5 * WINDOW else 1.5) * WINDOW:
            return
        self.answered = time
        if self.controller.stop is None and age > self.settings.stale + 1e-9:
            told = f"pose_time is {age:.3f} s old, {self.settings.stale:g} s are allowed"
            self.halt(Stop(StopReason.STALE, time, told))
        stop = self.controller.stop
        if stop is not None:
            self.driver.command = HALT
            if time - stop.time > BLIND:
                self.finish(stop)
        self.command(stamp, self.driver.step(math.inf, WINDOW))

    def step(self, time: float) -> None:
        """Ask the controller."""
        assert self.controller is not None
        now = max(time, 1e-9 * self.ros.get_clock().now().nanoseconds)
        constant = self.reserve.constant(self.power)
        measured = measurement_of(
            self.odometry, self.joints, self.power, motion=self.meter[2], constant=constant, now=now, radius=self.radius
        )
        self.due = time + self.settings.period
        plan = self.controller.reference.at(self.controller.plan_time)
        self.driver.command, self.status = self.controller.step(measured, now)
        if self.status.stop is not None and self.status.stop.reason in UNSEEN:
            self.driver.command = HALT  # at once, as hard as the motor drivers can: nobody sees how it goes
        self.governed += self.status.pace.rate < 0.99 and self.status.stop is None
        self.distance += abs(measured.speed) * self.settings.period
        self.send["reference"](reference_message(self.odometry.header.stamp, plan))
        stop = self.status.stop
        if stop is not None and (abs(measured.speed) <= 0.005 or now - stop.time > SETTLING):
            self.finish(stop)
        elif now >= self.next_feedback:
            self.next_feedback = now + FEEDBACK_PERIOD
            self.handle.publish_feedback(feedback_message(self, self.controller, self.status, measured))

    def command(self, stamp: Any, command: Command) -> None:
        """To the motor drivers: the ramp's next point, stamped as the odometry it answers."""
        self.send["cmd_vel"](command_message(stamp, command))

    def on_silence(self) -> None:
        """Real time without odometry ends a drive; the motor drivers have stopped by themselves long before."""
        if self.controller is None:
            return
        self.permitted()
        stop, silent = self.controller.stop, clock.monotonic() - self.heard
        if silent > 2.5 * WINDOW and self.power is not None:
            self.blind(ros.seconds(self.power.header.stamp), self.power.header.stamp)
        if self.controller is None:
            return
        if self.handle.is_cancel_requested:
            self.finish(None)
        elif stop is not None and silent > BLIND:
            self.finish(stop)
        elif silent > self.settings.silence:
            told = f"pose_time: no odometry for {self.settings.silence:g} s"
            self.finish(Stop(StopReason.STALE, self.status_time(), told))

    def status_time(self) -> float:
        """Of the newest odometry [s]."""
        return ros.seconds(self.odometry.header.stamp) if self.odometry is not None else 0.0

    async def execute(self, handle: Any) -> Any:
        """One goal."""
        result_class = ros.need("rover_energy_interfaces.action").DriveTraverse.Result
        try:
            controller = self.prepare(handle.request)
        except RoverEnergyError as error:
            result = result_class(error_code=self.refusal, error_text=str(error))
            handle.abort()
            return result
        self.handle, self.driver = handle, Driver()
        self.audit, self.governed, self.distance, self.heard = Audit(longest=0.03), 0, 0.0, clock.monotonic()
        self.began = self.due = self.next_feedback = self.status_time()
        self.switched = 0.0  # energy when the present trajectory began [J]
        handle.request.trajectory.header.stamp = ros.stamp_of(self.began)
        self.send["trajectory"](handle.request.trajectory)
        self.done = ros.need("rclpy.task").Future(executor=self.ros.executor)
        self.controller = controller
        await self.done
        return self.result(result_class())

    def prepare(self, request: Any) -> Controller:
        """The controller of a goal. Raises RoverEnergyError, having set `refusal` to its code."""
        codes = ros.need("rover_energy_interfaces.action").DriveTraverse.Result
        self.refusal = codes.CERTIFICATE_REFUSED
        if not certified(request.trajectory):
            raise InputError("goal", "certificate", "is absent, did not pass or is another plan's", "plan again")
        self.refusal = codes.POSE_STALE
        if self.odometry is None or self.power is None:
            raise InputError("goal", "pose and power", "are not known yet", "wait for odom and power_state")
        self.refusal, missing = codes.GRAPH_NOT_READY, self.permission.missing(clock.monotonic())
        if missing and self.settings.supervised:
            raise InputError("goal", "graph_state", f"says: {missing}", "wait until the graph is ready")
        self.refusal = codes.INVALID_TRAJECTORY
        plan = trajectory_from_message(request.trajectory)
        tracker = replace(
            ControlParameters().tracker, lost_distance=request.path_tolerance, goal_distance=request.goal_tolerance,
            goal_heading=request.heading_tolerance,
        )  # fmt: skip
        watch = WatchParameters(stale=self.settings.stale)
        control = ControlParameters(period=self.settings.period, tracker=tracker, watch=watch)
        controller = self.controller_of(plan, self.status_time(), control)
        self.refusal, at = codes.START_TOO_FAR, self.odometry.pose.pose.position
        gap = math.dist((at.x, at.y), plan.start[:2])
        if not gap <= request.start_tolerance:
            raise InputError("goal", "start", f"is {gap:.3f} m from the rover", f"begin within {request.start_tolerance:g} m")
        return controller

    def controller_of(self, plan: Trajectory, began: float, control: ControlParameters) -> Controller:
        """The controller of a plan that begins at a time of the environment's clock [s]. Raises InputError."""
        w = self.world
        model = w.surface, later(w.environment, began), w.rover, w.mission
        return Controller(plan, *model, control, terrain=w.terrain, wheels=self.wheels)

    def on_replan(self, message: Any) -> None:
        """The next trajectory of this drive: taken over while it moves, or left with a word why."""
        earlier = self.controller
        if earlier is None or earlier.stop is not None or not self.active:
            return
        try:
            controller = switch(self, message, earlier)
        except RoverEnergyError as error:
            self.ros.get_logger().warning(f"{message.plan_id} is not taken over: {error}")
            return
        self.controller, self.switched = controller, self.audit.energy
        self.send["trajectory"](message)

    def finish(self, stop: Stop | None) -> None:
        """The drive is over; None: cancelled, or the node was deactivated."""
        self.ended, self.stop = self.controller, stop
        self.controller, self.driver = None, Driver()
        self.done.set_result(True)

    def result(self, result: Any) -> Any:
        """Result of the goal, and its state."""
        fill_result(self, result)
        self.send["compliance"](result.compliance)
        arrived = self.stop is not None and not self.stop.safe
        end = self.handle.succeed if arrived else self.handle.canceled if self.handle.is_cancel_requested else self.handle.abort
        end()
        return result


def main() -> None:
    """Entry point."""
    ros.run(Drive)


if __name__ == "__main__":
    main()
