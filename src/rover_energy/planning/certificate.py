"""The certificate of a plan: every limit, re-evaluated finely by an evaluator that shares nothing with the optimiser.

Power, battery and energy budget are judged at every instant: between samples the majorants of `certificate_bounds` hold, and
intervals in which they leave a doubt are sampled more finely. Limits of motion are judged at the samples with a relative
tolerance of 0.1 %, and the bound on what they can do in between is reported. NaN anywhere fails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.certificate_bounds import Bounds, make_blocks, plan_bounds
from rover_energy.planning.certificate_checks import (
    Check,
    as_polygons,
    continuity_check,
    goal_checks,
    keep_out_check,
    map_checks,
    motion_checks,
    sideways_check,
)
from rover_energy.planning.certificate_power import battery_check, budget_check, interval_errors, ledger_check, power_check
from rover_energy.planning.evaluation import Supply, motion_on_surface, piece_grid, run_battery, supply_and_demand
from rover_energy.planning.trajectory import Trajectory
from rover_energy.power.battery import usable_capacity
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

__all__ = ["Certificate", "Check", "certify"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """What was checked and how it came out.

    `passed`: all checks passed; `step` [s] of the samples before refinement; `samples` evaluated; `peak_power` [W] and
    `least_power_margin` [W], `least_battery_margin` [J] above the floor (infinite without a battery), each at the samples
    and with its time [s]; what can happen between them stands in the checks.
    """

    passed: bool
    step: float
    samples: int
    checks: tuple[Check, ...]
    peak_power: float
    peak_power_time: float
    peak_power_bound: float
    least_power_margin: float
    least_power_margin_time: float
    least_battery_margin: float
    least_battery_margin_time: float

    def __getitem__(self, name: str) -> Check:
        """The check of that name. Raises KeyError when it was not made."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON; a number that is not finite becomes None."""
        result: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "checks":
                value = [check.to_mapping() for check in self.checks]
            elif isinstance(value, float) and not math.isfinite(value):
                value = None
            result[field.name] = value
        return result


def certify(
    trajectory: Trajectory,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
    mission: MissionParameters,
    *,
    goal: Sequence[float] | None = None,
    keep_outs: Sequence[Any] | None = None,
    step: float = 0.01,
) -> Certificate:
    """Check a plan against every limit.

    Parameters
    ----------
    trajectory, surface, environment, rover, mission
        The plan and its world.
    goal : (3,), optional
        x [m], y [m], heading [rad] that the end must meet within 1e-3 m and 1e-3 rad.
    keep_outs : sequence of shapely geometries or rings, optional
        In addition to those of the mission.
    step : float
        Farthest apart that samples may be before refinement [s].

    Returns
    -------
    Certificate
        Checks power, speed, reverse, acceleration, yaw_rate, curvature, along_slope, tilt, sideways, keep_out, map, data,
        continuity and ledger; battery_floor with a battery; goal_position and goal_heading with a goal; energy_budget and
        deadline where the mission has them.

    Raises
    ------
    InputError
        When the step is not positive, a keep-out is no polygon or the goal no pose; a bad plan raises nothing, it fails.
    """
    polygons = as_polygons([*mission.keep_outs, *(keep_outs if keep_outs is not None else ())])
    piece, local, left = piece_grid(trajectory, step, environment.times)

    def sample(pieces: NDArray[np.intp], locals_: Array) -> Supply:
        motion = motion_on_surface(trajectory.evaluate_local(pieces, locals_), surface)
        return supply_and_demand(motion, environment, rover, mission)

    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        state = trajectory.evaluate_local(piece, local)
        motion = motion_on_surface(state, surface)
        supply = supply_and_demand(motion, environment, rover, mission)
        store, residual = run_battery(supply, state.t, left, rover, mission)
        bounds = plan_bounds(trajectory, make_blocks(piece, local, left), motion, supply, surface, environment, rover)
        errors = interval_errors(state.t, supply, store, bounds, rover, mission)
        power, added = power_check(
            piece, local, state.t, supply, store, errors, bounds, rover, mission, sample, trajectory.knots
        )
        checks = [power, *motion_checks(motion, bounds.blocks, bounds, rover.limits), sideways_check(motion, rover.limits)]
        checks += [keep_out_check(motion, polygons, 0.5 * rover.width, bounds), *map_checks(motion, surface, bounds)]
        checks += [continuity_check(trajectory), ledger_check(state.t, supply, residual, bounds)]
        battery = battery_check(state.t, store, errors, bounds, rover) if usable_capacity(rover.battery) > 0.0 else None
        checks += [battery] if battery is not None else []
        if mission.energy_budget is not None:
            checks.append(budget_check(state.t, supply, errors, bounds, mission.energy_budget))
        if mission.deadline is not None:
            checks.append(_deadline_check(trajectory.duration, mission.deadline))
        checks += goal_checks(trajectory, goal) if goal is not None else []
        return Certificate(
            passed=all(check.passed for check in checks),
            step=step,
            samples=piece.size + added,
            checks=tuple(checks),
            **_peak(supply, state.t, bounds),
            least_power_margin=power.margin,
            least_power_margin_time=power.at_time,
            least_battery_margin=battery.margin if battery is not None else math.inf,
            least_battery_margin_time=battery.at_time if battery is not None else 0.0,
        )


def _peak(supply: Supply, t: Array, bounds: Bounds) -> dict[str, float]:
    total, left = supply.total_power, bounds.blocks.left
    at = int(np.argmax(total))  # NaN counts as the largest, and shows
    deviation = bounds.blocks.spread(bounds.load.deviation(bounds.blocks.dt))
    bound = float(np.max(np.maximum(total[left], total[left + 1]) + deviation)) - float(total[at])
    return {"peak_power": float(total[at]), "peak_power_time": float(t[at]), "peak_power_bound": bound}


def _deadline_check(duration: float, deadline: float) -> Check:
    return Check("deadline", "s", duration, deadline, deadline - duration, duration, 0.0, duration <= deadline)
