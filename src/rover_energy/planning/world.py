"""A map, a rover and a mission made ready for planning: everything that does not depend on start and goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import shapely

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import resistance_force
from rover_energy.mission import MissionParameters
from rover_energy.planning.costmap import CostMap
from rover_energy.planning.model import CONSTANTS
from rover_energy.planning.scene_fields import Grid, SceneFields
from rover_energy.power.battery import temperature_factor, usable_capacity
from rover_energy.power.pv import array_gain
from rover_energy.power.rtg import rtg_power
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain, polygons_from_rings
from rover_energy.terrain.surface import Surface, no_data_polygons

CLEARANCE_CELL = 0.2  # [m] largest node distance of the clearance field near keep-outs
CLEARANCE_CAP = 2.0  # [m] beyond this the distance to keep-outs is not followed
CLEARANCE_MARGIN = 0.03  # [m] for the rounding of corners by the spline
EDGE_MARGIN = 0.2  # [m] kept from the border of the map
UNLIMITED_POWER = 1.0e5  # [W]
#: Share of each limit that the optimiser uses, so that what happens between its samples stays within the limit itself.
HELD_BACK = {"speed": 0.999, "acceleration": 0.998, "yaw_rate": 0.998, "curvature": 0.998, "along_slope": 0.9985, "tilt": 0.999}


@dataclass(frozen=True, eq=False)
class World:
    """What plans share. `keep_outs` are all obstacles before widening [m]."""

    terrain: Terrain
    surface: Surface
    environment: Environment
    rover: RoverParameters
    mission: MissionParameters
    keep_outs: tuple[shapely.Polygon, ...]

    @classmethod
    def prepare(
        cls, terrain: Terrain, rover: RoverParameters, mission: MissionParameters, environment: Environment | None = None
    ) -> World:
        """Smooth the terrain, compute Sun and shadows (unless an environment is given) and collect the keep-outs.

        Raises InputError when the mission's polygons or the site cannot be used, or no load can ever be carried.
        """
        from rover_energy.environment.scene import build_environment

        surface = Surface.from_terrain(terrain, rover.footprint)
        if environment is None:
            site = mission.site
            skyline = np.radians(np.array(site.far_horizon)) if site.far_horizon else None
            environment = build_environment(
                site, terrain, mission.horizon, rover.footprint, panel_height=site.panel_height, far_horizon=skyline,
                grid_azimuth=np.radians(site.grid_azimuth),
            )  # fmt: skip
        rings = polygons_from_rings([np.asarray(ring) for ring in mission.keep_outs], "mission")
        keep_outs = (*terrain.keep_outs, *rings, *no_data_polygons(terrain, rover.footprint))
        _check_supplies(rover, mission)
        return cls(terrain, surface, environment, rover, mission, keep_outs)

    def with_mission(self, mission: MissionParameters) -> World:
        """The same map under another mission; Sun and shadow are kept, so only what is not the site may differ."""
        if mission.site != self.mission.site or mission.keep_outs != self.mission.keep_outs:
            raise InputError("mission", "site, keep_outs", "differ from the prepared world's", "prepare a new World")
        _check_supplies(self.rover, mission)
        other = replace(self, mission=mission)
        if "fields" in self.__dict__:  # they do not depend on what may differ
            other.__dict__["fields"] = self.fields
        return other

    def with_rover(self, rover: RoverParameters) -> World:
        """The same map for another account of the same rover's power; limits, width and footprint must be the same.

        Ground, light and the search's costs are kept, which a somewhat other power changes little.
        """
        if (rover.limits, rover.width, rover.footprint) != (self.rover.limits, self.rover.width, self.rover.footprint):
            raise InputError("rover", "limits, width, footprint", "differ from the prepared world's", "prepare a new World")
        other = replace(self, rover=rover)
        for name in ("fields", "cost_map"):
            other.__dict__[name] = getattr(self, name)
        return other

    @cached_property
    def cost_map(self) -> CostMap:
        """Grids of the path search."""
        return CostMap.build(self.surface, self.environment, self.rover, self.mission, self.keep_outs)

    @cached_property
    def fields(self) -> SceneFields:
        """Arrays for the compiled oracle."""
        surface, environment = self.surface, self.environment
        sunlit = Grid(None, constant=1.0)
        if environment.sunlit is not None:
            sunlit = Grid(environment.sunlit, environment.x0, environment.y0, environment.cell)
        times = environment.times
        slices = np.column_stack([environment.sun, environment.direct, environment.diffuse])
        return SceneFields(
            height=Grid(surface.coefficients, surface.x0, surface.y0, surface.cell),
            sunlit=sunlit,
            clearance=clearance_grid(self.terrain, self.keep_outs, self.rover.width / 2.0),
            slices=np.ascontiguousarray(slices),
            start=float(times[0]),
            step=float(times[1] - times[0]) if times.size > 1 else 1.0,
        )

    @cached_property
    def constants(self) -> Any:
        """Constants of the optimiser's model, in the order of `model.CONSTANTS`."""
        return model_constants(self.rover, self.mission, self.environment.gravity)


def _check_supplies(rover: RoverParameters, mission: MissionParameters) -> None:
    base = rover.loads.base_power + rover.loads.inference_power
    if mission.power_limit is not None and not mission.power_limit > base:
        raise InputError(
            "mission", "power_limit", f"is not above the constant loads of {base:g} W",
            "raise the limit, or lower loads.base_power and loads.inference_power", mission.power_limit,
        )  # fmt: skip


def model_constants(rover: RoverParameters, mission: MissionParameters, gravity: float) -> Any:
    """(len(CONSTANTS),) array; see `model.respond` for their use."""
    move, battery, pv, limits, weights = rover.locomotion, rover.battery, rover.pv, rover.limits, mission.weights
    r0, r1, r2 = resistance_polynomial(rover, gravity)
    derating = float(temperature_factor(battery.temperature))
    lean = np.sin(pv.panel_pitch)
    values = {
        "mass": move.mass, "gravity": gravity, "yaw_inertia": move.yaw_inertia,
        "inverse_efficiency": 1.0 / move.drivetrain_efficiency, "turn_moment": move.turn_moment,
        "resistance_0": r0, "resistance_1": r1, "resistance_2": r2, "c1": move.resistance.c1, "c2": move.resistance.c2,
        "slip_maximum": move.slip.maximum if move.slip.flat > 0.0 else 0.0,
        "slip_ratio": move.slip.maximum / max(move.slip.flat, 1e-12) - 1.0, "slip_gain": move.slip.gain,
        "load_power": rover.loads.base_power + rover.loads.inference_power,
        "rtg_power": float(rtg_power(rover.rtg, mission.years_since_fuelling)),
        "pv_gain": float(array_gain(pv)),
        "panel_x": lean * np.cos(pv.panel_azimuth), "panel_y": lean * np.sin(pv.panel_azimuth), "panel_z": np.cos(pv.panel_pitch),
        "max_speed": HELD_BACK["speed"] * limits.speed, "max_acceleration": HELD_BACK["acceleration"] * limits.acceleration,
        "max_yaw_rate": HELD_BACK["yaw_rate"] * limits.yaw_rate, "max_curvature": HELD_BACK["curvature"] * limits.curvature,
        "discharge_power": battery.max_discharge_power * derating, "charge_power": battery.max_charge_power * derating,
        "capacity": max(usable_capacity(battery), 1.0),
        "discharge_taper": max(battery.discharge_taper, 1e-4), "charge_taper": min(battery.charge_taper, 0.999),
        "charge_efficiency": battery.charge_efficiency, "discharge_efficiency": battery.discharge_efficiency,
        "power_limit": UNLIMITED_POWER if mission.power_limit is None else mission.power_limit,
        "weight_time": weights.time, "weight_smoothness": weights.smoothness, "weight_energy": weights.energy,
        "penalty_weight": 0.0, "penalty_sharpness": 1.0,
    }  # fmt: skip
    return np.array([values[name] for name in CONSTANTS], dtype=float)


def resistance_polynomial(rover: RoverParameters, gravity: float) -> tuple[float, float, float]:
    """(r0, r1, r2) with r0 + r1 cos(tilt) + r2 cos(tilt)^2 >= the resistance at rest [N], up to 1.2 times the tilt limit."""
    cosine = np.cos(np.linspace(0.0, min(1.2 * rover.limits.tilt, 1.2), 60))
    force = np.broadcast_to(resistance_force(rover.locomotion, speed=0.0, tilt=np.arccos(cosine), gravity=gravity), cosine.shape)
    if float(np.ptp(force)) == 0.0:
        return float(force[0]), 0.0, 0.0
    r2, r1, r0 = np.polyfit(cosine, force, 2)
    shortfall = float(np.max(force - (r0 + cosine * (r1 + cosine * r2))))
    return float(r0 + max(0.0, shortfall)), float(r1), float(r2)


def clearance_grid(terrain: Terrain, keep_outs: Sequence[shapely.Polygon], half_width: float) -> Grid:
    """Distance to the widened keep-outs and to the map's border [m], less a margin, as coefficients of a smooth field.

    Negative inside a keep-out and beyond the border. Used by the optimiser only: the certificate measures exact distances.
    """
    xmin, ymin, xmax, ymax = terrain.extent
    cell = min(terrain.cell, CLEARANCE_CELL) if keep_outs else terrain.cell
    nx, ny = (max(4, int(np.floor(side / cell)) + 1) for side in (xmax - xmin, ymax - ymin))
    cell_x, cell_y = (xmax - xmin) / (nx - 1), (ymax - ymin) / (ny - 1)
    cell = max(cell_x, cell_y)
    x, y = np.meshgrid(xmin + cell * np.arange(-1, nx + 1), ymin + cell * np.arange(-1, ny + 1))
    distance = np.minimum(np.minimum(x - xmin, xmax - x), np.minimum(y - ymin, ymax - y)) - EDGE_MARGIN
    distance = np.minimum(distance, CLEARANCE_CAP)
    for polygon in keep_outs:
        reach = half_width + CLEARANCE_CAP
        left, bottom, right, top = polygon.bounds
        columns = slice(*np.searchsorted(x[0], (left - reach, right + reach)))
        rows = slice(*np.searchsorted(y[:, 0], (bottom - reach, top + reach)))
        if columns.start == columns.stop or rows.start == rows.stop:
            continue
        points = shapely.points(x[rows, columns], y[rows, columns])
        shapely.prepare(polygon)
        signed = np.where(shapely.contains(polygon, points), -1.0, 1.0) * shapely.distance(polygon.boundary, points)
        distance[rows, columns] = np.minimum(distance[rows, columns], signed - half_width - CLEARANCE_MARGIN)
    return Grid(distance, xmin, ymin, cell)
