"""Radioisotope thermoelectric generator: electrical power at the bus over mission time."""

from __future__ import annotations

from dataclasses import dataclass

from rover_energy.parameters import Parameters, parameter


@dataclass(frozen=True)
class RtgParameters(Parameters):
    """Constants of the generator. `units = 0` means there is none."""

    beginning_of_life_power: float = parameter(
        110.0, unit="W", minimum=0.0, description="electrical power of one unit when fuelled",
        source="MMRTG, about 110 W at launch, rps.nasa.gov",
    )  # fmt: skip
    units: int = parameter(1, minimum=0, description="number of generators on the bus")
    half_life: float = parameter(87.7, unit="year", minimum=1.0, description="half-life of the fuel", source="Pu-238")
    converter_degradation: float = parameter(
        0.008, unit="1/year", minimum=0.0, maximum=0.5, description="yearly loss of the thermocouples",
        source="MMRTG design 125 W to 100 W in 14 years is 1.58 %/year in all, of which decay is 0.79 %",
    )  # fmt: skip
