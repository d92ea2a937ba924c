"""Requests, receipts, and the demand that sums up what waits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from rover_energy.errors import InputError
from rover_energy.inference.energy import UNMETERED, Energy, Provenance


class Outcome(IntEnum):
    """How a run ended, with the codes of the message InferenceReceipt."""

    COMPLETED = 0
    ABORTED = 1
    FAILED = 2
    REFUSED = 3


@dataclass(frozen=True)
class Request:
    """Work for a network. stamp [s]; amount: units of work; deadline: latest answer [s]; deferrable: may wait for surplus."""

    name: str
    task: str
    stamp: float
    amount: float = 1.0
    deadline: float = math.inf
    weight: float = 1.0
    deferrable: bool = False

    def __post_init__(self) -> None:
        if not self.name or not self.task:
            raise InputError("request", "name, task", "is empty", "name the request and its task")
        if not (math.isfinite(self.stamp) and 0.0 < self.amount < math.inf and 0.0 <= self.weight < math.inf):
            raise InputError("request", self.name, "stamp, amount or weight is NaN or out of range", "give numbers above 0")
        if not self.deadline > self.stamp:
            raise InputError("request", self.name, "is due before it was made", "give a later deadline", self.deadline)


@dataclass(frozen=True)
class Receipt:
    """What one run has taken: see the message InferenceReceipt. stamp: end of the run [s]; latency: request to answer [s]."""

    stamp: float
    name: str
    task: str
    variant: str
    outcome: Outcome
    energy: Energy = UNMETERED
    grant_sequence: int = 0
    quoted: float = math.nan
    begun: float = math.nan
    latency: float = math.nan
    power: float = math.nan
    operations: float = math.nan
    routed_up: bool = False
    energy_score: float = math.nan
    quality: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class Demand:
    """What the networks would like to take: see the message InferenceDemand. stamp, horizon [s]; energies [J]; power [W]."""

    stamp: float
    horizon: float
    energy_floor: float
    energy_wanted: float
    deferrable_energy: float
    power: float
    queued: int
    provenance: Provenance = Provenance.UNKNOWN
