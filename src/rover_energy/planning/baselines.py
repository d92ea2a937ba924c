"""Two planners to measure against, in the same code path: a soft power limit as in the reference paper, and none at all.

"paper": the formulation of Hu et al. (arXiv 2509.15062) as far as it is known to us (docs/physics.md says what is reported
and what is our reconstruction): the power limit enters the cost as a softplus penalty on the norm of linear and rotational power;
drivetrain, slip and steady turning losses are not modelled. "ignorant": the same problem without any power term. Both are
solved by the same solver from the same path, and both are judged by the same evaluator as our own plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rover_energy.planning.certificate import Certificate, certify
from rover_energy.planning.front_end import find_path
from rover_energy.planning.model import CONSTANTS, ROWS
from rover_energy.planning.planner import Solver, grid_for
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.retiming import retime
from rover_energy.planning.stage import SAMPLES
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.transcription import Motion, Programme, build_programme, to_trajectory
from rover_energy.planning.world import World

METHODS = ("paper", "ignorant")
#: Weight [1/(W2 s)] and sharpness [1/W] of the penalty as a reader of the paper coded them; the paper's own are not known to us.
PENALTY_WEIGHT, PENALTY_SHARPNESS = 1.0, 10.0


@dataclass(frozen=True, eq=False)
class BaselinePlan:
    """What a baseline plans, and how it is judged: `certificate` is made as for our plans, and usually fails."""

    trajectory: Trajectory
    certificate: Certificate
    seconds: float


def plan_baseline(world: World, start: Sequence[float], goal: Sequence[float], method: str, solver: Solver) -> BaselinePlan:
    """Plan with one of METHODS.

    Raises ValueError for an unknown method, SearchFailure without a path, Refusal when the solver does not converge.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}: use one of {', '.join(METHODS)}")
    path = find_path(world.cost_map, start, goal).path
    free = replace(world.mission, power_limit=None, use_battery=True)
    timing = retime(path, world.surface, world.environment, world.rover, free, grid=grid_for(path.length))
    programme = without_power_limit(build_programme(world, Motion(*start), path, timing))
    if method == "paper":
        programme = with_penalty(programme)
    solver.set_scene(world.fields)
    outcome = solver.optimise(programme, seconds=120.0)
    if not outcome.solved:
        raise Refusal("solver", "search", f"the {method} baseline did not converge: {outcome.status}")
    trajectory = to_trajectory(programme, outcome.x)
    certificate = certify(
        trajectory, world.surface, world.environment, world.rover, world.mission, goal=goal, keep_outs=world.keep_outs
    )
    return BaselinePlan(trajectory, certificate, outcome.solve_seconds)


def without_power_limit(programme: Programme) -> Programme:
    """The same motion limits, and no power or energy limit."""
    upper, lower_x, upper_x = programme.upper_g.copy(), programme.lower_x.copy(), programme.upper_x.copy()
    rows = programme.limit_rows.reshape(programme.pieces, SAMPLES, len(ROWS))
    upper[rows[:, :, :2]] = np.inf
    if programme.variant.battery:
        lower_x[8 :: programme.variant.states + 2] = -np.inf
    return replace(programme, upper_g=upper, lower_x=lower_x, upper_x=upper_x)


def with_penalty(programme: Programme) -> Programme:
    """Add the soft power limit to the cost."""
    parameters: Any = programme.parameters.copy()
    parameters[2 + CONSTANTS.index("penalty_weight")] = PENALTY_WEIGHT
    parameters[2 + CONSTANTS.index("penalty_sharpness")] = PENALTY_SHARPNESS
    return replace(programme, variant=replace(programme.variant, penalty=True), parameters=parameters)
