"""Messages of an MCAP file, whole or damaged: cut off anywhere, bits flipped, records overwritten.

The file is read from its beginning, record by record, and the index at its end is not needed. A chunk is used when its
checksum holds, or, where its writer left none, when everything in it fits; otherwise it is dropped whole and counted. Where
the chain of records breaks, the next chunk is searched for. Nothing that a file can hold raises an exception.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from rover_energy.errors import InputError
from rover_energy.telemetry import mcap_records as mcap
from rover_energy.telemetry.bag_loss import Loss
from rover_energy.telemetry.mcap_definitions import SURE, TAIL, UNSURE, Definitions, read_summary, summary_place
from rover_energy.telemetry.mcap_records import Channel, ChunkFrame, DamageError, Schema, Segment
from rover_energy.telemetry.mcap_search import RecordSearch

BATCH = 1 << 20  # bytes of messages outside chunks that are handed on together
#: records whose content is taken apart, so that a chunk under their opcode is found out
CHECKED = {mcap.HEADER, mcap.FOOTER, mcap.SCHEMA, mcap.CHANNEL, mcap.MESSAGE, mcap.MESSAGE_INDEX, mcap.STATISTICS,
           mcap.METADATA, mcap.SUMMARY_OFFSET, mcap.DATA_END}  # fmt: skip


class McapRecovery:
    """One MCAP file.

    path : file. loss : where damage is counted. After `segments` has run through, `messages` and `chunks` say what was used.
    Raises InputError when the file cannot be opened.
    """

    def __init__(self, path: Path, loss: Loss) -> None:
        self.path, self.loss = path, loss
        self.messages = self.chunks = 0
        self.schemas, self.channels = Definitions(), Definitions()
        self.statistics: mcap.Statistics | None = None
        self.damaged = False
        self._bare: list[tuple[int, int, int, int]] = []
        self._buffer = bytearray()
        self._loose = self._chunked = False  # whether messages are known to stand outside chunks, or in them
        self._ended = False
        self._data_crc = (0, 0)  # checksum of the data section, and where it ends
        self._missed = 0  # messages known to be lost
        self._unsure = False  # whether there may be more
        try:
            self._file: BinaryIO = path.open("rb", buffering=1 << 20)
            self.size = self._file.seek(0, 2)
        except OSError as error:
            raise InputError(str(path), "file", error.strerror or "cannot be read", "check the path and its rights") from None
        self._search = RecordSearch(self._read, self.size, self._follows)

    def schema(self, number: int) -> Schema | None:
        """A schema by its number."""
        found = self.schemas.get(number)
        return found if isinstance(found, Schema) else None

    def numbers(self) -> list[int]:
        """Numbers of the channels that are known so far."""
        return sorted(self.channels.known)

    def channel(self, number: int) -> Channel | None:
        """A channel by its number; None for one that never came or came in two versions."""
        found = self.channels.get(number)
        if self.damaged and found is not None and self.channels.known[number][0] == UNSURE:
            self.loss.note(f"{self.path.name}: some topics are known from a place without checksum only, and the file is damaged")
        return found if isinstance(found, Channel) else None

    def segments(self) -> Iterator[Segment]:
        """Every message that can be trusted, in the order of the file; one segment per chunk.

        Raises InputError when the file holds no sign of MCAP, or the disk fails.
        """
        try:
            with self._file:
                yield from self._segments()
        except OSError as error:
            raise InputError(str(self.path), "file", error.strerror or "cannot be read", "check the disk") from None

    def _segments(self) -> Iterator[Segment]:
        self._summary()
        position = self._magic()
        while position < self.size:
            try:
                position, segment = self._record(position)
            except DamageError as error:
                position, segment = self._resync(position, str(error)), None
            if segment is not None and len(segment):
                yield from self._flush()
                yield self._count(segment)
            elif len(self._buffer) >= BATCH:
                yield from self._flush()
            if self._ended:
                break
        yield from self._flush()
        self._settle()

    def _count(self, segment: Segment) -> Segment:
        self.messages += len(segment)
        return segment

    def _flush(self) -> Iterator[Segment]:
        """Messages outside chunks, so far."""
        if self._bare:
            segment = mcap.make_segment(bytes(self._buffer), self._bare)
            self._bare, self._buffer = [], bytearray()
            yield self._count(segment)

    # ---- the file as a whole

    def _magic(self) -> int:
        start = self._read(0, len(mcap.MAGIC))
        if start == mcap.MAGIC:
            return len(mcap.MAGIC)
        if not mcap.MAGIC.startswith(start) and self._search.after(0) is None:
            raise InputError(str(self.path), "file", "is not an MCAP file", "give a bag recorded by ROS 2, or convert it")
        self._damage(0, "does not begin as an MCAP file")
        found = self._search.after(0)
        position = self.size if found is None else found
        self.loss.bytes += position
        return position

    def _summary(self) -> None:
        """Definitions and counts from the end of the file, where it is there."""
        place = summary_place(self._read(max(0, self.size - TAIL), TAIL), self.size)
        if place is None:
            return
        start, size, crc = place
        data = self._read(start, size)
        if crc and zlib.crc32(data) != crc:
            self._damage(start, "the summary's checksum does not match, the summary is not used")
            self._unsure = True
            return
        try:
            items, self.statistics = read_summary(data)
        except DamageError as error:
            self._damage(start, f"the summary is damaged: {error}")
            self._unsure = True
            return
        for item in items:
            (self.schemas if isinstance(item, Schema) else self.channels).add(item, SURE if crc else UNSURE)
        self._chunked = self.statistics is not None and self.statistics.chunks > 0
        self._loose = self.statistics is not None and self.statistics.chunks == 0 and self.statistics.messages > 0

    def _settle(self) -> None:
        """Compare with what the writer counted, when it came to that, and add up what was lost."""
        if not self._ended:
            self._damage(self.size, "the file ends before its index: it was cut off, and what lay behind is not counted")
            self._unsure = True
        if self._loose and self._data_crc[0] and not self._data_matches():
            self._damage(0, "the checksum of the data section does not match, and its messages have none of their own")
            self._unsure = True
        if self.statistics is not None:
            self._compare(self.statistics.messages)
        self.loss.messages += self._missed
        self.loss.messages_unknown |= self._unsure

    def _compare(self, counted: int) -> None:
        difference = counted - self.messages
        if difference >= 0 and (difference or not self._unsure):
            self._missed, self._unsure = difference, False
        if (difference and not self.damaged) or difference < 0:
            self.loss.note(f"{self.path.name}: the index counts {counted} messages, the file holds {self.messages}")
            self._unsure |= difference < 0

    def _data_matches(self) -> bool:
        crc, position = 0, 0
        while position < self._data_crc[1]:
            piece = self._read(position, min(BATCH, self._data_crc[1] - position))
            crc, position = zlib.crc32(piece, crc), position + len(piece)
        return crc == self._data_crc[0]

    # ---- records

    def _follows(self, number: int) -> bool:
        """Whether a message of this channel may stand outside a chunk here."""
        return self._loose and self.channel(number) is not None

    def _read(self, position: int, size: int) -> bytes:
        self._file.seek(position)
        return self._file.read(size)

    def _damage(self, position: int, text: str) -> None:
        self.damaged = True
        self.loss.note(f"{self.path.name}: byte {position}: {text}")

    def _record(self, position: int) -> tuple[int, Segment | None]:
        """Use the record at `position`; returns where the next begins. Raises DamageError when it is none."""
        if self.size - position == len(mcap.MAGIC) and self._ended:
            return self.size, None
        head = self._read(position, mcap.HEAD)
        if len(head) < mcap.HEAD:
            raise DamageError("the file ends inside the head of a record")
        opcode, length = head[0], int.from_bytes(head[1:], "little")
        if opcode == mcap.CHUNK:
            return self._chunk(position, length)
        if opcode not in CHECKED:
            rescued = self._disguised(position)
            if rescued is not None:
                return rescued
            if not mcap.HEADER <= opcode <= mcap.DATA_END and opcode < mcap.PRIVATE:
                raise DamageError(f"record of unknown kind {opcode}")
        following = position + mcap.HEAD + length
        if following > self.size:
            raise DamageError("a record runs over the end of the file")
        if opcode == mcap.ATTACHMENT or opcode >= mcap.PRIVATE:
            return following, None
        if length > mcap.LARGEST_RECORD:
            raise DamageError("a record is larger than any should be")
        try:
            self._content(opcode, position, self._read(position + mcap.HEAD, length))
        except DamageError:
            rescued = self._disguised(position)
            if rescued is not None:
                return rescued
            raise
        return following, None

    def _content(self, opcode: int, position: int, content: bytes) -> None:
        """Check a small record, and keep what is needed of it. Raises DamageError."""
        if opcode == mcap.MESSAGE:
            self._message(content)
        elif opcode == mcap.SCHEMA:
            self._define(self.schemas, mcap.read_schema(content), UNSURE)
        elif opcode == mcap.CHANNEL:
            self._define(self.channels, mcap.read_channel(content), UNSURE)
        elif opcode == mcap.MESSAGE_INDEX:
            mcap.index_entries(content)
        elif opcode == mcap.STATISTICS:
            mcap.read_statistics(content)
        elif opcode == mcap.DATA_END:
            if len(content) != 4:
                raise DamageError("the end of the data has a wrong size")
            self._data_crc = int.from_bytes(content, "little"), position
        elif opcode == mcap.FOOTER:
            self._footer(position, content)
        elif opcode == mcap.SUMMARY_OFFSET and len(content) != 17:
            raise DamageError("an offset of the summary has a wrong size")
        elif opcode in (mcap.HEADER, mcap.METADATA):
            cursor = mcap.Cursor(content)
            cursor.text()
            cursor.take(cursor.number(4))
            cursor.end()

    def _footer(self, position: int, content: bytes) -> None:
        rest = self._read(position + mcap.HEAD + mcap.FOOTER_SIZE, 9)
        if len(content) != mcap.FOOTER_SIZE or not mcap.MAGIC.startswith(rest):
            raise DamageError("the footer is not at the end of the file")
        self._ended = rest == mcap.MAGIC

    def _message(self, content: bytes) -> None:
        if len(content) < 22:
            raise DamageError("a message is too short")
        if self.chunks or self._chunked or self._data_crc[1]:
            raise DamageError("a message stands where none should")
        channel, log_time = int.from_bytes(content[:2], "little"), int.from_bytes(content[6:14], "little")
        self._loose = True
        self._bare.append((channel, log_time, len(self._buffer) + 22, len(content) - 22))
        self._buffer += content

    def _define(self, kind: Definitions, item: Schema | Channel, rank: int) -> None:
        if not kind.add(item, rank):
            what = "schema" if isinstance(item, Schema) else "channel"
            self._damage(0, f"{what} {item.id} stands in two versions, and no checksum says which is right: not used")

    # ---- chunks

    def _chunk(self, position: int, length: int) -> tuple[int, Segment | None]:
        start, left = position + mcap.HEAD, self.size - position - mcap.HEAD
        head = self._read(start, 64)
        try:
            frame = mcap.chunk_frame(head, left)
        except DamageError as error:
            return self._broken_frame(position, length, head, error)
        try:
            return self._opened(position, length, frame)
        except DamageError as error:
            for end in (start + frame.start + frame.size, start + length):
                if end <= self.size and (frame.start + frame.size == length or self._search.plausible(end)):
                    return self._drop(position, end, error), None
            raise

    def _opened(self, position: int, length: int, frame: ChunkFrame) -> tuple[int, Segment | None]:
        """Use a chunk whose head can be read; of two lengths, that which the checksum confirms. Raises DamageError."""
        start, size = position + mcap.HEAD, length - frame.start
        if frame.size == size:
            return start + length, self._open(start, frame, trusted=True)
        for tried in (frame, replace(frame, size=size)):
            if not 0 <= tried.size <= self.size - start:
                continue
            try:
                segment = self._open(start, tried, trusted=False)
            except DamageError:
                continue
            self._damage(position, "a length of a chunk is damaged, its content is not")
            return start + tried.start + tried.size, segment
        raise DamageError("the lengths of a chunk differ, and no checksum confirms one")

    def _broken_frame(self, position: int, length: int, head: bytes, error: DamageError) -> tuple[int, Segment | None]:
        """A chunk whose head does not fit: cut off by the end of the file, or damaged."""
        outer = position + mcap.HEAD + length
        if outer > self.size and mcap.cut_in_order(head, length):
            self.loss.chunks += 1
            self.loss.bytes += self.size - position
            self._damage(position, f"the file ends inside a chunk, {self.size - position} bytes of it are left")
            return self.size, None
        if outer <= self.size and self._search.plausible(outer):
            return self._drop(position, outer, error), None
        raise error

    def _open(self, start: int, frame: ChunkFrame, *, trusted: bool) -> Segment:
        """Use a chunk. One whose frame is not trusted needs a checksum. Raises DamageError."""
        if not trusted and not frame.crc:
            raise DamageError("the lengths of a chunk differ, and it has no checksum")
        raw = mcap.decompress(frame, self._read(start + frame.start, frame.size))
        segment, schemas, channels = mcap.walk(raw)
        rank = SURE if frame.crc else UNSURE
        for schema in schemas:
            self._define(self.schemas, schema, rank)
        for channel in channels:
            self._define(self.channels, channel, rank)
        self.chunks += 1
        self.loss.unchecked_chunks += not frame.crc
        return segment

    def _disguised(self, position: int) -> tuple[int, Segment | None] | None:
        """A chunk whose opcode is damaged: everything else fits, the checksum included."""
        start = position + mcap.HEAD
        length = int.from_bytes(self._read(position, mcap.HEAD)[1:], "little")
        try:
            frame = mcap.chunk_frame(self._read(start, 64), self.size - start)
            if frame.start + frame.size != length:
                return None
            segment = self._open(start, frame, trusted=False)
        except DamageError:
            return None
        self._damage(position, "the kind of a record is damaged: it is a chunk, and its content is whole")
        return start + length, segment

    def _drop(self, position: int, end: int, error: DamageError) -> int:
        """Count a chunk out; its index, which follows, may say how many messages it held."""
        self.loss.chunks += 1
        self.loss.bytes += end - position
        entries = self._indexed(end)
        self._missed += entries
        self._unsure |= not entries
        self._damage(position, f"a chunk is dropped: {error}")
        return end

    def _indexed(self, position: int) -> int:
        entries = 0
        while True:
            head = self._read(position, mcap.HEAD)
            length = int.from_bytes(head[1:], "little")
            if len(head) < mcap.HEAD or head[0] != mcap.MESSAGE_INDEX or length > self.size - position:
                return entries
            try:
                entries += mcap.index_entries(self._read(position + mcap.HEAD, length))
            except DamageError:
                return entries
            position += mcap.HEAD + length

    # ---- finding the way again

    def _resync(self, position: int, problem: str) -> int:
        """Where to go on after damage at `position`; what lies between is counted out."""
        self._damage(position, problem)
        opcode = self._read(position, 1)
        found = self._search.after(position + 1)
        end = self.size if found is None else found
        self.loss.bytes += end - position
        self.loss.chunks += opcode == bytes([mcap.CHUNK])
        self._unsure = True
        return end
