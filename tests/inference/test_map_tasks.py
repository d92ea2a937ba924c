"""Generated maps and stances against geometry, brute force and the physics that they are made from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.inference.energy_maps import predict, read_image
from rover_energy.inference.tasks import irradiance_maps, soil_maps, wheel_points
from rover_energy.locomotion.soil import SoilParameters, WheelParameters, rover_resistance
from rover_energy.terrain.raster import Terrain

RNG = np.random.default_rng(5)


def test_a_wall_casts_the_shadow_that_its_height_says() -> None:
    """3 m high at row 40, the Sun behind it at 10 deg: dark for 3/tan(10 deg) = 17 m before it, light beyond."""
    height = np.zeros((64, 8))
    height[40:] = 3.0
    elevation = math.radians(10.0)
    light = irradiance_maps.exact_irradiance(Terrain(height), elevation)
    length = 3.0 / math.tan(elevation)
    foot = 39  # of the slope between the nodes 39 and 40
    dark = light[:foot, 3] < irradiance_maps.DARK
    first = int(np.argmax(dark))
    assert abs((40 - first) - length) <= 1.1, "a node and its half-shade"
    assert np.all(dark[first:])
    assert light[5, 3] == pytest.approx(math.sin(elevation), abs=1e-9)
    assert light[55, 3] == pytest.approx(math.sin(elevation), abs=1e-9)


def test_light_agrees_with_a_march_along_each_ray() -> None:
    """Brute force: steps of a tenth of a cell towards the Sun, heights interpolated along the column."""
    ground = irradiance_maps.make_ground(np.random.default_rng(3))
    elevation = math.radians(6.0)
    light = irradiance_maps.exact_irradiance(ground, elevation)
    hidden, seen = 0, 0
    for row in range(0, 60, 3):
        for column in range(0, 64, 5):
            steps = np.arange(0.1, 63 - row, 0.1)
            profile = np.interp(row + steps, np.arange(64), ground.height[:, column])
            above = np.max(np.arctan2(profile - ground.height[row, column], steps)) if steps.size else -1.0
            if above > elevation + 2.0 * irradiance_maps.SUN_RADIUS:
                hidden += 1
                assert light[row, column] == 0.0
            elif above < elevation - 2.0 * irradiance_maps.SUN_RADIUS:
                hy, hx = (np.gradient(ground.height, axis=axis)[row, column] for axis in (0, 1))
                cosine = (math.sin(elevation) - hy * math.cos(elevation)) / math.sqrt(1.0 + hx**2 + hy**2)
                seen += cosine > 0.0
                assert light[row, column] == pytest.approx(max(0.0, cosine), abs=1e-9)
    assert hidden > 20
    assert seen > 20


def test_shadows_reach_far_beyond_a_stencil() -> None:
    x, y = irradiance_maps.make_maps(1, 6)
    again, _ = irradiance_maps.make_maps(1, 6)
    assert np.array_equal(x, again)
    assert x.shape == (6, irradiance_maps.CHANNELS, 64, 64)
    assert 0.2 < float((y < irradiance_maps.DARK).mean()) < 0.9
    assert irradiance_maps.explained(y, y) == 1.0
    assert irradiance_maps.explained(np.full_like(y, y.mean()), y) == pytest.approx(0.0, abs=1e-6)
    assert irradiance_maps.shadow_score(y, y) == 1.0


def test_resistance_is_that_of_the_soil() -> None:
    wheel, load = WheelParameters(), soil_maps.MASS * soil_maps.GRAVITY
    soft = SoilParameters(frictional_modulus=soil_maps.SOFT)
    most, least = (float(rover_resistance(soil, wheel, load, soil_maps.GRAVITY)) for soil in (soft, SoilParameters()))
    factor = soil_maps.resistance_factor(np.linspace(0.0, 1.0, 101))
    assert factor[0] == 1.0
    assert factor[-1] == pytest.approx(most / least)
    assert np.all(np.diff(factor) > 0.0)
    energy = soil_maps.traction_energy(factor, 80.0, 0.05, 0.6)
    assert energy[0] == pytest.approx(80.0 / 0.95 / 0.6)


def test_no_single_cue_gives_soft_soil_away() -> None:
    """Correlations of node by node cues with softness stay weak; the patches are there all the same."""
    scene = soil_maps.make_scene(np.random.default_rng(2), 128, share=0.4)
    assert float((scene.softness > 0.5).mean()) == pytest.approx(0.4, abs=0.02)
    x = soil_maps.features(scene.terrain.height, scene.image)
    for cue in (*x, np.abs(x[0]), np.abs(x[1])):
        assert abs(np.corrcoef(cue.ravel(), scene.softness.ravel())[0, 1]) < 0.35


def test_level_ground_shares_the_weight() -> None:
    forces, energy = wheel_points.statics(np.zeros((1, 6)), np.zeros((1, 6, 2)), np.zeros(1))
    each = wheel_points.WEIGHT / 6.0
    assert forces[0] == pytest.approx(np.tile([0.0, 0.0, each], (6, 1)))
    soil, tyre = wheel_points.SOIL, WheelParameters(count=6, bulldozing_count=2)
    resistance = float(rover_resistance(soil, tyre, wheel_points.WEIGHT, wheel_points.GRAVITY))
    move = wheel_points.DRIVE
    assert energy[0] == pytest.approx(resistance / (1.0 - move.slip.flat) / move.drivetrain_efficiency)


def test_loads_keep_weight_and_moments() -> None:
    """On any ground the loads sum to the weight, and the lower side carries more."""
    gradient = np.zeros((50, 6, 2))
    height = RNG.normal(0.0, 0.03, (50, 6))
    forces, _ = wheel_points.statics(height, gradient, np.zeros(50))
    loads = forces[..., 2]
    assert loads.sum(axis=1) == pytest.approx(np.full(50, wheel_points.WEIGHT))
    y = wheel_points.PLACES[:, 1]
    lean = (height[:, y > 0].mean(axis=1) - height[:, y < 0].mean(axis=1)) / wheel_points.TRACK
    moment = loads @ y  # about x, balanced by the centre of mass leaning to the right as the left rises
    assert moment == pytest.approx(-wheel_points.WEIGHT * wheel_points.CENTRE * lean)


def test_bumps_cost_energy_and_turn_with_the_ground() -> None:
    steep = np.zeros((1, 6, 2))
    steep[0, :, 0] = [0.6, 0.6, -0.6, -0.6, 0.0, 0.0]
    flat, bumpy = (float(wheel_points.statics(np.zeros((1, 6)), g, np.zeros(1))[1][0]) for g in (0.0 * steep, steep))
    assert bumpy > 1.2 * flat, "no motor feeds anything back"
    turn = 0.7
    c, s = math.cos(turn), math.sin(turn)
    matrix = np.array([[c, -s], [s, c]])
    height, gradient, heading = RNG.normal(0.0, 0.05, (9, 6)), RNG.normal(0.0, 0.2, (9, 6, 2)), RNG.uniform(-3.0, 3.0, 9)
    forces, energy = wheel_points.statics(height, gradient, heading)
    about, same = wheel_points.statics(height, gradient @ matrix.T, heading + turn)
    assert same == pytest.approx(energy)
    assert about[..., :2] == pytest.approx(forces[..., :2] @ matrix.T)


def test_a_wheel_averages_the_ground_as_a_gaussian_does() -> None:
    """Blurred height and gradient against Monte Carlo over the footprint, and against differences."""
    rng = np.random.default_rng(1)
    plane = np.array([[0.1, -0.05]])
    bumps = rng.uniform(-0.5, 0.5, (1, 12, 2)), rng.uniform(0.2, 0.5, (1, 12)), rng.normal(0.0, 0.1, (1, 12))
    spot = np.array([[[0.2, -0.1]]])
    height, gradient = wheel_points._ground(spot, plane, bumps, wheel_points.CONTACT)
    around = spot + wheel_points.CONTACT * rng.normal(size=(1, 400000, 2))
    many, _ = wheel_points._ground(around, plane, bumps, 0.0)
    assert height[0, 0] == pytest.approx(many.mean(), abs=5e-4)
    for axis in (0, 1):
        step = np.zeros(2)
        step[axis] = 1e-5
        ends = [wheel_points._ground(spot + sign * step, plane, bumps, wheel_points.CONTACT)[0][0, 0] for sign in (1, -1)]
        assert gradient[0, 0, axis] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_the_plane_is_right_where_the_ground_is_one() -> None:
    """Without bumps and noise the baseline is exact."""
    stances = wheel_points.make_stances(4, 50)
    rng = np.random.default_rng(0)
    tilt = rng.uniform(-0.15, 0.15, (50, 2))
    level = np.einsum("npi,ni->np", stances.points[..., :2], tilt)
    points = np.concatenate([stances.points[..., :2], level[..., None]], axis=-1)
    front = stances.wheels[:, 0:2, :2].mean(axis=1)
    gradient = np.repeat(tilt[:, None], 6, axis=1)
    under = np.einsum("nwi,ni->nw", stances.wheels[..., :2], tilt)
    wanted = wheel_points.statics(under, gradient, np.arctan2(front[:, 1], front[:, 0]))
    found = wheel_points.plane_answer(wheel_points.Stances(points, stances.wheels, *wanted))
    assert found[0] == pytest.approx(wanted[0])
    assert found[1] == pytest.approx(wanted[1])


def stub(x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Answers the first feature, and less than that as upper estimate on the left."""
    return np.concatenate([x[:, :1], x[:, :1] + np.linspace(-1.0, 1.0, x.shape[3], dtype=np.float32)], axis=1)


def test_prediction_keeps_the_nodes_and_what_is_unknown() -> None:
    scene = soil_maps.make_scene(np.random.default_rng(1), 45)
    made = predict(stub, scene.terrain, scene.image)
    assert made.factor.shape == (45, 45)
    assert np.log(made.factor) == pytest.approx(soil_maps.features(scene.terrain.height, scene.image)[0], abs=1e-6)
    assert np.all(made.upper >= made.factor)
    height, image = scene.terrain.height.copy(), scene.image.copy()
    height[3, 4], image[7, 8] = np.nan, np.nan
    holes = predict(stub, Terrain(height, 0.0, 0.0, 0.5), image)
    assert set(zip(*np.nonzero(np.isnan(holes.factor)), strict=True)) == {(3, 4), (7, 8)}


def test_what_cannot_be_predicted_is_refused(tmp_path: Path) -> None:
    scene = soil_maps.make_scene(np.random.default_rng(1), 32)
    with pytest.raises(InputError, match="cell"):
        predict(stub, Terrain(scene.terrain.height, 0.0, 0.0, 1.0), scene.image)
    with pytest.raises(InputError, match="has shape"):
        predict(stub, scene.terrain, scene.image[:-1])
    with pytest.raises(InputError, match="no value"):
        predict(stub, scene.terrain, np.full_like(scene.image, np.nan))
    with pytest.raises(InputError, match="no number"):
        predict(lambda x: np.full((1, 2, *x.shape[2:]), np.nan, np.float32), scene.terrain, scene.image)
    with pytest.raises(InputError, match="answers"):
        predict(lambda x: x[:, :1], scene.terrain, scene.image)
    for name, held in (("image", scene.image[0]), ("other", scene.image)):
        np.savez(tmp_path / f"{name}.npz", **{name: held})
        with pytest.raises(InputError, match="image"):
            read_image(tmp_path / f"{name}.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "broken.npz")
