"""The map as layers on one grid: height, tilt, shadow, energy per metre, and what can be driven."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import drive_power
from rover_energy.planning.cost_model import CostModel
from rover_energy.planning.world import World
from rover_energy.power.battery import discharge_limit
from rover_energy.power.pv import panel_normal, pv_power
from rover_energy.power.rtg import rtg_power

Array = NDArray[np.float64]

HEADINGS = 8  # over which the energy per metre is averaged
MOST_CELLS = 4_000_000
FORBIDDEN = 100  # of the drivable layer; 99 is at a limit


@dataclass(frozen=True)
class Grid:
    """Cell centres: x0, y0 of the first [m], `cell` apart [m], (rows, columns), rows from south to north."""

    x0: float
    y0: float
    cell: float
    rows: int
    columns: int

    @classmethod
    def over(cls, world: World, resolution: float) -> Grid:
        """The terrain's extent in cells of at least `resolution` [m]. Raises InputError for too many cells."""
        xmin, ymin, xmax, ymax = world.terrain.extent
        cell = max(resolution, world.terrain.cell)
        columns, rows = (max(1, math.floor(side / cell + 1e-9)) for side in (xmax - xmin, ymax - ymin))
        if rows * columns > MOST_CELLS:
            raise InputError("layers", "resolution", f"makes more than {MOST_CELLS} cells", "choose a larger one", resolution)
        return cls(xmin + 0.5 * cell, ymin + 0.5 * cell, cell, rows, columns)

    def centres(self) -> tuple[Array, Array]:
        """x, y of every cell, (rows, columns) [m]."""
        x, y = np.meshgrid(self.x0 + self.cell * np.arange(self.columns), self.y0 + self.cell * np.arange(self.rows))
        return x, y


def height_layer(world: World, grid: Grid) -> Array:
    """Height of the smooth surface (rows, columns) [m]; NaN where there is no data."""
    x, y = grid.centres()
    return np.where(world.surface.has_data(x, y), world.surface.height(x, y), np.nan)


def tilt_layer(world: World, grid: Grid) -> Array:
    """Tilt of the ground [rad]; NaN where there is no data."""
    x, y = grid.centres()
    return np.where(world.surface.has_data(x, y), world.surface.tilt(x, y), np.nan)


def shadow_layer(world: World, grid: Grid, time: float) -> Array:
    """Part of the Sun's disc that the ground hides, 0 to 1, at a time of the environment [s]; NaN outside it."""
    return np.asarray(1.0 - world.environment.sunlit_fraction(*grid.centres(), time))


def energy_layer(world: World, grid: Grid, time: float) -> Array:
    """Energy of all loads per horizontal metre [J/m] at the greatest steady speed that power and limits allow.

    Mean over `HEADINGS` directions; generator, array at that heading and time, and the battery at the mission's charge feed
    it. Infinite where one of the directions is too steep or has too little power to move at all, NaN where there is no data.
    """
    rover, mission, scene = world.rover, world.mission, world.environment
    x, y = grid.centres()
    hx, hy = world.surface.gradient(x, y)
    tilt, model = np.arctan(np.hypot(hx, hy)), CostModel.from_parameters(rover, mission, scene.gravity)
    load = rover.loads.base_power + rover.loads.inference_power
    stored = float(discharge_limit(rover.battery, mission.state_of_charge)) if mission.use_battery else 0.0
    fixed = float(rtg_power(rover.rtg, mission.years_since_fuelling)) + stored
    cap = math.inf if mission.power_limit is None else mission.power_limit
    total = np.zeros_like(x)
    for heading in np.linspace(-np.pi, np.pi, HEADINGS, endpoint=False):
        array = pv_power(
            rover.pv, normal=panel_normal(rover.pv, hx, hy, heading), sun_direction=scene.sun_direction(time),
            direct=scene.direct_irradiance(time), diffuse=scene.diffuse_irradiance(time),
            sunlit=scene.sunlit_fraction(x, y, time),
        )  # fmt: skip
        slope = np.arctan(hx * np.cos(heading) + hy * np.sin(heading))
        speed = model.steady_speed(np.minimum(fixed + array, cap) - load, np.tan(slope), np.cos(tilt), np.zeros_like(slope))
        power = load + drive_power(
            rover.locomotion, speed=speed, acceleration=0.0, along_slope=slope, tilt=tilt, gravity=scene.gravity
        )
        steep = (np.abs(slope) > rover.limits.along_slope) | (tilt > rover.limits.tilt) | ~(speed > 1e-3)
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.where(steep, np.inf, power / (speed * np.cos(slope))) / HEADINGS
    return np.where(world.surface.has_data(x, y) & np.isfinite(hx + hy), total, np.nan)


def drivable_layer(world: World, grid: Grid) -> NDArray[np.int8]:
    """0 level to 99 at the limit of tilt; 100 beyond it and within half a width of a keep-out; -1 where there is no data."""
    x, y = grid.centres()
    tilt = tilt_layer(world, grid)
    share = tilt / world.rover.limits.tilt
    cells = np.where(share <= 1.0, np.floor(99.0 * np.minimum(share, 1.0)), FORBIDDEN)
    if world.keep_outs:
        obstacles = shapely.union_all(list(world.keep_outs))
        shapely.prepare(obstacles)
        near = shapely.dwithin(shapely.points(x, y), obstacles, world.rover.width / 2.0)
        cells = np.where(near, FORBIDDEN, cells)
    return np.where(np.isnan(tilt), -1, cells).astype(np.int8)
