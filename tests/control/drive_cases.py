"""One planned drive for the tests of the controller: hilly ground, a Sun that stands still, a plan that uses all power."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.follow import follow_path
from rover_energy.planning.path import Path
from rover_energy.planning.retiming import retime
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain

MOON = 1.62
CELL = 0.25


@lru_cache(maxsize=4)
def world(use_battery: bool = False, state_of_charge: float = 0.8, generator: float = 55.0) -> World:
    """Waves of 6 % slope, 30 m square; generator [W] when fuelled and an array that gives some 60 W."""
    axis = np.arange(0.0, 30.0 + CELL / 2, CELL)
    height = 0.12 * np.sin(2.0 * np.pi * axis[None, :] / 12.0) + 0.1 * np.cos(2.0 * np.pi * axis[:, None] / 15.0)
    rover = RoverParameters()
    rover = replace(
        rover, rtg=replace(rover.rtg, beginning_of_life_power=generator),
        battery=replace(rover.battery, max_discharge_power=30.0, capacity=1.0e5),
    )  # fmt: skip
    mission = MissionParameters(use_battery=use_battery, state_of_charge=state_of_charge)
    return World.prepare(Terrain(height, 0.0, 0.0, CELL), rover, mission, Environment.constant(MOON, 1.0, 0.21, 1361.0))


@lru_cache(maxsize=4)
def plan(use_battery: bool = False, state_of_charge: float = 0.8, generator: float = 55.0, length: float = 12.0) -> Trajectory:
    """The fastest drive along an S bend, a little slower so that rounding keeps below what is available."""
    w = world(use_battery, state_of_charge, generator)
    s = np.linspace(0.0, length, 241)
    curvature = 0.35 * np.sin(2.0 * np.pi * s / length)
    step = s[1] - s[0]
    heading = 0.4 + np.concatenate(([0.0], np.cumsum(0.5 * (curvature[1:] + curvature[:-1]) * step)))
    middle = 0.5 * (heading[1:] + heading[:-1])
    x = 8.0 + np.concatenate(([0.0], np.cumsum(step * np.cos(middle))))
    y = 8.0 + np.concatenate(([0.0], np.cumsum(step * np.sin(middle))))
    path = Path(s, x, y, heading, curvature)
    timing = retime(path, w.surface, w.environment, w.rover, w.mission, grid=0.05)
    return follow_path(path, timing, slowdown=1.01)
