"""Long traverses window by window, against the same programme solved whole and against the limits themselves."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planner_cases import MOON, NEEDS_COMPILER, check_plan, has_compiler, lunar_ground, mission_of, rover_of

from rover_energy.environment.scene import Environment
from rover_energy.planning import planner, windows
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.optimiser import Outcome
from rover_energy.planning.planner import LocalSolver, PlannedTraverse, plan_traverse
from rover_energy.planning.world import World
from rover_energy.power.battery import floor_energy, usable_capacity

pytestmark = pytest.mark.skipif(not has_compiler, reason=NEEDS_COMPILER)
FAR_START, FAR_GOAL = (8.0, 8.0, 0.8), (62.0, 60.0, 0.8)
solver = LocalSolver()


def far_world(**mission: Any) -> World:
    """70 m of ground under a Sun that stands still; the supplies bind on the way up."""
    sun = Environment.constant(MOON, math.radians(60.0), math.radians(12.0), 300.0)
    rover = rover_of(rtg={"beginning_of_life_power": 90.0}, battery={"max_discharge_power": 40.0})
    return World.prepare(lunar_ground(3, 70.0), rover, mission_of(**mission), sun)


@pytest.fixture(scope="module")
def world() -> World:
    return far_world()


def plan(world: World, using: Any = solver) -> PlannedTraverse:
    return plan_traverse(world, FAR_START, FAR_GOAL, solver=using, seconds=60.0)


@pytest.fixture(scope="module")
def by_windows(world: World) -> PlannedTraverse:
    return plan(world)


def whole(world: World, monkeypatch: pytest.MonkeyPatch) -> PlannedTraverse:
    monkeypatch.setattr(planner, "LONG", math.inf)
    return plan(world)


@pytest.mark.parametrize("pieces", [97, 120, 148, 149, 400, 721])
def test_kept_parts_follow_each_other_and_make_up_the_whole(pieces: int) -> None:
    found = list(windows.spans(pieces))
    assert found[0].first == 0
    assert all(after.first == before.first + before.kept for before, after in itertools.pairwise(found))
    assert sum(span.kept for span in found) == pieces
    assert found[-1].last == pieces
    assert all(span.kept < span.last - span.first for span in found[:-1])
    assert max(span.last - span.first for span in found) <= windows.LONGEST_WHOLE


def test_a_long_plan_keeps_every_limit_and_is_as_fast_as_one_solved_whole(
    world: World, by_windows: PlannedTraverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert by_windows.trajectory.pieces > windows.LONGEST_WHOLE
    assert by_windows.facts["solves"] > 1
    check_plan(world, by_windows, FAR_START, FAR_GOAL)
    assert by_windows.duration <= 1.01 * whole(world, monkeypatch).duration


def test_windows_join_without_a_jump_of_acceleration(by_windows: PlannedTraverse) -> None:
    trajectory = by_windows.trajectory
    pieces = np.arange(windows.KEPT, trajectory.pieces, windows.KEPT)
    before = trajectory.evaluate_local(pieces - 1, trajectory.durations[pieces - 1])
    after = trajectory.evaluate_local(pieces, np.zeros(pieces.size))
    for name, most in (("x", 1e-9), ("heading", 1e-9), ("heading_rate", 1e-9), ("speed", 1e-9), ("speed_rate", 1e-4)):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=most), name


def test_stored_energy_is_shared_out_among_the_windows(by_windows: PlannedTraverse, world: World) -> None:
    profile = evaluate_plan(by_windows.trajectory, world.surface, world.environment, world.rover, world.mission)
    battery, energy = world.rover.battery, profile.battery_energy
    used = float(energy[0] - energy.min())
    assert used > 1000.0
    short = far_world(state_of_charge=(floor_energy(battery) + 0.8 * used) / usable_capacity(battery))
    made = plan(short)
    check_plan(short, made, FAR_START, FAR_GOAL)
    assert not any("window by window" in note for note in made.facts["notes"])
    assert by_windows.duration < made.duration < 1.5 * by_windows.duration


class FailingAt(LocalSolver):
    """Solves, but gives up on one of the programmes it is asked for."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.asked = number, 0

    def optimise(self, programme: Any, *, seconds: float, **options: Any) -> Outcome:
        self.asked += 1
        outcome = super().optimise(programme, seconds=seconds, **options)
        return replace(outcome, solved=False, status="gave up") if self.asked == self.number else outcome


def test_a_window_without_a_solution_leads_to_the_programme_solved_whole(world: World) -> None:
    made = plan(world, FailingAt(2))
    check_plan(world, made, FAR_START, FAR_GOAL)
    assert any("window by window" in note and "gave up" in note for note in made.facts["notes"])
    assert made.status == "optimal"


class LyingAt(FailingAt):
    """Answers one of the programmes with something else than an outcome."""

    def optimise(self, programme: Any, *, seconds: float, **options: Any) -> Any:
        outcome = LocalSolver.optimise(self, programme, seconds=seconds, **options)
        self.asked += 1
        return "solved" if self.asked == self.number else outcome


class NonsenseAt(FailingAt):
    """Calls numbers a solution that are none."""

    def optimise(self, programme: Any, *, seconds: float, **options: Any) -> Outcome:
        outcome = LocalSolver.optimise(self, programme, seconds=seconds, **options)
        self.asked += 1
        return replace(outcome, x=np.full_like(outcome.x, np.nan)) if self.asked == self.number else outcome


@pytest.mark.parametrize("kind", [LyingAt, NonsenseAt])
def test_a_window_answered_with_nonsense_does_too(world: World, kind: type[FailingAt]) -> None:
    made = plan(world, kind(2))
    check_plan(world, made, FAR_START, FAR_GOAL)
    assert any("window by window" in note for note in made.facts["notes"])
