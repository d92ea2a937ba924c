"""Power and energy over a plan, with what can happen between the samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.mission import MissionParameters
from rover_energy.planning.certificate_bounds import Bounds
from rover_energy.planning.certificate_checks import Check
from rover_energy.planning.evaluation import Store, Supply
from rover_energy.power.battery import charge_limit, discharge_limit, floor_energy, usable_capacity
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Sampler = Callable[[Index, Array], Supply]

SPLIT = 4
MOST_ROUNDS = 7
MOST_SAMPLES = 300_000
LEDGER_TOLERANCE = 1e-6
SURE_PART = 2.0 / 3.0  # area between a bulge and its chord over (height of the bulge * width); 1/2 for a kink


@dataclass(frozen=True)
class Errors:
    """Doubt within each interval (k,): `load`, `array` [W] beyond the chord; `energy` (m,) [J] accumulated up to each sample,
    `dip` (k,) [J] below the interval's ends; `limit` (k,) [W] of the battery's discharge limit.
    """

    load: Array
    array: Array
    limit: Array
    energy: Array
    dip: Array


def interval_errors(
    t: Array, supply: Supply, store: Store, bounds: Bounds, rover: RoverParameters, mission: MissionParameters
) -> Errors:
    """Doubt about power and energy.

    The battery's intake is a concave function of the net power (it pays for conversion both ways and stops at its limit), so
    an interval in which it bends stores less than its mean power says: at most the change of slope times range/8.
    """
    blocks, battery = bounds.blocks, rover.battery
    left, dt = blocks.left, blocks.spread(blocks.dt)
    load, array = (blocks.spread(rates.deviation(blocks.dt)) for rates in (bounds.load, bounds.array))
    doubt = load + array
    give, take = 1.0 / battery.discharge_efficiency, battery.charge_efficiency
    net = supply.net_power
    low, high = np.minimum(net[left], net[left + 1]) - doubt, np.maximum(net[left], net[left + 1]) + doubt
    intake = charge_limit(battery, store.state_of_charge)
    intake = np.minimum(intake[left], intake[left + 1])
    bend = np.where((low < 0.0) & (high > 0.0), give - take, 0.0) + np.where((low < intake) & (high > intake), take, 0.0)
    per_interval = dt * (give * SURE_PART * doubt + bend * (high - low) / 8.0)
    energy = np.zeros(t.size)
    energy[left + 1] = per_interval
    energy = np.cumsum(energy)
    dip = np.where((low < 0.0) & (high > 0.0), -low, doubt) * dt * give
    limit = _limit_error(energy[left + 1], store, bounds, rover) if mission.use_battery else np.zeros_like(dt)
    return Errors(load, array, limit, energy, dip)


def _limit_error(energy: Array, store: Store, bounds: Bounds, rover: RoverParameters) -> Array:
    """How far the discharge limit can be below that at the samples: it falls with the energy where the taper limits it."""
    battery, blocks = rover.battery, bounds.blocks
    capacity = usable_capacity(battery)
    if not capacity > 0.0:
        return np.zeros_like(energy)
    most = float(discharge_limit(battery, 1.0))
    swing = bounds.load.first + bounds.array.first + bounds.load.kink + bounds.array.kink
    if battery.charge_taper < 1.0:  # near full the intake itself changes with the energy
        swing = swing + float(charge_limit(battery, 0.0)) ** 2 / ((1.0 - battery.charge_taper) * capacity)
    off = energy + blocks.spread(swing * blocks.dt**2 / 8.0) / battery.discharge_efficiency
    charge = store.state_of_charge
    least = np.minimum(charge[blocks.left], charge[blocks.left + 1]) - off / capacity
    if battery.discharge_taper > 0.0:
        return np.where(least < battery.discharge_taper, most / (battery.discharge_taper * capacity) * off, 0.0)
    return np.where(least > 0.0, 0.0, most)


@dataclass(frozen=True)
class _Intervals:
    """Intervals under examination: block, piece, `begin`, `end` [s, local], and at both ends (2, n) the margins against the
    sources `spare` and against the cap `below`, and the stored energy."""

    block: Index
    piece: Index
    begin: Array
    end: Array
    spare: Array
    below: Array
    energy: Array
    limit_error: Array


def power_check(
    piece: Index,
    local: Array,
    t: Array,
    supply: Supply,
    store: Store,
    errors: Errors,
    bounds: Bounds,
    rover: RoverParameters,
    mission: MissionParameters,
    sample: Sampler,
    knots: Array,
) -> tuple[Check, int]:
    """Total demand against available power at every instant, no tolerance; and the number of samples added.

    Where the margin at the samples is less than what the bound takes off, the interval is split, and its parts again, until
    the bound is small enough or the effort runs out, which fails the check.
    """
    blocks, left = bounds.blocks, bounds.blocks.left
    total = supply.total_power
    spare = supply.rtg_power + supply.pv_power + store.discharge_limit - total
    below = (math.inf if mission.power_limit is None else mission.power_limit) - total
    margin = np.fmin(spare, below) + 0.0 * spare
    block = np.repeat(np.arange(blocks.count.size), blocks.count)
    ends = np.stack([left, left + 1])
    work = _Intervals(
        block, piece[left], local[left], local[left + 1], spare[ends], below[ends], store.battery_energy[ends], errors.limit
    )
    at = int(np.argmin(np.where(np.isnan(margin), -np.inf, margin)))
    worst = _Worst(float(margin[at]), float(t[at]), float(total[at]))
    sure = _sure_margin(work, bounds)
    guaranteed, added = math.inf, 0
    for _ in range(MOST_ROUNDS):
        doubtful = ~(sure >= 0.0)
        guaranteed = min(guaranteed, float(np.min(sure[~doubtful], initial=math.inf)))
        chosen = np.flatnonzero(doubtful)
        if not (chosen.size and worst.margin >= 0.0 and added + chosen.size * (SPLIT - 1) <= MOST_SAMPLES):
            break
        work, found = _split(work, chosen, rover, mission, sample, knots)
        added += chosen.size * (SPLIT - 1)
        worst = worst if worst.margin <= found.margin else found
        sure = _sure_margin(work, bounds)
    rest = np.where(np.isnan(sure), -np.inf, sure)
    guaranteed = min(guaranteed, float(np.min(rest, initial=math.inf)))
    bound = max(0.0, worst.margin - guaranteed) if math.isfinite(worst.margin) else math.inf
    passed = guaranteed >= 0.0 and worst.margin >= 0.0
    return Check("power", "W", worst.total, worst.total + worst.margin, worst.margin, worst.time, bound, passed), added


@dataclass(frozen=True)
class _Worst:
    margin: float
    time: float
    total: float


def _sure_margin(work: _Intervals, bounds: Bounds) -> Array:
    """Margin that holds throughout each interval [W]."""
    dt = work.end - work.begin
    load = bounds.load.second[work.block] * dt**2 / 8.0 + bounds.load.kink[work.block] * dt / 4.0
    array = bounds.array.second[work.block] * dt**2 / 8.0 + bounds.array.kink[work.block] * dt / 4.0
    result: Array = np.minimum(work.spare.min(axis=0) - array - work.limit_error, work.below.min(axis=0)) - load
    return result


def _split(
    work: _Intervals, chosen: Index, rover: RoverParameters, mission: MissionParameters, sample: Sampler, knots: Array
) -> tuple[_Intervals, _Worst]:
    """Cut the chosen intervals into `SPLIT` parts and look at the new samples."""
    part = np.arange(1, SPLIT) / SPLIT
    begin, end = work.begin[chosen], work.end[chosen]
    inner = begin + (end - begin) * part[:, None]
    piece = np.broadcast_to(work.piece[chosen], inner.shape)
    supply = sample(piece.ravel(), inner.ravel())
    energy = work.energy[0, chosen] + (work.energy[1, chosen] - work.energy[0, chosen]) * part[:, None]
    give = np.zeros_like(energy)
    capacity = usable_capacity(rover.battery)
    if mission.use_battery and capacity > 0.0:
        give = discharge_limit(rover.battery, energy / capacity)
    total = supply.total_power.reshape(inner.shape)
    spare = (supply.rtg_power + supply.pv_power).reshape(inner.shape) + give - total
    below = (math.inf if mission.power_limit is None else mission.power_limit) - total

    def parts(ends: Array, middle: Array) -> Array:
        row = np.concatenate([ends[:1, chosen], middle, ends[1:, chosen]])
        return np.stack([row[:-1].ravel(), row[1:].ravel()])

    edges = parts(np.stack([work.begin, work.end]), inner)
    finer = _Intervals(
        block=np.tile(work.block[chosen], SPLIT), piece=np.tile(work.piece[chosen], SPLIT), begin=edges[0], end=edges[1],
        spare=parts(work.spare, spare), below=parts(work.below, below), energy=parts(work.energy, energy),
        limit_error=np.tile(work.limit_error[chosen], SPLIT),
    )  # fmt: skip
    margin = np.minimum(spare, below).ravel()
    at = int(np.argmin(np.where(np.isnan(margin), -np.inf, margin)))
    time = float(knots[piece.ravel()[at]] + inner.ravel()[at])
    return finer, _Worst(float(margin[at]), time, float(total.ravel()[at]))


def battery_check(t: Array, store: Store, errors: Errors, bounds: Bounds, rover: RoverParameters) -> Check:
    """Stored energy against the floor at every instant, no tolerance."""
    floor, left = floor_energy(rover.battery), bounds.blocks.left
    energy = store.battery_energy
    at = int(np.argmin(np.where(np.isnan(energy), -np.inf, energy)))
    least = float(energy[at])
    sure = energy - errors.energy
    # At the very start nothing is in doubt; elsewhere the interval to the left may dip below both of its ends.
    sure[left + 1] = np.minimum(sure[left], sure[left + 1]) - errors.dip if left.size else sure[left + 1]
    bound = least - float(np.min(np.where(np.isnan(sure), -np.inf, sure)))
    bound = max(0.0, bound) if math.isfinite(bound) else math.inf
    return Check("battery_floor", "J", least, floor, least - floor, float(t[at]), bound, least - floor - bound >= 0.0)


def budget_check(t: Array, supply: Supply, errors: Errors, bounds: Bounds, budget: float) -> Check:
    """Energy consumed by all loads against the mission's budget."""
    left = bounds.blocks.left
    dt = t[left + 1] - t[left]
    spent = float(np.sum(0.5 * (supply.total_power[left] + supply.total_power[left + 1]) * dt))
    bound = float(np.sum(SURE_PART * errors.load * dt))
    return Check("energy_budget", "J", spent, budget, budget - spent, float(t[-1]), bound, budget - spent - bound >= 0.0)


def ledger_check(t: Array, supply: Supply, residual: Array, bounds: Bounds) -> Check:
    """generated = consumed + stored + shunted + lost, over the plan, relative to the energy generated."""
    left = bounds.blocks.left
    dt = t[left + 1] - t[left]
    made = supply.rtg_power + supply.pv_power + supply.total_power
    scale = max(float(np.sum(0.5 * (made[left] + made[left + 1]) * dt)), 1e-3)
    at = int(np.argmax(np.where(np.isnan(residual), np.inf, np.abs(residual))))
    error = float(np.sum(np.abs(residual))) / scale
    margin = LEDGER_TOLERANCE - error
    return Check("ledger", "-", error, LEDGER_TOLERANCE, margin, float(t[left[at] + 1]), 0.0, margin >= 0.0)
