"""The elastic band of smoothing.c in numpy, for machines without a compiler: the same residuals, steps and stopping rule."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solveh_banded
from scipy.sparse import csr_matrix

from rover_energy.planning.costmap import CostMap
from rover_energy.planning.native_map import BandAnswerStructure, BandStructure

FloatArray = NDArray[np.float64]
_BAND = 9  # half bandwidth of the normal equations plus one
_DIFFERENCE = 1e-5  # of the cost rate's arguments
_ROUNDING = 0.03  # see smoothing.c


def control_map(band: BandStructure) -> tuple[csr_matrix, FloatArray]:
    """Control points as a linear function of the free variables: matrix (2 (n + 3), 2 n) and constant part (2 (n + 3),)."""
    n = band.segments
    rows, columns, values = [], [], []
    constant = np.zeros(2 * (n + 3))
    for pose, point, first in ((band.start, 0, 0), (band.goal, n, 3 + 2 * (n - 3))):
        direction = (math.cos(pose[2]), math.sin(pose[2]))
        for place in range(3):
            for axis in range(2):
                row = 2 * (point + place) + axis
                constant[row] = pose[axis]
                rows += [row, row]
                columns += [first, first + 1 + axis]
                values += [(place - 1) * direction[axis], -1.0 / 6.0 if place == 1 else 1.0 / 3.0]
    inner = np.arange(2 * (n - 3))
    rows, columns = [*rows, *(6 + inner)], [*columns, *(3 + inner)]
    return csr_matrix(([*values, *np.ones(len(inner))], (rows, columns)), shape=(len(constant), 2 * n)), constant


class _Residuals:
    """Residuals of a band and their derivatives over the control coordinates."""

    def __init__(self, costmap: CostMap, band: BandStructure) -> None:
        self.costmap, self.band = costmap, band
        n, m = band.segments, band.samples
        u = np.arange(n * m + 1) / m
        segment = np.minimum(u.astype(int), n - 1)
        t = u - segment
        v = 1.0 - t
        value = np.array([v**3, 4.0 + t * t * (3.0 * t - 6.0), 4.0 + v * v * (3.0 * v - 6.0), t**3]) / 6.0
        first = np.array([-0.5 * v * v, t * (1.5 * t - 2.0), -v * (1.5 * v - 2.0), 0.5 * t * t])
        second = np.array([v, 3.0 * t - 2.0, 3.0 * v - 2.0, t])
        row, column = np.repeat(np.arange(len(u)), 4), (segment[:, None] + np.arange(4)).ravel()
        self.operators = [csr_matrix((w.T.ravel(), (row, column)), shape=(len(u), n + 3)) for w in (value, first, second)]
        third = np.tile([-1.0, 3.0, -3.0, 1.0], n)
        row, column = np.repeat(np.arange(n), 4), (np.arange(n)[:, None] + np.arange(4)).ravel()
        stiffness = math.sqrt(band.smoothness * band.scale / n) / (band.length**3 * band.curvature)
        self.jerk = csr_matrix((third * stiffness, (row, column)), shape=(n, n + 3))

    def __call__(self, control: FloatArray, *, derive: bool) -> tuple[FloatArray, list[tuple[FloatArray, FloatArray]]]:
        """Residuals per sample (k, s), and if asked per residual its derivatives over P, P', P'' as (3, s) pairs for x and y.

        Raises FloatingPointError when the band leaves the map.
        """
        q = [operator @ control for operator in self.operators]
        x, y = q[0].T
        speed = np.hypot(*q[1].T) + 1e-12
        c, s = q[1].T / speed
        curvature = (q[1][:, 0] * q[2][:, 1] - q[1][:, 1] * q[2][:, 0]) / speed**3
        hx, hy = self.costmap.surface.gradient(x, y)
        if not np.all(np.isfinite(hx)):
            raise FloatingPointError("the band leaves the map")
        tangent, grade = hx * c + hy * s, hx**2 + hy**2
        power, power_d, turning = self._power(x, y, c, s)
        soft = _ROUNDING * self.band.curvature
        bent = np.hypot(curvature, soft)
        rate = self._rate(tangent, grade, bent - soft, power)
        clear, clear_d = _bilinear(self.costmap, self.costmap.clearance, x, y)
        band = self.band
        root, pace = np.sqrt(rate), np.sqrt(speed / band.samples)
        share = np.sqrt(0.5 / (speed * band.samples))
        beta = math.sqrt(band.hinge * band.scale / (band.segments * band.samples))
        ratio = np.sqrt((1.0 + grade) / (1.0 + tangent**2))
        over = np.array([
            np.abs(curvature) * ratio / band.curvature - 1.0, np.abs(tangent) / band.tan_slope - 1.0,
            np.sqrt(grade) / band.tan_tilt - 1.0, (band.clearance - clear) / 0.5,
        ])  # fmt: skip
        hinges = beta * np.maximum(0.0, over)
        if not derive:
            return np.vstack([root * pace, hinges]), []
        residuals = np.vstack([share * root * q[1].T, share * root * speed, hinges])
        zero = np.zeros_like(speed)
        heading_d = np.array([[zero, -s / speed, zero], [zero, c / speed, zero]])
        cube = speed**3
        curvature_d = np.array([
            [zero, q[2][:, 1] / cube - 3.0 * curvature * c / speed, -q[1][:, 1] / cube],
            [zero, -q[2][:, 0] / cube - 3.0 * curvature * s / speed, q[1][:, 0] / cube],
        ])  # fmt: skip
        hxx, hxy, hyy = self.costmap.surface.hessian(x, y)
        tangent_d = (hy * c - hx * s) * heading_d
        tangent_d[0, 0] += hxx * c + hxy * s
        tangent_d[1, 0] += hxy * c + hyy * s
        grade_d = np.zeros_like(tangent_d)
        grade_d[0, 0], grade_d[1, 0] = 2.0 * (hx * hxx + hy * hxy), 2.0 * (hx * hxy + hy * hyy)
        e, sign, turn = _DIFFERENCE, np.where(curvature < 0.0, -1.0, 1.0), bent - soft
        by = [
            (self._rate(*arguments) - rate) / e
            for arguments in ((tangent + e, grade, turn, power), (tangent, grade + e, turn, power),
                              (tangent, grade, turn + e, power), (tangent, grade, turn, power + e))
        ]  # fmt: skip
        rate_d = by[0] * tangent_d + by[1] * grade_d + by[2] * curvature / bent * curvature_d + by[3] * turning * heading_d
        rate_d[:, 0] += by[3] * power_d
        root_d = rate_d / (2.0 * root)
        jacobian = [share * root_d * factor for factor in (*q[1].T, speed)]
        for axis in range(2):
            jacobian[axis][axis, 1] += share * root
        clearance_d = np.zeros_like(tangent_d)
        clearance_d[:, 0] = -clear_d / 0.5
        ratio_d = ratio * (0.5 * grade_d / (1.0 + grade) - tangent * tangent_d / (1.0 + tangent**2))
        slopes = (
            (sign * ratio * curvature_d + np.abs(curvature) * ratio_d) / band.curvature,
            np.where(tangent < 0.0, -1.0, 1.0) / band.tan_slope * tangent_d,
            grade_d / (2.0 * np.sqrt(grade + 1e-30) * band.tan_tilt), clearance_d,
        )  # fmt: skip
        jacobian += [beta * (over[k] > 0.0) * slopes[k] for k in range(4)]
        return residuals, [(row[0], row[1]) for row in jacobian]

    def _rate(self, tangent: FloatArray, grade: FloatArray, curvature: FloatArray, power: FloatArray) -> FloatArray:
        return self.costmap.model.rate(power, tangent, np.sqrt(grade), curvature)

    def _power(self, x: FloatArray, y: FloatArray, c: FloatArray, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Supply for mobility, its derivatives over x and y (2, s), and over the heading."""
        parts = [_bilinear(self.costmap, layer, x, y) for layer in self.costmap.supply]
        power = parts[0][0] + c * parts[1][0] + s * parts[2][0]
        live = (power < self.costmap.power_cap) & (power > self.band.least_power)
        slope = live * (parts[0][1] + c * parts[1][1] + s * parts[2][1])
        turning = live * (parts[2][0] * c - parts[1][0] * s)
        return np.maximum(np.minimum(power, self.costmap.power_cap), self.band.least_power), slope, turning


def band_optimise(
    costmap: CostMap, band: BandStructure, tolerance: float, z: FloatArray, control: FloatArray, answer: BandAnswerStructure
) -> None:
    """What `band_optimise` of smoothing.c does: improves `z` in place and writes the control points and the answer."""
    residuals = _Residuals(costmap, band)
    matrix, constant = control_map(band)

    def points(free: FloatArray) -> FloatArray:
        return np.asarray((matrix @ free + constant).reshape(-1, 2))

    def value(free: FloatArray) -> float:
        try:
            r, _ = residuals(points(free), derive=False)
        except FloatingPointError:
            return math.inf
        return float(np.sum(r**2) + np.sum((residuals.jerk @ points(free)) ** 2))

    damping, stalled, objective = 0.1, 0, value(z)
    system = _normal_equations(residuals, matrix, points(z)) if math.isfinite(objective) else None
    while system is not None and answer.iterations < band.iterations and stalled < 2 and damping <= 1e6:
        answer.iterations += 1
        trial = z + _step(*system, damping)
        usable = trial[0] > 0.2 * band.length and trial[-3] > 0.2 * band.length
        new = value(trial) if usable else math.inf
        if not new < objective:
            damping *= 4.0
            continue
        stalled = stalled + 1 if objective - new < tolerance * new else 0
        z[:], objective = trial, new
        answer.accepted += 1
        damping = max(damping * 0.5, 1e-9)
        system = _normal_equations(residuals, matrix, points(z))
    answer.objective = objective
    control[:] = points(z)


def _normal_equations(residuals: _Residuals, matrix: csr_matrix, control: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Upper banded normal matrix (9, n) and gradient (n,) over the free variables."""
    r, jacobian = residuals(control, derive=True)
    size = 2 * len(control)
    normal, gradient = csr_matrix((matrix.shape[1],) * 2), np.zeros(matrix.shape[1])
    for values, rows in zip(r, jacobian, strict=True):
        parts = []
        for axis in range(2):
            pairs = zip(residuals.operators, rows[axis], strict=True)
            parts.append(_spread(csr_matrix(sum(operator.multiply(weight[:, None]) for operator, weight in pairs)), axis, size))
        whole = (parts[0] + parts[1]) @ matrix
        normal, gradient = normal + whole.T @ whole, gradient + whole.T @ values
    for axis in range(2):
        whole = _spread(residuals.jerk, axis, size) @ matrix
        normal, gradient = normal + whole.T @ whole, gradient + whole.T @ (residuals.jerk @ control[:, axis])
    banded = np.zeros((_BAND, normal.shape[0]))
    for k in range(_BAND):
        banded[_BAND - 1 - k, k:] = normal.diagonal(k)
    return banded, np.asarray(gradient)


def _spread(operator: csr_matrix, axis: int, size: int) -> csr_matrix:
    """Operator over one coordinate of the control points as one over all coordinates."""
    return csr_matrix((operator.data, 2 * operator.indices + axis, operator.indptr), shape=(operator.shape[0], size))


def _step(banded: FloatArray, gradient: FloatArray, damping: float) -> FloatArray:
    damped = banded.copy()
    damped[-1] *= 1.0 + damping
    try:
        return np.asarray(solveh_banded(damped, -gradient))
    except LinAlgError:
        return np.full_like(gradient, np.nan)


def _bilinear(costmap: CostMap, values: FloatArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bilinear value and its derivatives (2, n) per metre."""
    ny, nx = values.shape
    column, row = (x - costmap.x0) / costmap.resolution, (y - costmap.y0) / costmap.resolution
    i, j = np.clip(column.astype(int), 0, nx - 2), np.clip(row.astype(int), 0, ny - 2)
    tx, ty = column - i, row - j
    a, b, c, d = values[j, i], values[j, i + 1], values[j + 1, i], values[j + 1, i + 1]
    south, north = a + tx * (b - a), c + tx * (d - c)
    slope = np.array([(b - a) + ty * ((d - c) - (b - a)), north - south]) / costmap.resolution
    return south + ty * (north - south), slope
