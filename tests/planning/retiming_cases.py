"""Grounds, rovers and paths for the tests of retiming, energy timing and following."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.integrate import cumulative_simpson
from scipy.ndimage import gaussian_filter

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.path import Path
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

GRAVITY = 1.62
DARK = Environment.dark(GRAVITY)
NO_BATTERY = MissionParameters(use_battery=False)


def surface_of(height: np.ndarray, cell: float = 0.2) -> Surface:
    return Surface.from_terrain(Terrain(height, 0.0, 0.0, cell, "test", ()), 0.0)


def flat(size: int = 160) -> Surface:
    return surface_of(np.zeros((size, size)))


def inclined(tangent: float, size: int = 160) -> Surface:
    """Rises towards east; the mirrored ends of the spline stay some cells away from 4 .. 28 m."""
    return surface_of(np.tile(0.2 * tangent * np.arange(size), (size, 1)))


def rough(seed: int = 0, size: int = 221, scale: float = 1.8) -> Surface:
    """Rolling ground with slopes up to some 15 deg."""
    noise = np.random.default_rng(seed)
    parts = [weight * width * gaussian_filter(noise.normal(size=(size, size)), width, mode="wrap")
             for weight, width in ((0.3, 6), (0.6, 20), (0.6, 40))]  # fmt: skip
    return surface_of(scale * np.sum(parts, axis=0))


def straight(length: float, start: tuple[float, float] = (6.0, 16.0), heading: float = 0.0, step: float = 0.05) -> Path:
    s = np.linspace(0.0, length, max(2, round(length / step) + 1))
    zero = np.zeros_like(s)
    return Path(s, start[0] + s * np.cos(heading), start[1] + s * np.sin(heading), zero + heading, zero)


def circle(radius: float, turn: float, start: tuple[float, float] = (16.0, 14.0), step: float = 0.02) -> Path:
    s = np.linspace(0.0, radius * turn, round(radius * turn / step) + 1)
    heading = s / radius
    x, y = start[0] + radius * np.sin(heading), start[1] + radius * (1.0 - np.cos(heading))
    return Path(s, x, y, heading, np.full_like(s, 1.0 / radius))


def winding(seed: int, length: float = 12.0, start: tuple[float, float] = (16.0, 16.0), sharpness: float = 0.12) -> Path:
    """Smooth random curvature, zero at both ends; positions by fine quadrature of the heading."""
    weight = sharpness * np.random.default_rng(seed).normal(size=5)
    waves = np.pi * np.arange(1, 6) / length
    s = np.linspace(0.0, length, 20 * round(length / 0.05) + 1)
    curvature = np.sin(s[:, None] * waves) @ weight
    heading = 0.6 + (1.0 - np.cos(s[:, None] * waves)) @ (weight / waves)
    x = start[0] + cumulative_simpson(np.cos(heading), x=s, initial=0)
    y = start[1] + cumulative_simpson(np.sin(heading), x=s, initial=0)
    return Path(*(column[::20].copy() for column in (s, x, y, heading, curvature)))


def rover_with(**groups: dict[str, Any]) -> RoverParameters:
    """The default rover without array, with some fields of its groups replaced."""
    rover = RoverParameters()
    groups.setdefault("pv", {})
    groups["pv"].setdefault("area", 0.0)
    return replace(rover, **{name: replace(getattr(rover, name), **fields) for name, fields in groups.items()})


def mobility(*, c0: float = 80.0, c1: float = 0.0, c2: float = 0.0, slip: float = 0.05, **fields: Any) -> dict[str, Any]:
    """Fields of the locomotion group."""
    default = RoverParameters().locomotion
    return {
        "resistance": replace(default.resistance, c0=c0, c1=c1, c2=c2),
        "slip": replace(default.slip, flat=slip),
        **fields,
    }
