"""What a failing certificate asks for: a slower drive along the same path, or more energy kept back."""

from __future__ import annotations

from rover_energy.planning.certificate import Certificate, Check
from rover_energy.rover import RoverParameters

#: Checks that a uniformly slower drive relaxes, with the power of the time scale by which their values fall.
TIME_SCALED = {"power": 1.0, "speed": 1.0, "yaw_rate": 1.0, "acceleration": 2.0}
ENERGY = ("battery_floor", "energy_budget")
HEADROOM = 1.05  # on a correction, so that the next certificate passes; a later attempt takes more


def excess(check: Check) -> float:
    """By how much a check fails, with what may happen between its samples; 0 when it passes."""
    return 0.0 if check.passed else max(0.0, check.between_samples_bound - check.margin)


def stretch_factor(certificate: Certificate, rover: RoverParameters, attempt: int = 0) -> float:
    """Factor on time after which the failing checks should pass; 1 when none of them is helped by that.

    A certificate names the worst instant only; elsewhere less motion power may be left to scale, therefore each further
    `attempt` asks for twice as much. Motion power falls at least with the inverse of the factor, for drive and turning are work along a fixed path and the
    inertial parts fall faster; the constant loads do not.
    """
    constant = rover.loads.base_power + rover.loads.inference_power
    factor = 1.0
    for check in certificate.checks:
        if check.passed or check.name not in TIME_SCALED:
            continue
        scaled = check.worst_value - constant if check.name == "power" else abs(check.worst_value)
        if not scaled > 0.0:
            return 1.0
        share = HEADROOM * 2.0**attempt * excess(check) / scaled
        factor = max(factor, (1.0 + share) ** (1.0 / TIME_SCALED[check.name]) if share < 1.0 else 1.0 + share)
    return factor


def required_slack(certificate: Certificate) -> float:
    """Energy [J] to keep back in another solve; 0 when something else than energy fails."""
    failing = [check for check in certificate.checks if not check.passed]
    if any(check.name not in ENERGY for check in failing):
        return 0.0
    return max((HEADROOM * excess(check) + 0.5 for check in failing), default=0.0)
