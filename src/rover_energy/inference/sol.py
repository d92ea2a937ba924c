"""A sol of sun and shadow, drives, grants and requests: the manager as a whole, without ROS, to be measured.

Everything but the laws of battery, grants and budgets is generated from a seed: the light, the drives, the requests and
how much energy each run really takes.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rover_energy.inference.budget import Budget
from rover_energy.inference.energy import Energy, Provenance
from rover_energy.inference.grants import FloorReserve, Grant, GrantPolicy, Outlook, make_grant
from rover_energy.inference.manager import Manager, Start
from rover_energy.inference.receipts import Outcome, Receipt, Request
from rover_energy.inference.store import Store
from rover_energy.inference.variant import Variant
from rover_energy.parameters import Parameters, group, parameter
from rover_energy.power.battery import BatteryParameters, discharge_limit, discharge_towards_floor, floor_energy, usable_capacity
from rover_energy.power.storage import step_battery

Array = NDArray[np.float64]
SOL = 88775.244  # [s] of Mars
LOAD = 0.8  # mean power of a run over its peak
NOISE = 0.08  # standard deviation of log(energy taken / median)


@dataclass(frozen=True)
class SolParameters(Parameters):
    """The sol's world."""

    seconds: float = parameter(SOL, unit="s", minimum=600.0, maximum=1e7, description="length")
    rtg_power: float = parameter(54.0, unit="W", minimum=0.0, maximum=1e4, description="of the generator")
    pv_power: float = parameter(150.0, unit="W", minimum=0.0, maximum=1e4, description="of the array at noon")
    base_power: float = parameter(55.0, unit="W", minimum=0.0, maximum=1e4, description="of avionics, heaters, radio")
    drive_power: float = parameter(90.0, unit="W", minimum=0.0, maximum=1e4, description="while driving, by day")
    state_of_charge: float = parameter(0.6, minimum=0.0, maximum=1.0, description="at midnight")
    load: float = parameter(1.0, minimum=0.01, maximum=100.0, description="requests against the usual")
    grant_share: float = parameter(1.0, minimum=0.0, maximum=1.0, description="of the policy's power that is granted")
    battery: BatteryParameters = group(BatteryParameters, "battery")
    policy: GrantPolicy = group(GrantPolicy, "grants")
    floor: FloorReserve = group(FloorReserve, "reserved perception")


#: task: mean time between requests [s], weight, time to answer [s], may wait for surplus
TASKS: Mapping[str, tuple[float, float, float, bool]] = {
    "hazard": (20.0, 3.0, 5.0, False), "map": (40.0, 1.0, 240.0, False), "sentinel": (60.0, 1.5, 180.0, False),
    "digest": (1800.0, 8.0, 30000.0, True),
}  # fmt: skip


def world(*, seconds: float = SOL, grant_share: float = 1.0) -> SolParameters:
    """The usual sol, with a grant every 40 s: the night drains the battery until inference must save, noon has power to spare."""
    policy = GrantPolicy(period=40.0, lifetime=80.0, power=10.0, saving_below=1.2e5, surplus_power=20.0)
    floor = FloorReserve(power=0.03, burst=0.6, peak_power=1.5)
    battery = BatteryParameters(capacity=5.0e5)
    return SolParameters(seconds=seconds, grant_share=grant_share, policy=policy, floor=floor, battery=battery)


def random_store(seed: int) -> Store:
    """A ladder of variants per task: more joules buy more quality, with falling returns."""
    rng = np.random.default_rng(seed)
    made = [_variant("hazard-0", "hazard", 0.20, float(rng.uniform(0.78, 0.84)), 1.2, floor=True)]
    for task, first, steps in (("hazard", 8.0, 1), ("map", 30.0, 3), ("sentinel", 18.0, 3), ("digest", 60.0, 2)):
        quality, energy = float(rng.uniform(0.55, 0.75)), first * float(rng.uniform(0.7, 1.3))
        if task == "hazard":
            quality = float(rng.uniform(0.90, 0.96))
        for k in range(steps):
            name = f"{task}-{k + 1}"
            power = float(rng.uniform(3.8, 4.5) if task == "hazard" else rng.uniform(1.5, 4.0))
            made.append(_variant(name, task, energy, quality, power))
            quality, energy = quality + 0.6 * (0.97 - quality), energy * float(rng.uniform(2.0, 4.0))
    return Store.of(made, f"random store {seed}")


def _variant(name: str, task: str, energy: float, quality: float, power: float, floor: bool = False) -> Variant:
    high = energy * math.exp(1.645 * NOISE)
    return Variant(
        name=name, task=task, quality=quality, energy=energy, energy_high=high, energy_provenance="data_sheet", floor=floor,
        peak_power=power, latency=1.4 * high / power, source="generated",
    )  # fmt: skip


@dataclass(frozen=True)
class Script:
    """What happens whatever the manager does. Per period of the grants: pv [W] and drive [W], (n,)."""

    pv: Array
    drive: Array
    requests: tuple[Request, ...]
    luck: Mapping[str, float]


def write_script(p: SolParameters, seed: int) -> Script:
    """Light with shadows, drives by day, requests at random."""
    rng = np.random.default_rng(seed)
    t = np.arange(0.0, p.seconds, p.policy.period)
    height = np.sin(2.0 * math.pi * (t / SOL - 0.25))
    shadow = np.repeat(rng.random(math.ceil(len(t) / 15)) < 0.25, 15)[: len(t)]
    pv = p.pv_power * np.maximum(0.0, height) * np.where(shadow, 0.15, 1.0)
    driving = np.repeat(rng.random(math.ceil(len(t) / 45)) < 0.4, 45)[: len(t)] & (height > 0.3)
    requests: list[Request] = []
    luck: dict[str, float] = {}
    for task, (pause, weight, patience, deferrable) in TASKS.items():
        at = float(rng.exponential(pause / p.load))
        while at < p.seconds:
            name = f"{task}/{len(requests)}"
            requests.append(Request(name, task, at, 1.0, at + patience, weight, deferrable))
            luck[name] = float(np.exp(rng.normal(0.0, NOISE)))
            at += float(rng.exponential(pause / p.load)) if task != "hazard" else pause / p.load
    ordered = tuple(sorted(requests, key=lambda r: r.stamp))
    return Script(pv, np.where(driving, p.drive_power, 0.0), ordered, luck)


@dataclass
class SolResult:
    """What came of it. worth: sum of weight x quality of answers within their deadline; energy: battery after each period [J]."""

    receipts: list[Receipt] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    worth: float = 0.0
    energy: list[float] = field(default_factory=list)
    unserved: float = 0.0
    surplus_share: float = math.nan


@dataclass
class Sol:
    """One sol with one manager."""

    p: SolParameters
    script: Script
    manager: Manager

    @classmethod
    def of(cls, p: SolParameters, script: Script, store: Store) -> Sol:
        """With a manager that knows the mean rates of the requests."""
        rates = {task: (p.load / pause, weight) for task, (pause, weight, _, wait) in TASKS.items() if not wait}
        manager = Manager(store, Budget(p.floor), horizon=p.policy.period, margin=1.12, patience=8.0, forecast=rates)
        return cls(p, script, manager)

    def run(self) -> SolResult:
        """Play the sol."""
        result = SolResult()
        battery, period = self.p.battery, self.p.policy.period
        stored, arrivals = self.p.state_of_charge * usable_capacity(battery), iter((*self.script.requests, None))
        self.following = next(arrivals)
        self.ends: list[tuple[float, str, float, bool]] = []
        spent = 0.0
        for k, (pv, drive) in enumerate(zip(self.script.pv, self.script.drive, strict=True)):
            now, supply, others = k * period, self.p.rtg_power + float(pv), self.p.base_power + float(drive)
            grant = self._grant(now, k + 1, stored, supply - others)
            result.grants.append(grant)
            for stopped in self.manager.receive(grant, now):
                self._end(stopped.request.name, now, aborted=True)
            self._events(now, now + period, arrivals)
            total = sum(r.energy.joules for r in self.manager.receipts if r.energy.metered)
            step = step_battery(battery, stored, supply - others - (total - spent) / period, period)
            stored, spent = step.energy, total
            result.receipts += self.manager.receipts
            spent -= sum(r.energy.joules for r in self.manager.receipts if r.energy.metered)
            self.manager.receipts.clear()
            result.energy.append(stored)
            result.unserved += step.unserved_power * period
        asked = {r.name: r for r in self.script.requests}
        done = [(r, asked[r.name]) for r in result.receipts if r.outcome is Outcome.COMPLETED]
        result.worth = sum(request.weight * r.quality for r, request in done if r.stamp <= request.deadline)
        result.surplus_share = _surplus_share(result)
        return result

    def _grant(self, now: float, sequence: int, stored: float, left: float) -> Grant:
        battery, period = self.p.battery, self.p.policy.period
        before = step_battery(battery, stored, left, period)
        charge = stored / usable_capacity(battery)
        most = discharge_towards_floor(battery, stored, float(discharge_limit(battery, charge)))
        outlook = Outlook(
            left + most, before.shunted_power, before.discharge_power, stored - floor_energy(battery),
            battery.charge_efficiency, battery.discharge_efficiency,
        )  # fmt: skip
        share = self.p.grant_share
        policy = replace(self.p.policy, power=share * self.p.policy.power, surplus_power=share * self.p.policy.surplus_power)
        return make_grant(policy, self.p.floor, outlook, now=now, sequence=sequence)

    def _events(self, since: float, until: float, arrivals: Iterator[Request | None]) -> None:
        """Arrivals and ends of runs between two grants; after each the manager decides."""
        self._step(since)
        while True:
            arrival = math.inf if self.following is None else self.following.stamp
            end = self.ends[0][0] if self.ends else math.inf
            now = min(arrival, end)
            if not now < until:
                return
            if end <= arrival:
                _, name, _, aborted = self.ends[0]
                self._end(name, now, aborted=aborted)
            elif self.following is not None:
                self.manager.submit(self.following, now)
                self.following = next(arrivals)
            self._step(now)

    def _step(self, now: float) -> None:
        starts, stops = self.manager.step(now)
        for start in stops:
            self._end(start.request.name, now, aborted=True)
        for start in starts:
            heapq.heappush(self.ends, self._course(start, now))

    def _course(self, start: Start, now: float) -> tuple[float, str, float, bool]:
        """When a run ends, what it takes by then, and whether it is stopped because its reservation is used up."""
        wanted = start.variant.energy_of(start.request.amount) * self.script.luck[start.request.name]
        taken = min(wanted, start.energy)
        seconds = taken / (LOAD * start.variant.peak_power)
        return now + seconds, start.request.name, taken, taken < wanted

    def _end(self, name: str, now: float, *, aborted: bool) -> None:
        entry = next(e for e in self.ends if e[1] == name)
        self.ends.remove(entry)
        heapq.heapify(self.ends)
        begun = self.manager.budget.open[name].begun
        share = 1.0 if entry[0] <= now else (now - begun) / max(entry[0] - begun, 1e-12)
        energy = Energy(entry[2] * share, Provenance.PHYSICS_MODEL, detail="generated")
        self.manager.finish(name, energy, now, outcome=Outcome.ABORTED if aborted else Outcome.COMPLETED)


def _surplus_share(result: SolResult) -> float:
    """Share of the energy of what could wait that was taken under grants with intensity below 1 [-]."""
    free = {g.sequence for g in result.grants if g.intensity < 1.0}
    waited = [r for r in result.receipts if r.task == "digest" and r.outcome is not Outcome.REFUSED]
    total = sum(r.energy.joules for r in waited)
    return sum(r.energy.joules for r in waited if r.grant_sequence in free) / total if total > 0.0 else math.nan
