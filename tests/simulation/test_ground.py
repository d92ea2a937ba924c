"""Windows over a map: the same ground wherever they lie."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.simulation.ground import Ground, bilinear
from rover_energy.terrain import Surface, Terrain


def hills(cell: float, nodes: tuple[int, int]) -> Terrain:
    y, x = np.meshgrid(np.arange(nodes[0]) * cell, np.arange(nodes[1]) * cell, indexing="ij")
    return Terrain(3.0 * np.sin(x / 15.0) * np.cos(y / 11.0), 100.0, -50.0, cell)


def test_fine_maps_are_used_node_for_node() -> None:
    terrain = hills(0.2, (60, 90))
    ground = Ground(terrain)
    assert ground.whole
    window = ground.window(105.0, -45.0)
    np.testing.assert_array_equal(window.heights, terrain.height)
    assert window.extent == pytest.approx(terrain.extent)


def test_coarse_maps_are_interpolated_by_the_unsmoothed_surface() -> None:
    terrain = hills(5.0, (40, 50))
    ground = Ground(terrain)
    window = ground.window(200.0, 20.0)
    assert window.spacing == pytest.approx(0.25)
    assert not ground.whole
    exact = Surface.from_terrain(terrain, 0.0)
    for row, column in ((0, 0), (17, 230), (200, 5)):
        x, y = window.x0 + column * window.spacing, window.y0 + row * window.spacing
        assert window.heights[row, column] == pytest.approx(float(exact.height(x, y)), abs=1e-9)


@pytest.mark.parametrize("cell", [0.2, 5.0])
def test_windows_agree_where_they_overlap(cell: float) -> None:
    terrain = hills(cell, (300, 300) if cell < 1.0 else (60, 60))
    ground = Ground(terrain, nodes=101)
    xmin, ymin, _, _ = terrain.extent
    a, b = ground.window(xmin + 20.0, ymin + 20.0), ground.window(xmin + 23.0, ymin + 24.0)
    shift = round((b.x0 - a.x0) / a.spacing), round((b.y0 - a.y0) / a.spacing)
    assert shift != (0, 0)
    assert (b.x0 - a.x0) / a.spacing == pytest.approx(shift[0])
    np.testing.assert_allclose(a.heights[shift[1] :, shift[0] :], b.heights[: 101 - shift[1], : 101 - shift[0]], atol=1e-12)


@pytest.mark.parametrize("corner", [0, 2])
def test_windows_stay_on_the_map(corner: int) -> None:
    terrain = hills(5.0, (60, 60))
    ground = Ground(terrain)
    window = ground.window(terrain.extent[corner], terrain.extent[corner + 1])
    assert np.all(np.isfinite(window.heights))
    low, high = ground.range
    assert low <= window.heights.min()
    assert window.heights.max() <= high


def test_missing_heights_are_filled() -> None:
    height = np.zeros((30, 30))
    height[10:12, 10:12] = np.nan
    assert np.all(Ground(Terrain(height, cell=0.2)).window(1.0, 1.0).heights == 0.0)


def test_bilinear_against_scipy() -> None:
    from scipy.interpolate import RegularGridInterpolator

    window = Ground(hills(0.2, (40, 40))).window(104.0, -46.0)
    x = window.x0 + np.arange(40) * 0.2
    y = window.y0 + np.arange(40) * 0.2
    peer = RegularGridInterpolator((y, x), window.heights)
    for px, py in np.random.default_rng(1).uniform((x[0], y[0]), (x[-1], y[-1]), (20, 2)):
        assert bilinear(window, px, py) == pytest.approx(float(peer((py, px))), abs=1e-12)
    assert math.isnan(bilinear(window, x[0] - 0.01, y[0]))
    assert math.isnan(bilinear(window, math.nan, y[0]))


@pytest.mark.parametrize("point", [(99.0, -45.0), (math.nan, -45.0), (105.0, math.inf)])
def test_points_off_the_map_are_refused(point: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="off the map"):
        Ground(hills(0.2, (60, 90))).window(*point)


@pytest.mark.parametrize("cell", [0.2, 5.0])
def test_a_border_continues_the_edge_level(cell: float) -> None:
    terrain = hills(cell, (30, 40))
    xmin, ymin, _, _ = terrain.extent
    ground = Ground(terrain, border=2.0)
    window = ground.window(xmin, ymin)
    assert window.margin(xmin, ymin) >= 2.0 - 1e-9
    assert bilinear(window, xmin - 1.5, ymin - 1.0) == pytest.approx(terrain.height[0, 0], abs=1e-9)
    inside = float(Surface.from_terrain(terrain, 0.0).height(xmin + 2.0, ymin + 1.0))
    assert bilinear(window, xmin + 2.0, ymin + 1.0) == pytest.approx(inside, abs=2e-3)
