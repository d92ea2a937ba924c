"""Wheel and soil: Bekker-Wong mechanics of a driven or towed rigid wheel in loose ground, in closed form.

All forces are per wheel unless a name says otherwise. Sources: M. G. Bekker, *Introduction to Terrain-Vehicle Systems*,
1969; J. Y. Wong, *Theory of Ground Vehicles*, 4th ed. 2008; Z. Janosi and B. Hanamoto 1961; the
collection of them with lunar constants is NASA NTRS 20220010732 (Lunar Terrain Vehicle white paper). Bearing capacity:
K. Terzaghi, *Theoretical Soil Mechanics*, 1943, with N_gamma in the form of D. P. Coduto, *Foundation Design*, 2001.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.parameters import Parameters, parameter

Array = NDArray[np.float64]
NASA_LTV = "NASA LTV white paper, NTRS 20220010732"


@dataclass(frozen=True)
class SoilParameters(Parameters):
    """Pressure-sinkage and shear constants of the ground. The defaults are lunar regolith."""

    exponent: float = parameter(1.0, minimum=0.1, maximum=2.5, description="sinkage exponent n", source=NASA_LTV)
    cohesive_modulus: float = parameter(
        1400.0, unit="N/m^(n+1)", description="k_c; a fit may make it negative, as long as k_c + width k_phi stays positive",
        source=NASA_LTV,
    )  # fmt: skip
    frictional_modulus: float = parameter(820.0e3, unit="N/m^(n+2)", minimum=0.0, description="k_phi", source=NASA_LTV)
    cohesion: float = parameter(170.0, unit="Pa", minimum=0.0, description="c of the Mohr-Coulomb law", source=NASA_LTV)
    friction_angle: float = parameter(
        math.radians(35.0), unit="rad", minimum=0.05, maximum=1.0, description="internal friction angle",
        source="middle of 30 to 40 deg, " + NASA_LTV,
    )  # fmt: skip
    bulldozing_cohesion_factor: float | None = parameter(
        33.37, minimum=0.0, description="K_c; null: from the friction angle", source=NASA_LTV + "; it belongs to 33 deg",
    )  # fmt: skip
    bulldozing_weight_factor: float | None = parameter(
        72.77, minimum=0.0, description="K_gamma; null: from the friction angle", source=NASA_LTV + "; it belongs to 33 deg",
    )  # fmt: skip
    density: float = parameter(
        1525.0, unit="kg/m3", minimum=0.0, description="bulk density", source="2470 N/m3 on the Moon, " + NASA_LTV,
    )  # fmt: skip
    shear_modulus: float = parameter(
        0.018, unit="m", minimum=1e-4, maximum=1.0, description="K, deformation at which shear is mobilised", source=NASA_LTV,
    )  # fmt: skip


@dataclass(frozen=True)
class WheelParameters(Parameters):
    """Wheels of the rover, all alike and equally loaded."""

    count: int = parameter(4, minimum=1, maximum=20, description="number of wheels")
    diameter: float = parameter(0.306, unit="m", minimum=0.01, maximum=5.0, description="diameter", source="EMRS breadboard")
    width: float = parameter(0.108, unit="m", minimum=0.005, maximum=3.0, description="width", source="EMRS breadboard")
    bulldozing_count: int = parameter(
        2, minimum=0, maximum=20, description="wheels that push virgin soil: the front axle, as the others follow in its rut",
    )  # fmt: skip
    rolling_coefficient: float = parameter(
        0.03, minimum=0.0, maximum=1.0, description="internal rolling resistance over load: bearings, seals, flexing tyres",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bulldozing_count <= self.count:
            raise InputError("WheelParameters", "bulldozing_count", "exceeds count", "lower it", self.bulldozing_count)


class BearingFactors(NamedTuple):
    """Terzaghi's factors of general shear failure, and the bulldozing factors K_c, K_gamma made from them [-]."""

    surcharge: float
    cohesion: float
    weight: float
    bulldozing_cohesion: float
    bulldozing_weight: float


def bearing_factors(friction_angle: float) -> BearingFactors:
    """Bearing capacity factors N_q, N_c, N_gamma and Bekker's K_c, K_gamma for a friction angle [rad].

    N_q = exp(2 (3 pi/4 - phi/2) tan phi) / (2 cos^2(45 deg + phi/2)), N_c = (N_q - 1)/tan phi (Terzaghi 1943);
    N_gamma = 2 (N_q + 1) tan phi / (1 + 0.4 sin 4 phi) (Coduto 2001, a fit to Terzaghi's chart);
    K_c = (N_c - tan phi) cos^2 phi, K_gamma = (2 N_gamma / tan phi + 1) cos^2 phi (Bekker 1969).
    """
    tangent, cosine = math.tan(friction_angle), math.cos(friction_angle)
    spiral = math.exp(2.0 * (0.75 * math.pi - friction_angle / 2.0) * tangent)
    surcharge = spiral / (2.0 * math.cos(math.pi / 4.0 + friction_angle / 2.0) ** 2)
    cohesion = (surcharge - 1.0) / tangent
    weight = 2.0 * (surcharge + 1.0) * tangent / (1.0 + 0.4 * math.sin(4.0 * friction_angle))
    return BearingFactors(
        surcharge, cohesion, weight, (cohesion - tangent) * cosine**2, (2.0 * weight / tangent + 1.0) * cosine**2
    )


def stiffness(soil: SoilParameters, wheel: WheelParameters) -> float:
    """k_c + b k_phi [N/m^(n+1)]. Raises InputError where it is not positive: the soil would not bear anything."""
    value = soil.cohesive_modulus + wheel.width * soil.frictional_modulus
    if not value > 0.0:
        raise InputError("soil", "cohesive_modulus", "k_c + width k_phi is not positive", "raise either", soil.cohesive_modulus)
    return value


def pressure(soil: SoilParameters, wheel: WheelParameters, depth: ArrayLike) -> Array:
    """Normal pressure under a plate as wide as the wheel at a sinkage [m]: (k_c/b + k_phi) z^n [Pa] (Bekker 1969)."""
    result: Array = stiffness(soil, wheel) / wheel.width * np.asarray(depth, dtype=float) ** soil.exponent
    return result


def sinkage(soil: SoilParameters, wheel: WheelParameters, load: ArrayLike) -> Array:
    """Static sinkage of a rigid wheel [m].

    z = (3 W / ((3 - n)(k_c + b k_phi) sqrt D))^(2/(2n + 1)) (Bekker 1969; Wong 2008)

    Parameters
    ----------
    soil, wheel : SoilParameters, WheelParameters
    load : array_like
        Load on the wheel, normal to the ground [N]; NaN or negative gives NaN.

    Notes
    -----
    Derived for n < 1.3 and sinkage small beside the diameter; slip sinkage is not in it.
    """
    force = np.asarray(load, dtype=float)
    force = np.where(force >= 0.0, force, np.nan)
    n = soil.exponent
    depth: Array = (3.0 * force / ((3.0 - n) * stiffness(soil, wheel) * math.sqrt(wheel.diameter))) ** (2.0 / (2.0 * n + 1.0))
    return depth


def compaction_resistance(soil: SoilParameters, wheel: WheelParameters, load: ArrayLike) -> Array:
    """Force spent on pressing the rut [N]: R_c = (k_c + b k_phi) z^(n+1)/(n + 1) at the static sinkage (Wong 2008)."""
    depth = sinkage(soil, wheel, load)
    force: Array = stiffness(soil, wheel) * depth ** (soil.exponent + 1.0) / (soil.exponent + 1.0)
    return force


def bulldozing_resistance(soil: SoilParameters, wheel: WheelParameters, load: ArrayLike, gravity: float) -> Array:
    """Force spent on pushing soil ahead of the wheel [N].

    R_b = b sin(alpha + phi)/(2 sin alpha cos phi) (2 z c K_c + gamma z^2 K_gamma)
    + l0^3 gamma (pi/2 - phi)/3 + c l0^2 (1 + tan(45 deg + phi/2)),
    alpha = acos(1 - 2 z/D), l0 = z tan^2(45 deg - phi/2), gamma = density gravity (Bekker 1969; Hegedus 1960).

    Notes
    -----
    The least certain part of the model, and in lunar soil the largest. The white paper's K_c and K_gamma are those of
    33 deg although it gives 30 to 40 deg for the friction angle; the defaults keep both, so as to reproduce its figures.
    """
    depth = sinkage(soil, wheel, load)
    cohesion_factor, weight_factor = _bulldozing_factors(soil)
    phi = soil.friction_angle
    weight = soil.density * gravity
    # At no load depth / sin(alpha) tends to 0 like sqrt(depth): the tiny stand-in keeps 0/0 away.
    safe = np.maximum(depth, 1e-12 * wheel.diameter)
    alpha = np.arccos(np.where(2.0 * safe < wheel.diameter, 1.0 - 2.0 * safe / wheel.diameter, np.nan))
    wedge = wheel.width * np.sin(alpha + phi) / (2.0 * np.sin(alpha) * math.cos(phi))
    earth = 2.0 * depth * soil.cohesion * cohesion_factor + weight * depth**2 * weight_factor
    reach = depth * math.tan(math.pi / 4.0 - phi / 2.0) ** 2
    flow = reach**3 * weight * (math.pi / 2.0 - phi) / 3.0
    flow = flow + soil.cohesion * reach**2 * (1.0 + math.tan(math.pi / 4.0 + phi / 2.0))
    force: Array = wedge * earth + flow
    return force


def _bulldozing_factors(soil: SoilParameters) -> tuple[float, float]:
    factors = bearing_factors(soil.friction_angle)
    cohesion, weight = soil.bulldozing_cohesion_factor, soil.bulldozing_weight_factor
    return (
        factors.bulldozing_cohesion if cohesion is None else cohesion,
        factors.bulldozing_weight if weight is None else weight,
    )


def rolling_resistance(wheel: WheelParameters, load: ArrayLike) -> Array:
    """Internal rolling resistance [N]: coefficient times load."""
    force: Array = wheel.rolling_coefficient * np.asarray(load, dtype=float)
    return force


def rover_resistance(soil: SoilParameters, wheel: WheelParameters, load: ArrayLike, gravity: float) -> Array:
    """Resistance of all wheels together [N]; the load of the rover is shared equally.

    Parameters
    ----------
    soil, wheel : SoilParameters, WheelParameters
    load : array_like
        Load of the whole rover normal to the ground, m g cos(tilt) [N].
    gravity : float
        [m/s2].

    Returns
    -------
    ndarray
        count (R_c + R_r) + bulldozing_count R_b. NaN for a NaN load.

    Raises
    ------
    InputError
        When the wheels sink to their axles, where the model ends.
    """
    each = np.asarray(load, dtype=float) / wheel.count
    depth = sinkage(soil, wheel, each)
    if np.any(2.0 * depth >= wheel.diameter):
        raise InputError(
            "soil", "sinkage [m]", f"reaches the axle of a wheel of {wheel.diameter:g} m",
            "use larger wheels, firmer soil or the polynomial resistance", float(np.nanmax(depth)),
        )  # fmt: skip
    total = wheel.count * (compaction_resistance(soil, wheel, each) + rolling_resistance(wheel, each))
    if wheel.bulldozing_count:
        total = total + wheel.bulldozing_count * bulldozing_resistance(soil, wheel, each, gravity)
    resistance: Array = total
    return resistance


def contact_length(wheel: WheelParameters, depth: ArrayLike) -> Array:
    """Length of the contact arc [m]: (D/2) acos(1 - 2 z/D)."""
    length: Array = wheel.diameter / 2.0 * np.arccos(1.0 - 2.0 * np.asarray(depth, dtype=float) / wheel.diameter)
    return length


def traction(soil: SoilParameters, wheel: WheelParameters, load: ArrayLike, slip: ArrayLike) -> Array:
    """Gross tractive force of a driven wheel [N].

    H = (A c + W tan phi)(1 - K/(s l)(1 - exp(-s l/K))), A = b l (Janosi and Hanamoto 1961; Wong 2008)

    Parameters
    ----------
    soil, wheel : SoilParameters, WheelParameters
    load : array_like
        Load on the wheel [N].
    slip : array_like, broadcast with it
        1 - v/(r omega), 0 to 1; NaN outside.
    """
    force, slip = np.broadcast_arrays(np.asarray(load, dtype=float), np.asarray(slip, dtype=float))
    slip = np.where((slip >= 0.0) & (slip <= 1.0), slip, np.nan)
    length = contact_length(wheel, sinkage(soil, wheel, force))
    shear = slip * length / soil.shear_modulus
    small = np.where(shear > 1e-5, shear, 1.0)
    # Below 1e-5 the bracket is shear/2 - shear^2/6 to the last digit, and the quotient would cancel.
    mobilised = np.where(shear > 1e-5, 1.0 + np.expm1(-small) / small, shear / 2.0 - shear**2 / 6.0)
    strength = wheel.width * length * soil.cohesion + force * math.tan(soil.friction_angle)
    gross: Array = strength * mobilised
    return gross


def drawbar_pull(soil: SoilParameters, wheel: WheelParameters, load: ArrayLike, slip: ArrayLike, gravity: float) -> Array:
    """Net pull of one driven wheel in virgin soil [N]: traction less compaction, bulldozing and rolling resistance."""
    resistance = compaction_resistance(soil, wheel, load) + bulldozing_resistance(soil, wheel, load, gravity)
    pull: Array = traction(soil, wheel, load, slip) - resistance - rolling_resistance(wheel, load)
    return pull
