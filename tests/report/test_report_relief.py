"""Pictures of the ground against shapes with known answers."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import MultiPolygon, box

from rover_energy.environment.scene import Environment
from rover_energy.report import relief
from rover_energy.terrain.field import field_coefficients
from rover_energy.terrain.raster import Terrain


def cone(hole: bool = False) -> Terrain:
    x, y = np.meshgrid(np.arange(-10.0, 10.01, 0.25), np.arange(-8.0, 8.01, 0.25))
    height = -0.2 * np.hypot(x, y)
    if hole:
        height[:10, :10] = np.nan
    return Terrain(height, -10.0, -8.0, 0.25, "cone")


def test_heights_are_those_of_a_cubic_and_rows_run_north_to_south() -> None:
    x, y = np.meshgrid(np.arange(40) * 0.5, np.arange(30) * 0.5)
    terrain = Terrain(0.1 * x + 0.02 * y**2, 0.0, 0.0, 0.5)
    window = relief.Window(3.0, 2.0, 15.0, 12.0)
    px, py = window.pixels(120)
    assert px.shape == (100, 120)
    assert py[0, 0] > py[-1, 0]
    np.testing.assert_allclose(relief.sample_height(terrain, px, py), 0.1 * px + 0.02 * py**2, atol=1e-3)


def test_no_data_and_outside_have_no_height() -> None:
    terrain = cone(hole=True)
    x, y = np.array([-9.5, -5.0, 30.0, 0.0]), np.array([-7.5, -5.0, 0.0, 9.0])
    assert np.isnan(relief.sample_height(terrain, x, y)).tolist() == [True, False, True, True]
    empty = relief.sample_height(terrain, np.array([-9.9]), np.array([-7.9]))
    assert np.isnan(empty).all()


def test_the_side_towards_the_light_is_brighter() -> None:
    x, y = relief.whole(cone()).pixels(160)
    light, exaggeration = relief.shade(relief.sample_height(cone(), x, y), float(x[0, 1] - x[0, 0]))
    north_west, south_east = light[(x < -2) & (y > 2)], light[(x > 2) & (y < -2)]
    assert north_west.min() > south_east.max()
    assert exaggeration == pytest.approx(np.tan(relief.SHADED_SLOPE) / 0.2, rel=0.06)
    flat, none = relief.shade(np.zeros((20, 20)), 1.0)
    np.testing.assert_allclose(flat, np.sin(relief.LIGHT_ELEVATION), rtol=1e-12)
    assert none >= 1.0


def test_contours_of_a_cone_are_circles() -> None:
    window = relief.whole(cone())
    grey, height, _ = relief.relief_picture(cone(), window, 300)
    assert 0.0 <= grey.min() <= grey.max() <= 1.0
    lines, step = relief.contour_lines(window, height)
    assert step == pytest.approx(0.2)
    level, runs = next((level, runs) for level, runs in lines if level == pytest.approx(-1.0))
    np.testing.assert_allclose(np.hypot(*runs[0].T), -level / 0.2, atol=0.02)
    assert relief.contour_lines(window, np.zeros((10, 10))) == ([], 0.0)


@pytest.mark.parametrize("place", [(0.0, 0.0), (-9.0, 7.0), (9.9, -7.9)])
def test_window_holds_the_path_and_stays_on_the_terrain(place: tuple[float, float]) -> None:
    x, y = place[0] + np.linspace(0.0, 0.1, 5), place[1] + np.zeros(5)
    window, full = relief.around(cone(), x, y), relief.whole(cone())
    assert full.xmin <= window.xmin <= x.min() <= x.max() <= window.xmax <= full.xmax
    assert full.ymin <= window.ymin <= y.min() <= y.max() <= window.ymax <= full.ymax
    assert 0.5 - 1e-9 <= window.height / window.width <= 0.8 + 1e-9


def test_shadow_frames_follow_the_shadow_and_skip_what_stays() -> None:
    lit = np.ones((3, 20, 20))
    lit[0, :, :10] = lit[1, :, :10] = 0.0
    fields = np.stack([field_coefficients(layer) for layer in lit])
    sun = np.tile([1.0, 0.0, 0.0], (3, 1))
    scene = Environment(np.array([0.0, 10.0, 20.0]), 1.62, sun, np.full(3, 1361.0), np.zeros(3), fields, 0.0, 0.0, 1.0)
    frames = relief.shadow_frames(scene, relief.Window(0.0, 0.0, 19.0, 19.0), np.array([0.0, 5.0, 10.0, 20.0]), 40)
    assert [t for t, _ in frames] == [0.0, 20.0]
    assert frames[0][1][:, 0].max() < 0.01
    assert frames[0][1][:, -1].min() > 0.99
    assert relief.shadow_frames(None, relief.Window(0.0, 0.0, 1.0, 1.0), np.zeros(1), 10) == []
    assert relief.shadow_frames(Environment.dark(1.62), relief.Window(0.0, 0.0, 1.0, 1.0), np.zeros(1), 10) == []


def test_pictures_read_back() -> None:
    grey, alpha = np.linspace(0.0, 1.0, 12).reshape(3, 4), np.full((3, 4), 0.5)
    uri = relief.data_uri(grey, alpha)
    prefix = "data:image/png;base64,"
    assert uri.startswith(prefix)
    image = Image.open(io.BytesIO(base64.b64decode(uri[len(prefix) :])))
    assert (image.mode, image.size) == ("LA", (4, 3))
    np.testing.assert_allclose(np.asarray(image)[..., 0] / 255.0, grey, atol=0.5 / 255)
    assert np.unique(np.asarray(image)[..., 1]).tolist() == [128]


def test_rings_of_polygons_parts_and_points() -> None:
    square = box(0.0, 0.0, 1.0, 1.0)
    found = relief.rings([square, MultiPolygon([square, box(2.0, 2.0, 3.0, 3.0)]), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]])
    assert [len(ring) for ring in found] == [5, 5, 3]  # the square stands there twice
