"""The knapsack against brute force, the experts against all subsets, the front and ranking against their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_cases import variant

from rover_energy.errors import InputError
from rover_energy.inference import recommend
from rover_energy.inference.experts import choose_experts, cross_entropy, greedy_experts, mixture, renormalised
from rover_energy.inference.figures.experts_figures import gate_of, train_gate
from rover_energy.inference.selection import TaskDemand, select
from rover_energy.inference.tiers import choose_by_price, choose_by_quality, combinations, fixed, outcome, threshold_for

LADDER = st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.1, 5.0), st.floats(0.0, 1.0), st.floats(0.01, 1.0)), max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(LADDER, st.floats(0.1, 9.0), st.floats(0.1, 3.0), st.floats(0.05, 1.0)), min_size=1, max_size=4),
    st.floats(0.0, 30.0),
    st.floats(0.0, 12.0),
)
def test_knapsack_is_brute_force(tasks: list, energy: float, power: float) -> None:  # type: ignore[type-arg]
    demands = [TaskDemand(f"t{i}", count, weight, deadline) for i, (_, count, weight, deadline) in enumerate(tasks)]
    variants = {
        f"t{i}": [variant(f"v{i}{j}", f"t{i}", e, peak_power=p, quality=q, latency=s) for j, (e, p, q, s) in enumerate(ladder)]
        for i, (ladder, *_) in enumerate(tasks)
    }
    found = select(demands, variants, energy=energy, power=power)
    best = 0.0
    for combination in itertools.product(*([None, *variants[d.task]] for d in demands)):
        used = [(v, d) for v, d in zip(combination, demands, strict=True) if v is not None]
        fits = sum(v.energy * d.count for v, d in used) <= energy and sum(v.peak_power for v, _ in used) <= power
        if fits and all(v.latency <= d.deadline for v, d in used):
            best = max(best, sum(d.weight * d.count * v.quality for v, d in used))
    assert found.worth == pytest.approx(best, abs=1e-9)
    assert found.energy <= energy
    assert found.power <= power


def test_power_may_count_other_units_than_energy() -> None:
    """Ten units over 2 s of 0.5 s and 4 W each are 10 W; one that the energy must serve takes 3 J."""
    many = TaskDemand("t", 1.0, at_a_time=10.0)
    ladder = {"t": [variant("v", "t", 3.0, peak_power=4.0, latency=0.5)]}
    assert select([many], ladder, energy=3.0, power=9.9, period=2.0).chosen["t"] is None
    found = select([many], ladder, energy=3.0, power=10.1, period=2.0)
    assert (found.energy, found.power) == pytest.approx((3.0, 10.0))


def test_known_runs_pay_their_fixed_share_once_each() -> None:
    """1 J for 10 units, half of it fixed: a run of 100 costs 5.5 J, ten of 10 cost 10 J; 0.1 s become 0.55 s and 1 s."""
    ladder = {"t": [variant("v", "t", 0.1, batch=10, fixed_share=0.5, latency=0.1, peak_power=2.0)]}
    for runs, joules, seconds in (((100.0,), 5.5, 0.55), ((10.0,) * 10, 10.0, 1.0), ((), 10.0, 1.0), ((50.0,), 8.0, 0.8)):
        found = select([TaskDemand("t", 100.0, runs=runs)], ladder, energy=20.0, power=9.0, period=1.0)
        assert (found.energy, found.power) == pytest.approx((joules, 2.0 * seconds))
    late = TaskDemand("t", 100.0, deadline=0.5, runs=(100.0,))
    assert select([late], ladder, energy=20.0, power=9.0).chosen["t"] is None


@pytest.mark.parametrize("seed", range(3))
def test_a_gate_that_left_experts_out_chooses_among_the_rest(seed: int) -> None:
    """Expert 0 is always right; 1 and 2 each on their own half. A gate that sees all need never tell those two apart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(600, 2))
    y = rng.integers(0, 2, 600).astype(float)
    sure = np.where(np.arange(2) == y[:, None], 0.98, 0.02)
    half = x[:, :1] > 0.0
    answers = np.array([sure, np.where(half, sure, 0.5), np.where(half, 0.5, sure)])
    losses = []
    for dropped in (0.0, 0.5):
        weights = train_gate(x, y, answers, range(3), seed, dropped=dropped)
        losses.append(cross_entropy(mixture(gate_of(weights, x), answers, (1, 2)), y.astype(int)))
    ideal = -math.log(0.98)
    assert losses[1] < losses[0] - 0.03
    assert losses[1] < ideal + 0.15


def test_knapsack_refuses_nan() -> None:
    with pytest.raises(InputError, match="energy = nan"):
        select([], {}, energy=math.nan, power=1.0)
    with pytest.raises(InputError):
        TaskDemand("t", math.nan)


@pytest.mark.parametrize("seed", range(20))
def test_experts_are_those_of_all_subsets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    joules, seconds = rng.uniform(1.0, 9.0, n), rng.uniform(0.1, 1.0, n)
    table = {s: float(rng.uniform()) for k in range(1, n + 1) for s in itertools.combinations(range(n), k)}
    energy, latency = float(rng.uniform(0.5, joules.sum())), float(rng.uniform(0.2, 1.0))
    found = choose_experts(table.__getitem__, joules, seconds, energy=energy, latency=latency)
    fitting = {s: v for s, v in table.items() if joules[list(s)].sum() <= energy and seconds[list(s)].max() <= latency}
    assert (found is None) == (not fitting)
    if found is not None:
        assert found.members == min(fitting, key=fitting.__getitem__)
        assert found.visited == len(fitting), "what does not fit is not looked at"
        greedy = greedy_experts(table.__getitem__, joules, seconds, energy=energy, latency=latency)
        assert greedy is not None
        assert greedy.members in fitting
        assert greedy.loss >= found.loss


def test_experts_with_senseless_caps() -> None:
    with pytest.raises(InputError, match="are NaN"):
        choose_experts(lambda _: 0.0, [1.0], [1.0], energy=math.nan, latency=1.0)
    with pytest.raises(InputError, match="above 12"):
        choose_experts(lambda _: 0.0, np.ones(13), np.ones(13), energy=1.0, latency=1.0)


def test_mixture_of_a_subset() -> None:
    gate = np.array([[0.2, 0.3, 0.5]])
    answers = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.5, 0.5]]])
    assert renormalised(gate, (0, 1)) == pytest.approx(np.array([[0.4, 0.6]]))
    assert mixture(gate, answers, (0, 1)) == pytest.approx(np.array([[0.4, 0.6]]))
    assert cross_entropy([[0.4, 0.6]], [1]) == pytest.approx(-math.log(0.6))


POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(POINTS)
def test_front_and_volume_by_definition(points: list[tuple[int, int]]) -> None:
    q, e = np.array(points, dtype=float).T
    front = set(recommend.pareto(q, e).tolist())
    for i in range(len(q)):
        beaten = any((q[j] >= q[i] and e[j] < e[i]) or (q[j] > q[i] and e[j] <= e[i]) for j in range(len(q)))
        assert (i in front) == (not beaten)
    cells = sum(any(q[k] >= a + 1 and e[k] <= b for k in range(len(q))) for a in range(7) for b in range(7))
    assert recommend.hypervolume(q, e, worst_quality=0.0, worst_energy=7.0) == pytest.approx(cells)


def test_recommendation_and_ranking() -> None:
    q, e = [0.5, 0.9, 0.95, 0.6], [1.0, 5.0, 20.0, 30.0]
    assert recommend.recommend(q, e, 0.0).tolist() == [0, 1, 2]
    assert recommend.recommend(q, e, 1.0).tolist() == [2, 1, 0]
    assert recommend.recommend(q, e, 0.0, least=0.8).tolist() == [1, 2]
    assert recommend.recommend(q, e, 0.5, least=0.99).tolist() == [2]
    assert recommend.cheapest_within(q, e, 0.06) == 1
    with pytest.raises(InputError):
        recommend.recommend(q, e, math.nan)


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_is_that_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: pip install 'rover-energy[infer]'")
    rng = np.random.default_rng(seed)
    relevance, predicted = rng.uniform(size=12), rng.uniform(size=12)
    ours = recommend.ndcg(relevance, np.argsort(-predicted).tolist(), 5)
    assert ours == pytest.approx(metrics.ndcg_score([relevance], [predicted], k=5))


def test_tiers() -> None:
    quality = np.array([[0.2, 0.9, 1.0], [0.95, 0.9, 1.0], [0.1, 0.2, 0.3]])
    cost = np.array([1.0, 3.0, 10.0])
    assert choose_by_quality(quality, cost, 0.9).arm.tolist() == [1, 0, 2]
    assert choose_by_price(quality, cost, 0.0).arm.tolist() == [2, 2, 2]
    assert choose_by_price(quality, cost, 10.0).arm.tolist() == [0, 0, 0]
    assert outcome(choose_by_quality(quality, cost, 0.9), quality, cost) == pytest.approx(((0.9 + 0.95 + 0.3) / 3, 14.0 / 3))
    assert fixed(quality, cost)[2] == pytest.approx((2.3 / 3, 10.0))
    assert threshold_for(quality, quality, cost, [0.1, 0.9, 1.0], 0.7) == 0.9
    assert len(combinations(3)) == 27
    with pytest.raises(InputError):
        choose_by_quality([[math.nan]], [1.0], 0.5)


@given(st.integers(0, 1000), st.lists(st.floats(0.0, 5.0), min_size=2, max_size=5))
def test_cost_never_rises_with_its_price(seed: int, weights: list[float]) -> None:
    rng = np.random.default_rng(seed)
    quality, cost = rng.uniform(size=(4, 6)), rng.uniform(0.1, 5.0, size=6)
    spent = [cost[choose_by_price(quality, cost, w).arm] for w in sorted(weights)]
    assert all(np.all(b <= a + 1e-9) for a, b in itertools.pairwise(spent))
