"""The one place that knows rclpy: lifecycle nodes around parts, publishers by the topic contract, parameters by declaration."""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import MissingExtraError, RoverEnergyError
from rover_energy.nodes.liveness import Peer, identity
from rover_energy.nodes.settings import NodeParameters
from rover_energy.nodes.topics import BY_NAME, QOS
from rover_energy.parameters import from_mapping

BIGGEST = sys.float_info.max
PARENT = "ROVER_ENERGY_PARENT"  # identity of the process without which a node is not wanted any more
RESULTS = 3600  # [s] of ROS time for which a goal's result can be asked for: simulated time may go fast
BEAT = 0.2  # [s] of real time between two heartbeats
_hidden: list[Any] = []  # the node of a process that is prepared and is not anybody yet


def need(module: str) -> Any:
    """A module of ROS 2 or of the message package. Raises MissingExtraError."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(module.partition(".")[0], "ros", "a ROS 2 node (or: make ros)") from None


def message_class(kind: str) -> Any:
    """Class of "package/msg/Name"."""
    package, folder, name = kind.split("/")
    return getattr(need(f"{package}.{folder}"), name)


def quality(name: str, depth: int = 0) -> Any:
    """QoS profile by its name in the contract; a depth above 0 takes the place of its own."""
    qos = need("rclpy.qos")
    reliable, latched, usual = QOS[name]
    return qos.QoSProfile(
        depth=depth or usual,
        reliability=qos.ReliabilityPolicy.RELIABLE if reliable else qos.ReliabilityPolicy.BEST_EFFORT,
        durability=qos.DurabilityPolicy.TRANSIENT_LOCAL if latched else qos.DurabilityPolicy.VOLATILE,
    )


def seconds(stamp: Any) -> float:
    """A time message in [s]."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


def stamp_of(time: float) -> Any:
    """Time message of [s], to the nanosecond."""
    total = round(time * 1e9)
    return message_class("builtin_interfaces/msg/Time")(sec=total // 10**9, nanosec=total % 10**9)


def rotation_of(q: Any) -> NDArray[np.float64]:
    """Rotation matrix (3, 3) of a unit quaternion."""
    w, x, y, z = q.w, q.x, q.y, q.z
    return np.array([
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ])  # fmt: skip


def quaternion_of(roll: float, pitch: float, heading: float) -> Any:
    """Orientation of REP 103 angles [rad]."""
    cr, sr, cp, sp = math.cos(roll / 2), math.sin(roll / 2), math.cos(pitch / 2), math.sin(pitch / 2)
    cy, sy = math.cos(heading / 2), math.sin(heading / 2)
    return message_class("geometry_msgs/msg/Quaternion")(
        w=cr * cp * cy + sr * sp * sy, x=sr * cp * cy - cr * sp * sy,
        y=cr * sp * cy + sr * cp * sy, z=cr * cp * sy - sr * sp * cy,
    )  # fmt: skip


def angles_of(q: Any) -> tuple[float, float, float]:
    """Roll, pitch, heading [rad] of an orientation."""
    roll = math.atan2(2.0 * (q.w * q.x + q.y * q.z), 1.0 - 2.0 * (q.x * q.x + q.y * q.y))
    sine = 2.0 * (q.w * q.y - q.z * q.x)
    pitch = math.asin(max(-1.0, min(1.0, sine))) if sine == sine else math.nan
    return roll, pitch, math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))


class Part:
    """What a node does. `ros` is its lifecycle node, `settings` are its parameters, `active` says whether it may act.

    `beats` : whether the node publishes its heartbeat; the supervisor listens only.
    """

    name: str
    parameters: type[NodeParameters]
    beats = True

    def __init__(self, ros: Any) -> None:
        self.ros = ros
        self.active = False
        self.settings: Any = None
        self.hosted()

    def hosted(self) -> None:
        """The node is there; its parameters are not read yet."""

    def configure(self) -> None:
        """Read inputs, open publishers and subscriptions. Raises RoverEnergyError."""

    def activate(self) -> None:
        """Begin."""

    def deactivate(self) -> None:
        """Come to rest. Called on shutdown too."""

    def ending(self, spin: Callable[[float], None]) -> None:
        """The process was told to end and the node still works: `spin` [s] lets it. Called before the last `deactivate`."""

    @property
    def now(self) -> float:
        """ROS time [s]."""
        return float(self.ros.get_clock().now().nanoseconds) * 1e-9

    def every(self, period: float, callback: Callable[[], None]) -> Any:
        """Timer of real time [s], which simulated time neither halts nor hurries."""
        return self.ros.create_timer(period, callback, clock=steady_clock())

    def publisher(self, topic: str) -> Callable[[Any], None]:
        """Function that publishes on a topic of the contract."""
        entry = BY_NAME[topic]
        made: Callable[[Any], None] = self.ros.create_publisher(message_class(entry.kind), topic, quality(entry.qos)).publish
        return made

    def subscribe(self, topic: str, callback: Callable[[Any], None], *, depth: int = 0, **options: Any) -> None:
        """Call back for each message of a topic of the contract; `depth` as in `quality`."""
        entry = BY_NAME[topic]
        self.ros.create_subscription(message_class(entry.kind), topic, callback, quality(entry.qos, depth), **options)

    def action_server(self, kind: Any, name: str, execute: Callable[[Any], Any], free: Callable[[], bool]) -> Any:
        """Server of an action that accepts goals while `free` says so, and lets every goal be cancelled."""
        action = need("rclpy.action")
        return action.ActionServer(
            self.ros, kind, name, execute,
            goal_callback=lambda _: action.GoalResponse.ACCEPT if free() else action.GoalResponse.REJECT,
            cancel_callback=lambda _: action.CancelResponse.ACCEPT, result_timeout=RESULTS,
        )  # fmt: skip


def declare(ros: Any, parameters: type[NodeParameters]) -> None:
    """Declare every field as a ROS parameter, with unit and bounds in its descriptor; read-only, as nodes read them once."""
    messages = need("rcl_interfaces.msg")
    for field in dataclasses.fields(parameters):
        m, value = field.metadata, field.default
        text = m["description"] + ("" if m["unit"] == "-" else f" [{m['unit']}]")
        descriptor = messages.ParameterDescriptor(description=text, additional_constraints=", ".join(m["choices"]))
        if isinstance(value, float):
            low, high = max(m["minimum"], -BIGGEST), min(m["maximum"], BIGGEST)
            descriptor.floating_point_range = [messages.FloatingPointRange(from_value=low, to_value=high)]
        elif isinstance(value, int) and not isinstance(value, bool):
            descriptor.integer_range = [messages.IntegerRange(from_value=int(m["minimum"]), to_value=int(m["maximum"]), step=1)]
        ros.declare_parameter(field.name, value, descriptor)


def steady_clock() -> Any:
    """A clock of real time."""
    clocks = need("rclpy.clock")
    return clocks.Clock(clock_type=clocks.ClockType.STEADY_TIME)


class Heart:
    """Publishes that a node works, in which state it is and which process it is: from its executor, so that it stops with it."""

    def __init__(self, ros: Any) -> None:
        entry, status = BY_NAME["heartbeat"], message_class("diagnostic_msgs/msg/DiagnosticStatus")
        self.message = status(level=status.OK, name=ros.get_name(), message="unconfigured", hardware_id=identity())
        self.publisher = ros.create_publisher(status, entry.name, quality(entry.qos))
        self.timer = ros.create_timer(BEAT, self.beat, clock=steady_clock())

    def beat(self) -> None:
        """Now."""
        self.publisher.publish(self.message)

    def turn(self, state: str) -> None:
        """Into another state, which is told at once."""
        self.message.message = state
        self.beat()


def host(kind: type[Part], **options: Any) -> tuple[Any, Part]:
    """A lifecycle node with its part; the node follows the transitions, a part that cannot be configured fails them."""
    lifecycle = need("rclpy.lifecycle")
    done = lifecycle.TransitionCallbackReturn

    class Host(lifecycle.LifecycleNode):  # type: ignore[name-defined]
        def on_configure(self, _: Any) -> Any:
            try:
                names = [field.name for field in dataclasses.fields(kind.parameters)]
                data = {name: self.get_parameter(name).value for name in names}
                part.settings = from_mapping(kind.parameters, data, self.get_name())
                part.configure()
            except RoverEnergyError as error:
                self.get_logger().error(str(error))
                return done.FAILURE
            return self.turned("inactive")

        def on_activate(self, state: Any) -> Any:
            part.activate()
            part.active = True
            super().on_activate(state)
            return self.turned("active")

        def on_deactivate(self, state: Any) -> Any:
            part.active = False
            part.deactivate()
            super().on_deactivate(state)
            return self.turned("inactive")

        def on_shutdown(self, _: Any) -> Any:
            part.active = False
            part.deactivate()
            return self.turned("finalized")

        def turned(self, state: str) -> Any:
            if heart is not None:
                heart.turn(state)
            return done.SUCCESS

    node = Host(kind.name, **options)
    part = kind(node)
    declare(node, kind.parameters)
    heart = Heart(node) if kind.beats else None
    return node, part


def _ended(parent: Peer | None) -> bool:
    """Whoever started the graph may be killed and end nothing."""
    return parent is not None and (parent.ended or not parent.local)


def prepare() -> None:
    """Join the graph with a hidden node, so that the one to come is known to others at once."""
    rclpy = need("rclpy")
    rclpy.init(args=[], signal_handler_options=need("rclpy.signals").SignalHandlerOptions.NO)
    _hidden.append(rclpy.create_node(
        f"_spare_{os.getpid()}", enable_rosout=False, start_parameter_services=False, use_global_arguments=False
    ))  # fmt: skip


def run(kind: type[Part]) -> None:
    """Main program of a node: spin until it is told to end."""
    need("rover_energy_interfaces.msg")
    rclpy, executors = need("rclpy"), need("rclpy.executors")
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: told.append(got))
    if _hidden:
        node, part = host(kind, cli_args=sys.argv[1:], use_global_arguments=False)
        _hidden.pop().destroy_node()
    else:
        rclpy.init(signal_handler_options=need("rclpy.signals").SignalHandlerOptions.NO)
        node, part = host(kind)
    executor = executors.SingleThreadedExecutor()
    executor.add_node(node)
    parent = Peer(os.environ[PARENT]) if PARENT in os.environ else None
    code = 0
    try:
        while not told and not _ended(parent):
            executor.spin_once(timeout_sec=0.25)
        part.ending(lambda limit: executor.spin_once(timeout_sec=limit))
    except Exception:
        traceback.print_exc()
        code = 1
    part.active = False
    part.deactivate()
    sys.stderr.flush()
    os._exit(code)  # the middleware's threads need no farewell, and destroying a node under them can hang
