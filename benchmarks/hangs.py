"""Fault injection: the solver's process hangs, dies or answers nonsense at random; do certified plans come back in time?

Half of all calls of the solver meet a fault, drawn from: the child hangs; it is killed in the middle of its work; it ends
itself; it sends bytes that are no answer; it sends half an answer and stalls; it announces an answer of absurd length; it
answers with something that is no outcome; it answers "solved" with NaN; it answers "solved" with random numbers. What reaches
the user is counted: a call that is late, an error that is no refusal, a plan without a passing certificate.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from campaign import Judge
from common import parse, parser, progress, quantiles, table, write_json
from problems import GENERATED, problems

from rover_energy.planning.optimiser import Outcome
from rover_energy.planning.planner import plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.transcription import Programme
from rover_energy.planning.worker import SolverProcess

FAULTS = ("hang", "killed", "dies", "garbage", "half", "absurd length", "wrong object", "NaN", "random numbers")
LIARS = {  # children that read nothing and write this
    "garbage": "import os,sys; sys.stdout.buffer.write((40).to_bytes(8,'little')+os.urandom(40))",
    "half": "import sys; sys.stdout.buffer.write((4000).to_bytes(8,'little')+b'x'*100)",
    "absurd length": "import sys; sys.stdout.buffer.write((1<<62).to_bytes(8,'little')+b'x'*100)",
    "wrong object": "import pickle,sys; d=pickle.dumps(('ok',None)); sys.stdout.buffer.write(len(d).to_bytes(8,'little')+d)",
}
STAY = "; sys.stdout.buffer.flush(); import time; time.sleep(600)"
PER_CALL = 1.0  # [s] that the solver is given
ALLOWED = 12.0  # [s] for a whole plan with every solver call failing: calls, restarts of the process, the slower plan
SHARE = 0.5  # of calls that meet a fault


class FaultySolver:
    """The watched process, with faults."""

    def __init__(self, seed: int) -> None:
        self.process, self.rng = SolverProcess(), np.random.default_rng(seed)
        self.injected: list[str] = []

    def set_scene(self, scene: Any) -> None:
        self.process.set_scene(scene)

    def prepare(self, variant: Any) -> None:
        self.process.prepare(variant)

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        """As `SolverProcess.optimise`, or a fault."""
        if self.rng.random() >= SHARE:
            return self.process.optimise(programme, seconds=seconds, **options)
        fault = str(self.rng.choice(FAULTS))
        self.injected.append(fault)
        self.process.prepare(programme.variant)
        if fault in ("hang", "dies"):
            return self.process.probe({"hang": "hang", "dies": "die"}[fault], seconds=seconds)
        if fault in LIARS:
            self._replace_child(LIARS[fault] + STAY)
        if fault == "killed":
            self._kill_later()
        outcome = self.process.optimise(programme, seconds=seconds, **options)
        if fault == "NaN":
            return replace(outcome, solved=True, x=np.full_like(programme.x, np.nan))
        if fault == "random numbers":
            return replace(outcome, solved=True, x=programme.x + self.rng.normal(size=programme.x.size))
        return outcome

    def _replace_child(self, code: str) -> None:
        """Another child in the place of the right one, whose preparation it is believed to have."""
        old = self.process._child
        assert old is not None
        old.kill()
        old.wait()
        child = subprocess.Popen([sys.executable, "-c", code], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for stream in (child.stdin, child.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        self.process._child = child

    def _kill_later(self) -> None:
        child = self.process._child
        assert child is not None
        timer = threading.Timer(float(self.rng.uniform(0.0, 0.02)), child.kill)
        timer.daemon = True
        timer.start()


class Late(Exception):
    """The plan did not come back."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise Late after so many seconds, even out of a blocking read."""

    def ring(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Command line."""
    options = parse(parser(__doc__, problems=100, quick=3), argv)
    solver, judge = FaultySolver(options.seed), Judge()
    counts: Counter[str] = Counter()
    reached: list[str] = []
    times: list[float] = []
    chosen = problems(options.problems, options.seed, settings=["battery"], worlds=GENERATED[: 1 if options.quick else None])
    for problem in progress(chosen, options.problems, "hangs"):
        before = len(solver.injected)
        began = time.perf_counter()
        try:
            with deadline(3.0 * ALLOWED):
                plan = plan_traverse(problem.world, problem.start, problem.goal, solver=solver, seconds=PER_CALL)
            status = plan.status
            faults = judge(problem, plan).faults + ([] if plan.certificate.passed else ["no certificate"])
            reached += [f"{problem.key}: plan with {', '.join(faults)}"] if faults else []
        except Refusal as refusal:
            status = f"refused: {refusal.reason}"
        except Exception as error:
            status = "error"
            reached.append(f"{problem.key}: {type(error).__name__} after {', '.join(solver.injected[before:])}: {error}"[:200])
        spent = time.perf_counter() - began
        times.append(spent)
        if spent > ALLOWED:
            reached.append(f"{problem.key}: {spent:.1f} s after {', '.join(solver.injected[before:])}")
        counts[status + (" with faults" if len(solver.injected) > before else " without fault")] += 1
    solver.process.close()
    title = f"fault injection: {options.problems} plans, {len(solver.injected)} faults, {solver.process.restarts} restarts"
    print(table(("outcome", "plans"), sorted(counts.items()), title))
    print("faults: " + (", ".join(f"{name} {count}" for name, count in Counter(solver.injected).most_common()) or "none"))
    middle, high, most = quantiles(times)
    print(f"seconds per plan: median {middle:.2f}, 95 % {high:.2f}, max {most:.2f}; allowed {ALLOWED:g}")
    print(f"reached the user: {len(reached)}", *reached, sep="\n  ")
    result = {"outcomes": dict(counts), "faults": dict(Counter(solver.injected)), "reached": reached, "seconds": times}
    write_json(options.json, "hangs", options.seed, result)
    return result


if __name__ == "__main__":
    main()
