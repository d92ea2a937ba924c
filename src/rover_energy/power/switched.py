"""Switched loads: who may have a load on, for how long, and which one goes first when there is too little power."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from rover_energy.parameters import Parameters, parameter


@dataclass(frozen=True)
class SwitchedLoad(Parameters):
    """One load behind a switch of its own."""

    name: str = parameter("load", description="unique on the bus")
    power: float = parameter(0.0, unit="W", minimum=0.0, maximum=1.0e5, description="taken from the bus while it is on")
    priority: int = parameter(100, minimum=0, maximum=255, description="0 is shed first, 255 last")
    sheddable: bool = parameter(True, description="may be switched off when power is short")
    enabled: bool = parameter(False, description="safe state: on without anybody's command")
    motion: float = parameter(
        0.0, unit="W", minimum=0.0, maximum=1.0e5, description="it is shed where less than this is left over for motion",
    )  # fmt: skip


@dataclass(frozen=True)
class LoadList(Parameters):
    """All switched loads of a rover."""

    loads: tuple[SwitchedLoad, ...] = parameter((), description="the loads")


@dataclass(frozen=True)
class SheddingParameters(Parameters):
    """When loads go and come back."""

    shed_below: float = parameter(0.0, unit="W", minimum=-1e5, maximum=1e5, description="power left over at which a load goes")
    shed_after: float = parameter(0.1, unit="s", minimum=0.0, maximum=600.0, description="time for which it must be short")
    restore_above: float = parameter(
        5.0, unit="W", minimum=0.0, maximum=1e5, description="power that must be left over with the load on again",
    )  # fmt: skip
    restore_after: float = parameter(5.0, unit="s", minimum=0.0, maximum=3600.0, description="time for which it must last")


class Refused(Enum):
    """Why a load is not as it was wished."""

    INVALID_REQUEST = "a value is NaN or out of range"
    UNKNOWN_LOAD = "no such load on the bus"
    STALE_COMMAND = "the command's lifetime is over"
    OUTRANKED = "an issuer of higher priority holds the load"
    INSUFFICIENT_POWER = "the bus cannot carry it now"
    INSUFFICIENT_ENERGY = "the battery would fall below its floor within the lifetime"


@dataclass
class State:
    """A load's switch. `until`: end of the lease [s]; `ready`: when it begins to draw, so that the motors give way first [s]."""

    load: SwitchedLoad
    enabled: bool
    limit: float
    issuer: str = ""
    rank: int = -1
    until: float = math.inf
    ready: float = -math.inf
    shed: bool = False
    energy: float = 0.0

    @property
    def reserved(self) -> float:
        """Power to be kept for it [W]."""
        return min(self.load.power, self.limit) if self.enabled and not self.shed else 0.0

    def power(self, now: float) -> float:
        """Power that it draws [W]."""
        return self.reserved if now >= self.ready - 1e-9 else 0.0


@dataclass(frozen=True)
class Wish:
    """A command: see LoadCommand. `stamp` [s], `lifetime` [s], `power_limit` [W]."""

    name: str
    issuer: str
    stamp: float
    enabled: bool
    power_limit: float
    lifetime: float
    priority: int


@dataclass
class Switchboard:
    """The switched loads of a bus.

    `delay`: between the reservation of a load's power and its switch [s]. A lease that ends returns its load to the safe state.
    """

    loads: tuple[SwitchedLoad, ...] = ()
    shedding: SheddingParameters = field(default_factory=SheddingParameters)
    delay: float = 0.06

    def __post_init__(self) -> None:
        self.states = {load.name: State(load, load.enabled, math.inf) for load in self.loads}
        self._short_since = self._ample_since = math.nan

    @property
    def reserved(self) -> float:
        """Power kept for all [W]."""
        return sum(state.reserved for state in self.states.values())

    def command(self, wish: Wish, now: float, *, spare: float, spare_energy: float) -> Refused | None:
        """Carry out a wish, or say why not.

        Parameters
        ----------
        wish : Wish
        now : float
            [s]
        spare : float
            Power that is available beyond what all other loads but the motors take [W]; NaN refuses.
        spare_energy : float
            Energy that may be drawn over the lifetime beyond what is already reserved [J]; infinite where the supply
            alone carries all.
        """
        numbers = math.isfinite(wish.stamp) and 0.0 < wish.lifetime < math.inf and wish.power_limit >= 0.0
        if not (numbers and 0 <= wish.priority <= 255):
            return Refused.INVALID_REQUEST
        state = self.states.get(wish.name)
        if state is None:
            return Refused.UNKNOWN_LOAD
        if not now < wish.stamp + wish.lifetime:
            return Refused.STALE_COMMAND
        if state.rank > wish.priority and state.issuer != wish.issuer and now < state.until:
            return Refused.OUTRANKED
        wanted = min(state.load.power, wish.power_limit) if wish.enabled else 0.0
        more = wanted - state.reserved
        if more > 0.0 and not more <= spare:
            return Refused.INSUFFICIENT_POWER
        if more > 0.0 and not more * wish.lifetime <= spare_energy:
            return Refused.INSUFFICIENT_ENERGY
        if more > 0.0:
            state.ready = now + self.delay
        state.enabled, state.limit, state.shed = wish.enabled, wish.power_limit, False
        state.issuer, state.rank, state.until = wish.issuer, wish.priority, wish.stamp + wish.lifetime
        return None

    def meter(self, since: float, seconds: float) -> None:
        """Count what the loads drew in a window that began at `since` [s]."""
        for state in self.states.values():
            state.energy += state.power(since) * seconds

    def update(self, now: float, spare: float) -> list[str]:
        """End leases, and shed or restore at most one load; the names of the loads that changed.

        spare : power left over for the motors now [W]; NaN sheds.
        """
        changed = []
        for name, state in self.states.items():
            if not now < state.until:
                changed.append(name)
                if state.load.enabled and not state.enabled:
                    state.ready = now + self.delay
                state.enabled, state.limit, state.issuer, state.rank, state.until = state.load.enabled, math.inf, "", -1, math.inf
        p = self.shedding
        victim = self._next_to_go(spare)
        self._short_since = _since(self._short_since, now, victim is not None)
        if victim is not None and now - self._short_since >= p.shed_after - 1e-9:
            victim.shed, self._short_since = True, math.nan
            changed.append(victim.load.name)
        back = self._next_back()
        ample = back is not None and spare >= self._would_take(back) + back.load.motion + p.restore_above
        self._ample_since = _since(self._ample_since, now, ample)
        if back is not None and now - self._ample_since >= p.restore_after - 1e-9:
            back.shed, back.ready, self._ample_since = False, now + self.delay, math.nan
            changed.append(back.load.name)
        return changed

    def _next_to_go(self, spare: float) -> State | None:
        """The load that is shed first of those for which too little is left over; NaN is too little."""
        short = [
            s for s in self.states.values()
            if s.load.sheddable and s.reserved > 0.0 and not spare >= self.shedding.shed_below + s.load.motion
        ]  # fmt: skip
        return min(short, key=lambda s: (s.load.priority, s.load.name), default=None)

    def _next_back(self) -> State | None:
        """The shed load that comes back first: the one that would be shed last."""
        waiting = [s for s in self.states.values() if s.shed and s.enabled]
        return max(waiting, key=lambda s: (s.load.priority, s.load.name), default=None)

    @staticmethod
    def _would_take(state: State) -> float:
        return min(state.load.power, state.limit)


def _since(before: float, now: float, holds: bool) -> float:
    """When something that holds now began to hold; NaN while it does not."""
    if not holds:
        return math.nan
    return now if math.isnan(before) else before
