"""The client of a drive: waits for the graph, sends the plan, waits for the end."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rover_energy.errors import EXIT_CLEAN, EXIT_FAILED, EXIT_LOSS, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.graph import Node
from rover_energy.nodes.plan_folder import read_certified, trajectory_message
from rover_energy.planning.plan_file import read_profile

START_UP = 30.0  # [s] for a node to appear and for each of its transitions
TOLERANCES = {"start_tolerance": 0.2, "path_tolerance": 0.5, "goal_tolerance": 0.10, "heading_tolerance": 0.0873}
NEWS = 5.0  # [s] within which the planner must have heard of pose and power
RESEND = 3.0  # [s] without an answer after which a goal is sent again
SERVERS = {"DriveTraverse": "drive", "PlanTraverse": "planner"}  # node behind an action


class GraphError(RoverEnergyError):
    """A node did not come up, or died."""


class Graph(Protocol):
    """What a session must know of the processes of a graph."""

    @property
    def nodes(self) -> list[Node]:
        """In the order in which they are brought up."""

    @property
    def out(self) -> Path:
        """Folder of the logs."""

    def environment(self) -> dict[str, str]:
        """Variables for this process."""

    def dead(self) -> list[str]:
        """Names of nodes that have ended."""

    def words(self, name: str) -> str:
        """The last that a node said."""


class Session:
    """A ROS client in the domain of the graph. Use as a context manager, within that of the processes."""

    def __init__(self, processes: Graph) -> None:
        self.processes = processes
        self.clients: list[Any] = []
        self.seen: set[str] = set()
        self.graph: Any = None

    def __enter__(self) -> Session:
        os.environ.update(self.processes.environment())
        rclpy = ros.need("rclpy")
        self.context = rclpy.context.Context()
        rclpy.init(context=self.context)
        self.ros = rclpy.create_node("commander", context=self.context)
        self.executor = ros.need("rclpy.executors").SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.ros)
        self.watch("graph_state", lambda message: setattr(self, "graph", message))
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.destroy()  # an action client that outlives its node crashes the interpreter at its end
        self.executor.shutdown()
        self.ros.destroy_node()
        self.context.try_shutdown()

    def wait(self, ready: Callable[[], bool], limit: float, what: str) -> None:
        """Spin until `ready`. Raises GraphError after `limit` [s], or at once when a process has ended for good."""
        until = time.monotonic() + limit
        while not ready():
            dead = self.processes.dead()
            if dead:
                raise GraphError(f"{what}: node {dead[0]} has ended: {self.processes.words(dead[0])}")
            if time.monotonic() > until:
                raise GraphError(f"{what}: nothing within {limit:g} s; the logs are in {self.processes.out / 'log'}")
            self.executor.spin_once(timeout_sec=0.1)

    def bring_up(self) -> None:
        """Wait until the supervisor says that the graph is ready. Raises GraphError, also when it gives a node up."""
        self.wait(lambda: self.judged() and self.graph.level == self.graph.OK, START_UP, "bring-up")

    def judged(self) -> bool:
        """Whether the supervisor has spoken. Raises GraphError when it has given a node up."""
        if self.graph is None:
            return False
        if self.graph.level == self.graph.ERROR:
            name = self.graph.message.partition(":")[0]
            raise GraphError(f"{self.graph.message}: {self.processes.words(name)}")
        return True

    def instance(self, name: str) -> tuple[str, str]:
        """State and process of a node by the supervisor's last word; no process while a new supervisor has not heard of it."""
        value = next((pair.value for pair in self.graph.values if pair.key == name), "") if self.graph is not None else ""
        state, _, process = value.partition(" ")
        return state, process

    def drive(self, folder: Path, *, limit: float, progress: Callable[[Any], None] | None = None) -> Any:
        """Drive the plan of a folder; the result of DriveTraverse. Raises GraphError when it is not accepted or does not end."""
        plan, profile = read_certified(str(folder)), read_profile(folder / "profile.csv")
        trajectory = trajectory_message(plan, profile, folder.resolve().name)
        return self.drive_trajectory(trajectory, limit=limit, progress=progress)

    def drive_trajectory(self, trajectory: Any, *, limit: float, progress: Callable[[Any], None] | None = None) -> Any:
        """Likewise, for an EnergyTrajectory."""
        self.measured()
        return self.act("DriveTraverse", {"trajectory": trajectory, **TOLERANCES}, limit=limit, progress=progress)

    def plan(self, goal: tuple[float, float, float], *, seconds: float = 20.0) -> Any:
        """Result of PlanTraverse from where the rover stands, under the mission's limits."""
        x, y, heading = goal
        none = dict.fromkeys(("power_limit", "energy_budget", "deadline"), math.inf)
        request = {"goal_x": x, "goal_y": y, "goal_heading": heading, "time_limit": seconds, **none}
        self.measured()
        until = time.monotonic() + NEWS
        while True:
            result = self.act("PlanTraverse", request, limit=START_UP + 3.0 * seconds)
            unknown = result.error_code in (result.POSE_UNAVAILABLE, result.POWER_UNAVAILABLE)
            if not unknown or time.monotonic() > until:
                return result
            self.pause(0.2)  # a node that was restarted may not have been found by the planner yet

    def pause(self, seconds: float) -> None:
        """Listen for a while."""
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= until, seconds + 1.0, "pause")

    def measured(self) -> None:
        """Wait until the graph is ready and the rover's pose and power are known."""
        self.bring_up()
        if not self.seen:
            for topic in ("power_state", "odom"):
                self.watch(topic, lambda _, name=topic: self.seen.add(name))  # type: ignore[misc]
        self.wait(lambda: len(self.seen) == 2, START_UP, "first measurements")

    def act(self, name: str, goal: dict[str, Any], *, limit: float, progress: Callable[[Any], None] | None = None) -> Any:
        """Result of an action of the message package; its name on the graph is the same in small letters."""
        action = getattr(ros.need("rover_energy_interfaces.action"), name)
        place = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        client = ros.need("rclpy.action").ActionClient(self.ros, action, place)
        self.clients.append(client)
        self.wait(client.server_is_ready, START_UP, place)
        told = None if progress is None else (lambda message: progress(message.feedback))
        sent = self.send(lambda: client.send_goal_async(action.Goal(**goal), feedback_callback=told), place)
        if not sent.result().accepted:
            raise GraphError(f"{place}: the goal was rejected; the node is not active or has another one")
        answer, server = sent.result().get_result_async(), SERVERS[name]
        _, before = self.instance(server)

        def ended() -> bool:
            state, process = self.instance(server)
            if process and (process != before or state != "active"):  # nobody is left who could answer
                raise GraphError(f"{place}: node {server} died or was taken down: {self.processes.words(server)}")
            return bool(answer.done())

        self.wait(ended, limit, place)
        return answer.result().result

    def send(self, request: Callable[[], Any], what: str) -> Any:
        """Future of a goal's acceptance. A goal to a server that has just been restarted may get lost, and is sent again."""
        for _ in range(int(START_UP / RESEND)):
            future, until = request(), time.monotonic() + RESEND
            self.wait(lambda: future.done() or time.monotonic() > until, START_UP, what)  # noqa: B023
            if future.done():
                return future
        raise GraphError(f"{what}: no answer to the goal within {START_UP:g} s")

    def watch(self, topic: str, callback: Callable[[Any], None]) -> None:
        """Call back for each message of a topic of the contract."""
        entry = ros.BY_NAME[topic]
        self.ros.create_subscription(ros.message_class(entry.kind), topic, callback, ros.quality(entry.qos))


def exit_code(result: Any) -> int:
    """Of a program that has driven a plan, from the result of DriveTraverse."""
    if result.error_code != result.NONE:
        return EXIT_FAILED
    return EXIT_CLEAN if result.compliance.passed else EXIT_LOSS
