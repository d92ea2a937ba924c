"""The planner's front end: a feasible, smooth and nearly fastest path between two poses, for the optimiser to start from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from rover_energy.planning.costmap import CLEARANCE, CostMap
from rover_energy.planning.path import Path, keep_out_distance
from rover_energy.planning.search import FINE, Pose, SearchFailure, SearchOptions, SearchResult, allowance, find_arcs
from rover_energy.planning.smoothing import Band, BandOptions, appraise, smooth

_HARDENING = 10.0  # of the hinges from one attempt to the next
_TIGHTENING = 0.995  # of the slopes at which the hinges begin
_ATTEMPTS = 3
_DOUBT = 5e-3  # of a limit: more than a path can take between samples of a tenth of a metre
_FINE_STEP = 0.01  # [m]


@dataclass(frozen=True, eq=False)
class InitialPath:
    """A path from start to goal within all limits.

    Attributes
    ----------
    path : Path
        Unwrapped heading: path.heading[0] is the start heading as given, path.heading[-1] the goal's on the same branch.
    cost : float
        Of steady driving, in the mission's weights: with the time alone a lower bound of its duration [s].
    goal : (3,) tuple
        Goal pose with its heading on the path's branch.
    search : SearchResult
        The arcs it came from.
    attempts : int
        Bands pulled.
    """

    path: Path
    cost: float
    goal: tuple[float, float, float]
    search: SearchResult
    attempts: int


def find_path(
    costmap: CostMap, start: Pose, goal: Pose, *, search: SearchOptions | None = None, band: BandOptions | None = None
) -> InitialPath:
    """Search and smooth.

    Parameters
    ----------
    costmap : CostMap
    start, goal : (3,) sequences
        x [m], y [m], heading [rad]; the goal's heading may be on any branch.
    search : SearchOptions, optional
    band : BandOptions, optional

    Returns
    -------
    InitialPath

    Raises
    ------
    InputError
        A pose is not three finite numbers, or start and goal are the same.
    SearchFailure
        A pose is blocked, no path exists, the budget is exhausted, or no band kept all limits: see its `reason` and `limit`.
    """
    options = band or BandOptions()
    allowed = allowance(costmap, start, goal)
    try:
        arcs = find_arcs(costmap, start, goal, search, allowed=allowed)
    except SearchFailure as failure:
        if failure.reason != "no_path":
            raise
        allowed = allowance(costmap, start, goal, clearance=0.0, share=1.0)  # without the margins there may be a way
        arcs = find_arcs(costmap, start, goal, FINE, allowed=allowed)
    raw = arcs.path()
    target = (float(goal[0]), float(goal[1]), float(raw.heading[-1]))
    result: Band | None = None
    for attempt in range(_ATTEMPTS):
        result = smooth(costmap, raw if result is None else result.path, arcs.start, target, arcs.cost, allowed, options)
        if _within_limits(costmap, result) and _clear(costmap, result):
            return InitialPath(result.path, result.cost, target, arcs, attempt + 1)
        clearance = max(allowed.clearance, CLEARANCE) * 1.5
        tan_slope, tan_tilt = _TIGHTENING * allowed.tan_slope, _TIGHTENING * allowed.tan_tilt
        allowed = dataclasses.replace(allowed, clearance=clearance, tan_slope=tan_slope, tan_tilt=tan_tilt)
        options = dataclasses.replace(options, hinge=options.hinge * _HARDENING, share=options.share - 0.04)
    limit = "keep_out" if result is None or result.excess <= 0.0 else result.limit
    text = f"the arcs that the search found cannot be smoothed within the limit of {limit}; widen it slightly or move the goal"
    raise SearchFailure("smoothing", limit, text)


def _within_limits(costmap: CostMap, band: Band) -> bool:
    """Whether the limits of motion hold, looked at closely only where the samples leave a doubt."""
    if band.excess <= -_DOUBT or band.excess > 0.0:
        return band.excess <= 0.0
    s = np.linspace(0.0, band.path.length, max(2, math.ceil(band.path.length / _FINE_STEP) + 1))
    return appraise(costmap, Path(s, *band.path.at(s)), band.iterations).excess <= 0.0


def _clear(costmap: CostMap, band: Band) -> bool:
    """Whether the exact polygons and gaps in the data are clear, asked only where interpolation on the grid leaves a doubt."""
    if band.clearance >= costmap.resolution:
        return True
    x, y = band.path.x, band.path.y
    if band.clearance <= -costmap.resolution or not np.all(costmap.surface.has_data(x, y)):
        return False
    return keep_out_distance(x, y, costmap.keep_outs) >= costmap.width / 2.0
