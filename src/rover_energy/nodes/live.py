"""The topics of a running rover as the samples of a bag: what the views read from a bag they can also be shown live."""

from __future__ import annotations

import queue
import time
from collections.abc import Collection, Iterator
from typing import Any

from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.recorder_node import typestore
from rover_energy.nodes.topics import TOPICS
from rover_energy.telemetry.recording import Sample, Stream
from rover_energy.views.signals import absolute

DEPTH = 1000  # of a subscription: a view that is busy drawing loses nothing for some seconds
BACKLOG = 20_000  # messages that may wait; older ones are dropped and counted


class Live:
    """Subscriptions to topics of the contract. Use as a context manager.

    namespace : of the rover, "" or "/name". domain : ROS_DOMAIN_ID; None: the environment's. topics : names in the contract;
    empty: all. Attributes: `streams` as of a bag, `dropped` messages that came faster than they were taken.
    """

    def __init__(self, namespace: str = "", domain: int | None = None, topics: Collection[str] = ()) -> None:
        self.namespace, self.domain = namespace, domain
        self.chosen = [topic for topic in TOPICS if not topics or topic.name in topics]
        self.waiting: queue.Queue[Sample] = queue.Queue(BACKLOG)
        self.dropped = 0
        self.streams: tuple[Stream, ...] = ()

    def __enter__(self) -> Live:
        rclpy = ros.need("rclpy")
        ros.need("rover_energy_interfaces.msg")
        self.store = typestore()
        self.streams = tuple(
            Stream(absolute(t.name, self.namespace), t.kind, self.store.generate_msgdef(t.kind, ros_version=2)[0], 0)
            for t in self.chosen
        )
        self.context = rclpy.context.Context()
        rclpy.init(args=[], context=self.context, domain_id=self.domain)
        try:
            self.node = rclpy.create_node("views", namespace=self.namespace or None, context=self.context)
        except Exception as error:
            self.context.try_shutdown()
            reason = str(error).strip().partition("\n")[0]
            raise InputError("command line", "--namespace", f"is refused ({reason})", "write /name", self.namespace) from None
        self.executor = ros.need("rclpy.executors").SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        for topic in self.chosen:
            kind, name = ros.message_class(topic.kind), absolute(topic.name, self.namespace)
            self.node.create_subscription(kind, name, self._keep(name, topic.kind), ros.quality(topic.qos, DEPTH), raw=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()
        self.context.try_shutdown()

    def _keep(self, name: str, kind: str) -> Any:
        def keep(data: bytes) -> None:
            sample = Sample(name, kind, time.time_ns(), bytes(data))
            while True:
                try:
                    self.waiting.put_nowait(sample)
                    return
                except queue.Full:
                    self.waiting.get_nowait()
                    self.dropped += 1

        return keep

    def decode(self, sample: Sample) -> Any:
        """The message, as a bag decodes it."""
        return self.store.deserialize_cdr(sample.data, sample.kind)

    def samples(self, seconds: float) -> Iterator[Sample]:
        """What comes within some real time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0.0:
            self.executor.spin_once(timeout_sec=min(left, 0.05))
            while not self.waiting.empty():
                yield self.waiting.get_nowait()
