"""Battery limits: the piecewise forms at and between their corners, temperature, refusal of nonsense."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.power.battery import (
    TAPER_SECONDS,
    BatteryParameters,
    capacity_factor,
    charge_limit,
    discharge_limit,
    discharge_towards_floor,
    floor_energy,
    temperature_factor,
    usable_capacity,
)

BATTERY = BatteryParameters(
    capacity=1e6, max_charge_power=120.0, max_discharge_power=200.0, discharge_taper=0.2, charge_taper=0.8
)


def test_discharge_limit_by_hand() -> None:
    assert discharge_limit(BATTERY, [0.0, 0.05, 0.1, 0.2, 0.6, 1.0]) == pytest.approx([0.0, 50.0, 100.0, 200.0, 200.0, 200.0])


def test_charge_limit_by_hand() -> None:
    assert charge_limit(BATTERY, [0.0, 0.5, 0.8, 0.9, 0.95, 1.0]) == pytest.approx([120.0, 120.0, 120.0, 60.0, 30.0, 0.0])


def test_limits_are_zero_outside_the_store() -> None:
    assert discharge_limit(BATTERY, -0.1) == 0.0
    assert charge_limit(BATTERY, 1.1) == 0.0


def test_without_tapers_the_limits_are_steps() -> None:
    sharp = BatteryParameters(discharge_taper=0.0, charge_taper=1.0, max_charge_power=10.0, max_discharge_power=20.0)
    assert discharge_limit(sharp, [0.0, 1e-9, 1.0]) == pytest.approx([0.0, 20.0, 20.0])
    assert charge_limit(sharp, [0.0, 1.0 - 1e-9, 1.0]) == pytest.approx([10.0, 10.0, 0.0])


def test_no_battery_no_power() -> None:
    absent = BatteryParameters(capacity=0.0)
    assert discharge_limit(absent, 0.5) == 0.0
    assert charge_limit(absent, 0.5) == 0.0
    assert usable_capacity(absent) == 0.0


def test_capacity_table_and_between() -> None:
    kelvin = np.array([-40.0, -30.0, -20.0, 0.0, 20.0, 40.0, 60.0]) + 273.15
    assert capacity_factor(kelvin) == pytest.approx([0.50, 0.60, 0.70, 0.85, 1.0, 0.975, 0.95])
    cold = BatteryParameters(capacity=1e6, temperature=253.15, floor=0.2)
    assert usable_capacity(cold) == pytest.approx(7e5)
    assert floor_energy(cold) == pytest.approx(1.4e5)


def test_cold_lowers_the_power_by_arrhenius() -> None:
    # By logarithm: ln f at -20 C, -30 kJ/mol over R times the difference of the inverse temperatures.
    expected = -30000.0 / 8.314462618 * (1.0 / 253.15 - 1.0 / 293.15)
    assert math.log(temperature_factor(253.15)) == pytest.approx(expected)
    assert temperature_factor([293.15, 320.0]) == pytest.approx([1.0, 1.0])
    cold = BatteryParameters(temperature=253.15, max_discharge_power=100.0)
    assert discharge_limit(cold, 1.0) == pytest.approx(100.0 * math.exp(expected))


def test_cold_and_heat_beyond_the_table_are_nan() -> None:
    assert np.all(np.isnan(capacity_factor([233.0, 334.0, math.nan])))
    assert np.all(np.isnan(temperature_factor([233.0, 334.0, math.nan])))


@pytest.mark.parametrize("limit", [discharge_limit, charge_limit])
@pytest.mark.parametrize("battery", [BATTERY, BatteryParameters(discharge_taper=0.0, charge_taper=1.0)])
def test_an_unknown_charge_gives_nan_not_power(limit: object, battery: BatteryParameters) -> None:
    assert np.isnan(limit(battery, math.nan))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("field", "value"), [("temperature", 232.0), ("charge_efficiency", 0.0), ("floor", 1.2), ("capacity", math.nan)]
)
def test_bad_constants_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        BatteryParameters(**{field: value})


def test_discharge_ends_at_the_floor_and_not_below() -> None:
    """Driven by its own rule the store falls exponentially to the floor: above(t) = above(0) exp(-t / TAPER_SECONDS)."""
    battery = BatteryParameters(capacity=1.0e5, floor=0.2, max_discharge_power=1.0e4)
    floor, energy, step = floor_energy(battery), floor_energy(battery) + 500.0, TAPER_SECONDS / 20000.0
    for _ in range(10000):
        energy -= discharge_towards_floor(battery, energy, 1.0e4) * step / battery.discharge_efficiency
    assert energy - floor == pytest.approx(500.0 * math.exp(-0.5), rel=1e-3)
    assert discharge_towards_floor(battery, floor, 1.0e4) == 0.0
    assert discharge_towards_floor(battery, floor - 10.0, 1.0e4) == 0.0
    assert discharge_towards_floor(battery, floor + 1.0e4, 30.0) == 30.0
