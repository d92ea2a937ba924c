"""The account of a run from its power stream: energies, peaks, what was above a limit and for how long; batch by batch.

A window ends at the stamp of its message and begins at the one before it; its power is the mean over it, as the meter says. Where
messages are missing, a window is as long as the others and the rest counts as a gap, for which the energy is estimated apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.telemetry.audit import TOLERANCE

Floats = NDArray[np.float64]
GAP = 1.5  # a window longer than this many usual ones has a gap in it
MOST_EPISODES = 200
SOURCES = ("rtg_power", "pv_power")


@dataclass
class Extreme:
    """The greatest of what was seen, and when; with `least` the least."""

    least: bool = False
    value: float = math.nan
    time: float = math.nan
    other: float = math.nan  # what belongs to it at the same instant, as the limit

    def add(self, t: Floats, values: Floats, other: Floats | None = None) -> None:
        if not np.isfinite(values).any():
            return
        at = int(np.nanargmin(values) if self.least else np.nanargmax(values))
        better = values[at] < self.value if self.least else values[at] > self.value
        if better or math.isnan(self.value):
            self.value, self.time = float(values[at]), float(t[at])
            self.other = math.nan if other is None else float(other[at])

    def to_mapping(self) -> dict[str, float]:
        return {"value": self.value, "time": self.time}


@dataclass
class Check:
    """A limit over the run: value at most `limit`, or at least with `floor`.

    worst, limit, margin : at the tightest instant. seconds, excess : how long and how far it was broken, the latter as the
    integral over time. episodes : (start, seconds, integral, greatest) of each stretch.
    """

    name: str
    unit: str
    floor: bool = False
    tolerance: float = TOLERANCE
    judged: int = 0
    violations: int = 0
    seconds: float = 0.0
    excess: float = 0.0
    worst: Extreme = field(default_factory=lambda: Extreme(least=True))
    worst_value: float = math.nan
    episodes: list[list[float]] = field(default_factory=list)
    more_episodes: int = 0
    _open: bool = field(default=False, repr=False)

    def add(self, t: Floats, values: Floats, limit: Floats | float, step: Floats) -> None:
        """Values (n,) at times (n,), each for `step` (n,) [s]. What is NaN is not judged."""
        bounds = np.broadcast_to(np.asarray(limit, dtype=np.float64), values.shape)
        margin = values - bounds if self.floor else bounds - values
        known = np.isfinite(margin)
        if not known.any():
            return
        times, margins, seconds = t[known], margin[known], step[known]
        before = self.worst.value
        self.worst.add(times, margins, bounds[known])
        if self.worst.value != before:
            self.worst_value = self.worst.other + (self.worst.value if self.floor else -self.worst.value)
        broken = margins < -self.tolerance
        self.judged += margins.size
        self.violations += int(broken.sum())
        self.seconds += float(seconds[broken].sum())
        self.excess += float((-margins * seconds)[broken].sum())
        self._stretches(times, np.maximum(-margins, 0.0), seconds, broken)

    def _stretches(self, t: Floats, over: Floats, seconds: Floats, broken: NDArray[np.bool_]) -> None:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], broken, [False]]).astype(np.int8)))
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            part = [
                float(t[a] - seconds[a]),
                float(seconds[a:b].sum()),
                float((over * seconds)[a:b].sum()),
                float(over[a:b].max()),
            ]
            if a == 0 and self._open and self.episodes:
                last = self.episodes[-1]
                last[1:] = [last[1] + part[1], last[2] + part[2], max(last[3], part[3])]
            elif len(self.episodes) < MOST_EPISODES:
                self.episodes.append(part)
            else:
                self.more_episodes += 1
        self._open = bool(broken[-1])

    def to_mapping(self) -> dict[str, Any]:
        return {
            "name": self.name, "unit": self.unit, "judged": self.judged, "violations": self.violations,
            "seconds": self.seconds, "excess": self.excess, "worst_value": self.worst_value, "limit": self.worst.other,
            "margin": self.worst.value, "at_time": self.worst.time,
            "passed": self.violations == 0 if self.judged else None,
            "episodes": [dict(zip(("start", "seconds", "excess", "greatest"), e, strict=True)) for e in self.episodes],
            "more_episodes": self.more_episodes,
        }  # fmt: skip


@dataclass
class PowerAccount:
    """Sums over the windows of one power stream. Powers [W], energies [J], times [s] from the beginning of the bag.

    usual : length of a window [s], found from the first ones. unmetered : what the bus gave in windows whose loads are not
    known [J].
    """

    usual: float = math.nan
    windows: int = 0
    missing: int = 0
    unusable: int = 0
    disordered: int = 0
    gap_seconds: float = 0.0
    gap_energy: float = 0.0
    unmetered: float = 0.0
    seconds: float = 0.0
    first: float = math.nan
    last: float = math.nan
    energy: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, Extreme] = field(default_factory=dict)
    counters: dict[str, list[float]] = field(default_factory=dict)
    power: Check = field(default_factory=lambda: Check("power", "W"))
    discharge: Check = field(default_factory=lambda: Check("battery discharge", "W", tolerance=1e-6))
    charging: Check = field(default_factory=lambda: Check("battery charge", "W", tolerance=1e-6))
    reserve: Check = field(default_factory=lambda: Check("battery floor", "J", floor=True, tolerance=1e-6))
    residual: Extreme = field(default_factory=Extreme)
    balance: Extreme = field(default_factory=Extreme)
    store: list[float] = field(default_factory=list)
    charge: list[float] = field(default_factory=list)
    _total: float = math.nan

    def add(self, t: Floats, columns: Mapping[str, Floats], loads: Mapping[str, Floats]) -> Floats:
        """A batch in order of time; returns the total load (n,) [W], NaN where it is not known."""
        total = np.sum(list(loads.values()), axis=0) if loads else np.full(t.shape, np.nan)
        order = np.diff(t, prepend=self.last) > 0.0
        if math.isnan(self.first) and t.size:
            self.first, order = float(t[0]), np.concatenate([[False], np.diff(t) > 0.0])
            self._begin(t, columns)
        else:
            self.disordered += int(np.sum(~order))
        kept = np.flatnonzero(order)
        if kept.size:
            self._windows(t, kept, {name: np.asarray(c, dtype=np.float64) for name, c in columns.items()}, loads, total)
        return total

    def _begin(self, t: Floats, columns: Mapping[str, Floats]) -> None:
        self.last = float(t[0])
        for name, kept in (("battery_energy", self.store), ("state_of_charge", self.charge)):
            value = float(columns[name][0]) if name in columns else math.nan
            if math.isfinite(value):
                kept[:] = [value, value, value]
        steps = np.diff(t)
        steps = steps[steps > 0.0]
        if math.isnan(self.usual) and steps.size:
            self.usual = float(np.median(steps))

    def _windows(
        self, t: Floats, kept: NDArray[np.int64], columns: dict[str, Floats], loads: Mapping[str, Floats], total: Floats
    ) -> None:
        times = t[kept]
        length = np.diff(times, prepend=self.last)
        if math.isnan(self.usual):
            self.usual = float(np.median(length))
        step = np.where(length > GAP * self.usual, self.usual, length)
        previous = np.concatenate([[self._total], total[kept][:-1]])
        self._gaps(length, step, previous, total[kept])
        self.last, self._total = float(times[-1]), float(total[kept][-1])
        self.seconds += float(step.sum())
        self.windows += int(np.isfinite(total[kept]).sum())
        self.unusable += int(np.sum(~np.isfinite(total[kept])))
        parts = {f"load.{name}": np.asarray(values, dtype=np.float64)[kept] for name, values in loads.items()}
        parts |= {name: values[kept] for name, values in columns.items()} | {"total_power": total[kept]}
        self._sums(times, step, parts)
        self._limits(times, step, parts)

    def _gaps(self, length: Floats, step: Floats, before: Floats, after: Floats) -> None:
        rest = length - step
        long = rest > 0.0
        self.gap_seconds += float(rest[long].sum())
        self.missing += int(np.round(length[long] / self.usual - 1.0).sum())
        self.gap_energy += float(np.nansum(0.5 * (before + after)[long] * rest[long]))

    def _sums(self, t: Floats, step: Floats, parts: Mapping[str, Floats]) -> None:
        powers = [
            name for name in parts if name.startswith("load.") or name in (*SOURCES, "shunt_power", "total_power", "residual")
        ]
        for name in powers:
            self._energy(name, float(np.nansum(parts[name] * step)), parts[name])
            self.peaks.setdefault(name, Extreme()).add(t, parts[name])
        battery = parts.get("battery_power")
        if battery is not None and np.isfinite(battery).any():
            self._energy("battery_discharged", float(np.nansum(np.maximum(battery, 0.0) * step)), battery)
            self._energy("battery_charged", float(np.nansum(np.maximum(-battery, 0.0) * step)), battery)
            self.peaks.setdefault("battery_power", Extreme()).add(t, battery)

    def _energy(self, name: str, joules: float, values: Floats) -> None:
        if name in self.energy or np.isfinite(values).any():
            self.energy[name] = self.energy.get(name, 0.0) + joules

    def _limits(self, t: Floats, step: Floats, parts: Mapping[str, Floats]) -> None:
        def column(name: str) -> Floats:
            return parts.get(name, np.full(t.shape, np.nan))

        total, battery, stored = parts["total_power"], column("battery_power"), column("battery_energy")
        self.power.add(t, total, column("available_power"), step)
        self.discharge.add(t, battery, column("discharge_limit"), step)
        self.charging.add(t, -battery, column("charge_limit"), step)
        self.reserve.add(t, stored, column("battery_floor"), step)
        self.residual.add(t, np.abs(column("residual")))
        supply = column("rtg_power") + column("pv_power") + battery - column("shunt_power")
        self.balance.add(t, np.abs(supply - total))
        self.unmetered += float(np.nansum(np.where(np.isfinite(total), 0.0, supply) * step))
        for values, kept in ((stored, self.store), (column("state_of_charge"), self.charge)):
            good = values[np.isfinite(values)]
            if good.size:
                kept[:] = [kept[0] if kept else float(good[0]), float(good[-1]), min([*kept[2:], float(good.min())])]

    def count(self, name: str, energies: Floats) -> None:
        """A load's own counter of energy [J]; where it steps back it was reset, and counts on from there."""
        good = energies[np.isfinite(energies)]
        if not good.size:
            return
        known = self.counters.setdefault(name, [float(good[0]), 0.0])
        steps = np.diff(good, prepend=known[0])
        known[1] += float(np.where(steps >= 0.0, steps, good).sum())
        known[0] = float(good[-1])
