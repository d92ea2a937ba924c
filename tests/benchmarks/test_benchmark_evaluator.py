"""The benchmarks' second evaluator against closed forms, and its ability to find what is wrong."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.parameters import to_mapping
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain

GRAVITY = 1.62
GRADE = 0.1


@pytest.fixture(scope="module")
def evaluator() -> Any:
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("evaluator")


def incline() -> Terrain:
    x = 0.5 * np.arange(121)
    return Terrain(np.tile(GRADE * x, (121, 1)), 0.0, 0.0, 0.5, "incline", ())


def ramp_plan(rover: RoverParameters, mission: MissionParameters, cruise: float = 0.3) -> dict[str, Any]:
    """East along the incline: up to speed in 8 s with continuous acceleration, 10 s steady, and down again."""
    up = [
        {"duration": 4.0, "speed": [0.0, 0.0, cruise / 32.0]},
        {"duration": 4.0, "speed": [cruise / 2, cruise / 4, -cruise / 32.0]},
    ]
    down = [
        {"duration": 4.0, "speed": [cruise, 0.0, -cruise / 32.0]},
        {"duration": 4.0, "speed": [cruise / 2, -cruise / 4, cruise / 32.0]},
    ]
    pieces = [*up, {"duration": 10.0, "speed": [cruise]}, *down]
    return {
        "kind": "unicycle", "start": [20.0, 30.0, 0.0], "pieces": [{**piece, "heading": [0.0]} for piece in pieces],
        "rover": to_mapping(rover), "mission": to_mapping(mission),
    }  # fmt: skip


def goal_of(cruise: float = 0.3) -> tuple[float, float, float]:
    return 20.0 + 18.0 * cruise, 30.0, 0.0


def judged(evaluator: Any, plan: dict[str, Any], keep_outs: tuple[Any, ...] = ()) -> Any:
    environment = Environment.constant(GRAVITY, math.radians(90.0), math.radians(40.0), 1361.0)
    ground = evaluator.Ground.of(incline(), environment, 0.0, keep_outs)
    return evaluator.opinion(plan, ground, goal_of())


def test_steady_climb_has_the_power_of_the_formula(evaluator: Any) -> None:
    rover, mission = RoverParameters(), MissionParameters()
    plan = ramp_plan(rover, mission)
    plan["pieces"] = plan["pieces"][:3]
    environment = Environment.dark(GRAVITY)
    ground = evaluator.Ground.of(incline(), environment, 0.0)
    track = evaluator._track(plan)
    motion = evaluator._motion(track, ground)
    total = evaluator._power(motion, track, ground, plan["rover"], plan["mission"])["total"][-1]
    along = math.atan(GRADE)
    speed = 0.3 / math.cos(along)
    slip = 0.8 / (1.0 + (0.8 / 0.05 - 1.0) * math.exp(-10.0 * GRADE))
    force = 200.0 * GRAVITY * math.sin(along) + 80.0
    assert total == pytest.approx(55.0 + force * speed / (1.0 - slip) / 0.6, rel=1e-9)


def test_turning_on_the_spot_of_a_circle(evaluator: Any) -> None:
    rover = RoverParameters()
    plan = ramp_plan(rover, MissionParameters())
    plan["pieces"] = [{"duration": 5.0, "heading": [0.0, 0.1], "speed": [0.2]}]
    flat = dataclasses.replace(incline(), height=np.zeros((121, 121)))
    ground = evaluator.Ground.of(flat, Environment.dark(GRAVITY), 0.0)
    track = evaluator._track(plan)
    motion = evaluator._motion(track, ground)
    total = evaluator._power(motion, track, ground, plan["rover"], plan["mission"])["total"]
    slip = 0.05
    np.testing.assert_allclose(total, 55.0 + 80.0 * 0.2 / (1.0 - slip) / 0.6 + 40.0 * 0.1 / 0.6, rtol=1e-9)
    assert track["pose"][0] == pytest.approx(20.0 + 2.0 * math.sin(0.5), abs=1e-12)
    assert track["pose"][1] == pytest.approx(30.0 + 2.0 * (1.0 - math.cos(0.5)), abs=1e-12)


def test_a_good_plan_has_no_faults(evaluator: Any) -> None:
    opinion = judged(evaluator, ramp_plan(RoverParameters(), MissionParameters()))
    assert opinion.faults == []
    assert opinion.duration == pytest.approx(26.0)
    assert opinion.ledger < 1e-9


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"speed": 0.29}, "speed"), ({"acceleration": 0.074}, "acceleration"), ({"along_slope": 0.0990}, "along_slope"),
        ({"tilt": 0.0990}, "tilt"),
    ],
)  # fmt: skip
def test_a_limit_a_little_too_low_is_found(evaluator: Any, change: dict[str, float], word: str) -> None:
    rover = RoverParameters()
    rover = dataclasses.replace(rover, limits=dataclasses.replace(rover.limits, **change))
    opinion = judged(evaluator, ramp_plan(rover, MissionParameters()))
    assert [fault.split()[0] for fault in opinion.faults] == [word]


def test_too_little_supply_is_found(evaluator: Any) -> None:
    rover, mission = RoverParameters(), MissionParameters(use_battery=False)
    good = judged(evaluator, ramp_plan(rover, dataclasses.replace(mission, power_limit=1000.0)))
    limit = good.peak_power * (1.0 - 1e-5)
    opinion = judged(evaluator, ramp_plan(rover, dataclasses.replace(mission, power_limit=limit)))
    assert opinion.excess["power"] == pytest.approx(1e-3, rel=0.1)
    assert opinion.faults


def test_floor_budget_and_deadline_are_found(evaluator: Any) -> None:
    rover = RoverParameters()
    dark = dataclasses.replace(rover, pv=dataclasses.replace(rover.pv, area=0.0))
    plan = ramp_plan(dark, MissionParameters(state_of_charge=0.15, deadline=25.9, energy_budget=1000.0))
    found = {fault.split()[0] for fault in judged(evaluator, plan).faults}
    assert {"battery", "budget", "deadline"} <= found


def test_goal_jump_and_keep_out_are_found(evaluator: Any) -> None:
    plan = ramp_plan(RoverParameters(), MissionParameters())
    plan["pieces"][2]["heading"] = [0.002]
    rock = shapely.Point(22.0, 30.55).buffer(0.1)
    found = {fault.split()[0] for fault in judged(evaluator, plan, (rock,)).faults}
    assert {"goal", "jump", "keep-out"} <= found


def test_battery_follows_the_closed_form(evaluator: Any) -> None:
    rover, mission = RoverParameters(), MissionParameters(state_of_charge=0.6)
    b = dataclasses.replace(rover.battery, capacity=1e5)
    t = np.linspace(0.0, 10.0, 1001)
    store = evaluator._battery(
        {"supply": np.full(t.size, 40.0), "total": np.full(t.size, 100.0)},
        {"t": t},
        {"battery": to_mapping(b)},
        to_mapping(mission),
    )
    assert store["least"] == pytest.approx(0.6e5 - 60.0 / 0.95 * 10.0, abs=1e-6)
    assert store["consumed"] == pytest.approx(1000.0)
