"""One check of a certificate, and those checks that need no bound on power: motion, place, joints, goal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.planning.certificate_bounds import Blocks, Bounds
from rover_energy.planning.evaluation import Motion
from rover_energy.planning.trajectory import Trajectory
from rover_energy.rover import LimitParameters
from rover_energy.terrain.surface import Surface

Array = NDArray[np.float64]
Index = NDArray[np.intp]

TOLERANCE = 1e-3  # relative: limits of motion are met by an optimiser to its own tolerance
GOAL_TOLERANCE = 1e-3  # [m] and [rad]
JOINT_TOLERANCE = 1e-6  # [m, rad, m/s, rad/s]
LINE_STRIDES = (50, 4)  # samples per vertex of the line whose distance to keep-outs is measured: far from them, and near
FAR = 1.5  # half widths
NO_TURN = 1e-5  # [rad/s]; slower yaw counts as none: near rest its quotient with the speed is one of rounding errors
SLOW = 0.01  # [m/s]; below it the bound on curvature between samples, which divides by the speed, is left out


@dataclass(frozen=True)
class Check:
    """One limit over a whole plan.

    `worst_value` is the value at the samples that comes nearest to `limit` or passes it farthest, `margin` what is left to the
    limit (negative beyond it), `at_time` [s] where; `between_samples_bound` is by how much the margin between samples can be
    less than `margin`: the margin at every instant is at least `margin - between_samples_bound`.
    """

    name: str
    unit: str
    worst_value: float
    limit: float
    margin: float
    at_time: float
    between_samples_bound: float
    passed: bool

    def to_mapping(self) -> dict[str, Any]:
        """Plain data; a number that is not finite becomes None, as JSON has none."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def upper_limit(
    name: str, unit: str, values: Array, t: Array, limit: float, left: Index, deviation: Array, tolerance: float = TOLERANCE
) -> Check:
    """Check that values (m,) stay below a limit; `deviation` (k,): farthest above the chord within each interval."""
    at = int(np.argmax(np.where(np.isnan(values), np.inf, values)))
    worst = float(values[at])
    highest = float(np.max(np.maximum(values[left], values[left + 1]) + deviation, initial=worst))
    bound = highest - worst if math.isfinite(worst) and math.isfinite(highest) else math.inf
    passed = worst <= limit * (1.0 + tolerance) and math.isfinite(bound)
    return Check(name, unit, worst, limit, limit - worst, float(t[at]), bound, passed)


def motion_checks(motion: Motion, blocks: Blocks, bounds: Bounds, limits: LimitParameters) -> list[Check]:
    """Limits of motion. A reverse motion is refused: the power model knows driving forward only."""
    t, left, dt = motion.state.t, blocks.left, blocks.dt

    def check(name: str, unit: str, values: Array, limit: float, deviation: Array) -> Check:
        return upper_limit(name, unit, values, t, limit, left, blocks.spread(deviation))

    curvature_deviation = bounds.yaw_rate.deviation(dt) + limits.curvature * bounds.speed.deviation(dt)
    slowest = -blocks.highest(-motion.speed)
    return [
        check("speed", "m/s", motion.speed, limits.speed, bounds.speed.deviation(dt)),
        check("reverse", "m/s", -motion.speed, TOLERANCE * limits.speed, bounds.speed.deviation(dt)),
        check("acceleration", "m/s2", np.abs(motion.acceleration), limits.acceleration, bounds.acceleration.deviation(dt)),
        check("yaw_rate", "rad/s", np.abs(motion.yaw_rate), limits.yaw_rate, bounds.yaw_rate.deviation(dt)),
        check(
            "curvature", "1/m", np.where(np.abs(motion.yaw_rate) <= NO_TURN, 0.0, np.abs(motion.curvature)), limits.curvature,
            np.where(slowest > SLOW, curvature_deviation / np.maximum(slowest, SLOW), 0.0),
        ),
        check("along_slope", "rad", np.abs(motion.along_slope), limits.along_slope, bounds.slope.deviation(dt)),
        check("tilt", "rad", motion.tilt, limits.tilt, bounds.gradient.deviation(dt)),
    ]  # fmt: skip


def sideways_check(motion: Motion, limits: LimitParameters) -> Check:
    """Horizontal speed across the heading, which only a `flat` trajectory with its own heading can have."""
    across, t = np.abs(motion.state.lateral_speed), motion.state.t
    return upper_limit("sideways", "m/s", across, t, TOLERANCE * limits.speed, np.zeros(0, dtype=np.intp), np.zeros(0))


def map_checks(motion: Motion, surface: Surface, bounds: Bounds) -> list[Check]:
    """The way stays within the map's nodes and on measured ground."""
    x, y, t, blocks = motion.state.x, motion.state.y, motion.state.t, bounds.blocks
    xmin, ymin, xmax, ymax = surface.extent
    room = np.minimum(np.minimum(x - xmin, xmax - x), np.minimum(y - ymin, ymax - y))
    sag = blocks.spread(bounds.path * blocks.dt**2 / 8.0)
    edge = upper_limit("map", "m", -room, t, 0.0, blocks.left, sag)
    least, bound = -edge.worst_value, edge.between_samples_bound
    inside = Check("map", "m", least, 0.0, least, edge.at_time, bound, least - bound >= 0.0)
    missing = ~surface.has_data(x, y)
    count = int(np.count_nonzero(missing))
    when = float(t[int(np.argmax(missing))]) if count else 0.0
    return [inside, Check("data", "samples", float(count), 0.0, -float(count), when, 0.0, count == 0)]


def as_polygons(shapes: Sequence[Any], source: str = "keep_outs") -> NDArray[np.object_]:
    """Geometries (n,) from shapely geometries, taken as they are, or rings of points [m], mended where they cross themselves.

    Raises InputError for what is neither, empty or not finite.
    """
    polygons = np.empty(len(shapes), dtype=object)
    for i, shape in enumerate(shapes):
        try:
            polygons[i] = shape if isinstance(shape, shapely.Geometry) else shapely.make_valid(shapely.Polygon(shape))
        except (ValueError, TypeError, shapely.errors.ShapelyError) as error:
            raise InputError(source, f"[{i}]", f"is not a polygon ({error})", "give at least three points [x, y]") from None
    for i in np.flatnonzero(~np.all(np.isfinite(shapely.bounds(polygons)), axis=-1)).tolist():
        raise InputError(source, f"[{i}]", "is empty or not finite", "give at least three finite points [x, y]")
    return polygons


def keep_out_check(motion: Motion, polygons: NDArray[np.object_], half_width: float, bounds: Bounds) -> Check:
    """Distance of the centre line to the nearest polygon, at least half the rover's width.

    The line is a polyline through some of the samples, many where it is near; what the way bulges beyond it is in the bound.
    """
    x, y, t = motion.state.x, motion.state.y, motion.state.t
    if not polygons.size:
        return Check("keep_out", "m", math.inf, half_width, math.inf, 0.0, 0.0, True)
    points = np.column_stack([x, y])
    if not np.all(np.isfinite(points)):
        return Check("keep_out", "m", math.nan, half_width, math.nan, 0.0, math.inf, False)
    tree = shapely.STRtree(polygons)
    longest, bend = float(np.max(bounds.blocks.dt)), float(np.max(bounds.path))
    for stride in LINE_STRIDES:
        bulge = bend * (stride * longest) ** 2 / 8.0
        least, place = _nearest(points[np.append(np.arange(0, t.size - 1, stride), t.size - 1)], tree, polygons)
        if least - bulge > FAR * half_width:
            break
    at = int(np.argmin(np.hypot(x - place[0], y - place[1])))
    passed = least >= half_width * (1.0 - TOLERANCE) and least > 0.0 and math.isfinite(bulge)
    return Check("keep_out", "m", least, half_width, least - half_width, float(t[at]), bulge, passed)


def _nearest(points: Array, tree: Any, polygons: NDArray[np.object_]) -> tuple[float, tuple[float, float]]:
    """Least distance of a polyline (n >= 2, 2) to the polygons, and the point of the line where it occurs."""
    line = shapely.LineString(points)
    near, distance = tree.query_nearest(line, return_distance=True, all_matches=False)
    place = shapely.shortest_line(line, polygons[int(near[0])]).coords[0]
    return float(distance[0]), (place[0], place[1])


def continuity_check(trajectory: Trajectory) -> Check:
    """Largest jump of position, heading, speed or heading rate at a joint, and between the first piece and `start`."""
    n = trajectory.pieces
    # ends of all pieces but the last, beginnings of all: in one call, because it is the calls that cost
    piece = np.concatenate([np.arange(n - 1), np.arange(n)])
    at = trajectory.evaluate_local(piece, np.concatenate([trajectory.durations[:-1], np.zeros(n)]))
    before, after, origin = slice(0, n - 1), slice(n, None), n - 1
    jumps = np.zeros(n)
    for values in (at.x, at.y, at.speed, at.heading_rate):
        jumps[1:] = np.maximum(jumps[1:], np.abs(values[after] - values[before]))
    jumps[1:] = np.maximum(jumps[1:], np.abs(wrapped(at.heading[after] - at.heading[before])))
    pose = np.array([at.x[origin], at.y[origin], at.heading[origin]]) - trajectory.start
    jumps[0] = max(abs(pose[0]), abs(pose[1]), abs(float(wrapped(pose[2]))))
    joint = int(np.argmax(np.where(np.isnan(jumps), np.inf, jumps)))
    worst = float(jumps[joint])
    margin = JOINT_TOLERANCE - worst
    return Check("continuity", "m, rad, s", worst, JOINT_TOLERANCE, margin, float(trajectory.knots[joint]), 0.0, margin >= 0.0)


def wrapped(angle: Any) -> Any:
    """Angle brought into [-pi, pi) [rad]."""
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def goal_checks(trajectory: Trajectory, goal: Sequence[float]) -> list[Check]:
    """Distance and heading error of the end of the trajectory against a goal x [m], y [m], heading [rad]."""
    pose = np.asarray(goal, dtype=float)
    if pose.shape != (3,):
        raise InputError("certificate", "goal", f"has shape {pose.shape}", "give x, y, heading")
    x, y, heading = trajectory.end_pose
    errors = {
        ("goal_position", "m"): math.hypot(x - pose[0], y - pose[1]),
        ("goal_heading", "rad"): abs(float(wrapped(heading - pose[2]))),
    }
    return [
        Check(name, unit, error, GOAL_TOLERANCE, GOAL_TOLERANCE - error, trajectory.duration, 0.0, error <= GOAL_TOLERANCE)
        for (name, unit), error in errors.items()
    ]
