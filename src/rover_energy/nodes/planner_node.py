"""PlanTraverse and CanReach: certified plans from where the rover stands and on what its battery holds."""

from __future__ import annotations

import math
import time as clock
from dataclasses import replace
from typing import Any

import numpy as np

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import later, read_world, trajectory_message
from rover_energy.nodes.planner_messages import Unavailable, error_code, path_message, tightest
from rover_energy.nodes.settings import PlannerParameters
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.planner import PlannedTraverse, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.worker import SolverProcess
from rover_energy.planning.world import World


class Planner(ros.Part):
    """One request at a time, in the order in which they come."""

    name, parameters = "planner", PlannerParameters
    solver: SolverProcess | None = None

    def configure(self) -> None:
        self.world = read_world(self.settings.folder)
        self.odometry: Any = None
        self.power: Any = None
        self.count = 0
        self.send = {name: self.publisher(name) for name in ("plan", "path")}
        self.subscribe("odom", lambda message: setattr(self, "odometry", message))
        self.subscribe("power_state", lambda message: setattr(self, "power", message))
        action = ros.need("rclpy.action")
        self.server = action.ActionServer(
            self.ros, ros.need("rover_energy_interfaces.action").PlanTraverse, "plan_traverse", self.execute,
            goal_callback=lambda _: action.GoalResponse.ACCEPT if self.active else action.GoalResponse.REJECT,
        )  # fmt: skip
        self.service = self.ros.create_service(ros.need("rover_energy_interfaces.srv").CanReach, "can_reach", self.on_can_reach)

    def deactivate(self) -> None:
        if self.solver is not None:
            self.solver.close()
            self.solver = None

    def now(self) -> float:
        """ROS time [s], not behind the newest measurement."""
        newest = max((ros.seconds(m.header.stamp) for m in (self.odometry, self.power) if m is not None), default=0.0)
        return max(newest, 1e-9 * self.ros.get_clock().now().nanoseconds)

    def pose(self) -> tuple[float, float, float]:
        """The rover's own. Raises Unavailable."""
        at = None if self.odometry is None else self.odometry.pose.pose
        if at is None or not self.now() - ros.seconds(self.odometry.header.stamp) <= self.settings.stale:
            raise Unavailable("POSE")
        found = at.position.x, at.position.y, ros.angles_of(at.orientation)[2]
        if not all(math.isfinite(v) for v in found):
            raise Unavailable("POSE")
        return found

    def world_now(self, *, power_limit: float, energy_budget: float, deadline: float) -> World:
        """The world as a drive from now on meets it; infinity is the mission's own limit. Raises Unavailable, InputError."""
        m, w = self.power, self.world
        if m is None or not (m.validity & m.BATTERY_VALID and self.now() - ros.seconds(m.header.stamp) <= self.settings.stale):
            raise Unavailable("POWER")
        limits = {}
        for name, value in (("power_limit", power_limit), ("energy_budget", energy_budget), ("deadline", deadline)):
            if not value > 0.0:
                raise InputError("request", name, "is not above 0", "send infinity for none", value)
            both = min(value, getattr(w.mission, name) or math.inf)
            limits[name] = both if math.isfinite(both) else None
        charge = min(1.0, max(0.0, float(m.state_of_charge)))
        world = w.with_mission(replace(w.mission, state_of_charge=charge, **limits))  # type: ignore[arg-type]
        light = later(w.environment, self.now())
        return world if light is w.environment else replace(world, environment=light)

    def plan(self, world: World, start: tuple[float, ...], goal: tuple[float, ...], seconds: float) -> PlannedTraverse:
        """A certified plan. Raises Refusal, InputError."""
        if not 0.0 < seconds <= self.settings.longest:
            raise InputError("request", "time_limit", f"is not within 0 .. {self.settings.longest:g} s", "send another", seconds)
        if self.solver is None:
            self.solver = SolverProcess()
        return plan_traverse(world, start, goal, solver=self.solver, seconds=seconds)

    def execute(self, handle: Any) -> Any:
        """PlanTraverse."""
        began, request = clock.monotonic(), handle.request
        result = ros.need("rover_energy_interfaces.action").PlanTraverse.Result(optimality_gap=math.nan)
        try:
            start = (request.start_x, request.start_y, request.start_heading) if request.use_start else self.pose()
            world = self.world_now(
                power_limit=request.power_limit, energy_budget=request.energy_budget, deadline=request.deadline
            )
            goal = (request.goal_x, request.goal_y, request.goal_heading)
            found = self.plan(world, start, goal, request.time_limit)
            self.publish(world, found, result)
            handle.succeed()
        except RoverEnergyError as error:
            result.error_code, result.error_text = error_code(error, result), str(error)
            result.binding = error.binding.constraint if isinstance(error, Refusal) else ""
            handle.abort()
        result.planning_time = clock.monotonic() - began
        return result

    def publish(self, world: World, found: PlannedTraverse, result: Any) -> None:
        """The plan, for the client and for all."""
        self.count += 1
        profile = evaluate_plan(found.trajectory, world.surface, world.environment, world.rover, world.mission).columns()
        result.trajectory = trajectory_message(found.to_plan(world), profile, f"plan-{self.count}")
        result.solver = f"{found.facts.get('solver', '')} {found.status}".strip()
        result.binding = tightest(found.certificate)
        self.send["plan"](result.trajectory)
        self.send["path"](path_message(profile, world, found.duration, self.now()))

    def on_can_reach(self, request: Any, response: Any) -> Any:
        """CanReach: YES with a certified plan, NO from a bound, UNKNOWN otherwise."""
        for name in ("duration", "energy", "energy_bound", "battery_margin"):
            setattr(response, name, math.nan)
        try:
            if not self.active:
                raise Unavailable("POWER")
            start = self.pose()
            if not (math.isfinite(request.battery_reserve) and request.battery_reserve >= 0.0):
                raise InputError("request", "battery_reserve", "is not 0 or more", "send joules", request.battery_reserve)
            world = self.world_now(power_limit=math.inf, energy_budget=math.inf, deadline=request.deadline)
            heading = request.goal_heading
            if math.isnan(heading):
                heading = math.atan2(request.goal_y - start[1], request.goal_x - start[0])
            least = math.dist(start[:2], (request.goal_x, request.goal_y)) / world.rover.limits.speed
            response.energy_bound = least * (world.rover.loads.base_power + world.rover.loads.inference_power)
            if least > request.deadline:
                response.verdict, response.binding = response.NO, "deadline"
                return response
            found = self.plan(world, start, (request.goal_x, request.goal_y, heading), request.time_limit)
            self._judge(world, found, request, response)
        except Refusal as refusal:
            impossible = refusal.reason in ("start_blocked", "goal_blocked")
            response.verdict = response.NO if impossible else response.UNKNOWN
            response.binding, response.error_text = refusal.binding.constraint, str(refusal)
        except RoverEnergyError as error:
            response.error_code, response.error_text = error_code(error, response), str(error)
        return response

    def _judge(self, world: World, found: PlannedTraverse, request: Any, response: Any) -> None:
        profile = evaluate_plan(found.trajectory, world.surface, world.environment, world.rover, world.mission)
        response.duration = found.duration
        power = np.asarray(profile.total_power)
        response.energy = float(np.sum(0.5 * (power[1:] + power[:-1]) * np.diff(profile.t)))
        response.battery_margin = float(profile.battery_energy[-1]) - self.power.battery_floor - request.battery_reserve
        enough = response.battery_margin >= 0.0 or (request.battery_reserve == 0.0 and not world.mission.use_battery)
        response.verdict = response.YES if enough else response.UNKNOWN
        response.binding = "" if enough else "battery_reserve"


def main() -> None:
    """Entry point."""
    ros.run(Planner)


if __name__ == "__main__":
    main()
