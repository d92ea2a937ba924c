"""The mission description: where and when, what the traverse may spend, as read from mission.yaml."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rover_energy.parameters import Parameters, group, parameter


@dataclass(frozen=True)
class SiteParameters(Parameters):
    """Place and time of the traverse. With `sun_elevation` given, the Sun stands still there and the place is not used."""

    body: str = parameter("moon", choices=("moon", "mars"), description="celestial body")
    latitude: float = parameter(-80.0, unit="deg", minimum=-90.0, maximum=90.0, description="planetocentric, north positive")
    longitude: float = parameter(0.0, unit="deg", minimum=-360.0, maximum=360.0, description="east positive")
    start: str = parameter("2028-03-08T00:00:00", description="UTC at the start of the traverse, ISO 8601")
    grid_azimuth: float = parameter(
        0.0, unit="deg", minimum=-360.0, maximum=360.0,
        description="true azimuth of the map's y axis, clockwise from north: the grid convergence of the map's projection",
    )  # fmt: skip
    far_horizon: tuple[tuple[float, float], ...] = parameter(
        (), unit="deg", minimum=-360.0, maximum=360.0,
        description="azimuth and elevation of the skyline beyond the map; the horizontal without it",
    )  # fmt: skip
    panel_height: float = parameter(0.0, unit="m", minimum=0.0, maximum=10.0, description="height of the array above the ground")
    sun_azimuth: float | None = parameter(
        None, unit="deg", minimum=-360.0, maximum=360.0, description="fixed Sun: clockwise from north (+y)",
    )  # fmt: skip
    sun_elevation: float | None = parameter(
        None, unit="deg", minimum=-90.0, maximum=90.0, description="fixed Sun: above the horizontal",
    )  # fmt: skip
    optical_depth: float = parameter(0.5, minimum=0.0, maximum=10.0, description="Mars: dust in the air, tau")
    cast_shadows: bool = parameter(True, description="compute shadows from the terrain's horizon")


@dataclass(frozen=True)
class WeightParameters(Parameters):
    """Weights of the planner's cost: time + smoothness * integral of jerk^2 + energy * consumed energy."""

    time: float = parameter(1.0, unit="1/s", minimum=0.0, description="weight of the traverse time")
    smoothness: float = parameter(0.01, minimum=0.0, description="weight of squared jerk and squared yaw jerk")
    energy: float = parameter(0.0, unit="1/J", minimum=0.0, description="weight of the energy consumed by all loads")


@dataclass(frozen=True)
class MissionParameters(Parameters):
    """One traverse: supplies at its start and what must hold until its end."""

    site: SiteParameters = group(SiteParameters, "place and time")
    years_since_fuelling: float = parameter(3.0, unit="year", minimum=0.0, maximum=100.0, description="age of the generator")
    use_battery: bool = parameter(True, description="false: loads stay below generator plus array at every instant")
    state_of_charge: float = parameter(0.8, minimum=0.0, maximum=1.0, description="state of charge at the start")
    power_limit: float | None = parameter(None, unit="W", minimum=0.0, description="cap on the total load, whatever is available")
    energy_budget: float | None = parameter(None, unit="J", minimum=0.0, description="cap on the energy consumed by all loads")
    deadline: float | None = parameter(None, unit="s", minimum=0.0, description="latest arrival after the start")
    horizon: float = parameter(
        7200.0, unit="s", minimum=1.0, maximum=math.inf, description="time for which Sun and shadow are computed",
    )  # fmt: skip
    keep_outs: tuple[tuple[tuple[float, float], ...], ...] = parameter(
        (), unit="m", description="polygons that the rover's centre line, widened by half its width, must not enter",
    )  # fmt: skip
    weights: WeightParameters = group(WeightParameters, "the planner's cost")
