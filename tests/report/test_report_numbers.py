"""Numbers as text: checked by reading them back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.report import numbers


def read(text: str) -> float:
    return float(text.replace(numbers.MINUS, "-"))


@given(st.floats(min_value=-1e12, max_value=1e12, allow_subnormal=False))
def test_significant_reads_back_to_the_digits_shown(value: float) -> None:
    assert read(numbers.significant(value, 4)) == pytest.approx(value, rel=5.1e-4, abs=1e-300)


@given(st.floats(min_value=-1e6, max_value=1e6), st.integers(0, 4))
def test_fixed_is_the_nearest_with_that_many_decimals(value: float, decimals: int) -> None:
    text = numbers.fixed(value, decimals)
    assert abs(read(text) - value) <= 0.5 * 10.0**-decimals * (1 + 1e-9)
    assert text != numbers.MINUS + "0"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "12", True])
def test_what_is_no_number_is_a_dash(value: object) -> None:
    assert numbers.significant(value) == numbers.NOTHING
    assert numbers.fixed(value) == numbers.NOTHING
    assert numbers.quantity(value, "W") == numbers.NOTHING
    assert numbers.energy(value) == numbers.watt_hours(value) == numbers.duration(value) == numbers.NOTHING


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (187.4321, "W", "187.4\u00a0W"),
        (0.25, "m/s2", "0.25\u00a0m/s²"),
        (-3.0, "°", "−3°"),
        (5.0, "-", "5"),
        (0.5, "1/m", "0.5\u00a0m⁻¹"),
        (2.3e-5, "m", "2.3e−5\u00a0m"),
    ],
)
def test_quantity(value: float, unit: str, text: str) -> None:
    assert numbers.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (48.25, "48.2 s"), (60.0, "1 min"), (372.4, "6 min 12 s"), (3599.8, "1 h"), (3840.0, "1 h 04 min"), (7200.0, "2 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert numbers.duration(seconds).replace("\u00a0", " ") == text


def test_energy_changes_unit_with_size() -> None:
    assert [numbers.energy(v) for v in (12.5, 4.5e4, 3.6e6)] == ["12.5\u00a0J", "45\u00a0kJ", "3.6\u00a0MJ"]
    assert numbers.watt_hours(3600.0) == "1\u00a0Wh"


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(2, 10), st.booleans())
def test_ticks_are_round_inside_and_about_as_many_as_asked(low: float, reach: float, count: int, sixty: bool) -> None:
    marks = numbers.ticks(low, low + reach, count, sixty)
    assert len(marks) <= 2 * count + 2
    assert all(low - 1e-6 * reach <= mark <= low + reach * (1 + 1e-6) for mark in marks)
    step = numbers.nice_step(reach, count, sixty)
    assert all(abs(mark / step - round(mark / step)) < 1e-6 for mark in marks)
