"""Jobs in a thread, and a solver that can be stopped from another one."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from rover_energy.errors import RoverEnergyError
from rover_energy.nodes.planner_jobs import CERTIFYING, OPTIMISING, SEARCHING, Stopped, WatchedSolver, Worker


class Hanging:
    """Solves for ever, until it is interrupted; then it fails as the real one does."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()
        self.scene: Any = None

    def set_scene(self, scene: Any) -> None:
        self.scene = scene

    def interrupt(self) -> None:
        self.interrupted.set()

    def optimise(self, programme: Any, *, seconds: float, **options: Any) -> Any:
        if programme == "quick":
            return SimpleNamespace(iterations=7, solved=False)
        if not self.interrupted.wait(seconds):
            raise RoverEnergyError("too late")
        raise RoverEnergyError("the child has died")


def wait(ready: Any) -> None:
    end = time.monotonic() + 5.0
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_jobs_run_in_their_order_and_keep_what_they_raise() -> None:
    worker, seen = Worker("test"), []
    jobs = [worker.submit(lambda k=k: seen.append(k) or k) for k in range(20)]
    bad = worker.submit(lambda: 1 / 0)
    wait(lambda: bad.done)
    assert seen == list(range(20))
    assert [job.result() for job in jobs] == seen
    with pytest.raises(ZeroDivisionError):
        bad.result()
    worker.close()


def test_a_hanging_solve_is_stopped_from_outside() -> None:
    solver = WatchedSolver(Hanging())  # type: ignore[arg-type]
    assert solver.stage == SEARCHING
    worker = Worker("test")
    job = worker.submit(lambda: solver.optimise("long", seconds=30.0))  # type: ignore[arg-type]
    wait(lambda: solver.stage == OPTIMISING)
    solver.stop("cancelled")
    solver.stop("another reason")
    wait(lambda: job.done)
    with pytest.raises(Stopped, match="cancelled"):
        job.result()
    with pytest.raises(Stopped):  # and nothing else begins
        solver.optimise("quick", seconds=1.0)  # type: ignore[arg-type]
    worker.close()


def test_a_failure_of_its_own_is_no_stop() -> None:
    solver = WatchedSolver(Hanging())  # type: ignore[arg-type]
    with pytest.raises(RoverEnergyError, match="too late"):
        solver.optimise("long", seconds=0.01)  # type: ignore[arg-type]
    assert solver.optimise("quick", seconds=1.0).iterations == 7  # type: ignore[arg-type]
    assert (solver.stage, solver.iterations) == (CERTIFYING, 7)
    assert not issubclass(Stopped, RoverEnergyError), "the planner must not fall back on account of it"
