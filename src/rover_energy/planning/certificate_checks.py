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
LINE_STRIDE = 5  # samples per vertex of the line whose distance to keep-outs is measured
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


def as_polygons(rings: Sequence[Any], source: str = "keep_outs") -> list[Any]:
    """Polygons from shapely geometries or rings of points [m]; self-crossing ones are mended.

    Raises InputError for what is neither.
    """
    polygons = []
    for i, ring in enumerate(rings):
        try:
            shape = ring if isinstance(ring, shapely.Geometry) else shapely.Polygon(ring)
        except (ValueError, TypeError, shapely.errors.ShapelyError) as error:
            raise InputError(source, f"[{i}]", f"is not a polygon ({error})", "give at least three points [x, y]") from None
        if shape.is_empty or not np.all(np.isfinite(shapely.get_coordinates(shape))):
            raise InputError(source, f"[{i}]", "is empty or not finite", "give at least three finite points [x, y]")
        polygons.append(shape if shape.is_valid else shapely.make_valid(shape))
    return polygons


def keep_out_check(motion: Motion, polygons: Sequence[Any], half_width: float, bounds: Bounds) -> Check:
    """Distance of the centre line to the nearest polygon, at least half the rover's width.

    The line is a polyline through every few samples; what the way bulges beyond it is in the bound.
    """
    x, y, t, blocks = motion.state.x, motion.state.y, motion.state.t, bounds.blocks
    if not polygons:
        return Check("keep_out", "m", math.inf, half_width, math.inf, 0.0, 0.0, True)
    points = np.column_stack([x, y])
    if not np.all(np.isfinite(points)):
        return Check("keep_out", "m", math.nan, half_width, math.nan, 0.0, math.inf, False)
    pick = np.append(np.arange(0, t.size - 1, LINE_STRIDE), t.size - 1)
    line = shapely.LineString(points[pick] if pick.size > 1 else np.repeat(points[:1], 2, axis=0))
    tree = shapely.STRtree(polygons)
    near, distance = tree.query_nearest(line, return_distance=True, all_matches=False)
    least = float(distance[0])
    place = shapely.shortest_line(line, polygons[int(near[0])]).coords[0]
    at = int(np.argmin(np.hypot(x - place[0], y - place[1])))
    bound = float(np.max(bounds.path)) * (LINE_STRIDE * float(np.max(blocks.dt))) ** 2 / 8.0
    passed = least >= half_width * (1.0 - TOLERANCE) and least > 0.0 and math.isfinite(bound)
    return Check("keep_out", "m", least, half_width, least - half_width, float(t[at]), bound, passed)


def continuity_check(trajectory: Trajectory) -> Check:
    """Largest jump of position, heading, speed or heading rate at a joint, and between the first piece and `start`."""
    last, first = np.arange(trajectory.pieces - 1), np.arange(1, trajectory.pieces)
    before = trajectory.evaluate_local(last, trajectory.durations[:-1])
    after = trajectory.evaluate_local(first, np.zeros(first.size))
    jumps = np.zeros(trajectory.pieces)
    for name in ("x", "y", "speed", "heading_rate"):
        jumps[1:] = np.maximum(jumps[1:], np.abs(getattr(after, name) - getattr(before, name)))
    jumps[1:] = np.maximum(jumps[1:], np.abs(wrapped(after.heading - before.heading)))
    origin = trajectory.evaluate_local(np.zeros(1, dtype=np.intp), np.zeros(1))
    pose = np.array([origin.x[0], origin.y[0], origin.heading[0]]) - trajectory.start
    jumps[0] = max(abs(pose[0]), abs(pose[1]), abs(float(wrapped(pose[2]))))
    at = int(np.argmax(np.where(np.isnan(jumps), np.inf, jumps)))
    worst = float(jumps[at])
    margin = JOINT_TOLERANCE - worst
    return Check("continuity", "m, rad, s", worst, JOINT_TOLERANCE, margin, float(trajectory.knots[at]), 0.0, margin >= 0.0)


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
