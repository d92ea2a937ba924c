"""Inference on the bus: the power node's grants, what it keeps from the motors for them, and what the runs really draw."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Any

from rover_energy.errors import InputError
from rover_energy.inference.draw import BusDraw
from rover_energy.inference.energy import Provenance
from rover_energy.inference.grants import FloorReserve, GrantPolicy, Mode, Outlook
from rover_energy.inference.receipts import Outcome
from rover_energy.nodes import ros
from rover_energy.nodes.grant_messages import GrantSource, receipt_of
from rover_energy.nodes.power_messages import load_state
from rover_energy.power.switched import SwitchedLoad

INFERENCE = "inference"
PRESSING = 2.0  # [W] below their cap: the motors want what surplus has taken


class InferenceBus:
    """Grants once a period; at once when a load was shed or the motors want back what was surplus.

    `kept` is what the motors do not get: the greatest limit of the grants of the last `release` seconds, so that what was
    granted may still be drawn while a smaller grant makes its way to the networks. `wanted` is what they have by the ladder of
    loads: floor and, unless it was shed, the rest; surplus is no reason to shed anything.
    """

    def __init__(self, part: Any) -> None:
        s, power = part.settings, part.rover.loads.inference_power
        self.part, self.planned = part, power
        self.floor = FloorReserve(s.floor_power, s.floor_burst, s.floor_peak)
        if not power >= self.floor.peak_power:
            raise InputError(
                "rover.yaml", "loads.inference_power", f"is below the floor's peak of {self.floor.peak_power:g} W",
                "raise it, or start without networks", power,
            )  # fmt: skip
        policy = GrantPolicy(
            power=power, saving_below=s.saving_below, saving_share=s.saving_share, surplus_share=s.surplus_share,
            surplus_power=s.surplus_power, period=s.grant_period, lifetime=2.0 * s.grant_period,
        )  # fmt: skip
        self.source, self.draw = GrantSource(part, policy, self.floor), BusDraw()
        self.load = SwitchedLoad(
            INFERENCE, power - self.floor.peak_power, priority=s.inference_priority, enabled=True, motion=s.motion_reserve
        )
        self.limits: deque[tuple[float, float]] = deque()
        self.shunted: deque[tuple[float, float]] = deque()
        self.wanted = self.kept = power
        self.provenance = Provenance.CPU_TIME_MODEL
        part.subscribe("inference_run", self.on_run, depth=100)
        part.subscribe("inference_receipt", self.on_receipt, depth=100)

    def on_run(self, message: Any) -> None:
        """A run begins or ends."""
        at = ros.seconds(message.header.stamp)
        if message.enabled:
            self.draw.announce(message.name, at, message.power_limit, message.lifetime)
        else:
            self.draw.end(message.name, at)

    def on_receipt(self, message: Any) -> None:
        """What a run says that it took."""
        receipt = receipt_of(message)
        if receipt.outcome is not Outcome.REFUSED and receipt.energy.metered:
            self.provenance = max(self.provenance, receipt.energy.provenance)
            self.draw.settle(receipt.name, receipt.energy.joules, receipt.power)

    def drawn(self, now: float, seconds: float, used: float) -> Any:
        """LoadState of the window that ends now; `used` [J] before it."""
        joules = self.draw.take(now)
        state = load_state(INFERENCE, joules / seconds if seconds > 0.0 else 0.0, used + joules)
        state.provenance.value = int(self.provenance)
        return state

    def update(self, now: float, *, spare: float, pressing: bool, step: Any, above_floor: float) -> None:
        """Grant when it is due, and set `kept`.

        spare : what all loads but motors and inference leave [W], NaN without a meter. pressing : the motors are at their cap.
        step : of the battery in the last window. above_floor [J].
        """
        state, source = self.part.board.states[INFERENCE], self.source
        wanted = self.floor.peak_power + state.reserved
        surplus = source.grant is not None and source.grant.mode is Mode.SURPLUS
        if wanted != self.wanted or (surplus and pressing):
            source.due, self.wanted = -math.inf, wanted
        source.policy = replace(source.policy, power=self.part.settings.grant_share * wanted)
        shed = not state.reserved > 0.0
        battery, shunted = self.part.rover.battery, self.least_shunted(now, 0.0 if pressing or shed else step.shunted_power)
        self.keep(now, source.reserve(now, Outlook(
            spare, shunted, step.discharge_power, above_floor, battery.charge_efficiency, battery.discharge_efficiency, shed,
        )))  # fmt: skip

    def least_shunted(self, now: float, power: float) -> float:
        """Least power that was shunted over the last period [W]."""
        self.shunted.append((now, power))
        while self.shunted[0][0] < now - self.source.policy.period - 1e-6:
            self.shunted.popleft()
        whole = now - self.shunted[0][0] >= 0.9 * self.source.policy.period
        return max(0.0, min(p for _, p in self.shunted)) if whole else 0.0

    def keep(self, now: float, limit: float) -> None:
        """Remember the limit in force, and what the motors do not get for it."""
        while self.limits and self.limits[-1][1] <= limit:
            self.limits.pop()
        self.limits.append((now, limit))
        while len(self.limits) > 1 and self.limits[0][0] < now - self.part.settings.release:
            self.limits.popleft()
        self.kept = max(self.limits[0][1], self.draw.power)
