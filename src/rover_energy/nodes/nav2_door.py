"""Side door for Nav2: where its messages are installed, certified plans are served as ComputePathToPose too."""

from __future__ import annotations

import math
import time as clock
from typing import Any

from rover_energy.errors import MissingExtraError, RoverEnergyError
from rover_energy.nodes import ros
from rover_energy.nodes.planner_jobs import Stopped
from rover_energy.nodes.planner_messages import Unavailable, path_message
from rover_energy.planning.refusal import Refusal

SECONDS = 10.0  # [s] for a plan; the action has no field for it
CODES = {
    "start_blocked": "START_OCCUPIED", "goal_blocked": "GOAL_OCCUPIED", "no_path": "NO_VALID_PATH",
    "budget_exhausted": "NO_VALID_PATH", "smoothing": "NO_VALID_PATH",
}  # fmt: skip


class Nav2Door:
    """ComputePathToPose of a planner node: its path is that of a certified plan, or there is none."""

    def __init__(self, part: Any, action: Any) -> None:
        self.part, self.action = part, action
        self.server = part.action_server(action, "compute_path_to_pose", self.execute, lambda: part.active)

    @classmethod
    def open(cls, part: Any) -> Nav2Door | None:
        """The door, or None where nav2_msgs is not installed."""
        try:
            return cls(part, ros.need("nav2_msgs.action").ComputePathToPose)
        except MissingExtraError:
            return None

    async def execute(self, handle: Any) -> Any:
        """One request, under the mission's limits."""
        began, request, result = clock.monotonic(), handle.request, self.action.Result()
        part = self.part
        try:
            for pose in (request.goal, *([request.start] if request.use_start else [])):
                if pose.header.frame_id not in ("", "map"):
                    raise WrongFrameError(f"pose is given in {pose.header.frame_id!r}, the map's frame is 'map'; transform it")
            start = pose_of(request.start) if request.use_start else part.pose()
            world = part.world_now(power_limit=math.inf, energy_budget=math.inf, deadline=math.inf)
            goal = pose_of(request.goal)
            run = part.started(SECONDS, lambda s: part.planned(world, start, goal, SECONDS, s), handle)
            world, found, profile = await part.finished(run)
            result.path = path_message(profile.columns(), world, found.duration, part.now)
            handle.succeed()
        except Stopped as reason:
            self.fail(result, "TIMEOUT", f"{reason}; ask again")
            end = handle.canceled if handle.is_cancel_requested else handle.abort
            end()
        except RoverEnergyError as error:
            self.fail(result, code_of(error), str(error))
            handle.abort()
        result.planning_time = ros.message_class("builtin_interfaces/msg/Duration")(
            sec=int(clock.monotonic() - began), nanosec=int(1e9 * ((clock.monotonic() - began) % 1.0))
        )
        return result

    def fail(self, result: Any, code: str, text: str) -> None:
        """Fill in what the version of nav2_msgs at hand has: codes since Iron, a text since Jazzy."""
        if hasattr(result, "error_code"):
            result.error_code = int(getattr(self.action.Result, code, getattr(self.action.Result, "UNKNOWN", 1)))
        if hasattr(result, "error_msg"):
            result.error_msg = text
        self.part.ros.get_logger().warning(f"compute_path_to_pose: {text}")


class WrongFrameError(RoverEnergyError):
    """A pose is given in a frame that is not the map's."""


def pose_of(stamped: Any) -> tuple[float, float, float]:
    """x [m], y [m], heading [rad] of a PoseStamped."""
    p = stamped.pose
    return p.position.x, p.position.y, ros.angles_of(p.orientation)[2]


def code_of(error: RoverEnergyError) -> str:
    """Nav2's name for what went wrong."""
    if isinstance(error, WrongFrameError | Unavailable):
        return "TF_ERROR"
    if isinstance(error, Refusal):
        outside = error.binding.constraint in ("map_edge", "no_data")
        end = error.reason.partition("_")[0].upper()
        return f"{end}_OUTSIDE_MAP" if outside and end in ("START", "GOAL") else CODES.get(error.reason, "NO_VALID_PATH")
    return "UNKNOWN"
