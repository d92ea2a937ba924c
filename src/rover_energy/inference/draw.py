"""What runs of networks draw from the bus, window by window: announced when they begin, checked against their receipts."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

KEPT = 1000  # names of runs that have ended
ROUNDING = 1e-9  # [s]


@dataclass
class Run:
    """One run: draws `power` [W] from `begun` to `until` [s]; drawn so far [J]."""

    begun: float
    until: float
    power: float
    drawn: float = 0.0


@dataclass
class BusDraw:
    """The load of all runs. Joules are conserved: a run that the bus hears of late draws later, at the same power.

    energy : drawn so far [J]. late : longest delay of a run [s]. unexplained : sum of |receipt - drawn| [J].
    """

    energy: float = 0.0
    late: float = 0.0
    unexplained: float = 0.0
    time: float = -math.inf
    open: dict[str, Run] = field(default_factory=dict)
    _drawn: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _settled: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def announce(self, name: str, begun: float, power: float, seconds: float) -> None:
        """From `begun` [s] on, a run draws `power` [W] for so many seconds. What is no number, or known, is left out."""
        numbers = (begun, power, seconds)
        if not (all(math.isfinite(v) for v in numbers) and power > 0.0 and seconds > 0.0):
            return
        if name in self.open or name in self._drawn or name in self._settled:
            return
        start = max(begun, self.time)
        self.late = max(self.late, start - begun)
        self.open[name] = Run(start, start + seconds, power)

    def end(self, name: str, at: float) -> None:
        """A run ends earlier than announced [s]."""
        run = self.open.get(name)
        if run is not None and math.isfinite(at):
            run.until = min(run.until, max(at, run.begun, self.time))

    def settle(self, name: str, joules: float, power: float) -> None:
        """A receipt: what a run says that it took [J], at a mean power [W], for the case that it was never announced."""
        if name in self._settled or not (math.isfinite(joules) and joules >= 0.0):
            return
        run = self.open.get(name)
        if run is None and name not in self._drawn:
            if joules > 0.0 and math.isfinite(power) and power > 0.0 and math.isfinite(self.time):
                self.announce(name, self.time, power, joules / power)
            self._remember(self._settled, name)
            return
        drawn = self._drawn.get(name, 0.0) if run is None else run.drawn + run.power * max(0.0, run.until - self.time)
        self.unexplained += abs(joules - drawn)
        self._remember(self._settled, name)

    @staticmethod
    def _remember(names: OrderedDict, name: str, value: float | None = None) -> None:  # type: ignore[type-arg]
        names[name] = value
        while len(names) > KEPT:
            names.popitem(last=False)

    def take(self, until: float) -> float:
        """Energy drawn since the last call [J], up to `until` [s]. The first call only sets the clock."""
        since, self.time = self.time, max(self.time, until)
        if not math.isfinite(since):
            return 0.0
        joules = 0.0
        for name, run in list(self.open.items()):
            part = run.power * max(0.0, min(run.until, self.time) - max(run.begun, since))
            run.drawn += part
            joules += part
            if run.until <= self.time + ROUNDING:
                del self.open[name]
                self._remember(self._drawn, name, run.drawn)
        self.energy += joules
        return joules

    @property
    def power(self) -> float:
        """Of all runs that are open, begun or announced [W]."""
        return sum(run.power for run in self.open.values())
