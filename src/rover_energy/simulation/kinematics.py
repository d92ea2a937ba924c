"""From the body's wanted motion to the wheels and back: four steered corners, all axles through one centre of turning."""

from __future__ import annotations

import math

import numpy as np

from rover_energy.simulation.geometry import CORNER_INDEX, FloatArray, RoverGeometry

_ALIGNED, _ASTRAY = 0.10, 0.40  # [rad] steering error up to which the wheels drive fully, and from which they wait


def feasible_motion(geometry: RoverGeometry, speed: float, yaw_rate: float) -> tuple[float, float]:
    """Nearest motion that the corners can be steered to [m/s, rad/s].

    Between a turn on the spot and the tightest turn while rolling (`RoverGeometry.tightest_turn`) the centre of turning would
    lie under the inner wheels. Below half of that radius the motion becomes a turn on the spot, above it the yaw rate falls
    to what the tightest turn gives at this speed.
    """
    tightest = geometry.tightest_turn
    if yaw_rate == 0.0 or abs(speed) >= tightest * abs(yaw_rate):
        return speed, yaw_rate
    if abs(speed) < 0.5 * tightest * abs(yaw_rate):
        return 0.0, yaw_rate
    return speed, math.copysign(abs(speed) / tightest, yaw_rate)


def steering_angles(geometry: RoverGeometry, speed: float, yaw_rate: float) -> FloatArray:
    """Angles (4,) of the corners for a feasible motion [rad], order of `CORNERS`; zeros at rest.

    tan delta = omega x / (v - omega y) for a wheel at (x, y), within +-90 deg: a wheel on the far side of the centre of
    turning rolls backward instead of turning right round.
    """
    corners = geometry.positions[CORNER_INDEX]
    along = speed - yaw_rate * corners[:, 1]
    across = yaw_rate * corners[:, 0]
    flip = np.where(along < 0.0, -1.0, 1.0)
    angles: FloatArray = np.arctan2(flip * across, np.abs(along))
    return angles


def rolling_speeds(geometry: RoverGeometry, speed: float, yaw_rate: float, steering: FloatArray) -> FloatArray:
    """Rim speeds (6,) [m/s] of wheels that stand at the angles `steering` (4,) [rad]: the ground's velocity along each wheel."""
    sine, cosine = np.zeros(6), np.ones(6)
    sine[CORNER_INDEX], cosine[CORNER_INDEX] = np.sin(steering), np.cos(steering)
    x, y = geometry.positions[:, 0], geometry.positions[:, 1]
    speeds: FloatArray = (speed - yaw_rate * y) * cosine + yaw_rate * x * sine
    return speeds


def alignment(error: float) -> float:
    """Share of the wanted wheel speed while the corners are `error` [rad] from where they should be: 1 to 0."""
    return min(1.0, max(0.0, (_ASTRAY - error) / (_ASTRAY - _ALIGNED)))


def body_motion(geometry: RoverGeometry, rim_speeds: FloatArray, steering: FloatArray) -> tuple[float, float]:
    """Speed [m/s] and yaw rate [rad/s] that fit the six rim speeds (6,) [m/s] best, in the sense of least squares.

    Each wheel gives two equations: rolling along its plane, and no motion across it.
    """
    sine, cosine = np.zeros(6), np.ones(6)
    sine[CORNER_INDEX], cosine[CORNER_INDEX] = np.sin(steering), np.cos(steering)
    x, y = geometry.positions[:, 0], geometry.positions[:, 1]
    lever_along, lever_across = x * sine - y * cosine, x * cosine + y * sine
    # Normal equations of [cosine lever_along; -sine lever_across] (v, omega) = [rim; 0].
    a = 6.0
    b = float(np.dot(cosine, lever_along) - np.dot(sine, lever_across))
    c = float(np.dot(lever_along, lever_along) + np.dot(lever_across, lever_across))
    p, q = float(np.dot(cosine, rim_speeds)), float(np.dot(lever_along, rim_speeds))
    determinant = a * c - b * b
    return (c * p - b * q) / determinant, (a * q - b * p) / determinant
