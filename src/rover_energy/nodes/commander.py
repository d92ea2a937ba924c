"""EnergyCommander, by which an application asks the nodes: plan, can_reach, drive, reserve, cancel.

Run as a module, it waits for a graph that somebody else has started, and drives a plan: what a launch file runs beside the nodes.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.graph import Node, simulation_graph
from rover_energy.nodes.session import TOLERANCES, Session, exit_code

LIMIT = 86400.0  # [s]
ANSWER = 10.0  # [s] beyond what was asked for until a silent node is given up
LASTING = 3600.0  # [s] for which `reserve` holds a load


class CommanderError(RoverEnergyError):
    """A node is not there, or gives no answer in time."""


@dataclass(frozen=True)
class Answer:
    """What all answers have. code : name of the error code, "NONE" for none. text : value, limit and remedy, or empty."""

    code: str
    text: str

    @property
    def ok(self) -> bool:
        """Whether what was asked for has been done."""
        return self.code == "NONE"


@dataclass(frozen=True)
class Planned(Answer):
    """A plan: EnergyTrajectory message, duration [s], energy of all loads [J], name of the tightest limit."""

    trajectory: Any
    duration: float
    energy: float
    binding: str


@dataclass(frozen=True)
class Reachable(Answer):
    """CanReach. verdict : "YES", "NO" or "UNKNOWN"; the last is to be read as NO.

    margin : least stored energy above floor and reserve [Wh], binding_minute : when [min after departure]. arrival_margin :
    at the goal [Wh]. remedy : name of the first remedy, amount in [s], [W] or [J] by its name. remedies : all, in words.
    """

    verdict: str
    certified: bool
    margin: float
    binding_minute: float
    arrival_margin: float
    duration: float
    binding: str
    remedy: str
    amount: float
    remedies: str


@dataclass(frozen=True)
class Driven(Answer):
    """A drive. compliance : whether every window of the meter was within what was available. distance [m], energy [J]."""

    compliance: bool
    report: str
    duration: float
    distance: float
    energy: float
    goal_distance: float


@dataclass(frozen=True)
class Reserved(Answer):
    """A switched load: power granted [W]."""

    power: float


class EnergyCommander:
    """A ROS client for applications. Use as a context manager; no call waits longer than it is told.

    Parameters
    ----------
    name : str
        Of its node; issuer of what it reserves.
    context : rclpy context, optional
        Default: one of its own.

    Raises
    ------
    MissingExtraError
        ROS 2 or the message package is not installed.
    """

    def __init__(self, name: str = "energy_commander", *, context: Any = None) -> None:
        rclpy = ros.need("rclpy")
        ros.need("rover_energy_interfaces.action")
        self._own = context is None
        self.context = rclpy.context.Context() if context is None else context
        if self._own:
            rclpy.init(context=self.context)
        self.ros = rclpy.create_node(name, context=self.context)
        self.executor = ros.need("rclpy.executors").SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.ros)
        self._clients: dict[str, Any] = {}
        self._goal: Any = None
        self._stamp: Any = None
        entry = ros.BY_NAME["power_state"]
        self.ros.create_subscription(ros.message_class(entry.kind), entry.name, self._hear, ros.quality(entry.qos))

    def __enter__(self) -> EnergyCommander:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the client. A drive that goes on is not cancelled."""
        for client in self._clients.values():
            client.destroy()
        self.executor.shutdown()
        self.ros.destroy_node()
        if self._own:
            self.context.try_shutdown()

    def plan(
        self, goal: Sequence[float], *, seconds: float = 10.0, power_limit: float = math.inf, energy_budget: float = math.inf,
        deadline: float = math.inf,
    ) -> Planned:  # fmt: skip
        """A certified plan from where the rover stands to x [m], y [m], heading [rad], within so many seconds.

        power_limit [W], energy_budget [J], deadline [s]: beyond the mission's own. Raises CommanderError.
        """
        x, y, heading = _pose(goal)
        request = {"goal_x": x, "goal_y": y, "goal_heading": heading, "time_limit": float(seconds),
                   "power_limit": power_limit, "energy_budget": energy_budget, "deadline": deadline}  # fmt: skip
        result = self._act("PlanTraverse", "plan_traverse", request, seconds + ANSWER)
        trajectory = result.trajectory
        return Planned(*_ended(result), trajectory, trajectory.duration, trajectory.energy, result.binding)

    def can_reach(
        self, goal: Sequence[float], *, reserve: float = 0.0, deadline: float = math.inf, seconds: float = 1.0
    ) -> Reachable:
        """Whether the rover can reach a pose with so much [Wh] left above the floor; a heading of NaN is any.

        Raises CommanderError.
        """
        x, y, heading = _pose(goal, any_heading=True)
        request = {"goal_x": x, "goal_y": y, "goal_heading": heading, "battery_reserve": 3600.0 * reserve,
                   "deadline": deadline, "time_limit": float(seconds)}  # fmt: skip
        r = self._call("CanReach", "can_reach", request, seconds + ANSWER)
        return Reachable(
            *_ended(r), _name(r, r.verdict, ("UNKNOWN", "YES", "NO")), r.certified, r.least_margin / 3600.0,
            r.least_margin_time / 60.0, r.battery_margin / 3600.0, r.duration, r.binding,
            _name(r, r.remedy, ("NO_REMEDY", "START_LATER", "SHED_LOAD", "MORE_CHARGE", "ALLOW_TIME", "OTHER_GOAL")),
            r.remedy_amount, r.remedy_text,
        )  # fmt: skip

    def drive(self, plan: Planned, *, seconds: float, progress: Callable[[Any], None] | None = None) -> Driven:
        """Drive a plan to its goal or to a safe stop; after `seconds` it is cancelled. `progress` gets the feedback.

        Raises CommanderError, also when another drive is under way; InputError for a plan that was refused.
        """
        if not plan.ok:
            raise InputError("drive", "plan", f"was refused ({plan.code})", "drive what was planned", plan.text)
        request = {"trajectory": plan.trajectory, **TOLERANCES}
        return _driven(self._act("DriveTraverse", "drive_traverse", request, seconds, progress))

    def reserve(
        self, load: str, watts: float, *, seconds: float = LASTING, priority: int = 100, wait: float = ANSWER
    ) -> Reserved:
        """Switch a load on and keep power for it, for so many seconds of the bus; 0 W switches it off. Raises CommanderError."""
        if not watts >= 0.0:
            raise InputError("reserve", "watts", "is not 0 or more", "give watts", watts)
        self._spin(lambda: self._stamp is not None, wait, "power_state")
        command = ros.message_class("rover_energy_interfaces/msg/LoadCommand")(
            issuer=self.ros.get_name(), name=load, enabled=watts > 0.0, power_limit=float(watts), lifetime=float(seconds),
            priority=priority,
        )  # fmt: skip
        command.header.stamp = self._stamp
        answer = self._call("SetLoad", "set_load", {"command": command}, wait)
        return Reserved(*_ended(answer), answer.power_granted)

    def cancel(self) -> bool:
        """Cancel what this commander has under way, from `progress` or another thread; False when there is nothing."""
        goal = self._goal
        if goal is None:
            return False
        goal.cancel_goal_async()
        return True

    def _hear(self, message: Any) -> None:
        self._stamp = message.header.stamp

    def _spin(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until:
                raise CommanderError(f"{what}: nothing within {seconds:g} s; is its node active?")
            self.executor.spin_once(timeout_sec=0.05)

    def _call(self, kind: str, place: str, request: dict[str, Any], seconds: float) -> Any:
        service = getattr(ros.need("rover_energy_interfaces.srv"), kind)
        if place not in self._clients:
            self._clients[place] = self.ros.create_client(service, place)
        client = self._clients[place]
        self._spin(client.service_is_ready, seconds, place)
        future = client.call_async(service.Request(**request))
        self._spin(future.done, seconds, place)
        return future.result()

    def _act(
        self, kind: str, place: str, goal: dict[str, Any], seconds: float, progress: Callable[[Any], None] | None = None
    ) -> Any:
        action = getattr(ros.need("rover_energy_interfaces.action"), kind)
        if place not in self._clients:
            self._clients[place] = ros.need("rclpy.action").ActionClient(self.ros, action, place)
        client = self._clients[place]
        self._spin(client.server_is_ready, ANSWER, place)
        told = None if progress is None else (lambda message: progress(message.feedback))
        sent = client.send_goal_async(action.Goal(**goal), feedback_callback=told)
        self._spin(sent.done, ANSWER, place)
        self._goal = sent.result()
        try:
            if not self._goal.accepted:
                raise CommanderError(f"{place}: the goal was rejected; the node is not active or has another one")
            answer = self._goal.get_result_async()
            try:
                self._spin(answer.done, seconds, place)
            except CommanderError:
                self.cancel()
                self._spin(answer.done, ANSWER, f"{place}, cancelled after {seconds:g} s")
            return answer.result().result
        finally:
            self._goal = None


def _pose(goal: Sequence[float], *, any_heading: bool = False) -> tuple[float, float, float]:
    x, y, heading = (float(v) for v in goal)
    if not (math.isfinite(x) and math.isfinite(y) and (math.isfinite(heading) or (any_heading and math.isnan(heading)))):
        raise InputError("goal", "pose", "is not three finite numbers", "give x [m], y [m], heading [rad]", tuple(goal))
    return x, y, heading


def _ended(result: Any) -> tuple[str, str]:
    """Name of the error code, and the text."""
    names = [n for n in dir(type(result)) if n.isupper() and getattr(result, n) == result.error_code]
    numbered = [n for n in names if n == "NONE" or result.error_code >= 10000]
    return (numbered[0] if numbered else str(result.error_code)), str(result.error_text)


def _name(result: Any, value: int, names: Sequence[str]) -> str:
    return next((name for name in names if getattr(result, name) == value), names[0])


def _driven(result: Any) -> Driven:
    return Driven(
        *_ended(result), result.compliance.passed, result.compliance.text, result.duration, result.distance, result.energy,
        result.goal_distance,
    )  # fmt: skip


class Elsewhere:
    """Nodes whose processes are not ours: nobody here knows whether they live, so their silence has to do."""

    def __init__(self, nodes: list[Node], out: Path) -> None:
        self.nodes, self.out = nodes, out

    def environment(self) -> dict[str, str]:
        """Nothing of our own."""
        return {}

    def dead(self) -> list[str]:
        """None that we know of."""
        return []

    def words(self, name: str) -> str:
        """Where to look."""
        return f"see the log of {name}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point: 0 goal reached and every window within what was available, 1 not reached, 3 reached with windows over."""
    parser = argparse.ArgumentParser(prog="commander", description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="folder of the plan")
    parser.add_argument("--out", type=Path, required=True, help="folder of the logs, for messages only")
    given = parser.parse_args(arguments)
    nodes = simulation_graph(given.plan, given.out / "bag", simulator="loopback")  # for their names and order
    began = time.monotonic()
    try:
        with Session(Elsewhere(nodes, given.out)) as session:
            session.bring_up()
            result = session.drive(given.plan, limit=LIMIT)
    except RoverEnergyError as error:
        print(f"commander: {error}", file=sys.stderr)
        return error.exit_code
    ended = result.error_text or "goal reached"
    print(f"{ended}; {result.compliance.text}; {time.monotonic() - began:.1f} s real time", flush=True)
    return exit_code(result)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
