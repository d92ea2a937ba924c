"""Schemas and channels of an MCAP file, which stand in it more than once, and the summary that repeats them."""

from __future__ import annotations

from dataclasses import dataclass, field

from rover_energy.telemetry import mcap_records as mcap
from rover_energy.telemetry.mcap_records import Channel, Schema, Statistics

UNSURE, SURE = 1, 2  # whether a checksum covers a definition
TAIL = 37  # bytes of footer and magic


@dataclass
class Definitions:
    """Schemas or channels by number. What a checksum covers outranks what none covers.

    Two that differ and are equally sure are both refused: nothing says which of them is damaged.
    """

    known: dict[int, tuple[int, Schema | Channel]] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)

    def add(self, item: Schema | Channel, rank: int) -> bool:
        """Keep one; False when it contradicts another that is no less sure."""
        before = self.known.get(item.id)
        if before is None or before[0] < rank:
            self.known[item.id] = (rank, item)
            self.refused.discard(item.id)
        elif before[0] == rank and before[1] != item:
            self.refused.add(item.id)
            return False
        return True

    def get(self, number: int) -> Schema | Channel | None:
        """The definition with a number; None for one that never came or is refused."""
        return None if number in self.refused or number not in self.known else self.known[number][1]


def summary_place(tail: bytes, size: int) -> tuple[int, int, int] | None:
    """Where the summary lies in a file of `size` bytes whose last are `tail`: start, length, checksum; None without one.

    The checksum covers the summary and the first fields of the footer, which `length` includes.
    """
    if len(tail) < TAIL or tail[29:] != mcap.MAGIC or tail[:9] != b"\x02\x14\0\0\0\0\0\0\0":
        return None
    start, crc = int.from_bytes(tail[9:17], "little"), int.from_bytes(tail[25:29], "little")
    end = size - TAIL
    if not len(mcap.MAGIC) < start <= end or end - start > mcap.LARGEST_RECORD:
        return None
    return start, end - start + 25, crc


def read_summary(data: bytes) -> tuple[list[Schema | Channel], Statistics | None]:
    """Definitions and counts of a summary. data : as `summary_place` says. Raises DamageError."""
    cursor, statistics = mcap.Cursor(data[:-25]), None
    items: list[Schema | Channel] = []
    while cursor.at < len(cursor.data):
        opcode, content = cursor.number(1), cursor.take(cursor.number(8))
        if opcode == mcap.SCHEMA:
            items.append(mcap.read_schema(content))
        elif opcode == mcap.CHANNEL:
            items.append(mcap.read_channel(content))
        elif opcode == mcap.STATISTICS:
            statistics = mcap.read_statistics(content)
    return items, statistics
