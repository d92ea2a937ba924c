"""The map as the front end of the planner needs it: computed once per map, rover and light, used by every search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.mission import MissionParameters
from rover_energy.planning.cost_model import CostModel
from rover_energy.power.battery import discharge_limit
from rover_energy.power.pv import panel_normal, pv_power
from rover_energy.power.rtg import rtg_power
from rover_energy.rover import LimitParameters, RoverParameters
from rover_energy.terrain.surface import Surface

FloatArray = NDArray[np.float64]

CLEARANCE = 0.05  # kept to widened keep-outs by the search, for what later stages move the path [m]
EDGE_CLEARANCE = 0.5  # kept to the border of the map [m]
LIMIT_SHARE = 0.985  # of the tangent of the slope limits that the search uses, for the same reason
_FINEST, _NODES_PER_SIDE = 0.3, 400
_CLEARANCE_CAP = 5.0  # distances to obstacles are not resolved beyond [m]

# Steps to the 16 neighbours (column, row): king's and knight's moves.
OFFSETS = np.array(
    [(1, 0), (2, 1), (1, 1), (1, 2), (0, 1), (-1, 2), (-1, 1), (-2, 1),
     (-1, 0), (-2, -1), (-1, -1), (-1, -2), (0, -1), (1, -2), (1, -1), (2, -1)], dtype=np.int64,
)  # fmt: skip


class Blocked(IntEnum):
    """Why a pose cannot be driven."""

    FREE = 0
    MAP_EDGE = 1
    NO_DATA = 2
    KEEP_OUT = 3
    TILT = 4
    ALONG_SLOPE = 5
    POWER = 6


@dataclass(frozen=True, eq=False)
class CostMap:
    """Precomputed grids. Rows run south to north; node (row j, column i) is at (x0 + i*resolution, y0 + j*resolution).

    Attributes
    ----------
    surface : Surface
        The exact ground: slopes along candidate paths come from it, not from the grid.
    keep_outs : tuple of shapely Polygon
        Obstacles before widening [m].
    limits : LimitParameters
    width : float
        Of the rover [m].
    model : CostModel
    x0, y0, resolution : float
        Grid [m].
    supply : (3, ny, nx) array
        Power left for mobility after the constant loads: mean, cosine part and sine part over the heading [W].
    power_cap : float
        Most that mobility may take because of the mission's power limit [W]; infinite without one.
    clearance : (ny, nx) array
        Distance to the nearest obstacle less half the width, less `EDGE_CLEARANCE` for the border; negative inside [m].
    obstacle : (ny, nx) array of uint8
        Which kind (`Blocked`) the nearest obstacle is.
    blocked : (ny, nx) array of uint8
        Why no path may pass the node (`Blocked`), 0 where one may; slopes along headings are not in it.
    edge_cost : (ny, nx, 16) array of float32
        Cost of driving from the node along each of `OFFSETS`, infinite where not allowed.
    least_cost : float
        Lower bound of the cost per horizontal metre over the map [1/m].
    """

    surface: Surface
    keep_outs: tuple[shapely.Polygon, ...]
    limits: LimitParameters
    width: float
    model: CostModel
    x0: float
    y0: float
    resolution: float
    supply: FloatArray
    power_cap: float
    clearance: FloatArray
    obstacle: NDArray[np.uint8]
    blocked: NDArray[np.uint8]
    edge_cost: NDArray[np.float32]
    least_cost: float

    @classmethod
    def build(
        cls,
        surface: Surface,
        environment: Environment,
        rover: RoverParameters,
        mission: MissionParameters,
        keep_outs: Sequence[shapely.Polygon] = (),
        resolution: float | None = None,
        *,
        time: float = 0.0,
        battery_power: float | None = None,
    ) -> CostMap:
        """Precompute the grids.

        Parameters
        ----------
        surface : Surface
        environment : Environment
        rover : RoverParameters
        mission : MissionParameters
            Age of the generator, use and state of the battery, power limit, weights of time and energy. Its keep-outs are
            added to `keep_outs`.
        keep_outs : sequence of shapely Polygon
            Obstacles, such as the terrain's rocks [m].
        resolution : float, optional
            Node distance [m]; default 0.3 m, or what gives 400 nodes along the map's longer side if that is more.
        time : float
            Light is taken at this time from the start of the traverse [s].
        battery_power : float, optional
            Power counted on from the battery [W]; default its discharge limit at the mission's state of charge, or 0
            where the mission does not use it. A smaller value suits traverses that the stored energy limits.

        Returns
        -------
        CostMap

        Raises
        ------
        InputError
            Resolution not positive, or a light that is not known at `time`.
        """
        xmin, ymin, xmax, ymax = surface.extent
        longest = max(xmax - xmin, ymax - ymin)
        resolution = max(_FINEST, longest / _NODES_PER_SIDE) if resolution is None else float(resolution)
        if not (0.0 < resolution <= longest):
            problem = f"is not within 0 .. {longest:g} m"
            raise InputError("cost map", "resolution", problem, "give the node distance in metres", resolution)
        obstacles = (*keep_outs, *(shapely.Polygon(ring) for ring in mission.keep_outs))
        model = CostModel.from_parameters(rover, mission, environment.gravity)
        x, y = np.meshgrid(
            xmin + resolution * np.arange(math.ceil((xmax - xmin) / resolution) + 1),
            ymin + resolution * np.arange(math.ceil((ymax - ymin) / resolution) + 1),
        )
        at = np.clip(x, xmin, xmax), np.clip(y, ymin, ymax)  # the last nodes may lie beyond the border, where they are blocked
        gradient = surface.gradient(*at)
        supply = _supply(at, gradient, environment, rover, mission, time, battery_power)
        cap = math.inf if mission.power_limit is None else mission.power_limit - model.constant_load
        clearance, obstacle = _clearance(x, y, surface, obstacles, rover.width / 2.0)
        steep = np.hypot(*gradient) > math.tan(rover.limits.tilt)
        kind = np.where(clearance < 0.0, obstacle, np.where(steep, Blocked.TILT, Blocked.FREE)).astype(np.uint8)
        edge_cost, least = _edge_costs(gradient, supply, cap, kind != Blocked.FREE, model, rover.limits, resolution)
        return cls(
            surface, obstacles, rover.limits, rover.width, model, xmin, ymin, resolution, supply, cap,
            clearance, obstacle, kind, edge_cost, least,
        )  # fmt: skip

    def power_at(self, x: ArrayLike, y: ArrayLike, heading: ArrayLike) -> FloatArray:
        """Power left for mobility [W] at points [m] and headings [rad], bilinear between nodes, under the power limit."""
        mean, cosine, sine = (self._bilinear(layer, x, y) for layer in self.supply)
        return np.asarray(np.minimum(mean + cosine * np.cos(heading) + sine * np.sin(heading), self.power_cap))

    def clearance_at(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """`clearance` [m] at points [m], bilinear between nodes, NaN outside."""
        return self._bilinear(self.clearance, x, y)

    def obstacle_at(self, x: float, y: float) -> Blocked:
        """Kind of the obstacle nearest to a point [m]."""
        ny, nx = self.obstacle.shape
        i, j = round((x - self.x0) / self.resolution), round((y - self.y0) / self.resolution)
        return Blocked(int(self.obstacle[j, i])) if 0 <= i < nx and 0 <= j < ny else Blocked.MAP_EDGE

    def _bilinear(self, values: FloatArray, x: ArrayLike, y: ArrayLike) -> FloatArray:
        ny, nx = values.shape
        column, row = (np.asarray(x) - self.x0) / self.resolution, (np.asarray(y) - self.y0) / self.resolution
        inside = (column >= 0.0) & (row >= 0.0) & (column <= nx - 1) & (row <= ny - 1)
        i = np.clip(np.where(inside, column, 0.0).astype(int), 0, nx - 2)
        j = np.clip(np.where(inside, row, 0.0).astype(int), 0, ny - 2)
        tx, ty = np.where(inside, column - i, np.nan), row - j
        south = values[j, i] + tx * (values[j, i + 1] - values[j, i])
        north = values[j + 1, i] + tx * (values[j + 1, i + 1] - values[j + 1, i])
        return np.asarray(south + ty * (north - south))


def _supply(
    at: tuple[FloatArray, FloatArray],
    gradient: tuple[FloatArray, FloatArray],
    environment: Environment,
    rover: RoverParameters,
    mission: MissionParameters,
    time: float,
    battery_power: float | None,
) -> FloatArray:
    """(3, ny, nx) mean, cosine and sine part over the heading of what is left for mobility [W].

    The three parts are fitted to four headings; that is exact for a panel in the body's plane, which sees the same light
    at every heading.
    """
    if battery_power is None:
        battery_power = float(discharge_limit(rover.battery, mission.state_of_charge)) if mission.use_battery else 0.0
    fixed = float(rtg_power(rover.rtg, mission.years_since_fuelling)) + battery_power
    fixed -= rover.loads.base_power + rover.loads.inference_power
    light = {
        "sun_direction": environment.sun_direction(time), "direct": environment.direct_irradiance(time),
        "diffuse": environment.diffuse_irradiance(time), "sunlit": environment.sunlit_fraction(*at, time),
    }  # fmt: skip
    headings = (0.0,) if rover.pv.panel_pitch == 0.0 else (0.0, 0.5 * math.pi, math.pi, 1.5 * math.pi)
    pv = [pv_power(rover.pv, normal=panel_normal(rover.pv, *gradient, heading), **light) for heading in headings]
    if not np.all(np.isfinite(pv)):
        raise InputError("cost map", "time", "lies where the light is not known", "stay within the mission's horizon", time)
    east, north, west, south = pv * (4 // len(pv))
    return np.ascontiguousarray([fixed + (east + north + west + south) / 4.0, (east - west) / 2.0, (north - south) / 2.0])


def _clearance(
    x: FloatArray, y: FloatArray, surface: Surface, obstacles: Sequence[shapely.Polygon], half_width: float
) -> tuple[FloatArray, NDArray[np.uint8]]:
    xmin, ymin, xmax, ymax = surface.extent
    clearance = np.minimum(np.minimum(x - xmin, xmax - x), np.minimum(y - ymin, ymax - y)) - EDGE_CLEARANCE
    kind = np.full(x.shape, Blocked.MAP_EDGE, dtype=np.uint8)
    candidates = []
    if surface.blocked_cells.any():
        candidates.append((_no_data_distance(x, y, surface), Blocked.NO_DATA))
    if obstacles:
        candidates.append((_signed_distance(x, y, obstacles) - half_width, Blocked.KEEP_OUT))
    for distance, reason in candidates:
        kind[distance < clearance] = reason
        clearance = np.minimum(clearance, distance)
    return np.ascontiguousarray(clearance), kind


def _no_data_distance(x: FloatArray, y: FloatArray, surface: Surface) -> FloatArray:
    """Lower bound of the distance to the cells without data [m]: from cell centres, less a cell's half diagonal."""
    free = ~surface.blocked_cells
    outside = ndimage.distance_transform_edt(free) - ndimage.distance_transform_edt(~free)
    cells = [(y - surface.y0) / surface.cell - 0.5, (x - surface.x0) / surface.cell - 0.5]
    return np.asarray((ndimage.map_coordinates(outside, cells, order=1, mode="nearest") - math.sqrt(0.5)) * surface.cell)


def _signed_distance(x: FloatArray, y: FloatArray, obstacles: Sequence[shapely.Polygon]) -> FloatArray:
    """Distance of points to the nearest polygon [m], negative inside, capped."""
    geometry = np.asarray(obstacles, dtype=object)
    points = shapely.points(x.ravel(), y.ravel())
    tree = shapely.STRtree(geometry)
    (index, _), near = tree.query_nearest(points, max_distance=_CLEARANCE_CAP, return_distance=True, all_matches=False)
    distance = np.full(x.size, _CLEARANCE_CAP)
    distance[index] = near
    inside = np.flatnonzero(distance == 0.0)
    if len(inside):
        border = shapely.boundary(shapely.union_all(geometry))
        distance[inside] = -shapely.distance(points[inside], border)
    return np.asarray(distance.reshape(x.shape))


def _edge_costs(
    gradient: tuple[FloatArray, FloatArray],
    supply: FloatArray,
    cap: float,
    blocked: NDArray[np.bool_],
    model: CostModel,
    limits: LimitParameters,
    resolution: float,
) -> tuple[NDArray[np.float32], float]:
    """Cost along the 16 directions (mean of both ends' rates times the length) and the least cost per metre."""
    hx, hy = gradient
    tan_tilt, steepest = np.hypot(hx, hy), math.tan(limits.along_slope)
    cost = np.full((*hx.shape, len(OFFSETS)), np.inf, dtype=np.float32)
    least = math.inf
    for d, (i, j) in enumerate(OFFSETS):
        length = math.hypot(i, j)
        c, s = i / length, j / length
        tangent = hx * c + hy * s
        power = np.minimum(supply[0] + c * supply[1] + s * supply[2], cap)
        rate = np.where(blocked | (np.abs(tangent) > steepest), np.inf, model.rate(power, tangent, tan_tilt, 0.0))
        source, target = _shifted(hx.shape, int(i), int(j))
        cost[(*source, d)] = 0.5 * length * resolution * (rate[source] + rate[target])
        least = min(least, float(np.min(rate)))
    return cost, least if math.isfinite(least) else model.time_weight / model.speed


def _shifted(shape: tuple[int, int], i: int, j: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the nodes that have a neighbour at column step i and row step j, and of those neighbours."""

    def pair(n: int, k: int) -> tuple[slice, slice]:
        return (slice(0, n - k), slice(k, n)) if k >= 0 else (slice(-k, n), slice(0, n + k))

    rows, columns = pair(shape[0], j), pair(shape[1], i)
    return (rows[0], columns[0]), (rows[1], columns[1])
