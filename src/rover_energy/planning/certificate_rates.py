"""Bounds on rates of change along a trajectory: the arithmetic of majorants, and its use on polynomial motion and splines.

A `Rates` bounds a function of time on a stretch: its magnitude, that of its first and of its second derivative. A height
that is a cubic spline has third derivatives that jump from cell to cell, so quantities that depend on its curvature are
written f = smooth + rest, where `second` belongs to the smooth part, in which the third derivatives of the height are
frozen, and the rest starts at 0 in every interval and has a slope of at most kink/2. Between two samples dt apart, such a
function leaves the chord through them by at most

    second dt^2 / 8 + kink dt / 4,

the first term from the error of linear interpolation, the second because a function with slopes within +-k/2 that vanishes
at both ends of an interval stays below k dt / 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.planning.polynomials import derivative_rows, evaluate_rows
from rover_energy.planning.trajectory import Trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """Majorants of a function on each of nb stretches; every field (nb,). `value` bounds both f and its smooth part."""

    value: Array
    first: Array
    second: Array
    kink: Array

    def __add__(self, other: Rates) -> Rates:
        return Rates(self.value + other.value, self.first + other.first, self.second + other.second, self.kink + other.kink)

    def times(self, factor: float | Array) -> Rates:
        """Majorants of a constant times the function; the factor is not negative."""
        return Rates(self.value * factor, self.first * factor, self.second * factor, self.kink * factor)

    def deviation(self, dt: Array) -> Array:
        """Largest distance from the chord between samples dt [s] apart."""
        result: Array = self.second * dt * dt / 8.0 + self.kink * dt / 4.0
        return result

    def tightened(self, sampled: Array, dt: Array) -> Rates:
        """The same with the magnitude bounded by that at samples dt apart, where this is less."""
        near = sampled + 0.5 * dt * (self.first + self.kink)
        return Rates(np.minimum(self.value, near), self.first, self.second, self.kink)


def smooth(value: Array, first: Array, second: Array) -> Rates:
    """Majorants of a function without kinks."""
    return Rates(value, first, second, np.zeros_like(value))


def product(f: Rates, g: Rates, dt: Array) -> Rates:
    """Majorants of f g, also for dot, cross and scalar products of vectors bounded by their norms; dt [s] between samples.

    With f = F + a and g = G + b (smooth part, rest), the rest of the product is F b + G a + a b; a and b are at most
    kink dt / 2, which gives the terms with dt.
    """
    return Rates(
        f.value * g.value,
        f.first * g.value + f.value * g.first,
        f.second * g.value + 2.0 * f.first * g.first + f.value * g.second,
        f.value * g.kink + g.value * f.kink + dt * (f.first * g.kink + g.first * f.kink + f.kink * g.kink),
    )


@dataclass(frozen=True)
class PlanarRates:
    """Majorants of the motion in the map plane on nb stretches.

    `speed`[k], `heading`[k]: k-th time derivatives of horizontal speed (k 0..3) and heading (k 1..4; entry 0 unused);
    `velocity`[k]: norm of the k-th derivative of the horizontal velocity (k 0..2).
    """

    speed: list[Array]
    heading: list[Array]
    velocity: list[Array]


def planar_rates(trajectory: Trajectory, piece: NDArray[np.intp], centre: Array, radius: Array) -> PlanarRates:
    """Bounds on the stretches centre +- radius [s, local] of the pieces, by exact Taylor series about the centre."""
    if trajectory.kind == "unicycle":
        assert trajectory.heading is not None
        assert trajectory.speed is not None
        heading = _taylor(trajectory.heading, piece, centre, radius, 4)
        speed = _taylor(trajectory.speed, piece, centre, radius, 3)
        unit = _unit_vector(heading)
        velocity = [
            speed[0],
            np.hypot(speed[1], speed[0] * unit[1]),
            speed[2] + 2.0 * speed[1] * unit[1] + speed[0] * unit[2],
        ]
        return PlanarRates(speed, heading, velocity)
    return _flat_rates(trajectory, piece, centre, radius)


def _flat_rates(trajectory: Trajectory, piece: NDArray[np.intp], centre: Array, radius: Array) -> PlanarRates:
    assert trajectory.x is not None
    assert trajectory.y is not None
    vx = _taylor(derivative_rows(trajectory.x, 1)[1], piece, centre, radius, 3)
    vy = _taylor(derivative_rows(trajectory.y, 1)[1], piece, centre, radius, 3)
    velocity = [np.hypot(a, b) for a, b in zip(vx, vy, strict=True)]
    if trajectory.heading is not None:
        heading = _taylor(trajectory.heading, piece, centre, radius, 4)
        return PlanarRates(_leibniz(velocity, _unit_vector(heading)), heading, velocity[:3])
    scale_rows, qx_rows, qy_rows = trajectory.direction
    scale = _taylor(scale_rows, piece, centre, radius, 3)
    qx, qy = (_taylor(rows, piece, centre, radius, 4) for rows in (qx_rows, qy_rows))
    q = [np.hypot(a, b) for a, b in zip(qx, qy, strict=True)]
    zero = np.zeros_like(centre)
    at_centre = [evaluate_rows(rows, piece, centre) for rows in (qx_rows, qy_rows)]
    drift = np.hypot(qx[0] - np.abs(at_centre[0]), qy[0] - np.abs(at_centre[1]))
    least = np.maximum(np.hypot(*at_centre) - drift, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = _leibniz(q[:4], q[:4])
        inverse = _reciprocal(square, least * least)
        # heading' = (q x q') / |q|^2
        heading = [zero, *_leibniz(_leibniz(q[:4], q[1:5]), inverse)]
        speed = _leibniz(scale, _root(square, least))
    return PlanarRates([_closed(s) for s in speed], [_closed(h) for h in heading], velocity[:3])


def _closed(bound: Array) -> Array:
    """NaN from 0 * inf means that nothing is known."""
    return np.where(np.isnan(bound), np.inf, bound)


def _taylor(rows: Array, piece: NDArray[np.intp], centre: Array, radius: Array, order: int) -> list[Array]:
    """Bounds of the derivatives 0..order of polynomial rows on centre +- radius."""
    degree = max(rows.shape[1] - 1, order)
    at_centre = [np.abs(evaluate_rows(row, piece, centre)) for row in derivative_rows(rows, degree)]
    bounds = []
    for k in range(order + 1):
        total = np.zeros_like(centre)
        for j in range(degree - k, -1, -1):
            total = total * radius / (j + 1) + at_centre[k + j]
        bounds.append(total)
    return bounds


def _unit_vector(heading: list[Array]) -> list[Array]:
    """Norms of the derivatives 0..3 of (cos heading, sin heading)."""
    one, two, three = heading[1], heading[2], heading[3]
    return [np.ones_like(one), one, np.hypot(two, one * one), np.hypot(three + one**3, 3.0 * one * two)]


def _leibniz(f: list[Array], g: list[Array]) -> list[Array]:
    count = min(len(f), len(g))
    return [np.sum([math.comb(n, k) * f[k] * g[n - k] for k in range(n + 1)], axis=0) for n in range(count)]


def _reciprocal(f: list[Array], least: Array) -> list[Array]:
    """Majorants of 1/f from those of f and its least magnitude: f (1/f) = 1, differentiated n times."""
    result = [1.0 / least]
    for n in range(1, len(f)):
        result.append(np.sum([math.comb(n, k) * f[k] * result[n - k] for k in range(1, n + 1)], axis=0) / least)
    return result


def _root(f: list[Array], least: Array) -> list[Array]:
    """Majorants of sqrt(f) from those of f and the least root: sqrt(f)^2 = f, differentiated n times."""
    result = [np.sqrt(f[0])]
    for n in range(1, len(f)):
        inner = [math.comb(n, k) * result[k] * result[n - k] for k in range(1, n)]
        result.append((f[n] + np.sum(inner, axis=0)) / (2.0 * least))
    return result


@dataclass(frozen=True)
class SplineHull:
    """Bounds on partial derivatives of a bicubic spline over the cells that each stretch visits; (nb,) each.

    `magnitude`[k]: norm of the k-th derivative tensor (k 1..3); `third_range`: norm of the spread of the third derivatives.
    """

    magnitude: dict[int, Array]
    third_range: Array


def spline_windows(
    coefficients: Array,
    x0: float,
    y0: float,
    cell: float,
    box: tuple[Array, Array, Array, Array],
    layer: NDArray[np.intp] | None = None,
) -> Array:
    """Coefficients (rows, columns, nb) that govern every cell touched by the boxes (xmin, xmax, ymin, ymax), (nb,) each [m]."""
    ny, nx = coefficients.shape[-2] - 2, coefficients.shape[-1] - 2
    left, right = _cells(box[0], x0, cell, nx), _cells(box[1], x0, cell, nx)
    low, high = _cells(box[2], y0, cell, ny), _cells(box[3], y0, cell, ny)
    wide, tall = int(np.max(right - left)), int(np.max(high - low))
    columns = np.minimum(left, nx - 2 - wide) + np.arange(wide + 4)[:, None]
    rows = np.minimum(low, ny - 2 - tall) + np.arange(tall + 4)[:, None, None]
    if layer is not None:
        rows = rows + layer * (ny + 2)
    window: Array = coefficients.reshape(-1).take(rows * (nx + 2) + columns)
    return window


def _cells(position: Array, origin: float, cell: float, nodes: int) -> NDArray[np.intp]:
    # A border within rounding of the position counts as crossed by the caller's widening of the box.
    index = np.floor((np.nan_to_num(position) - origin) / cell)
    return np.clip(index, 0, nodes - 2).astype(np.intp)


def spline_hull(windows: Array, cell: float, orders: tuple[int, ...]) -> SplineHull:
    """Bounds by the convex hull property: a derivative of a B-spline is a B-spline of the differences of its coefficients.

    The norm of a tensor is bounded by its Frobenius norm, mixed partials counted as often as they occur (de Boor, A
    Practical Guide to Splines, 1978, ch. X).
    """
    magnitude: dict[int, Array] = {}
    spread = np.zeros(windows.shape[-1])
    along_y = [windows]
    for _ in range(max(orders)):
        along_y.append(along_y[-1][1:] - along_y[-1][:-1])
    for order in orders:
        total = np.zeros(windows.shape[-1])
        for b in range(order + 1):
            part = along_y[b]
            for _ in range(order - b):
                part = part[:, 1:] - part[:, :-1]
            low, high = part.min(axis=(0, 1)), part.max(axis=(0, 1))
            total += math.comb(order, b) * np.maximum(-low, high) ** 2
            if order == 3:
                spread += math.comb(order, b) * (high - low) ** 2
        magnitude[order] = np.sqrt(total) / cell**order
    return SplineHull(magnitude, np.sqrt(spread) / cell**3)
