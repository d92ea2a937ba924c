"""Figures of training split over rover and lander: real processes for gradients, memory, pauses; cuts beside all there are."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.head_split import Processor, rated, split_heads
from rover_energy.inference.learning.pipeline import Session, again, gathered, new_meeting, run_session
from rover_energy.inference.learning.staged_decoder import Lesson, alone, load, measure_layers, save
from rover_energy.inference.metering import CORE_POWER
from rover_energy.inference.partition import Costs, Layer, Node, Stage, partition, play

SPEED = 4e9  # [MAC/s] of a core, declared
ROVER = Node("rover", SPEED, CORE_POWER / SPEED, 0.5, 8.0, bandwidth=2.5e6, radio_power=4.0)
LANDER = Node("lander", SPEED, CORE_POWER / SPEED, 0.5, 4.5, bandwidth=2.5e6, radio_power=4.0)
PRETRAINING, STEPS, CASES = 8, 4, 100


def one_seed(seed: int) -> dict[str, float]:
    """Everything of a seed."""
    return {**trained(seed), **cuts(seed), **heads(seed)}


def trained(seed: int) -> dict[str, float]:
    """Fine-tuning on one machine, on two, and on two with a pause; both begin from weights that were trained on other data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = Lesson(seed=seed, data_seed=seed, steps=PRETRAINING)
        save(alone(before)[0].state_dict(), folder / "start.pt")
        lesson = Lesson(seed=seed, data_seed=100 + seed, steps=STEPS, start=str(folder / "start.pt"))
        _, gradients, memory = alone(lesson, steps=1)
        _, _, in_parts = alone(lesson, micro_batches=lesson.micro_batches, steps=1)
        stages = partition(measure_layers(lesson), (ROVER, LANDER), lesson.micro_batches)
        assert stages is not None
        cut = tuple(stage.first for stage in stages[1:])
        session = Session(lesson, cut, str(folder / "whole"), new_meeting(folder), keep_gradients=True)
        runs = run_session(session)
        found = {k: v for s in (0, 1) for k, v in load(folder / "whole" / f"gradients-{s}.pt").items()}
        halves = Session(lesson, cut, str(folder / "halves"), new_meeting(folder), most_steps=STEPS // 2)
        run_session(halves)
        run_session(again(halves, most_steps=0))
        whole, resumed = gathered(session, STEPS), gathered(halves, STEPS)
    most = max(run.memory for run in runs)
    return {
        "gradient": max(float((found[k] - g).abs().max()) for k, g in gradients.items()),
        "resumed": max(float((whole[k] - w).abs().max()) for k, w in resumed.items()),
        "memory": most / memory, "parts": in_parts / memory, "split": most / in_parts,
    }  # fmt: skip


def random_case(rng: np.random.Generator) -> tuple[list[Layer], list[Node], int]:
    """A network of up to 12 layers and up to 4 nodes, some of them with limits."""
    layers = [Layer(*(float(v) for v in rng.uniform(0.1, 1.0, 4))) for _ in range(int(rng.integers(2, 13)))]
    whole = sum(4.0 * layer.weights + layer.kept for layer in layers)
    nodes = []
    for i in range(int(rng.integers(1, min(4, len(layers)) + 1))):
        drawn = rng.uniform((0.3, 0.5, 0.5, 0.4, 10.0, 1.0, 0.0), (2.0, 2.0, 4.0, 1.2, 90.0, 20.0, 2.0))
        speed, energy, watts, memory, joules, bandwidth, radio = (float(v) for v in drawn)
        limited = rng.random(3) < 0.4
        nodes.append(Node(
            f"node {i}", speed, energy, 0.1, watts if limited[0] else math.inf, memory * whole if limited[1] else math.inf,
            joules if limited[2] else math.inf, bandwidth, min(radio, watts - 0.1),
        ))  # fmt: skip
    return layers, nodes, int(rng.integers(1, 6))


def all_cuts(layers: Sequence[Layer], nodes: Sequence[Node], micro_batches: int) -> list[tuple[Stage, ...]]:
    """Every cut that keeps all limits."""
    costs, found = Costs(layers, nodes, micro_batches), []
    for inner in combinations(range(1, len(layers)), len(nodes) - 1):
        edges = (0, *inner, len(layers))
        stages = tuple(costs.stage(s, edges[s], edges[s + 1]) for s in range(len(nodes)))
        if all(costs.fits(stage) for stage in stages):
            found.append(stages)
    return found


def slowest(stages: Sequence[Stage]) -> float:
    """[s]"""
    return max(stage.time for stage in stages)


def cuts(seed: int) -> dict[str, float]:
    """Random cases: equal to all cuts; excess over the limit of any bus at any instant; even cuts beside them."""
    rng = np.random.default_rng(seed)
    equal, even, excess = [], [], 0.0
    for _ in range(CASES):
        layers, nodes, m = random_case(rng)
        found, every = partition(layers, nodes, m), all_cuts(layers, nodes, m)
        if found is None or not every:
            equal.append(found is None and not every)
            continue
        equal.append(math.isclose(slowest(found), min(map(slowest, every))))
        excess = max(excess, max(stage.power - stage.node.power_limit for stage in found))
        times = play(found, m)
        assert np.all(times[:, 1:, 0] >= times[:, :-1, 1] - 1e-9), "a node does one thing at a time, so its powers do not add up"
        edges = np.linspace(0, len(layers), len(nodes) + 1).round().astype(int)
        costs = Costs(layers, nodes, m)
        plain = [costs.stage(s, int(edges[s]), int(edges[s + 1])) for s in range(len(nodes))]
        even.append(slowest(plain) / slowest(found) if all(map(costs.fits, plain)) else math.inf)
    return {"equal": float(np.mean(equal)), "excess": excess, "even": float(np.median(even))}


def heads(seed: int) -> dict[str, float]:
    """Random splits: worst ratio to the best of all splits, and of the fastest processor alone."""
    rng, worst, single = np.random.default_rng(seed), 1.0, []
    for _ in range(CASES):
        count, gather = int(rng.integers(4, 25)), float(rng.uniform(0.0, 0.5))
        draws = rng.uniform((0.0, 0.2, 1.0), (3.0, 4.0, 9.0), (int(rng.integers(2, 5)), 3))
        some = [Processor(str(b), *map(float, row)) for b, row in enumerate(draws)]
        limit = float(draws[:, 2].min() + rng.uniform(0.0, 25.0))
        every = [rated(c, some, gather) for c in _compositions(count, len(some))]
        best = min(split.time for split in every if split.power <= limit)
        found = split_heads(count, some, power_limit=limit, gather=gather)
        worst = max(worst, math.inf if found is None else found.time / best)
        one = [rated(tuple(count * (b == k) for b in range(len(some))), some) for k in range(len(some))]
        single.append(min(split.time for split in one if split.power <= limit) / best)
    return {"heads": worst, "single": float(np.median(single))}


@cache
def _compositions(total: int, parts: int) -> tuple[tuple[int, ...], ...]:
    """All ways to share so many heads: places of the bars among stars."""
    bars = combinations(range(total + parts - 1), parts - 1)
    return tuple(tuple(b - a - 1 for a, b in pairwise((-1, *inner, total + parts - 1))) for inner in bars)


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "45 % of the memory and 8x the speed with phones: other machines, no code; here two processes of one computer"
    name, kind, exact, no_bound = "Confidant", "measured", "arithmetic", float("inf")
    return [
        Figure(name, "largest difference of a gradient to one machine", column["gradient"], 1e-6, False, kind, paper=paper),
        Figure(
            name, "peak memory of the larger stage over one machine", column["memory"], 0.6, False, kind, column["parts"],
            "one machine with micro-batches",
        ),
        Figure(name, "likewise, over one machine with micro-batches", column["split"], no_bound, False, kind),
        Figure(name, "weights after a pause: largest difference", column["resumed"], 0.0, False, kind),
        Figure(name, "cuts as good as the best of all, up to 12 layers", column["equal"], 1.0, True, exact),
        Figure(name, "slowest stage of an even cut over that of the best, median", column["even"], no_bound, True, exact),
        Figure(name, "power above a node's limit at any instant [W]", column["excess"], 0.0, False, exact),
        Figure(
            name, "time of a head split over the best of all, worst case", column["heads"], 1.05, False, exact, column["single"],
            "one processor, median",
        ),
    ]  # fmt: skip

