"""What the planner answers: codes of refusals, and a plan as a path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.planner_jobs import WatchedSolver
from rover_energy.planning.certificate import Certificate
from rover_energy.planning.reach import Reach, Verdict
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.world import World

CODES = {
    "no_path": "NO_PATH", "budget_exhausted": "NO_PATH", "smoothing": "NO_PATH", "power": "INSUFFICIENT_POWER",
    "floor": "INSUFFICIENT_ENERGY", "energy_budget": "INSUFFICIENT_ENERGY", "deadline": "DEADLINE_UNREACHABLE",
    "certificate": "CERTIFICATE_FAILED", "solver": "NOT_CONVERGED", "unsettled": "NOT_CONVERGED",
}  # fmt: skip
LIMITS = (
    "power", "battery_floor", "energy_budget", "deadline", "speed", "acceleration", "yaw_rate", "curvature", "along_slope",
    "tilt",
)  # fmt: skip
PATH_STEP = 0.5  # [s] between the poses of the path


def refusal_code(refusal: Refusal, result: Any) -> int:
    """Code of PlanTraverse for a refusal."""
    for end in ("start", "goal"):
        if refusal.reason == f"{end}_blocked":
            outside = refusal.binding.constraint in ("map_edge", "no_data")
            return int(getattr(result, f"{end.upper()}_{'OUTSIDE_MAP' if outside else 'BLOCKED'}"))
    return int(getattr(result, CODES.get(refusal.reason, "INTERNAL_ERROR")))


class Unavailable(RoverEnergyError):
    """Pose or power are not known; `what` is POSE or POWER."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"the rover's {what.lower()} is stale, absent or invalid; wait for it, or give a start")


def error_code(error: RoverEnergyError, result: Any) -> int:
    """Code of PlanTraverse or CanReach for what went wrong; where a definition has no finer one, its code for all else."""
    if isinstance(error, Refusal):
        return refusal_code(error, result)
    if isinstance(error, Unavailable):
        return int(getattr(result, f"{error.what}_UNAVAILABLE"))
    return int(result.INVALID_REQUEST if isinstance(error, InputError) else result.INTERNAL_ERROR)


def stopped_code(reason: Exception, result: Any) -> int:
    """Code of PlanTraverse for a plan that was stopped."""
    return int(result.TIME_LIMIT if str(reason) == "time limit" else result.PREEMPTED)


def plan_feedback(solver: WatchedSolver, elapsed: float) -> Any:
    """How far a plan is."""
    return ros.need("rover_energy_interfaces.action").PlanTraverse.Feedback(
        stage=solver.stage, elapsed=elapsed, best_duration=solver.best_duration, iterations=solver.iterations
    )


def fill_reach(reach: Reach, response: Any) -> None:
    """CanReach from its answer in the library."""
    response.verdict = getattr(response, reach.verdict.name)
    response.duration, response.energy, response.energy_bound = reach.duration, reach.energy, reach.energy_bound
    response.battery_margin = reach.arrival_margin
    response.least_margin, response.least_margin_time = reach.margin, reach.margin_time
    response.certified, response.binding = reach.certified, reach.binding
    response.remedy, response.remedy_amount = response.NO_REMEDY, math.nan
    if reach.remedies:
        first = reach.remedies[0]
        response.remedy, response.remedy_amount = getattr(response, first.kind.name), first.amount
        response.remedy_text = " or ".join(str(remedy) for remedy in reach.remedies)
    response.error_text = reach.text if reach.verdict is not Verdict.YES else ""


def tightest(certificate: Certificate) -> str:
    """Name of the limit of which the least share is left; rules without a size, such as staying on the map, do not count."""
    sized = [check for check in certificate.checks if check.name in LIMITS and math.isfinite(check.margin) and check.limit]
    return min(sized, key=lambda check: check.margin / abs(check.limit)).name if sized else ""


def path_message(profile: Mapping[str, Any], world: World, duration: float, now: float) -> Any:
    """nav_msgs/Path of a plan's profile, a pose every `PATH_STEP`."""
    path, pose = ros.message_class("nav_msgs/msg/Path")(), ros.message_class("geometry_msgs/msg/PoseStamped")
    path.header.frame_id, path.header.stamp = "map", ros.stamp_of(now)
    times = np.append(np.arange(0.0, duration, PATH_STEP), duration)
    columns = (np.interp(times, profile["t"], profile[name]) for name in ("x", "y", "heading"))
    for x, y, heading in zip(*columns, strict=True):
        entry = pose(header=path.header)
        entry.pose.position.x, entry.pose.position.y = float(x), float(y)
        entry.pose.position.z = float(world.surface.height(x, y))
        entry.pose.orientation = ros.quaternion_of(0.0, 0.0, float(heading))
        path.poses.append(entry)
    return path
