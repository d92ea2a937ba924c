"""Seeded planning problems: worlds, power settings, random poses.

A world is a terrain, generated or real, with a rover that fits it. A setting decides supplies and Sun such that something
binds: "tight" has no battery, "battery" has one of 40 W, "floor" starts 0.4 % above the battery's floor, "budget" may spend
no more than halfway between the fastest and the thriftiest drive, "shadows" has the Sun 5 deg up behind the terrain and no
battery, and "mars" a Sun that moves, with shadows and dust in the air.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from rover_energy.environment.bodies import MARS, MOON
from rover_energy.environment.scene import Environment, build_environment
from rover_energy.mission import MissionParameters, SiteParameters
from rover_energy.parameters import load_yaml
from rover_energy.planning.energy_timing import slow_for_energy
from rover_energy.planning.front_end import find_path
from rover_energy.planning.retiming import TimingError, retime
from rover_energy.planning.search import SearchFailure
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.generator import generate_lunar_terrain
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

HERE = Path(__file__).resolve().parent
GENERATED = ("generated-1", "generated-2", "generated-3", "generated-4")
REAL = {"marsyard": "marsyard2021.tif", "aristarchus": "moon_aristarchus_imp.tif"}
SETTINGS = ("tight", "battery", "floor", "budget", "shadows", "mars")
MARS_WORLDS = ("generated-1", "generated-2", "marsyard")
WINDOW = 30.0  # [m] shown to OMPL around start and goal
CLEAR = 1.0  # [m] of start and goal from the border of the map
SPREAD = 0.5  # [rad] of start and goal headings about the bearing, in every other problem; in the others any heading
SUN_AZIMUTH, SUN_ELEVATION, LOW_SUN = math.radians(60.0), math.radians(12.0), math.radians(5.0)
THRIFTY_SPEED = 0.2  # [m/s] at which level ground costs least energy per metre in the setting "budget"
#: Generator when fuelled, in shares of the constant load; the array adds up to about as much again.
GENERATOR = {"tight": 1.0, "battery": 1.0, "floor": 0.7, "budget": 1.6, "shadows": 1.7, "mars": 1.9}
IRRADIANCE = {"moon": 1361.0, "mars": 586.0}


@dataclass(frozen=True, eq=False)
class Problem:
    """One planning problem. `key` names it and suffices to make it again, with the seed."""

    key: str
    world: World
    setting: str
    start: tuple[float, float, float]
    goal: tuple[float, float, float]


def data_folder() -> Path | None:
    """The folder of real terrains, if it is there."""
    folder = Path(os.environ.get("ROVER_ENERGY_DATA", HERE.parents[1] / "shared" / "data")) / "terrain"
    return folder if folder.is_dir() else None


def world_names() -> tuple[str, ...]:
    """Worlds that can be made here; says so when the real terrains are absent."""
    if data_folder() is None:
        print("real terrains: absent (set ROVER_ENERGY_DATA); generated ones only")
        return GENERATED
    return (*GENERATED, *REAL)


@lru_cache(maxsize=16)
def terrain_of(name: str) -> Terrain:
    """Terrain of a world."""
    if name.startswith("generated-"):
        return generate_lunar_terrain(seed=int(name.split("-")[1]))
    folder = data_folder()
    if folder is None:
        raise SystemExit(f"terrain {name}: there is no folder of real terrains; set ROVER_ENERGY_DATA, or choose other worlds")
    return load_terrain(folder / REAL[name])


@lru_cache(maxsize=4)
def rover_of(name: str) -> RoverParameters:
    """Rover of a world: a smaller and more agile one for the Mars yard."""
    return load_yaml(RoverParameters, HERE / "marsyard_rover.yaml") if name == "marsyard" else RoverParameters()


@lru_cache(maxsize=64)
def environment_of(name: str, setting: str) -> Environment:
    """Sun and shadows of a world in a setting."""
    terrain, footprint = terrain_of(name), rover_of(name).footprint
    body = MARS if name == "marsyard" else MOON
    if setting == "mars":
        site = SiteParameters(body="mars", latitude=18.4, longitude=77.5, start="2028-03-01T04:50:00", optical_depth=0.3)
        return build_environment(site, terrain, 1800.0, footprint)
    shaded = terrain if setting == "shadows" else None
    elevation = LOW_SUN if setting == "shadows" else SUN_ELEVATION
    return Environment.constant(
        body.gravity, SUN_AZIMUTH, elevation, IRRADIANCE[body.name], terrain=shaded, footprint=footprint, body=body
    )


def supplies(rover: RoverParameters, setting: str) -> tuple[RoverParameters, MissionParameters]:
    """Rover and mission with supplies scaled so that the setting's limit binds; all in shares of the rover's constant load."""
    load = rover.loads.base_power
    battery = replace(rover.battery, max_discharge_power=0.75 * load, max_charge_power=3.0 * load, capacity=1800.0 * load)
    share = GENERATOR[setting]
    generator = replace(rover.rtg, beginning_of_life_power=share * load)
    locomotion = rover.locomotion
    if setting == "budget":  # with resistance that grows with speed, haste costs energy
        resistance = replace(locomotion.resistance, c2=load * locomotion.drivetrain_efficiency / (2.0 * THRIFTY_SPEED**3))
        locomotion = replace(locomotion, resistance=resistance)
    rover = replace(rover, battery=battery, rtg=generator, locomotion=locomotion)
    charge = battery.floor + 0.004 if setting == "floor" else 0.8
    return rover, MissionParameters(use_battery=setting not in ("tight", "shadows"), state_of_charge=charge)


@lru_cache(maxsize=64)
def world_of(name: str, setting: str) -> World:
    """A prepared world; its grids are made too, so that plans do not wait for them."""
    rover, mission = supplies(rover_of(name), setting)
    world = World.prepare(terrain_of(name), rover, mission, environment_of(name, setting))
    _ = world.fields, world.cost_map
    return world


def allowed_pose(world: World, pose: Sequence[float]) -> bool:
    """Whether the rover may stand there at all."""
    x, y, heading = (float(v) for v in pose)
    xmin, ymin, xmax, ymax = world.surface.extent
    if not (xmin + CLEAR <= x <= xmax - CLEAR and ymin + CLEAR <= y <= ymax - CLEAR):
        return False
    hx, hy = (float(v) for v in world.surface.gradient(x, y))
    limits = world.rover.limits
    level = math.hypot(hx, hy) <= 0.98 * math.tan(limits.tilt)
    level &= abs(hx * math.cos(heading) + hy * math.sin(heading)) <= 0.98 * math.tan(limits.along_slope)
    room = 0.5 * world.rover.width + 0.1
    near = any(polygon.distance(shapely.Point(x, y)) < room for polygon in world.keep_outs)
    return bool(level and not near and world.surface.has_data(x, y))


def random_poses(
    world: World, rng: np.random.Generator, distance: tuple[float, float], *, facing: bool
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Start and goal so far apart [m] where the rover may stand; `facing`: headings near the bearing, else any."""
    xmin, ymin, xmax, ymax = world.surface.extent
    spread = SPREAD if facing else math.pi
    for _ in range(100000):
        bearing, length = rng.uniform(-math.pi, math.pi), rng.uniform(*distance)
        x, y = rng.uniform(xmin, xmax), rng.uniform(ymin, ymax)
        start = (x, y, bearing + rng.uniform(-spread, spread))
        goal = (x + length * math.cos(bearing), y + length * math.sin(bearing), bearing + rng.uniform(-spread, spread))
        if allowed_pose(world, start) and allowed_pose(world, goal):
            return start, goal
    raise RuntimeError(f"no two allowed poses {distance} m apart on {world.terrain.name}")


class Window:
    """A surface of which only the surroundings of some points are shown: OMPL's adapter makes tables of the whole extent."""

    def __init__(self, surface: Surface, poses: Sequence[Sequence[float]], reach: float = WINDOW) -> None:
        self._surface = surface
        low, high = np.min(poses, axis=0)[:2] - reach, np.max(poses, axis=0)[:2] + reach
        xmin, ymin, xmax, ymax = surface.extent
        self.extent = (max(xmin, float(low[0])), max(ymin, float(low[1])), min(xmax, float(high[0])), min(ymax, float(high[1])))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._surface, name)


def problems(
    count: int, seed: int, *, settings: Sequence[str] = SETTINGS, worlds: Sequence[str] | None = None,
    distance: tuple[float, float] = (16.0, 20.0),
) -> Iterator[Problem]:  # fmt: skip
    """So many problems, spread evenly over worlds and settings; problem i depends on the seed and i alone."""
    names = world_names() if worlds is None else tuple(worlds)
    pairs = [(n, s) for n in names for s in settings if s != "mars" or n in MARS_WORLDS]
    pairs.sort(key=lambda pair: (pair[1], pair[0]))
    per_pair = [count // len(pairs) + (k < count % len(pairs)) for k in range(len(pairs))]
    for (name, setting), many in zip(pairs, per_pair, strict=True):
        for i in range(many):
            yield make_problem(name, setting, i, seed, distance)


def make_problem(name: str, setting: str, index: int, seed: int, distance: tuple[float, float] = (16.0, 20.0)) -> Problem:
    """The problem of that world, setting, number and seed."""
    world = world_of(name, setting)
    key = f"{name}/{setting}/{index}"
    rng = np.random.default_rng([seed, index, *key.encode()])
    start, goal = random_poses(world, rng, distance, facing=index % 2 == 0)
    if setting == "budget":
        world = with_budget(world, start, goal)
    return Problem(key, world, setting, start, goal)


def with_budget(world: World, start: Sequence[float], goal: Sequence[float]) -> World:
    """The world with an energy budget halfway between the fastest and a thrifty drive along the searched path."""
    try:
        path = find_path(world.cost_map, start, goal).path
        where = (path, world.surface, world.environment, world.rover, world.mission)
        fast = slow_for_energy(*where, grid=0.05).consumed_energy
        slow = min(
            retime(*where, grid=0.05, speed_cap=share * world.rover.limits.speed).consumed_energy for share in (0.75, 0.6, 0.45)
        )
    except (SearchFailure, TimingError):
        return world
    return world.with_mission(replace(world.mission, energy_budget=0.5 * (fast + min(fast, slow))))
