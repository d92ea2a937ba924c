"""The energy cascade: scores against scipy, thresholds against the joules left, accuracy against direct counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import entropy as scipy_entropy

from rover_energy.errors import InputError
from rover_energy.inference.cascade import (
    Cascade,
    accuracy_curve,
    area_under,
    cheapest_share,
    entropy,
    free_energy,
    max_softmax,
    softmax,
)

RNG = np.random.default_rng(4)
LOGITS = RNG.normal(0.0, 30.0, size=(50, 6))


def test_scores_are_those_of_scipy() -> None:
    for temperature in (0.5, 1.0, 3.0):
        assert free_energy(LOGITS, temperature) == pytest.approx(-temperature * logsumexp(LOGITS / temperature, axis=1))
    assert entropy(LOGITS) == pytest.approx(scipy_entropy(softmax(LOGITS), axis=1), abs=1e-12)
    assert max_softmax([[0.0, 0.0], [1e4, 0.0]]) == pytest.approx([0.5, 0.0])


def test_threshold_spends_what_is_left_and_no_more() -> None:
    scores = RNG.normal(size=20_000)
    cascade = Cascade.calibrate(scores[:10_000], swift=1.0, super_=8.0)
    for each in (1.5, 3.0, 6.0):
        threshold = cascade.threshold_for_energy(each * 500.0, 500.0)
        share = np.mean([cascade.route_up(s, threshold) for s in scores[10_000:]])
        assert cascade.energy(share) == pytest.approx(each, rel=0.05)
    assert cascade.threshold_for_energy(400.0, 500.0) == math.inf
    assert cascade.threshold_for_energy(math.nan, 500.0) == math.inf
    assert cascade.threshold_for_energy(500.0 * 9.0, 500.0) == -math.inf


def test_what_is_not_a_number_goes_up_unless_nothing_may() -> None:
    cascade = Cascade.calibrate([0.0, 1.0], 1.0, 2.0)
    assert cascade.route_up(math.nan, 0.5)
    assert not cascade.route_up(math.nan, math.inf)
    for bad in ([1.0], [math.nan, 1.0]):
        with pytest.raises(InputError):
            Cascade.calibrate(bad, 1.0, 2.0)
    with pytest.raises(InputError):
        Cascade.calibrate([0.0, 1.0], 0.0, 2.0)


def test_curve_by_counting() -> None:
    scores, small, large = RNG.uniform(size=30), RNG.integers(0, 2, 30), RNG.integers(0, 2, 30)
    curve = accuracy_curve(scores, small, large)
    for k in (0, 7, 30):
        up = set(np.argsort(-scores)[:k].tolist())
        assert curve[k] == pytest.approx(np.mean([large[i] if i in up else small[i] for i in range(30)]))
    assert area_under([0.0, 1.0]) == 0.5
    share = cheapest_share(scores, small, large, drop=0.0)
    assert curve[round(share * 30)] >= large.mean()
    assert all(curve[k] < large.mean() for k in range(round(share * 30)))
