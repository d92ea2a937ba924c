"""Networks of maps and points: what they see, that they learn, and that their files say the same."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")

from rover_energy.inference.learning import graphs, maps, points, unet  # noqa: E402
from rover_energy.inference.learning.export import Session  # noqa: E402
from rover_energy.inference.tasks import irradiance_maps, soil_maps, wheel_points  # noqa: E402


@pytest.mark.parametrize(("cells", "reach"), [(1, 0), (3, 1), (7, 3), (0, 25)])
def test_how_far_a_network_sees(cells: int, reach: int) -> None:
    """Changes at a distance reach the middle of the map, or not at all."""
    make = (lambda: unet.stencil(cells, 2)) if cells else (lambda: unet.attention_unet(2))
    network = unet.fresh(1, make).eval()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 2, 64, 64)).astype(np.float32)
    before = unet.apply(network, x)[0, 0, 32, 32]

    def moved(distance: int) -> bool:
        other = x.copy()
        other[0, :, 32 + distance, 32] += 3.0
        return bool(unet.apply(network, other)[0, 0, 32, 32] != before)

    assert moved(reach)
    assert cells == 0 or not moved(reach + 1)


def test_the_file_of_a_map_network_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")
    x, y = soil_maps.make_maps(1, 8)
    for network, write in (
        (unet.fresh(0, lambda: unet.attention_unet(2, 2)), graphs.write_unet),
        (unet.fresh(0, lambda: unet.stencil(3, 2, 2)), graphs.write_stencil),
    ):
        unet.fit(network, torch.from_numpy(x), unet.mean_and_upper(torch.from_numpy(y), 0.9), 0, 1)
        write(network, 2, tmp_path / "map.onnx")
        session = Session(tmp_path / "map.onnx")
        assert session(x) == pytest.approx(unet.apply(network, x), abs=1e-4)
        assert session(x[:1, :, :40, :16]).shape == (1, 2, 40, 16)


def test_shadows_are_learnt() -> None:
    """A short training already explains more than the mean does, and is repeatable."""
    data = maps.maps_of(irradiance_maps.make_maps, 0, training=40)
    networks = [maps.light_network(data, 0, 0, epochs=3) for _ in range(2)]
    answers = [unet.apply(network, data.test_x[:20]) for network in networks]
    assert np.array_equal(*answers)
    assert irradiance_maps.explained(answers[0], data.test_y[:20]) > 0.3


def test_the_upper_estimate_covers_its_share() -> None:
    """The correction makes even a network that has learnt nothing cover its share of new ground."""
    data = maps.maps_of(soil_maps.make_maps, 0, training=8)
    answers = unet.apply(maps.soil_network(data, 0, 1, epochs=1), data.test_x)
    assert float(np.mean(data.test_y[:, 0] <= answers[:, 1])) == pytest.approx(0.9, abs=0.06)
    quality, low, high = maps.share_explained(data.test_y, data.test_y)
    assert (quality, high) == (1.0, 1.0)
    assert low == pytest.approx(1.0)


def test_points_learn_and_their_file_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")
    stances, fresh = wheel_points.make_stances(0, 200), wheel_points.make_stances(1, 100)
    network = points.fit(stances, 0, 6, size=24)
    found, before = (points.judge(n, fresh, 0) for n in (network, points.fit(stances, 0, 0, size=24)))
    assert found["force"] < 0.9 * before["force"]
    assert found["energy"] < 0.9 * before["energy"]
    assert found["force plane"] < found["force mean"]
    places = wheel_points.tokens(fresh)[0]
    graphs.write_points(network, tmp_path / "points.onnx", unit=points.UNIT, level=points.EACH, joule=points.ENERGY)
    made, wanted = Session(tmp_path / "points.onnx")(places), points.ask(network, places)
    assert made[:, :18].reshape(-1, 6, 3) == pytest.approx(wanted.forces, abs=1e-3)
    assert made[:, 18] == pytest.approx(wanted.energy, abs=1e-2)
    assert wanted.attention.shape == (100, 6, wheel_points.POINTS)
    assert np.all(wanted.attention.sum(axis=-1) <= 1.0 + 1e-6)


def test_points_may_come_in_any_order() -> None:
    stances = wheel_points.make_stances(0, 5)
    network = unet.fresh(3, points.build).eval()
    places = wheel_points.tokens(stances)[0]
    order = np.concatenate([np.random.default_rng(0).permutation(wheel_points.POINTS), wheel_points.POINTS + np.arange(6)])
    assert points.ask(network, places[:, order]).forces == pytest.approx(points.ask(network, places).forces, abs=1e-3)


def test_turning() -> None:
    places, forces = torch.randn(3, 7, 3), torch.randn(3, 6, 3)
    about, felt = points.turned(places, forces, torch.full((3,), math.pi / 2))
    assert torch.allclose(about[..., 0], -places[..., 1], atol=1e-6)
    assert torch.allclose(felt[..., 1], forces[..., 0], atol=1e-6)
    assert torch.equal(about[..., 2], places[..., 2])
