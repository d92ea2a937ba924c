"""From a start pose to a goal pose: a power-aware chain of arcs that keeps the limits of curvature, slope and clearance."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.planning.costmap import CLEARANCE, LIMIT_SHARE, Blocked, CostMap
from rover_energy.planning.native_map import AnswerStructure, MapStructure, RequestStructure, address, library, map_structure
from rover_energy.planning.path import Path, path_from_arcs

FloatArray = NDArray[np.float64]
Pose = Sequence[float]

FOUND, NONE_EXISTS, BUDGET, MEMORY, NOT_CONNECTED = range(5)  # status of the compiled search


@dataclass(frozen=True)
class SearchOptions:
    """How hard to search.

    Attributes
    ----------
    inflation : float
        Weight of the cost-to-go, 1 or more: the arcs cost at most about this factor more than the lattice's best.
    budget : int
        Most expansions before giving up.
    heading_bins : int
        Headings told apart.
    change_cost : float
        Cost of a jump of the curvature by the largest one, which smoothing will have to stretch out.
    radius_margin : float
        Of the turning radius over the least one: smoothing needs room to ease curvature in and out.
    arc : float
        Length of the shortest arcs over the turning radius.
    turns : tuple of float
        Curvatures of these arcs to either side, over the largest.
    """

    inflation: float = 1.05
    budget: int = 30000
    heading_bins: int = 32
    change_cost: float = 0.3
    radius_margin: float = 1.15
    arc: float = 0.75
    turns: tuple[float, ...] = (0.3, 0.6, 1.0)


FINE = SearchOptions(heading_bins=72, radius_margin=1.02, arc=0.36, turns=(0.35, 0.7, 1.0))  # when nothing else finds a way


@dataclass(frozen=True, eq=False)
class SearchResult:
    """Arcs from start to goal.

    Attributes
    ----------
    start : (3,) tuple
        x [m], y [m], heading [rad].
    arcs : (n, 2) array
        Curvature [1/m] and horizontal length [m].
    cost : float
        Of steady driving plus the curvature jumps, in the mission's weights.
    bound : float
        Cost-to-go estimated at the start by the grid alone.
    expansions, generated, settled : int
        Search nodes expanded and generated, grid nodes settled for the cost-to-go.
    rejected : dict
        Motions refused, by reason.
    compiled : bool
        Whether the compiled search ran.
    """

    start: tuple[float, float, float]
    arcs: FloatArray
    cost: float
    bound: float
    expansions: int
    generated: int
    settled: int
    rejected: dict[str, int] = field(default_factory=dict)
    compiled: bool = True

    def path(self, step: float = 0.1) -> Path:
        """Samples of the arcs, no more than `step` [m] apart."""
        return path_from_arcs(self.start, self.arcs, step)


class SearchFailure(RoverEnergyError):
    """No path was found.

    Attributes
    ----------
    reason : str
        "start_blocked", "goal_blocked", "no_path", "budget_exhausted" or "smoothing".
    limit : str
        What blocked: the limit at the pose, or the one that refused most motions.
    rejected : dict
        Motions refused, by limit.
    """

    def __init__(self, reason: str, limit: str, text: str, rejected: dict[str, int] | None = None) -> None:
        self.reason, self.limit, self.rejected = reason, limit, dict(rejected or {})
        super().__init__(" ".join(text.split()))


@dataclass(frozen=True)
class Allowance:
    """Limits that one search keeps: the rover's with a margin, opened to what start and goal themselves need."""

    tan_slope: float
    tan_tilt: float
    clearance: float

    def structure(self, costmap: CostMap) -> MapStructure:
        """The cost map under these limits, for compiled code."""
        return map_structure(costmap, self.tan_slope, self.tan_tilt, self.clearance)


def allowance(
    costmap: CostMap, start: Pose, goal: Pose, *, clearance: float = CLEARANCE, share: float = LIMIT_SHARE
) -> Allowance:
    """Limits for a search between two poses.

    Parameters
    ----------
    costmap : CostMap
    start, goal : (3,) sequences
        x [m], y [m], heading [rad].
    clearance : float
        Wanted distance to widened keep-outs [m].
    share : float
        Wanted share of the tangents of the slope limits.

    Raises
    ------
    InputError
        A pose is not three finite numbers.
    SearchFailure
        A pose itself is blocked: the reason tells which pose, the limit which limit.
    """
    steepest, most_tilted = math.tan(costmap.limits.along_slope), math.tan(costmap.limits.tilt)
    poses = np.array([_pose("start", start), _pose("goal", goal)])
    x, y, heading = poses.T
    hx, hy = costmap.surface.gradient(x, y)
    tan_tilt, tangent = np.hypot(hx, hy), np.abs(hx * np.cos(heading) + hy * np.sin(heading))
    free, power = costmap.clearance_at(x, y), costmap.power_at(x, y, heading)
    for k, name in enumerate(("start", "goal")):
        problem = (
            costmap.obstacle_at(x[k], y[k]) if not free[k] >= 0.0
            else Blocked.TILT if not tan_tilt[k] <= most_tilted
            else Blocked.ALONG_SLOPE if not tangent[k] <= steepest
            else Blocked.POWER if not power[k] > 0.0
            else Blocked.FREE
        )  # fmt: skip
        if problem != Blocked.FREE:
            limit = problem.name.lower()
            where = f"({x[k]:.3f}, {y[k]:.3f}) m, heading {heading[k]:.4f} rad"
            raise SearchFailure(f"{name}_blocked", limit, f"{name} pose {where} is blocked by {limit}; choose another pose")
    return Allowance(
        float(max(share * steepest, min(steepest, 1.002 * tangent.max()))),
        float(max(share * most_tilted, min(most_tilted, 1.002 * tan_tilt.max()))),
        float(max(0.0, min(clearance, 0.9 * free.min()))),
    )


def find_arcs(
    costmap: CostMap, start: Pose, goal: Pose, options: SearchOptions | None = None, *, allowed: Allowance | None = None
) -> SearchResult:
    """Search arcs from start to goal.

    Parameters
    ----------
    costmap : CostMap
    start, goal : (3,) sequences
        x [m], y [m], heading [rad].
    options : SearchOptions, optional
    allowed : Allowance, optional
        Limits to keep; default `allowance(costmap, start, goal)`.

    Returns
    -------
    SearchResult

    Raises
    ------
    InputError
        A pose is not three finite numbers, or start and goal are the same.
    SearchFailure
        Typed: see there.

    Notes
    -----
    Hybrid A* (Dolgov et al. 2010, doi:10.1177/0278364909359210) over arcs whose cost is the time at the fastest steady speed
    that the supply allows, plus weighted energy. The cost-to-go is the larger of a power-aware grid distance, computed on
    demand backwards from the goal, and of the shortest Dubins curve at the least cost per metre. Dubins curves into the goal
    are tried on the way and compete by their cost.
    """
    options = options or SearchOptions()
    start, goal = _pose("start", start), _pose("goal", goal)
    if math.dist(start[:2], goal[:2]) < 1e-6 and abs(math.remainder(start[2] - goal[2], 2.0 * math.pi)) < 1e-9:
        raise InputError("search", "goal", "is the start pose itself", "give a goal that differs from the start", goal)
    allowed = allowed or allowance(costmap, start, goal)
    request, table = make_request(costmap, start, goal, options)
    built = library()
    if built is None:
        from rover_energy.planning.search_fallback import hybrid_search

        answer, arcs = hybrid_search(costmap, allowed, request, table)
    else:
        answer = AnswerStructure()
        arcs = np.empty((options.budget + 8, 2))
        structure = allowed.structure(costmap)
        built.hybrid_search(
            ctypes.byref(structure), ctypes.byref(request), ctypes.byref(answer), ctypes.c_void_p(address(arcs))
        )
        arcs = arcs[: answer.arcs].copy()
    rejected = {reason.name.lower(): int(answer.rejected[reason]) for reason in Blocked if answer.rejected[reason]}
    if answer.status != FOUND:
        raise _failure(costmap, answer, rejected, start, goal)
    return SearchResult(
        start, arcs[arcs[:, 1] > 1e-9], float(answer.cost), float(answer.start_bound), int(answer.expansions),
        int(answer.generated), int(answer.settled), rejected, built is not None,
    )  # fmt: skip


def make_request(
    costmap: CostMap, start: tuple[float, float, float], goal: tuple[float, float, float], options: SearchOptions
) -> tuple[RequestStructure, FloatArray]:
    """The request for either search, and the (n, 2) motion primitives that it points to.

    Arcs span a share of the turning radius, or as much more as keeps a long traverse at some 40 arcs. Long arcs turn by a few
    heading bins; short ones of the tightest curvature stay among them for the manoeuvres at both ends.
    """
    radius = options.radius_margin / costmap.limits.curvature
    short = options.arc * radius
    step = max(short, math.dist(start[:2], goal[:2]) / 40.0, 2.5 * costmap.resolution)
    if step < 2.0 * short:
        step = short
        table = [(0.0, step)] + [(sign * share / radius, step) for share in options.turns for sign in (1.0, -1.0)]
    else:
        turns = [turn for turn in (0.2, 0.45, 0.9) if turn / step <= 1.0 / radius]
        table = [(sign * turn / step, step) for turn in (0.0, *turns) for sign in ((1.0,) if turn == 0.0 else (1.0, -1.0))]
        table += [(1.0 / radius, short), (-1.0 / radius, short)]
    primitives = np.array(table)
    sample = min(costmap.resolution, max(0.2, 0.5 * costmap.surface.cell))
    change = options.change_cost * radius
    request = RequestStructure(
        tuple(start), tuple(goal), options.inflation, radius, sample, 0.4 * step, change,
        address(primitives), len(primitives), options.heading_bins, options.budget, 10,
    )  # fmt: skip
    return request, primitives


def _failure(costmap: CostMap, answer: AnswerStructure, rejected: dict[str, int], start: Pose, goal: Pose) -> SearchFailure:
    limit = max(rejected, key=lambda name: rejected[name]) if rejected else _grid_limit(costmap)
    between = f"({start[0]:.2f}, {start[1]:.2f}) m and ({goal[0]:.2f}, {goal[1]:.2f}) m"
    if answer.status == BUDGET:
        text = f"""search gave up after {answer.expansions} expansions between {between};
            most motions were refused by {limit}; raise the budget"""
        return SearchFailure("budget_exhausted", limit, text, rejected)
    if answer.status == MEMORY:
        return SearchFailure("budget_exhausted", "memory", "search ran out of memory; lower the budget", rejected)
    text = f"no path within the limits exists on the search lattice between {between}; {limit} blocks most"
    return SearchFailure("no_path", limit, text, rejected)


def _grid_limit(costmap: CostMap) -> str:
    """The limit that blocks most nodes of the map; its border, which every map has, only when nothing else does."""
    counts = np.bincount(costmap.blocked.ravel(), minlength=len(Blocked))
    counts[Blocked.FREE] = 0
    counts[Blocked.ALONG_SLOPE] = np.count_nonzero(~np.isfinite(costmap.edge_cost).any(axis=-1) & (costmap.blocked == 0))
    if counts.sum() > counts[Blocked.MAP_EDGE]:
        counts[Blocked.MAP_EDGE] = 0
    return Blocked(int(np.argmax(counts))).name.lower()


def _pose(name: str, pose: Pose) -> tuple[float, float, float]:
    values = [float(v) for v in pose]
    if len(values) != 3 or not all(math.isfinite(v) for v in values):
        raise InputError("search", name, "is not three finite numbers", "give x [m], y [m], heading [rad]", values)
    return values[0], values[1], values[2]
