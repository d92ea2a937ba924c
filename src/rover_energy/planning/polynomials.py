"""Rows of polynomials, one row of ascending coefficients per piece, and the integral of a speed along a heading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]

NODES = 11
TAIL = 1e-13  # [m]; an interval of the quadrature is halved until its last Legendre terms are worth less than this
MOST_SPLITS = 14  # coefficients that need more than 2^14 intervals in one piece are no motion of a rover
ZERO = 1e-9  # [m/s^(j+1)]; velocity coefficients below this count as rest


def derivative_rows(rows: Array, order: int) -> list[Array]:
    """The rows and their derivatives 0..order, each (n, k_j) with at least one column."""
    result = [rows]
    for _ in range(order):
        last = result[-1]
        powers = np.arange(1, last.shape[1])
        result.append(last[:, 1:] * powers if powers.size else np.zeros_like(last))
    return result


def evaluate_rows(rows: Array, piece: NDArray[np.intp], local: Array) -> Array:
    """Horner's scheme: row `piece[i]` at `local[i]`, shape (m,)."""
    columns = rows.T
    value: Array = columns[-1][piece]
    for column in columns[-2::-1]:
        value = value * local + column[piece]
    value = value + 0.0 * local  # a constant row must still give NaN for NaN
    return value


@dataclass(frozen=True)
class PositionTable:
    """Positions as polynomials of degree `NODES` on intervals short enough for them to be exact to rounding."""

    begins: Array
    halves: Array
    x: Array
    y: Array

    def evaluate(self, t: Array) -> tuple[Array, Array]:
        """x and y [m] at times from the start [s], each (m,)."""
        index = np.clip(np.searchsorted(self.begins, t, side="right") - 1, 0, self.begins.size - 1)
        s = (t - self.begins[index]) / self.halves[index] - 1.0
        return evaluate_rows(self.x, index, s), evaluate_rows(self.y, index, s)


def integrate_along_heading(heading: Array, speed: Array, knots: Array, start: Array) -> PositionTable:
    """Integral of speed * (cos heading, sin heading) by Gauss-Legendre quadrature.

    On each interval the integrand is projected on Legendre polynomials at the Gauss nodes and integrated term by term;
    the interval is halved until the last terms are below `TAIL`. Positions are NaN from where this does not succeed.

    Parameters
    ----------
    heading, speed
        (n, k) ascending coefficients in local time.
    knots
        (n + 1,) times of the joints [s].
    start
        x, y (and more) at the first joint [m].
    """
    piece, begin, end, fx, fy = _converged_intervals(heading, speed, np.diff(knots))
    order = np.lexsort((begin, piece))
    piece, begin, end = piece[order], begin[order], end[order]
    half = 0.5 * (end - begin)
    x_rows = _cumulative(fx[order] * half[:, None], start[0])
    y_rows = _cumulative(fy[order] * half[:, None], start[1])
    return PositionTable(begins=knots[piece] + begin, halves=half, x=x_rows, y=y_rows)


def _converged_intervals(heading: Array, speed: Array, durations: Array) -> tuple[NDArray[np.intp], Array, Array, Array, Array]:
    nodes, project = _legendre_projection()
    piece = np.arange(durations.size)
    begin, end = np.zeros(durations.size), durations.astype(float)
    done: list[tuple[NDArray[np.intp], Array, Array, Array, Array]] = []
    for _ in range(MOST_SPLITS):
        middle, half = 0.5 * (begin + end), 0.5 * (end - begin)
        local = (middle[:, None] + half[:, None] * nodes).ravel()
        index = np.repeat(piece, NODES)
        angle, along = evaluate_rows(heading, index, local), evaluate_rows(speed, index, local)
        fx = (along * np.cos(angle)).reshape(-1, NODES) @ project
        fy = (along * np.sin(angle)).reshape(-1, NODES) @ project
        tail = half * (np.abs(fx[:, -2:]).sum(axis=1) + np.abs(fy[:, -2:]).sum(axis=1))
        scale = half * np.maximum(np.abs(fx).max(axis=1), np.abs(fy).max(axis=1))
        good = tail <= np.maximum(TAIL, 1e-14 * scale)
        done.append((piece[good], begin[good], end[good], fx[good], fy[good]))
        if good.all():
            break
        bad = ~good
        piece = np.concatenate([piece[bad], piece[bad]])
        begin, end = np.concatenate([begin[bad], middle[bad]]), np.concatenate([middle[bad], end[bad]])
    else:  # not integrable to the tolerance: say so with NaN
        unknown = np.full((piece.size, NODES), np.nan)
        done.append((piece, begin, end, unknown, unknown))
    columns = tuple(np.concatenate(parts) for parts in zip(*done, strict=True))
    return columns[0], columns[1], columns[2], columns[3], columns[4]


@lru_cache(maxsize=1)
def _legendre_projection() -> tuple[Array, Array]:
    """Gauss nodes (NODES,) and the matrix (NODES, NODES) from values at them to Legendre coefficients."""
    nodes, weights = legendre.leggauss(NODES)
    values = legendre.legvander(nodes, NODES - 1)
    return nodes, weights[:, None] * values * (np.arange(NODES) + 0.5)


def _cumulative(coefficients: Array, first: float) -> Array:
    """Legendre coefficients of the integrand -> monomial rows (m, NODES + 1) of the running integral."""
    integral = np.zeros((coefficients.shape[0], NODES + 1))
    ratio = coefficients / (2.0 * np.arange(NODES) + 1.0)
    integral[:, 1:] += ratio
    integral[:, 0] += coefficients[:, 0]
    integral[:, : NODES - 1] -= ratio[:, 1:]
    rows = integral @ _legendre_to_monomial()
    signs = (-1.0) ** np.arange(NODES + 1)
    rows[:, 0] -= rows @ signs  # the running integral is 0 where the interval begins, s = -1
    steps = 2.0 * coefficients[:, 0]
    rows[:, 0] += first + np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    return rows


@lru_cache(maxsize=1)
def _legendre_to_monomial() -> Array:
    matrix = np.zeros((NODES + 1, NODES + 1))
    for k in range(NODES + 1):
        unit = np.zeros(k + 1)
        unit[k] = 1.0
        matrix[k, : k + 1] = legendre.leg2poly(unit)
    return matrix


def direction_rows(vx: Array, vy: Array, durations: Array) -> tuple[Array, Array, Array]:
    """Split velocity rows into scale * (qx, qy), the scale holding the zeros at both ends of each piece.

    The scale is t^m (T - t)^k >= 0, so q points along the velocity, also in the limit at rest.
    """
    width = vx.shape[1] if vx.shape[1] >= vy.shape[1] else vy.shape[1]
    size = width + 2
    scale, qx, qy = (np.zeros((durations.size, size)) for _ in range(3))
    for i, duration in enumerate(durations):
        ax, ay = np.zeros(width), np.zeros(width)
        ax[: vx.shape[1]], ay[: vy.shape[1]] = vx[i], vy[i]
        row, ax, ay = _deflate(ax, ay, float(duration))
        scale[i, : row.size], qx[i, : ax.size], qy[i, : ay.size] = row, ax, ay
    return scale, qx, qy


def _deflate(ax: Array, ay: Array, duration: float) -> tuple[Array, Array, Array]:
    scale = np.ones(1)
    while ax.size > 1 and abs(ax[0]) <= ZERO and abs(ay[0]) <= ZERO:
        ax, ay = ax[1:], ay[1:]
        scale = np.convolve(scale, [0.0, 1.0])
    while ax.size > 1:
        powers = duration ** np.arange(ax.size)
        if not (abs(ax @ powers) <= ZERO and abs(ay @ powers) <= ZERO):
            break
        ax, ay = -_divide(ax, duration), -_divide(ay, duration)
        scale = np.convolve(scale, [duration, -1.0])
    return scale, ax, ay


def _divide(coefficients: Array, root: float) -> Array:
    """Quotient of the division by (t - root), by synthetic division."""
    quotient = np.zeros(coefficients.size - 1)
    carry = 0.0
    for j in range(coefficients.size - 1, 0, -1):
        carry = coefficients[j] + root * carry
        quotient[j - 1] = carry
    return quotient
