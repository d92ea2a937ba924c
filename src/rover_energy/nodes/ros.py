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

from rover_energy.errors import MissingExtraError, RoverEnergyError
from rover_energy.nodes.settings import NodeParameters
from rover_energy.nodes.topics import BY_NAME, QOS
from rover_energy.parameters import from_mapping

BIGGEST = sys.float_info.max
PARENT = "ROVER_ENERGY_PARENT"  # process without which a node is not wanted any more


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
    """What a node does. `ros` is its lifecycle node, `settings` are its parameters, `active` says whether it may act."""

    name: str
    parameters: type[NodeParameters]

    def __init__(self, ros: Any) -> None:
        self.ros = ros
        self.active = False
        self.settings: Any = None

    def configure(self) -> None:
        """Read inputs, open publishers and subscriptions. Raises RoverEnergyError."""

    def activate(self) -> None:
        """Begin."""

    def deactivate(self) -> None:
        """Come to rest. Called on shutdown too."""

    def publisher(self, topic: str) -> Callable[[Any], None]:
        """Function that publishes on a topic of the contract."""
        entry = BY_NAME[topic]
        made: Callable[[Any], None] = self.ros.create_publisher(message_class(entry.kind), topic, quality(entry.qos)).publish
        return made

    def subscribe(self, topic: str, callback: Callable[[Any], None], *, depth: int = 0, **options: Any) -> None:
        """Call back for each message of a topic of the contract; `depth` as in `quality`."""
        entry = BY_NAME[topic]
        self.ros.create_subscription(message_class(entry.kind), topic, callback, quality(entry.qos, depth), **options)


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
            return done.SUCCESS

        def on_activate(self, state: Any) -> Any:
            part.activate()
            part.active = True
            return super().on_activate(state)

        def on_deactivate(self, state: Any) -> Any:
            part.active = False
            part.deactivate()
            return super().on_deactivate(state)

        def on_shutdown(self, _: Any) -> Any:
            part.active = False
            part.deactivate()
            return done.SUCCESS

    node = Host(kind.name, **options)
    part = kind(node)
    declare(node, kind.parameters)
    return node, part


def _end_without_parent() -> None:
    """Whoever started the graph may be killed and end nothing."""
    wanted = os.environ.get(PARENT)
    if wanted is not None and os.getppid() != int(wanted):
        os.kill(os.getpid(), signal.SIGTERM)


def run(kind: type[Part]) -> None:
    """Main program of a node: spin until it is told to end."""
    need("rover_energy_interfaces.msg")
    rclpy = need("rclpy")
    executors = need("rclpy.executors")
    rclpy.init()
    node, part = host(kind)
    clocks = need("rclpy.clock")
    orphan = node.create_timer(1.0, _end_without_parent, clock=clocks.Clock(clock_type=clocks.ClockType.STEADY_TIME))
    executor = executors.SingleThreadedExecutor()
    executor.add_node(node)
    code = 0
    try:
        executor.spin()
    except (KeyboardInterrupt, executors.ExternalShutdownException):
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    part.active = False
    part.deactivate()
    orphan.cancel()
    sys.stderr.flush()
    os._exit(code)  # the middleware's threads need no farewell, and destroying a node under them can hang
