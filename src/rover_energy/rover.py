"""The rover description: every constant of the power model and every limit of motion, as read from rover.yaml."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rover_energy.locomotion.demand import LocomotionParameters
from rover_energy.parameters import Parameters, group, parameter
from rover_energy.power.battery import BatteryParameters
from rover_energy.power.pv import PvParameters
from rover_energy.power.rtg import RtgParameters


@dataclass(frozen=True)
class LimitParameters(Parameters):
    """Limits of motion that hold at every instant."""

    speed: float = parameter(0.5, unit="m/s", minimum=0.001, maximum=30.0, description="speed along the surface")
    acceleration: float = parameter(
        0.1, unit="m/s2", minimum=0.001, maximum=30.0, description="absolute acceleration along the surface"
    )
    yaw_rate: float = parameter(0.3, unit="rad/s", minimum=0.001, maximum=30.0, description="absolute yaw rate about body z")
    curvature: float = parameter(1.0 / 1.5, unit="1/m", minimum=0.001, maximum=100.0, description="absolute yaw rate over speed")
    along_slope: float = parameter(
        math.radians(15.0), unit="rad", minimum=0.001, maximum=1.0, description="absolute slope along the heading",
    )  # fmt: skip
    tilt: float = parameter(math.radians(20.0), unit="rad", minimum=0.001, maximum=1.0, description="tilt of the body")


@dataclass(frozen=True)
class LoadParameters(Parameters):
    """Constant loads on the bus."""

    base_power: float = parameter(55.0, unit="W", minimum=0.0, maximum=1.0e5, description="avionics, heaters, radio")
    inference_power: float = parameter(0.0, unit="W", minimum=0.0, maximum=1.0e5, description="neural networks on board")


@dataclass(frozen=True)
class RoverParameters(Parameters):
    """Everything the planner must know about one rover."""

    name: str = parameter("rover", description="name shown in reports")
    footprint: float = parameter(
        0.4, unit="m", minimum=0.0,
        description="standard deviation of the Gaussian by which wheels and rockers average the ground",
    )  # fmt: skip
    width: float = parameter(1.0, unit="m", minimum=0.0, description="keep-outs are widened by half of it")
    locomotion: LocomotionParameters = group(LocomotionParameters, "mobility")
    limits: LimitParameters = group(LimitParameters, "limits of motion")
    loads: LoadParameters = group(LoadParameters, "constant loads")
    rtg: RtgParameters = group(RtgParameters, "radioisotope generator")
    pv: PvParameters = group(PvParameters, "solar array")
    battery: BatteryParameters = group(BatteryParameters, "battery")
