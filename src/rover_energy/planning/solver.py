"""What solves programmes: the compiled optimiser where there is a C compiler, the plain CasADi programme where not."""

from __future__ import annotations

from typing import Any, Protocol

from rover_energy.planning.optimiser import Optimiser, Outcome
from rover_energy.planning.oracle import load_oracle
from rover_energy.planning.plain import PlainSolver
from rover_energy.planning.scene_fields import SceneFields
from rover_energy.planning.stage import Variant
from rover_energy.planning.transcription import Programme


class Solver(Protocol):
    """What the planner asks for: `worker.SolverProcess`, or `LocalSolver` in this process."""

    def set_scene(self, scene: SceneFields) -> None:
        """World of the following programmes."""

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        """Solve within so many seconds, with the options of `Optimiser.optimise`. Raises RoverEnergyError."""


class LocalSolver:
    """Solves in this process, without a watch: for measurements, tests, and inside `worker.SolverProcess`."""

    def __init__(self) -> None:
        self._compiled, self._plain = Optimiser(), PlainSolver()

    def set_scene(self, scene: SceneFields) -> None:
        """World of the following programmes."""
        self._compiled.set_scene(scene)
        self._plain.set_scene(scene)

    def prepare(self, variant: Variant) -> bool:
        """Compile what programmes of a variant may need, and say whether that was possible. Slow on the first use ever."""
        # both flavours: the second opinion must not wait for a compiler in the middle of a plan
        return all(load_oracle(variant, symmetric=symmetric) is not None for symmetric in (False, True))

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        """Solve: bounded in iterations when compiled, by `seconds` without a compiler."""
        if self.prepare(programme.variant):
            return self._compiled.optimise(programme, **options)
        return self._plain.optimise(programme, seconds=seconds, **options)
