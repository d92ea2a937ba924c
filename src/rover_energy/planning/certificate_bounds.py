"""How far loads, sources and motion can leave the chords between the certificate's samples.

The samples are grouped into blocks of neighbouring intervals of equal length. For each block the exact derivatives of the
trajectory's polynomials, the values at the samples and the convex hulls of the spline coefficients of the cells it visits
give majorants (`certificate_rates`), which the formulas of `evaluation` carry through to every quantity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from rover_energy.environment.scene import Environment
from rover_energy.locomotion.demand import LocomotionParameters, SlipParameters, resistance_force
from rover_energy.planning.certificate_rates import (
    PlanarRates,
    Rates,
    SplineHull,
    planar_rates,
    product,
    smooth,
    spline_hull,
    spline_windows,
)
from rover_energy.planning.evaluation import Motion, Supply
from rover_energy.planning.trajectory import Trajectory
from rover_energy.power.pv import array_gain
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

Array = NDArray[np.float64]
Index = NDArray[np.intp]

BLOCK_SECONDS = 0.2  # longer blocks are fewer, but their majorants are larger
# Bounds of sup |d/dg (1 + |g|^2)^(-1/2)| = 2/sqrt(27), and of the second derivative of y / |y| for |y| >= 1, 2/sqrt(3).
COSINE_SLOPE = 0.385
NORMALISING = 1.1548
SOIL_COSINE = 0.5  # least cos(tilt) for which the soil's resistance is bounded


@dataclass(frozen=True)
class Blocks:
    """Blocks of intervals: `first`, `count` (nb,) intervals, `dt` (nb,) their length [s], `piece`, `begin`, `end` [s, local]."""

    left: Index
    first: Index
    count: Index
    dt: Array
    piece: Index
    begin: Array
    end: Array

    def spread(self, per_block: Array) -> Array:
        """Value of the block for every interval (k,)."""
        return np.repeat(per_block, self.count)

    def highest(self, samples: Array) -> Array:
        """Largest value at the samples of each block, both ends included; (q, m) or (m,) -> (q, nb) or (nb,)."""
        edges = np.stack([self.left[self.first], self.left[self.first] + self.count + 1], axis=1).ravel()
        padded = np.concatenate([samples, samples[..., -1:]], axis=-1)
        result: Array = np.maximum.reduceat(padded, edges, axis=-1)[..., ::2]
        return result


def make_blocks(piece: Index, local: Array, left: Index) -> Blocks:
    """Group the intervals of `evaluation.piece_grid`; a block ends where intervals stop being neighbours."""
    new_span = np.concatenate([[True], np.diff(left) > 1])
    start = np.flatnonzero(new_span)
    size = np.diff(np.append(start, left.size))
    position = np.arange(left.size) - np.repeat(start, size)
    length = local[left[start] + 1] - local[left[start]]
    together = np.maximum(1, np.rint(BLOCK_SECONDS / length)).astype(int)
    first = np.flatnonzero(position % np.repeat(together, size) == 0)
    count = np.diff(np.append(first, left.size))
    begin, end = local[left[first]], local[left[first] + count]
    return Blocks(left, first, count, (end - begin) / count, piece[left[first]], begin, end)


@dataclass(frozen=True)
class Bounds:
    """Majorants of a plan on its blocks. `load` bounds what can make the total demand exceed its chord, `array` what can make
    the array's power fall below it; the others bound magnitudes of the motion. `path` is the norm of the horizontal
    acceleration [m/s2].
    """

    blocks: Blocks
    load: Rates
    array: Rates
    speed: Rates
    acceleration: Rates
    yaw_rate: Rates
    slope: Rates
    gradient: Rates
    path: Array
    horizontal_speed: Array


def plan_bounds(
    trajectory: Trajectory,
    blocks: Blocks,
    motion: Motion,
    supply: Supply,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
) -> Bounds:
    """Majorants of everything the certificate checks; samples as made by `piece_grid`."""
    planar = planar_rates(trajectory, blocks.piece, 0.5 * (blocks.begin + blocks.end), 0.5 * (blocks.end - blocks.begin))
    box = _boxes(blocks, motion, planar)
    sampled = _sampled(blocks, motion, supply)
    hull = spline_hull(spline_windows(surface.coefficients, surface.x0, surface.y0, surface.cell, box), surface.cell, (3,))
    ground = _ground(planar, hull, sampled, blocks.dt)
    body = _body(planar, ground, sampled, blocks.dt)
    load = _load(planar, ground, body, sampled, blocks.dt, rover.locomotion, environment.gravity)
    array = _array(planar, ground, box, blocks, supply, motion, environment, rover)
    return Bounds(
        blocks, load, array, body["speed"], body["acceleration"], body["yaw_rate"], ground["slope"], ground["gradient"],
        planar.velocity[1], planar.velocity[0],
    )  # fmt: skip


def _boxes(blocks: Blocks, motion: Motion, planar: PlanarRates) -> tuple[Array, Array, Array, Array]:
    """Boxes that hold the whole path of each block: the samples', widened by the farthest way between two of them."""
    state = motion.state
    high = blocks.highest(np.stack([state.x, -state.x, state.y, -state.y]))
    reach = 0.5 * blocks.dt * planar.velocity[0] + 1e-9
    return -high[1] - reach, high[0] + reach, -high[3] - reach, high[2] + reach


def _sampled(blocks: Blocks, motion: Motion, supply: Supply) -> dict[str, Array]:
    """Largest magnitudes at the samples of each block."""
    rows = {
        "gradient": np.sqrt(motion.hx**2 + motion.hy**2),
        "curvature": np.sqrt(motion.hxx**2 + 2.0 * motion.hxy**2 + motion.hyy**2),
        "climb": motion.grade,
        "slope": np.abs(motion.grade),
        "force": np.abs(supply.traction),
        "speed": np.abs(motion.speed),
        "acceleration": np.abs(motion.acceleration),
        "yaw_rate": np.abs(motion.yaw_rate),
        "yaw_acceleration": np.abs(motion.yaw_acceleration),
    }
    return dict(zip(rows, blocks.highest(np.stack(list(rows.values()))), strict=True))


def _ground(planar: PlanarRates, hull: SplineHull, sampled: dict[str, Array], dt: Array) -> dict[str, Rates]:
    """Gradient of the height along the path, as a vector, and the slope p along the heading; and their rates.

    g = grad h:  g' = D2h vel,  g'' = D3h vel vel + D2h acc,  g''' = 3 D3h vel acc + D2h jerk (D3h frozen).
    """
    vel, acc, jerk = planar.velocity
    third = hull.magnitude[3]
    curvature = sampled["curvature"] + 0.5 * dt * third * vel
    g1 = curvature * vel
    g2 = third * vel**2 + curvature * acc
    g3 = 3.0 * third * vel * acc + curvature * jerk
    kink = hull.third_range * vel**2
    gradient = smooth(sampled["gradient"] + 0.5 * dt * g1, g1, g2)
    gradient_rate = Rates(g1 + 0.5 * dt * kink, g2, g3, kink)
    one, two, three = planar.heading[1:4]
    e1, e2, e3 = one, np.hypot(two, one**2), np.hypot(three + one**3, 3.0 * one * two)
    g0 = gradient.value
    p1 = g1 + g0 * e1
    p2 = g2 + 2.0 * g1 * e1 + g0 * e2
    p3 = g3 + 3.0 * g2 * e1 + 3.0 * g1 * e2 + g0 * e3
    slope = smooth(sampled["slope"] + 0.5 * dt * p1, p1, p2)
    return {
        "gradient": gradient,
        "gradient_rate": gradient_rate,
        "slope": slope,
        "slope_rate": Rates(p1 + 0.5 * dt * kink, p2, p3, kink),
        "climb": smooth(sampled["climb"] + 0.5 * dt * p1, p1, p2),
    }


def _secant(q: Rates) -> Rates:
    """sqrt(1 + q^2), q a number or a vector."""
    sine = q.value / np.sqrt(1.0 + q.value**2)
    return smooth(np.sqrt(1.0 + q.value**2), sine * q.first, q.first**2 + sine * q.second)


def _sine(q: Rates) -> Rates:
    """q / sqrt(1 + q^2) for a number q: second derivative q'' / W^3 - 3 q q'^2 / W^5, and 3 q / W^5 < 1."""
    return smooth(q.value / np.sqrt(1.0 + q.value**2), q.first, q.second + q.first**2)


def _cosine(q: Rates) -> Rates:
    """1 / sqrt(1 + |q|^2)."""
    slope = np.minimum(q.value, COSINE_SLOPE)
    return smooth(np.ones_like(q.value), slope * q.first, q.first**2 + slope * q.second)


def _body(planar: PlanarRates, ground: dict[str, Rates], sampled: dict[str, Array], dt: Array) -> dict[str, Rates]:
    """Speed and acceleration along the surface, yaw rate and acceleration about the body axis."""
    u = planar.speed
    theta = planar.heading
    stretch, upright = _secant(ground["slope"]), _secant(ground["gradient"])
    speed = product(smooth(u[0], u[1], u[2]), stretch, dt).tightened(sampled["speed"], dt)
    climbing = product(product(smooth(u[0], u[1], u[2]), _sine(ground["slope"]), dt), ground["slope_rate"], dt)
    acceleration = product(smooth(u[1], u[2], u[3]), stretch, dt) + climbing
    upright_rate = product(product(ground["gradient"], ground["gradient_rate"], dt), _cosine(ground["gradient"]), dt)
    turning = smooth(theta[1], theta[2], theta[3])
    yaw_rate = product(turning, upright, dt)
    yaw_acceleration = product(smooth(theta[2], theta[3], theta[4]), upright, dt) + product(turning, upright_rate, dt)
    return {
        "speed": speed,
        "acceleration": acceleration.tightened(sampled["acceleration"], dt),
        "yaw_rate": yaw_rate.tightened(sampled["yaw_rate"], dt),
        "yaw_acceleration": yaw_acceleration.tightened(sampled["yaw_acceleration"], dt),
    }


def _load(
    planar: PlanarRates,
    ground: dict[str, Rates],
    body: dict[str, Rates],
    sampled: dict[str, Array],
    dt: Array,
    locomotion: LocomotionParameters,
    gravity: float,
) -> Rates:
    """Driving and turning. max(0, .) and abs(.) are convex: they bend the load below its chord, never above it."""
    mass = locomotion.mass
    force = body["acceleration"].times(mass) + _sine(ground["slope"]).times(mass * gravity)
    force = (force + _resistance(locomotion, body["speed"], ground["gradient"], gravity)).tightened(sampled["force"], dt)
    drive = product(product(force, body["speed"], dt), _slip_factor(locomotion.slip, ground["climb"]), dt)
    inertia = product(body["yaw_acceleration"], body["yaw_rate"], dt).times(locomotion.yaw_inertia)
    turn = inertia + body["yaw_rate"].times(locomotion.turn_moment)
    return (drive + turn).times(1.0 / locomotion.drivetrain_efficiency)


def _resistance(locomotion: LocomotionParameters, speed: Rates, gradient: Rates, gravity: float) -> Rates:
    """F_res(v, tilt): polynomial in the speed, plus with 'bekker' a function of the load m g cos(tilt)."""
    resistance = locomotion.resistance
    slope = resistance.c1 + 2.0 * resistance.c2 * speed.value
    value = speed.value * (resistance.c1 + resistance.c2 * speed.value)
    rolling = smooth(value, slope * speed.first, slope * speed.second + 2.0 * resistance.c2 * speed.first**2)
    if resistance.model != "bekker":
        return rolling + smooth(*(np.full_like(value, c) for c in (resistance.c0, 0.0, 0.0)))
    least = float(np.min(1.0 / np.sqrt(1.0 + gradient.value**2)))
    if not least > SOIL_COSINE:  # steeper than any limit, or NaN: nothing is known
        return smooth(*(np.full_like(value, np.inf) for _ in range(3)))
    highest, first, second = _soil_derivatives(locomotion, gravity, min(0.95, float(np.floor(least * 20.0)) / 20.0))
    cosine = _cosine(gradient)
    soil = smooth(
        np.full_like(value, highest), first * cosine.first, second * cosine.first**2 + first * cosine.second
    )
    return rolling + soil


@lru_cache(maxsize=64)
def _soil_derivatives(locomotion: LocomotionParameters, gravity: float, least: float) -> tuple[float, float, float]:
    """Largest magnitudes of F_res at rest and of its first two derivatives by cos(tilt), for cos(tilt) from `least` to 1.

    From its Chebyshev interpolant of degree 24 in cos(tilt), whose derivatives are bounded by the sums of their
    coefficients; the law is analytic for cos(tilt) > 0, so for `least` >= 0.5 the interpolant is exact to rounding.
    """

    def force(z: Array) -> Array:
        cosine = least + (1.0 - least) * 0.5 * (z + 1.0)
        return resistance_force(locomotion, speed=np.zeros_like(z), tilt=np.arccos(np.minimum(cosine, 1.0)), gravity=gravity)

    nodes = chebyshev.chebpts1(25)
    series = chebyshev.chebfit(nodes, force(nodes), 24)
    scale = 2.0 / (1.0 - least)
    return tuple(float(np.sum(np.abs(chebyshev.chebder(series, k)))) * scale**k for k in range(3))  # type: ignore[return-value]


def _slip_factor(slip: SlipParameters, climb: Rates) -> Rates:
    """1 / (1 - s(p)) for the logistic slip: s grows with p, 0 <= s' <= k s and |s''| <= k^2 s."""
    if slip.flat == 0.0:
        return smooth(np.ones_like(climb.value), np.zeros_like(climb.value), np.zeros_like(climb.value))
    k = slip.gain
    s = slip.maximum / (1.0 + (slip.maximum / slip.flat - 1.0) * np.exp(-k * climb.value))
    r = 1.0 / (1.0 - s)
    first = k * s * r**2
    second = k**2 * s * r**2 + 2.0 * (k * s) ** 2 * r**3
    return smooth(r, first * climb.first, second * climb.first**2 + first * climb.second)


def _array(
    planar: PlanarRates,
    ground: dict[str, Rates],
    box: tuple[Array, Array, Array, Array],
    blocks: Blocks,
    supply: Supply,
    motion: Motion,
    environment: Environment,
    rover: RoverParameters,
) -> Rates:
    """Power of the array: gain (direct sunlit max(0, n . s) + diffuse (1 + n_z)/2)."""
    t = motion.state.t
    dt, begin = blocks.dt, t[blocks.left[blocks.first]]
    zero = np.zeros_like(dt)
    if rover.pv.area == 0.0 or not (np.any(environment.direct > 0.0) or np.any(environment.diffuse > 0.0)):
        return smooth(zero, zero, zero)
    span = blocks.end - blocks.begin
    # Everything of the environment is linear in time within a block: its ends tell all.
    middle = begin + np.array([[0.25], [0.75]]) * span
    lights = (environment.direct_irradiance, environment.diffuse_irradiance)
    direct, diffuse = (_linear(light(middle), light(begin + 0.5 * span), span) for light in lights)
    sun = environment.sun_direction(middle)
    sun_rate = np.linalg.norm(sun[1] - sun[0], axis=-1) / (0.5 * span)
    normal = _panel_normal(planar, ground, rover, dt)
    incidence = product(normal, smooth(np.ones_like(dt), sun_rate, zero), dt)
    high, low = blocks.highest(np.stack([supply.incidence, -supply.incidence]))
    slack = 0.5 * dt * incidence.first
    bent = np.where((high + slack > 0.0) & (-low - slack < 0.0), incidence.first, 0.0)
    lit = Rates(np.clip(high + slack, 0.0, 1.0), incidence.first, incidence.second, bent)
    dark = high + slack <= 0.0
    lit = lit.times(np.where(dark, 0.0, 1.0))
    beam = product(product(direct, _sunlit(planar, box, blocks, supply, t, environment), dt), lit, dt)
    sky = product(diffuse, normal, dt).times(0.5) + diffuse.times(0.5)
    return (beam + sky).times(float(array_gain(rover.pv)))


def _linear(values: Array, centre: Array, span: Array) -> Rates:
    """A non-negative function linear in time, from its values a quarter and three quarters through each block."""
    rate = np.abs(values[1] - values[0]) / (0.5 * span)
    return smooth(np.abs(centre) + 0.5 * span * rate, rate, np.zeros_like(rate))


def _panel_normal(planar: PlanarRates, ground: dict[str, Rates], rover: RoverParameters, dt: Array) -> Rates:
    """Unit normal of the array: a fixed mix of the body axes.

    z = (-grad h, 1)/|.| and x = (e, p)/|.| are vectors y of length >= 1 brought to length 1: |(y/|y|)'| <= |y'| and
    |(y/|y|)''| <= |y''| + 2/sqrt(3) |y'|^2. The third axis is z cross x.
    """
    gradient, slope = ground["gradient"], ground["slope"]
    one = np.ones_like(dt)
    upward = smooth(one, gradient.first, gradient.second + NORMALISING * gradient.first**2)
    lean = abs(np.sin(rover.pv.panel_pitch))
    if lean == 0.0:
        return upward
    y1 = np.hypot(planar.heading[1], slope.first)
    y2 = np.hypot(np.hypot(planar.heading[2], planar.heading[1] ** 2), slope.second)
    forward = smooth(one, y1, y2 + NORMALISING * y1**2)
    mix = forward.times(lean * abs(np.cos(rover.pv.panel_azimuth)))
    mix += product(upward, forward, dt).times(lean * abs(np.sin(rover.pv.panel_azimuth)))
    mix += upward.times(abs(np.cos(rover.pv.panel_pitch)))
    return Rates(one, mix.first, mix.second, mix.kink)


def _sunlit(
    planar: PlanarRates,
    box: tuple[Array, Array, Array, Array],
    blocks: Blocks,
    supply: Supply,
    t: Array,
    environment: Environment,
) -> Rates:
    """Visible fraction of the Sun's disc along the path: a spline in space, linear in time between two layers."""
    zero = np.zeros_like(blocks.dt)
    if environment.sunlit is None:
        return smooth(np.ones_like(zero), zero, zero)
    times, grid = environment.times, (environment.x0, environment.y0, environment.cell)
    begin = t[blocks.left[blocks.first]]
    layer = np.clip(np.searchsorted(times, begin + 0.5 * blocks.dt, side="right") - 1, 0, max(times.size - 2, 0))
    windows = spline_windows(environment.sunlit, *grid, box, layer)
    hull = spline_hull(windows, environment.cell, (1, 2))
    slope, bend = hull.magnitude[1], hull.magnitude[2]
    change, drift = zero, zero
    if times.size > 1:
        after = spline_windows(environment.sunlit, *grid, box, layer + 1)
        later = spline_hull(after, environment.cell, (1, 2))
        slope, bend = np.maximum(slope, later.magnitude[1]), np.maximum(bend, later.magnitude[2])
        seconds = times[1] - times[0]
        difference = after - windows
        change = np.abs(difference).max(axis=(0, 1)) / seconds
        drift = spline_hull(difference, environment.cell, (1,)).magnitude[1] / seconds
    vel, acc, _ = planar.velocity
    first = slope * vel + change
    second = bend * vel**2 + slope * acc + 2.0 * drift * vel
    value = np.minimum(1.0, blocks.highest(supply.sunlit) + 0.5 * blocks.dt * first)
    return smooth(value, first, second)
