"""Grounds, rovers and runs that several tests of the simulators share."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.parameters import from_mapping
from rover_energy.rover import RoverParameters
from rover_energy.simulation.protocol import Command, Reading, Simulator
from rover_energy.terrain import Surface, Terrain, generate_lunar_terrain

GRAVITY = 1.62
ROVER = RoverParameters()
SUN = Environment.constant(GRAVITY, math.radians(60.0), math.radians(20.0), 1361.0)


def plane(degrees: float, cell: float = 0.2, size: float = 24.0) -> Terrain:
    """Ground that rises towards east."""
    nodes = round(size / cell) + 1
    x = np.arange(nodes) * cell - size / 2.0
    return Terrain(np.tile(x * math.tan(math.radians(degrees)), (nodes, 1)), -size / 2.0, -size / 2.0, cell, "plane")


def rough(seed: int = 3, size: float = 40.0) -> Terrain:
    """Craters and relief, slopes of several degrees."""
    return generate_lunar_terrain(seed=seed, size=(size, size), cell=0.2)


def surface(terrain: Terrain) -> Surface:
    return Surface.from_terrain(terrain, ROVER.footprint)


def rover(mass: float, **locomotion: Any) -> RoverParameters:
    """The reference rover grown or shrunk to a mass, all lengths with its cube root."""
    scale = (mass / 200.0) ** (1.0 / 3.0)
    wheel = {"diameter": 0.306 * scale, "width": 0.108 * scale}
    values = {
        "mass": mass, "yaw_inertia": 30.0 * scale**5, "turn_moment": 40.0 * scale**4,
        "resistance": {"c0": 0.4 * mass, "wheel": wheel}, **locomotion,
    }  # fmt: skip
    return from_mapping(RoverParameters, {"width": scale, "locomotion": values}, "test")


def drive(simulator: Simulator, command: Command, seconds: float, dt: float = 0.05) -> list[Reading]:
    return [simulator.step(command, dt) for _ in range(round(seconds / dt))]


def difference(later: Any, earlier: Any) -> Any:
    """Field by field."""
    fields = dataclasses.fields(later)
    return type(later)(**{f.name: getattr(later, f.name) - getattr(earlier, f.name) for f in fields})
