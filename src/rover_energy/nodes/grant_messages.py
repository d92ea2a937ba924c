"""Between the messages of grants, demands and receipts and the classes of `inference`; and the bus's side of the grants."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.inference.energy import Energy, Provenance
from rover_energy.inference.grants import FloorReserve, Grant, GrantPolicy, Mode, Outlook, make_grant
from rover_energy.inference.receipts import Demand, Outcome, Receipt
from rover_energy.nodes import ros

INTERFACES = "rover_energy_interfaces"


def grant_message(grant: Grant) -> Any:
    """InferenceGrant of a grant."""
    return ros.message_class(f"{INTERFACES}/msg/InferenceGrant")(
        stamp=ros.stamp_of(grant.stamp), valid_until=ros.stamp_of(grant.valid_until), sequence=grant.sequence,
        mode=int(grant.mode), energy=grant.energy, power_limit=grant.power_limit, intensity=grant.intensity, reason=grant.reason,
    )  # fmt: skip


def grant_of(message: Any) -> Grant:
    """Grant of an InferenceGrant. Raises InputError for one that is no grant; a mode that is not known is the floor's."""
    mode = Mode(message.mode) if message.mode in tuple(Mode) else Mode.FLOOR
    return Grant(
        ros.seconds(message.stamp), ros.seconds(message.valid_until), message.sequence, mode, message.energy,
        message.power_limit, message.intensity, message.reason,
    )  # fmt: skip


def demand_message(demand: Demand) -> Any:
    """InferenceDemand of a demand."""
    made = ros.message_class(f"{INTERFACES}/msg/InferenceDemand")(
        stamp=ros.stamp_of(demand.stamp), horizon=demand.horizon, energy_floor=demand.energy_floor,
        energy_wanted=demand.energy_wanted, deferrable_energy=demand.deferrable_energy, power=demand.power,
        queued_requests=demand.queued,
    )  # fmt: skip
    made.provenance.value = int(demand.provenance)
    return made


def run_message(name: str, begun: float, power: float, seconds: float) -> Any:
    """inference_run: from `begun` [s] on, the run takes `power` [W] for so many seconds; with 0 W it has ended then."""
    made = ros.message_class(f"{INTERFACES}/msg/LoadCommand")(
        issuer=name.partition("/")[0], name=name, enabled=power > 0.0, power_limit=power, lifetime=seconds, priority=255
    )
    made.header.stamp = ros.stamp_of(begun)
    return made


def receipt_message(receipt: Receipt) -> Any:
    """InferenceReceipt of a receipt."""
    made = ros.message_class(f"{INTERFACES}/msg/InferenceReceipt")(
        stamp=ros.stamp_of(receipt.stamp), grant_sequence=receipt.grant_sequence, request_id=receipt.name, task=receipt.task,
        variant=receipt.variant, outcome=int(receipt.outcome), energy_quoted=receipt.quoted, energy=receipt.energy.joules,
        energy_uncertainty=receipt.energy.deviation, latency=receipt.latency, operations=receipt.operations,
        routed_up=receipt.routed_up, energy_score=receipt.energy_score, quality_estimate=receipt.quality,
    )  # fmt: skip
    made.provenance.value = int(receipt.energy.provenance)
    return made


def receipt_of(message: Any) -> Receipt:
    """Receipt of an InferenceReceipt. Its joules are unmetered unless they are a number with a provenance.

    The message has no begin and no power: the run is taken to have filled its latency, at its mean power.
    """
    known = message.provenance.value in tuple(Provenance)
    energy = Energy(
        message.energy, Provenance(message.provenance.value) if known else Provenance.UNKNOWN, message.energy_uncertainty
    )
    stamp, latency = ros.seconds(message.stamp), message.latency
    outcome = Outcome(message.outcome) if message.outcome in tuple(Outcome) else Outcome.FAILED
    lasted = latency if math.isfinite(latency) and latency > 0.0 else math.nan
    return Receipt(
        stamp, message.request_id, message.task, message.variant, outcome, energy, message.grant_sequence,
        message.energy_quoted, stamp - lasted, latency, energy.joules / lasted, message.operations, message.routed_up,
        message.energy_score, message.quality_estimate,
    )  # fmt: skip


class Reserve:
    """What a drive must leave to inference: the grant in force, as far as plans count on it.

    Without grants inference is a load like any other. Surplus does not count, as the bus takes it back when motors want it.
    """

    def __init__(self, part: ros.Part, planned: float) -> None:
        self.planned, self.limit = planned, math.nan
        part.subscribe("inference_grant", lambda message: setattr(self, "limit", message.power_limit))

    def constant(self, power: Any) -> float:
        """Power of all loads but the motors in a PowerState [W]."""
        others = {load.name: load.power for load in power.loads if load.name != "drive"}
        if math.isfinite(self.limit):
            others["inference"] = min(self.limit, self.planned)
        return sum(others.values())


class GrantSource:
    """The bus's side: publishes a grant every period and says how much power to keep from the motors for it.

    A grant is announced before it may be drawn: in the period in which it grows, the power kept is already the greater.
    """

    def __init__(self, part: ros.Part, policy: GrantPolicy, floor: FloorReserve) -> None:
        self.policy, self.floor = policy, floor
        self.send = part.publisher("inference_grant")
        self.grant: Grant | None = None
        self.sequence, self.due = 0, -math.inf

    def reserve(self, now: float, outlook: Outlook) -> float:
        """Power to be kept for inference at `now` [s], in [W]; publishes the next grant when it is due."""
        if now >= self.due - 1e-6 and math.isfinite(now):
            self.due, self.sequence = now + self.policy.period, self.sequence + 1
            self.grant = make_grant(self.policy, self.floor, outlook, now=now, sequence=self.sequence)
            self.send(grant_message(self.grant))
        return self.floor.peak_power if self.grant is None or not self.grant.valid(now) else self.grant.power_limit
