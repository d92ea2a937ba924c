"""Cuts against all cuts, limits kept at every instant, and the order of work against what 1F1B promises."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.inference.partition import Costs, Layer, Node, Stage, cheapest, order, partition, play

EVEN = [Layer(2.0, 100.0, 10.0, 1.0)] * 6
ROVER, LANDER = Node("rover", 1.0, 1.0), Node("lander", 1.0, 1.0)


def random_case(rng: np.random.Generator) -> tuple[list[Layer], list[Node], int]:
    layers = [Layer(*rng.uniform(0.1, 1.0, 4)) for _ in range(int(rng.integers(2, 13)))]
    whole = sum(4.0 * layer.weights + layer.kept for layer in layers)
    nodes = [
        Node(
            f"n{i}", rng.uniform(0.3, 2.0), rng.uniform(0.5, 2.0), 0.1, rng.choice([math.inf, rng.uniform(0.3, 3.0)]),
            rng.choice([math.inf, whole * rng.uniform(0.4, 1.2)]), rng.choice([math.inf, rng.uniform(5.0, 60.0)]),
            rng.uniform(1.0, 20.0), rng.uniform(0.0, 2.0),
        )
        for i in range(int(rng.integers(1, min(4, len(layers)) + 1)))
    ]  # fmt: skip
    return layers, nodes, int(rng.integers(1, 6))


def all_cuts(layers: list[Layer], nodes: list[Node], micro_batches: int) -> list[tuple[Stage, ...]]:
    costs = Costs(layers, nodes, micro_batches)
    found = []
    for cuts in combinations(range(1, len(layers)), len(nodes) - 1):
        edges = (0, *cuts, len(layers))
        stages = tuple(costs.stage(s, edges[s], edges[s + 1]) for s in range(len(nodes)))
        if all(costs.fits(stage) for stage in stages):
            found.append(stages)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_as_good_as_all_cuts(seed: int) -> None:
    rng, none = np.random.default_rng(seed), 0
    for _ in range(60):
        layers, nodes, m = random_case(rng)
        cuts, found = all_cuts(layers, nodes, m), partition(layers, nodes, m)
        if not cuts:
            none += 1
            assert found is None
            continue
        assert found is not None
        key = lambda stages: (max(s.time for s in stages), sum(s.energy for s in stages))  # noqa: E731
        fastest = min(map(key, cuts))
        assert key(found) == pytest.approx(fastest, rel=1e-9)
        slower = 1.5 * fastest[0]
        cheap = cheapest(layers, nodes, m, slower)
        assert cheap is not None
        assert key(cheap)[1] == pytest.approx(min(e for t, e in map(key, cuts) if t <= slower), rel=1e-9)
    assert 0 < none < 60, "the cases hold both kinds"


def test_equal_machines_share_equally_and_a_capped_bus_gets_less() -> None:
    found = partition(EVEN, [ROVER, LANDER], 4)
    assert found is not None
    assert [(s.first, s.end) for s in found] == [(0, 3), (3, 6)]
    capped = replace(LANDER, power_limit=0.5)
    assert capped.pace == 0.5
    found = partition(EVEN, [ROVER, capped], 4)
    assert found is not None
    assert [(s.first, s.end) for s in found] == [(0, 4), (4, 6)]
    assert found[1].power <= 0.5
    assert partition(EVEN, [ROVER, replace(LANDER, power_limit=0.2, idle=0.3)], 4) is None, "idling takes more than there is"


def test_memory_counts_copies_and_open_micro_batches() -> None:
    costs = Costs(EVEN, [ROVER, LANDER], 4)
    assert costs.stage(0, 0, 3).memory == 4 * 300.0 + 2 * 30.0, "the first of two stages has two micro-batches open"
    assert costs.stage(1, 3, 6).memory == 4 * 300.0 + 30.0
    assert partition(EVEN, [replace(ROVER, memory=900.0), LANDER], 4)[0].end == 2  # type: ignore[index]
    assert partition(EVEN, [replace(ROVER, memory=1.0), LANDER], 4) is None


def test_joules_of_a_step_by_hand() -> None:
    node = Node("rover", 2.0, 3.0, bandwidth=0.5, radio_power=7.0)
    stage = Costs(EVEN, [node, LANDER], 4).stage(0, 0, 2)
    assert stage.time == pytest.approx(4.0 / 2.0 + 2.0 * 1.0 / 0.5), "its output goes, the gradient of it comes"
    assert stage.energy == pytest.approx(4 * (4.0 * 3.0 + 4.0 * 7.0))
    assert Costs(EVEN, [node, LANDER], 4).stage(0, 0, 1).energy == pytest.approx(4 * (2.0 * 3.0 + 28.0)) == 136.0
    assert partition(EVEN, [replace(node, energy_limit=135.0), LANDER], 4) is None
    assert partition(EVEN, [replace(node, energy_limit=137.0), LANDER], 4)[0].end == 1  # type: ignore[index]


@pytest.mark.parametrize(("stages", "m"), [(1, 1), (2, 1), (2, 4), (3, 2), (4, 8)])
def test_order_and_play(stages: int, m: int) -> None:
    for s in range(stages):
        made = order(s, stages, m)
        assert sorted(made) == sorted((kind, k) for kind in ("forward", "backward") for k in range(m))
        open_at_once = np.cumsum([1 if kind == "forward" else -1 for kind, _ in made])
        assert open_at_once.max() == min(m, stages - s), "no more micro-batches are open than the memory counts"
    layers = [Layer(3.0, 1.0, 1.0, 0.0)] * stages
    found = partition(layers, [Node(str(s), 1.0, 1.0) for s in range(stages)], m)
    assert found is not None
    times = play(found, m)
    assert times[:, :, 1].max() == pytest.approx(3.0 * (m + stages - 1)), "as long as the pipeline takes to fill, work and drain"
    assert np.all(times[:, 1:, 0] >= times[:, :-1, 1] - 1e-12), "a stage does one thing at a time"


def test_bad_input() -> None:
    for call in (
        lambda: partition([], [ROVER], 1), lambda: partition(EVEN, [], 1), lambda: partition(EVEN[:1], [ROVER, LANDER], 1),
        lambda: partition(EVEN, [ROVER], 0), lambda: partition([replace(EVEN[0], work=math.nan)], [ROVER], 1),
        lambda: Node("x", math.nan, 1.0), lambda: Node("x", 1.0, math.nan), lambda: cheapest(EVEN, [ROVER], 1, math.nan),
    ):  # fmt: skip
        with pytest.raises(InputError):
            call()
