"""Grants: what the bus may promise, the worth of a joule, and fail-closed reading of its state."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_cases import FLOOR

from rover_energy.errors import InputError
from rover_energy.inference.grants import Grant, GrantPolicy, Mode, Outlook, floor_energy, make_grant, marginal_intensity
from rover_energy.power.battery import BatteryParameters
from rover_energy.power.storage import step_battery

POLICY = GrantPolicy(
    period=2.0, lifetime=2.0, power=10.0, saving_below=1000.0, saving_share=0.3, surplus_share=0.5, surplus_power=40.0
)
POWERS = st.floats(0.0, 500.0)


def make(**fields: float) -> Grant:
    outlook: dict[str, Any] = {"spare": 50.0, "charge_efficiency": 0.95, "discharge_efficiency": 0.9, **fields}
    return make_grant(POLICY, FLOOR, Outlook(**outlook), now=100.0, sequence=7)


def test_normal_surplus_saving() -> None:
    normal = make()
    assert (normal.mode, normal.energy, normal.power_limit, normal.intensity) == (Mode.NORMAL, 20.0, 10.0, 1.0)
    surplus = make(shunted=30.0)
    assert (surplus.mode, surplus.power_limit, surplus.energy, surplus.intensity) == (Mode.SURPLUS, 25.0, 50.0, 0.0)
    saving = make(discharging=20.0, above_floor=900.0)
    assert (saving.mode, saving.power_limit) == (Mode.SAVING, 10.0)
    assert saving.energy == pytest.approx(6.0)
    assert saving.intensity == pytest.approx(1.0 / (0.95 * 0.9))
    assert (normal.stamp, normal.valid_until, normal.sequence) == (100.0, 102.0, 7)


def test_the_store_bounds_a_grant_that_it_must_carry() -> None:
    assert make(discharging=20.0, above_floor=10.0).energy == pytest.approx(min(6.0, 9.0))
    assert make(discharging=20.0, above_floor=4.0).energy == pytest.approx(3.6)
    assert make(discharging=20.0, above_floor=0.0).energy == pytest.approx(floor_energy(FLOOR, 2.0)), "never below the floor's"


@pytest.mark.parametrize(
    "bad",
    [
        {"spare": math.nan},
        {"spare": 2.9},
        {"shunted": math.nan},
        {"above_floor": math.nan},
        {"shunted": -1.0},
        {"spare": math.inf},
    ],
)
def test_what_is_not_known_grants_the_floor(bad: dict[str, float]) -> None:
    made = make(**bad)
    assert (made.mode, made.power_limit) == (Mode.FLOOR, FLOOR.peak_power)
    assert made.energy == floor_energy(FLOOR, POLICY.lifetime)
    assert "reserved perception only" in made.reason


@given(POWERS, POWERS, POWERS, st.floats(0.0, 1e6))
def test_a_grant_never_exceeds_what_is_left(spare: float, shunted: float, discharging: float, above: float) -> None:
    made = make(spare=spare, shunted=shunted, discharging=discharging, above_floor=above)
    if made.mode is not Mode.FLOOR:
        assert made.power_limit <= spare
        assert made.power_limit <= POLICY.power + min(POLICY.surplus_share * shunted, POLICY.surplus_power)
    assert made.energy <= max(made.power_limit * POLICY.lifetime, floor_energy(FLOOR, POLICY.lifetime)) + 1e-9
    assert made.energy >= floor_energy(FLOOR, POLICY.lifetime)


@pytest.mark.parametrize(("supply", "wanted"), [(100.0, 0.0), (50.0, 1.0), (20.0, 1.0 / 0.9025)])
def test_intensity_is_what_the_storage_model_loses(supply: float, wanted: float) -> None:
    """Against the battery's own exact step: how much less there is, shunted and stored, for a joule more at the bus."""
    full = 1.0e6
    battery = BatteryParameters(capacity=full, charge_efficiency=0.95, discharge_efficiency=0.95, max_charge_power=30.0)
    energy = 0.5 * full if supply != 100.0 else full
    demand, more = 40.0, 0.5
    before = step_battery(battery, energy, supply - demand, 10.0)
    after = step_battery(battery, energy, supply - demand - more, 10.0)
    found = marginal_intensity(
        more, shunted=before.shunted_power, discharging=before.discharge_power, charge=0.95, discharge=0.95
    )
    assert found == pytest.approx(wanted)
    lost = (before.energy - after.energy) / (10.0 * more)  # of the store, per joule at the bus
    generation = {100.0: 0.0, 50.0: lost / 0.95, 20.0: lost / 0.95}[supply]  # to put it back, or not to have put it in
    assert generation == pytest.approx(wanted, abs=1e-9)


def test_a_load_larger_than_the_surplus_is_partly_free() -> None:
    assert marginal_intensity(10.0, shunted=4.0, discharging=0.0, charge=0.9, discharge=0.9) == pytest.approx(0.6)
    assert marginal_intensity(0.0, shunted=4.0, discharging=0.0, charge=0.9, discharge=0.9) == 0.0
    for bad in ({"shunted": math.nan}, {"charge": 0.0}, {"discharging": -1.0}):
        values: dict[str, float] = {"shunted": 0.0, "discharging": 0.0, "charge": 0.9, "discharge": 0.9, **bad}
        with pytest.raises(InputError):
            marginal_intensity(1.0, **values)


@pytest.mark.parametrize(
    "bad",
    [
        {"energy": math.nan},
        {"energy": -1.0},
        {"power_limit": math.inf},
        {"valid_until": 0.0},
        {"stamp": math.nan},
        {"intensity": -0.1},
    ],
)
def test_a_grant_that_is_no_grant_cannot_be_made(bad: dict[str, float]) -> None:
    values: dict[str, Any] = {
        "stamp": 0.0,
        "valid_until": 1.0,
        "sequence": 1,
        "mode": Mode.NORMAL,
        "energy": 1.0,
        "power_limit": 1.0,
    }
    with pytest.raises(InputError):
        Grant(**{**values, **bad})


def test_nan_time_is_not_within_a_grant() -> None:
    assert not make().valid(math.nan)
    assert make().valid(100.0)
    assert not make().valid(102.0)
