"""Decisions against looking at every number of labels, break-even prices by hand, and curves that promise nothing unmeasured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.inference.distil_or_annotate import (
    PROBE,
    PROBE_LEAST,
    Curve,
    Method,
    Rehearsal,
    break_even,
    curves_at,
    decide,
    doubt_of,
    pooled,
    probe_labels,
)

ANNOTATE = Curve((0.0, 60.0, 180.0, 560.0, 1560.0), (0.25, 0.33, 0.48, 0.61, 0.72), 5.0, 0.01)
DISTIL = Curve((0.0, 60.0, 180.0), (0.70, 0.75, 0.79), 70.0, 0.02)


def test_pooling_gives_the_nearest_rising_sequence() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(size=int(rng.integers(1, 15)))
        wanted = isotonic.isotonic_regression(values)
        assert pooled(values.tolist()) == pytest.approx(wanted.tolist())


def test_curves() -> None:
    assert ANNOTATE.at(60.0) == 0.33
    assert 0.33 < ANNOTATE.at(100.0) < 0.48
    assert ANNOTATE.at(1e9) == 0.72, "nothing beyond the last point is promised"
    assert math.isnan(Curve((20.0, 60.0), (0.1, 0.2)).at(10.0))
    assert ANNOTATE.needed(0.48) == 180
    assert ANNOTATE.needed(0.9) == math.inf
    assert ANNOTATE.at(ANNOTATE.needed(0.55)) >= 0.55 > ANNOTATE.at(ANNOTATE.needed(0.55) - 1)
    assert Curve((0.0, 10.0, 20.0), (0.5, 0.7, 0.6)).at(20.0) == pytest.approx(0.65), "a chance loss is evened out"
    assert ANNOTATE.affordable(35.0, 30.0) == 0
    assert ANNOTATE.affordable(35.02, 30.0) == 1
    assert ANNOTATE.affordable(4.9, 30.0) == -1
    assert ANNOTATE.affordable(1e9, 30.0) == 1560
    assert Curve((0.0, 5.0), (0.1, 0.2)).affordable(0.0, 0.0) == 5, "labels may be free"


def test_break_even_by_hand() -> None:
    assert break_even(ANNOTATE, Curve((0.0,), (0.61,), 65.0)) == pytest.approx(60.0 / 560.0 - 0.01)
    assert math.isnan(break_even(ANNOTATE, Curve((0.0,), (0.9,), 65.0))), "no number of labels is known to get there"
    assert break_even(ANNOTATE, Curve((0.0,), (0.61,), 5.0)) == 0.0
    price = break_even(ANNOTATE, DISTIL)
    for factor, wanted in ((0.9, Method.ANNOTATE), (1.1, Method.DISTIL)):
        alone = (Method.ANNOTATE, Method.DISTIL)
        budget = 1.001 * ANNOTATE.energy(ANNOTATE.needed(0.70), factor * price) if factor < 1 else 71.0
        made = decide(ANNOTATE, DISTIL, label_energy=factor * price, budget=budget, allowed=alone, resolution=0.0)
        assert made.method is wanted, made.reason


def test_budgets_and_prices_change_the_way() -> None:
    rich = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=1e6)
    assert rich.method is Method.HYBRID
    assert rich.quality >= 0.79 - 0.005
    poor = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=100.0)
    assert (poor.method, poor.labels) == (Method.DISTIL, 0)
    assert decide(ANNOTATE, DISTIL, label_energy=0.0, budget=69.0).method is Method.ANNOTATE
    broke = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=1.0)
    assert broke.method is Method.NONE
    assert "the least takes 5 J" in broke.reason
    good = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=1e6, before=0.8)
    assert good.method is Method.NONE
    assert "promises more" in good.reason
    assert decide(ANNOTATE, DISTIL, label_energy=30.0, budget=1e6, allowed=[Method.ANNOTATE]).method is Method.ANNOTATE
    assert decide(ANNOTATE, DISTIL, label_energy=30.0, budget=1e6, available=0).method is Method.DISTIL


shares = st.floats(0.0, 1.0)
curves = st.builds(
    lambda q, fixed, each, first: Curve(tuple(first + 7.0 * i for i in range(len(q))), tuple(q), fixed, each),
    st.lists(shares, min_size=1, max_size=5), st.floats(0.0, 50.0), st.floats(0.0, 1.0), st.sampled_from([0.0, 3.0]),
)  # fmt: skip


@given(curves, curves, st.floats(0.0, 5.0), st.floats(0.0, 300.0), shares)
def test_as_good_as_looking_at_every_number(a: Curve, d: Curve, price: float, budget: float, before: float) -> None:
    """Every number that was measured, and the greatest that the budget carries, unless it lies between none and the first."""
    made = decide(a, d, label_energy=price, budget=budget, before=before, resolution=0.01)
    every = []
    for curve in (a, d):
        paid = [n for n in range(int(curve.labels[0]), int(curve.labels[-1]) + 1) if curve.energy(n, price) <= budget]
        least = min((n for n in curve.labels if n > 0), default=math.inf)
        every += [(curve.at(n), curve.energy(n, price)) for n in paid if n in curve.labels or (n == max(paid) and n > least)]
    best = max((q for q, _ in every), default=0.0)
    if made.method is Method.NONE:
        assert not best > before + 0.01
        return
    assert made.energy <= budget * (1.0 + 1e-9) + 1e-6
    assert made.quality > before
    assert made.quality >= best - 0.01 - 1e-9
    assert made.energy <= min(e for q, e in every if q >= max(best - 0.01, np.nextafter(before, 1.0))) + 1e-9


def test_a_handful_of_labels_is_never_asked_for() -> None:
    """Not where a curve between none and the first number that was measured would have it so."""
    made = decide(ANNOTATE, Curve((0.0, 60.0), (0.70, 0.71), 70.0), label_energy=30.0, budget=1500.0)
    assert (made.method, made.labels) == (Method.DISTIL, 0)
    made = decide(ANNOTATE, Curve((0.0, 60.0), (0.70, 0.71), 70.0), label_energy=30.0, budget=2000.0)
    assert (made.method, made.labels) == (Method.HYBRID, 60)
    assert ANNOTATE.numbers(59.0) == [0.0]
    assert ANNOTATE.numbers(100.0) == [0.0, 60.0, 100.0]
    assert ANNOTATE.numbers(560.0) == [0.0, 60.0, 180.0, 560.0]


def test_the_teacher_tells_which_curves_hold() -> None:
    poor = Curve(DISTIL.labels, (0.2, 0.3, 0.4), 90.0, 0.01)
    near, far = Rehearsal(0.9, ANNOTATE, DISTIL), Rehearsal(0.5, ANNOTATE, poor)
    for right, wanted in ((1.0, DISTIL), (0.9, DISTIL), (0.5, poor), (0.1, poor)):
        assert curves_at((near, far), right)[1].quality == wanted.quality
    annotate, distil = curves_at((near, far), 0.6)
    assert annotate.quality == pytest.approx(ANNOTATE.quality)
    assert distil.quality == pytest.approx([0.25 * d + 0.75 * p for d, p in zip(DISTIL.quality, poor.quality, strict=True)])
    assert (distil.fixed, distil.per_label) == (90.0, 0.02)
    ways = [decide(*curves_at((near, far), right), label_energy=30.0, budget=5e4).method for right in (0.9, 0.5)]
    assert ways == [Method.HYBRID, Method.ANNOTATE]
    for bad in (math.nan, -0.1, 1.1):
        with pytest.raises(InputError):
            curves_at((near, far), bad)
    with pytest.raises(InputError, match="differ"):
        curves_at((near, Rehearsal(0.5, DISTIL, DISTIL)), 0.6)


def test_a_place_is_judged_by_a_tenth_of_the_budget_at_most() -> None:
    assert probe_labels(1e6, 30.0, 5000) == PROBE
    assert probe_labels(30.0 * PROBE_LEAST * 10.0, 30.0, 5000) == PROBE_LEAST
    assert probe_labels(30.0 * PROBE_LEAST * 9.9, 30.0, 5000) == 0
    assert probe_labels(1e6, 30.0, PROBE_LEAST - 1) == 0
    assert probe_labels(math.inf, 0.0, 50) == 50


def test_labels_that_are_there_are_part_of_every_price() -> None:
    """No way has them cheaper, and up to as many it costs nothing to use them."""
    free = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=5e4, allowed=(Method.DISTIL,))
    paid = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=5e4, allowed=(Method.DISTIL,), paid=100)
    assert (free.labels, paid.labels) == (0, 0)
    assert paid.energy - free.energy == pytest.approx(100 * (30.0 + DISTIL.per_label))
    more = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=5e4, paid=100)
    assert more.energy == decide(ANNOTATE, DISTIL, label_energy=30.0, budget=5e4).energy, "it asks for more than those"


def test_more_labels_must_promise_more_than_the_doubt() -> None:
    """As much as the rest of the hybrid's curve promises, and not a jot less."""
    gain = DISTIL.at(180.0) - DISTIL.at(0.0)
    for doubt, method in ((0.0, Method.HYBRID), (gain - 1e-6, Method.HYBRID), (gain + 1e-6, Method.DISTIL)):
        made = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=5e4, paid=50, doubt=doubt)
        assert made.method is method
    sure = decide(ANNOTATE, DISTIL, label_energy=30.0, budget=5e4, paid=50, doubt=gain - 1e-6)
    assert sure.labels == 180, "how many is not a question of doubt"
    rng = np.random.default_rng(0)
    seen = rng.binomial(120, 0.8, 20000) / 120
    assert doubt_of(0.8, 120) == pytest.approx(seen.std(), rel=0.03)
    with pytest.raises(InputError, match="doubt"):
        decide(ANNOTATE, DISTIL, label_energy=30.0, budget=5e4, doubt=math.nan)


def test_bad_input() -> None:
    for call in (
        lambda: Curve((), ()), lambda: Curve((0.0, 0.0), (0.1, 0.2)), lambda: Curve((0.0,), (math.nan,)),
        lambda: Curve((0.0,), (0.5,), math.nan), lambda: Curve((-1.0,), (0.5,)),
        lambda: decide(ANNOTATE, DISTIL, label_energy=math.nan, budget=1.0),
        lambda: decide(ANNOTATE, DISTIL, label_energy=1.0, budget=math.nan),
        lambda: decide(ANNOTATE, DISTIL, label_energy=1.0, budget=1.0, before=math.nan),
        lambda: decide(ANNOTATE, DISTIL, label_energy=1.0, budget=1.0, available=math.nan),
    ):  # fmt: skip
        with pytest.raises(InputError):
            call()
