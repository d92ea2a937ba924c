"""The load of runs on the bus: joules conserved whatever comes when, windows exact, late runs later."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.inference.draw import BusDraw

WINDOW = 0.02
RUNS = st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.1, 30.0), st.floats(0.001, 0.7), st.floats(0.0, 3.0)), max_size=12)


def windows(draw: BusDraw, count: int, begun: float = 0.0) -> list[float]:
    return [draw.take(begun + (k + 1) * WINDOW) for k in range(count)]


def test_a_run_is_drawn_in_the_windows_in_which_it_runs() -> None:
    draw = BusDraw()
    draw.take(0.0)
    draw.announce("a", 0.03, 6.0, 0.02)
    assert windows(draw, 4) == pytest.approx([0.0, 0.06, 0.06, 0.0])
    assert (draw.energy, draw.late, draw.power) == (pytest.approx(0.12), 0.0, 0.0)
    draw.settle("a", 0.12, 6.0)
    assert draw.unexplained == pytest.approx(0.0, abs=1e-12)


@given(RUNS)
def test_joules_are_conserved(runs: list[tuple[float, float, float, float]]) -> None:
    """However late each run is heard of, the bus draws power x time in all, and never more than the runs' powers together."""
    draw, heard = BusDraw(), sorted(((max(0.0, begun + delay - 1.0), begun, power, lasts) for begun, power, lasts, delay in runs))
    draw.take(0.0)
    total = 0.0
    for k in range(300):
        while heard and heard[0][0] <= k * WINDOW:
            _, begun, power, lasts = heard.pop(0)
            draw.announce(f"{begun}/{power}/{lasts}/{len(heard)}", begun, power, lasts)
        limit = draw.power
        joules = draw.take((k + 1) * WINDOW)
        assert 0.0 <= joules <= limit * WINDOW * (1.0 + 1e-9)
        total += joules
    assert total == pytest.approx(sum(power * lasts for _, power, lasts, _ in runs), abs=1e-9)
    assert draw.energy == pytest.approx(total)
    assert not draw.open


def test_late_early_twice_and_never_announced() -> None:
    draw = BusDraw()
    draw.take(1.0)
    draw.announce("late", 0.9, 5.0, 0.1)
    assert sum(windows(draw, 10, 1.0)) == pytest.approx(0.5)
    assert draw.late == pytest.approx(0.1)
    draw.announce("cut", 1.2, 5.0, 1.0)
    draw.announce("cut", 1.2, 5.0, 1.0)
    draw.end("cut", 1.3)
    assert sum(windows(draw, 20, 1.2)) == pytest.approx(0.5)
    draw.settle("cut", 0.5, 5.0)
    draw.settle("silent", 0.3, 6.0)
    draw.settle("silent", 0.3, 6.0)
    assert sum(windows(draw, 20, 1.6)) == pytest.approx(0.3), "the bus draws what a receipt says, also without a word before"
    draw.settle("late", 0.7, 5.0)
    assert draw.unexplained == pytest.approx(0.2)


@pytest.mark.parametrize("bad", [(math.nan, 1.0, 1.0), (0.0, math.nan, 1.0), (0.0, 1.0, math.inf), (0.0, -1.0, 1.0)])
def test_what_is_no_number_draws_nothing(bad: tuple[float, float, float]) -> None:
    draw = BusDraw()
    draw.take(0.0)
    draw.announce("a", *bad)
    draw.end("a", math.nan)
    draw.settle("b", math.nan, 1.0)
    assert sum(windows(draw, 10)) == 0.0
