"""Fuel cell: against Butler and Volmer forwards, Tafel's line, the published volcanoes, and what the bus then does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.inference.grants import marginal_intensity
from rover_energy.power import fuel_cell as cells
from rover_energy.power.battery import charge_limit, discharge_limit, usable_capacity
from rover_energy.power.storage import integrate_battery

F, R = 96485.33212, 8.314462618
PLAIN = cells.FuelCellParameters()


@given(st.floats(-6.0, 6.0), st.floats(-8.0, 3.0), st.floats(280.0, 370.0), st.sampled_from((0.5, 1.0)))
def test_overpotentials_give_their_current_back(power: float, exponent: float, temperature: float, transfer: float) -> None:
    current, exchange = 10.0**power, 10.0**exponent
    eta = float(cells.activation_overpotential(current, exchange, temperature, transfer))
    x = transfer * F * eta / (R * temperature)
    assert exchange * (math.exp(x) - math.exp(-x)) == pytest.approx(current, rel=1e-6)


def test_large_currents_follow_tafel_and_small_ones_ohm() -> None:
    a, b = (float(cells.activation_overpotential(j, 1e-4, 298.15, 1.0)) for j in (1.0, 10.0))
    assert b - a == pytest.approx(0.05916, abs=1e-5), "a decade of current in 59 mV"
    assert float(cells.activation_overpotential(1e-6, 1.0, 298.15, 0.5)) == pytest.approx(R * 298.15 / F * 1e-6, rel=1e-6)


def test_the_volcanoes() -> None:
    """Tops and sides where the papers have them; platinum close below both tops, on the side that binds too strongly."""
    energies = np.linspace(-2.0, 5.0, 7001)
    over = np.array([cells.oxygen_overpotential(e) for e in energies])
    assert energies[over.argmin()] == pytest.approx(1.72, abs=1e-3)
    assert over.min() == pytest.approx(0.369, abs=1e-3)
    assert cells.oxygen_overpotential(cells.OXYGEN_ENERGY) == pytest.approx(0.42, abs=0.01)  # 2004: about 0.45 V
    assert cells.OXYGEN_ENERGY < 1.72
    exchange = np.array([cells.hydrogen_exchange(e, 298.15) for e in energies])
    assert energies[exchange.argmax()] == pytest.approx(0.0, abs=1e-3)
    platinum = cells.hydrogen_exchange(cells.HYDROGEN_ENERGY, 298.15)
    assert -3.0 < math.log10(1e-4 * platinum) < -2.0, "2005: 1 to 10 mA/cm2"
    steep = math.log10(cells.hydrogen_exchange(0.4, 298.15) / cells.hydrogen_exchange(0.5, 298.15))
    assert steep == pytest.approx(0.1 / 0.05916, rel=1e-3)
    assert cells.hydrogen_exchange(9.0, 298.15) >= 0.0, "far from the top nothing overflows"


def test_reversible_voltage_is_that_of_the_free_energy() -> None:
    """-237.13 kJ/mol at 25 C; enthalpy -285.83 kJ/mol gives the slope."""
    assert cells.reversible_voltage(298.15) == pytest.approx(237130.0 / (2 * F), abs=1e-3)
    warm = 285830.0 - 353.15 * (285830.0 - 237130.0) / 298.15
    assert cells.reversible_voltage(353.15) == pytest.approx(warm / (2 * F), abs=2e-3)


def test_powers_come_out_of_the_voltages() -> None:
    """The current that the efficiency belongs to carries the power, and more power is less efficient."""
    before = (1.0, 1.0)
    for power in (10.0, 60.0, 150.0, 300.0):
        out, into = cells.discharge_efficiency(PLAIN, power), cells.charge_efficiency(PLAIN, power)
        share = PLAIN.faradaic_efficiency * PLAIN.balance_efficiency
        voltage = out / share * cells.reversible_voltage(PLAIN.temperature)
        current = power / PLAIN.balance_efficiency / voltage / PLAIN.area
        assert float(cells.discharge_voltage(PLAIN, current)) == pytest.approx(voltage, rel=1e-6)
        voltage = cells.reversible_voltage(PLAIN.temperature) * share / into
        current = power * PLAIN.balance_efficiency / voltage / PLAIN.area
        assert float(cells.charge_voltage(PLAIN, current)) == pytest.approx(voltage, rel=1e-6)
        assert 0.0 < out < before[0]
        assert 0.0 < into < before[1]
        before = out, into


def test_a_better_catalyst_is_a_better_store() -> None:
    best, platinum, nickel = (
        cells.discharge_efficiency(cells.FuelCellParameters(oxygen_energy=e), 50.0) for e in (1.72, 1.62, 0.9)
    )
    assert best > platinum > nickel


def test_the_store_is_a_battery_of_the_bus() -> None:
    """A joule in and out through the package's own battery loses what the cells lose; a joule from it is worth so much more."""
    made = cells.storage(PLAIN, capacity=1e6, discharge_power=100.0, charge_power=100.0)
    assert usable_capacity(made) == 1e6
    assert float(discharge_limit(made, 0.01)) == float(charge_limit(made, 0.99)) == 100.0
    step, net = np.full(2000, 1.0), np.concatenate([np.full(1000, 50.0), np.full(1000, -50.0)])
    record = integrate_battery(made, 0.0, net, step)
    trip = record.discharge_power.sum() / record.charge_power.sum()
    assert trip == pytest.approx(made.charge_efficiency * made.discharge_efficiency, rel=1e-9)
    assert 0.3 < trip < 0.6
    price = marginal_intensity(
        1.0, shunted=0.0, discharging=1.0, charge=made.charge_efficiency, discharge=made.discharge_efficiency
    )
    assert price == pytest.approx(1.0 / trip)


@pytest.mark.parametrize("power", [0.0, -1.0, math.nan, math.inf, 1e5])
def test_powers_that_the_cells_do_not_carry(power: float) -> None:
    for call in (cells.discharge_efficiency, cells.charge_efficiency):
        with pytest.raises(InputError, match="power"):
            call(PLAIN, power)
    assert cells.discharge_voltage(PLAIN, 1e9) == 0.0
