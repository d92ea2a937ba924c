"""The surface against scipy's own evaluation, and the rules where there is no data."""

import numpy as np
import pytest
from scipy import ndimage
from shapely import contains_xy
from shapely.ops import unary_union

from rover_energy.errors import InputError
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface, fill_no_data, no_data_polygons

CELL, X0, Y0 = 0.25, 100.0, -40.0


def rough(shape: tuple[int, int] = (61, 53), seed: int = 0) -> Terrain:
    rng = np.random.default_rng(seed)
    return Terrain(ndimage.gaussian_filter(rng.normal(size=shape), 1.0), X0, Y0, CELL, "rough")


def points(terrain: Terrain, n: int, seed: int = 5, inset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    xmin, ymin, xmax, ymax = terrain.extent
    rng = np.random.default_rng(seed)
    return rng.uniform(xmin + inset, xmax - inset, n), rng.uniform(ymin + inset, ymax - inset, n)


@pytest.mark.parametrize("footprint", [0.0, 0.1, 0.4, 1.0])
def test_height_equals_scipys_map_coordinates(footprint: float) -> None:
    terrain = rough()
    surface = Surface.from_terrain(terrain, footprint)
    x, y = points(terrain, 3000)
    z = terrain.height
    if footprint:
        z = ndimage.gaussian_filter(z, footprint / CELL, mode="mirror", truncate=4.0)
    reference = ndimage.map_coordinates(z, [(y - Y0) / CELL, (x - X0) / CELL], order=3, mode="mirror")
    assert np.abs(surface.height(x, y) - reference).max() <= 1e-12


def test_without_footprint_it_passes_through_the_nodes() -> None:
    terrain = rough()
    surface = Surface.from_terrain(terrain, 0.0)
    gx, gy = np.meshgrid(terrain.x, terrain.y)
    assert np.abs(surface.height(gx, gy) - terrain.height).max() <= 1e-12


def test_derivatives_against_finite_differences() -> None:
    terrain = rough()
    surface = Surface.from_terrain(terrain, 0.4)
    x, y = points(terrain, 500, inset=0.01)
    h = 1e-4
    hx, hy = surface.gradient(x, y)
    nx = (surface.height(x + h, y) - surface.height(x - h, y)) / (2 * h)
    ny = (surface.height(x, y + h) - surface.height(x, y - h)) / (2 * h)
    scale = np.hypot(hx, hy).max()
    assert max(np.abs(hx - nx).max(), np.abs(hy - ny).max()) <= 1e-6 * scale


def test_slopes_of_a_tilted_plane() -> None:
    gx, gy = np.meshgrid(np.arange(30) * 0.5, np.arange(40) * 0.5)
    surface = Surface.from_terrain(Terrain(0.2 * gx - 0.1 * gy, 0.0, 0.0, 0.5), 0.0)
    x, y = 7.0, 10.0  # so far from the mirrored border that its trace, 0.27 per node, is below 1e-7
    assert np.allclose(surface.gradient(x, y), (0.2, -0.1), atol=1e-7)
    heading = np.linspace(-np.pi, np.pi, 9)
    expected = np.arctan(0.2 * np.cos(heading) - 0.1 * np.sin(heading))
    assert np.allclose(surface.along_slope(x, y, heading), expected, atol=1e-7)
    assert surface.tilt(x, y) == pytest.approx(np.arccos(1.0 / np.sqrt(1.05)), abs=1e-7)
    assert np.allclose(surface.normal(x, y), np.array([-0.2, 0.1, 1.0]) / np.sqrt(1.05), atol=1e-7)
    assert surface.normal([x, x, x], [y, y, y]).shape == (3, 3)


def test_steepest_heading_is_the_tilt() -> None:
    terrain = rough()
    surface = Surface.from_terrain(terrain, 0.3)
    x, y = points(terrain, 50)
    hx, hy = surface.gradient(x, y)
    assert np.allclose(surface.along_slope(x, y, np.arctan2(hy, hx)), surface.tilt(x, y), rtol=1e-12)


def test_footprint_smooths_a_sine_by_the_gaussians_transfer() -> None:
    wavelength, footprint = 4.0, 0.5
    gx, _ = np.meshgrid(np.arange(401) * 0.1, np.arange(41) * 0.1)
    surface = Surface.from_terrain(Terrain(np.sin(2 * np.pi * gx / wavelength), 0.0, 0.0, 0.1), footprint)
    gain = np.exp(-0.5 * (2 * np.pi * footprint / wavelength) ** 2)
    assert surface.height(21.0, 2.0) == pytest.approx(gain, rel=1e-3)  # a crest; the kernel ends at 4 sigma


def with_gap() -> Terrain:
    height = rough().height.copy()
    height[20:24, 30:33] = np.nan
    height[50, 5] = np.nan
    return Terrain(height, X0, Y0, CELL, "gap")


def test_fill_takes_the_nearest_valid_node() -> None:
    height = with_gap().height
    filled = fill_no_data(height)
    assert np.array_equal(filled[~np.isnan(height)], height[~np.isnan(height)])
    valid = np.argwhere(~np.isnan(height))
    for j, i in np.argwhere(np.isnan(height)):
        distance = np.hypot(*(valid - (j, i)).T)
        nearest = {height[tuple(v)] for v in valid[distance == distance.min()]}
        assert filled[j, i] in nearest


@pytest.mark.parametrize("footprint", [0.0, 0.1, 0.4])
def test_has_data_keeps_the_promised_distance(footprint: float) -> None:
    terrain = with_gap()
    surface = Surface.from_terrain(terrain, footprint)
    x, y = points(terrain, 4000)
    j, i = np.nonzero(terrain.no_data)
    distance = np.hypot(x[:, None] - (X0 + CELL * i), y[:, None] - (Y0 + CELL * j)).min(axis=1)
    reach = CELL + 2.0 * footprint
    known = surface.has_data(x, y)
    assert not known[distance <= reach].any()
    assert known[distance > reach + np.sqrt(2.0) * CELL].all()
    assert np.isfinite(surface.height(x, y)).all()
    assert not surface.has_data(X0 - 1.0, Y0 + 1.0)  # outside the map, beside a cell with data


def test_no_data_polygons_cover_what_has_data_excludes() -> None:
    terrain = with_gap()
    surface = Surface.from_terrain(terrain, 0.2)
    polygons = no_data_polygons(terrain, 0.2)
    assert len(polygons) == 2
    x, y = points(terrain, 3000)
    assert np.array_equal(contains_xy(unary_union(polygons), x, y), ~surface.has_data(x, y))


def test_a_surface_hardly_depends_on_what_stands_in_a_gap() -> None:
    """Where has_data is true, filled heights must not matter: an edge of a void that is really 1 m lower changes little."""
    terrain = rough()
    height = terrain.height.copy()
    height[:, :20] = np.nan
    truth = terrain.height.copy()
    truth[:, :20] -= 1.0  # what the gap hides
    footprint = 0.4
    surface = Surface.from_terrain(Terrain(height, X0, Y0, CELL), footprint)
    real = Surface.from_terrain(Terrain(truth, X0, Y0, CELL), footprint)
    x, y = points(terrain, 4000)
    known = surface.has_data(x, y)
    assert np.abs(surface.height(x, y) - real.height(x, y))[known].max() <= 0.05  # 2.3 % of about 1 m, and the spline's share


def test_without_gaps_everything_inside_has_data() -> None:
    terrain = rough()
    surface = Surface.from_terrain(terrain, 0.4)
    assert no_data_polygons(terrain, 0.4) == ()
    assert surface.has_data([X0, X0 - 1.0, np.nan], [Y0, Y0, Y0]).tolist() == [True, False, False]


@pytest.mark.parametrize("footprint", [-0.1, np.nan, np.inf, 50.0])
def test_bad_footprint_is_refused(footprint: float) -> None:
    with pytest.raises(InputError, match=r"rough: footprint = .* is not within 0 \.\. 3\.25 m"):
        Surface.from_terrain(rough(), footprint)
