"""What a solver gives back, and what becomes of it: only a certified plan ever comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from planner_cases import GOAL, START, check_plan, flat_world, lunar_world, rover_of

from rover_energy.planning import planner
from rover_energy.planning.optimiser import Outcome
from rover_energy.planning.planner import plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.transcription import Programme


class Garbage:
    """A solver that always says it has solved, and gives back what it is told to."""

    def __init__(self, spoil: Callable[[Programme], Any], solved: bool = True) -> None:
        self._spoil, self._solved = spoil, solved

    def set_scene(self, scene: Any) -> None:
        """Nothing to do."""

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        status = "Solve_Succeeded" if self._solved else "Infeasible"
        return Outcome(self._solved, status, self._spoil(programme), solver="garbage")


def _shaken(programme: Programme) -> Any:
    return programme.x + 0.05 * np.random.default_rng(0).normal(size=programme.x.size)


SPOILED: dict[str, Callable[[Programme], Any]] = {
    "NaN": lambda p: np.full_like(p.x, np.nan),
    "one NaN": lambda p: np.where(np.arange(p.x.size) == 25, np.nan, p.x),
    "zeros": lambda p: np.zeros_like(p.x),
    "negative time": lambda p: -p.x,
    "noise": _shaken,
    "huge": lambda p: p.x * 1e200,
    "large": lambda p: p.x * 1e6,
    "endless": lambda p: np.where(np.arange(p.x.size) % (p.variant.states + 2) == 7, 1e7, p.x),
    "too short": lambda p: p.x[:-3],
    "nothing": lambda p: None,
    "half the time": lambda p: np.where(np.arange(p.x.size) % (p.variant.states + 2) == 7, 0.5 * p.x, p.x),
}


@pytest.mark.parametrize("name", SPOILED)
def test_nonsense_from_a_solver_never_becomes_a_plan(name: str) -> None:
    world = flat_world(size=16.0, rover=rover_of(rtg={"beginning_of_life_power": 160.0}), use_battery=False)
    start, goal = (4.0, 8.0, 0.0), (11.0, 9.0, 0.2)
    made = plan_traverse(world, start, goal, solver=Garbage(SPOILED[name]))
    check_plan(world, made, start, goal)
    assert made.status == "fallback"
    assert made.facts["notes"]


def test_an_unsolved_programme_leads_to_the_fallback_too() -> None:
    world = lunar_world()
    made = plan_traverse(world, START, GOAL, solver=Garbage(lambda p: p.x, solved=False))
    check_plan(world, made)
    assert made.status == "fallback"
    assert "garbage: Infeasible" in made.facts["notes"]


def test_without_optimum_and_fallback_there_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "fastest_passing", lambda path, timing, verify: verify(_reckless(path, timing)) or None)
    with pytest.raises(Refusal) as caught:
        plan_traverse(lunar_world(), START, GOAL, solver=Garbage(lambda p: p.x, solved=False))
    assert caught.value.reason == "certificate"
    assert "power" in str(caught.value)


def _reckless(path: Any, timing: Any) -> Any:
    from rover_energy.planning.follow import follow_path

    return follow_path(path, timing).stretched(0.3)


@pytest.mark.parametrize("answer", [None, 7, "solved", {}], ids=repr)
def test_an_answer_that_is_no_outcome_never_becomes_a_plan(answer: Any) -> None:
    class Mute:
        def set_scene(self, scene: Any) -> None:
            """Nothing to do."""

        def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Any:
            return answer

    world = flat_world(size=16.0, rover=rover_of(rtg={"beginning_of_life_power": 160.0}), use_battery=False)
    start, goal = (4.0, 8.0, 0.0), (11.0, 9.0, 0.2)
    made = plan_traverse(world, start, goal, solver=Mute())
    check_plan(world, made, start, goal)
    assert made.status == "fallback"
    assert "not with an outcome" in made.facts["notes"][0]
