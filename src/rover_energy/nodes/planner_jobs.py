"""Planning beside the executor: one thread that works jobs off, and a solver that tells its stage and can be stopped."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from rover_energy.errors import RoverEnergyError
from rover_energy.planning.optimiser import Outcome
from rover_energy.planning.scene_fields import SceneFields
from rover_energy.planning.transcription import Programme, to_trajectory
from rover_energy.planning.worker import SolverProcess

SEARCHING, OPTIMISING, CERTIFYING = range(3)  # as in the feedback of PlanTraverse


class Stopped(Exception):
    """Somebody does not want the plan any more. No `RoverEnergyError`: the planner must not fall back on account of it."""


class WatchedSolver:
    """A solver that says how far it is. `stop` may be called from any thread; whoever plans with it then gets `Stopped`.

    stage : SEARCHING, OPTIMISING or CERTIFYING. iterations : of the last solve. best_duration : of its trajectory [s].
    """

    def __init__(self, solver: SolverProcess) -> None:
        self.solver = solver
        self.stage, self.iterations, self.best_duration = SEARCHING, 0, math.nan
        self.reason = ""  # why it was stopped

    def stop(self, reason: str) -> None:
        """End the plan as soon as possible; the first reason counts."""
        if not self.reason:
            self.reason = reason
            if self.stage == OPTIMISING:
                self.solver.interrupt()

    def set_scene(self, scene: SceneFields) -> None:
        """As of the solver."""
        self.solver.set_scene(scene)

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        """As of the solver. Raises Stopped too."""
        self.stage = OPTIMISING
        self._go_on()
        try:
            outcome = self.solver.optimise(programme, seconds=seconds, **options)
        except RoverEnergyError:
            self._go_on()
            raise
        finally:
            self.stage = CERTIFYING
        self._go_on()
        self.iterations = int(getattr(outcome, "iterations", 0))
        if getattr(outcome, "solved", False):
            with contextlib.suppress(RoverEnergyError, ValueError, IndexError, TypeError):
                self.best_duration = float(to_trajectory(programme, outcome.x).duration)
        return outcome

    def _go_on(self) -> None:
        if self.reason:
            raise Stopped(self.reason)


class Job:
    """Something that a thread does. `done` is set last; then either `value` or `error` counts."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action, self.done = action, False
        self.value: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        """Do it; errors are kept for whoever waits."""
        try:
            self.value = self.action()
        except Exception as error:  # handed to the one who asked
            self.error = error
        self.done = True

    def result(self) -> Any:
        """The value. Raises what the action raised."""
        if self.error is not None:
            raise self.error
        return self.value


class Worker:
    """A thread that works jobs off in their order."""

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, action: Callable[[], Any]) -> Job:
        """Put a job at the end of the queue."""
        job = Job(action)
        self._queue.put(job)
        return job

    def close(self) -> None:
        """End after the job that runs now and those that wait; does not wait for that."""
        self._queue.put(None)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            job.run()
