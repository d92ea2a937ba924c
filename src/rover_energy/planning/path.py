"""Planar paths for a rover that drives along its heading: storage, interpolation and an exact check against the limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

FloatArray = NDArray[np.float64]

INTEGRABILITY_TOLERANCE = 1e-3  # of the position against the integral of the heading [m per m]
POSE_TOLERANCE = 1e-6  # at both ends [m] and [rad]


@dataclass(frozen=True, eq=False)
class Path:
    """Samples of a path whose tangent is the heading.

    Attributes
    ----------
    s : (n,) array
        Horizontal arc length from the start, strictly increasing, s[0] = 0 [m].
    x, y : (n,) array
        Map position [m].
    heading : (n,) array
        Unwrapped yaw, continuous from start to goal [rad]: heading[-1] is the start heading plus the total turn.
    curvature : (n,) array
        d heading / d s per *horizontal* metre [1/m].
    """

    s: FloatArray
    x: FloatArray
    y: FloatArray
    heading: FloatArray
    curvature: FloatArray

    def __post_init__(self) -> None:
        arrays = (self.s, self.x, self.y, self.heading, self.curvature)
        if any(a.ndim != 1 or a.shape != self.s.shape for a in arrays) or len(self.s) < 2:
            raise InputError("path", "samples", "are not five equal one-dimensional arrays of two or more", "give n >= 2 samples")
        if not all(np.all(np.isfinite(a)) for a in arrays):
            raise InputError("path", "samples", "hold values that are not finite", "check the path's source")
        if not (self.s[0] == 0.0 and np.all(np.diff(self.s) > 0.0)):
            raise InputError("path", "s", "does not start at 0 or does not increase", "remove repeated samples")

    @property
    def length(self) -> float:
        """Horizontal length [m]."""
        return float(self.s[-1])

    def at(self, s: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Position, heading and curvature between the samples.

        Parameters
        ----------
        s : array_like, any shape
            Horizontal arc length [m]; values outside 0 .. length give NaN.

        Returns
        -------
        x, y, heading, curvature : arrays of the shape of `s`
            [m], [m], [rad], [1/m]. Cubic Hermite interpolation of position and heading from the samples' tangents
            and curvatures: errors are of fourth order in the sample distance. Curvature is linear between samples.
        """
        s = np.asarray(s, dtype=np.float64)
        ok = (s >= 0.0) & (s <= self.length)
        i = np.clip(np.searchsorted(self.s, s, side="right") - 1, 0, len(self.s) - 2)
        step = self.s[i + 1] - self.s[i]
        t = np.where(ok, (s - self.s[i]) / step, np.nan)
        h01 = t * t * (3.0 - 2.0 * t)
        h10, h11 = t * (1.0 - t) ** 2 * step, t * t * (t - 1.0) * step

        def hermite(f: FloatArray, slope: FloatArray) -> FloatArray:
            return np.asarray(f[i] + h01 * (f[i + 1] - f[i]) + h10 * slope[i] + h11 * slope[i + 1])

        curvature = self.curvature[i] + t * (self.curvature[i + 1] - self.curvature[i])
        x, y = hermite(self.x, np.cos(self.heading)), hermite(self.y, np.sin(self.heading))
        return x, y, hermite(self.heading, self.curvature), np.asarray(curvature)


def arc_end(pose: Sequence[float], curvature: float, length: float) -> tuple[float, float, float]:
    """Pose (x [m], y [m], heading [rad]) at the end of a circular arc of horizontal `length` [m] and `curvature` [1/m]."""
    x, y, heading = pose
    turn = curvature * length
    chord = length * math.sin(turn / 2.0) / (turn / 2.0) if abs(turn) > 1e-9 else length
    middle = heading + turn / 2.0
    return x + chord * math.cos(middle), y + chord * math.sin(middle), heading + turn


def path_from_arcs(start: Sequence[float], arcs: ArrayLike, step: float = 0.1) -> Path:
    """Sample a chain of circular arcs.

    Parameters
    ----------
    start : (3,) sequence
        x [m], y [m], heading [rad].
    arcs : (n, 2) array_like
        Curvature [1/m] and horizontal length [m] of each arc; its heading is continuous, its curvature jumps.
    step : float
        Largest distance between samples [m]. Every joint is a sample, with the curvature of the arc that ends there.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        No arc of positive length.
    """
    table = np.asarray(arcs, dtype=np.float64).reshape(-1, 2)
    table = table[table[:, 1] > 1e-9]
    if len(table) == 0:
        raise InputError("path", "arcs", "have no length", "give a goal that differs from the start")
    count = np.maximum(1, np.ceil(table[:, 1] / step - 1e-9).astype(int))
    which = np.repeat(np.arange(len(table)), count)
    within = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + 1
    local = table[which, 1] * within / count[which]
    poses = [tuple(float(v) for v in start)]
    for curvature, length in table[:-1]:
        poses.append(arc_end(poses[-1], curvature, length))
    origin = np.array(poses)[which]
    half = table[which, 0] * local / 2.0
    chord = local * np.sinc(half / np.pi)
    heading = origin[:, 2] + 2.0 * half
    x, y = origin[:, 0] + chord * np.cos(origin[:, 2] + half), origin[:, 1] + chord * np.sin(origin[:, 2] + half)
    s = np.concatenate(([0.0], np.cumsum(table[:, 1])))[which] + local
    first = poses[0]
    curvature = np.concatenate((table[:1, 0], table[which, 0]))
    return Path(
        np.concatenate(([0.0], s)), np.concatenate(([first[0]], x)), np.concatenate(([first[1]], y)),
        np.concatenate(([first[2]], heading)), curvature,
    )  # fmt: skip


@dataclass(frozen=True)
class PathMargins:
    """Worst margins of a path over dense samples; negative means violated.

    Attributes
    ----------
    curvature : float
        Limit less |yaw rate / speed| = |curvature| cos(along_slope)/cos(tilt) [1/m].
    along_slope, tilt : float
        Limit less the largest value [rad].
    keep_out : float
        Least distance of the centre line to the keep-outs less half the rover's width [m]; infinite without keep-outs.
    map_edge : float
        Least distance to the border of the map [m], negative outside.
    has_data : bool
        Whether the whole path rests on measured heights.
    integrability : float
        Largest change, over any metre, of the position against the integral of the heading [m].
    start_error, goal_error : float
        Largest of the position [m] and heading [rad] errors; the goal's heading is compared modulo a turn. 0 when not asked.
    """

    curvature: float
    along_slope: float
    tilt: float
    keep_out: float
    map_edge: float
    has_data: bool
    integrability: float
    start_error: float
    goal_error: float

    @property
    def violations(self) -> tuple[str, ...]:
        """Names of what does not hold; NaN counts as violated."""
        names = [n for n in ("curvature", "along_slope", "tilt", "keep_out", "map_edge") if not getattr(self, n) >= 0.0]
        names += [] if self.has_data else ["no_data"]
        names += [] if self.integrability <= INTEGRABILITY_TOLERANCE else ["integrability"]
        names += [n for n in ("start_error", "goal_error") if not getattr(self, n) <= POSE_TOLERANCE]
        return tuple(names)

    @property
    def feasible(self) -> bool:
        """Whether everything holds."""
        return not self.violations


def check_path(
    path: Path,
    surface: Surface,
    rover: RoverParameters,
    *,
    keep_outs: Sequence[shapely.Polygon] = (),
    start: Sequence[float] | None = None,
    goal: Sequence[float] | None = None,
    step: float = 0.01,
) -> PathMargins:
    """Worst margins of a path against the limits of motion, on the exact surface and the exact polygons.

    Parameters
    ----------
    path : Path
    surface : Surface
    rover : RoverParameters
        Limits of curvature, along_slope and tilt, and the width.
    keep_outs : sequence of shapely Polygon
        Obstacles before widening [m].
    start, goal : (3,) sequences, optional
        Poses to meet: x [m], y [m], heading [rad].
    step : float
        Sample distance [m].

    Returns
    -------
    PathMargins
    """
    s = np.linspace(0.0, path.length, max(2, math.ceil(path.length / step) + 1))
    x, y, heading, curvature = path.at(s)
    hx, hy = surface.gradient(x, y)
    tan_tilt, tan_slope = np.hypot(hx, hy), hx * np.cos(heading) + hy * np.sin(heading)
    body_curvature = np.abs(curvature) * np.sqrt((1.0 + tan_tilt**2) / (1.0 + tan_slope**2))
    limits = rover.limits
    xmin, ymin, xmax, ymax = surface.extent
    edge = np.minimum(np.minimum(x - xmin, xmax - x), np.minimum(y - ymin, ymax - y))
    return PathMargins(
        curvature=_least(limits.curvature - body_curvature),
        along_slope=_least(limits.along_slope - np.abs(np.arctan(tan_slope))),
        tilt=_least(limits.tilt - np.arctan(tan_tilt)),
        keep_out=keep_out_distance(x, y, keep_outs) - rover.width / 2.0,
        map_edge=_least(edge),
        has_data=bool(np.all(surface.has_data(x, y))),
        integrability=_drift(path, s),
        start_error=_pose_error(path, 0, start),
        goal_error=_pose_error(path, -1, goal),
    )


def keep_out_distance(x: FloatArray, y: FloatArray, keep_outs: Sequence[shapely.Polygon]) -> float:
    """Least distance of the polyline through (n,) points to the polygons [m]: 0 when it enters one, infinite without any."""
    if len(keep_outs) == 0:
        return math.inf
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        return math.nan
    line = shapely.LineString(np.column_stack([x, y]))
    return float(np.min(shapely.distance(np.asarray(keep_outs, dtype=object), line)))


def _least(values: FloatArray) -> float:
    return float(np.min(values)) if np.all(np.isfinite(values)) else math.nan


def _drift(path: Path, s: FloatArray) -> float:
    """Largest change of position less integral of heading over windows of up to one metre [m]."""
    middle = 0.5 * (s[1:] + s[:-1])
    ds = np.diff(s)
    x, y, heading, _ = path.at(s)
    _, _, between, _ = path.at(middle)
    drift = []
    for value, function in ((x, np.cos), (y, np.sin)):
        f = function(heading)
        integral = np.cumsum(ds / 6.0 * (f[:-1] + 4.0 * function(between) + f[1:]))  # Simpson
        drift.append(value - value[0] - np.concatenate(([0.0], integral)))
    window = max(1, round(1.0 / float(ds[0])))
    lag = min(window, len(s) - 1)
    return float(np.max(np.hypot(drift[0][lag:] - drift[0][:-lag], drift[1][lag:] - drift[1][:-lag])))


def _pose_error(path: Path, index: int, pose: Sequence[float] | None) -> float:
    if pose is None:
        return 0.0
    turn = math.remainder(float(path.heading[index]) - float(pose[2]), 2.0 * math.pi)
    return max(math.hypot(path.x[index] - pose[0], path.y[index] - pose[1]), abs(turn))
