"""Stresses along the contact arc of a driven rigid wheel: the integral model of Wong and Reece, solved for the load.

The closed forms of `rover_energy.locomotion.soil` spread the load evenly and take the static sinkage; here the sinkage
follows from the balance of the load with the stresses at the given slip. It serves as the finer of two predictions in
the comparison with single-wheel experiments.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.soil import SoilParameters, WheelParameters, stiffness

Array = NDArray[np.float64]
PEAK_OFFSET = 0.4
PEAK_SLIP = 0.15
"""Angle of the largest normal stress over the entry angle: PEAK_OFFSET + PEAK_SLIP slip. G. Ishigami et al., J. Field
Robotics 24:233 (2007), 10.1002/rob.20187, give about 0.4 and 0 to 0.3 after Wong and Reece 1967; the middle is taken."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


class WheelState(NamedTuple):
    """Balance of one wheel: sinkage [m], net pull [N], torque about the axle [N m]."""

    sinkage: float
    drawbar_pull: float
    torque: float


def _integrals(soil: SoilParameters, wheel: WheelParameters, entry: float, slip: float) -> tuple[float, float, float]:
    """Vertical force, net horizontal force [N] and torque [N m] for an entry angle [rad]."""
    radius = wheel.diameter / 2.0
    peak = (PEAK_OFFSET + PEAK_SLIP * slip) * entry
    # The normal stress has a kink at the peak: one Gauss rule on either side of it.
    halves = [(peak, entry), (0.0, peak)]
    angle = np.concatenate([0.5 * (b - a) * _NODES + 0.5 * (a + b) for a, b in halves])
    weight = np.concatenate([0.5 * (b - a) * _WEIGHTS for a, b in halves])
    mirrored = np.where(angle >= peak, angle, entry - angle / peak * (entry - peak))
    depth = np.maximum(0.0, radius * (np.cos(mirrored) - math.cos(entry)))
    normal = stiffness(soil, wheel) / wheel.width * depth**soil.exponent
    travel = radius * ((entry - angle) - (1.0 - slip) * (math.sin(entry) - np.sin(angle)))
    shear = (soil.cohesion + normal * math.tan(soil.friction_angle)) * -np.expm1(-travel / soil.shear_modulus)
    area = radius * wheel.width
    lift = area * float(np.sum(weight * (normal * np.cos(angle) + shear * np.sin(angle))))
    pull = area * float(np.sum(weight * (shear * np.cos(angle) - normal * np.sin(angle))))
    return lift, pull, radius * area * float(np.sum(weight * shear))


def solve_wheel(soil: SoilParameters, wheel: WheelParameters, *, load: float, slip: float) -> WheelState:
    """Sinkage, drawbar pull and torque of one driven wheel (J. Y. Wong and A. R. Reece, J. Terramechanics 4(1):81, 1967).

    sigma = (k_c/b + k_phi) z(theta)^n, mirrored ahead of and behind the peak, exit at the lowest point;
    tau = (c + sigma tan phi)(1 - exp(-j/K)), j = r (theta_1 - theta - (1 - s)(sin theta_1 - sin theta));
    W = r b int (sigma cos + tau sin), DP = r b int (tau cos - sigma sin), T = r^2 b int tau.

    Parameters
    ----------
    soil, wheel : SoilParameters, WheelParameters
    load : float
        Load on the wheel [N], above 0.
    slip : float
        0 to 1.

    Raises
    ------
    InputError
        When load or slip is out of range, or the wheel sinks to its axle before the soil carries it.
    """
    if not (load > 0.0 and math.isfinite(load)):
        raise InputError("wheel", "load", "is not a positive force", "give it in N", load)
    if not 0.0 <= slip <= 1.0:
        raise InputError("wheel", "slip", "is not between 0 and 1", "give a fraction, not percent", slip)
    from scipy.optimize import brentq

    deepest = math.pi / 2.0
    if _integrals(soil, wheel, deepest, slip)[0] < load:
        raise InputError(
            "wheel", "load", "is more than the soil carries above the axle", "lower the load or enlarge the wheel", load
        )
    entry = brentq(lambda angle: _integrals(soil, wheel, angle, slip)[0] - load, 1e-6, deepest, xtol=1e-12)
    _, pull, torque = _integrals(soil, wheel, entry, slip)
    return WheelState(wheel.diameter / 2.0 * (1.0 - math.cos(entry)), pull, torque)
