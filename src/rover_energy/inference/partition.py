"""Training split over nodes: contiguous stages by dynamic programming, and the order of their work.

A network's layers are cut into as many contiguous stages as there are nodes (rover and lander, say); micro-batches flow
through them forward and back (one forward, one backward: 1F1B), gradients are accumulated, so that the step is that of one
machine. Each node has its own memory and its own bus: the cut keeps both, and makes the slowest stage as fast as possible.

References
----------
Chen, Chen et al. 2023, "Confidant: Customizing Transformer-based LLMs via Collaborative Edge Training", arXiv 2311.13381
(stages by dynamic programming; the abstract only, the recurrence here is the usual one). Narayanan et al. 2021,
"Memory-Efficient Pipeline-Parallel DNN Training", arXiv 2006.09503, section 2 (1F1B).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError

COPIES = 4  # of every weight while Adam trains: the weight, its gradient and two moments
TOLERANCE = 1e-12


@dataclass(frozen=True)
class Layer:
    """One layer, for one micro-batch.

    work : forward and backward [MAC]; weights [byte]; kept : activations that the backward pass needs [byte]; sent : its
    output [byte].
    """

    work: float
    weights: float
    kept: float
    sent: float


@dataclass(frozen=True)
class Node:
    """One machine with its bus.

    speed : unthrottled [MAC/s]. energy : of a multiply-accumulate [J]. idle : power of its processor while it waits [W].
    power_limit : most that training may take from its bus at any instant [W]: it computes so much slower that it keeps it.
    memory : most that training may hold [byte]. energy_limit : grant for one step [J]. bandwidth : towards its neighbours
    [byte/s]. radio_power : of its radio while it sends or listens [W]; it does not compute then.
    """

    name: str
    speed: float
    energy: float
    idle: float = 0.0
    power_limit: float = math.inf
    memory: float = math.inf
    energy_limit: float = math.inf
    bandwidth: float = math.inf
    radio_power: float = 0.0

    def __post_init__(self) -> None:
        for name in ("speed", "bandwidth"):
            if not getattr(self, name) > 0.0:
                raise InputError(f"node {self.name}", name, "is not above 0", "give another", getattr(self, name))
        for name in ("energy", "idle", "power_limit", "memory", "energy_limit", "radio_power"):
            if not getattr(self, name) >= 0.0:
                raise InputError(f"node {self.name}", name, "is NaN or negative", "give 0 or more", getattr(self, name))

    @property
    def pace(self) -> float:
        """Speed within the power limit [MAC/s]; 0 when it leaves nothing above idling."""
        left = self.power_limit - self.idle
        return 0.0 if left <= 0.0 else self.speed if self.energy == 0.0 else min(self.speed, left / self.energy)

    @property
    def power(self) -> float:
        """While it computes [W]."""
        return self.idle + self.energy * self.pace


@dataclass(frozen=True)
class Stage:
    """Layers `first` to `end` - 1 on one node. time : of one micro-batch, forward and back, with what it receives and sends
    [s]; energy : of a whole step above idling [J]; memory : peak [byte]; power : largest [W]."""

    node: Node
    first: int
    end: int
    time: float
    energy: float
    memory: float
    power: float


class Costs:
    """Costs of every possible stage. Raises InputError for no layers, more nodes than layers, or no micro-batch."""

    def __init__(self, layers: Sequence[Layer], nodes: Sequence[Node], micro_batches: int) -> None:
        counts = {"layers": (len(layers), max(1, len(nodes))), "nodes": (len(nodes), 1), "micro_batches": (micro_batches, 1)}
        for name, (value, least) in counts.items():
            if not value >= least:
                raise InputError("partition", name, f"is below {least}", "give more", value)
        for i, layer in enumerate(layers):
            if not all(0.0 <= value < math.inf for value in vars(layer).values()):
                raise InputError("partition", f"layers[{i}]", "is NaN, negative or infinite", "give costs of 0 or more", layer)
        self.layers, self.nodes, self.micro_batches = tuple(layers), tuple(nodes), micro_batches
        self.work, self.weights, self.kept = (
            [0.0, *accumulate(getattr(layer, name) for layer in layers)] for name in ("work", "weights", "kept")
        )

    def stage(self, s: int, first: int, end: int) -> Stage:
        """The s-th stage with these layers. Stages before the last hold the activations of more than one micro-batch."""
        node, m = self.nodes[s], self.micro_batches
        work = self.work[end] - self.work[first]
        open_at_once = min(m, len(self.nodes) - s)
        memory = COPIES * (self.weights[end] - self.weights[first]) + open_at_once * (self.kept[end] - self.kept[first])
        # forward: its input comes, its output goes; backward: the gradients of both, the other way
        crossed = [self.layers[i - 1].sent for i in (first, end) if 0 < i < len(self.layers)]
        moved = 2.0 * math.fsum(crossed)
        radio = moved / node.bandwidth
        computing = 0.0 if work == 0.0 else work / node.pace if node.pace > 0.0 else math.inf
        energy = m * (work * node.energy + radio * node.radio_power)
        power = max(node.power, node.idle + (node.radio_power if moved > 0.0 else 0.0))
        return Stage(node, first, end, computing + radio, energy, memory, power)

    def fits(self, stage: Stage) -> bool:
        """Memory, power at every instant, and joules of a step are within the node's limits."""
        n = stage.node
        within = stage.memory <= n.memory and stage.power <= n.power_limit and stage.energy <= n.energy_limit
        return within and math.isfinite(stage.time)


def partition(layers: Sequence[Layer], nodes: Sequence[Node], micro_batches: int) -> tuple[Stage, ...] | None:
    """The cut whose slowest stage is fastest, and among those the one of least energy; None when none fits.

    Every node gets one layer or more, in the order given. Work grows with nodes x layers^2.
    """
    costs = Costs(layers, nodes, micro_batches)
    fastest = _best(costs, math.inf, of_time=True)
    return None if fastest is None else _best(costs, max(s.time for s in fastest) * (1.0 + TOLERANCE), of_time=False)


def cheapest(layers: Sequence[Layer], nodes: Sequence[Node], micro_batches: int, slowest: float) -> tuple[Stage, ...] | None:
    """The cut of least energy whose slowest stage takes `slowest` [s] or less per micro-batch; None when none fits."""
    if not slowest > 0.0:
        raise InputError("partition", "slowest", "is not above 0 s", "give another", slowest)
    return _best(Costs(layers, nodes, micro_batches), slowest, of_time=False)


def _best(costs: Costs, slowest: float, *, of_time: bool) -> tuple[Stage, ...] | None:
    """best[s][j]: least bottleneck (or sum of energies) of the first s stages over the first j layers."""
    length, count = len(costs.layers), len(costs.nodes)
    best: list[dict[int, tuple[float, tuple[Stage, ...]]]] = [{0: (0.0, ())}]
    for s in range(count):
        row: dict[int, tuple[float, tuple[Stage, ...]]] = {}
        for first, (value, stages) in best[-1].items():
            ends = (length,) if s == count - 1 else range(first + 1, length - (count - 1 - s) + 1)
            for end in ends:
                made = costs.stage(s, first, end)
                if not (costs.fits(made) and made.time <= slowest):
                    continue
                whole = max(value, made.time) if of_time else value + made.energy
                if end not in row or whole < row[end][0]:
                    row[end] = (whole, (*stages, made))
        best.append(row)
    found = best[-1].get(length)
    return None if found is None else found[1]


def order(stage: int, stages: int, micro_batches: int) -> list[tuple[str, int]]:
    """What a stage does, one after the other: ("forward" or "backward", micro-batch). 1F1B: after a warm-up of as many
    forwards as there are stages behind it, one forward and one backward in turn; then the backwards that are left."""
    ahead = min(stages - 1 - stage, micro_batches)
    made = [("forward", k) for k in range(ahead)]
    for k in range(micro_batches - ahead):
        made += [("forward", ahead + k), ("backward", k)]
    return made + [("backward", k) for k in range(micro_batches - ahead, micro_batches)]


def play(stages: Sequence[Stage], micro_batches: int, forward: float = 1.0 / 3.0) -> NDArray[np.float64]:
    """Begin and end of every stage's busy times in one step [s], (stages, 2 x micro-batches, 2), in the order of `order`.

    `forward` : share of a stage's time that its forward pass takes; a backward pass takes about twice as long.
    """
    count = len(stages)
    queues = [order(s, count, micro_batches) for s in range(count)]
    done: dict[tuple[int, str, int], float] = {}
    times = np.zeros((count, 2 * micro_batches, 2))
    at, free = [0] * count, [0.0] * count
    while any(at[s] < len(queues[s]) for s in range(count)):
        moved = False
        for s in range(count):
            if at[s] == len(queues[s]):
                continue
            kind, k = queues[s][at[s]]
            before = (s - 1, kind, k) if kind == "forward" else (s + 1, kind, k)
            needs = 0.0 if not 0 <= before[0] < count else done.get(before, math.nan)
            if math.isnan(needs):
                continue
            begin = max(free[s], needs)
            free[s] = done[(s, kind, k)] = begin + stages[s].time * (forward if kind == "forward" else 1.0 - forward)
            times[s, at[s]] = begin, free[s]
            at[s], moved = at[s] + 1, True
        if not moved:
            raise RuntimeError("the order of the stages waits for itself")
    return times
