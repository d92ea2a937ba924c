"""Status lines for links of a few bytes a second: whoever pays for every byte gets what changed, alarms first, never more.

Each line is plain ASCII: a kind, and fields of a letter and a number. `=` lines hold every field, `+` lines only what has
changed by at least its resolution since it was sent last, `!` lines an alarm. A number that is not known is `?`. `decode` makes
the state of both ends from the lines alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from rover_energy.views.status import Status

FULL_EVERY = 20  # lines after which all fields are sent again, for who has missed one
WORTH = 24  # bytes that a line of changes waits for, unless all changes fit into less


@dataclass(frozen=True)
class Field:
    """letter : in the line. unit, meaning : for people. resolution : of what is sent; `value` of a status in `unit`."""

    letter: str
    unit: str
    meaning: str
    resolution: float
    value: Callable[[Status], float]


def _power(value: Callable[[Status], float]) -> Callable[[Status], float]:
    return lambda s: value(s) if s.fresh("power_state") else math.nan


def _pose(value: Callable[[Status], float]) -> Callable[[Status], float]:
    return lambda s: value(s) if s.fresh("odom") else math.nan


FIELDS: tuple[Field, ...] = (
    Field("m", "W", "power margin", 1.0, _power(lambda s: s.margin)),
    Field("b", "%", "state of charge", 0.5, _power(lambda s: 100.0 * s.charge)),
    Field("p", "W", "total load", 2.0, _power(lambda s: s.total)),
    Field("x", "m", "east", 0.2, _pose(lambda s: s.place[0])),
    Field("y", "m", "north", 0.2, _pose(lambda s: s.place[1])),
    Field("v", "m/s", "speed", 0.05, _pose(lambda s: s.speed)),
    Field("h", "deg", "heading", 5.0, _pose(lambda s: math.degrees(s.heading) % 360.0)),
    Field("r", "s", "left by the plan", 5.0, lambda s: s.remaining),
)  # fmt: skip
BY_LETTER = {entry.letter: entry for entry in FIELDS}


def written(value: float, resolution: float) -> str:
    """A number in as few letters as its resolution needs."""
    if not math.isfinite(value):
        return "?"
    digits = max(0, -math.floor(math.log10(resolution)))
    text = f"{round(value / resolution) * resolution:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


@dataclass
class Beacon:
    """What one end sends. rate : most bytes a second, on the long run and in every stretch but for one line of `burst` bytes."""

    rate: float
    burst: float = 80.0
    sent: dict[str, str] = field(default_factory=dict)
    turn: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    _credit: float = math.nan
    _last: float = math.nan
    _alarms: tuple[str, ...] | None = None

    def line(self, status: Status, now: float) -> str:
        """The line to send at a time [s] of the link's own clock, with its end of line; empty when nothing fits or is new."""
        passed = max(0.0, now - self._last) if math.isfinite(self._last) else 0.0
        self._credit = self.burst if math.isnan(self._credit) else min(self.burst, self._credit + self.rate * passed)
        self._last = now
        alarms = tuple(status.alarms())
        changed = alarms != self._alarms
        made = self._alarm(alarms) if changed else self._values(status)
        if not made or len(made) > self._credit:
            return ""
        self._credit -= len(made)
        self.lines += 1
        if changed:
            self._alarms = alarms
        else:
            self._note(made)
        return made

    def _alarm(self, alarms: tuple[str, ...]) -> str:
        text = ";".join(alarms) if alarms else "OK"
        return f"!{text.encode('ascii', 'replace').decode()[: int(self.burst) - 2]}\n"

    def _values(self, status: Status) -> str:
        """All fields, or as many changed ones as the credit allows: the margin first, then who has waited longest."""
        now = {entry.letter: written(entry.value(status), entry.resolution) for entry in FIELDS}
        if not self.sent or self.lines % FULL_EVERY == FULL_EVERY - 1:
            return f"={' '.join(letter + text for letter, text in now.items())}\n"
        changed = [letter for letter, text in now.items() if self.sent.get(letter) != text]
        changed.sort(key=lambda letter: (letter != FIELDS[0].letter, self.turn.get(letter, -1)))
        words: list[str] = []
        for letter in changed:
            if len(" ".join([*words, letter + now[letter]])) + 2 <= self._credit:
                words.append(letter + now[letter])
        made = f"+{' '.join(words)}\n"
        return made if words and (len(words) == len(changed) or len(made) >= WORTH) else ""

    def _note(self, line: str) -> None:
        for word in line[1:].split():
            self.sent[word[0]], self.turn[word[0]] = word[1:], self.lines


def decode(lines: str) -> tuple[dict[str, float], str]:
    """The newest value of every field by letter, and the newest alarm ("" for none or OK). Raises ValueError for other lines."""
    values: dict[str, float] = {}
    alarm = ""
    for line in lines.splitlines():
        if line.startswith("!"):
            alarm = "" if line == "!OK" else line[1:]
        elif line[:1] in ("=", "+"):
            for word in line[1:].split():
                if word[0] not in BY_LETTER:
                    raise ValueError(f"{word!r}: unknown field")
                values[word[0]] = math.nan if word[1:] == "?" else float(word[1:])
        else:
            raise ValueError(f"{line!r}: not a line of a beacon")
    return values, alarm
