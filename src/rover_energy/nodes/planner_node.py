"""PlanTraverse and CanReach: certified plans from where the rover stands, on what its battery holds; replans while it drives."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.drive_watch import DriveWatch
from rover_energy.nodes.nav2_door import Nav2Door
from rover_energy.nodes.plan_folder import later, read_world, trajectory_message
from rover_energy.nodes.planner_jobs import Job, Stopped, WatchedSolver, Worker
from rover_energy.nodes.planner_messages import (
    Unavailable,
    error_code,
    fill_reach,
    path_message,
    plan_feedback,
    stopped_code,
    tightest,
)  # fmt: skip
from rover_energy.nodes.settings import PlannerParameters
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.planner import PlannedTraverse, plan_traverse
from rover_energy.planning.reach import Reach, can_reach
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.stage import Variant
from rover_energy.planning.worker import SolverProcess
from rover_energy.planning.world import World

TICK, FEEDBACK_PERIOD = 0.02, 0.2  # [s] of real time between looks at what runs, and between two feedbacks
GRACE = 0.5  # [s] beyond the time limit of a request until it is stopped
Made = tuple[World, PlannedTraverse, Profile]


class Run:
    """A request that is being worked on: its job, its solver, who waits for it and until when."""

    def __init__(self, solver: WatchedSolver, seconds: float, job: Job, done: Any, handle: Any, told: bool) -> None:
        self.solver, self.job, self.done, self.handle, self.told = solver, job, done, handle, told
        self.began = clock.monotonic()
        self.until, self.next_feedback = self.began + seconds + GRACE, self.began


class Planner(ros.Part):
    """Plans beside the executor, so that it goes on listening. A new goal takes the place of the one before."""

    name, parameters = "planner", PlannerParameters
    solver: SolverProcess | None = None
    watch: DriveWatch | None = None

    def configure(self) -> None:
        self.world = read_world(self.settings.folder)
        self.odometry: Any = None
        self.power: Any = None
        self.count = 0
        self.runs: list[Run] = []
        self.worker = Worker("planner")
        self.send = {name: self.publisher(name) for name in ("plan", "path", "replan")}
        self.subscribe("odom", self.on_odometry)
        self.subscribe("power_state", lambda message: setattr(self, "power", message))
        self.subscribe("trajectory", self.on_trajectory)
        self.subscribe("compliance", self.on_compliance)
        kind = ros.need("rover_energy_interfaces.action").PlanTraverse
        self.server = self.action_server(kind, "plan_traverse", self.execute, lambda: self.active)
        apart = ros.need("rclpy.callback_groups").ReentrantCallbackGroup()  # others must run while it waits for its answer
        kind = ros.need("rover_energy_interfaces.srv").CanReach
        self.service = self.ros.create_service(kind, "can_reach", self.on_can_reach, callback_group=apart)
        self.door = Nav2Door.open(self)
        clocks = ros.need("rclpy.clock")
        self.timer = self.ros.create_timer(TICK, self.on_tick, clock=clocks.Clock(clock_type=clocks.ClockType.STEADY_TIME))
        self.timer.cancel()

    def activate(self) -> None:
        self.solver = SolverProcess()
        self.worker.submit(self._warm)
        self.watch = DriveWatch(self) if self.settings.replan else None

    def _warm(self) -> None:
        """What every first plan would wait for: grids of the map, the solver's process, its compiled parts."""
        solver, mission = self.solver, self.world.mission
        _ = self.world.cost_map, self.world.fields
        if solver is not None:
            solver.prepare(Variant(battery=mission.use_battery, budget=mission.energy_budget is not None))

    def deactivate(self) -> None:
        for run in self.runs:
            run.solver.stop("the node was deactivated")
        if self.watch is not None:
            self.watch.close()
            self.watch = None
        solver, self.solver = self.solver, None
        if solver is not None:
            solver.interrupt()
            self.worker.submit(solver.close)

    def on_odometry(self, message: Any) -> None:
        """Remember, and compare with the plan that is driven."""
        self.odometry = message
        if self.active and self.watch is not None and self.power is not None:
            self.watch.on_measured(message, self.power)

    def on_trajectory(self, message: Any) -> None:
        """A drive goes on with this trajectory."""
        if self.watch is not None:
            self.watch.on_trajectory(message)

    def on_compliance(self, message: Any) -> None:
        """A drive is over."""
        if self.watch is not None:
            self.watch.on_compliance(message)

    @property
    def now(self) -> float:
        """ROS time [s], not behind the newest measurement."""
        newest = max((ros.seconds(m.header.stamp) for m in (self.odometry, self.power) if m is not None), default=0.0)
        return max(newest, super().now)

    def pose(self) -> tuple[float, float, float]:
        """The rover's own. Raises Unavailable."""
        at = None if self.odometry is None else self.odometry.pose.pose
        if at is None or not self.now - ros.seconds(self.odometry.header.stamp) <= self.settings.stale:
            raise Unavailable("POSE")
        found = at.position.x, at.position.y, ros.angles_of(at.orientation)[2]
        if not all(math.isfinite(v) for v in found):
            raise Unavailable("POSE")
        return found

    def world_now(self, *, power_limit: float, energy_budget: float, deadline: float) -> World:
        """The world as a drive from now on meets it; infinity is the mission's own limit. Raises Unavailable, InputError."""
        m, w = self.power, self.world
        if m is None or not (m.validity & m.BATTERY_VALID and self.now - ros.seconds(m.header.stamp) <= self.settings.stale):
            raise Unavailable("POWER")
        limits = {}
        for name, value in (("power_limit", power_limit), ("energy_budget", energy_budget), ("deadline", deadline)):
            if not value > 0.0:
                raise InputError("request", name, "is not above 0", "send infinity for none", value)
            both = min(value, getattr(w.mission, name) or math.inf)
            limits[name] = both if math.isfinite(both) else None
        charge = min(1.0, max(0.0, float(m.state_of_charge)))
        world = w.with_mission(replace(w.mission, state_of_charge=charge, **limits))  # type: ignore[arg-type]
        light = later(w.environment, self.now)
        return world if light is w.environment else replace(world, environment=light)

    def started(self, seconds: float, action: Callable[[WatchedSolver], Any], handle: Any = None, *, told: bool = False) -> Run:
        """Begin to work on a request, for a goal's handle that is told how far it is. Raises InputError, Unavailable."""
        if not 0.0 < seconds <= self.settings.longest:
            raise InputError("request", "time_limit", f"is not within 0 .. {self.settings.longest:g} s", "send another", seconds)
        if not self.active or self.solver is None:
            raise Unavailable("POWER")
        solver = WatchedSolver(self.solver)
        done = ros.need("rclpy.task").Future(executor=self.ros.executor)
        run = Run(solver, seconds, self.worker.submit(lambda: action(solver)), done, handle, told)
        self.runs.append(run)
        self.timer.reset()
        return run

    def on_tick(self) -> None:
        """Wake who waits; cancel, time out, and tell how far it is."""
        now = clock.monotonic()
        for run in list(self.runs):
            if run.handle is not None and run.handle.is_cancel_requested:
                run.solver.stop("cancelled")
            if now > run.until:
                run.solver.stop("time limit")
            if run.job.done or run.solver.reason:
                self.runs.remove(run)
                run.done.set_result(True)
            elif run.told and now >= run.next_feedback:
                run.next_feedback = now + FEEDBACK_PERIOD
                run.handle.publish_feedback(plan_feedback(run.solver, now - run.began))
        if not self.runs:
            self.timer.cancel()

    async def finished(self, run: Run) -> Any:
        """What the job made. Raises Stopped, and what the job raised."""
        await run.done
        if run.solver.reason:
            raise Stopped(run.solver.reason)
        return run.job.result()

    def planned(self, world: World, start: Any, goal: Any, seconds: float, solver: WatchedSolver) -> Made:
        """A certified plan and its profile; part of the time is kept for the fallback. Raises Refusal, InputError, Stopped."""
        found = plan_traverse(world, start, goal, solver=solver, seconds=max(0.5 * seconds, seconds - 5.0))
        return world, found, evaluate_plan(found.trajectory, world.surface, world.environment, world.rover, world.mission)

    async def execute(self, handle: Any) -> Any:
        """PlanTraverse."""
        began, request = clock.monotonic(), handle.request
        result = ros.need("rover_energy_interfaces.action").PlanTraverse.Result(optimality_gap=math.nan)
        for run in self.runs:
            if run.handle is not None:
                run.solver.stop("another goal took its place")
        try:
            start = (request.start_x, request.start_y, request.start_heading) if request.use_start else self.pose()
            goal = (request.goal_x, request.goal_y, request.goal_heading)
            limits = {name: getattr(request, name) for name in ("power_limit", "energy_budget", "deadline")}
            world = self.world_now(**limits)
            run = self.started(
                request.time_limit, lambda s: self.planned(world, start, goal, request.time_limit, s), handle, told=True
            )  # fmt: skip
            self.publish(await self.finished(run), result)
            handle.succeed()
        except Stopped as reason:
            result.error_code, result.error_text = stopped_code(reason, result), f"{reason}; ask again"
            end = handle.canceled if handle.is_cancel_requested else handle.abort
            end()
        except RoverEnergyError as error:
            result.error_code, result.error_text = error_code(error, result), str(error)
            result.binding = error.binding.constraint if isinstance(error, Refusal) else ""
            handle.abort()
        result.planning_time = clock.monotonic() - began
        return result

    def publish(self, made: Made, result: Any) -> None:
        """The plan, for the client and for all."""
        self.count += 1
        world, found, profile = made
        columns = profile.columns()
        result.trajectory = trajectory_message(found.to_plan(world), columns, f"plan-{self.count}")
        result.solver = f"{found.facts.get('solver', '')} {found.status}".strip()
        result.binding = tightest(found.certificate)
        self.send["plan"](result.trajectory)
        self.send["path"](path_message(columns, world, found.duration, self.now))

    async def on_can_reach(self, request: Any, response: Any) -> Any:
        """CanReach: see `planning.reach`."""
        fill_reach(Reach.nothing(), response)
        try:
            start, goal = self.pose(), (request.goal_x, request.goal_y, request.goal_heading)
            world = self.world_now(power_limit=math.inf, energy_budget=math.inf, deadline=request.deadline)
            reserve, limit = request.battery_reserve, request.time_limit
            run = self.started(
                limit, lambda s: can_reach(world, start, goal, reserve=reserve, solver=s, seconds=0.9 * limit)
            )  # fmt: skip
            fill_reach(await self.finished(run), response)
        except Stopped as reason:
            response.error_code, response.error_text = response.TIME_LIMIT, f"{reason}; ask again with more time"
        except RoverEnergyError as error:
            response.error_code, response.error_text = error_code(error, response), str(error)
        return response


def main() -> None:
    """Entry point."""
    ros.run(Planner)


if __name__ == "__main__":
    main()
