"""Photovoltaic array fixed to the rover's body: electrical power at the bus."""

from __future__ import annotations

from dataclasses import dataclass

from rover_energy.parameters import Parameters, parameter


@dataclass(frozen=True)
class PvParameters(Parameters):
    """Constants of the array. `area = 0` means there is none."""

    area: float = parameter(1.0, unit="m2", minimum=0.0, description="active cell area")
    efficiency: float = parameter(
        0.28, minimum=0.0, maximum=1.0, description="cell efficiency at the reference temperature",
        source="Spectrolab UTJ 28 %; roverdevkit default 0.28",
    )  # fmt: skip
    conversion_efficiency: float = parameter(
        0.95, minimum=0.0, maximum=1.0, description="cells to bus: peak-power tracker and wiring",
    )  # fmt: skip
    dust_factor: float = parameter(
        0.90, minimum=0.0, maximum=1.0, description="light that passes the dust on the array at mission start",
        source="roverdevkit default 0.90",
    )  # fmt: skip
    dust_rate: float = parameter(
        0.0, unit="1/day", minimum=0.0, maximum=1.0, description="fraction of the light lost per day to settling dust",
    )  # fmt: skip
    temperature_coefficient: float = parameter(
        -0.002, unit="1/K", minimum=-0.05, maximum=0.0, description="relative change of efficiency with temperature",
    )  # fmt: skip
    reference_temperature: float = parameter(301.15, unit="K", minimum=1.0, description="cell temperature of `efficiency`")
    cell_temperature: float = parameter(320.0, unit="K", minimum=1.0, description="cell temperature while driving")
    panel_pitch: float = parameter(
        0.0, unit="rad", minimum=-1.5708, maximum=1.5708,
        description="tilt of the panel normal from body z towards the panel azimuth",
    )  # fmt: skip
    panel_azimuth: float = parameter(
        0.0, unit="rad", minimum=-6.2832, maximum=6.2832,
        description="direction in which the panel leans, from body x (forward), counter-clockwise",
    )  # fmt: skip
