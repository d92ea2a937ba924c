"""Worlds, scenes and programmes for the tests of the optimiser and the planner."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from plan_cases import rough
from scipy import ndimage

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters, SiteParameters
from rover_energy.native import find_compiler
from rover_energy.planning.energy_timing import time_lower_bound
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.follow import trajectory_path
from rover_energy.planning.model import CONSTANTS
from rover_energy.planning.planner import PlannedTraverse
from rover_energy.planning.scene_fields import Grid, SceneFields
from rover_energy.planning.stage import CONTROLS, Variant
from rover_energy.planning.world import World, model_constants
from rover_energy.power.battery import floor_energy
from rover_energy.rover import RoverParameters
from rover_energy.terrain.generator import generate_lunar_terrain
from rover_energy.terrain.raster import Terrain

MOON = 1.62
NEEDS_COMPILER = "the compiled optimiser needs a C compiler"
has_compiler = find_compiler() is not None
VARIANTS = [Variant(battery, budget) for battery in (False, True) for budget in (False, True)]


def rover_of(**groups: dict[str, Any]) -> RoverParameters:
    """Default rover with single values changed: rover_of(rtg={"beginning_of_life_power": 90.0})."""
    base = RoverParameters()
    return replace(base, **{name: replace(getattr(base, name), **values) for name, values in groups.items()})


def mission_of(**values: Any) -> MissionParameters:
    return replace(MissionParameters(), **values)


@lru_cache(maxsize=2)
def lunar_ground(seed: int = 1, side: float = 30.0) -> Terrain:
    return generate_lunar_terrain(seed=seed, size=(side, side))


@lru_cache(maxsize=2)
def low_sun(seed: int = 1, side: float = 30.0) -> Environment:
    """A low Sun that stands still, with cast shadows."""
    return Environment.constant(
        MOON, math.radians(60.0), math.radians(12.0), 1361.0, terrain=lunar_ground(seed, side), footprint=0.4
    )


@lru_cache(maxsize=16)
def _lunar(rover: RoverParameters, mission: MissionParameters) -> World:
    return World.prepare(lunar_ground(), rover, mission, low_sun())


def lunar_world(rover: RoverParameters | None = None, **mission: Any) -> World:
    """30 m of lunar ground with craters and rocks; a route that keeps the rover busy is START to GOAL."""
    return _lunar(rover or rover_of(rtg={"beginning_of_life_power": 90.0}), mission_of(**mission))


START, GOAL = (8.0, 8.0, 0.8), (20.0, 20.0, 0.8)


def flat_world(size: float = 30.0, slope: float = 0.0, rover: RoverParameters | None = None, **mission: Any) -> World:
    """A plane that rises to the east, in the dark unless the mission says otherwise."""
    axis = np.arange(0.0, size + 0.25, 0.5)
    terrain = Terrain(np.tile(slope * axis, (axis.size, 1)), 0.0, 0.0, 0.5, "plane")
    return World.prepare(terrain, rover or rover_of(), mission_of(**mission), Environment.dark(MOON))


def mars_site() -> SiteParameters:
    return replace(SiteParameters(), body="mars", latitude=18.4, longitude=77.5, start="2028-03-01T07:00:00", optical_depth=0.6)


def scene(seed: int = 0, slices: int = 4, step: float = 20.0, *, still: bool = False) -> SceneFields:
    """Rough ground, and light and clearance that change from place to place and, unless `still`, from slice to slice."""
    rng = np.random.default_rng(seed)
    surface = rough(seed, nodes=81, cell=0.5, slope=0.12, blur=2.0)
    sunlit = np.clip(ndimage.gaussian_filter(rng.normal(size=(slices, 83, 83)), (0, 2, 2)) * 4.0 + 0.5, 0.0, 1.0)
    clearance = ndimage.gaussian_filter(rng.normal(size=(103, 103)), 2) + 1.0
    level = np.linspace(0.25, 0.6, slices)
    sun = np.stack([np.cos(level) * np.sin(2 * level), np.cos(level) * np.cos(2 * level), np.sin(level)], axis=-1)
    table = np.column_stack([sun, np.linspace(900.0, 1300.0, slices), np.linspace(60.0, 20.0, slices)])
    if still:
        sunlit, table = np.repeat(sunlit[:1], slices, axis=0), np.repeat(table[:1], slices, axis=0)
    return SceneFields(
        height=Grid(surface.coefficients, surface.x0, surface.y0, surface.cell),
        sunlit=Grid(sunlit, 0.0, 0.0, 0.5), clearance=Grid(clearance, 0.0, 0.0, 0.4), slices=np.ascontiguousarray(table),
        start=-5.0, step=step,
    )  # fmt: skip


def random_point(variant: Variant, pieces: int, seed: int = 0) -> tuple[Any, Any]:
    """Variables and parameters of a programme at a random, plausible point that need not be continuous."""
    rng = np.random.default_rng(seed)
    rover = rover_of(pv={"panel_pitch": 0.4, "panel_azimuth": 2.0}, locomotion={"mass": 150.0})
    rover = replace(rover, battery=replace(rover.battery, capacity=3.0e5, max_charge_power=20.0))
    constants = model_constants(rover, mission_of(weights=replace(MissionParameters().weights, energy=3e-4)), MOON)
    constants[CONSTANTS.index("power_limit")] = 260.0
    ratios = rng.uniform(0.4, 1.0, pieces)
    elapsed = np.concatenate(([0.0], np.cumsum(ratios)[:-1]))
    low = [8.0, 8.0, -3.0, -0.2, -0.1, 0.1, -0.05, 1.2, 20.0, 1.0]
    high = [30.0, 30.0, 3.0, 0.2, 0.1, 0.5, 0.05, 2.0, 280.0, 5.0]
    columns = [*range(8), *([8] if variant.battery else []), *([9] if variant.budget else [])]
    states = rng.uniform(np.array(low)[columns], np.array(high)[columns], (pieces + 1, len(columns)))
    controls = rng.uniform(-0.05, 0.05, (pieces, CONTROLS))
    x = np.concatenate([np.hstack([states[:-1], controls]).ravel(), states[-1]])
    return x, np.concatenate([[pieces, 3.0], constants, np.column_stack([ratios, elapsed]).ravel()])


def check_plan(world: World, made: PlannedTraverse, start: Any = START, goal: Any = GOAL) -> None:
    """What every plan must keep, by the certificate and by plain evaluation at other times than its own."""
    assert made.certificate.passed
    assert not made.certificate.failures
    trajectory = made.trajectory
    assert np.asarray(trajectory.start) == pytest.approx(start, abs=1e-9)
    assert trajectory.end_pose == pytest.approx(goal, abs=1e-3)
    profile = evaluate_plan(trajectory, world.surface, world.environment, world.rover, world.mission)
    assert np.max(profile.total_power - profile.available_power) <= 1e-6
    assert np.max(np.abs(profile.speed)) <= world.rover.limits.speed * 1.001
    assert np.max(profile.tilt) <= world.rover.limits.tilt * 1.001
    assert profile.battery_energy.min() >= min(floor_energy(world.rover.battery), profile.battery_energy[0]) - 1e-6
    bound = time_lower_bound(trajectory_path(trajectory), world.surface, world.environment, world.rover, world.mission)
    assert bound.impossible == ""
    assert made.duration >= bound.duration * (1.0 - 1e-3)
