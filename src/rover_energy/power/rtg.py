"""Radioisotope thermoelectric generator: electrical power at the bus over mission time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.parameters import Parameters, parameter


@dataclass(frozen=True)
class RtgParameters(Parameters):
    """Constants of the generator. `units = 0` means there is none."""

    beginning_of_life_power: float = parameter(
        110.0, unit="W", minimum=0.0, maximum=1.0e5, description="electrical power of one unit when fuelled",
        source="MMRTG, about 110 W at launch, rps.nasa.gov",
    )  # fmt: skip
    units: int = parameter(1, minimum=0, description="number of generators on the bus")
    half_life: float = parameter(87.7, unit="year", minimum=1.0, description="half-life of the fuel", source="Pu-238")
    converter_degradation: float = parameter(
        0.008, unit="1/year", minimum=0.0, maximum=0.5, description="yearly loss of the thermocouples",
        source="MMRTG design 125 W to 100 W in 14 years is 1.58 %/year in all, of which decay is 0.79 %",
    )  # fmt: skip


def rtg_power(parameters: RtgParameters, years_since_fuelling: ArrayLike) -> NDArray[np.float64]:
    """Electrical power of all generators at the bus.

    P = units P0 2^(-years / half_life) (1 - converter_degradation)^years: the heat source decays, and of the heat that
    is left the thermocouples turn a smaller share into electricity each year.

    Parameters
    ----------
    parameters : RtgParameters
    years_since_fuelling : array_like, any shape
        Age of the fuel [year of 365.25 d], 0 or more.

    Returns
    -------
    ndarray, same shape
        Power [W]. NaN where the age is NaN or negative: the age before fuelling has no meaning.

    Notes
    -----
    The product form is the usual split into decay and degradation (Pu-238 half-life 87.7 year). Departure from data
    sheets, which quote one compound rate: 110 W with the defaults reads 1.58 % per year in all, as in the MMRTG design
    figures 125 W to 100 W in 14 years. The hot-side and sink temperatures are taken as constant.
    """
    years = np.asarray(years_since_fuelling, dtype=float)
    years = np.where(years >= 0.0, years, np.nan)
    decay = np.exp2(-years / parameters.half_life)
    degradation = (1.0 - parameters.converter_degradation) ** years
    power: NDArray[np.float64] = parameters.units * parameters.beginning_of_life_power * decay * degradation
    return power
