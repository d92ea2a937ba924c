"""The terrain's own checks."""

import dataclasses

import numpy as np
import pytest
from shapely.geometry import Polygon

from rover_energy.errors import InputError
from rover_energy.terrain.raster import Terrain, polygons_from_rings, terrain_slope

FLAT = np.zeros((5, 6))
BOW_TIE = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


def test_coordinates_run_from_the_south_west_node() -> None:
    terrain = Terrain(FLAT, 10.0, -2.0, 0.5)
    assert terrain.extent == (10.0, -2.0, 12.5, 0.0)
    assert terrain.x.tolist() == [10.0, 10.5, 11.0, 11.5, 12.0, 12.5]
    assert terrain.y[-1] == 0.0


def test_heights_are_a_read_only_copy() -> None:
    source = FLAT.copy()
    terrain = Terrain(source)
    source[0, 0] = 9.0
    assert terrain.height[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        terrain.height[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        terrain.cell = 2.0  # type: ignore[misc]


def test_slope_of_a_plane() -> None:
    gx, gy = np.meshgrid(np.arange(6) * 2.0, np.arange(5) * 2.0)
    assert np.allclose(terrain_slope(Terrain(0.3 * gx + 0.4 * gy, cell=2.0)), np.arctan(0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": np.zeros((3, 9))}, r"height: has shape \(3, 9\), fewer than 4 x 4 nodes"),
        ({"height": np.zeros(9)}, r"height: has shape \(9,\)"),
        ({"height": [["a"] * 5] * 5}, "height: is not an array of numbers"),
        ({"height": np.full((5, 5), np.nan)}, "height: has no valid node at all"),
        ({"height": np.full((5, 5), np.inf)}, "height = inf: is not within"),
        ({"height": np.full((5, 5), 1737400.0)}, r"height = 1737400\.0: is not within -9500 .. 25000 m; mark missing .* datum"),
        ({"height": np.diag([1.0, 1, 1, 1, -9999.0])}, r"height = -9999\.0: is not within"),
        ({"cell": 0.0}, r"cell = 0\.0: is not a positive length"),
        ({"cell": np.nan}, "cell = nan: is not a positive length"),
        ({"x0": np.inf}, "x0, y0"),
        ({"keep_outs": (BOW_TIE,)}, r"keep_outs\[0\]: is not a valid polygon"),
        ({"keep_outs": ("rock",)}, r"keep_outs\[0\]"),
    ],
)
def test_bad_terrain_is_refused_in_one_line(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Terrain(**{"height": FLAT, "name": "site", **change})
    assert str(caught.value).startswith("site: ")
    assert "\n" not in str(caught.value)


def test_rings_become_polygons() -> None:
    square, triangle = polygons_from_rings([[(0, 0), (2, 0), (2, 2), (0, 2)], [(5, 5), (6, 5), (5, 7), (5, 5)]], "m.yaml")
    assert (square.area, triangle.area) == (4.0, 1.0)


@pytest.mark.parametrize(
    "ring", [[(0, 0), (1, 1)], [(0, 0), (1, 1), (1, 0), (0, 1)], [(0, 0), (1, np.nan), (1, 0)], "abc", [1, 2]]
)
def test_bad_rings_are_refused(ring: object) -> None:
    with pytest.raises(InputError, match=r"m\.yaml: keep_outs\[0\]"):
        polygons_from_rings([ring], "m.yaml")  # type: ignore[list-item]
