"""A number of joules and where it comes from. What no meter saw is unmetered: NaN, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum


class Provenance(IntEnum):
    """Where a number of joules comes from, with the codes of the message Provenance."""

    UNKNOWN = 0
    MEASURED = 1
    CPU_TIME_MODEL = 2
    OPERATION_COUNT = 3
    DATA_SHEET = 4
    PHYSICS_MODEL = 5


PROVENANCES = tuple(p.name.lower() for p in Provenance)


@dataclass(frozen=True)
class Energy:
    """Joules with provenance.

    joules : [J], NaN when nobody knows. deviation : standard deviation [J], NaN when unknown. provenance : NaN joules are
    always `UNKNOWN`. detail : the constants that made it, e.g. "6 W per core".
    """

    joules: float
    provenance: Provenance
    deviation: float = math.nan
    detail: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.joules) and self.joules >= 0.0 and self.provenance is not Provenance.UNKNOWN):
            object.__setattr__(self, "joules", math.nan)
            object.__setattr__(self, "deviation", math.nan)
            object.__setattr__(self, "provenance", Provenance.UNKNOWN)

    @property
    def metered(self) -> bool:
        """Somebody knows how much it was."""
        return self.provenance is not Provenance.UNKNOWN


UNMETERED = Energy(math.nan, Provenance.UNKNOWN)


@dataclass
class Total:
    """A sum of energies that keeps apart what is of different provenance, and counts what was unmetered."""

    joules: dict[Provenance, float] = field(default_factory=dict)
    unmetered: int = 0

    def add(self, energy: Energy) -> None:
        """Count one energy."""
        if energy.metered:
            self.joules[energy.provenance] = self.joules.get(energy.provenance, 0.0) + energy.joules
        else:
            self.unmetered += 1

    @classmethod
    def of(cls, energies: Iterable[Energy]) -> Total:
        """The sum of several."""
        total = cls()
        for energy in energies:
            total.add(energy)
        return total

    @property
    def known(self) -> float:
        """Sum of what is known [J]; a lower bound of the whole when something was unmetered."""
        return sum(self.joules.values())

    @property
    def whole(self) -> float:
        """The sum [J]; NaN when something was unmetered."""
        return math.nan if self.unmetered else self.known

    @property
    def weakest(self) -> Provenance:
        """The provenance that the whole can claim: measured only where everything was measured."""
        if self.unmetered or not self.joules:
            return Provenance.UNKNOWN
        return max(self.joules)

    def to_mapping(self) -> dict[str, object]:
        """Plain data; joules by provenance."""
        by = {provenance.name.lower(): joules for provenance, joules in sorted(self.joules.items())}
        return {"joules": by, "known_J": self.known, "whole_J": self.whole, "unmetered": self.unmetered}
