"""A certified plan, as the planner returns it, and the time that its parts took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from rover_energy.parameters import to_mapping
from rover_energy.planning.certificate import Certificate
from rover_energy.planning.path import Path
from rover_energy.planning.plan_file import Plan
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.transcription import Motion
from rover_energy.planning.world import World


@dataclass
class Clock:
    """Seconds spent in each part of a plan."""

    seconds: dict[str, float] = field(default_factory=dict)

    def lap(self, name: str, began: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True, eq=False)
class PlannedTraverse:
    """A certified plan.

    start : where and when it begins. status : "optimal", "feasible" where the solver stopped short of the optimum, or
    "fallback" for the slower plan along the searched path. facts : solver, iterations, seconds.
    """

    start: Motion
    trajectory: Trajectory
    certificate: Certificate
    path: Path
    status: str
    facts: dict[str, Any]

    @property
    def duration(self) -> float:
        """[s]"""
        return self.trajectory.duration

    def to_plan(self, world: World) -> Plan:
        """What `plan.json` holds."""
        rover = to_mapping(world.rover)
        return Plan(
            self.trajectory, limits=rover["limits"], rover=rover, certificate=self.certificate.to_mapping(), status=self.status,
            solver=self.facts, extra={"mission": to_mapping(world.mission), "terrain": world.terrain.name},
        )  # fmt: skip
