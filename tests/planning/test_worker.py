"""The watched solver process: hangs, deaths and nonsense stay in it, and the next programme is solved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planner_cases import flat_world, has_compiler, rover_of, scene

from rover_energy.planning.front_end import find_path
from rover_energy.planning.planner import plan_traverse
from rover_energy.planning.retiming import retime
from rover_energy.planning.transcription import Motion, Programme, build_programme
from rover_energy.planning.worker import SolverDied, SolverProcess, SolverTimeout
from rover_energy.planning.world import World

SOURCE = str(Path(__file__).resolve().parents[2] / "src")
START, GOAL = (4.0, 8.0, 0.0), (11.0, 8.0, 0.0)


def small_world() -> World:
    return flat_world(size=16.0, rover=rover_of(rtg={"beginning_of_life_power": 160.0}), use_battery=False)


def small_programme(world: World) -> Programme:
    path = find_path(world.cost_map, START, GOAL).path
    timing = retime(path, world.surface, world.environment, world.rover, world.mission)
    return build_programme(world, Motion(*START), path, timing)


@pytest.fixture(scope="module")
def process() -> Iterator[SolverProcess]:
    with SolverProcess() as solver:
        yield solver


def child_of(solver: SolverProcess) -> int:
    solver.start()
    assert solver._child is not None
    return solver._child.pid


def is_gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process has ended, and is no zombie either."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def solves(solver: SolverProcess, world: World) -> bool:
    solver.set_scene(world.fields)
    return solver.optimise(small_programme(world), seconds=30.0).solved


def test_a_programme_is_solved(process: SolverProcess) -> None:
    assert solves(process, small_world())


def test_a_hanging_solver_is_stopped_in_time_and_replaced(process: SolverProcess) -> None:
    child, restarts = child_of(process), process.restarts
    began = time.monotonic()
    with pytest.raises(SolverTimeout):
        process.probe("hang", seconds=0.3)
    assert 0.29 < time.monotonic() - began < 1.5
    assert is_gone(child)
    assert process.restarts == restarts + 1
    assert solves(process, small_world())
    assert child_of(process) != child


def test_a_dying_solver_is_noticed_at_once_and_replaced(process: SolverProcess) -> None:
    child = child_of(process)
    began = time.monotonic()
    with pytest.raises(SolverDied):
        process.probe("die", seconds=30.0)
    assert time.monotonic() - began < 5.0
    assert is_gone(child)
    assert solves(process, small_world())


def test_a_solver_killed_between_two_plans_is_replaced(process: SolverProcess) -> None:
    child = child_of(process)
    os.kill(child, signal.SIGKILL)
    time.sleep(0.1)
    assert solves(process, small_world())
    assert is_gone(child)


def test_a_stopped_solver_cannot_hold_the_caller_by_a_full_pipe(process: SolverProcess) -> None:
    """A scene is larger than a pipe: writing it to a process that does not read must not wait for ever."""
    child = child_of(process)
    os.kill(child, signal.SIGSTOP)
    fields = scene()
    process.set_scene(replace(fields, sunlit=replace(fields.sunlit, coefficients=np.zeros((40, 83, 83)))))
    began = time.monotonic()
    with pytest.raises(SolverTimeout):
        process.probe("hang", seconds=0.3)
    assert time.monotonic() - began < 1.5
    assert is_gone(child)


def test_a_failure_inside_is_told_and_the_process_lives_on(process: SolverProcess) -> None:
    child = child_of(process)
    with pytest.raises(SolverDied, match="ValueError"):
        process.probe("no such thing", seconds=5.0)
    assert child_of(process) == child


def test_an_interrupt_leaves_no_answer_for_the_next_question(process: SolverProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    solves(process, small_world())
    child = child_of(process)

    def interrupted(_: float) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(process, "_answer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            process.probe("no such thing", seconds=5.0)
    assert is_gone(child)
    assert solves(process, small_world())


PARENT = """
import sys, time
sys.path.insert(0, {source!r})
from rover_energy.planning.worker import SolverProcess, SolverTimeout
if __name__ == "__main__":
    solver = SolverProcess()
    solver.start()
    print(solver._child.pid, flush=True)
    if {hang}:
        solver._write(__import__("rover_energy.planning.worker", fromlist=["_packed"])._packed(("hang", None, None, 1.0, {{}})),
                      time.monotonic() + 5.0)
    print("ready", flush=True)
    time.sleep(60.0)
"""


@pytest.mark.parametrize("hang", [False, True], ids=["idle", "hanging"])
def test_the_child_ends_with_its_parent(hang: bool) -> None:
    """Also when the parent is killed and the child is in the middle of a solution that never ends."""
    code = PARENT.format(source=SOURCE, hang=hang)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline().strip() == "ready"
        parent.kill()
        parent.wait()
    assert _ended(child, 8.0)


def _ended(pid: int, seconds: float) -> bool:
    """Whether an orphan has ended; where nobody reaps orphans it stays as a zombie, which runs no more."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


class Hanging(SolverProcess):
    """A solver process whose programmes never come to an end."""

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Any:
        return self.probe("hang", seconds=min(seconds, 0.3))


class Dying(SolverProcess):
    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Any:
        return self.probe("die", seconds=seconds)


@pytest.mark.parametrize("kind", [Hanging, Dying])
def test_the_planner_falls_back_to_a_certified_plan(kind: type[SolverProcess]) -> None:
    with kind() as solver:
        solver.start()
        began = time.monotonic()
        plan = plan_traverse(small_world(), START, GOAL, solver=solver)
        assert time.monotonic() - began < 5.0
    assert plan.status == "fallback"
    assert plan.certificate.passed
    assert any("solver" in note for note in plan.facts["notes"])
    assert plan.trajectory.end_pose == pytest.approx(GOAL, abs=1e-6)


@pytest.mark.skipif(not has_compiler, reason="nothing is compiled without a compiler")
def test_the_first_use_ever_compiles_outside_the_time_of_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty cache a short time for solving must not starve the compiler, plan after plan."""
    compiler = tmp_path / "slow"
    compiler.write_text('#!/bin/sh\nsleep 1.5\nexec cc -O0 "$@" -O0\n', encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setenv("ROVER_ENERGY_CACHE", str(tmp_path / "cache"))
    world = small_world()
    programme = small_programme(world)
    with SolverProcess() as solver:
        solver.set_scene(world.fields)
        outcome = solver.optimise(programme, seconds=1.0)
    assert outcome.solved
    assert outcome.solver == "fatrop"
    names = {path.name.rsplit("-", 1)[0] for path in (tmp_path / "cache").glob("*.so")}
    assert names >= {"stage", "stage-full", "stage-triangle"}
