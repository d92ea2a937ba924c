"""The parts of the figures of learning that need no network: random cuts and splits beside all there are."""

from __future__ import annotations

from itertools import product

from rover_energy.inference.figures import confidant_figures as figures


def test_all_ways_to_share_heads() -> None:
    for total, parts in ((1, 1), (4, 1), (3, 2), (5, 3), (2, 4)):
        wanted = {c for c in product(range(total + 1), repeat=parts) if sum(c) == total}
        assert set(figures._compositions(total, parts)) == wanted
        assert len(figures._compositions(total, parts)) == len(wanted)


def test_random_cuts_and_splits() -> None:
    cuts, heads = figures.cuts(5), figures.heads(5)
    assert cuts["equal"] == 1.0
    assert cuts["excess"] <= 0.0
    assert cuts["even"] > 1.0, "an even cut is slower than the best"
    assert 1.0 <= heads["heads"] <= 1.0 + 1e-9
    assert heads["single"] > 1.0
