"""Light of the Sun's finite disc against areas, closed forms and conservation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from rover_energy.environment.bodies import sun_angular_radius
from rover_energy.environment.illumination import disc_fraction, sunlit_nodes
from rover_energy.errors import InputError
from rover_energy.terrain.raster import Terrain

RADIUS = sun_angular_radius(1.0)
EAST = 0.5 * math.pi


def test_disc_fraction_is_the_area_above_the_edge():
    assert disc_fraction(0.0, RADIUS) == pytest.approx(0.5)
    np.testing.assert_allclose(disc_fraction([-2.0, -1.0, 1.0, math.inf, -math.inf], 1.0), [0.0, 0.0, 1.0, 1.0, 0.0], atol=1e-15)
    for u in (-0.9, -0.3, 0.2, 0.77):
        area, _ = integrate.quad(lambda z: 2.0 * math.sqrt(1.0 - z * z), -u, 1.0)  # heights above the edge at -u
        assert float(disc_fraction(u * RADIUS, RADIUS)) == pytest.approx(area / math.pi, abs=1e-9)
    assert np.isnan(disc_fraction(np.nan, RADIUS))


def test_penumbra_of_a_wall():
    """Light fades over the distance times the disc's width, 0.53 deg, measured across the ray."""
    cell, wall_height, elevation = 0.05, 6.0, math.radians(6.0)
    height = np.zeros((5, 1601))
    height[:, -1] = wall_height
    seen = sunlit_nodes(Terrain(height, cell=cell), [EAST], [elevation], [RADIUS])[0, 2]
    distance = (1600 - np.arange(1600)) * cell
    np.testing.assert_allclose(seen[:-1], disc_fraction(elevation - np.arctan(wall_height / distance), RADIUS), atol=1e-12)
    first_light = distance[seen[:-1] > 0.0].min()
    full_light = distance[seen[:-1] >= 1.0].min()
    assert first_light == pytest.approx(wall_height / math.tan(elevation + RADIUS), abs=cell)
    assert full_light == pytest.approx(wall_height / math.tan(elevation - RADIUS), abs=cell)
    middle = wall_height / math.sin(elevation)  # along the ray
    assert (full_light - first_light) * math.sin(elevation) == pytest.approx(middle * math.radians(0.533), rel=0.02)


def test_level_ground_sees_a_setting_disc():
    flat = Terrain(np.zeros((6, 7)))
    elevation = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]) * RADIUS
    seen = sunlit_nodes(flat, np.zeros(7), elevation, np.full(7, RADIUS))
    for k, value in enumerate(disc_fraction(elevation, RADIUS)):
        np.testing.assert_allclose(seen[k], value, atol=1e-12)


def test_far_horizon_takes_the_light():
    flat = Terrain(np.zeros((6, 7)))
    mask = np.radians([[0.0, 5.0], [90.0, 0.0], [180.0, 0.0], [270.0, 0.0]])
    seen = sunlit_nodes(flat, [0.0, math.pi], np.radians([3.0, 3.0]), [RADIUS, RADIUS], far_horizon=mask)
    assert seen[0].max() == 0.0
    assert seen[1].min() == 1.0


def test_panel_above_the_ground_sees_more():
    height = np.zeros((6, 40))
    height[:, -1] = 2.0
    low, high = (
        sunlit_nodes(Terrain(height), [EAST], [math.radians(4.0)], [RADIUS], panel_height=h)[0] for h in (0.0, 1.0)
    )  # fmt: skip
    assert np.all(high >= low)
    assert high.sum() > low.sum() + 10.0


def test_footprint_spreads_the_edge_and_keeps_the_light():
    height = np.zeros((60, 200))
    height[:, -1] = 10.0
    terrain = Terrain(height, cell=0.2)
    sharp, soft = (sunlit_nodes(terrain, [EAST], [math.radians(30.0)], [RADIUS], footprint=f)[0] for f in (0.0, 0.6))
    edge = slice(60, 170)
    assert np.abs(np.diff(soft[30, edge])).max() < 0.3 * np.abs(np.diff(sharp[30, edge])).max()
    assert soft[:, edge].sum() == pytest.approx(sharp[:, edge].sum(), rel=1e-6)
    assert soft.min() >= 0.0
    assert soft.max() <= 1.0
    # An edge blurred by a Gaussian falls as its integral: 68 % of the fall within one standard deviation to either side.
    middle = np.interp(0.5, soft[30, edge][::-1], np.arange(60, 170)[::-1])
    fall = np.interp(middle - 3.0, np.arange(200), soft[30]) - np.interp(middle + 3.0, np.arange(200), soft[30])
    assert fall == pytest.approx(0.683, abs=0.02)


def test_nodes_without_data_get_their_neighbours_light():
    height = np.zeros((10, 30))
    height[:, -1] = 10.0
    height[4:6, 3:6] = np.nan
    seen = sunlit_nodes(Terrain(height), [EAST], [math.radians(30.0)], [RADIUS])[0]
    assert np.isfinite(seen).all()
    assert seen[4:6, 3:6].min() == 1.0


@pytest.mark.parametrize(
    ("arguments", "keywords", "field"),
    [
        (([0.0], [0.1, 0.2], [RADIUS]), {}, "sun"), (([0.0], [math.nan], [RADIUS]), {}, "sun"),
        (([0.0], [0.1], [0.0]), {}, "radius"), (([0.0], [0.1], [RADIUS]), {"footprint": -1.0}, "footprint"),
        (([0.0], [0.1], [RADIUS]), {"footprint": math.nan}, "footprint"),
        (([0.0], [0.1], [RADIUS]), {"panel_height": math.nan}, "observer_height"),
    ],
)  # fmt: skip
def test_bad_input(arguments, keywords, field):
    with pytest.raises(InputError, match=field):
        sunlit_nodes(Terrain(np.zeros((5, 5))), *arguments, **keywords)
