"""A small plan as the planner writes it, made once for the tests of the pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rover_energy.mission import MissionParameters
from rover_energy.parameters import load_yaml
from rover_energy.planning.planner import LocalSolver, plan_traverse
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.loading import load_terrain

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def written_plan() -> dict[str, Any]:
    """Plain data of plan.json, for a mission that has a battery, a budget and a deadline."""
    terrain = load_terrain(ROOT / "sim" / "worlds" / "crater_field.npz")
    mission = load_yaml(MissionParameters, ROOT / "config" / "mission_no_battery.yaml")
    mission = replace(mission, use_battery=True, energy_budget=5.0e4, deadline=600.0)
    world = World.prepare(terrain, RoverParameters(), mission)
    plan = plan_traverse(world, (4.0, 4.0, 0.8), (9.0, 8.0, 0.7), solver=LocalSolver(), seconds=60.0)
    return plan.to_plan(world).to_mapping()


@pytest.fixture(scope="session")
def certified(written_plan: dict[str, Any]) -> dict[str, Any]:
    """Its certificate."""
    certificate: dict[str, Any] = written_plan["certificate"]
    return certificate
