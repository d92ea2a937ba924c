"""Layers of the map on ground whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from planner_cases import flat_world, lunar_world, rover_of

from rover_energy.errors import InputError
from rover_energy.planning.layers import (
    Grid,
    drivable_layer,
    energy_layer,
    height_layer,
    shadow_layer,
    tilt_layer,
)


def test_plane() -> None:
    """Rising 0.1 per metre to the east: height, tilt and share of the limit are those of the plane."""
    world = flat_world(slope=0.1)
    grid = Grid.over(world, 1.0)
    assert (grid.rows, grid.columns, grid.cell) == (30, 30, 1.0)
    x, _ = grid.centres()
    assert height_layer(world, grid)[2:-2, 2:-2] == pytest.approx((0.1 * x)[2:-2, 2:-2], abs=2e-3)
    tilt = tilt_layer(world, grid)[3:-3, 3:-3]
    assert tilt == pytest.approx(np.full(tilt.shape, math.atan(0.1)), abs=2e-3)
    cells = drivable_layer(world, grid)[3:-3, 3:-3]
    assert np.unique(cells).tolist() == [math.floor(99.0 * math.atan(0.1) / math.radians(20.0))]


def test_energy_per_metre_of_a_level_plane_in_the_dark() -> None:
    """At full speed: (55 W + 80 N v/(0.95 0.6)) / v. With no power for motion it is infinite."""
    grid = Grid.over(flat_world(), 1.0)
    inner = energy_layer(flat_world(), grid, 0.0)[3:-3, 3:-3]
    assert inner == pytest.approx(np.full(inner.shape, (55.0 + 80.0 * 0.5 / (0.95 * 0.6)) / 0.5), rel=1e-3)
    poor = flat_world(rover=rover_of(rtg={"beginning_of_life_power": 50.0}), use_battery=False)
    assert np.isinf(energy_layer(poor, grid, 0.0)[3:-3, 3:-3]).all()


def test_lunar_ground() -> None:
    """Every cell against single points: shadow, and keep-outs by shapely's distance."""
    world = lunar_world()
    grid = Grid.over(world, 0.5)
    x, y = grid.centres()
    shadow, cells, energy = shadow_layer(world, grid, 0.0), drivable_layer(world, grid), energy_layer(world, grid, 0.0)
    rng = np.random.default_rng(1)
    for _ in range(60):
        j, i = int(rng.integers(grid.rows)), int(rng.integers(grid.columns))
        lit = float(world.environment.sunlit_fraction(x[j, i], y[j, i], 0.0))
        assert shadow[j, i] == pytest.approx(1.0 - lit, abs=1e-12)
        near = any(p.distance(shapely.Point(x[j, i], y[j, i])) <= world.rover.width / 2.0 for p in world.keep_outs)
        steep = float(world.surface.tilt(x[j, i], y[j, i])) > world.rover.limits.tilt
        assert (cells[j, i] == 100) == (near or steep)
    assert 0.0 <= shadow.min() <= shadow.max() <= 1.0
    assert np.nanmin(energy) > 100.0
    assert np.isfinite(energy).mean() > 0.5


def test_too_fine_a_grid_is_refused() -> None:
    world = flat_world()
    assert Grid.over(world, 0.01).cell == world.terrain.cell
    big = flat_world(size=1500.0)
    with pytest.raises(InputError, match="cells"):
        Grid.over(big, 0.5)
