"""The terrain's horizon against closed forms and brute-force ray marching."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from rover_energy.environment import horizon
from rover_energy.environment.horizon import far_horizon_elevation, horizon_elevation
from rover_energy.errors import InputError
from rover_energy.terrain.raster import Terrain

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).resolve().parents[2] / ".." / "shared" / "data"))
EAST = 0.5 * math.pi


def rough(seed: int, shape: tuple[int, int] = (48, 61), cell: float = 0.5) -> Terrain:
    height = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0) * 6.0
    return Terrain(height, 3.0, -7.0, cell)


def march(terrain: Terrain, row: int, column: int, azimuth: float, distances: np.ndarray, radius: float = math.inf) -> float:
    """Greatest elevation of the bilinear ground at the given distances [m], those off the map left out."""
    rows = row + distances * math.cos(azimuth) / terrain.cell
    columns = column + distances * math.sin(azimuth) / terrain.cell
    ny, nx = terrain.height.shape
    on = (rows > -1e-9) & (rows < ny - 1 + 1e-9) & (columns > -1e-9) & (columns < nx - 1 + 1e-9)
    if not on.any():
        return -0.5 * math.pi
    rows, columns, d = np.clip(rows[on], 0, ny - 1), np.clip(columns[on], 0, nx - 1), distances[on]
    ground = ndimage.map_coordinates(terrain.height, [rows, columns], order=1, mode="nearest")
    return float(np.max(np.arctan((ground - terrain.height[row, column]) / d - d / (2.0 * radius))))


def crossing_distances(terrain: Terrain, azimuth: float) -> np.ndarray:
    reach = np.arange(1, max(terrain.height.shape)) * terrain.cell
    along = [abs(math.sin(azimuth)), abs(math.cos(azimuth))]
    return np.concatenate([reach / a for a in along if a > 1e-12])


def test_wall():
    height = np.zeros((9, 41))
    height[:, 30] = 4.0
    seen = horizon_elevation(Terrain(height, cell=0.5), EAST)
    distance = (30 - np.arange(30)) * 0.5
    np.testing.assert_allclose(seen[4, :30], np.arctan(4.0 / distance), rtol=1e-14)
    np.testing.assert_allclose(seen[:, 31:-1], 0.0, atol=1e-15)  # level ground beyond the wall
    np.testing.assert_array_equal(seen[:, -1], -0.5 * math.pi)  # nothing east of the last column


@pytest.mark.parametrize(("east", "north"), [(0, 30), (30, 30), (30, 0), (0, -30), (-30, -30), (-30, 0), (15, 20), (-7, 24)])
def test_apex_of_a_cone(east, north):
    cell = 0.25
    x = (np.arange(61) - 30) * cell
    terrain = Terrain(np.maximum(3.0 - 1.2 * np.hypot(*np.meshgrid(x, x)), 0.0), cell=cell)
    seen = horizon_elevation(terrain, math.atan2(east, north))[30 - north, 30 - east]
    assert seen == pytest.approx(math.atan(3.0 / (math.hypot(east, north) * cell)), rel=1e-12)


def test_curvature_hides_what_lies_below_the_bulge():
    height = np.zeros((4, 2001))
    height[:, -1] = 200.0
    seen = horizon_elevation(Terrain(height, cell=10.0), EAST, body_radius=1_737_400.0)
    far = 20_000.0
    assert seen[1, 0] == pytest.approx(math.atan(200.0 / far - far / (2 * 1_737_400.0)), rel=1e-12)
    exact = math.atan2(1_737_600.0 * math.cos(far / 1_737_400.0) - 1_737_400.0, 1_737_600.0 * math.sin(far / 1_737_400.0))
    assert seen[1, 0] == pytest.approx(exact, rel=5e-4)


def test_observer_height_lowers_the_horizon():
    height = np.zeros((4, 21))
    height[:, 20] = 4.0
    seen = horizon_elevation(Terrain(height), EAST, observer_height=1.5)
    assert seen[0, 0] == pytest.approx(math.atan(2.5 / 20.0), rel=1e-14)


@pytest.mark.parametrize("radius", [math.inf, 40.0])
@pytest.mark.parametrize("seed", range(3))
def test_exact_at_the_crossings_of_the_grid(seed, radius):
    terrain = rough(seed)
    generator = np.random.default_rng(100 + seed)
    for azimuth in [*generator.uniform(0.0, 2 * math.pi, 6), 0.0, math.pi / 4, 1.5 * math.pi]:
        seen = horizon_elevation(terrain, azimuth, body_radius=radius)
        distances = crossing_distances(terrain, azimuth)
        for row, column in generator.integers(0, terrain.height.shape, size=(25, 2)):
            assert seen[row, column] == pytest.approx(march(terrain, row, column, azimuth, distances, radius), abs=1e-9)


def test_against_fine_ray_marching():
    """Between crossings the bilinear ground bulges above the straight line: by at most a quarter of the cell's twist."""
    terrain = Terrain(rough(7).height / 3.0, cell=0.5)  # slopes: median 13, largest 42 deg; relief two cells across
    generator = np.random.default_rng(8)
    h = terrain.height
    twist = np.abs(h[1:, 1:] - h[1:, :-1] - h[:-1, 1:] + h[:-1, :-1]).max() / 4.0
    missed = []
    for azimuth in generator.uniform(0.0, 2 * math.pi, 8):
        seen = horizon_elevation(terrain, azimuth)
        distances = np.concatenate([np.arange(0.02, 60.0, 0.02), crossing_distances(terrain, azimuth)])
        for row, column in generator.integers(1, np.array(h.shape) - 1, size=(25, 2)):
            assert march(terrain, row, column, azimuth, distances) >= seen[row, column] - 1e-9
            # Within the first cell the march sees the curved ground at its feet: not a horizon that casts a shadow.
            fine = march(terrain, row, column, azimuth, distances[distances >= terrain.cell])
            assert fine <= seen[row, column] + math.atan(twist / terrain.cell)
            missed.append(math.degrees(fine - seen[row, column]))
    print(f"horizon against a fine march: underestimate 95 % {np.percentile(missed, 95):.2f}, largest {max(missed):.2f} deg")
    assert np.percentile(missed, 95) < 0.6
    assert max(missed) < 2.5


def test_real_moon():
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    path = DATA / "terrain" / "moon_aristarchus_imp.tif"
    if not path.exists():
        pytest.skip("reference data (ROVER_ENERGY_DATA) are not here")
    with rasterio.open(path) as source:
        terrain = Terrain(source.read(1).astype(np.float64)[::-1], cell=abs(source.transform.a))
    generator = np.random.default_rng(5)
    for azimuth in generator.uniform(0.0, 2 * math.pi, 3):
        seen = horizon_elevation(terrain, azimuth, body_radius=1_737_400.0)
        distances = np.arange(terrain.cell, 1500.0, 0.25)
        for row, column in generator.integers(0, terrain.height.shape, size=(20, 2)):
            fine = march(terrain, row, column, azimuth, distances, 1_737_400.0)
            assert seen[row, column] == pytest.approx(fine, abs=math.radians(0.6))


def test_no_data_casts_no_shadow_and_has_no_horizon():
    height = np.zeros((9, 30))
    height[:, 20] = 5.0
    height[3:6, 20] = np.nan
    seen = horizon_elevation(Terrain(height), EAST)
    np.testing.assert_allclose(seen[4, :19], 0.0, atol=1e-15)
    np.testing.assert_allclose(seen[0, :20], np.arctan(5.0 / (20 - np.arange(20))))
    assert np.isnan(seen[3:6, 20]).all()
    assert np.isfinite(np.delete(seen, 20, axis=1)).all()


def test_compiled_and_numpy_sweeps_agree_to_the_last_bit(monkeypatch):
    terrain = rough(3)
    azimuths = np.append(np.random.default_rng(4).uniform(0.0, 2 * math.pi, 5), [0.0, EAST, math.pi / 4])
    if horizon._library() is None:
        pytest.skip("no C compiler: only the numpy sweep is in use")
    compiled = horizon_elevation(terrain, azimuths, observer_height=0.3, body_radius=1_737_400.0)
    monkeypatch.setattr(horizon, "_library", lambda: None)
    np.testing.assert_array_equal(horizon_elevation(terrain, azimuths, observer_height=0.3, body_radius=1_737_400.0), compiled)


def test_turning_the_map_turns_the_horizon():
    terrain = rough(9, (40, 40))
    turned = Terrain(np.rot90(terrain.height, -1).copy(), cell=terrain.cell)  # rows run north: this turns the ground by +90 deg
    for azimuth in (0.2, 1.9, 4.4):
        there = horizon_elevation(turned, azimuth - EAST)
        np.testing.assert_allclose(np.rot90(there), horizon_elevation(terrain, azimuth), atol=1e-9)


def test_far_horizon_is_periodic_and_linear():
    table = np.radians([[350.0, 2.0], [10.0, 4.0], [180.0, -1.0]])
    seen = far_horizon_elevation(table, np.radians([0.0, 360.0, 10.0, 95.0]))
    np.testing.assert_allclose(seen, np.radians([3.0, 3.0, 4.0, 1.5]))
    np.testing.assert_array_equal(far_horizon_elevation(None, [0.0, 1.0]), 0.0)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"azimuth": math.nan}, "azimuth"), ({"azimuth": [0.0, math.inf]}, "azimuth"), ({"azimuth": [[0.0]]}, "azimuth"),
        ({"azimuth": 0.0, "body_radius": 0.0}, "body_radius"), ({"azimuth": 0.0, "body_radius": math.nan}, "body_radius"),
        ({"azimuth": 0.0, "observer_height": -1.0}, "observer_height"),
        ({"azimuth": 0.0, "observer_height": math.nan}, "observer_height"),
    ],
)  # fmt: skip
def test_bad_input(arguments, field):
    with pytest.raises(InputError, match=field) as caught:
        horizon_elevation(rough(0), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("table", [[1.0, 2.0], [], [[0.0, math.nan]], [[0.0, 2.0]], [[0.0, 0.1, 0.2]]])
def test_bad_far_horizon(table):
    with pytest.raises(InputError, match="far_horizon"):
        far_horizon_elevation(table, 0.0)
