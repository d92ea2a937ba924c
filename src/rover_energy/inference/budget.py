"""Spending within a grant: joules are reserved before a run and trued up after it.

Two purses. The floor is a bucket that fills by itself and that only the reserved perception may open. The grant is what
is left of the bus's word after the most that the floor could take in its time. A run may go on into the next grant; then
the next grant carries its whole reservation again, so that no grant is ever overdrawn by what another one began.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum

from rover_energy.inference.energy import Energy
from rover_energy.inference.grants import FloorReserve, Grant, Mode, floor_energy

ROUNDING = 1e-9  # [J, W]
KEPT = 120  # closed grants


class Denied(Enum):
    """Why a reservation is refused."""

    INVALID = "an energy, power or time is NaN or out of range"
    DOUBLE = "a reservation of this name is open"
    NO_GRANT = "there is no valid grant"
    FLOOR_ONLY = "the grant is for the reserved perception only"
    ENERGY = "not enough energy is left"
    POWER = "the power limit would be exceeded"
    TOO_LONG = "the grant expires before the run would end"


@dataclass(frozen=True)
class Reservation:
    """Joules and watts kept for one run. energy [J], power [W]; begun, until [s]; sequence of the grant, 0: of the floor."""

    name: str
    energy: float
    power: float
    begun: float
    until: float
    floor: bool
    sequence: int


@dataclass
class Entry:
    """The account of one grant. energy: what it allowed all but the floor; spent: trued up [J]."""

    grant: Grant
    energy: float
    spent: float = 0.0
    overrun: float = 0.0
    ended: float = math.nan


@dataclass
class Budget:
    """What may still be spent. Times [s] do not go back: an earlier `now` counts as the latest one seen."""

    floor: FloorReserve = field(default_factory=FloorReserve)
    now: float = -math.inf
    level: float = math.nan
    debt: float = 0.0

    def __post_init__(self) -> None:
        self.entry: Entry | None = None
        self.history: deque[Entry] = deque(maxlen=KEPT)
        self.open: dict[str, Reservation] = {}
        self.level = self.floor.burst if math.isnan(self.level) else self.level
        self.floor_spent = 0.0

    # ----------------------------------------------------------------------------------------------------------- time

    def advance(self, now: float) -> None:
        """Let time pass: the bucket fills, a grant expires."""
        if not now > self.now:
            return
        if math.isfinite(self.now):
            self._fill(self.floor.power * (now - self.now))
        self.now = now
        if self.entry is not None and not self.entry.grant.valid(now):
            self._close(min(now, self.entry.grant.valid_until))

    def receive(self, grant: Grant, now: float) -> list[Reservation]:
        """Take a new grant in the place of the old one; the open reservations that it no longer carries, last begun first.

        A grant that is no longer valid, not yet, or older than the present one changes nothing.
        """
        self.advance(now)
        old = self.entry
        if not grant.valid(self.now) or (old is not None and grant.sequence <= old.grant.sequence):
            return []
        if old is not None:
            self._close(self.now)
        kept = floor_energy(self.floor, grant.valid_until - grant.stamp)
        allowed = 0.0 if grant.mode is Mode.FLOOR else max(0.0, grant.energy - kept)
        self.entry = Entry(grant, allowed, spent=0.0)
        paid = min(self.debt, allowed)
        self.entry.spent, self.debt = paid, self.debt - paid
        return self.too_much()

    def _fill(self, joules: float) -> None:
        """Into the bucket; with what open runs have taken out of it, it never holds more than `burst`."""
        opened = sum(r.energy for r in self.open.values() if r.floor)
        self.level = max(0.0, min(self.floor.burst - opened, self.level + joules))

    def _close(self, at: float) -> None:
        if self.entry is not None:
            self.entry.ended = at
            self.history.append(self.entry)
            self.entry = None

    # ---------------------------------------------------------------------------------------------------------- state

    @property
    def grant(self) -> Grant | None:
        """The grant in force."""
        return None if self.entry is None else self.entry.grant

    @property
    def reserved(self) -> float:
        """Energy that open runs outside the floor keep [J]."""
        return sum(r.energy for r in self.open.values() if not r.floor)

    @property
    def power(self) -> float:
        """Power that open runs outside the floor keep [W]."""
        return sum(r.power for r in self.open.values() if not r.floor)

    @property
    def energy_left(self) -> float:
        """What may be reserved now outside the floor [J]."""
        return 0.0 if self.entry is None else max(0.0, self.entry.energy - self.entry.spent - self.reserved)

    @property
    def power_left(self) -> float:
        """Likewise [W]: the floor's peak is kept for it always."""
        limit = 0.0 if self.entry is None else self.entry.grant.power_limit - self.floor.peak_power
        return max(0.0, limit - self.power)

    def too_much(self) -> list[Reservation]:
        """Open reservations outside the floor that the present grant cannot carry, last begun first."""
        keep_energy = 0.0 if self.entry is None else self.entry.energy - self.entry.spent
        keep_power = 0.0 if self.entry is None else self.entry.grant.power_limit - self.floor.peak_power
        energy, power, ending = self.reserved, self.power, []
        for r in sorted((r for r in self.open.values() if not r.floor), key=lambda r: (-r.begun, r.name)):
            if energy <= keep_energy + ROUNDING and power <= keep_power + ROUNDING:
                break
            ending.append(r)
            energy, power = energy - r.energy, power - r.power
        return ending

    # ------------------------------------------------------------------------------------------------------- spending

    def reserve(
        self, name: str, *, energy: float, power: float, seconds: float, now: float, floor: bool = False
    ) -> Reservation | Denied:
        """Keep joules and watts for a run, or say why not.

        Parameters
        ----------
        name : str
            Unique among the open ones.
        energy, power : float
            Most that the run may take [J], [W]. A run that has taken `energy` must be stopped.
        seconds : float
            Longest that it lasts [s]; it must end before the grant does.
        now : float
            [s]
        floor : bool
            It is the reserved perception: out of its own bucket, with or without a grant.
        """
        self.advance(now)
        if not (0.0 <= energy < math.inf and 0.0 <= power < math.inf and 0.0 <= seconds < math.inf and math.isfinite(self.now)):
            return Denied.INVALID
        if name in self.open:
            return Denied.DOUBLE
        denied = self._floor_denies(energy, power) if floor else self._grant_denies(energy, power, seconds)
        if denied is not None:
            return denied
        if floor:
            self.level -= energy
        sequence = 0 if floor or self.entry is None else self.entry.grant.sequence
        made = Reservation(name, energy, power, self.now, self.now + seconds, floor, sequence)
        self.open[name] = made
        return made

    def _floor_denies(self, energy: float, power: float) -> Denied | None:
        if energy > self.level + ROUNDING:
            return Denied.ENERGY
        peak = sum(r.power for r in self.open.values() if r.floor)
        return Denied.POWER if peak + power > self.floor.peak_power + ROUNDING else None

    def _grant_denies(self, energy: float, power: float, seconds: float) -> Denied | None:
        if self.entry is None:
            return Denied.NO_GRANT
        if self.entry.grant.mode is Mode.FLOOR:
            return Denied.FLOOR_ONLY
        if energy > self.energy_left:
            return Denied.ENERGY
        if power > self.power_left:
            return Denied.POWER
        return Denied.TOO_LONG if self.now + seconds > self.entry.grant.valid_until else None

    def settle(self, name: str, energy: Energy, now: float) -> Reservation | None:
        """True up a run that has ended; None when no such reservation is open.

        What was unmetered counts as the whole reservation. What was taken beyond it is an overrun: it is charged to the
        present grant, or to the next one as a debt.
        """
        self.advance(now)
        r = self.open.pop(name, None)
        if r is None:
            return None
        taken = energy.joules if energy.metered else r.energy
        if r.floor:
            self.floor_spent += taken
            self._fill(r.energy - taken)
            return replace(r, until=self.now)
        entry = self.history[-1] if self.entry is None else self.entry
        overrun = max(0.0, taken - r.energy)
        entry.spent += taken - overrun
        at_once = min(overrun, self.energy_left)
        entry.spent, entry.overrun = entry.spent + at_once, entry.overrun + overrun
        self.debt += overrun - at_once
        return replace(r, until=self.now)

    def overdue(self, now: float) -> list[Reservation]:
        """Open reservations whose run should have ended [s]."""
        self.advance(now)
        return [r for r in self.open.values() if r.until < self.now]
