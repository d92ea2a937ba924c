"""Constants of the bodies on which a rover may drive, and of the Sun seen from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rover_energy.errors import InputError

ASTRONOMICAL_UNIT = 149_597_870_700.0  # [m], exact (IAU 2012 resolution B2)
SUN_RADIUS = 695_700_000.0  # [m], nominal (IAU 2015 resolution B3)
SOLAR_CONSTANT = 1361.0  # [W/m2] at 1 au, nominal (IAU 2015 resolution B3; Kopp & Lean 2011, 10.1029/2010GL045777)


@dataclass(frozen=True)
class Body:
    """A celestial body with a solid surface.

    Attributes
    ----------
    name : str
        Lower-case name as in `SiteParameters.body`.
    radius : float
        Mean radius [m]: curvature of the ground when horizons are computed.
    flattening : float
        (a - b)/a of the reference ellipsoid [-]: turns planetocentric latitude into the direction of the vertical.
    gravity : float
        GM/radius^2 [m/s2].
    solar_day : float
        Mean time from noon to noon [s].
    sun_distance : float
        Mean distance to the Sun [au].
    atmosphere : bool
        Whether dust in the air dims and scatters the light.
    """

    name: str
    radius: float
    flattening: float
    gravity: float
    solar_day: float
    sun_distance: float
    atmosphere: bool

    @property
    def sun_rate(self) -> float:
        """Mean apparent angular rate of the Sun about the body's axis [rad/s]."""
        return 2.0 * math.pi / self.solar_day


# Radii and shape: Archinal et al. 2018 (IAU WGCCRE 2015), 10.1007/s10569-017-9805-5. GM: Park et al. 2021 (DE440),
# 10.3847/1538-3881/abd414. Synodic month 29.530589 d: Chapront et al. 2002, 10.1051/0004-6361:20020420. Sol and mean distance:
# Allison & McEwen 2000, 10.1016/S0032-0633(99)00092-6.
MOON = Body("moon", 1_737_400.0, 0.0, 4.902800118e12 / 1_737_400.0**2, 29.530589 * 86400.0, 1.0, atmosphere=False)
MARS = Body(
    "mars", 3_389_500.0, 1.0 - 3_376_200.0 / 3_396_190.0, 4.2828375816e13 / 3_389_500.0**2, 88775.244, 1.52367934, atmosphere=True
)
BODIES = {body.name: body for body in (MOON, MARS)}


def body_named(name: str) -> Body:
    """The body of that name. Raises InputError for a name that is not known."""
    if name not in BODIES:
        raise InputError("site", "body", "unknown body", f"use one of {', '.join(BODIES)}", name)
    return BODIES[name]


def sun_angular_radius(distance: float) -> float:
    """Angular radius of the Sun's disc [rad] seen from `distance` [au], a positive number.

    Raises InputError when the distance is not positive and finite.
    """
    if not (distance > SUN_RADIUS / ASTRONOMICAL_UNIT and math.isfinite(distance)):
        raise InputError("sun", "distance", "is not a distance outside the Sun", "give astronomical units", distance)
    return math.asin(SUN_RADIUS / (distance * ASTRONOMICAL_UNIT))
