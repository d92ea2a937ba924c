"""Raw points of the ground under a rover, and what its six wheels feel and spend there, by a quasi-static model.

The network gets points and wheel centres only: no grid, no neighbours, no order. The labels come from the true ground between
the points. `plane_answer` is the baseline: the same statics on the plane through the points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.locomotion.demand import LocomotionParameters, slip
from rover_energy.locomotion.soil import (
    SoilParameters,
    WheelParameters,
    bulldozing_resistance,
    compaction_resistance,
    rolling_resistance,
)

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
POINTS, WHEELS, BUMPS = 64, 6, 12
REACH = 0.85  # [m] radius of the ground that is seen
TRACK, BASE, CENTRE = 0.892, 1.07, 0.38  # [m] between left and right, front and rear axles; height of the centre of mass
CONTACT = 0.12  # [m] standard deviation over which a wheel averages the ground: its contact and half its radius
MASS, GRAVITY = 200.0, 1.62  # [kg], [m/s2]
WEIGHT = MASS * GRAVITY  # [N]
TILT, NOISE = math.radians(10.0), 0.003  # of the plane; [m] of a point's height
LOWEST_SIGMA, HIGHEST_SIGMA, AMPLITUDE = 0.22, 0.5, 0.055  # [m] of the bumps
#: front, middle and rear, left then right: (x, y) on the body [m]
PLACES = np.array([(x, y) for x in (BASE / 2.0, 0.0, -BASE / 2.0) for y in (TRACK / 2.0, -TRACK / 2.0)])
FRONT = np.array([True, True, False, False, False, False])  # the only ones that push virgin soil
DRIVE, SOIL, TYRE = LocomotionParameters(), SoilParameters(), WheelParameters(count=WHEELS)


@dataclass(frozen=True, eq=False)
class Stances:
    """n stances of the rover, the map's axes, origin under the rover's middle.

    points : (n, 64, 3) [m]. wheels : (n, 6, 3), their centres in the plane and the mean height of the ground [m]. forces :
    (n, 6, 3) of the ground on the wheels along its normals [N]. energy : (n,) at the bus per metre ahead [J/m].
    """

    points: Array
    wheels: Array
    forces: Array
    energy: Array


def make_stances(seed: int, count: int) -> Stances:
    """Random ground of a tilted plane and bumps, random headings."""
    rng = np.random.default_rng(seed)
    heading = rng.uniform(-math.pi, math.pi, count)
    steep, way = np.tan(rng.uniform(0.0, TILT, count)), rng.uniform(-math.pi, math.pi, count)
    plane = np.stack([steep * np.cos(way), steep * np.sin(way)], axis=1)
    bumps = (
        rng.uniform(-1.0, 1.0, (count, BUMPS, 2)), rng.uniform(LOWEST_SIGMA, HIGHEST_SIGMA, (count, BUMPS)),
        rng.normal(0.0, AMPLITUDE, (count, BUMPS)),
    )  # fmt: skip
    radius, angle = REACH * np.sqrt(rng.uniform(0.0, 1.0, (count, POINTS))), rng.uniform(-math.pi, math.pi, (count, POINTS))
    spots = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    height, _ = _ground(spots, plane, bumps, 0.0)
    places = _turned(heading)
    under, gradient = _ground(places, plane, bumps, CONTACT)
    noisy = height + NOISE * rng.normal(size=height.shape)
    datum = noisy.mean(axis=1, keepdims=True)  # nobody knows heights but against each other
    forces, energy = statics(under, gradient, heading)
    points = np.concatenate([spots, (noisy - datum)[..., None]], axis=-1)
    wheels = np.concatenate([places, np.zeros((count, WHEELS, 1))], axis=-1)
    return Stances(points, wheels, forces, energy)


def statics(height: Array, gradient: Array, heading: Array) -> tuple[Array, Array]:
    """Wheel forces (n, 6, 3) [N] and energy per metre (n,) [J/m] from the ground under the wheels.

    Parameters
    ----------
    height : (n, 6) array
        [m]
    gradient : (n, 6, 2) array
        Slopes towards x and y of the map.
    heading : (n,) array
        [rad]

    Notes
    -----
    On level ground rockers and bogies give each wheel a sixth. The centre of mass, above the axles, moves load to the lower
    side, between the sides by the roll, between front wheel and bogie by the pitch that both sides share. A wheel's motor
    brings its soil's resistance (Bekker and Wong, `locomotion.soil`) and lifts its own load up its own slope; motors feed
    nothing back, so that bumps cost energy on level ground.
    """
    side, front, back = height.reshape(-1, 3, 2), height[:, 0:2], 0.5 * (height[:, 2:4] + height[:, 4:6])
    lean = (side[..., 0].mean(axis=1) - side[..., 1].mean(axis=1)) / TRACK  # left above right
    rise = ((front - back) / (0.75 * BASE)).mean(axis=1)
    across = WEIGHT * (0.5 + CENTRE / TRACK * lean[:, None] * np.array([-1.0, 1.0]))  # (n, 2): left, right
    shift = 0.5 * WEIGHT * CENTRE / (0.75 * BASE) * rise
    ahead, bogie = across / 3.0 - shift[:, None], across / 3.0 + 0.5 * shift[:, None]
    load = np.maximum(np.concatenate([ahead, bogie, bogie], axis=1), 0.0)
    normal = np.concatenate([-gradient, np.ones((*load.shape, 1))], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    pressed = load * normal[..., 2]
    forces = pressed[..., None] * normal
    slope = np.arctan(gradient[..., 0] * np.cos(heading)[:, None] + gradient[..., 1] * np.sin(heading)[:, None])
    bulldozing = np.where(FRONT, bulldozing_resistance(SOIL, TYRE, pressed, GRAVITY), 0.0)
    against = compaction_resistance(SOIL, TYRE, pressed) + bulldozing + rolling_resistance(TYRE, pressed)
    pull = np.maximum(against + load * np.sin(slope), 0.0)
    slipping = slip(DRIVE.slip, np.arctan(np.tan(slope).mean(axis=1)))
    return forces, pull.sum(axis=1) / (1.0 - slipping) / DRIVE.drivetrain_efficiency


def plane_answer(stances: Stances) -> tuple[Array, Array]:
    """What `statics` makes of the plane through the points: forces (n, 6, 3) and energy (n,)."""
    ones = np.ones((*stances.points.shape[:2], 1))
    design = np.concatenate([stances.points[..., :2], ones], axis=-1)
    solved = np.linalg.solve(
        np.einsum("npi,npj->nij", design, design), np.einsum("npi,np->ni", design, stances.points[..., 2])[..., None]
    )[..., 0]
    gradient = np.repeat(solved[:, None, :2], WHEELS, axis=1)
    height = np.einsum("nwi,ni->nw", stances.wheels[..., :2], solved[:, :2]) + solved[:, 2:]
    front = stances.wheels[:, 0:2, :2].mean(axis=1)
    return statics(height, gradient, np.arctan2(front[:, 1], front[:, 0]))


def tokens(stances: Stances) -> tuple[Floats, NDArray[np.int64]]:
    """Coordinates (n, 70, 3) over the reach, points first, and the kind (70,): 0 a point, 1 to 6 a wheel."""
    places = np.concatenate([stances.points, stances.wheels], axis=1) / (REACH, REACH, 0.1)
    return places.astype(np.float32), np.concatenate([np.zeros(POINTS, np.int64), 1 + np.arange(WHEELS)])


def _turned(heading: Array) -> Array:
    """Wheel centres (n, 6, 2) in the map's axes."""
    c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
    x, y = PLACES[:, 0], PLACES[:, 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)


def _ground(spots: Array, plane: Array, bumps: tuple[Array, Array, Array], blur: float) -> tuple[Array, Array]:
    """Height (n, k) and gradient (n, k, 2) at spots (n, k, 2), averaged by a Gaussian of deviation `blur` [m]: exact."""
    centre, sigma, amplitude = bumps
    square = sigma**2 + blur**2
    strength = (amplitude * sigma**2 / square)[:, None]
    offset = spots[:, :, None] - centre[:, None]
    each = strength * np.exp(-0.5 * np.sum(offset**2, axis=-1) / square[:, None])
    height = np.einsum("nki,ni->nk", spots, plane) + each.sum(axis=-1)
    gradient = plane[:, None] - np.sum((each / square[:, None])[..., None] * offset, axis=2)
    return height, gradient
