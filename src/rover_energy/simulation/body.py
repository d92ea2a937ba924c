"""The body of a simulated rover: where it is, how it lies and how it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rover_energy.simulation.geometry import FloatArray


@dataclass(frozen=True)
class BodyState:
    """Pose and motion of the body's origin, map frame.

    Attributes
    ----------
    x, y, height : float
        [m]
    rotation : (3, 3) array
        From body to map frame; its columns are the body's axes.
    speed : float
        Along body x [m/s].
    yaw_rate : float
        About body z [rad/s].
    """

    x: float
    y: float
    height: float
    rotation: FloatArray
    speed: float
    yaw_rate: float

    @property
    def heading(self) -> float:
        """Of the body's x axis in the map frame [rad]."""
        return math.atan2(float(self.rotation[1, 0]), float(self.rotation[0, 0]))

    @property
    def roll(self) -> float:
        """REP 103 [rad]."""
        return math.atan2(float(self.rotation[2, 1]), float(self.rotation[2, 2]))

    @property
    def along_slope(self) -> float:
        """Of the body's x axis above the horizontal [rad]."""
        return math.asin(min(1.0, max(-1.0, float(self.rotation[2, 0]))))

    @property
    def tilt(self) -> float:
        """Angle between body z and the vertical [rad]."""
        return math.acos(min(1.0, max(-1.0, float(self.rotation[2, 2]))))


def standing_rotation(hx: float, hy: float, heading: float) -> FloatArray:
    """Rotation (3, 3) from body to map frame of a body on ground of gradient (hx, hy): z is the normal, x along heading."""
    along = math.atan(hx * math.cos(heading) + hy * math.sin(heading))
    x = np.array([math.cos(heading) * math.cos(along), math.sin(heading) * math.cos(along), math.sin(along)])
    z = np.array([-hx, -hy, 1.0]) / math.sqrt(1.0 + hx * hx + hy * hy)
    y = np.array([z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]])
    return np.stack([x, y, z], axis=1)


def quaternion(rotation: FloatArray) -> FloatArray:
    """Unit quaternion (w, x, y, z) of a rotation matrix, w >= 0, from its largest component, for the sake of rounding."""
    r = rotation
    trace = float(np.trace(r))
    squares = np.array([1.0 + trace, *(1.0 + 2.0 * float(r[i, i]) - trace for i in range(3))])
    first = int(np.argmax(squares))
    s = 2.0 * math.sqrt(float(squares[first]))
    rows = (
        (s / 4.0, (r[2, 1] - r[1, 2]) / s, (r[0, 2] - r[2, 0]) / s, (r[1, 0] - r[0, 1]) / s),
        ((r[2, 1] - r[1, 2]) / s, s / 4.0, (r[0, 1] + r[1, 0]) / s, (r[0, 2] + r[2, 0]) / s),
        ((r[0, 2] - r[2, 0]) / s, (r[0, 1] + r[1, 0]) / s, s / 4.0, (r[1, 2] + r[2, 1]) / s),
        ((r[1, 0] - r[0, 1]) / s, (r[0, 2] + r[2, 0]) / s, (r[1, 2] + r[2, 1]) / s, s / 4.0),
    )
    q = np.array(rows[first], dtype=float)
    return -q if q[0] < 0.0 else q
