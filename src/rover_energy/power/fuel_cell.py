"""Regenerative fuel cell as a store: from the binding energies of a catalyst to the constants of a battery on the bus.

Hydrogen and oxygen come from water and go back to it. The reversible voltage lies between the voltages of charge and
discharge; what lies beside it is lost, most of it where oxygen reacts. The loss follows from how strongly the catalyst binds
oxygen (Sabatier): too strongly and water does not leave, too weakly and oxygen does not react.

References
----------
Nørskov et al. 2004, J. Phys. Chem. B 108, 17886, 10.1021/jp047349j: oxygen electrode from binding energies, rate per site.
Nørskov et al. 2005, J. Electrochem. Soc. 152, J23, 10.1149/1.1856988: exchange current of hydrogen over its binding energy.
Man et al. 2011, ChemCatChem 3, 1159, 10.1002/cctc.201000397: OOH lies 3.2 eV above OH on whatever surface.
Rossmeisl et al. 2007, J. Electroanal. Chem. 607, 83, 10.1016/j.jelechem.2006.11.008: overpotentials of oxides when charging.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from rover_energy.errors import InputError
from rover_energy.parameters import Parameters, parameter
from rover_energy.power.battery import GAS_CONSTANT, BatteryParameters

FARADAY = 96485.33212
"""Charge of a mole of electrons [C/mol]; an electronvolt per electron is a volt."""
STANDARD_VOLTAGE, VOLTAGE_SLOPE = 1.229, -8.46e-4
"""Reversible voltage of liquid water at 298.15 K and 1 bar [V], and its change with temperature [V/K] (dS/2F)."""
OXYGEN_ENERGY, HYDROGEN_ENERGY = 1.62, -0.09
"""Binding free energies on Pt(111), against water and hydrogen, at 0 V [eV] (2004: dE 1.57 + 0.05; 2005: dE -0.33 + 0.24)."""
WATER_SPLIT, HYDROPEROXYL = 4.92, 3.2
"""Free energy of two water molecules taken apart; distance of OOH from OH [eV]."""
SITE_CURRENT = 480.0
"""Elementary charge x 200 reactions per second x 1.5e19 sites [A/m2], of one electron (2004, 2005)."""
POINTS = 2000  # currents among which the one of a power is looked for


@dataclass(frozen=True)
class FuelCellParameters(Parameters):
    """Constants of cells that discharge on a metal and charge on an oxide. Currents are per area of electrode as one sees it."""

    area: float = parameter(0.05, unit="m2", minimum=1e-6, maximum=1e3, description="of the electrodes of all cells together")
    temperature: float = parameter(353.15, unit="K", minimum=273.15, maximum=373.15, description="of the cells")
    oxygen_energy: float = parameter(
        OXYGEN_ENERGY, unit="eV", minimum=-10.0, maximum=10.0, source="10.1021/jp047349j, Pt(111)",
        description="binding free energy of O where oxygen is reduced, against water and hydrogen",
    )  # fmt: skip
    hydrogen_energy: float = parameter(
        HYDROGEN_ENERGY, unit="eV", minimum=-10.0, maximum=10.0, source="10.1149/1.1856988, Pt(111)",
        description="binding free energy of H where hydrogen reacts, against hydrogen",
    )  # fmt: skip
    charge_overpotential: float = parameter(
        0.56, unit="V", minimum=0.0, maximum=2.0, source="10.1016/j.jelechem.2006.11.008, IrO2",
        description="least overpotential at which every step of oxygen evolution goes down, on the oxide that charges",
    )  # fmt: skip
    roughness: float = parameter(
        100.0, minimum=1.0, maximum=1e5, description="surface of the catalyst per area of electrode", source="declared"
    )
    resistance: float = parameter(
        1e-5, unit="ohm m2", minimum=0.0, maximum=1.0, description="of membrane and contacts", source="declared"
    )
    limiting_current: float = parameter(
        1.5e4, unit="A/m2", minimum=1.0, maximum=1e6, description="most that gases and water reach the electrodes with",
        source="declared",
    )  # fmt: skip
    faradaic_efficiency: float = parameter(
        0.98, minimum=0.05, maximum=1.0, description="share of the gas that is not lost through the membrane, each way",
        source="declared",
    )  # fmt: skip
    balance_efficiency: float = parameter(
        0.92, minimum=0.05, maximum=1.0, description="of converter, pumps and driers, each way", source="declared"
    )


def thermal_voltage(temperature: float) -> float:
    """R T / F [V] at a temperature [K]."""
    return GAS_CONSTANT * temperature / FARADAY


def reversible_voltage(temperature: float) -> float:
    """Of hydrogen, oxygen and liquid water at 1 bar [V], linear about 298.15 K [K]."""
    return STANDARD_VOLTAGE + VOLTAGE_SLOPE * (temperature - 298.15)


def oxygen_overpotential(oxygen_energy: float) -> float:
    """Least overpotential [V] at which every step of oxygen reduction goes down, from the binding free energy of O [eV].

    The volcano of 2004: OH binds with half of O's energy x, and the potential is held by the weaker of its leaving as water,
    x/2, and the forming of OOH, 4.92 - 3.2 - x/2. Its top, 0.37 V, is at x = 1.72 eV.
    """
    bound = 0.5 * oxygen_energy
    return STANDARD_VOLTAGE - min(bound, WATER_SPLIT - HYDROPEROXYL - bound)


def oxygen_exchange(overpotential: float, temperature: float) -> float:
    """Exchange current [A/m2 of catalyst]: the rate of all sites, two electrons each, at the least overpotential [V]."""
    return 2.0 * SITE_CURRENT * math.exp(-overpotential / thermal_voltage(temperature))


def hydrogen_exchange(hydrogen_energy: float, temperature: float) -> float:
    """Exchange current [A/m2 of catalyst] over the binding free energy of H [eV]: e k N / (1 + exp(|dG| / kT)) (2005)."""
    ratio = abs(hydrogen_energy) / thermal_voltage(temperature)
    return SITE_CURRENT * math.exp(-ratio) / (1.0 + math.exp(-ratio))


def activation_overpotential(current: ArrayLike, exchange: float, temperature: float, transfer: float) -> NDArray[np.float64]:
    """Butler and Volmer solved for the overpotential [V] at a current [A/m2], both directions with the same transfer coefficient.

    (R T / transfer F) asinh(current / 2 exchange); for large currents that is Tafel's line.
    """
    found: NDArray[np.float64] = thermal_voltage(temperature) / transfer * np.arcsinh(np.asarray(current) / (2.0 * exchange))
    return found


def losses(p: FuelCellParameters, current: ArrayLike, oxygen: float) -> NDArray[np.float64]:
    """Voltage lost at both electrodes and in between [V]; `oxygen` is the least overpotential of the oxygen electrode [V]."""
    j = np.asarray(current, dtype=float) / p.roughness
    t = p.temperature
    slow = activation_overpotential(j, oxygen_exchange(oxygen, t), t, 1.0)
    quick = activation_overpotential(j, hydrogen_exchange(p.hydrogen_energy, t), t, 0.5)
    lost: NDArray[np.float64] = slow + quick + p.resistance * np.asarray(current)
    return lost


def discharge_voltage(p: FuelCellParameters, current: ArrayLike) -> NDArray[np.float64]:
    """Of a cell that gives a current [A/m2], [V]; not below 0."""
    lost = losses(p, current, oxygen_overpotential(p.oxygen_energy))
    return np.maximum(reversible_voltage(p.temperature) - lost, 0.0)


def charge_voltage(p: FuelCellParameters, current: ArrayLike) -> NDArray[np.float64]:
    """Of a cell that takes a current [A/m2], [V]."""
    return reversible_voltage(p.temperature) + losses(p, current, p.charge_overpotential)


def discharge_efficiency(p: FuelCellParameters, power: float) -> float:
    """Store to bus at a power at the bus [W]; the store counts what gases give at the reversible voltage. Raises InputError."""
    current = _current(p, power / p.balance_efficiency, discharge_voltage, "discharge_power")
    share = float(discharge_voltage(p, current)) / reversible_voltage(p.temperature)
    return share * p.faradaic_efficiency * p.balance_efficiency


def charge_efficiency(p: FuelCellParameters, power: float) -> float:
    """Bus to store at a power at the bus [W]. Raises InputError."""
    current = _current(p, power * p.balance_efficiency, charge_voltage, "charge_power")
    share = reversible_voltage(p.temperature) / float(charge_voltage(p, current))
    return share * p.faradaic_efficiency * p.balance_efficiency


def _current(
    p: FuelCellParameters, power: float, voltage: Callable[[FuelCellParameters, ArrayLike], NDArray[np.float64]], name: str
) -> float:
    """Least current [A/m2] at which the cells carry a power [W]."""
    if not 0.0 < power < math.inf:
        raise InputError("fuel cell", name, "is not a finite number above 0 W", "give the rated power", power)
    currents = np.linspace(0.0, p.limiting_current, POINTS)
    powers = currents * voltage(p, currents) * p.area
    enough = int(np.argmax(powers >= power))
    if enough == 0:
        problem = f"needs {power:.6g} W of cells that carry {powers.max():.6g} W at most"
        raise InputError("fuel cell", name, problem, "give a larger area or another catalyst", power)
    root = brentq(lambda j: j * float(voltage(p, j)) * p.area - power, currents[enough - 1], currents[enough], xtol=1e-9)
    return float(root)


def storage(p: FuelCellParameters, *, capacity: float, discharge_power: float, charge_power: float) -> BatteryParameters:
    """What planner, bus and grants take as a battery.

    Parameters
    ----------
    p : FuelCellParameters
    capacity : float
        Energy of the gases at the reversible voltage, tanks full [J].
    discharge_power, charge_power : float
        Rated, at the bus [W].

    Notes
    -----
    The efficiencies are those at the rated powers. With less the cells lose less, so that a plan counts on no more than there
    is. Tanks neither taper nor know the state of charge of a cell: limits hold to the end. The battery's temperature is
    20 C, at which its model for lithium leaves everything as it is. Heat, start-up, and the water's freezing are not in it.

    Raises
    ------
    InputError
        When the cells do not carry the powers.
    """
    return BatteryParameters(
        capacity=capacity, charge_efficiency=charge_efficiency(p, charge_power),
        discharge_efficiency=discharge_efficiency(p, discharge_power), max_charge_power=charge_power,
        max_discharge_power=discharge_power, floor=0.0, discharge_taper=0.0, charge_taper=1.0, temperature=293.15,
    )  # fmt: skip
