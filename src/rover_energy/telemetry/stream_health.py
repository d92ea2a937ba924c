"""Is a topic alive: how often it comes, where it was silent, whether it ended before the bag did."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SILENT = 5.0  # usual periods without a message make a gap
LEAST = 0.1  # [s] a gap is at least so long
MOST = 50  # gaps that are listed
ENOUGH = 8  # intervals from which a period is taken


@dataclass
class TopicHealth:
    """Statistics of one topic [s] from the beginning of the bag: by the stamps of its messages where they can be believed and are
    read, else by the time of recording, which is late when the recorder was busy."""

    name: str
    type: str
    messages: int = 0
    bytes: int = 0
    first: float = math.nan
    last: float = math.nan
    period: float = math.nan
    longest: float = 0.0
    gaps: list[tuple[float, float]] = field(default_factory=list)
    gap_count: int = 0
    gap_seconds: float = 0.0
    backwards: int = 0
    _early: list[float] = field(default_factory=list)

    def add(self, t: NDArray[np.float64], sizes: NDArray[np.int64]) -> None:
        """Messages at times (n,) [s]."""
        if not t.size:
            return
        self.messages, self.bytes = self.messages + sizes.size, self.bytes + int(sizes.sum())
        steps = np.diff(t, prepend=self.last) if not math.isnan(self.last) else np.diff(t)
        before = np.concatenate([[self.last], t[:-1]]) if not math.isnan(self.last) else t[:-1]
        if math.isnan(self.first):
            self.first = float(t[0])
        self.last = float(t[-1])
        self.backwards += int(np.sum(steps < 0.0))
        self._find_period(steps)
        if steps.size:
            self.longest = max(self.longest, float(steps.max()))
            self._find_gaps(before, steps)

    def _find_period(self, steps: NDArray[np.float64]) -> None:
        if math.isnan(self.period):
            self._early += [float(s) for s in steps[: 10 * ENOUGH]]
            if len(self._early) >= ENOUGH:
                self.period = float(np.median(self._early))

    def _find_gaps(self, before: NDArray[np.float64], steps: NDArray[np.float64]) -> None:
        if math.isnan(self.period):
            return
        for i in np.flatnonzero(steps > max(SILENT * self.period, LEAST)):
            self.gap_count, self.gap_seconds = self.gap_count + 1, self.gap_seconds + float(steps[i])
            if len(self.gaps) < MOST:
                self.gaps.append((float(before[i]), float(steps[i])))

    def stale(self, end: float) -> bool:
        """Whether a topic that came regularly had stopped before the bag's `end` [s]."""
        return math.isfinite(self.period) and end - self.last > max(SILENT * self.period, 1.0)

    def to_mapping(self, end: float) -> dict[str, Any]:
        """Plain data."""
        span = self.last - self.first
        return {
            "name": self.name, "type": self.type, "messages": self.messages, "bytes": self.bytes, "first": self.first,
            "last": self.last, "rate": (self.messages - 1) / span if span > 0.0 else None,
            "period": self.period, "longest_silence": self.longest, "gaps": self.gap_count, "gap_seconds": self.gap_seconds,
            "gap_list": [{"start": start, "seconds": seconds} for start, seconds in self.gaps],
            "out_of_order": self.backwards, "stale": self.stale(end),
        }  # fmt: skip
