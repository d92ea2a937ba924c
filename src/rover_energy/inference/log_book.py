"""The rolling event log on board: measurements become samples, and states become entries when they change."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rover_energy.inference.log_entries import SAMPLE, SEVERITIES, Entry


@dataclass
class LogBook:
    """The last lines of a log. Times [s] of any one clock; the log counts from its first.

    lines : at most. period : between two samples of a part [s].
    """

    most: int = 5000
    period: float = 1.0
    lines: deque[str] = field(default_factory=deque)
    zero: float = math.nan
    latest: float = -math.inf
    states: dict[str, object] = field(default_factory=dict)
    gathered: dict[str, tuple[float, dict[str, list[float]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = deque(self.lines, maxlen=self.most)

    def write(
        self, time: float, part: str, event: str, severity: int = 0, note: str = "", values: Mapping[str, float] | None = None
    ) -> None:
        """One entry. Lines stay in order: what comes late is written as of now; a time that is not finite likewise."""
        if math.isnan(self.zero) and math.isfinite(time):
            self.zero = time
        at = time - self.zero if math.isfinite(time - self.zero) else self.latest
        self.latest = max(self.latest, at, 0.0)
        severity = min(max(severity, 0), len(SEVERITIES) - 1)
        self.lines.append(Entry(self.latest, part, event, SEVERITIES[severity], values or {}, note).line())

    def sample(self, time: float, part: str, **values: float) -> None:
        """Measurements of a part: their means, and the greatest power, once a period. NaN is left out."""
        begun, columns = self.gathered.setdefault(part, (time, {}))
        if not begun <= time <= begun + 2.0 * self.period:  # time has gone back, or there was a gap
            begun, columns = self.gathered[part] = time, {}
        for name, value in values.items():
            if math.isfinite(value):
                columns.setdefault(name, []).append(value)
        if time >= begun + self.period - 1e-6:
            said = {name: math.fsum(column) / len(column) for name, column in columns.items()}
            if "power" in columns:
                said["peak"] = max(columns["power"])
            self.write(0.5 * (begun + time), part, SAMPLE, values=said)
            self.gathered[part] = time, {}

    def change(self, time: float, key: str, state: object, part: str, event: str, severity: int = 0, note: str = "") -> bool:
        """An entry when the state under a key differs from the one before. The first one is news only when it is bad."""
        known = key in self.states
        news = self.states.get(key) != state and (known or severity > 0)
        self.states[key] = state
        if news:
            self.write(time, part, event, severity, note)
        return news

    def switches(self, time: float, loads: Mapping[str, bool], parts: Mapping[str, str]) -> None:
        """Loads that went on or off."""
        for name, on in loads.items():
            event = "switched_on" if on else "switched_off"
            self.change(time, f"load {name}", on, parts.get(name, name), event, note=f"load {name}")
