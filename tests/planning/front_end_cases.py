"""Small worlds for the tests of the front end."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import shapely

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.costmap import CostMap
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
Pose = tuple[float, float, float]
LEAN = MissionParameters(use_battery=False)  # generator alone: power, not the speed limit, sets the pace


def flat(size: float = 30.0, cell: float = 0.5) -> Terrain:
    n = round(size / cell) + 1
    return Terrain(np.zeros((n, n)), 0.0, 0.0, cell)


def ramp(slope: float, azimuth: float = 0.0, size: float = 30.0, cell: float = 0.5) -> Terrain:
    """Plane that rises by `slope` [rad] towards `azimuth` (counter-clockwise from east)."""
    n = round(size / cell) + 1
    x, y = np.meshgrid(cell * np.arange(n), cell * np.arange(n))
    return Terrain(math.tan(slope) * (x * math.cos(azimuth) + y * math.sin(azimuth)), 0.0, 0.0, cell)


def rough(seed: int, size: float = 40.0, cell: float = 0.25, steepness: float = 0.1, rocks: int = 25) -> Terrain:
    """Random relief whose gradient has the standard deviation `steepness` before the footprint, with rocks."""
    rng = np.random.default_rng(seed)
    n = round(size / cell) + 1
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n)))
    k[0, 0] = 1.0
    z = np.real(np.fft.ifft2(np.fft.fft2(rng.normal(size=(n, n))) * k**-2.0))
    z *= steepness / np.std(np.gradient(z, cell)[0])
    stones = tuple(shapely.Point(*rng.uniform(2.0, size - 2.0, 2)).buffer(rng.uniform(0.15, 0.6), 4) for _ in range(rocks))
    return Terrain(z, 0.0, 0.0, cell, "rough", stones)


def cost_map(
    terrain: Terrain,
    rover: RoverParameters | None = None,
    mission: MissionParameters = LEAN,
    environment: Environment | None = None,
    gravity: float = 1.62,
    resolution: float | None = None,
) -> CostMap:
    rover = rover or RoverParameters()
    surface = Surface.from_terrain(terrain, rover.footprint)
    return CostMap.build(surface, environment or Environment.dark(gravity), rover, mission, terrain.keep_outs, resolution)


def random_poses(costmap: CostMap, count: int, distance: float, seed: int, spread: float = math.pi) -> list[tuple[Pose, Pose]]:
    """Start and goal `distance` apart, headings within `spread` of the line between them."""
    rng = np.random.default_rng(seed)
    xmin, ymin, xmax, ymax = costmap.surface.extent
    poses: list[tuple[Pose, Pose]] = []
    while len(poses) < count:
        x, y, a = rng.uniform(xmin + 1.0, xmax - 1.0), rng.uniform(ymin + 1.0, ymax - 1.0), rng.uniform(-math.pi, math.pi)
        gx, gy = x + distance * math.cos(a), y + distance * math.sin(a)
        if xmin + 1.0 < gx < xmax - 1.0 and ymin + 1.0 < gy < ymax - 1.0:
            first, last = a + rng.uniform(-spread, spread, 2)
            poses.append(((x, y, float(first)), (gx, gy, float(last))))
    return poses


def real_terrain(name: str) -> Terrain:
    """Terrain of the reference data, or a skipped test."""
    path = DATA / "terrain" / name
    if not path.exists():
        pytest.skip(f"reference data absent: {path}")
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(path) as file:
        height, cell = file.read(1).astype(float), abs(file.transform.a)
        height[~np.isfinite(height) | (height == file.nodata)] = np.nan
    return Terrain(height[::-1], 0.0, 0.0, cell, name)
