"""How the rover will stand along its path: attitude and climb from the raw terrain under its six wheels.

Plans are made on a surface that is smoothed over the rover's footprint. Supply and demand of the next seconds also feel what the
smoothing took away, and the map shows it: statics of a rocker-bogie (each wheel carries the same load) give the body's
slopes and the climb of its centre from the heights under the wheels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from rover_energy.errors import InputError
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import fill_no_data

Array = NDArray[np.float64]

COARSE = 0.25  # [m] cells wider than this are interpolated smoothly, as facets of that size are no ground
CLIMB_LENGTH = 0.1  # [m] over which the climb is averaged: about a wheel's contact


@dataclass(frozen=True)
class Stance:
    """Body at m poses: forward and leftward slope of the body (tangents), and height of its centre over the ground [m]."""

    forward: Array
    leftward: Array
    height: Array

    def gradient(self, heading: Array) -> tuple[Array, Array]:
        """Gradient of the body's plane in the map frame (hx, hy) [-]."""
        cosine, sine = np.cos(heading), np.sin(heading)
        return self.forward * cosine - self.leftward * sine, self.forward * sine + self.leftward * cosine


def stance_at(terrain: Terrain, wheels: ArrayLike, x: Array, y: Array, heading: Array) -> Stance:
    """Stance at poses (m,).

    Parameters
    ----------
    terrain : Terrain
        Its nodes as they are; no data is filled from the nearest node.
    wheels : (6, 2) array_like
        Centres of the wheels in the body frame [m]: front left, front right, middle left, middle right, rear left, rear right.
    x, y, heading : (m,)
        [m, m, rad].

    Returns
    -------
    Stance
        The bogie's pivot is taken half way between middle and rear wheel, the rocker's above the middle wheel, which gives all
        wheels the same load; wheels are points.

    Raises
    ------
    InputError
        `wheels` is not six places with the front ahead of the rear and the left apart from the right.
    """
    places = np.asarray(wheels, dtype=float)
    if not (places.shape == (6, 2) and places[0, 0] > places[4, 0] and places[0, 1] > places[1, 1]):
        raise InputError("stance", "wheels", "are not six places in the usual order", "give (x, y) of fl, fr, ml, mr, rl, rr")
    cosine, sine = np.cos(heading), np.sin(heading)
    px = x[:, None] + cosine[:, None] * places[:, 0] - sine[:, None] * places[:, 1]
    py = y[:, None] + sine[:, None] * places[:, 0] + cosine[:, None] * places[:, 1]
    where = np.stack([(py - terrain.y0) / terrain.cell, (px - terrain.x0) / terrain.cell])
    order = 3 if terrain.cell > COARSE else 1
    z: Array = ndimage.map_coordinates(fill_no_data(terrain.height), where, order=order, mode="nearest")
    bogie = 0.5 * (z[:, 2:4] + z[:, 4:6])
    rocker = (z[:, 0:2] - bogie) / (places[0, 0] - 0.5 * (places[2, 0] + places[4, 0]))
    sides = z.reshape(-1, 3, 2).mean(axis=1)
    leftward = (sides[:, 0] - sides[:, 1]) / (places[0, 1] - places[1, 1])
    return Stance(rocker.mean(axis=1), leftward, sides.mean(axis=1))


def climb_along(arc: Array, height: Array) -> Array:
    """Sine of the climb (m,): height gained per length of the path, over `CLIMB_LENGTH` about each place of the arc (m,) [m]."""
    ahead, behind = arc + 0.5 * CLIMB_LENGTH, arc - 0.5 * CLIMB_LENGTH
    moving = np.concatenate(([True], np.diff(arc) > 1e-9))
    gained = np.interp(ahead, arc[moving], height[moving]) - np.interp(behind, arc[moving], height[moving])
    span = np.minimum(ahead, arc[-1]) - np.maximum(behind, arc[0])
    return np.clip(gained / np.maximum(span, 1e-6), -0.9, 0.9)
