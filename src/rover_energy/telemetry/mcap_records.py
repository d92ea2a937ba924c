"""Records of MCAP files, taken apart with every length checked (specification: https://mcap.dev/spec)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import MissingExtraError
from rover_energy.telemetry.extras import need, zstd

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = 1, 2, 3, 4, 5, 6, 7
CHUNK_INDEX, ATTACHMENT, ATTACHMENT_INDEX, STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = range(8, 16)
PRIVATE = 0x80  # opcodes from here on belong to applications and are skipped
HEAD = 9  # opcode and length
CHUNK_HEAD = 40  # of a chunk's content, up to and without the name of the compression, plus the length of the data
FOOTER_SIZE = 20
LARGEST_CHUNK = 1 << 30  # uncompressed [bytes]; a larger one is taken for damage
LARGEST_RECORD = 1 << 28  # of a record that is no chunk and no attachment [bytes]
COMPRESSIONS = ("", "lz4", "zstd")


class DamageError(Exception):
    """Bytes are not what the format says. Never leaves the reader: it becomes a count and a note."""


@dataclass(frozen=True)
class Schema:
    """Definition of a message type as embedded: `encoding` is ros2msg or ros2idl."""

    id: int
    name: str
    encoding: str
    data: bytes


@dataclass(frozen=True)
class Channel:
    """A topic with its type; `encoding` of its messages is cdr."""

    id: int
    schema: int
    topic: str
    encoding: str


@dataclass(frozen=True)
class ChunkFrame:
    """Head of a chunk: where its compressed data lie in its content, and what they must give."""

    uncompressed: int
    crc: int
    compression: str
    start: int
    size: int


@dataclass(frozen=True)
class Statistics:
    """What the writer counted."""

    messages: int
    chunks: int


class Cursor:
    """Reads little-endian values from bytes and refuses to run over their end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise DamageError(f"{size} bytes announced, {len(self.data) - self.at} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        try:
            return self.take(self.number(4)).decode("utf-8")
        except UnicodeDecodeError:
            raise DamageError("a text is not UTF-8") from None

    def pairs(self, size: int) -> int:
        """Skip a map or array of `size`-byte entries; returns how many there are."""
        length = self.number(4)
        if length % size:
            raise DamageError("a list does not hold whole entries")
        self.take(length)
        return length // size

    def end(self) -> None:
        if self.at != len(self.data):
            raise DamageError(f"{len(self.data) - self.at} bytes too many")


def read_schema(content: bytes) -> Schema:
    """Content of a Schema record. Raises DamageError."""
    c = Cursor(content)
    schema = Schema(c.number(2), c.text(), c.text(), c.take(c.number(4)))
    c.end()
    return schema


def read_channel(content: bytes) -> Channel:
    """Content of a Channel record. Raises DamageError."""
    c = Cursor(content)
    channel = Channel(c.number(2), c.number(2), c.text(), c.text())
    c.take(c.number(4))
    c.end()
    return channel


def read_statistics(content: bytes) -> Statistics:
    """Content of a Statistics record. Raises DamageError."""
    c = Cursor(content)
    messages = c.number(8)
    c.take(2 + 4 + 4 + 4)
    chunks = c.number(4)
    c.take(16)
    c.pairs(10)
    c.end()
    return Statistics(messages, chunks)


def index_entries(content: bytes) -> int:
    """How many messages a MessageIndex lists. Raises DamageError."""
    c = Cursor(content)
    c.take(2)
    count = c.pairs(16)
    c.end()
    return count


def chunk_frame(head: bytes, left: int) -> ChunkFrame:
    """The head of a chunk from the first bytes of its content.

    head : at least 44 bytes. left : size that the record's own length gives its content, or the bytes left in the file when
    that length is not trusted. Raises DamageError when the lengths do not fit into it, or nothing known is named.
    """
    c = Cursor(head)
    c.take(16)
    uncompressed, crc, compression = c.number(8), c.number(4), c.text()
    size = c.number(8)
    if compression not in COMPRESSIONS:
        raise DamageError(f"unknown compression {compression!r}")
    if uncompressed > LARGEST_CHUNK or c.at + size > left:
        raise DamageError("sizes of a chunk do not fit")
    if compression == "" and size != uncompressed:
        raise DamageError("sizes of a chunk differ")
    return ChunkFrame(uncompressed, crc, compression, c.at, size)


def cut_in_order(head: bytes, length: int) -> bool:
    """Whether the head of a chunk is in order as far as it goes; the data may be missing. length : of the record's content."""
    try:
        frame = chunk_frame(head, 1 << 62)
    except DamageError:
        return len(head) < CHUNK_HEAD + 4
    return frame.start + frame.size == length


def decompress(frame: ChunkFrame, data: bytes) -> bytes:
    """Records of a chunk, their size and checksum verified. Raises DamageError."""
    try:
        raw = _decompress(frame.compression, data, frame.uncompressed)
    except (DamageError, MissingExtraError):
        raise
    except Exception as error:  # each codec has its own error types
        raise DamageError(f"{frame.compression} data are damaged ({type(error).__name__})") from None
    if len(raw) != frame.uncompressed:
        raise DamageError(f"{len(raw)} bytes where {frame.uncompressed} were announced")
    if frame.crc and zlib.crc32(raw) != frame.crc:
        raise DamageError("checksum does not match")
    return raw


def _decompress(compression: str, data: bytes, size: int) -> bytes:
    if compression == "":
        return data
    if compression == "lz4":
        unpacker = need("lz4.frame", "lz4", "a bag compressed with lz4").LZ4FrameDecompressor()
        raw: bytes = unpacker.decompress(data, max_length=size + 1)
        if not unpacker.eof or unpacker.unused_data:
            raise DamageError("lz4 data do not end")
        return raw
    decoder = zstd().ZstdDecompressor()
    whole: bytes = decoder.decompress(data, max_length=size + 1)
    if not decoder.eof or decoder.unused_data:
        raise DamageError("zstd data do not end")
    return whole


@dataclass(frozen=True)
class Segment:
    """Messages that lie in one buffer, in the order of the file.

    buffer : bytes. channel : (n,). log_time : (n,) [ns]. start, size : (n,), of each message's data in the buffer [bytes].
    """

    buffer: bytes
    channel: NDArray[np.int64]
    log_time: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.channel.size)


_MESSAGE = struct.Struct("<BQHIQQ")
_HEAD = struct.Struct("<BQ")


def walk(buffer: bytes) -> tuple[Segment, list[Schema], list[Channel]]:
    """Messages, schemas and channels among the records of a chunk. Raises DamageError when they are not whole records."""
    rows: list[tuple[int, int, int, int]] = []
    schemas: list[Schema] = []
    channels: list[Channel] = []
    at, end, message, head, add = 0, len(buffer), _MESSAGE.unpack_from, _HEAD.unpack_from, rows.append
    while at < end:
        if end - at < HEAD:
            raise DamageError("records of a chunk do not fill it")
        opcode, length = head(buffer, at)
        following = at + HEAD + length
        if following > end:
            raise DamageError("a record runs over the end of its chunk")
        if opcode == MESSAGE and length >= 22:
            _, _, channel, _, log_time, _ = message(buffer, at)
            add((channel, log_time, at + 31, length - 22))
        elif opcode == SCHEMA:
            schemas.append(read_schema(buffer[at + HEAD : following]))
        elif opcode == CHANNEL:
            channels.append(read_channel(buffer[at + HEAD : following]))
        elif opcode < PRIVATE:
            raise DamageError(f"record {opcode} inside a chunk")
        at = following
    return make_segment(buffer, rows), schemas, channels


def make_segment(buffer: bytes, rows: list[tuple[int, int, int, int]]) -> Segment:
    """A segment from (channel, log time, start, size); a log time beyond year 2262 counts as 0."""
    if not rows:
        none = np.zeros(0, dtype=np.int64)
        return Segment(buffer, none, none, none, none)
    channel, log_time, start, size = zip(*rows, strict=True)
    times = np.array(log_time, dtype=np.uint64)
    signed = np.where(times < 2**63, times, 0).astype(np.int64)
    return Segment(
        buffer, np.array(channel, dtype=np.int64), signed, np.array(start, dtype=np.int64), np.array(size, dtype=np.int64)
    )
