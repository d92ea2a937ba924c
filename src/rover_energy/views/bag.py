"""A recorded bag as a stream of samples: the one place of the views that knows how bags are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.views.extras import need

PURPOSE = "reading a bag"


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


class Bag:
    """A rosbag2 folder (MCAP or SQLite) or a bare .mcap file. Use as a context manager.

    Attributes
    ----------
    path : Path
        As given.
    streams : tuple of Stream
        Every topic, by name.
    start, end : int
        Log times of the first and of the last message [ns]; 0 for an empty bag.

    Raises
    ------
    InputError
        On entering and while reading: what lies there is no bag, or is not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.streams: tuple[Stream, ...] = ()
        self.start = self.end = 0
        self._stack = ExitStack()
        self._read: Callable[[Collection[str], int | None, int | None], Iterator[Sample]]
        self._types: Any = None

    def __enter__(self) -> Bag:
        if not self.path.exists():
            raise InputError(str(self.path), "bag", "does not exist", "give a bag's folder or an .mcap file")
        bare = _bare_mcap(self.path)
        try:
            self._open_rosbag2() if bare is None else self._open_mcap(bare)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # the readers raise whatever the damaged bytes make them trip over
            self._stack.close()
            raise self._unreadable(error) from None
        if not self.streams:
            self._stack.close()
            raise InputError(str(self.path), "bag", "has no topics", "give one that something was recorded into")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def samples(self, topics: Collection[str] = (), *, start: float = 0.0, duration: float | None = None) -> Iterator[Sample]:
        """Messages in the order of their log times.

        topics : absolute names to read; empty: all. start, duration : part of the bag [s], from its beginning; None: to the end.
        """
        first = self.start + round(start * 1e9)
        last = None if duration is None else first + round(duration * 1e9)
        wanted = [stream.topic for stream in self.streams if not topics or stream.topic in topics]
        if not wanted:
            return
        try:
            yield from self._read(wanted, first, last)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise self._unreadable(error) from None

    def decode(self, sample: Sample) -> Any:
        """The message, with the fields of its definition. Raises InputError for bytes that do not fit it."""
        try:
            return self._types.deserialize_cdr(sample.data, sample.kind)
        except Exception as error:
            problem = f"a message does not fit its definition ({type(error).__name__})"
            raise InputError(str(self.path), sample.topic, problem, "record it again, or leave the topic out") from None

    def fields(self, kind: str) -> dict[str, Any]:
        """Fields of a message type, by name, as rosbags describes them."""
        return {name: what for name, what in self._types.fielddefs[kind][1]}

    def digest(self, kind: str) -> str:
        """Hash of a type's definition as ROS 2 computes it (RIHS01, REP 2016)."""
        return str(self._types.hash_rihs01(kind)).lower()

    def _unreadable(self, error: Exception) -> InputError:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        return InputError(str(self.path), "bag", f"cannot be read ({reason})", "check that it was closed and copied whole")

    def _open_rosbag2(self) -> None:
        reader = need("rosbags.rosbag2", PURPOSE).Reader(self.path)
        self._stack.enter_context(reader)
        self.streams = tuple(
            Stream(c.topic, c.msgtype, c.msgdef.data, c.msgcount) for c in sorted(reader.connections, key=lambda c: c.topic)
        )
        self._types = definitions({s.kind: s.definition for s in self.streams if s.definition})
        if reader.message_count:
            self.start, self.end = reader.start_time, reader.end_time - 1

        def read(topics: Collection[str], first: int | None, last: int | None) -> Iterator[Sample]:
            chosen = [c for c in reader.connections if c.topic in topics]
            for c, time, data in reader.messages(connections=chosen, start=first, stop=last):
                yield Sample(c.topic, c.msgtype, time, bytes(data))

        self._read = read

    def _open_mcap(self, path: Path) -> None:
        file = self._stack.enter_context(path.open("rb"))
        reader = need("mcap.reader", PURPOSE).make_reader(file)
        summary = reader.get_summary()
        if summary is None or summary.statistics is None:
            problem = "has no index: it was not closed"
            raise InputError(str(self.path), "bag", problem, "close the recorder before copying, or repair it with mcap recover")
        counts, schemas = summary.statistics.channel_message_counts, summary.schemas
        found = [(c, schemas[c.schema_id]) for c in summary.channels.values() if c.message_encoding == "cdr"]
        self.streams = tuple(
            Stream(c.topic, s.name, s.data.decode(), counts.get(c.id, 0)) for c, s in sorted(found, key=lambda x: x[0].topic)
        )
        self._types = definitions({s.kind: s.definition for s in self.streams})
        self.start, self.end = summary.statistics.message_start_time, summary.statistics.message_end_time

        def read(topics: Collection[str], first: int | None, last: int | None) -> Iterator[Sample]:
            for schema, channel, m in reader.iter_messages(topics=list(topics), starting_at=first, ending_before=last):
                yield Sample(channel.topic, schema.name, m.log_time, m.data)

        self._read = read


def definitions(texts: dict[str, str]) -> Any:
    """A rosbags typestore of some types, each given with all that it is made of (ros2msg)."""
    typesys = need("rosbags.typesys", PURPOSE)
    types: dict[str, Any] = {}
    for kind, text in texts.items():
        types.update(typesys.get_types_from_msg(text, kind))
    store = typesys.get_typestore(typesys.Stores.EMPTY)
    store.register(types)
    return store


def _bare_mcap(path: Path) -> Path | None:
    """The .mcap file that stands for a bag without metadata.yaml; None for a rosbag2 folder."""
    if path.is_file():
        return path
    if (path / "metadata.yaml").is_file():
        return None
    files = sorted(path.glob("*.mcap"))
    if len(files) != 1:
        problem = "has no metadata.yaml" + (" and several .mcap files" if files else " and no .mcap file")
        raise InputError(str(path), "bag", problem, "give a bag's folder or one .mcap file")
    return files[0]
