"""The planner's eye on a drive: compares odometry and bus with the trajectory that is driven, and sends the next one."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from typing import Any

from rover_energy.errors import RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.grant_messages import Reserve
from rover_energy.nodes.plan_folder import BRANCH, later, root_of, trajectory_from_message, trajectory_message
from rover_energy.nodes.planner_jobs import Job, Worker
from rover_energy.nodes.planner_messages import path_message
from rover_energy.planning.deviation import DeviationParameters, Observed
from rover_energy.planning.replanner import Followed, Replanner
from rover_energy.planning.worker import SolverProcess

MOTORS = "drive"
SECONDS = 1.0  # [s] for an optimisation: later, the state that it starts from is long gone
SLOWEST = 60.0  # [s] between two attempts, however many were refused


def observed(odometry: Any, power: Any, constant: float, began: float) -> Observed | None:
    """What the messages say, by the drive's own clock; None where they declare a value invalid."""
    needed = power.RTG_VALID | power.PV_VALID | power.LOADS_VALID | power.BATTERY_VALID
    if power.validity & needed != needed:
        return None
    at, twist = odometry.pose.pose, odometry.twist.twist
    motion = sum(load.power for load in power.loads if load.name == MOTORS)
    return Observed(
        ros.seconds(odometry.header.stamp) - began, at.position.x, at.position.y, ros.angles_of(at.orientation)[2],
        twist.linear.x, twist.angular.z, power.rtg_power + power.pv_power,
        constant, motion, power.battery_energy,
    )  # fmt: skip


class DriveWatch:
    """One drive at a time. Replans have a thread and a solver of their own, so that no request holds them up.

    seconds : from the odometry in which a deviation was seen to the publication of the next trajectory, of all replans.
    """

    def __init__(self, part: Any) -> None:
        self.part, self.worker, self.solver = part, Worker("replanner"), SolverProcess()
        s = part.settings
        self.parameters = DeviationParameters(
            distance=s.replan_distance, lag=s.replan_lag, energy=s.replan_energy, power=s.replan_power
        )
        self.reserve = Reserve(part, part.world.rover.loads.inference_power)
        self.replanner: Replanner | None = None
        self.root, self.began, self.count = "", 0.0, 0
        self.proposed: dict[str, Followed] = {}
        self.job: Job | None = None
        self.next, self.interval = 0.0, s.replan_interval
        self.seconds: list[float] = []

    def close(self) -> None:
        """End solver and thread."""
        self.replanner = None
        self.solver.interrupt()
        self.worker.submit(self.solver.close)
        self.worker.close()

    def on_trajectory(self, message: Any) -> None:
        """The drive has begun with a plan, or taken a proposal over."""
        followed = self.proposed.pop(message.plan_id, None)
        if followed is not None and self.replanner is not None:
            self.replanner.follow(followed)
            self.interval = self.part.settings.replan_interval
            return
        if BRANCH in message.plan_id:
            return  # of another planner, or of one that has died: its world is not known here
        try:
            trajectory = trajectory_from_message(message)
        except RoverEnergyError as error:
            self.part.ros.get_logger().warning(f"the driven trajectory cannot be watched: {error}")
            return
        self.replanner, self.root, self.began = None, message.plan_id, ros.seconds(message.header.stamp)
        self.count, self.proposed, self.interval = 0, {}, self.part.settings.replan_interval
        began = self.began

        def prepare() -> None:
            w = self.part.world
            light = later(w.environment, began)
            replanner = Replanner(w if light is w.environment else replace(w, environment=light), self.solver, self.parameters)
            replanner.begin(trajectory)
            replanner.rehearse()
            if (self.root, self.began) == (message.plan_id, began):
                self.replanner = replanner

        self.worker.submit(prepare)

    def on_compliance(self, message: Any) -> None:
        """The drive is over."""
        if root_of(message.plan_id) == self.root and ros.seconds(message.header.stamp) >= self.began:
            self.replanner, self.root = None, ""

    def on_measured(self, odometry: Any, power: Any) -> None:
        """Compare; where reality has left the plan, have the next one made."""
        replanner = self.replanner
        o = None if replanner is None else observed(odometry, power, self.reserve.constant(power), self.began)
        if replanner is None or o is None:
            return
        seen, found = clock.monotonic(), replanner.observe(o)
        if found is None or o.time < self.next or (self.job is not None and not self.job.done):
            return
        self.next = o.time + self.interval
        self.job = self.worker.submit(lambda: self.replan(replanner, o, str(found), seen))

    def replan(self, replanner: Replanner, o: Observed, why: str, seen: float) -> None:
        """In the thread: the next trajectory, published as soon as its certificate has passed."""
        logger = self.part.ros.get_logger()
        try:
            plan, world = replanner.replan(o, seconds=SECONDS)
        except RoverEnergyError as error:
            self.interval = min(2.0 * self.interval, SLOWEST)
            logger.warning(f"{why}; no other plan from here, the drive goes on with its own: {error}")
            return
        followed = Followed.of(plan, world)
        self.count += 1
        columns = followed.profile.columns()
        message = trajectory_message(plan.to_plan(world), columns, f"{self.root}{BRANCH}{self.count}")
        message.header.stamp = ros.stamp_of(self.began + o.time)
        self.proposed[message.plan_id] = followed
        if replanner is self.replanner:
            self.part.send["replan"](message)
            self.seconds.append(clock.monotonic() - seen)
            self.part.send["path"](path_message(columns, world, plan.duration, self.began + o.time))
            logger.info(f"{why}; {message.plan_id} {1e3 * self.seconds[-1]:.0f} ms later: {plan.duration:.1f} s to go")
