"""Nodes inside this process that take one message after the other: the next is published when all have dealt with the last.

DDS keeps the order of one topic, not that between topics, and a subscription that is too slow loses messages. So what monitors
make of a recording would depend on the machine's load. Here it depends on the recording alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rover_energy.errors import RoverEnergyError
from rover_energy.nodes import ros

PATIENCE = 10.0  # [s] for a node to take a message
AGAIN = 0.25  # [s] after which the clock, which is sent best effort, is sent once more


class LockstepError(RoverEnergyError):
    """A node did not take what was sent to it, or took what somebody else has sent."""


class Lockstep:
    """A ROS context with parts in it. Use as a context manager.

    domain : ROS_DOMAIN_ID; None: the environment's. hear : called with (node, topic, message) for everything the parts publish.
    """

    def __init__(self, domain: int | None, hear: Callable[[str, str, Any], None]) -> None:
        self.domain, self.hear = domain, hear
        self.heard: Counter[tuple[str, str]] = Counter()
        self.listeners: dict[str, list[str]] = {}
        self.parts: list[ros.Part] = []
        self.clock: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Lockstep:
        rclpy = ros.need("rclpy")
        self.context = rclpy.context.Context()
        rclpy.init(args=[], context=self.context, domain_id=self.domain)
        self.executor = ros.need("rclpy.executors").SingleThreadedExecutor(context=self.context)
        return self

    def __exit__(self, *_: object) -> None:
        for part in self.parts:
            part.active = False
        self.executor.shutdown()
        self.context.try_shutdown()

    def node(self, name: str, namespace: str) -> Any:
        """A plain node."""
        made = ros.need("rclpy").create_node(name, namespace=namespace or None, context=self.context)
        self.executor.add_node(made)
        return made

    def add(self, kind: type[ros.Part], namespace: str, **settings: Any) -> ros.Part:
        """Host a part, configured and active. Raises LockstepError when it cannot be configured."""
        parameter = ros.need("rclpy.parameter").Parameter
        given = [parameter(name, value=value) for name, value in settings.items()]
        node, part = ros.host(kind, context=self.context, namespace=namespace or None, parameter_overrides=given)
        self._count(node, part)
        done = ros.need("rclpy.lifecycle").TransitionCallbackReturn.SUCCESS
        if node.trigger_configure() != done or node.trigger_activate() != done:
            raise LockstepError(f"{kind.name}: cannot be configured: its last line above says why")
        self.executor.add_node(node)
        self.parts.append(part)
        return part

    def _count(self, node: Any, part: ros.Part) -> None:
        """Note what the part listens to and each time that it has heard it; pass on what it says."""
        subscribe, publisher, name = node.create_subscription, part.publisher, part.name

        def create_subscription(kind: Any, topic: str, callback: Callable[[Any], None], *rest: Any, **options: Any) -> Any:
            full = node.resolve_topic_name(topic)

            def called(message: Any) -> None:
                callback(message)
                self.heard[name, full] += 1
                if full == "/clock":
                    self.clock[name] = message.clock.sec, message.clock.nanosec

            self.listeners.setdefault(full, []).append(name)
            return subscribe(kind, topic, called, *rest, **options)

        def create_publisher(topic: str) -> Callable[[Any], None]:
            send, full = publisher(topic), node.resolve_topic_name(topic)

            def publish(message: Any) -> None:
                self.hear(name, full, message)
                send(message)

            return publish

        node.create_subscription = create_subscription
        part.publisher = create_publisher  # type: ignore[method-assign]

    def matched(self, topic: str, publisher: Any) -> None:
        """Wait until every part that listens to a topic is connected to its publisher."""
        wanted = len(self.listeners.get(topic, ()))
        self._wait(lambda: publisher.get_subscription_count() >= wanted, f"connecting {topic}")

    def send(self, topic: str, publisher: Any, data: bytes) -> None:
        """Publish and wait until every part has dealt with it. Raises LockstepError."""
        before = {name: self.heard[name, topic] for name in self.listeners.get(topic, ())}
        publisher.publish(data)
        self._wait(lambda: all(self.heard[name, topic] > count for name, count in before.items()), topic)
        for name, count in before.items():
            if self.heard[name, topic] != count + 1:
                raise LockstepError(f"{name}: somebody else publishes {topic} in this ROS domain; give another --domain")

    def tick(self, publisher: Any, nanoseconds: int) -> None:
        """Publish the time and wait until every part that listens to it has it."""
        stamp = divmod(nanoseconds, 10**9)
        message = ros.message_class("rosgraph_msgs/msg/Clock")()
        message.clock.sec, message.clock.nanosec = stamp
        until = time.monotonic() + PATIENCE
        names = self.listeners.get("/clock", ())
        while True:
            publisher.publish(message)
            again = time.monotonic() + AGAIN
            while any(self.clock.get(name) != stamp for name in names):
                self.executor.spin_once(timeout_sec=0.01)
                if time.monotonic() > again:
                    break
            else:
                return
            if time.monotonic() > until:
                raise LockstepError(f"/clock: nothing came within {PATIENCE:g} s")

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not ready():
            self.executor.spin_once(timeout_sec=0.01)
            if time.monotonic() > until:
                raise LockstepError(f"{what}: nothing came within {PATIENCE:g} s")

    def rest(self, seconds: float) -> None:
        """Let the executor work for some real time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0.0:
            self.executor.spin_once(timeout_sec=min(left, 0.05))
