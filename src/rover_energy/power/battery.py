"""Battery on the bus: efficiency, power limits by state of charge and temperature, floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.parameters import Parameters, parameter

CAPACITY_TEMPERATURES = (233.15, 253.15, 273.15, 293.15, 333.15)
"""Cell temperatures of `CAPACITY_FACTORS` [K]: -40, -20, 0, 20 and 60 C."""
CAPACITY_FACTORS = (0.50, 0.70, 0.85, 1.0, 0.95)
"""Usable share of the capacity at `CAPACITY_TEMPERATURES` (Li-ion table of roverdevkit, arXiv 2606.21755)."""
ACTIVATION_ENERGY = 30.0e3
"""Activation energy of the cell's resistance [J/mol].

The parts of a cell differ: 17.1 kJ/mol for the electrolyte's conductivity (Nyman et al. 2008,
10.1016/j.electacta.2008.04.023), 30 kJ/mol for diffusion in graphite, 35 to 55 kJ/mol for the reactions (LFP/graphite
example of the BPX standard, Faraday Institution). One value stands for the sum of them.
"""
GAS_CONSTANT = 8.314462618
"""Molar gas constant [J/(mol K)]."""
TAPER_SECONDS = 2.0
"""Least time over which the last of the store above the floor is given out [s]. Some control periods: with a longer time the bus
would give less near the floor than a plan counts on."""


@dataclass(frozen=True)
class BatteryParameters(Parameters):
    """Constants of the battery. `capacity = 0` means there is none."""

    capacity: float = parameter(
        1.0e6, unit="J", minimum=0.0, maximum=1.0e12, description="stored energy at state of charge 1 at 20 C"
    )
    charge_efficiency: float = parameter(0.95, minimum=0.05, maximum=1.0, description="bus to store", source="roverdevkit")
    discharge_efficiency: float = parameter(0.95, minimum=0.05, maximum=1.0, description="store to bus", source="roverdevkit")
    max_charge_power: float = parameter(150.0, unit="W", minimum=0.0, maximum=1.0e6, description="most power taken from the bus")
    max_discharge_power: float = parameter(150.0, unit="W", minimum=0.0, maximum=1.0e6, description="most power given to the bus")
    floor: float = parameter(
        0.15, minimum=0.0, maximum=1.0, description="least allowed state of charge", source="roverdevkit SOC_min 0.15",
    )  # fmt: skip
    discharge_taper: float = parameter(
        0.25, minimum=0.0, maximum=1.0,
        description="state of charge below which the discharge limit falls linearly, reaching 0 at state of charge 0",
    )  # fmt: skip
    charge_taper: float = parameter(
        0.90, minimum=0.0, maximum=1.0,
        description="state of charge above which the charge limit falls linearly, reaching 0 at state of charge 1",
    )  # fmt: skip
    temperature: float = parameter(
        293.15, unit="K", minimum=233.15, maximum=333.15, description="cell temperature",
        source="range of the capacity table; colder or hotter cells have no model here",
    )  # fmt: skip


def capacity_factor(temperature: ArrayLike) -> NDArray[np.float64]:
    """Usable share of the capacity at a cell temperature [K], linear between `CAPACITY_TEMPERATURES`; NaN outside them."""
    factor: NDArray[np.float64] = np.interp(_within_table(temperature), CAPACITY_TEMPERATURES, CAPACITY_FACTORS)
    return factor


def _within_table(temperature: ArrayLike) -> NDArray[np.float64]:
    """Temperatures [K], NaN where the table has no say; a micro-kelvin is left for the conversion from Celsius."""
    kelvin = np.asarray(temperature, dtype=float)
    known = (kelvin >= CAPACITY_TEMPERATURES[0] - 1e-6) & (kelvin <= CAPACITY_TEMPERATURES[-1] + 1e-6)
    return np.where(known, kelvin, np.nan)


def temperature_factor(temperature: ArrayLike) -> NDArray[np.float64]:
    """Share of the charge and discharge power limits that is left at a cell temperature [K].

    min(1, exp(-(Ea / R) (1/T - 1/293.15 K))): at a fixed voltage drop the power goes with the inverse of the cell's
    resistance, which follows Arrhenius' law with `ACTIVATION_ENERGY`. It is 0.41 at 0 C, 0.14 at -20 C and 1 from 20 C
    up. NaN outside `CAPACITY_TEMPERATURES`.

    Notes
    -----
    A choice of this package, for want of a table of power limits in the source of the capacity table. Lithium plating
    is not modelled: many cells must not be charged at all below 0 C, and their `max_charge_power` has to say so.
    """
    kelvin = _within_table(temperature)
    factor: NDArray[np.float64] = np.minimum(1.0, np.exp(-ACTIVATION_ENERGY / GAS_CONSTANT * (1.0 / kelvin - 1.0 / 293.15)))
    return factor


def usable_capacity(parameters: BatteryParameters) -> float:
    """Stored energy at state of charge 1 and the battery's temperature [J]."""
    return float(parameters.capacity * capacity_factor(parameters.temperature))


def floor_energy(parameters: BatteryParameters) -> float:
    """Stored energy at the least allowed state of charge [J]."""
    return parameters.floor * usable_capacity(parameters)


def discharge_limit(parameters: BatteryParameters, state_of_charge: ArrayLike) -> NDArray[np.float64]:
    """Most power that the battery gives to the bus [W] at a state of charge [0..1].

    max_discharge_power temperature_factor min(1, soc / discharge_taper), 0 below soc 0 and without a battery. The floor
    does not enter: it bounds the energy, see `integrate_battery`. NaN gives NaN.
    """
    soc = np.asarray(state_of_charge, dtype=float)
    taper = parameters.discharge_taper
    share = np.clip(soc / taper, 0.0, 1.0) if taper > 0.0 else np.where(np.isnan(soc), np.nan, soc > 0.0)
    limit: NDArray[np.float64] = _peak_power(parameters, parameters.max_discharge_power) * share
    return limit


def discharge_towards_floor(parameters: BatteryParameters, energy: float, limit: float) -> float:
    """What the battery may add to the bus [W] so that it comes to its floor slowly and never passes it.

    min(limit, (energy - floor) discharge_efficiency / TAPER_SECONDS), 0 at and below the floor. Bus and governor use
    the same rule, so that the governor counts on no more than the bus will give.

    Parameters
    ----------
    parameters : BatteryParameters
    energy : float
        Stored energy [J].
    limit : float
        Discharge limit at that energy [W], see `discharge_limit`.
    """
    above = (energy - floor_energy(parameters)) * parameters.discharge_efficiency
    return max(0.0, min(limit, above / TAPER_SECONDS))


def charge_limit(parameters: BatteryParameters, state_of_charge: ArrayLike) -> NDArray[np.float64]:
    """Most power that the battery takes from the bus [W] at a state of charge [0..1].

    max_charge_power temperature_factor clip((1 - soc)/(1 - charge_taper), 0, 1), 0 without a battery. NaN gives NaN.
    """
    soc = np.asarray(state_of_charge, dtype=float)
    span = 1.0 - parameters.charge_taper
    share = np.clip((1.0 - soc) / span, 0.0, 1.0) if span > 0.0 else np.where(np.isnan(soc), np.nan, soc < 1.0)
    limit: NDArray[np.float64] = _peak_power(parameters, parameters.max_charge_power) * share
    return limit


def _peak_power(parameters: BatteryParameters, rated: float) -> float:
    return rated * float(temperature_factor(parameters.temperature)) if parameters.capacity > 0.0 else 0.0
