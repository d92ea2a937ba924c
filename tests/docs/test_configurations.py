"""The example rovers, missions and the example world are usable as they lie there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rover_energy.mission import MissionParameters
from rover_energy.parameters import load_yaml, read_yaml
from rover_energy.planning.planner import LocalSolver, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.generator import generate_lunar_terrain
from rover_energy.terrain.loading import load_terrain

ROOT = Path(__file__).resolve().parents[2]
ROVERS = sorted((ROOT / "config").glob("rover_*.yaml"))
MISSIONS = sorted((ROOT / "config").glob("mission_*.yaml"))
WORLD = ROOT / "sim" / "worlds" / "crater_field.npz"
START, GOAL = (4.0, 4.0, 0.8), (14.0, 12.0, 0.8)


@pytest.fixture(scope="module")
def solver() -> LocalSolver:
    return LocalSolver()


def test_there_are_rovers_and_missions() -> None:
    assert {path.stem for path in ROVERS} == {"rover_lunar", "rover_field"}
    assert {path.stem for path in MISSIONS} == {"mission_lunar_polar", "mission_mars", "mission_no_battery"}


@pytest.mark.parametrize("path", ROVERS, ids=lambda path: path.stem)
def test_rovers_load(path: Path) -> None:
    assert load_yaml(RoverParameters, path).locomotion.mass > 0.0


def test_the_lunar_rover_is_the_built_in_one_in_full() -> None:
    path = ROOT / "config" / "rover_lunar.yaml"
    assert load_yaml(RoverParameters, path) == RoverParameters()
    from rover_energy.parameters import to_mapping

    assert read_yaml(path) == to_mapping(RoverParameters()), "a field is left out"


def test_the_world_comes_from_its_seed() -> None:
    kept, made = load_terrain(WORLD), generate_lunar_terrain(seed=2, size=(30.0, 30.0), cell=0.25)
    np.testing.assert_allclose(kept.height, made.height, atol=1e-9)
    assert len(kept.keep_outs) == len(made.keep_outs) == 13
    assert WORLD.stat().st_size < 300_000


@pytest.mark.parametrize("path", MISSIONS, ids=lambda path: path.stem)
def test_missions_can_be_planned(path: Path, solver: LocalSolver) -> None:
    mission = load_yaml(MissionParameters, path)
    world = World.prepare(load_terrain(WORLD), RoverParameters(), mission)
    assert float(world.environment.direct_irradiance(0.0)) > 100.0, "the Sun is down"
    plan = plan_traverse(world, START, GOAL, solver=solver, seconds=60.0)
    assert plan.certificate.passed
    if mission.power_limit is not None:
        assert plan.certificate.peak_power == pytest.approx(mission.power_limit, abs=1.0), "the cap does not bind"


def test_the_field_rover_climbs_where_there_is_light(solver: LocalSolver) -> None:
    rover = load_yaml(RoverParameters, ROOT / "config" / "rover_field.yaml")
    terrain = load_terrain(WORLD)
    day = World.prepare(terrain, rover, load_yaml(MissionParameters, ROOT / "config" / "mission_mars.yaml"))
    assert plan_traverse(day, START, GOAL, solver=solver, seconds=60.0).certificate.passed
    shade = World.prepare(terrain, rover, load_yaml(MissionParameters, ROOT / "config" / "mission_no_battery.yaml"))
    with pytest.raises(Refusal) as refused:
        plan_traverse(shade, START, GOAL, solver=solver, seconds=60.0)
    assert refused.value.binding.constraint == "power"
