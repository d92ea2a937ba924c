"""The plain CasADi programme: the same optimum as the compiled one, and what remains without a C compiler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planner_cases import GOAL, NEEDS_COMPILER, START, has_compiler, lunar_world, scene

from rover_energy.planning.front_end import find_path
from rover_energy.planning.optimiser import Optimiser
from rover_energy.planning.plain import PlainSolver, spline
from rover_energy.planning.planner import plan_traverse
from rover_energy.planning.retiming import retime
from rover_energy.planning.scene_fields import Grid
from rover_energy.planning.transcription import Motion, build_programme
from rover_energy.terrain.field import ScalarField

SOURCE = str(Path(__file__).resolve().parents[2] / "src")


def test_interpolants_are_the_fields() -> None:
    fields = scene()
    rng = np.random.default_rng(0)
    points = rng.uniform(0.2, 39.8, (60, 2))
    for grid, layer in ((fields.height, 0), (fields.clearance, 0), (fields.sunlit, 2)):
        function = spline("f", grid, layer)
        found = np.array([float(function(p)) for p in points])
        field = ScalarField(grid.coefficients, grid.x0, grid.y0, grid.cell)
        wanted = field.value(*points.T) if grid.coefficients.ndim == 2 else field.value(*points.T, layer)
        assert found == pytest.approx(wanted, abs=1e-12)
    assert float(spline("f", Grid(None, constant=0.7))(points[0])) == 0.7


@pytest.mark.skipif(not has_compiler, reason=NEEDS_COMPILER)
@pytest.mark.parametrize("use_battery", [False, True])
def test_same_optimum_as_the_compiled_programme(use_battery: bool) -> None:
    world = lunar_world(use_battery=use_battery)
    goal = (16.0, 14.0, 0.4)
    path = find_path(world.cost_map, START, goal).path
    timing = retime(path, world.surface, world.environment, world.rover, world.mission)
    programme = build_programme(world, Motion(*START), path, timing)
    solvers: list[Any] = [Optimiser(), PlainSolver()]
    durations = []
    for solver, options in zip(solvers, ({"rounds": 0}, {"seconds": 60.0}), strict=True):
        solver.set_scene(world.fields)
        outcome = solver.optimise(programme, **options)
        assert outcome.solved, outcome.status
        durations.append(outcome.x[7] * programme.parameters[-2 * programme.pieces :: 2].sum())
    assert durations[1] == pytest.approx(durations[0], rel=1e-3)


def test_it_stops_when_its_time_is_up() -> None:
    world = lunar_world()
    path = find_path(world.cost_map, START, GOAL).path
    timing = retime(path, world.surface, world.environment, world.rover, world.mission)
    solver = PlainSolver()
    solver.set_scene(world.fields)
    outcome = solver.optimise(build_programme(world, Motion(*START), path, timing), seconds=0.05)
    assert not outcome.solved


def test_a_certified_plan_comes_out() -> None:
    plan = plan_traverse(lunar_world(), START, GOAL, solver=PlainSolver(), seconds=60.0)
    assert plan.certificate.passed
    assert plan.facts["solver"] == "ipopt-plain"


NO_COMPILER = """
import json, sys
sys.path[:0] = [{source!r}, {tests!r}]
from planner_cases import flat_world, rover_of
from rover_energy.planning.planner import plan_traverse
world = flat_world(size=16.0, rover=rover_of(rtg={{"beginning_of_life_power": 160.0}}), use_battery=False)
if __name__ == "__main__":
    plan = plan_traverse(world, (4.0, 8.0, 0.0), (11.0, 8.0, 0.0), {arguments})
    print(json.dumps([plan.status, plan.facts["solver"], plan.certificate.passed, plan.duration]))
"""


WITHOUT = {"told": {"ROVER_ENERGY_NO_COMPILER": "1"}, "none there": {"CC": "", "PATH": "/nowhere"}}


@pytest.mark.parametrize("compilers", WITHOUT.values(), ids=WITHOUT)
def test_planning_without_a_compiler_end_to_end(compilers: dict[str, str], tmp_path: Path) -> None:
    code = NO_COMPILER.format(source=SOURCE, tests=str(Path(__file__).parent), arguments="seconds=60.0")
    environment = {**os.environ, "ROVER_ENERGY_CACHE": str(tmp_path), **compilers}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    status, solver, passed, duration = json.loads(done.stdout)
    assert (status, solver, passed) == ("optimal", "ipopt-plain", True)
    assert 14.0 < duration < 25.0
    assert not list(tmp_path.glob("*.so"))
