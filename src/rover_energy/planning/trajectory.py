"""Piecewise polynomial trajectories in time on SE(2), evaluated exactly.

Two kinds are known. `unicycle`: heading and horizontal speed are polynomials, the position is the integral of the
speed along the heading, so the motion is non-holonomic by construction. `flat`: x and y are polynomials, and the heading
is that of the velocity unless polynomials of it are given too. Coefficients stand in ascending powers of the local time
of their piece [s].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.planning.polynomials import derivative_rows, direction_rows, evaluate_rows, integrate_along_heading

Array = NDArray[np.float64]

KINDS = ("unicycle", "flat")
TIME_SLACK = 1e-9  # [s]; times beyond the ends by no more than this are taken as the ends
REST_SPEED = 1e-7  # [m/s]; below it the curvature is a limit value, for speed and rate are both rounding noise
REST_RATE = 1e-6  # [rad/s and its derivatives]


@dataclass(frozen=True)
class State:
    """Motion in the map plane at the times `t`; every field has the shape of `t`.

    `speed` is horizontal, along the heading [m/s]; `lateral_speed` is the horizontal velocity across the heading, to the
    left, which is 0 unless a `flat` trajectory carries its own heading; `curvature` is heading rate over speed [1/m].
    """

    t: Array
    x: Array
    y: Array
    heading: Array
    speed: Array
    speed_rate: Array
    heading_rate: Array
    heading_acceleration: Array
    lateral_speed: Array
    curvature: Array


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A trajectory of n pieces.

    Parameters
    ----------
    kind
        `unicycle` or `flat`.
    start
        Pose x [m], y [m], heading [rad] at time 0, map frame.
    durations
        (n,) durations of the pieces [s], positive.
    heading, speed
        (n, k) coefficients [rad/s^j], [m/s^(j+1)]; both needed by `unicycle`, `heading` optional with `flat`.
    x, y
        (n, k) coefficients [m/s^j]; both needed by `flat`.

    Raises
    ------
    InputError
        When a coefficient is missing, not finite or of the wrong shape, or a duration is not positive.
    """

    kind: str
    start: Array
    durations: Array
    heading: Array | None = None
    speed: Array | None = None
    x: Array | None = None
    y: Array | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError("trajectory", "kind", "unknown kind", f"use one of {', '.join(KINDS)}", self.kind)
        self._store("start", _vector(self.start, "start", 3))
        durations = _vector(self.durations, "durations", None)
        if not np.all(durations > 0.0):
            least = float(durations.min())
            raise InputError("trajectory", "durations", "a duration is not positive", "give positive seconds", least)
        self._store("durations", durations)
        needed, optional = (("heading", "speed"), ()) if self.kind == "unicycle" else (("x", "y"), ("heading",))
        for name in ("heading", "speed", "x", "y"):
            rows = getattr(self, name)
            if name in needed or (name in optional and rows is not None):
                self._store(name, _matrix(rows, name, durations.size))
            elif rows is not None:
                raise InputError("trajectory", name, f"does not belong to kind {self.kind!r}", "leave it out")

    def _store(self, name: str, value: Array) -> None:
        value.setflags(write=False)
        object.__setattr__(self, name, value)

    @property
    def pieces(self) -> int:
        """Number of pieces."""
        return self.durations.size

    @cached_property
    def knots(self) -> Array:
        """(n + 1,) times at which the pieces begin, and the end [s]."""
        return np.concatenate([[0.0], np.cumsum(self.durations)])

    @property
    def duration(self) -> float:
        """Time from start to end [s]."""
        return float(self.knots[-1])

    @cached_property
    def end_pose(self) -> tuple[float, float, float]:
        """x [m], y [m], heading [rad] at the end."""
        state = self.evaluate_local(np.array([self.pieces - 1]), self.durations[-1:])
        return float(state.x[0]), float(state.y[0]), float(state.heading[0])

    def stretched(self, factor: float) -> Trajectory:
        """The same path driven `factor` times as long, by exact scaling of the coefficients.

        Raises InputError when the factor is not a positive finite number.
        """
        if not 0.0 < factor < np.inf:
            raise InputError("trajectory", "factor", "is not positive and finite", "give a factor above 0", factor)

        def scale(rows: Array | None, extra: int) -> Array | None:
            return None if rows is None else rows / factor ** (np.arange(rows.shape[1]) + extra)

        return Trajectory(
            self.kind, self.start.copy(), self.durations * factor,
            heading=scale(self.heading, 0), speed=scale(self.speed, 1), x=scale(self.x, 0), y=scale(self.y, 0),
        )  # fmt: skip

    def locate(self, t: ArrayLike) -> tuple[NDArray[np.intp], Array]:
        """Piece index and local time [s] of each time; a time on a joint belongs to the later piece.

        Times outside the trajectory have local time NaN.
        """
        time = np.asarray(t, dtype=float)
        end = self.knots[-1]
        inside = (time >= -TIME_SLACK) & (time <= end + TIME_SLACK)
        clamped = np.where(inside, np.clip(time, 0.0, end), 0.0)
        piece = np.clip(np.searchsorted(self.knots, clamped, side="right") - 1, 0, self.pieces - 1)
        return piece, np.where(inside, clamped - self.knots[piece], np.nan)

    def evaluate(self, t: ArrayLike) -> State:
        """State at times from the start [s], any shape; NaN outside the trajectory."""
        time = np.asarray(t, dtype=float)
        piece, local = self.locate(time.ravel())
        state = self.evaluate_local(piece, local)
        return State(**{name: value.reshape(time.shape) for name, value in vars(state).items()})

    def evaluate_local(self, piece: NDArray[np.intp], local: Array) -> State:
        """State at local times (m,) [s] of the pieces (m,), which gives access to both sides of a joint."""
        motion = self._unicycle(piece, local) if self.kind == "unicycle" else self._flat(piece, local)
        return State(t=self.knots[piece] + local, curvature=self._curvature(motion, piece, local), **motion)

    def _unicycle(self, piece: NDArray[np.intp], local: Array) -> dict[str, Array]:
        headings, speeds = self._heading_rows, self._speed_rows
        x, y = self._positions.evaluate(self.knots[piece] + local)
        return {
            "x": x,
            "y": y,
            "heading": evaluate_rows(headings[0], piece, local),
            "heading_rate": evaluate_rows(headings[1], piece, local),
            "heading_acceleration": evaluate_rows(headings[2], piece, local),
            "speed": evaluate_rows(speeds[0], piece, local),
            "speed_rate": evaluate_rows(speeds[1], piece, local),
            "lateral_speed": np.zeros_like(local),
        }

    def _flat(self, piece: NDArray[np.intp], local: Array) -> dict[str, Array]:
        x, vx, ax = (evaluate_rows(rows, piece, local) for rows in self._x_rows[:3])
        y, vy, ay = (evaluate_rows(rows, piece, local) for rows in self._y_rows[:3])
        if self.heading is None:
            return {"x": x, "y": y, **self._along_velocity(piece, local)}
        heading, rate, acceleration = (evaluate_rows(rows, piece, local) for rows in self._heading_rows[:3])
        cosine, sine = np.cos(heading), np.sin(heading)
        lateral = vy * cosine - vx * sine
        return {
            "x": x,
            "y": y,
            "heading": heading,
            "heading_rate": rate,
            "heading_acceleration": acceleration,
            "speed": vx * cosine + vy * sine,
            "speed_rate": ax * cosine + ay * sine + rate * lateral,
            "lateral_speed": lateral,
        }

    def _along_velocity(self, piece: NDArray[np.intp], local: Array) -> dict[str, Array]:
        """Heading and speed from velocity = scale * (qx, qy), where the scale holds the rests at the ends of the piece.

        The direction stays defined where the speed is 0, so the heading and its rates take their limits there. A rest
        inside a piece is a cusp: the heading has no limit and NaN is returned.
        """
        scale, scale_rate = (evaluate_rows(rows, piece, local) for rows in self._direction["scale"])
        qx, qx1, qx2 = (evaluate_rows(rows, piece, local) for rows in self._direction["x"])
        qy, qy1, qy2 = (evaluate_rows(rows, piece, local) for rows in self._direction["y"])
        square = np.where(qx * qx + qy * qy > 0.0, qx * qx + qy * qy, np.nan)
        length = np.sqrt(square)
        along = (qx * qx1 + qy * qy1) / square
        rate = (qx * qy1 - qy * qx1) / square
        return {
            "heading": np.where(square > 0.0, np.arctan2(qy, qx), np.nan),
            "heading_rate": rate,
            "heading_acceleration": (qx * qy2 - qy * qx2) / square - 2.0 * rate * along,
            "speed": scale * length,
            "speed_rate": scale_rate * length + scale * length * along,
            "lateral_speed": np.zeros_like(local),
        }

    def _curvature(self, motion: dict[str, Array], piece: NDArray[np.intp], local: Array) -> Array:
        """Heading rate over speed; at rest the limit, by the first ratio of derivatives that is defined."""
        rate, speed = motion["heading_rate"], motion["speed"]
        at_rest = (np.abs(speed) <= REST_SPEED) & (np.abs(rate) <= REST_RATE)
        with np.errstate(divide="ignore", invalid="ignore"):
            curvature = np.asarray(rate / speed)
        for i in np.flatnonzero(at_rest).tolist():
            curvature[i] = self._curvature_at_rest(piece[i : i + 1], local[i : i + 1], motion, i)
        return curvature

    def _curvature_at_rest(self, piece: NDArray[np.intp], local: Array, motion: dict[str, Array], i: int) -> float:
        ratios = [(float(motion["heading_acceleration"][i]), float(motion["speed_rate"][i]))]
        if self.kind == "unicycle":
            tops, bottoms = self._heading_rows[3:5], self._speed_rows[2:4]
            ratios += [
                (float(evaluate_rows(top, piece, local)[0]), float(evaluate_rows(bottom, piece, local)[0]))
                for top, bottom in zip(tops, bottoms, strict=True)
            ]
        for top, bottom in ratios:
            if abs(bottom) > REST_RATE:
                return top / bottom
            if not abs(top) <= REST_RATE:
                return float(np.copysign(np.inf, top)) if top == top else np.nan
        return 0.0

    @cached_property
    def _heading_rows(self) -> list[Array]:
        assert self.heading is not None
        return derivative_rows(self.heading, 4)

    @cached_property
    def _speed_rows(self) -> list[Array]:
        assert self.speed is not None
        return derivative_rows(self.speed, 3)

    @cached_property
    def _x_rows(self) -> list[Array]:
        assert self.x is not None
        return derivative_rows(self.x, 4)

    @cached_property
    def _y_rows(self) -> list[Array]:
        assert self.y is not None
        return derivative_rows(self.y, 4)

    @cached_property
    def _positions(self) -> Any:
        return integrate_along_heading(self._heading_rows[0], self._speed_rows[0], self.knots, self.start)

    @cached_property
    def direction(self) -> tuple[Array, Array, Array]:
        """With `flat`: rows (n, k) of scale >= 0 and of qx, qy, such that the velocity is scale (qx, qy)."""
        return direction_rows(self._x_rows[1], self._y_rows[1], self.durations)

    @cached_property
    def _direction(self) -> dict[str, list[Array]]:
        scale, qx, qy = self.direction
        return {"scale": derivative_rows(scale, 1), "x": derivative_rows(qx, 2), "y": derivative_rows(qy, 2)}


def _vector(value: Any, name: str, length: int | None) -> Array:
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise InputError("trajectory", name, "is not a list of numbers", "give finite numbers") from None
    if array.ndim != 1 or array.size == 0 or (length is not None and array.size != length):
        wanted = "at least one" if length is None else str(length)
        raise InputError("trajectory", name, f"has shape {array.shape}", f"give {wanted} numbers in one row")
    if not np.all(np.isfinite(array)):
        raise InputError("trajectory", name, "holds a value that is not finite", "give finite numbers")
    return array


def _matrix(value: Any, name: str, rows: int) -> Array:
    if value is None:
        raise InputError("trajectory", name, "is missing", "give one row of coefficients per piece")
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise InputError("trajectory", name, "is not a table of numbers", "give one row of coefficients per piece") from None
    if array.ndim != 2 or array.shape[0] != rows or array.shape[1] == 0:
        raise InputError("trajectory", name, f"has shape {array.shape}", f"give {rows} rows of coefficients, one per piece")
    if not np.all(np.isfinite(array)):
        raise InputError("trajectory", name, "holds a coefficient that is not finite", "give finite numbers")
    return array
