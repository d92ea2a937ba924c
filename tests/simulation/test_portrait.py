"""The picture of a drive: it shows the rover, its path and its shadow, from what was recorded."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from simulation_cases import ROVER, SUN, rough, surface

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.simulation import scenery as ground
from rover_energy.simulation.portrait import Drive, best_moment, portrait
from rover_energy.terrain import Terrain


def drive(n: int = 60) -> Drive:
    t = np.linspace(0.0, 60.0, n)
    x = 14.0 + 0.2 * t
    pose = np.stack([x, 20.0 + 0.0 * t, 0.0 * t], axis=-1)
    return Drive(t, pose, np.zeros((n, 4)), pose[:, :2])


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    pytest.importorskip("mujoco", reason="needs the extra 'simulation' (mujoco)")
    terrain = rough()
    try:
        return portrait(drive(), terrain, surface(terrain), SUN, ROVER, width=640, height=360).astype(int)
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_rover_path_ground_and_sky_are_seen(picture: np.ndarray) -> None:
    red, green, blue = (picture[..., k] for k in range(3))
    assert picture.shape == (360, 640, 3)
    assert np.median(picture[:20]) < 10  # the sky
    gold = (red > 90) & (green > 55) & (blue < 0.55 * red)
    middle = gold[90:270, 160:480]
    assert middle.sum() > 600
    orange = (red > 180) & (green < 0.65 * red) & (blue < 60)
    assert orange.sum() > 150
    grey = picture[200:].std(axis=-1) < 12
    assert grey.mean() > 0.5
    assert 60 < picture[200:][grey].mean() < 210  # exposed, neither black nor burnt out


def test_there_are_lit_and_shadowed_places(picture: np.ndarray) -> None:
    grey = picture[120:][picture[120:].std(axis=-1) < 12].mean(axis=-1)
    assert np.quantile(grey, 0.99) > 2.0 * np.quantile(grey, 0.01)


def test_the_moment_is_bright_and_in_the_middle() -> None:
    class Light:
        def sunlit_fraction(self, x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
            return ((t < 10.0) | (np.abs(t - 24.0) < 2.0)).astype(float)

    assert 22.0 <= drive().time[best_moment(drive(), Light())] <= 26.0  # type: ignore[arg-type]


def test_an_empty_record_is_refused() -> None:
    none = Drive(np.empty(0), np.empty((0, 3)), np.empty((0, 4)), np.zeros((2, 2)))
    with pytest.raises(InputError, match="no poses"):
        portrait(none, rough(), surface(rough()), SUN, ROVER)


@pytest.mark.parametrize(("value", "wanted"), [(3.0, 3.0), (-1.0, 1.0), (11.0, 9.0), (21.0, 1.0), (-12.0, 8.0), (10.0, 10.0)])
def test_mirror_images(value: float, wanted: float) -> None:
    assert ground.folded(np.array(value), 0.0, 10.0) == pytest.approx(wanted)


def test_mesh_lies_on_the_terrain_and_faces_up() -> None:
    """Read back by its format: 4 counts, then vertices, normals, texture coordinates, faces."""
    terrain = Terrain(np.tile(0.1 * np.arange(41.0), (41, 1)), cell=1.0)  # rises 0.1 towards east
    up = np.array([0.0, 0.0, 1.0])
    made = ground.scenery(terrain, "moon", up, (20.0, 20.0), np.zeros((1, 6, 2)), 0.1)
    vertices, normals, coordinates, faces = struct.unpack("<4i", made.mesh[:16])
    assert vertices == normals == coordinates
    numbers = np.frombuffer(made.mesh, "<f4", 8 * vertices, 16)
    points = numbers[: 3 * vertices].reshape(-1, 3)
    near = np.abs(points[:, :2]).max(axis=1) < 15.0
    assert np.abs(points[near, 2] - 0.1 * points[near, 0]).max() < 6.0 * ground.GRAIN
    triangles = np.frombuffer(made.mesh, "<i4", 3 * faces, 16 + 4 * 8 * vertices).reshape(-1, 3)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0.0).all()
    assert made.origin == pytest.approx([20.0, 20.0, 2.0])
    assert np.hypot(*points[:, :2].T).max() > ground.REACH


def test_shadows_fall_away_from_the_sun() -> None:
    """A wall across the middle, Sun low in the west: dark east of it, lit west of it."""
    height = np.zeros((81, 81))
    height[:, 40] = 2.0
    land = ground.Land(Terrain(height, cell=0.5))
    sun = np.array([-math.cos(0.3), 0.0, math.sin(0.3)])
    lit = land.lit(np.array([12.0, 23.0]), np.array([20.0]), sun)
    assert lit.shape == (1, 2)
    assert lit[0, 0] > 0.9
    assert lit[0, 1] < 0.1
