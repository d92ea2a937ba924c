"""OMPL (Sucan, Moll & Kavraki 2012, doi:10.1109/MRA.2012.2205651; package `ompl` 2): sampling-based Dubins paths.

States are poses, motions are Dubins curves at the rover's least turning radius, and a state is valid where tilt, slope along the
heading, keep-outs and data allow it. The objective is the length: the Python bindings of OMPL 2.0.1 do not call
objectives written in Python. Runs are bounded by time, so the same seed gives the same path only on an equally
fast, idle machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.planning.path import Path
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

PLANNERS = ("RRTConnect", "RRTstar", "InformedRRTstar")
LOOKUP = 0.1  # [m] cell of the table of gradients and blocked places
CHECK_DISTANCE = 0.15  # [m] between checked states along a motion
SAMPLE = 0.05  # [m] between the points of the returned path


@dataclass(frozen=True)
class OmplResult:
    """`path` is None when OMPL found none that reaches the goal; `iterations` of the planner, where it counts them."""

    path: Path | None
    iterations: int


def plan_with_ompl(
    surface: Surface,
    rover: RoverParameters,
    start: Sequence[float],
    goal: Sequence[float],
    *,
    keep_outs: Sequence[shapely.Polygon] = (),
    planner: str = "RRTstar",
    seconds: float = 1.0,
    seed: int = 1,
) -> OmplResult:
    """A Dubins path between two poses (x [m], y [m], heading [rad]) by one of `PLANNERS`, after `seconds` of search.

    Raises MissingExtraError without the package `ompl`, and InputError for an unknown planner.
    """
    if planner not in PLANNERS:
        raise InputError("ompl", "planner", "unknown choice", f"use one of {', '.join(PLANNERS)}", planner)
    try:
        from ompl import base, geometric, util
    except ImportError:
        raise MissingExtraError("ompl", "bench", "the comparison with OMPL") from None
    util.noOutputHandler()
    util.RNG.setSeed(seed)
    space = _space(base, surface, rover)
    setup = geometric.SimpleSetup(space)
    valid = validity(surface, rover, keep_outs)
    setup.setStateValidityChecker(lambda state: valid(state.getX(), state.getY(), state.getYaw()))
    setup.setStartAndGoalStates(_state(space, start), _state(space, goal))
    information = setup.getSpaceInformation()
    information.setStateValidityCheckingResolution(CHECK_DISTANCE / space.getMaximumExtent())
    solver = getattr(geometric, planner)(information)
    setup.setPlanner(solver)
    status = setup.solve(seconds)
    iterations = int(solver.numIterations()) if hasattr(solver, "numIterations") else 0
    if status.getStatus() != base.PlannerStatus.EXACT_SOLUTION:
        return OmplResult(None, iterations)
    solution = setup.getSolutionPath()
    solution.interpolate(max(2, math.ceil(solution.length() / SAMPLE)))
    poses = np.array([(s.getX(), s.getY(), s.getYaw()) for s in solution.getStates()])
    return OmplResult(path_from_poses(poses, float(start[2])), iterations)


def validity(
    surface: Surface, rover: RoverParameters, keep_outs: Sequence[shapely.Polygon]
) -> Callable[[float, float, float], bool]:
    """Whether the rover may stand at x, y [m] with a heading [rad], by a table of 0.1 m cells."""
    xmin, ymin, xmax, ymax = surface.extent
    x, y = np.meshgrid(np.arange(xmin, xmax, LOOKUP), np.arange(ymin, ymax, LOOKUP))
    gx, gy = surface.gradient(x, y)
    free = surface.has_data(x, y) & (np.hypot(gx, gy) <= math.tan(rover.limits.tilt))
    if len(keep_outs):
        widened = shapely.union_all([polygon.buffer(0.5 * rover.width) for polygon in keep_outs])
        shapely.prepare(widened)
        free &= ~shapely.contains_xy(widened, x, y)
    slope_x, slope_y, allowed = gx.tolist(), gy.tolist(), free.tolist()  # lists: quicker than arrays one by one
    rows, columns, steepest = *free.shape, math.tan(rover.limits.along_slope)

    def valid(px: float, py: float, heading: float) -> bool:
        i, j = int((px - xmin) / LOOKUP + 0.5), int((py - ymin) / LOOKUP + 0.5)
        if not (0 <= i < columns and 0 <= j < rows and allowed[j][i]):
            return False
        return bool(abs(slope_x[j][i] * math.cos(heading) + slope_y[j][i] * math.sin(heading)) <= steepest)

    return valid


def path_from_poses(poses: np.ndarray, heading: float) -> Path:
    """A `Path` through poses (n, 3) that lie on arcs and lines; the first heading is put on the branch of `heading`."""
    moved = np.concatenate(([True], np.hypot(*np.diff(poses[:, :2], axis=0).T) > 1e-6))
    x, y, yaw = poses[moved].T
    yaw = np.unwrap(yaw)
    yaw += 2.0 * math.pi * round((heading - float(yaw[0])) / (2.0 * math.pi))
    turn = np.diff(yaw)
    step = np.hypot(np.diff(x), np.diff(y)) / np.sinc(turn / (2.0 * math.pi))  # arc over chord
    curvature = turn / step
    return Path(np.concatenate(([0.0], np.cumsum(step))), x, y, yaw, np.concatenate((curvature[:1], curvature)))


def _space(base: Any, surface: Surface, rover: RoverParameters) -> Any:
    """Dubins space over the map. The radius allows for yaw rate over speed being larger on a side slope than on the map."""
    space = base.DubinsStateSpace(1.0 / (rover.limits.curvature * math.cos(rover.limits.tilt)))
    bounds = base.RealVectorBounds(2)
    for axis in (0, 1):
        bounds.setLow(axis, float(surface.extent[axis]))
        bounds.setHigh(axis, float(surface.extent[axis + 2]))
    space.setBounds(bounds)
    return space


def _state(space: Any, pose: Sequence[float]) -> Any:
    state = space.allocState()
    state.setXY(float(pose[0]), float(pose[1]))
    state.setYaw(math.remainder(float(pose[2]), 2.0 * math.pi))
    return state
