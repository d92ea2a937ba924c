"""The environment as a function of place and time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import interpolate, ndimage

from rover_energy.environment.bodies import MARS, MOON
from rover_energy.environment.scene import MAXIMUM_SLICES, Environment, build_environment, direction
from rover_energy.environment.sun import parse_utc, sun_position, terrestrial_days
from rover_energy.errors import InputError
from rover_energy.mission import SiteParameters
from rover_energy.terrain.raster import Terrain

FOOTPRINT = 0.4
MOON_SITE = SiteParameters(latitude=-80.0, longitude=20.0, start="2028-03-09T06:00:00")
MARS_SITE = SiteParameters(body="mars", latitude=18.4, longitude=77.5, start="2028-03-01T05:30:00", optical_depth=0.6)


@pytest.fixture(scope="module")
def terrain() -> Terrain:
    height = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(70, 80)), 5.0) * 12.0
    return Terrain(height, 4.0, -3.0, 0.4)


@pytest.fixture(scope="module")
def moon(terrain) -> Environment:
    scene = build_environment(MOON_SITE, terrain, 7200.0, FOOTPRINT)
    assert 0.2 < scene.sunlit.mean() < 0.98, "the scene must have light and shadow to test anything"
    return scene


def random_points(scene: Environment, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    xmin, ymin, xmax, ymax = scene.sunlit_field.extent
    x, y = generator.uniform(xmin + 0.1, xmax - 0.1, n), generator.uniform(ymin + 0.1, ymax - 0.1, n)
    return x, y, generator.uniform(scene.times[0], scene.times[-1], n)


def test_everything_is_linear_between_slices(moon):
    t = np.random.default_rng(0).uniform(moon.times[0], moon.times[-1], 200)
    t = np.concatenate([t, moon.times])
    for method, values in (
        (moon.sun_direction, moon.sun), (moon.direct_irradiance, moon.direct), (moon.diffuse_irradiance, moon.diffuse),
    ):  # fmt: skip
        np.testing.assert_allclose(method(t), interpolate.interp1d(moon.times, values, axis=0)(t), rtol=1e-12, atol=1e-12)
    x, y, t = random_points(moon, 300, 1)
    # Independent: scipy's spline of the same coefficients, and its own linear interpolation between slices.
    rows, columns = (y - moon.y0) / moon.cell + 1.0, (x - moon.x0) / moon.cell + 1.0
    layers = np.array([ndimage.map_coordinates(c, [rows, columns], order=3, prefilter=False) for c in moon.sunlit])
    expected = np.array([np.interp(t[k], moon.times, layers[:, k]) for k in range(t.size)])
    np.testing.assert_allclose(moon.sunlit_fraction(x, y, t), expected, atol=1e-12)


def test_gradient_against_finite_differences(moon):
    x, y, t = random_points(moon, 2000, 3)
    step = 1e-5
    gx, gy = moon.sunlit_gradient(x, y, t)
    fx = (moon.sunlit_fraction(x + step, y, t) - moon.sunlit_fraction(x - step, y, t)) / (2 * step)
    fy = (moon.sunlit_fraction(x, y + step, t) - moon.sunlit_fraction(x, y - step, t)) / (2 * step)
    assert np.abs(fx).max() > 0.05
    np.testing.assert_allclose(gx, fx, atol=1e-6)
    np.testing.assert_allclose(gy, fy, atol=1e-6)


def test_gradient_is_continuous_across_cells(moon):
    x = moon.x0 + moon.cell * np.arange(2, 70)
    y, t = np.full(x.size, moon.y0 + 11.3), moon.times[2] + 100.0
    for shift in (1e-9,):
        before, after = moon.sunlit_gradient(x - shift, y, t), moon.sunlit_gradient(x + shift, y, t)
        np.testing.assert_allclose(before, after, atol=1e-7)


def test_fraction_stays_within_its_range(moon):
    fraction = moon.sunlit_fraction(*random_points(moon, 5000, 4))
    assert fraction.min() >= 0.0
    assert fraction.max() <= 1.0 + 1e-12


def test_outside_place_and_time_is_nan(moon):
    x, y = moon.x0 + 5.0, moon.y0 + 5.0
    for t in (-1e-3, moon.times[-1] + 1e-3, math.nan):
        for method in (moon.sun_direction, moon.direct_irradiance, moon.diffuse_irradiance):
            assert np.isnan(method(t)).all()
        assert np.isnan(moon.sunlit_fraction(x, y, t))
    for point in ((moon.x0 - 0.01, y), (x, 1e6), (math.nan, y)):
        assert np.isnan(moon.sunlit_fraction(*point, 10.0))
    assert np.isfinite(moon.sunlit_fraction(x, y, moon.times[-1]))


def test_shapes_broadcast(moon):
    x, y, t = moon.x0 + np.arange(1.0, 6.0), moon.y0 + np.arange(1.0, 4.0)[:, None], 600.0
    assert moon.sunlit_fraction(x, y, t).shape == (3, 5)
    assert moon.sunlit_fraction(x, y, np.full((2, 1, 1), t)).shape == (2, 3, 5)
    assert moon.sun_direction(np.zeros((2, 3))).shape == (2, 3, 3)
    assert moon.sun_direction(0.0).shape == (3,)


def test_constant_scene_is_the_same_at_all_times():
    scene = Environment.constant(1.62, math.radians(90.0), math.radians(30.0), 1000.0, 50.0)
    to_sun = np.tile([math.cos(math.pi / 6), 0.0, 0.5], (3, 1))
    np.testing.assert_allclose(scene.sun_direction([-1e9, 0.0, 1e9]), to_sun, atol=1e-15)
    np.testing.assert_array_equal(scene.direct_irradiance([-5.0, 5.0]), 1000.0)
    np.testing.assert_array_equal(scene.diffuse_irradiance([-5.0, 5.0]), 50.0)
    np.testing.assert_array_equal(scene.sunlit_fraction([0.0, 1e5], 3.0, 1e7), 1.0)
    assert np.isnan(scene.direct_irradiance(math.nan))
    assert np.isnan(scene.sunlit_fraction(math.nan, 0.0, 0.0))
    azimuth, elevation = scene.sun_angles(0.0)
    assert (float(azimuth), float(elevation)) == pytest.approx((math.radians(90.0), math.radians(30.0)))


def test_azimuth_turns_from_north_to_east():
    seen = direction([0.0, math.pi / 2, math.pi, 1.5 * math.pi], 0.0)
    np.testing.assert_allclose(seen, [[0, 1, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0]], atol=1e-15)


def test_constant_scene_with_a_wall():
    height = np.zeros((20, 60))
    height[:, -1] = 8.0
    scene = Environment.constant(1.62, math.pi / 2, math.radians(20.0), 1361.0, terrain=Terrain(height))
    shadow = 8.0 / math.tan(math.radians(20.0))
    assert float(scene.sunlit_fraction(59.0 - shadow + 4.0, 10.0, 0.0)) == 0.0
    assert float(scene.sunlit_fraction(59.0 - shadow - 4.0, 10.0, 0.0)) == pytest.approx(1.0)
    assert 0.0 < float(scene.sunlit_fraction(59.0 - shadow, 10.0, 0.0)) < 1.0


def test_dark():
    scene = Environment.dark(1.62)
    assert scene.direct_irradiance(1e4) == 0.0
    assert scene.diffuse_irradiance(1e4) == 0.0


@pytest.mark.parametrize("elevation", [-1.0, -0.26])
def test_no_beam_when_the_disc_is_under_the_horizontal(elevation):
    lit = Environment.constant(1.62, 0.0, math.radians(elevation), 1361.0).direct[0]
    with_terrain = Environment.constant(1.62, 0.0, math.radians(elevation), 1361.0, terrain=Terrain(np.zeros((5, 5))))
    assert (lit > 0.0) == (elevation > -0.2665)
    seen = with_terrain.direct[0] * with_terrain.sunlit_fraction(2.0, 2.0, 0.0)
    assert seen == pytest.approx(lit, rel=1e-9)  # the horizontal cuts the disc once, whichever way


@pytest.mark.parametrize(("site", "body"), [(MOON_SITE, MOON), (MARS_SITE, MARS)], ids=["moon", "mars"])
def test_sun_between_slices_is_the_sun(terrain, site, body):
    scene = build_environment(site, terrain, 7200.0, FOOTPRINT)
    t = np.linspace(0.0, 7200.0, 1001)
    days = terrestrial_days(parse_utc(site.start)) + t / 86400.0
    true = sun_position(body, math.radians(site.latitude), math.radians(site.longitude), days)
    error = np.linalg.norm(scene.sun_direction(t) - direction(true.azimuth, true.elevation), axis=1).max()
    dense = build_environment(site, terrain, 7200.0, FOOTPRINT, max_slices=961)
    direct = np.abs(scene.direct_irradiance(t) - dense.direct_irradiance(t)).max() / dense.direct.max()
    print(f"{body.name}: {scene.times.size} slices, direction off by {error:.1e} rad, direct light by {direct:.1e} of its peak")
    assert scene.gravity == body.gravity
    assert scene.times.size <= MAXIMUM_SLICES
    assert scene.direct.max() > 0.0
    assert error < 5e-5
    assert direct < 1e-3


def test_light_between_slices_is_near_the_light_of_dense_slices(terrain, moon):
    dense = build_environment(MOON_SITE, terrain, 7200.0, FOOTPRINT, max_slices=200)
    assert dense.times.size == moon.times.size  # a quarter of a degree per slice is enough: more are not made
    middle = 0.5 * (moon.times[2] + moon.times[3])
    days = terrestrial_days(parse_utc(MOON_SITE.start)) + middle / 86400.0
    sun = sun_position(MOON, math.radians(-80.0), math.radians(20.0), days)
    exact = Environment.constant(
        MOON.gravity, float(sun.azimuth), float(sun.elevation), 1361.0, terrain=terrain, footprint=FOOTPRINT,
    )  # fmt: skip
    x, y, _ = random_points(moon, 4000, 6)
    error = np.abs(moon.sunlit_fraction(x, y, middle) - exact.sunlit_fraction(x, y, 0.0))
    print(f"light half-way between slices: mean error {error.mean():.4f}, largest {error.max():.3f}")
    assert error.mean() < 0.01
    assert error.max() < 0.15


def test_grid_azimuth_turns_the_sun(terrain):
    plain = build_environment(MOON_SITE, terrain, 3600.0, FOOTPRINT)
    turned = build_environment(MOON_SITE, terrain, 3600.0, FOOTPRINT, grid_azimuth=math.radians(30.0))
    (a, e), (b, f) = plain.sun_angles(0.0), turned.sun_angles(0.0)
    assert (float(a) - float(b)) % (2 * math.pi) == pytest.approx(math.radians(30.0))
    assert float(e) == pytest.approx(float(f))


def test_fixed_sun_and_no_shadows(terrain):
    site = SiteParameters(sun_azimuth=45.0, sun_elevation=10.0, cast_shadows=False)
    scene = build_environment(site, terrain, 7200.0, FOOTPRINT)
    assert scene.times.size == 1
    assert scene.sunlit is None
    assert float(scene.direct_irradiance(1e5)) == pytest.approx(1361.0)
    np.testing.assert_allclose(scene.sun_angles(0.0), np.radians([45.0, 10.0]))
    mars = build_environment(SiteParameters(body="mars", sun_azimuth=0.0, sun_elevation=40.0), terrain, 60.0, FOOTPRINT)
    assert 0.0 < mars.diffuse[0] < mars.direct[0] < 590.0
    assert mars.sunlit is not None


@pytest.mark.parametrize(
    ("site", "keywords", "field"),
    [
        ({"sun_elevation": 10.0}, {}, "sun_azimuth"), ({"sun_azimuth": 10.0}, {}, "sun_elevation"),
        ({"start": "noon"}, {}, "start"), ({"start": "2150-01-01"}, {}, "start"),
        ({}, {"horizon_seconds": math.nan}, "horizon"), ({}, {"horizon_seconds": 0.0}, "horizon"),
        ({}, {"horizon_seconds": math.inf}, "horizon"), ({"body": "mars"}, {"horizon_seconds": 1e6}, "horizon"),
        ({}, {"footprint": math.nan}, "footprint"), ({}, {"max_slices": 1}, "max_slices"),
        ({}, {"panel_height": -1.0}, "observer_height"),
        ({}, {"far_horizon": [1.0]}, "far_horizon"), ({}, {"grid_azimuth": math.nan}, "grid_azimuth"),
    ],
)  # fmt: skip
def test_mission_that_cannot_be_used(terrain, site, keywords, field):
    arguments = {"horizon_seconds": 3600.0, "footprint": FOOTPRINT, **keywords}
    start = {"latitude": -80.0, "longitude": 20.0, "start": "2028-03-09T06:00:00", **site}
    with pytest.raises(InputError, match=field) as caught:
        build_environment(SiteParameters(**start), terrain, **arguments)
    assert "\n" not in str(caught.value)


GOOD = {
    "times": np.array([0.0, 1.0]), "gravity": 1.6, "sun": np.array([[0.0, 0.0, 1.0]] * 2),
    "direct": np.ones(2), "diffuse": np.zeros(2), "sunlit": np.ones((2, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("times", "noon"),
        ("times", [0.0, math.nan]), ("times", [1.0, 0.0]), ("times", [[0.0, 1.0]]), ("gravity", 0.0), ("gravity", math.nan),
        ("sun", np.ones((2, 3))), ("sun", np.ones((3, 3))), ("direct", [1.0, -1.0]), ("direct", [1.0, math.nan]),
        ("direct", [1.0]), ("diffuse", [-1.0, 0.0]), ("sunlit", np.full((2, 8, 8), 1.1)),
        ("sunlit", np.full((2, 8, 8), np.nan)), ("sunlit", np.ones((8, 8))),
    ],
)  # fmt: skip
def test_environment_checks_its_parts(field, value):
    Environment(**GOOD)
    with pytest.raises(InputError, match=field):
        Environment(**{**GOOD, field: value})


def test_slices_that_are_not_uniform_are_refused():
    up = np.array([[0.0, 0.0, 1.0]] * 3)
    with pytest.raises(InputError, match="times"):
        Environment(np.array([0.0, 1.0, 3.0]), 1.6, up, np.ones(3), np.ones(3))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [((1.6, math.nan, 0.1, 1.0), "sun_azimuth"), ((1.6, 0.0, 2.0, 1.0), "sun_elevation"), ((1.6, 0.0, 0.1, -1.0), "irradiance"),
     ((1.6, 0.0, 0.1, 1.0, math.nan), "diffuse"), ((-1.6, 0.0, 0.1, 1.0), "gravity")],
)  # fmt: skip
def test_constant_checks_its_input(arguments, field):
    with pytest.raises(InputError, match=field):
        Environment.constant(*arguments)
