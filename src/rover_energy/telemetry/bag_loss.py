"""What of a bag could not be used, counted: bytes, chunks, messages, and a line about each piece of damage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_NOTES = 50  # lines about damage that are kept; the rest is counted


@dataclass
class Loss:
    """Counts over all files of a bag.

    bytes : of the files that hold nothing usable. chunks : that were begun but could not be used. messages : known to be lost;
    `messages_unknown` says that there are more, or none, that nobody counted. unchecked_chunks : used, but written without a
    checksum, so that a flipped bit in them cannot be seen. undecodable : messages that came whole but do not fit their type.
    """

    bytes: int = 0
    chunks: int = 0
    messages: int = 0
    messages_unknown: bool = False
    undecodable: int = 0
    unknown_channel: int = 0
    unchecked_chunks: int = 0
    notes: list[str] = field(default_factory=list)
    more_notes: int = 0

    @property
    def any(self) -> bool:
        """Whether anything at all was lost."""
        counted = self.bytes + self.chunks + self.messages + self.undecodable + self.unknown_channel
        return bool(counted) or self.messages_unknown

    def note(self, text: str) -> None:
        """Keep one line about a piece of damage."""
        line = " ".join(text.split())
        if line in self.notes:
            return
        if len(self.notes) < MOST_NOTES:
            self.notes.append(line)
        else:
            self.more_notes += 1

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "any": self.any, "words": self.words(), "bytes": self.bytes, "chunks": self.chunks, "messages": self.messages,
            "messages_unknown": self.messages_unknown, "undecodable": self.undecodable,
            "unknown_channel": self.unknown_channel, "unchecked_chunks": self.unchecked_chunks,
            "notes": [*self.notes, *([f"and {self.more_notes} more"] if self.more_notes else [])],
        }  # fmt: skip

    def words(self) -> str:
        """What was lost, for people: "70906 bytes, 1 chunk and an unknown number of messages"."""
        messages = _many(self.messages, "message")
        if self.messages_unknown:
            messages = f"at least {messages}" if self.messages else "an unknown number of messages"
        parts = [_many(self.bytes, "byte"), _many(self.chunks, "chunk")]
        odd = self.undecodable + self.unknown_channel
        last = [messages, f"{_many(odd, 'message')} that no known type fits"] if odd else [messages]
        return f"{', '.join([*parts, *last[:-1]])} and {last[-1]}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
