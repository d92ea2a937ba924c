"""Shaft power and the comparison of meters, against numbers by hand."""

from __future__ import annotations

import math

import pytest

from rover_energy.errors import InputError
from rover_energy.telemetry.meters import Comparison, shaft_power


def test_shaft_power() -> None:
    assert shaft_power([2.0, -1.0, 3.0], [1.0, 1.0, 2.0], 0.5) == pytest.approx((2.0 + 0.0 + 6.0) / 0.5)
    assert shaft_power([-2.0], [-1.0], 1.0) == 2.0, "driving backward takes power too"
    assert math.isnan(shaft_power([1.0, math.nan], [1.0, 1.0], 0.5))


@pytest.mark.parametrize("efficiency", [0.0, -0.1, 1.1, math.nan])
def test_efficiency_is_checked(efficiency: float) -> None:
    with pytest.raises(InputError):
        shaft_power([1.0], [1.0], efficiency)


@pytest.mark.parametrize(("metered", "plausible"), [(50.0, True), (80.0, True), (45.6, True), (45.4, False), (0.0, False)])
def test_a_meter_that_reads_less_than_the_wheels_is_not_believed(metered: float, plausible: bool) -> None:
    comparison = Comparison()
    for _ in range(10):
        comparison.add(metered, 50.0)
    assert comparison.difference == pytest.approx(metered - 50.0)
    assert comparison.plausible is plausible


def test_nothing_read_is_not_plausible() -> None:
    assert not Comparison().plausible
    comparison = Comparison()
    comparison.add(50.0, 50.0)
    comparison.add(math.nan, 50.0)
    assert not comparison.plausible
