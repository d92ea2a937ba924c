"""Battery on the bus: efficiency, power limits by state of charge and temperature, floor."""

from __future__ import annotations

from dataclasses import dataclass

from rover_energy.parameters import Parameters, parameter


@dataclass(frozen=True)
class BatteryParameters(Parameters):
    """Constants of the battery. `capacity = 0` means there is none."""

    capacity: float = parameter(1.0e6, unit="J", minimum=0.0, description="stored energy at state of charge 1 at 20 C")
    charge_efficiency: float = parameter(0.95, minimum=0.05, maximum=1.0, description="bus to store", source="roverdevkit")
    discharge_efficiency: float = parameter(0.95, minimum=0.05, maximum=1.0, description="store to bus", source="roverdevkit")
    max_charge_power: float = parameter(150.0, unit="W", minimum=0.0, description="most power taken from the bus")
    max_discharge_power: float = parameter(150.0, unit="W", minimum=0.0, description="most power given to the bus")
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
    temperature: float = parameter(293.15, unit="K", minimum=100.0, maximum=400.0, description="cell temperature")
