"""What a sol could have been worth with all of it known beforehand: an upper bound, and the best fixed choice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from rover_energy.errors import RoverEnergyError
from rover_energy.inference.grants import FloorReserve, Grant, Mode
from rover_energy.inference.receipts import Request
from rover_energy.inference.sol import LOAD, Script
from rover_energy.inference.store import Store
from rover_energy.inference.variant import Variant


class OracleError(RoverEnergyError):
    """The linear programme of the oracle was not solved."""


def allowed(
    grant: Grant, request: Request, variants: Sequence[Variant], floor: Variant | None, reserve: FloorReserve
) -> list[Variant]:
    """Variants that may answer a request under a grant, by the meaning of its mode and the power that is left by the floor's."""
    if grant.mode is Mode.FLOOR:
        return [v for v in variants if v is floor]
    if grant.mode is Mode.SAVING:
        return [] if request.deferrable else list(variants[:1])
    return [v for v in variants if v is floor or v.peak_power <= grant.power_limit - reserve.peak_power]


def upper_bound(script: Script, grants: Sequence[Grant], store: Store, reserve: FloorReserve, period: float) -> float:
    """Greatest worth of the requests within the grants, each run knowing what it will take.

    The knapsack over all requests, variants and grants in force between request and deadline, with parts of runs allowed:
    a linear programme, so at least as much as any schedule can reach. Each grant bounds the energy, and the power that
    runs outside the floor keep times the time they last. A run that takes longer than from request to deadline, or than a
    grant is valid, is none: no schedule that keeps the contract has it. Raises OracleError when it is not solved.
    """
    cost, area, value, owner, bin_ = [], [], [], [], []
    for i, request in enumerate(script.requests):
        variants = store.of_task(request.task)
        first, last = int(request.stamp // period), min(int(request.deadline // period), len(grants) - 1)
        options = {}
        for k in _thinned(first, last):
            longest = min(request.deadline - request.stamp, grants[k].valid_until - grants[k].stamp)
            for v in allowed(grants[k], request, variants, store.floor, reserve):
                if v.energy * script.luck[request.name] <= longest * LOAD * v.peak_power:
                    options[k, v.name] = v
        for (k, _), v in options.items():
            cost.append(v.energy * script.luck[request.name])
            area.append(0.0 if v is store.floor else cost[-1] / LOAD)
            value.append(request.weight * v.quality)
            owner.append(i)
            bin_.append(k)
    if not cost:
        return 0.0  # nothing can be answered in time
    n, requests, bins = len(cost), len(script.requests), np.array(bin_, dtype=int)
    rows = np.concatenate((owner, requests + bins, requests + len(grants) + bins))
    entries = np.concatenate((np.ones(n), cost, area))
    matrix = coo_matrix((entries, (rows, np.tile(np.arange(n), 3))), (requests + 2 * len(grants), n))
    energy = [min(g.energy, g.power_limit * period) + reserve.burst for g in grants]
    power = [max(0.0, g.power_limit - reserve.peak_power) * period for g in grants]
    limits = np.concatenate((np.ones(requests), energy, power))
    solved = linprog(-np.array(value), A_ub=matrix.tocsr(), b_ub=limits, method="highs")
    if solved.status != 0:
        raise OracleError(f"oracle: {solved.message}")
    return float(-solved.fun)


def _thinned(first: int, last: int, most: int = 100) -> list[int]:
    """All grants of a span, or evenly chosen ones of a long span."""
    count = last - first + 1
    return list(range(first, last + 1)) if count <= most else sorted({first + i * (count - 1) // (most - 1) for i in range(most)})


def fixed_stores(store: Store) -> list[tuple[str, Store]]:
    """Every choice of one variant per task; the floor variant stays, as nothing else may open its bucket."""
    ladders = [store.of_task(task) for task in store.tasks]
    made = []
    for choice in product(*ladders):
        kept = list(choice) + [v for v in store if v.floor and v not in choice]
        made.append((" ".join(v.name for v in choice), Store.of(kept, "fixed")))
    return made
