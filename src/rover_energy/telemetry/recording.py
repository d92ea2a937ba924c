"""A bag as messages in the order of time, whole or damaged: whatever of it can be trusted is given, and the rest counted.

The audit reads a bag once, piece by piece (`telemetry.bag`). Everybody else reads it here: views, replay, linter, refit, scores.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.telemetry.bag import Bag, Piece, Topic, open_bag
from rover_energy.telemetry.bag_loss import Loss
from rover_energy.telemetry.extras import need
from rover_energy.telemetry.message_types import TypeProblemError, full_name, message_tree, standard_types, type_definitions

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Stream:
    """One topic of a bag: its absolute name, its type as "package/msg/Name", the type's definition with all it is made of
    (ros2msg), and how many messages there are."""

    topic: str
    kind: str
    definition: str
    count: int


@dataclass(frozen=True)
class Sample:
    """One message as it was recorded: topic, type, log time [ns], serialised content (CDR)."""

    topic: str
    kind: str
    time: int
    data: bytes


class Recording:
    """A rosbag2 folder (MCAP or SQLite) or a bare file of one. The whole of it is looked through at once; memory does not grow
    with it.

    Attributes
    ----------
    path : Path
        As given.
    streams : tuple of Stream
        Every topic that can be read, by name.
    start, end : int
        Log times of the first and of the last message [ns]; 0 for an empty bag.
    loss : Loss
        What could not be used; messages that do not fit their type are added when they are decoded.
    remarks : list of str
        Topics that are left out, and why.

    Raises
    ------
    InputError
        What lies there is no bag, or nothing in it can be used.
    MissingExtraError
        Without the package rosbags, or that of the bag's compression.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = self.end = 0
        self._bounds: list[int] = []  # the least log time in all later pieces
        bag = open_bag(path)
        counts = self._look(bag)
        self.loss: Loss = bag.loss
        self.remarks: list[str] = list(bag.remarks)
        self._topics = {topic for topic in counts if self._readable(topic)}
        self._types = typestore((topic.schema.name, topic.schema.encoding, topic.schema.data) for topic in self._topics)
        self.streams = tuple(sorted((self._stream(t, counts[t]) for t in self._topics), key=lambda s: (s.topic, s.kind)))
        if not self.streams:
            why = f" (lost: {self.loss.words()})" if self.loss.any else ""
            raise InputError(str(path), "bag", f"has nothing that can be read{why}", "give one that was recorded into")

    def _look(self, bag: Bag) -> Counter[Topic]:
        """Messages by topic; when the bag begins and ends, and how the times of its pieces overlap."""
        counts: Counter[Topic] = Counter()
        least: list[int] = []
        latest = -1
        for piece in bag.pieces():
            known = piece.segment.log_time[np.isin(piece.segment.channel, list(piece.topics))]
            least.append(int(known.min()) if known.size else NEVER)
            latest = max(latest, int(known.max()) if known.size else -1)
            for number, count in zip(*np.unique(piece.segment.channel, return_counts=True), strict=True):
                if int(number) in piece.topics:
                    counts[piece.topics[int(number)]] += int(count)
        if latest >= 0:
            self.start, self.end = min(least), latest
        counts.update(dict.fromkeys(bag.named, 0))
        self._bounds = [NEVER] * len(least)
        for i in range(len(least) - 2, -1, -1):
            self._bounds[i] = min(self._bounds[i + 1], least[i + 1])
        return counts

    def _readable(self, topic: Topic) -> bool:
        problem = "" if topic.encoding == "cdr" else f"its messages are written in {topic.encoding!r}, not in cdr"
        try:
            message_tree(topic.schema.name, topic.schema.encoding, topic.schema.data)
        except TypeProblemError as error:
            problem = str(error)
        if problem:
            self.remarks.append(f"{topic.name} is not read: {problem}")
        return not problem

    def _stream(self, topic: Topic, count: int) -> Stream:
        kind, text = full_name(topic.schema.name), topic.schema.data.decode("utf-8", "replace")
        if topic.schema.encoding != "ros2msg" or not text.strip():
            text = self._types.generate_msgdef(kind, ros_version=2)[0]
        return Stream(topic.name, kind, text, count)

    def require(self, topics: Iterable[str]) -> None:
        """Raises InputError for a topic that is not in the bag."""
        known = {stream.topic for stream in self.streams}
        for topic in topics:
            if topic not in known:
                raise InputError(str(self.path), "topic", "is not in the bag", f"use one of {', '.join(sorted(known))}", topic)

    def samples(self, topics: Collection[str] = (), *, start: float = 0.0, duration: float | None = None) -> Iterator[Sample]:
        """Messages in the order of their log times, those of equal time in the order of the file.

        topics : absolute names to read; empty: all. start, duration : part of the bag [s], from its beginning; None: to the end.
        """
        first = self.start + round(start * 1e9)
        last = NEVER if duration is None else first + round(duration * 1e9)
        waiting: list[Sample] = []
        for number, piece in enumerate(open_bag(self.path).pieces()):
            waiting += self._chosen(piece, topics, first, last)
            waiting.sort(key=_time)
            bound = self._bounds[number] if number < len(self._bounds) else 0  # written on since: as it comes
            ready = bisect_left(waiting, bound, key=_time)
            yield from waiting[:ready]
            del waiting[:ready]
            if bound >= last:
                break
        yield from waiting

    def _chosen(self, piece: Piece, topics: Collection[str], first: int, last: int) -> list[Sample]:
        s = piece.segment
        wanted = {n: t for n, t in piece.topics.items() if t in self._topics and (not topics or t.name in topics)}
        index = np.flatnonzero(np.isin(s.channel, list(wanted)) & (s.log_time >= first) & (s.log_time < last))
        columns = (values[index].tolist() for values in (s.channel, s.log_time, s.start, s.size))
        kinds = {number: full_name(topic.schema.name) for number, topic in wanted.items()}
        return [
            Sample(wanted[channel].name, kinds[channel], time, s.buffer[at : at + size])
            for channel, time, at, size in zip(*columns, strict=True)
        ]

    def messages(
        self, kinds: Collection[str] = (), topics: Collection[str] = (), *, start: float = 0.0, duration: float | None = None
    ) -> Iterator[tuple[Sample, Any]]:
        """Samples with their messages, of some types ("package/msg/Name") and topics, or all; what does not fit its type is
        counted in `loss` and left out."""
        names = {s.topic for s in self.streams if (not kinds or s.kind in kinds) and (not topics or s.topic in topics)}
        for sample in self.samples(names, start=start, duration=duration) if names else ():
            message = self.decode(sample)
            if message is not None and (not kinds or sample.kind in kinds):
                yield sample, message

    def decode(self, sample: Sample) -> Any:
        """The message, with the fields of its definition; None for bytes that do not fit it, which is counted in `loss`."""
        try:
            return self._types.deserialize_cdr(sample.data, sample.kind)
        except Exception:  # the deserialiser trips over whatever the bytes say
            self.loss.undecodable += 1
            self.loss.note(f"{sample.topic}: messages that do not fit their type")
            return None

    def fields(self, kind: str) -> dict[str, Any]:
        """Fields of a message type, by name, as rosbags describes them."""
        return {name: what for name, what in self._types.fielddefs[kind][1]}

    def digest(self, kind: str) -> str:
        """Hash of a type's definition as ROS 2 computes it (RIHS01, REP 2016)."""
        return str(self._types.hash_rihs01(kind)).lower()


def _time(sample: Sample) -> int:
    return sample.time


def typestore(types: Iterable[tuple[str, str, bytes]]) -> Any:
    """A rosbags typestore of types, each as (name, encoding, definition) of a bag's schema. Raises TypeProblemError."""
    typesys = need("rosbags.typesys", "rosbags", "reading the message types of a bag")
    found = dict(standard_types())
    for name, encoding, definition in sorted(types):
        found.update(type_definitions(name, encoding, definition))
    made = typesys.get_typestore(typesys.Stores.EMPTY)
    made.register(found)
    return made


def seconds_of(message: Any, otherwise: int) -> float:
    """Time of a message by its header [s]; the given one [ns] when it has none."""
    return 1e-9 * stamp_of(message, otherwise)


def stamp_of(message: Any, otherwise: int) -> int:
    """Time of a message by its header [ns]; the given one when it has none."""
    at = getattr(getattr(message, "header", None), "stamp", None)
    found = 0 if at is None else int(at.sec) * 10**9 + int(at.nanosec)
    return found if found > 0 else otherwise

