"""The array of a rover that stands, ahead: against the simulator's own Sun, and what the meter has to say of dust."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from node_cases import ROOT

from rover_energy.errors import InputError
from rover_energy.nodes.standing import Standing

EDGES = np.linspace(0.0, 7200.0, 25)


def odometry(x: float, y: float, heading: float) -> SimpleNamespace:
    """At a place, upright."""
    orientation = SimpleNamespace(w=np.cos(heading / 2.0), x=0.0, y=0.0, z=np.sin(heading / 2.0))
    pose = SimpleNamespace(position=SimpleNamespace(x=x, y=y), orientation=orientation)
    return SimpleNamespace(pose=SimpleNamespace(pose=pose))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mars, from a morning into the night, in a field of craters."""
    place = tmp_path_factory.mktemp("standing")
    shutil.copy(ROOT / "sim/worlds/crater_field.npz", place / "terrain.npz")
    text = (ROOT / "config/mission_mars.yaml").read_text(encoding="utf-8").replace("horizon: 3600.0", "horizon: 50000.0")
    (place / "mission.yaml").write_text(text, encoding="utf-8")
    (place / "rover.yaml").write_text("{}\n", encoding="utf-8")
    return place


def test_it_is_the_light_that_the_simulated_rover_gets(folder: Path) -> None:
    from rover_energy.nodes.plan_folder import read_world
    from rover_energy.simulation.body import quaternion
    from rover_energy.simulation.loopback import LoopbackSimulator

    w = read_world(str(folder))
    simulator = LoopbackSimulator(w.terrain, w.surface, w.environment, w.rover)
    standing = Standing(str(folder))
    assert standing.ahead(0.0, EDGES) == (None, False), "nobody has said where it stands"
    for time in (3000.0, 30000.0, 37000.0, 45000.0):
        reading = simulator.reset((6.0, 5.0, 0.8), time)
        w_, x_, y_, z_ = quaternion(simulator.state.rotation)
        message = odometry(6.0, 5.0, 0.0)
        message.pose.pose.orientation = SimpleNamespace(w=w_, x=x_, y=y_, z=z_)
        standing.on_odometry(message)
        assert standing.rotation == pytest.approx(simulator.state.rotation, abs=1e-12)
        assert standing.light(time) == pytest.approx(reading.pv_power, rel=1e-9)


def test_into_the_night(folder: Path) -> None:
    standing = Standing(str(folder))
    standing.on_odometry(odometry(6.0, 5.0, 0.0))
    power, known = standing.ahead(36000.0, EDGES)
    assert known
    assert power is not None
    assert power[0] > 5.0
    assert power[-1] == 0.0
    beyond, known = standing.ahead(49000.0, EDGES)
    assert not known
    assert beyond is not None
    assert np.all(np.isfinite(beyond))


def test_dust_is_learned_from_the_meter(folder: Path) -> None:
    standing = Standing(str(folder))
    standing.on_odometry(odometry(6.0, 5.0, 0.0))
    clear, _ = standing.ahead(3600.0, EDGES)
    assert clear is not None
    for k in range(360):
        standing.watch(10.0 * k, 10.0, 0.7 * standing.light(10.0 * k - 5.0))
    dusty, _ = standing.ahead(3600.0, EDGES)
    assert dusty == pytest.approx(0.7 * clear, rel=0.02)
    standing.watch(3610.0, 10.0, float("nan"))
    assert standing.factor == pytest.approx(0.7, rel=0.02)


def test_a_folder_without_a_world(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Standing(str(tmp_path))
