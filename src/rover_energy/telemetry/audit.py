"""The audit of a drive: every window of the power meter against what the bus could give in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

TOLERANCE = 1e-9  # [W] rounding


@dataclass
class Audit:
    """Windows as they come. Times are [s], powers [W], energies [J].

    A window that cannot be judged counts as missing: not a number, or more than `longest` after the one before it.
    """

    longest: float = 0.03
    windows: int = 0
    missing: int = 0
    over: int = 0
    energy: float = 0.0
    motion_energy: float = 0.0
    step: float = 0.0
    peak_power: float = math.nan
    peak_time: float = math.nan
    available_at_peak: float = math.nan
    least_margin: float = math.nan
    least_margin_time: float = math.nan
    available_at_worst: float = math.nan
    least_battery_margin: float = math.nan
    least_battery_time: float = math.nan
    generated: float = 0.0
    residual: float = 0.0
    start: float = math.nan
    _last: float = field(default=math.nan, repr=False)

    def add(
        self, time: float, *, total: float, motion: float, available: float, battery_margin: float, residual: float = 0.0,
        generated: float = 0.0,
    ) -> None:  # fmt: skip
        """One window that ended at `time`; the first one only sets the clock."""
        if not math.isfinite(self.start):
            self.start = self._last = time
            return
        seconds = time - self._last
        if not seconds > 0.0:
            return
        self._last, self.step = time, max(self.step, seconds)
        self.missing += max(0, round(seconds / self.longest * 1.5) - 1) if seconds > self.longest else 0
        if not math.isfinite(total + motion + available + battery_margin):
            self.missing += 1
            return
        self.windows += 1
        self.energy, self.motion_energy = self.energy + total * seconds, self.motion_energy + motion * seconds
        self.generated += generated * seconds
        self.residual = max(self.residual, abs(residual) / generated if generated > 0.0 else abs(residual))
        self._extremes(time - self.start, total, available, battery_margin)

    def _extremes(self, time: float, total: float, available: float, battery_margin: float) -> None:
        self.over += not total <= available + TOLERANCE
        if not total <= self.peak_power:
            self.peak_power, self.peak_time, self.available_at_peak = total, time, available
        if not available - total >= self.least_margin:
            self.least_margin, self.least_margin_time = available - total, time
            self.available_at_worst = available
        if not battery_margin >= self.least_battery_margin:
            self.least_battery_margin, self.least_battery_time = battery_margin, time

    @property
    def passed(self) -> bool:
        """Every window was judged, and none was over, and the battery stayed above its floor."""
        return self.windows > 0 and self.missing == 0 and self.over == 0 and self.least_battery_margin >= -1e-6
