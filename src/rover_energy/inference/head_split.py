"""Heads of an attention layer split over the processors of one node, so that the last of them is done soonest.

Processor b needs o_b + n_b t_b for n_b heads [s]; whoever takes part beyond the first adds the time to gather; the powers of
those that take part add up on the bus.

References
----------
Chen, Chen et al. 2023, arXiv 2311.13381 (backend scheduler: split of heads over CPU, GPU and NPU; the abstract only).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from rover_energy.errors import InputError

LIMIT = 12  # processors: all their subsets are looked at


@dataclass(frozen=True)
class Processor:
    """overhead : of taking part [s]; time : per head [s]; power : while it works [W]."""

    name: str
    overhead: float
    time: float
    power: float = 0.0


@dataclass(frozen=True)
class Split:
    """heads : per processor; time : until the last is done and all is gathered [s]; energy [J]; power : while all work [W]."""

    heads: tuple[int, ...]
    time: float
    energy: float
    power: float


def split_heads(
    heads: int, processors: Sequence[Processor], *, power_limit: float = math.inf, gather: float = 0.0
) -> Split | None:
    """The split that is done soonest within the power limit [W]; None when no processor fits it.

    For every subset that fits, heads go one by one to whoever would finish next. For one subset that gives the least time
    that there is: it takes the smallest of all finishing times o_b + k t_b. So the whole is exact, at 2^processors x heads.

    Raises InputError for fewer than 1 head, no processor or more than 12, or a number that is NaN or negative.
    """
    _check(heads, processors, power_limit, gather)
    found = []
    for size in range(1, len(processors) + 1):
        for chosen in combinations(range(len(processors)), size):
            if math.fsum(processors[b].power for b in chosen) <= power_limit:
                found.append(rated(_deal(heads, processors, chosen), processors, gather))
    return min(found, key=lambda split: (split.time, split.energy), default=None)


def _deal(heads: int, processors: Sequence[Processor], chosen: Sequence[int]) -> tuple[int, ...]:
    queue = [(processors[b].overhead + processors[b].time, b) for b in chosen]
    heapq.heapify(queue)
    counts = [0] * len(processors)
    for _ in range(heads):
        finish, b = queue[0]
        counts[b] += 1
        heapq.heapreplace(queue, (finish + processors[b].time, b))
    return tuple(counts)


def rated(counts: Sequence[int], processors: Sequence[Processor], gather: float = 0.0) -> Split:
    """Time, energy and power of a split."""
    busy = [(p.overhead + n * p.time, p) for n, p in zip(counts, processors, strict=True) if n > 0]
    time = max(t for t, _ in busy) + gather * (len(busy) - 1)
    return Split(tuple(counts), time, math.fsum(t * p.power for t, p in busy), math.fsum(p.power for _, p in busy))


def _check(heads: int, processors: Sequence[Processor], power_limit: float, gather: float) -> None:
    if not heads >= 1:
        raise InputError("head split", "heads", "is below 1", "give the heads of the layer", heads)
    if not 1 <= len(processors) <= LIMIT:
        problem = f"are not within 1 .. {LIMIT}"
        raise InputError("head split", "processors", problem, "name those that may take part", len(processors))
    for name, value in (("power_limit", power_limit), ("gather", gather)):
        if not value >= 0.0:
            raise InputError("head split", name, "is NaN or negative", "give 0 or more", value)
    for p in processors:
        for name in ("overhead", "time", "power"):
            if not 0.0 <= getattr(p, name) < math.inf:
                raise InputError(f"processor {p.name}", name, "is NaN, negative or infinite", "give another", getattr(p, name))
