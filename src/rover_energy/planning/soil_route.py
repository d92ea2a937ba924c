"""Plan with a predicted map of the ground's resistance, and certify against its upper estimate.

Ground that is soft by the best estimate and need not be crossed becomes a keep-out: several ways of avoiding and crossing are
tried, each a searched path that is timed and certified on the map's upper estimate (`soil_timing`). The certificates hold for
every soil that stays below that estimate along the plan: a bound, if the map's upper estimate is one. What they cannot cover is
ground that is softer than the estimate said. The optimiser knows one resistance and has no part in this, so these plans are of
the followed kind.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from rover_energy.locomotion.demand import resistance_force, slip
from rover_energy.planning.certificate import certify
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.front_end import find_path
from rover_energy.planning.planned import PlannedTraverse
from rover_energy.planning.planner import pose_of
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.retiming import TimingError
from rover_energy.planning.search import Pose, SearchFailure
from rover_energy.planning.soil_map import Array, SoilMap, energy_of, power_over
from rover_energy.planning.soil_timing import Stretch, follow_over
from rover_energy.planning.transcription import Motion
from rover_energy.planning.world import World

LEVELS = 4  # ceilings tried, geometric between the firmest and the softest ground
CORRIDOR = 1.5  # [m] to either side of the rover on the cheapest way, opened through soft ground
ROUNDING = 0.08  # [m] by which keep-outs are widened for the path that is then followed: following rounds its corners
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SoilPlan:
    """A certified plan on a predicted map.

    traverse : the plan; its own certificate is that for ground of factor 1. world : what is avoided, as keep-outs; its rover
    stands for factor 1. stretches : parts of the plan, each certified for the factor that it declares. expected, upper :
    energy of all loads by the map's best and upper estimate [J]. margin : least ratio of declared factor to best estimate
    along the plan. tried : what became of each candidate.
    """

    traverse: PlannedTraverse
    world: World
    stretches: tuple[Stretch, ...]
    expected: float
    upper: float
    margin: float
    tried: tuple[str, ...]

    def declared(self, t: Array) -> Array:
        """Factor that the plan is certified for at times (m,) [s]."""
        begins = np.array([stretch.begin for stretch in self.stretches])
        return np.array([s.declared for s in self.stretches])[np.searchsorted(begins, t, side="right") - 1]

    def to_mapping(self, soil: SoilMap) -> dict[str, object]:
        """Plain data for plan.json."""
        return {
            "map": soil.name, "confidence": soil.confidence, "margin": self.margin,
            "stretches": [
                {"begin": s.begin, "pieces": [s.first, s.last], "declared_factor": s.declared, "passed": s.certificate.passed,
                 "least_power_margin_W": s.certificate.least_power_margin} for s in self.stretches
            ],
            "energy_expected_J": self.expected, "energy_upper_J": self.upper, "tried": list(self.tried),
            "holds": "for ground that resists at most declared_factor times as much as rover.yaml says, in each stretch",
        }  # fmt: skip


def plan_over_soil(world: World, soil: SoilMap, start: Sequence[float], goal: Sequence[float]) -> SoilPlan:
    """The plan that takes least energy by the map's best estimate, among several ways of avoiding and crossing.

    Parameters
    ----------
    world : World
        Its rover stands for ground of factor 1.
    soil : SoilMap
    start, goal : (3,) sequences
        Poses [m, m, rad]; the plan begins and ends at rest.

    Raises
    ------
    Refusal
        That of the last candidate, which avoids unknown ground only, when none has a plan.
    InputError
        The map does not cover the terrain, or a pose is not three finite numbers.
    """
    ends = pose_of("start", start), pose_of("goal", goal)
    began = time.perf_counter()
    soil.check_covers(world.terrain.extent)
    best: SoilPlan | None = None
    refused: Refusal | None = None
    notes: list[str] = []
    for name, mask in candidates(world, soil, start, goal):
        try:
            found = _planned(world, soil, mask, ends[0], ends[1])
        except Refusal as refusal:
            refused = refusal
            notes.append(f"{name}: {refusal.reason}")
            continue
        notes.append(f"{name}: {found.expected:.0f} J, {found.traverse.duration:.1f} s")
        best = found if best is None or found.expected < best.expected else best
    if best is None:
        assert refused is not None
        raise refused
    best.traverse.facts["seconds"] = {"total": round(time.perf_counter() - began, 6)}
    return replace(best, tried=tuple(notes))


def candidates(world: World, soil: SoilMap, start: Sequence[float], goal: Sequence[float]) -> list[tuple[str, Mask]]:
    """Nodes to avoid, by name: all above each ceiling, and the same with a corridor opened along the cheapest way.

    Around start and goal nothing is avoided but the unknown: the rover stands there, or must.
    """
    known = soil.factor[~soil.unknown]
    low, high = float(known.min()), float(known.max())
    masks = []
    for k in range(1, LEVELS + 1):
        ceiling = high if k == LEVELS else low * (high / low) ** (k / LEVELS)
        masks.append((f"below {ceiling:.3g}", soil.above(ceiling)))
    opened, ends = _corridor(world, soil, start, goal), _around(world, soil, start, goal)
    # what is narrower than the rover is crossed in a moment, and a prediction is full of it
    wide = np.ones((max(1, round(world.rover.width / soil.cell)),) * 2, dtype=bool)
    masks = [(name, (ndimage.binary_opening(mask, wide) & ~ends) | soil.unknown) for name, mask in masks]
    if opened is not None:
        masks.insert(1, ("corridor", (masks[0][1] & ~opened) | soil.unknown))
    different: list[tuple[str, Mask]] = []
    for name, mask in masks:
        if not any(np.array_equal(mask, other) for _, other in different):
            different.append((name, mask))
    return different


def _avoiding(world: World, polygons: Sequence[shapely.Polygon]) -> World:
    """The world with further keep-outs, as a mission file would hold them."""
    rings = tuple(tuple((float(x), float(y)) for x, y in p.exterior.coords[:-1]) for p in polygons)
    mission = replace(world.mission, keep_outs=(*world.mission.keep_outs, *rings))
    return World.prepare(world.terrain, world.rover, mission, world.environment)


def _planned(
    world: World, soil: SoilMap, mask: Mask, start: Pose, goal: Pose
) -> SoilPlan:
    """One candidate. Raises Refusal."""
    if np.all(mask):
        raise Refusal("no_path", "keep_out", "all ground is avoided")
    polygons = soil.polygons(mask, tolerance=0.5 * soil.cell)
    there = _avoiding(world, polygons)
    try:
        path = find_path(_avoiding(world, [p.buffer(ROUNDING) for p in polygons]).cost_map, start, goal).path
        found = follow_over(there, soil, path, goal)
    except SearchFailure as failure:
        raise Refusal.from_search(failure) from None
    except TimingError as error:
        raise Refusal.from_timing(error) from None
    if found is None:
        raise Refusal("certificate", "certificate", "no drive along the path passes on the map's upper estimate")
    trajectory, stretches = found
    certificate = certify(
        trajectory, there.surface, there.environment, there.rover, there.mission, goal=goal, keep_outs=there.keep_outs
    )
    if not certificate.passed:
        raise Refusal("certificate", "certificate", "the plan does not pass on ground of factor 1")
    begin = Motion(*(float(v) for v in start))
    traverse = PlannedTraverse(begin, trajectory, certificate, path, "fallback", {"solver": "follow", "notes": []})
    profile = evaluate_plan(trajectory, there.surface, there.environment, there.rover, there.mission)
    plan = SoilPlan(traverse, there, stretches, 0.0, 0.0, 0.0, ())
    best, upper = soil.at(profile.x, profile.y), soil.at(profile.x, profile.y, upper=True)
    gravity, move = world.environment.gravity, world.rover.locomotion
    expected, most = (energy_of(power_over(profile, move, f, gravity), profile.t) for f in (best, upper))
    return replace(plan, expected=expected, upper=most, margin=float(np.min(plan.declared(profile.t) / best)))


def _around(world: World, soil: SoilMap, start: Sequence[float], goal: Sequence[float]) -> Mask:
    """Nodes near either pose: room for a turn to any side."""
    ny, nx = soil.factor.shape
    x, y = np.meshgrid(soil.x0 + soil.cell * np.arange(nx), soil.y0 + soil.cell * np.arange(ny))
    reach = world.rover.width / 2.0 + max(CORRIDOR, 2.0 / world.rover.limits.curvature)
    near = [np.hypot(x - float(pose[0]), y - float(pose[1])) <= reach for pose in (start, goal)]
    return np.asarray(near[0] | near[1])


def _corridor(world: World, soil: SoilMap, start: Sequence[float], goal: Sequence[float]) -> Mask | None:
    """Nodes near the cheapest way by the best estimate; None where the grid has no way."""
    way = _cheapest(world, soil, start, goal)
    if way is None:
        return None
    off = np.ones(soil.factor.shape, dtype=bool)
    off[way] = False
    distance = ndimage.distance_transform_edt(off, sampling=soil.cell)
    return np.asarray(distance <= world.rover.width / 2.0 + CORRIDOR)


def _cheapest(world: World, soil: SoilMap, start: Sequence[float], goal: Sequence[float]) -> tuple[NDArray[np.intp], ...] | None:
    """Rows and columns of the way of least energy on the map's own grid: eight neighbours, energies of steady driving."""
    ny, nx = soil.factor.shape
    ends = []
    for pose in (start, goal):
        column, row = round((float(pose[0]) - soil.x0) / soil.cell), round((float(pose[1]) - soil.y0) / soil.cell)
        ends.append(min(max(row, 0), ny - 1) * nx + min(max(column, 0), nx - 1))
    graph = _graph(world, soil)
    cost, before = dijkstra(graph, directed=True, indices=ends[0], return_predecessors=True)
    if not np.isfinite(cost[ends[1]]):
        return None
    way = [ends[1]]
    while way[-1] != ends[0]:
        way.append(int(before[way[-1]]))
    return np.unravel_index(np.array(way), (ny, nx))


def _graph(world: World, soil: SoilMap) -> coo_array:
    """Energy [J] from node to node; no edges where the ground is unknown, too steep or kept out."""
    ny, nx = soil.factor.shape
    x, y = np.meshgrid(soil.x0 + soil.cell * np.arange(nx), soil.y0 + soil.cell * np.arange(ny))
    xmin, ymin, xmax, ymax = world.terrain.extent
    at = np.clip(x, xmin, xmax), np.clip(y, ymin, ymax)
    hx, hy = world.surface.gradient(*at)
    closed = soil.unknown | ~(np.hypot(hx, hy) <= np.tan(world.rover.limits.tilt))
    if world.keep_outs:
        obstacles = shapely.union_all(list(world.keep_outs))
        shapely.prepare(obstacles)
        closed |= shapely.dwithin(shapely.points(*at), obstacles, world.rover.width / 2.0)
    height, index = world.surface.height(*at), np.arange(ny * nx).reshape(ny, nx)
    rows, columns, costs = [], [], []
    for dj, di in _STEPS:
        a = (slice(0, ny - dj), slice(0, nx - di)) if di >= 0 else (slice(0, ny - dj), slice(-di, nx))
        b = (slice(dj, ny), slice(di, nx)) if di >= 0 else (slice(dj, ny), slice(0, nx + di))
        free = ~(closed[a] | closed[b])
        factor = 0.5 * (soil.factor[a] + soil.factor[b])
        length = soil.cell * float(np.hypot(di, dj))
        for source, target, climb in ((a, b, height[b] - height[a]), (b, a, height[a] - height[b])):
            energy = length * _per_metre(world, factor, climb / length)
            rows.append(index[source][free])
            columns.append(index[target][free])
            costs.append(energy[free])
    size = (ny * nx, ny * nx)
    return coo_array((np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=size).tocsr()


def _per_metre(world: World, factor: Array, grade: Array) -> Array:
    """Energy of all loads per metre [J/m] of steady driving at the speed limit."""
    rover, gravity = world.rover, world.environment.gravity
    move, slope = rover.locomotion, np.arctan(grade)
    level = float(resistance_force(move, speed=0.0, tilt=0.0, gravity=gravity))
    force = np.maximum(factor * level + move.mass * gravity * np.sin(slope), 0.0)
    constant = (rover.loads.base_power + rover.loads.inference_power) / rover.limits.speed
    return np.asarray(constant + force / ((1.0 - slip(move.slip, slope)) * move.drivetrain_efficiency))
