"""A bag as it lies on the disk: a folder of rosbag2 or one bare file, MCAP or SQLite, whole or damaged; without ROS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.parameters import read_yaml
from rover_energy.telemetry.bag_loss import Loss
from rover_energy.telemetry.mcap_records import Channel, Schema, Segment
from rover_energy.telemetry.mcap_recovery import McapRecovery
from rover_energy.telemetry.sqlite_bag import SqliteBag

SUFFIXES = (".mcap", ".db3")
GATHER = 1 << 22  # bytes of messages that are handed on together


@dataclass(frozen=True)
class Topic:
    """A topic with the definition of its type."""

    name: str
    schema: Schema
    encoding: str = "cdr"


@dataclass(frozen=True)
class Piece:
    """Messages of a bag, in the order of the file. `topics` : the topic of each of the segment's channel numbers."""

    segment: Segment
    topics: dict[int, Topic]

    def of(self, name: str) -> NDArray[np.int64]:
        """Numbers of a topic's messages in the segment."""
        numbers = [number for number, topic in self.topics.items() if topic.name == name]
        found: NDArray[np.int64] = np.flatnonzero(np.isin(self.segment.channel, numbers))
        return found


@dataclass
class Bag:
    """A bag and what of it was lost so far; `pieces` may be called once.

    path : as given. files : in order. announced : messages that metadata.yaml counts; None without it. named : topics of the
    files read so far, those without messages too.
    """

    path: Path
    files: list[Path]
    storage: str
    announced: int | None = None
    loss: Loss = field(default_factory=Loss)
    messages: int = 0
    chunks: int = 0
    named: set[Topic] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def pieces(self) -> Iterator[Piece]:
        """Everything that can be used, a few megabytes at a time, so that memory does not grow with the bag."""
        for file in self.files:
            try:
                yield from self._file(file)
            except InputError as error:
                if len(self.files) == 1:
                    raise
                self.loss.note(str(error))
                self.loss.bytes += file.stat().st_size
                self.loss.messages_unknown = True
        self._settle()

    def _file(self, file: Path) -> Iterator[Piece]:
        """The pieces of one file. Raises InputError when it is no bag at all."""
        source = SqliteBag(file, self.loss) if file.suffix == ".db3" else McapRecovery(file, self.loss)
        waiting: list[Segment] = []
        try:
            for segment in source.segments():
                waiting.append(segment)
                if sum(len(held.buffer) for held in waiting) >= GATHER:
                    yield self._piece(source, waiting)
                    waiting = []
            if waiting:
                yield self._piece(source, waiting)
        finally:
            self.chunks += source.chunks
            self.named |= {topic for number in source.numbers() if (topic := self._topic(source, number)) is not None}

    def _piece(self, source: McapRecovery | SqliteBag, segments: list[Segment]) -> Piece:
        joined = join(segments)
        topics: dict[int, Topic] = {}
        for number in np.unique(joined.channel):
            topic = self._topic(source, int(number))
            if topic is None:
                self.loss.unknown_channel += int(np.sum(joined.channel == number))
                self.loss.note(f"messages of channel {number}, whose topic or type is not known")
            else:
                topics[int(number)] = topic
        self.messages += int(np.isin(joined.channel, list(topics)).sum())
        return Piece(joined, topics)

    @staticmethod
    def _topic(source: McapRecovery | SqliteBag, number: int) -> Topic | None:
        channel: Channel | None = source.channel(number)
        schema = source.schema(channel.schema) if channel is not None else None
        return None if channel is None or schema is None else Topic(channel.topic, schema, channel.encoding)

    def _settle(self) -> None:
        """With metadata.yaml, what a cut file lacks can be counted."""
        if self.announced is None:
            return
        missing = self.announced - self.messages - self.loss.unknown_channel
        if self.loss.messages_unknown and missing >= 0:
            self.loss.messages, self.loss.messages_unknown = missing, False
        elif not self.loss.any and missing:
            self.loss.note(f"metadata.yaml counts {self.announced} messages, the files hold {self.messages}")
            self.loss.messages += max(missing, 0)


def join(segments: list[Segment]) -> Segment:
    """Several segments as one."""
    if len(segments) == 1:
        return segments[0]
    offsets = np.cumsum([0, *(len(s.buffer) for s in segments[:-1])])
    return Segment(
        b"".join(s.buffer for s in segments), np.concatenate([s.channel for s in segments]),
        np.concatenate([s.log_time for s in segments]),
        np.concatenate([s.start + offset for s, offset in zip(segments, offsets, strict=True)]),
        np.concatenate([s.size for s in segments]),
    )  # fmt: skip


def is_bag(path: Path) -> bool:
    """Whether a path is a bag: a file with the ending of one, or a folder that holds such files itself."""
    if path.is_file():
        return path.suffix in SUFFIXES
    return path.is_dir() and any(child.suffix in SUFFIXES and child.is_file() for child in path.iterdir())


def open_bag(path: Path) -> Bag:
    """Find the files of a bag. Raises InputError when there are none."""
    path = Path(path)
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise InputError(str(path), "file", "is neither .mcap nor .db3", "give a bag of ROS 2")
        return Bag(path, [path], _storage([path]))
    if not path.is_dir():
        raise InputError(str(path), "bag", "is not there", "check the path")
    files = sorted((child for child in path.iterdir() if child.suffix in SUFFIXES and child.is_file()), key=_order)
    if not files:
        raise InputError(str(path), "bag", "holds no .mcap and no .db3 file", "give the folder of a bag of ROS 2")
    bag = Bag(path, files, _storage(files))
    _metadata(bag)
    return bag


def _storage(files: list[Path]) -> str:
    return "sqlite3" if files[0].suffix == ".db3" else "mcap"


def _order(path: Path) -> list[int | str]:
    """bag_2 before bag_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _metadata(bag: Bag) -> None:
    """What metadata.yaml adds. The bag is read without it, too."""
    path = bag.path / "metadata.yaml"
    if not path.exists():
        bag.remarks.append("there is no metadata.yaml: the bag was not closed, or is not of rosbag2")
        return
    try:
        facts = read_yaml(path)["rosbag2_bagfile_information"]
        count, named = facts["message_count"], {Path(str(name)).name for name in facts["relative_file_paths"]}
    except (InputError, KeyError, TypeError) as error:
        bag.remarks.append(f"metadata.yaml cannot be used ({' '.join(str(error).split())})")
        return
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        bag.announced = count
    absent = sorted(named - {file.name for file in bag.files})
    if absent:
        bag.loss.note(f"files that metadata.yaml names are missing: {', '.join(absent)}")
        bag.loss.messages_unknown = True
