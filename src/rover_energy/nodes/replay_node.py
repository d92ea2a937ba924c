"""Replay: a bag published again, with /clock, to the monitors inside this process and to whoever listens outside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.audit_node import Auditor
from rover_energy.nodes.lockstep import Lockstep, LockstepError
from rover_energy.nodes.monitor_node import Monitor
from rover_energy.nodes.topics import BY_NAME, QOS
from rover_energy.telemetry.recording import Recording, Sample, Stream
from rover_energy.views.signals import namespace_of

MONITORS: tuple[type[ros.Part], ...] = (Monitor, Auditor)
MADE_ANEW = ("diagnostics", "compliance")  # what the monitors publish
OF_PROCESSES = ("heartbeat", "graph_state")  # of those that ran then; a rover would take the latter for a permission
OTHERS = 0.5  # [s] in which other publishers are noticed


@dataclass
class Outcome:
    """What a replay came to. Everything in it depends on the bag, the plan and the part that was played, on nothing else.

    played : messages by topic. left_out : topic -> why. said : (time [ns], node, topic, message) of the monitors, in order.
    recorded : the same topics' messages in the bag.
    """

    start: int = 0
    end: int = 0
    played: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)
    said: list[tuple[int, str, str, Any]] = field(default_factory=list)
    recorded: list[tuple[int, str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Portion:
    """Which part of a bag is played and how.

    start, duration : [s]; duration None: to the end. rate : recorded over real time; 0: as fast as the monitors answer.
    commands : also publish what a rover would obey under its own name.
    """

    start: float = 0.0
    duration: float | None = None
    rate: float = 1.0
    commands: bool = False


def replay(
    bag: Recording, folder: Path, portion: Portion, *, domain: int | None = None, progress: Callable[[float], None] | None = None
) -> Outcome:
    """Play a bag once.

    bag : what to play. folder : of the plan, for the rover that the monitors compare with. domain : ROS_DOMAIN_ID; None: the
    environment's. progress : called with the share played, 0 to 1.

    Raises InputError for a bag without messages, LockstepError when a monitor does not answer or somebody else publishes the
    same topics.
    """
    outcome, namespace = Outcome(bag.start, bag.start), namespace_of([stream.topic for stream in bag.streams])
    if not any(stream.count for stream in bag.streams):
        raise InputError(str(bag.path), "bag", "has no messages", "give one that something was recorded into")

    def hear(node: str, topic: str, message: Any) -> None:
        outcome.said.append((outcome.end, node, topic, message))

    with Lockstep(domain, hear) as graph:
        for kind in MONITORS:
            timed = {"clock": "topic"} if kind is Monitor else {}
            graph.add(kind, namespace, folder=str(folder), **timed)
        player = Player(graph, bag, outcome, namespace, commands=portion.commands)
        player.alone()
        began, length = time.monotonic(), max(1, bag.end - bag.start)
        for sample in bag.samples([s.topic for s in bag.streams], start=portion.start, duration=portion.duration):
            if portion.rate > 0.0:
                due = began + 1e-9 * (sample.time - bag.start - round(portion.start * 1e9)) / portion.rate
                graph.rest(due - time.monotonic())
            player.play(sample)
            if progress is not None:
                progress((sample.time - bag.start) / length)
        for hosted in graph.parts:
            if isinstance(hosted, Auditor):
                hosted.finish()
        player.settle()
    return outcome


class Player:
    """Publishers for the streams of a bag."""

    def __init__(self, graph: Lockstep, bag: Recording, outcome: Outcome, namespace: str, *, commands: bool) -> None:
        self.graph, self.bag, self.outcome, self.namespace = graph, bag, outcome, namespace
        self.ros = graph.node("replay", namespace)
        self.time = -1
        self.clock = self.ros.create_publisher(ros.message_class("rosgraph_msgs/msg/Clock"), "/clock", ros.quality("clock"))
        self.publishers: dict[str, tuple[str, Any]] = {}
        for stream in bag.streams:
            if stream.topic != "/clock":
                self._open(stream, commands)
        graph.matched("/clock", self.clock)
        for name, publisher in self.publishers.values():
            graph.matched(name, publisher)

    def _open(self, stream: Stream, commands: bool) -> None:
        name = self._name(stream.topic, commands)
        entry = BY_NAME.get(stream.topic) or BY_NAME.get(stream.topic.removeprefix(f"{self.namespace}/"))
        try:
            kind = ros.message_class(stream.kind)
        except (RoverEnergyError, AttributeError, ValueError):
            self.outcome.left_out[stream.topic] = f"{stream.kind} is not installed"
            return
        quality = ros.quality(entry.qos if entry is not None and entry.qos in QOS else "stream")
        publisher = self.ros.create_publisher(kind, name, quality)
        if not self._same_definition(stream, name):
            self.ros.destroy_publisher(publisher)
            self.outcome.left_out[stream.topic] = f"{stream.kind} was recorded with another definition than the installed one"
            return
        self.publishers[stream.topic] = name, publisher

    def _name(self, topic: str, commands: bool) -> str:
        """Own name, or `recorded/...` for what the monitors make anew, what was said of processes, and what a rover in the
        same domain would obey."""
        own = topic.removeprefix(f"{self.namespace}/").lstrip("/")
        entry = BY_NAME.get(own)
        obeyed = entry is not None and entry.qos == "command" and not commands
        return f"{self.namespace}/recorded/{own}" if own in (*MADE_ANEW, *OF_PROCESSES) or obeyed else topic

    def _same_definition(self, stream: Stream, name: str) -> bool:
        """Bytes are published as they were recorded, so both ends must mean the same by them."""
        wanted = self.bag.digest(stream.kind)
        found = [info for info in self.ros.get_publishers_info_by_topic(name) if info.node_name == "replay"]
        return not found or not wanted or wanted in {str(info.topic_type_hash).lower() for info in found}

    def alone(self) -> None:
        """Raises LockstepError when somebody else publishes what is to be replayed: nobody could tell them apart."""
        self.graph.rest(OTHERS)
        for name in ["/clock", *(name for name, _ in self.publishers.values())]:
            others = {info.node_name for info in self.ros.get_publishers_info_by_topic(name)} - {"replay"}
            if others:
                told = f"{name}: {sorted(others)[0]} publishes it in this ROS domain already"
                raise LockstepError(f"{told}; end it, or give another --domain")

    def play(self, sample: Sample) -> None:
        """One message; the time first, if it has advanced."""
        wanted = sample.topic == "/clock" or sample.topic in self.publishers
        message = self.bag.decode(sample) if wanted else None
        if message is not None and sample.topic == "/clock":
            self.advance(message.clock.sec * 10**9 + message.clock.nanosec)
            return
        self.advance(sample.time)
        if message is None:  # left out, or bytes that do not fit their type, which nobody could take
            return
        name, publisher = self.publishers[sample.topic]
        if sample.topic.rpartition("/")[2] in MADE_ANEW:
            self.outcome.recorded.append((self.outcome.end, sample.topic, message))
        self.graph.send(name, publisher, sample.data)
        self.outcome.played[sample.topic] += 1

    def settle(self) -> None:
        """Let listeners in other processes have the last messages before the publishers go."""
        patience = ros.need("rclpy.duration").Duration(seconds=1.0)
        for _, publisher in self.publishers.values():
            publisher.wait_for_all_acked(patience)
        self.graph.rest(0.1)

    def advance(self, nanoseconds: int) -> None:
        """/clock never goes back within a replay."""
        if nanoseconds > self.time:
            self.time = self.outcome.end = nanoseconds
            self.graph.tick(self.clock, nanoseconds)


def plan_folder(bag: Path, given: Path | None, spare: Path) -> tuple[Path, str]:
    """Folder with rover.yaml and mission.yaml for the monitors, and where they are from.

    given : the user's choice. Otherwise what lies beside the bag, or in `spare` files of the built-in rover and mission.
    """
    if given is not None:
        return given, "plan"
    for place in (bag, bag.parent):
        if (place / "rover.yaml").is_file() and (place / "mission.yaml").is_file():
            return place, "beside the bag"
    for name in ("rover.yaml", "mission.yaml"):
        (spare / name).write_text("{}\n", encoding="utf-8")
    return spare, "built-in"
