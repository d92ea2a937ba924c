"""Messages of a rosbag2 SQLite file, whole or damaged. SQLite keeps no checksums: a flipped bit in a message cannot be seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from rover_energy.errors import InputError
from rover_energy.telemetry.bag_loss import Loss
from rover_energy.telemetry.mcap_records import Channel, Schema, Segment, make_segment

BATCH = 4096  # messages
SQLITE = b"SQLite format 3\0"
STRIDE = 64  # numbers of messages skipped at first after damage


class SqliteBag:
    """One .db3 file. Raises InputError when it is no database."""

    def __init__(self, path: Path, loss: Loss) -> None:
        self.path, self.loss = path, loss
        self.messages = self.chunks = 0
        self._channels: dict[int, Channel] = {}
        self._schemas: dict[int, Schema] = {}
        try:
            with path.open("rb") as file:
                start = file.read(len(SQLITE))
        except OSError as error:
            raise InputError(str(path), "file", error.strerror or "cannot be read", "check the path and its rights") from None
        self.empty = not start
        if start and not SQLITE.startswith(start) and start != SQLITE:
            raise InputError(str(path), "file", "is not an SQLite database", "give a bag recorded by ROS 2")

    def schema(self, number: int) -> Schema | None:
        """A schema by its number."""
        return self._schemas.get(number)

    def numbers(self) -> list[int]:
        """Numbers of the topics."""
        return sorted(self._channels)

    def channel(self, number: int) -> Channel | None:
        """A topic by its number."""
        return self._channels.get(number)

    def segments(self) -> Iterator[Segment]:
        """Every message that the database gives, in the order of writing."""
        try:
            base = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error as error:
            self._damage(str(error))
            return
        try:
            base.text_factory = bytes
            try:
                self._topics(base)
                last = base.execute("SELECT max(id) FROM messages").fetchone()[0] or 0
            except (sqlite3.Error, ValueError, TypeError) as error:
                self._damage(f"the tables cannot be read ({error})")
                return
            yield from self._messages(base, int(last))
        finally:
            base.close()

    def _damage(self, text: str) -> None:
        self.loss.note(f"{self.path.name}: {text}")
        self.loss.messages_unknown = True

    def _topics(self, base: sqlite3.Connection) -> None:
        definitions: dict[bytes, tuple[str, bytes]] = {}
        tables = {row[0] for row in base.execute("SELECT name FROM sqlite_master")}
        if b"message_definitions" in tables:
            for kind, encoding, text in base.execute(
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            ):
                definitions[kind] = (_text(encoding), text or b"")
        for number, name, kind, encoding in base.execute("SELECT id, name, type, serialization_format FROM topics"):
            self._schemas[number] = Schema(number, _text(kind), *definitions.get(kind, ("ros2msg", b"")))
            self._channels[number] = Channel(number, number, _text(name), _text(encoding))

    def _messages(self, base: sqlite3.Connection, last: int) -> Iterator[Segment]:
        """In batches; what cannot be read is skipped in growing strides and counted by its numbers."""
        after, stride, read = 0, 1, 0
        while after < last:
            rows, error = self._batch(base, after)
            if rows:
                yield self._segment([row for row in rows if isinstance(row[3], bytes)])
                read, after, stride = read + len(rows), int(rows[-1][0]), 1
            if error is not None:
                self._damage(f"message {after + 1}: {error}")
                after, stride = after + stride, min(stride * 2, STRIDE)
            elif not rows:
                break
        missing = last - read
        if missing > 0:
            self.loss.messages += missing
            self.loss.note(f"{self.path.name}: {missing} of {last} numbered messages are missing")

    @staticmethod
    def _batch(base: sqlite3.Connection, after: int) -> tuple[list[tuple[int, int, int, bytes]], sqlite3.Error | None]:
        rows: list[tuple[int, int, int, bytes]] = []
        try:
            found = base.execute(
                "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? ORDER BY id LIMIT ?", (after, BATCH)
            )
            for row in found:
                rows.append(row)
        except sqlite3.Error as error:
            return rows, error
        return rows, None

    def _segment(self, rows: list[tuple[int, int, int, bytes]]) -> Segment:
        buffer, places, start = b"".join(row[3] for row in rows), [], 0
        for _, topic, time, data in rows:
            number, when = (value if isinstance(value, int) and value >= 0 else 0 for value in (topic, time))
            places.append((number, when, start, len(data)))
            start += len(data)
        segment = make_segment(buffer, places)
        self.messages += len(segment)
        return segment


def _text(value: bytes | str | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
