"""From arcs to a path that can be driven and optimised: an elastic band in the power-aware metric, ends held exactly."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.planning.costmap import CostMap
from rover_energy.planning.native_map import BandAnswerStructure, BandStructure, address, library
from rover_energy.planning.path import Path
from rover_energy.planning.search import Allowance

FloatArray = NDArray[np.float64]

SEGMENT_SHARE = 0.38  # of the turning radius: reference length of a spline segment
FEWEST_SEGMENTS = 6
_OUTPUT_SAMPLES = 8  # per segment
_GAUSS = np.polynomial.legendre.leggauss(3)


@dataclass(frozen=True)
class BandOptions:
    """How the band is pulled.

    Attributes
    ----------
    hinge : float
        Cost of passing a limit by 100 % for one unit of cost.
    smoothness : float
        Cost of changing the curvature by the largest one within a metre, per unit of cost.
    share : float
        Of the limits at which the hinges begin.
    samples : int
        Per segment.
    iterations : int
        Most steps.
    tolerance : float
        Change of the objective, per cost of 30 turning radii, at which to stop.
    """

    hinge: float = 2000.0
    smoothness: float = 0.02
    share: float = 0.96
    samples: int = 4
    iterations: int = 40
    tolerance: float = 3e-4


@dataclass(frozen=True, eq=False)
class Band:
    """A smoothed path with what it took.

    Attributes
    ----------
    path : Path
    cost : float
        Of steady driving along it, in the mission's weights.
    iterations : int
    excess : float
        Largest of what the path takes of a limit of motion at its samples, over that limit, less 1: negative when all hold,
        infinite off the map or without power.
    clearance : float
        Least distance to obstacles as the cost map interpolates it [m], negative inside.
    limit : str
        The limit that `excess` belongs to.
    """

    path: Path
    cost: float
    iterations: int
    excess: float
    clearance: float
    limit: str


def smooth(
    costmap: CostMap,
    path: Path,
    start: tuple[float, float, float],
    goal: tuple[float, float, float],
    cost: float,
    allowed: Allowance,
    options: BandOptions | None = None,
) -> Band:
    """Pull a path into a smooth one of less cost.

    Parameters
    ----------
    costmap : CostMap
    path : Path
        From start to goal, with curvature jumps or not; the band begins there.
    start, goal : (3,) tuples
        Poses that the ends keep exactly: x [m], y [m], heading [rad].
    cost : float
        Of `path`, for scaling.
    allowed : Allowance
        Limits.
    options : BandOptions, optional

    Returns
    -------
    Band
        Its path is tangent to its heading by construction, its curvature is continuous.

    Notes
    -----
    Elastic bands: Quinlan & Khatib (1993), doi:10.1109/ROBOT.1993.291936; here on the control points of a uniform cubic
    B-spline, with the metric of the steady driving cost, by Gauss-Newton.
    """
    options = options or BandOptions()
    radius = 1.0 / costmap.limits.curvature
    count = max(FEWEST_SEGMENTS, round(path.length / (SEGMENT_SHARE * radius)))
    z = _initial(path, count)
    band = BandStructure(
        count, options.samples, options.iterations, cost, options.hinge, options.smoothness,
        options.share * costmap.limits.curvature, allowed.tan_slope, allowed.tan_tilt, allowed.clearance,
        path.length / count, start, goal, 0.05 * (costmap.model.constant_load + 1.0),
    )  # fmt: skip
    tolerance = options.tolerance * min(1.0, 30.0 * radius / path.length)
    structure = allowed.structure(costmap)
    control = np.zeros((count + 3, 2))
    answer = BandAnswerStructure()
    built = library()
    if built is None:
        from rover_energy.planning.smoothing_fallback import band_optimise

        band_optimise(costmap, band, tolerance, z, control, answer)
    else:
        built.band_optimise(
            ctypes.byref(structure), ctypes.byref(band), ctypes.c_double(tolerance),
            ctypes.c_void_p(address(z)), ctypes.c_void_p(address(control)), ctypes.byref(answer),
        )  # fmt: skip
    return appraise(costmap, spline_path(control, start[2]), int(answer.iterations))


def spline_path(control: FloatArray, heading: float) -> Path:
    """Path along a uniform cubic B-spline.

    Parameters
    ----------
    control : (n + 3, 2) array
        Control points of n segments [m].
    heading : float
        At the start [rad]: fixes the branch of the unwrapped heading.

    Returns
    -------
    Path
        Samples at equal parameter steps, with arc length by Gauss-Legendre quadrature.
    """
    u = np.arange(_OUTPUT_SAMPLES) / _OUTPUT_SAMPLES
    position, tangent, second = (_along(control, u, order) for order in range(3))
    speed = np.hypot(tangent[:, 0], tangent[:, 1])
    curvature = (tangent[:, 0] * second[:, 1] - tangent[:, 1] * second[:, 0]) / speed**3
    nodes = ((np.arange(_OUTPUT_SAMPLES)[:, None] + 0.5 + 0.5 * _GAUSS[0]) / _OUTPUT_SAMPLES).ravel()
    between = _along(control, nodes, 1, end=False)
    step = np.hypot(between[:, 0], between[:, 1]).reshape(-1, 3) @ _GAUSS[1] / (2.0 * _OUTPUT_SAMPLES)
    angle = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    angle += 2.0 * math.pi * round((heading - angle[0]) / (2.0 * math.pi))
    return Path(np.concatenate(([0.0], np.cumsum(step))), position[:, 0].copy(), position[:, 1].copy(), angle, curvature)


def _along(control: FloatArray, u: FloatArray, order: int, *, end: bool = True) -> FloatArray:
    """Spline or derivative at parameters `u` of every segment, and at the very end if asked: (m, 2)."""
    weights = _weights(u, order)
    stencil = np.stack([control[k : len(control) - 3 + k] for k in range(4)])
    values = np.einsum("ku,ksa->sua", weights, stencil).reshape(-1, 2)
    if not end:
        return values
    last = _weights(np.ones(1), order)[:, 0] @ control[-4:]
    return np.concatenate((values, last[None]))


def _weights(u: FloatArray, order: int) -> FloatArray:
    """(4, n) weights of the control points for the spline or its first two derivatives."""
    v = 1.0 - u
    if order == 0:
        return np.array([v**3, 4.0 + u * u * (3.0 * u - 6.0), 4.0 + v * v * (3.0 * v - 6.0), u**3]) / 6.0
    if order == 1:
        return np.array([-0.5 * v * v, u * (1.5 * u - 2.0), -v * (1.5 * v - 2.0), 0.5 * u * u])
    return np.array([v, 3.0 * u - 2.0, 3.0 * v - 2.0, u])


def _initial(path: Path, count: int) -> FloatArray:
    """Free variables of a band whose control points lie on the path; see `controls` in smoothing.c."""
    x, y, heading, curvature = path.at(np.linspace(0.0, path.length, count + 1))
    step = path.length / count
    ends = [
        (step, -math.sin(heading[k]) * curvature[k] * step**2, math.cos(heading[k]) * curvature[k] * step**2) for k in (0, -1)
    ]
    return np.concatenate((ends[0], np.column_stack([x, y])[2:-2].ravel() if count > 3 else [], ends[1]))


def appraise(costmap: CostMap, path: Path, iterations: int) -> Band:
    """The path with its cost and what it violates, on the exact surface at its samples."""
    limits = costmap.limits
    hx, hy = costmap.surface.gradient(path.x, path.y)
    tan_tilt, tangent = np.hypot(hx, hy), hx * np.cos(path.heading) + hy * np.sin(path.heading)
    ratio = np.sqrt((1.0 + tan_tilt**2) / (1.0 + tangent**2))
    power = costmap.power_at(path.x, path.y, path.heading)
    rate = costmap.model.rate(power, tangent, tan_tilt, path.curvature)
    cost = float(np.sum(0.5 * (rate[1:] + rate[:-1]) * np.diff(path.s)))
    taken = {
        "curvature": float(np.max(np.abs(path.curvature) * ratio)) / limits.curvature,
        "along_slope": float(np.max(np.abs(tangent))) / math.tan(limits.along_slope),
        "tilt": float(np.max(tan_tilt)) / math.tan(limits.tilt),
    }
    clearance = float(np.min(costmap.clearance_at(path.x, path.y)))
    if not (math.isfinite(clearance) and all(math.isfinite(value) for value in taken.values())):
        return Band(path, cost, iterations, math.inf, clearance, "map_edge")
    if not math.isfinite(cost):
        return Band(path, cost, iterations, math.inf, clearance, "power")
    limit = max(taken, key=lambda name: taken[name])
    return Band(path, cost, iterations, taken[limit] - 1.0, clearance, limit)
