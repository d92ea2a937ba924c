"""Stored energy: exact steps against a general ODE solver, invariance under splitting, the floor, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from rover_energy.errors import InputError
from rover_energy.power.battery import BatteryParameters, charge_limit, discharge_limit, floor_energy, usable_capacity
from rover_energy.power.storage import full_battery, integrate_battery, step_battery

BATTERY = BatteryParameters(
    capacity=1000.0, charge_efficiency=0.9, discharge_efficiency=0.8, max_charge_power=40.0, max_discharge_power=50.0,
    floor=0.1, discharge_taper=0.3, charge_taper=0.7,
)  # fmt: skip


def by_ode(battery: BatteryParameters, energy: float, net: float, seconds: float) -> float:
    """The rate law as it stands in the documentation, given to scipy."""
    capacity = usable_capacity(battery)

    def rate(_: float, state: np.ndarray) -> list[float]:
        soc = state[0] / capacity
        if net < 0.0:
            return [-min(-net, float(discharge_limit(battery, soc))) / battery.discharge_efficiency]
        return [battery.charge_efficiency * min(net, float(charge_limit(battery, soc)))]

    return float(solve_ivp(rate, (0.0, seconds), [energy], rtol=1e-10, atol=1e-9, max_step=seconds / 50.0).y[0, -1])


@settings(max_examples=60, deadline=None)
@given(soc=st.floats(0.0, 1.0), net=st.floats(-80.0, 80.0), seconds=st.floats(0.01, 40.0))
def test_one_step_equals_the_ode(soc: float, net: float, seconds: float) -> None:
    record = integrate_battery(BATTERY, soc * 1000.0, [net], seconds, keep_floor=False)
    assert record.energy[-1] == pytest.approx(by_ode(BATTERY, soc * 1000.0, net, seconds), abs=2e-4)


@settings(max_examples=60, deadline=None)
@given(soc=st.floats(0.0, 1.0), net=st.floats(-80.0, 80.0), parts=st.integers(2, 60))
def test_splitting_a_step_changes_nothing(soc: float, net: float, parts: int) -> None:
    whole = integrate_battery(BATTERY, soc * 1000.0, [net], 12.0)
    split = integrate_battery(BATTERY, soc * 1000.0, np.full(parts, net), 12.0 / parts)
    assert split.energy[-1] == pytest.approx(whole.energy[-1], abs=1e-9)
    assert np.mean(split.unserved_power) == pytest.approx(whole.unserved_power[0], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), soc=st.floats(0.0, 1.0), spread=st.floats(1.0, 90.0))
def test_flows_close_and_respect_every_limit(seed: int, soc: float, spread: float) -> None:
    net = np.random.default_rng(seed).normal(0.0, spread, 400)
    record = integrate_battery(BATTERY, soc * 1000.0, net, 0.5)
    stored = np.diff(record.energy) / 0.5
    balance = net + record.unserved_power - stored - record.shunted_power - record.lost_power
    assert np.max(np.abs(balance)) <= 1e-6 * np.max(np.abs(net))
    assert np.all(record.energy <= 1000.0 + 1e-9)
    assert np.all(record.energy >= min(soc * 1000.0, floor_energy(BATTERY)) - 1e-9)
    for flow in (record.charge_power, record.discharge_power, record.shunted_power, record.unserved_power, record.lost_power):
        assert np.all(flow >= 0.0)
    start, end = record.energy[:-1] / 1000.0, record.energy[1:] / 1000.0
    assert np.all(record.discharge_power <= discharge_limit(BATTERY, start) + 1e-9)
    assert np.all(record.charge_power <= charge_limit(BATTERY, start) + 1e-9)
    assert np.all((record.unserved_power == 0.0) | (record.discharge_power <= discharge_limit(BATTERY, start) + 1e-9))
    assert np.all((record.shunted_power > 0.0) <= (net > charge_limit(BATTERY, end) - 1e-9))


def test_runs_at_once_equal_steps_one_by_one() -> None:
    # Long enough to pass through free runs, both tapers, the floor and full, and back.
    net = 60.0 * np.sin(np.arange(4000) * 0.004) + np.random.default_rng(1).normal(0.0, 3.0, 4000)
    record = integrate_battery(BATTERY, 600.0, net, 0.1)
    energy = 600.0
    for index, power in enumerate(net):
        single = step_battery(BATTERY, energy, power, 0.1)
        energy = single.energy
        assert record.energy[index + 1] == pytest.approx(energy, abs=1e-8)
        assert record.unserved_power[index] == pytest.approx(single.unserved_power, abs=1e-6)
    assert record.energy.min() == pytest.approx(100.0, abs=1e-9)
    assert record.energy.max() > 950.0
    assert record.shortfall > 0.0


def test_constant_draw_by_hand() -> None:
    record = integrate_battery(BATTERY, 900.0, [-20.0, -20.0], [3.0, 5.0])
    assert record.energy == pytest.approx([900.0, 825.0, 700.0])
    assert record.battery_power == pytest.approx([20.0, 20.0])
    assert record.lost_power == pytest.approx([5.0, 5.0])
    assert np.all(record.unserved_power == 0.0)


def test_the_floor_stops_discharge_and_says_so() -> None:
    record = integrate_battery(BATTERY, 110.0, [-10.0], 100.0)
    assert record.energy[-1] == pytest.approx(100.0)
    assert record.shortfall == pytest.approx(10.0 * 100.0 - 10.0 * 0.8)
    further = integrate_battery(BATTERY, 110.0, [-10.0], 100.0, keep_floor=False)
    assert further.energy[-1] < 100.0


def test_discharge_can_be_forbidden_while_charging_goes_on() -> None:
    record = integrate_battery(BATTERY, 500.0, [-10.0, 10.0], 1.0, allow_discharge=False)
    assert record.unserved_power == pytest.approx([10.0, 0.0])
    assert record.energy == pytest.approx([500.0, 500.0, 509.0])


def test_without_a_battery_deficit_is_unserved_and_surplus_shunted() -> None:
    record = integrate_battery(BatteryParameters(capacity=0.0), 0.0, [-5.0, 7.0], 1.0)
    assert record.unserved_power == pytest.approx([5.0, 0.0])
    assert record.shunted_power == pytest.approx([0.0, 7.0])
    assert np.all(record.energy == 0.0)
    assert np.all(record.state_of_charge == 0.0)


@pytest.mark.parametrize(("power", "expected"), [(-5.0, 0.0), (5.0, 1000.0)])
def test_step_limits_without_tapers_end_exactly_at_the_ends(power: float, expected: float) -> None:
    sharp = BatteryParameters(capacity=1000.0, floor=0.0, discharge_taper=0.0, charge_taper=1.0)
    record = integrate_battery(sharp, 500.0, np.full(30, power), 60.0)
    assert record.energy[-1] == pytest.approx(expected, abs=1e-9)
    assert record.unserved_power[-1] + record.shunted_power[-1] == pytest.approx(5.0)


def test_nan_power_spoils_everything_after_it_and_nothing_before() -> None:
    record = integrate_battery(BATTERY, 500.0, [1.0, np.nan, 1.0], 1.0)
    assert record.energy[:2] == pytest.approx([500.0, 500.9])
    for channel in (record.energy[2:], record.unserved_power[1:], record.shunted_power[1:], record.lost_power[1:]):
        assert np.all(np.isnan(channel))


@pytest.mark.parametrize(
    ("energy", "net", "seconds", "field"),
    [
        (math.nan, [1.0], 1.0, "energy"),
        (-1.0, [1.0], 1.0, "energy"),
        (1001.0, [1.0], 1.0, "energy"),
        (500.0, [1.0], 0.0, "step"),
        (500.0, [1.0], math.nan, "step"),
        (500.0, [1.0, 2.0], [1.0, 1.0, 1.0], "net_power"),
        (500.0, [[1.0]], 1.0, "net_power"),
    ],
)
def test_bad_input_is_refused_in_one_line(energy: float, net: list[float], seconds: float, field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        integrate_battery(BATTERY, energy, net, seconds)
    assert "\n" not in str(caught.value)


def test_a_single_step_refuses_nan_power() -> None:
    with pytest.raises(InputError, match="net_power"):
        step_battery(BATTERY, 500.0, math.nan, 1.0)


def test_percent_is_not_taken_for_a_fraction() -> None:
    assert full_battery(BATTERY, 0.8) == pytest.approx(800.0)
    with pytest.raises(InputError, match="percent"):
        full_battery(BATTERY, 80.0)
