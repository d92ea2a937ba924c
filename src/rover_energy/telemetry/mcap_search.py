"""Where the chain of records of a damaged MCAP file can be taken up again."""

from __future__ import annotations

import re
from collections.abc import Callable

from rover_energy.telemetry import mcap_records as mcap
from rover_energy.telemetry.mcap_records import DamageError

WINDOW = 1 << 22  # bytes searched at once
CANDIDATE = re.compile(rb"[\x02\x05\x06\x07\x0f].{5}\x00{3}", re.DOTALL)
LINKS = 3  # messages outside chunks that must follow each other


class RecordSearch:
    """Looks for records in a file.

    read : bytes of the file from a position, so many. size : of the file. follows : whether a message of a channel may stand
    outside chunks; otherwise the inside of a damaged chunk would pass for messages.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int, follows: Callable[[int], bool]) -> None:
        self.read, self.size, self.follows = read, size, follows

    def plausible(self, position: int) -> bool:
        """Whether a record may begin here."""
        if position == self.size:
            return True
        head = self.read(position, mcap.HEAD)
        length = int.from_bytes(head[1:], "little")
        known = bool(head) and mcap.HEADER <= head[0] <= mcap.DATA_END
        return known and (len(head) < mcap.HEAD or length < 1 << 40)

    def after(self, position: int) -> int | None:
        """The next place from `position` on at which a record begins that can be told from other bytes."""
        while position < self.size:
            data = self.read(position, WINDOW + mcap.HEAD - 1)
            for match in CANDIDATE.finditer(data):
                if match.start() < WINDOW and self._candidate(position + match.start()):
                    return position + match.start()
            position += WINDOW
        return None

    def _candidate(self, position: int) -> bool:
        head = self.read(position, mcap.HEAD)
        opcode, length = head[0], int.from_bytes(head[1:], "little")
        start, following = position + mcap.HEAD, position + mcap.HEAD + length
        if opcode == mcap.CHUNK:
            inside = self.read(start, 64)
            return len(inside) >= mcap.CHUNK_HEAD + 4 and mcap.cut_in_order(inside, length)
        if following > self.size:
            return False
        if opcode == mcap.MESSAGE:
            return self._chain(position)
        if length > mcap.LARGEST_RECORD:
            return False
        content = self.read(start, length)
        try:
            if opcode == mcap.FOOTER:
                return length == mcap.FOOTER_SIZE and self.read(following, 9) == mcap.MAGIC
            if opcode == mcap.DATA_END:
                return length == 4 and self.plausible(following)
            return mcap.index_entries(content) > 0 and self.plausible(following)
        except DamageError:
            return False

    def _chain(self, position: int, links: int = LINKS) -> bool:
        """Whether messages of known channels follow each other here."""
        for _ in range(links):
            head = self.read(position, 11)
            length = int.from_bytes(head[1:9], "little")
            if len(head) < 11 or position + mcap.HEAD + length > self.size:
                return False
            if head[0] != mcap.MESSAGE:
                return head[0] in (mcap.DATA_END, mcap.CHANNEL, mcap.SCHEMA)
            if length < 22 or not self.follows(int.from_bytes(head[9:], "little")):
                return False
            position += mcap.HEAD + length
        return True
