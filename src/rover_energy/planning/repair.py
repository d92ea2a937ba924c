"""What a failing certificate asks for: a slower drive along the same path, more energy kept back, or a path held back."""

from __future__ import annotations

import math

import numpy as np

from rover_energy.planning.certificate import Certificate, Check
from rover_energy.planning.model import ROWS
from rover_energy.planning.stage import SAMPLES
from rover_energy.planning.transcription import Programme, piece_ratios
from rover_energy.rover import RoverParameters

#: Checks that a uniformly slower drive relaxes, with the power of the time scale by which their values fall.
TIME_SCALED = {"power": 1.0, "speed": 1.0, "yaw_rate": 1.0, "acceleration": 2.0}
ENERGY = ("battery_floor", "energy_budget")
PLACE_HEADROOM = 1.6  # on a path held back: the path gives way between the samples held
REACH = 3  # samples on either side of a failure that are held back


def _steepness_slope(angle: float) -> float:
    """d tan^2 / d angle, for the row of the tilt."""
    return 2.0 * math.tan(angle) / math.cos(angle) ** 2


#: Checks of the path itself: the optimiser's rows, and the change of the row with the checked value.
PLACES = {
    "keep_out": (("clearance",), lambda value: 1.0),
    "along_slope": (("along_slope",), lambda value: 1.0 / math.cos(value) ** 2),
    "tilt": (("tilt",), _steepness_slope),
    "curvature": (("curvature_left", "curvature_right"), lambda value: 1.0),
}
assert all(row in ROWS for rows, _ in PLACES.values() for row in rows)
HEADROOM = 1.05  # on a correction, so that the next certificate passes; a later attempt takes more


def excess(check: Check) -> float:
    """By how much a check fails, with what may happen between its samples; 0 when it passes."""
    return 0.0 if check.passed else max(0.0, check.between_samples_bound - check.margin)


def failing(certificate: Certificate) -> str:
    """Names of the checks that fail, with the worst value and its limit."""
    return ", ".join(f"{c.name} {c.worst_value:.6g} against {c.limit:.6g} {c.unit}" for c in certificate.checks if not c.passed)


def stretch_factor(certificate: Certificate, rover: RoverParameters, attempt: int = 0) -> float:
    """Factor on time after which the failing checks should pass; 1 when none of them is helped by that.

    A certificate names the worst instant only; elsewhere less motion power may be left to scale, therefore each further
    `attempt` asks for twice as much. Motion power falls at least with the inverse of the factor, for drive and turning are
    work along a fixed path and the inertial parts fall faster; the constant loads do not.
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


def corrections(programme: Programme, certificate: Certificate, duration: float) -> Programme | None:
    """The programme with what the certificate found held back; None when something fails that this cannot mend."""
    slack = 0.0
    for check in certificate.failures:
        if not math.isfinite(check.margin):
            return None
        if check.name in ENERGY:
            slack = max(slack, HEADROOM * excess(check) + 0.5)
        elif check.name in PLACES:
            programme = _held_back(programme, check, check.at_time / duration)
        elif not (check.name == "power" and slack > 0.0):
            return None
    return programme.keeping_energy(slack) if slack > 0.0 else programme


def _held_back(programme: Programme, check: Check, fraction: float) -> Programme:
    """Rows of a place check tightened around the fraction of the duration at which it fails."""
    ratios = piece_ratios(programme)
    starts = np.concatenate(([0.0], np.cumsum(ratios)))
    at = fraction * starts[-1]
    piece = int(np.clip(np.searchsorted(starts, at, side="right") - 1, 0, programme.pieces - 1))
    sample = SAMPLES * piece + int(np.clip((at - starts[piece]) / ratios[piece] * SAMPLES, 0, SAMPLES - 1))
    near = np.arange(max(1, sample - REACH), min(SAMPLES * programme.pieces, sample + REACH + 1))
    rows, scale = PLACES[check.name]
    amount = PLACE_HEADROOM * max(-check.margin, 1e-6) * scale(check.worst_value)
    return programme.holding_back(rows, near, amount)
