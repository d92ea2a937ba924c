"""Ground, colours and route as geometry."""

from __future__ import annotations

import numpy as np
import pytest

from rover_energy.rover import RoverParameters
from rover_energy.simulation.geometry import rover_geometry
from rover_energy.terrain.raster import Terrain
from rover_energy.views import scene


def slope(ny: int = 30, nx: int = 50, cell: float = 0.5) -> Terrain:
    x, y = np.meshgrid(2.0 + cell * np.arange(nx), -1.0 + cell * np.arange(ny))
    return Terrain(0.3 * x - 0.2 * y, 2.0, -1.0, cell, "slope")


def test_ground_is_where_the_terrain_is() -> None:
    mesh = scene.ground(slope())
    x, y, z = mesh.vertices.T
    assert z == pytest.approx(0.3 * x - 0.2 * y)
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((2.0, 26.5, -1.0, 13.5))
    corners = mesh.vertices[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] > 0.0).all()  # counter-clockwise from above
    assert 0.5 * normals[:, 2].sum() == pytest.approx(24.5 * 14.5)  # every place is covered once
    assert mesh.colours.shape == mesh.vertices.shape


def test_ground_is_thinned_and_has_holes_where_nothing_is_known() -> None:
    height = np.array(slope(400, 300).height)
    height[100:140, 60:90] = np.nan
    mesh = scene.ground(Terrain(height, 0.0, 0.0, 0.5, "hole"), most=100)
    assert len(mesh.vertices) <= 100 * 100
    assert np.isfinite(mesh.vertices).all()
    middle = mesh.vertices[mesh.triangles].mean(axis=1)
    inside = (middle[:, 0] > 31.0) & (middle[:, 0] < 44.0) & (middle[:, 1] > 51.0) & (middle[:, 1] < 69.0)
    assert not inside.any()


def test_colours_run_along_the_ramp() -> None:
    made = scene.colours([10.0, 20.0, np.nan, 5.0, 99.0], 10.0, 20.0)
    assert made[0].tolist() == made[3].tolist() == scene.RAMP[0].tolist()
    assert made[1].tolist() == made[4].tolist() == scene.RAMP[-1].tolist()
    assert made[2].tolist() == [128, 128, 128]
    assert scene.colours([1.0], 1.0, 1.0).shape == (1, 3)


def test_route_keeps_its_ends_and_its_spacing() -> None:
    t = np.linspace(0.0, 1.0, 5001)
    points = np.column_stack([40.0 * t, 10.0 * np.sin(3.0 * t), np.zeros_like(t)])
    kept = scene.thinned(points, 0.1)
    assert (kept[0], kept[-1]) == (0, 5000)
    gaps = np.linalg.norm(np.diff(points[kept], axis=0), axis=1)
    assert gaps.max() < 0.12
    assert len(scene.thinned(np.zeros((0, 3)), 0.1)) == 0


def test_the_rover_stands_on_its_wheels() -> None:
    boxes, shape = scene.rover(RoverParameters()), rover_geometry(RoverParameters(), None, gravity=1.62)
    wheels = boxes[-6:]
    assert min(box.centre[2] - box.half[2] for box in boxes) == pytest.approx(0.0)
    assert {(box.centre[0], box.centre[1]) for box in wheels} == {(float(p[0]), float(p[1])) for p in shape.positions}
