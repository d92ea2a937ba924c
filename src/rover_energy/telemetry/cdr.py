"""Fields of many serialised messages at once (CDR as ROS 2 writes it: XCDR1 with a header of four bytes).

Where a field lies in a message depends on the lengths of the texts and sequences before it. The first message of a topic is
walked through, which gives a layout: the offsets of the wanted fields, and every length and wanted text with its bytes. A message
of the same size whose bytes at those places are the same has the same layout, which is checked for each; its fields are then
read by numpy for all such messages together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rover_energy.telemetry.mcap_records import Segment
from rover_energy.telemetry.message_types import Array, Group, Primitive, Text, Tree

MOST_LAYOUTS = 64  # that are remembered for one size of a message
MOST_ITEMS = 4096  # of a sequence whose items are messages themselves
Values = dict[str, NDArray[np.float64]]


class CdrError(Exception):
    """A message does not fit its type. Never leaves the reader: it is counted."""


@dataclass
class Layout:
    """Where the wanted fields of a message lie.

    fields : name to (offset, numpy type, count); count is None for a single number. texts : wanted strings. constants :
    offsets of the bytes that decide the layout, and what they are.
    """

    size: int
    fields: dict[str, tuple[int, str, int | None]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)

    def prepare(self) -> None:
        """Make the arrays with which messages are compared and read."""
        self.where = np.array(self.places, dtype=np.int64)
        self.what = np.frombuffer(bytes(self.content), dtype=np.uint8)
        formats = [kind if count is None else (kind, (count,)) for _, kind, count in self.fields.values()]
        offsets = [offset for offset, _, _ in self.fields.values()]
        self.record = np.dtype({"names": list(self.fields), "formats": formats, "offsets": offsets, "itemsize": self.size})


class _Walk:
    """One pass over one message."""

    def __init__(self, data: bytes, wanted: frozenset[str]) -> None:
        if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
            raise CdrError("no header of plain CDR")
        self.data, self.wanted, self.at = data, wanted, 4
        self.order = "<" if data[1] else ">"
        self.layout = Layout(len(data))
        self._constant(0, 4)

    def _constant(self, start: int, size: int) -> None:
        self.layout.places.extend(range(start, start + size))
        self.layout.content += self.data[start : start + size]

    def _align(self, size: int) -> None:
        self.at += -(self.at - 4) % size

    def _skip(self, size: int) -> int:
        start = self.at
        self.at += size
        if self.at > len(self.data):
            raise CdrError("the message is too short")
        return start

    def _length(self) -> int:
        self._align(4)
        start = self._skip(4)
        self._constant(start, 4)
        return int.from_bytes(self.data[start : start + 4], "little" if self.order == "<" else "big")

    def go(self, tree: Tree, name: str, plain: str) -> None:
        """Pass one value; `name` with the numbers of items in it, `plain` without."""
        if isinstance(tree, Primitive):
            self._numbers(tree, name, plain, None)
        elif isinstance(tree, Text):
            self._text(name, plain)
        elif isinstance(tree, Group):
            for part, kind in tree.fields:
                self.go(kind, f"{name}.{part}" if name else part, f"{plain}.{part}" if plain else part)
        else:
            self._array(tree, name, plain)

    def _numbers(self, tree: Primitive, name: str, plain: str, count: int | None) -> None:
        size = int(tree.kind[1])
        if count != 0:
            self._align(size)
        start = self._skip(size * (1 if count is None else count))
        if plain in self.wanted and count != 0:
            self.layout.fields[name] = (start, self.order + tree.kind, count)

    def _text(self, name: str, plain: str) -> None:
        length = self._length()
        start = self._skip(length)
        if plain in self.wanted:
            self._constant(start, length)
            self.layout.texts[name] = self.data[start : start + max(length - 1, 0)].decode("utf-8", "replace")

    def _array(self, tree: Array, name: str, plain: str) -> None:
        count = self._length() if tree.count is None else tree.count
        if isinstance(tree.item, Primitive):
            self._numbers(tree.item, name, plain, count)
            return
        if count > MOST_ITEMS and count > len(self.data) - self.at:
            raise CdrError("a sequence is longer than its message")
        for i in range(count):
            self.go(tree.item, f"{name}[{i}]", f"{plain}[]")


def find_layout(data: bytes, tree: Tree, wanted: frozenset[str]) -> Layout:
    """Layout of one message. `wanted`: paths as "header.stamp.sec" or "loads[].power". Raises CdrError."""
    walk = _Walk(data, wanted)
    walk.go(tree, "", "")
    if not 0 <= len(data) - walk.at <= 7:  # some writers pad a message
        raise CdrError(f"{len(data) - walk.at} bytes too many")
    walk.layout.prepare()
    return walk.layout


@dataclass(frozen=True)
class Rows:
    """Messages of one layout: which of the segment's messages, their fields by name, the layout's texts."""

    index: NDArray[np.int64]
    fields: NDArray[np.void]
    texts: dict[str, str]


class Decoder:
    """Wanted fields of one topic's messages.

    tree : of the message type. wanted : paths of fields and texts. `undecodable` counts messages that do not fit.
    """

    def __init__(self, tree: Tree, wanted: frozenset[str]) -> None:
        self.tree, self.wanted = tree, wanted
        self.layouts: dict[int, list[Layout]] = {}
        self.undecodable = 0

    def decode(self, segment: Segment, chosen: NDArray[np.int64]) -> list[Rows]:
        """Rows of the messages `chosen` (numbers in the segment), grouped by layout; numbers that do not fit are left out."""
        found: list[Rows] = []
        sizes = segment.size[chosen]
        for size in np.unique(sizes):
            found += self._one_size(segment, chosen[sizes == size], int(size))
        return found

    def _one_size(self, segment: Segment, index: NDArray[np.int64], size: int) -> list[Rows]:
        found: list[Rows] = []
        if size == 0:
            self.undecodable += len(index)
            return found
        buffer = np.frombuffer(segment.buffer, dtype=np.uint8)
        rows = np.lib.stride_tricks.sliding_window_view(buffer, size)[segment.start[index]]
        for layout in self.layouts.get(size, []):
            index, rows = self._take(layout, index, rows, found)
            if not len(index):
                return found
        while len(index):
            try:
                layout = find_layout(rows[0].tobytes(), self.tree, self.wanted)
            except CdrError:
                self.undecodable += 1
                index, rows = index[1:], rows[1:]
                continue
            remembered = self.layouts.setdefault(size, [])
            if len(remembered) < MOST_LAYOUTS:
                remembered.append(layout)
            index, rows = self._take(layout, index, rows, found)
        return found

    @staticmethod
    def _take(
        layout: Layout, index: NDArray[np.int64], rows: NDArray[np.uint8], found: list[Rows]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Move what has this layout into `found`; returns the rest."""
        same = np.all(rows[:, layout.where] == layout.what, axis=1)
        if same.all():
            found.append(Rows(index, rows.view(layout.record)[:, 0], layout.texts))
            return index[:0], rows[:0]
        if same.any():
            found.append(Rows(index[same], rows[same].view(layout.record)[:, 0], layout.texts))
        return index[~same], rows[~same]
