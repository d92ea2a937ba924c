"""The picture shows a rover, its shadow and the ground, and follows the Sun."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from simulation_cases import ROVER, SUN, plane, rough, surface

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.simulation.mujoco_rover import MujocoSimulator
from rover_energy.simulation.rendering import render, render_png

pytest.importorskip("mujoco", reason="needs the extra 'simulation' (mujoco)")


@pytest.fixture(scope="module")
def simulator() -> MujocoSimulator:
    ground = rough()
    sim = MujocoSimulator(ground, surface(ground), SUN, ROVER)
    sim.reset((20.0, 20.0, 0.6))
    try:
        render(sim, width=32, height=32)
    except MissingExtraError as error:
        pytest.skip(str(error))
    return sim


def test_picture_shows_rover_ground_and_sky(simulator: MujocoSimulator) -> None:
    picture = render(simulator, width=480, height=270).astype(int)
    assert picture.shape == (270, 480, 3)
    assert picture[:15].max() < 20  # black sky at the top
    middle = picture[90:200, 160:320]
    gold = (middle[..., 0] > 80) & (middle[..., 0] > 1.5 * middle[..., 2])
    panel = (middle[..., 2] > 25) & (middle[..., 2] > 1.5 * middle[..., 0])
    assert gold.sum() > 200
    assert panel.sum() > 400
    ground = picture[240:]
    assert 60 < ground.mean() < 220
    assert np.all(np.abs(ground.mean(axis=(0, 1)) - ground.mean()) < 15)  # grey


def test_the_sun_moves_the_light(simulator: MujocoSimulator) -> None:
    pictures = [
        render(simulator, sun=np.array(direction), width=160, height=90).astype(int).mean()
        for direction in ((0.1, 0.0, 1.0), (1.0, 0.3, 0.1), (0.0, 0.0, -1.0))
    ]
    assert pictures[0] > 1.3 * pictures[1] > 1.3 * pictures[2]


def test_png_file(simulator: MujocoSimulator) -> None:
    assert render_png(simulator, width=32, height=16).startswith(b"\x89PNG")


def test_bad_requests_are_refused(simulator: MujocoSimulator) -> None:
    with pytest.raises(InputError, match="size"):
        render(simulator, width=0, height=100)
    level = plane(0.0, size=6.0)
    with pytest.raises(InputError, match="reset"):
        render(MujocoSimulator(level, surface(level), SUN, ROVER))


def test_without_opengl_the_extra_is_named(simulator: MujocoSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco.egl", None)
    monkeypatch.setitem(sys.modules, "mujoco.osmesa", None)
    with pytest.raises(MissingExtraError, match="EGL"):
        render(simulator, width=32, height=32)
