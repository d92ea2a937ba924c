"""Learning at a place within a budget of joules: decide, ask for labels, distil, test, price; in slices that may be far apart.

After every slice the whole state is on disk, so that the same goal goes on where a grant, a cancellation or a power loss
ended it, and the network is the one that training in one go would have made.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.inference.accountant import plain
from rover_energy.inference.distil_or_annotate import Curve, Decision, Method, curves_at, decide, doubt_of, probe_labels
from rover_energy.inference.energy import Energy, Provenance, Total
from rover_energy.inference.learning.build import graded
from rover_energy.inference.learning.classifiers import TEMPERATURE
from rover_energy.inference.learning.course import Course
from rover_energy.inference.learning.export import Session, write_onnx
from rover_energy.inference.learning.school import TASK, Ground, School, distilling_course, labelled_course, tuning_course
from rover_energy.inference.learning.staged_decoder import load, save
from rover_energy.inference.learning.tools import accuracy, logits_of, torch_of
from rover_energy.inference.metering import CORE_POWER
from rover_energy.inference.store import Store, read_store, write_store
from rover_energy.inference.tasks.terrain_patches import CHANNELS, SIDE
from rover_energy.inference.variant import Variant, digest

CHUNK = 50  # patches that the teacher answers at once
TESTING = 3.0  # [J] that testing and pricing take, kept back from training
ALLOWED = {
    Method.NONE: (Method.ANNOTATE, Method.DISTIL, Method.HYBRID), Method.ANNOTATE: (Method.ANNOTATE,),
    Method.DISTIL: (Method.DISTIL, Method.HYBRID),
}  # fmt: skip


class BudgetError(RoverEnergyError):
    """No way does anything with this energy."""


@dataclass(frozen=True)
class Goal:
    """What is wanted. method : ANNOTATE, DISTIL (with labels, if they fit and help), or NONE: whichever promises most.

    energy_limit : most that labels and computing may take together [J]; label_energy : price of a label [J].
    """

    task: str = TASK
    method: Method = Method.NONE
    energy_limit: float = math.inf
    label_energy: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task != TASK:
            raise InputError("goal", "task", f"cannot be trained (known: {TASK})", "name another", self.task)
        if self.method not in ALLOWED:
            raise InputError("goal", "method", "is none of annotate and distil", "name one, or neither", self.method.value)
        if not self.energy_limit > 0.0:
            raise InputError("goal", "energy_limit", "is not above 0 J", "give a budget", self.energy_limit)
        if not 0.0 <= self.label_energy < math.inf:
            raise InputError("goal", "label_energy", "is NaN, negative or infinite", "give joules per label", self.label_energy)


@dataclass(frozen=True)
class Learnt:
    """The end of a job. See the action TrainVariant; `short`: the budget ended the training early."""

    decision: Decision
    variant: Variant
    quality_before: float
    short: bool


class Job:
    """A goal at a place, from decision to variant.

    `slice` works; `result` tells. folder : gets variants.yaml, the network and account.json, and holds the state meanwhile.
    clock : processor time [s].
    """

    def __init__(
        self, goal: Goal, school: School, ground: Ground, folder: Path, clock: Callable[[], float] = time.thread_time
    ) -> None:
        self.goal, self.school, self.ground, self.folder, self.clock = goal, school, ground, folder, clock
        self.since, began = 0.0, clock()  # [s] that no slice has booked yet
        self.entries: list[dict[str, Any]] = []
        self.short, self.dearest = False, 0.0
        self.learnt: Learnt | None = None
        self.stage = "labelling"
        self.course: Course | None = None
        self.teacher, self.soft = school.teacher, None
        self.answers: list[Any] = []
        self.judged = math.nan  # how often the teacher is right here [0..1]; NaN until it was looked at
        self.decision = self._decide(school.annotate, school.distil) if goal.energy_limit > TESTING else _nothing(goal)
        self._worth_while()
        free = goal.method is Method.NONE and len(school.rehearsals) > 1
        self.probe = probe_labels(goal.energy_limit - TESTING, goal.label_energy, len(ground.x)) if free else 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"cannot be made ({error.strerror})"
            raise InputError(str(folder), "folder", problem, "give one that may be written to") from None
        self.path = folder / f"learning-{self._key()}.pt"
        if self.path.exists():
            self._restore(load(self.path))
        self.since = clock() - began

    def _decide(self, annotate: Curve, distil: Curve, paid: int = 0, doubt: float = 0.0) -> Decision:
        return decide(
            annotate, distil, label_energy=self.goal.label_energy, budget=self.goal.energy_limit - TESTING,
            before=annotate.quality[0], available=len(self.ground.x), allowed=ALLOWED[self.goal.method], paid=paid, doubt=doubt,
        )  # fmt: skip

    def _worth_while(self) -> None:
        """Raises BudgetError when the decision is to do nothing."""
        if self.decision.method is Method.NONE:
            raise BudgetError(f"energy_limit = {self.goal.energy_limit:g} J: {self.decision.reason}; give more")

    def _judge(self) -> None:
        """Ask for some labels, see how often the teacher is right, and decide anew with the curves of such a place."""
        self._ask(self.probe, "to judge the place by")
        self.judged = accuracy(self.school.teacher, self.ground.x[: self.probe], self.ground.y[: self.probe])
        self._decide_anew()

    def _decide_anew(self) -> None:
        doubt = doubt_of(self.judged, self.probe)
        self.decision = self._decide(*curves_at(self.school.rehearsals, self.judged), self.probe, doubt)
        self._worth_while()

    def _ask(self, count: int, why: str) -> None:
        """Labels from Earth. The joules are the radio's, at their declared price."""
        detail = f"{count} labels at {self.goal.label_energy:g} J, declared, {why}"
        self._book("labelling", count * self.goal.label_energy, Provenance.DATA_SHEET, detail)

    def _key(self) -> str:
        """Of the goal and everything that its result depends on."""
        all_of_it = (self.goal, self.decision, self.ground.key, self.school.key)
        return hashlib.sha256(repr(all_of_it).encode()).hexdigest()[:16]

    # ----------------------------------------------------------------------------------------------------------- account

    @property
    def energy(self) -> float:
        """Taken so far, labels and computing [J]."""
        return math.fsum(entry["joules"] for entry in self.entries)

    @property
    def total(self) -> Total:
        """The same, apart by where the joules come from."""
        return Total.of(Energy(e["joules"], Provenance[e["provenance"].upper()]) for e in self.entries)

    @property
    def progress(self) -> float:
        """0 to 1, of the joules that the decision expects; 1 when all is done."""
        if self.learnt is not None:
            return 1.0
        return min(0.99, self.energy / self.decision.energy) if self.decision.energy > 0.0 else 0.0

    def _book(self, stage: str, joules: float, provenance: Provenance, detail: str) -> None:
        last = self.entries[-1] if self.entries else {}
        if last.get("stage") == stage and last.get("detail") == detail:
            last["joules"] += joules
            last["slices"] += 1
        else:
            self.entries.append(
                {"stage": stage, "joules": joules, "slices": 1, "provenance": provenance.name.lower(), "detail": detail}
            )

    # ----------------------------------------------------------------------------------------------------------- working

    def slice(self, joules: float = math.inf, stopped: Callable[[], bool] = lambda: False) -> float:
        """Work until the job is done, the joules of this slice are used up, or somebody says stop; what it took [J].

        A slice does one unit of work at least, unless it is stopped at once. Raises BudgetError when the whole budget is
        used up before the student has learnt anything.
        """
        if self.learnt is not None:
            return 0.0
        began, stage = self.clock() - self.since, self.stage
        self.since = 0.0
        spent = lambda: (self.clock() - began) * CORE_POWER  # noqa: E731
        first = True
        while self.learnt is None and not stopped() and (first or spent() + self.dearest <= joules):
            at, first = spent(), False
            self._unit(self.energy + at)
            self.dearest = max(0.9 * self.dearest, spent() - at)
            if self.stage != stage:
                break  # a receipt is of one stage
        taken = spent()
        self._book(stage, taken, Provenance.CPU_TIME_MODEL, f"{CORE_POWER:g} W per busy core, declared")
        self._save()
        self.since = spent() / CORE_POWER - taken / CORE_POWER  # what saving took is the next slice's
        if self.learnt is not None:
            self._account()
        return taken

    def _unit(self, energy: float) -> None:
        """The least piece of work of the present stage."""
        if self.stage == "labelling":
            self._label()
        elif self.stage == "teaching":
            self._answer()
        elif self.stage == "testing":
            self._test()
        else:
            assert self.course is not None
            self.course.step()
            if self.course.over:
                self._next()
        if self.stage in ("tuning", "teaching", "training") and energy > self.goal.energy_limit - TESTING:
            self._cut()

    def _label(self) -> None:
        """Judge the place, if that is affordable; then ask for the labels that are wanted beyond."""
        if self.probe and math.isnan(self.judged):
            self._judge()
            return
        count = self.decision.labels
        if count > self.probe:
            self._ask(count - self.probe, "to learn from")
        if self.decision.method is Method.ANNOTATE:
            self._begin("training", labelled_course(self.school.student, self.ground, count, self.goal.seed))
        elif count:
            self._begin("tuning", tuning_course(self.school.teacher, self.ground, count, self.goal.seed))
        else:
            self._begin("teaching", None)

    def _begin(self, stage: str, course: Course | None) -> None:
        self.stage, self.course = stage, course

    def _next(self) -> None:
        assert self.course is not None
        if self.stage == "tuning":
            self.teacher = self.course.network
            self._begin("teaching", None)
        else:
            self.stage = "testing"

    def _answer(self) -> None:
        """The teacher answers some patches."""
        at = sum(len(part) for part in self.answers)
        part = logits_of(self.teacher, self.ground.x[at : at + CHUNK])
        self.answers.append(torch_of().softmax(part / TEMPERATURE, dim=1))
        if at + len(part) >= len(self.ground.x):
            self.soft = torch_of().cat(self.answers)
            self._begin("training", distilling_course(self.school.student, self.ground, self.soft, self.goal.seed))

    def _cut(self) -> None:
        """The budget is used up: go on with what the student has learnt, if it has learnt anything."""
        if self.stage != "training" or self.course is None or self.course.done == 0:
            raise BudgetError(
                f"energy_limit = {self.goal.energy_limit:g} J: used up while {self.stage}, before the student learnt; give more"
            )
        self.stage, self.short = "testing", True

    def _test(self) -> None:
        """Write it and test the file; it is the student's network, so it has its price."""
        assert self.course is not None
        network = self.course.network.eval()
        how = {Method.ANNOTATE: "annotated", Method.DISTIL: "distilled", Method.HYBRID: "hybrid"}[self.decision.method]
        path = self.folder / f"swift-{how}.onnx"
        write_onnx(network, (CHANNELS, SIDE, SIDE), path)
        session, x = Session(path), self.ground.test_x.numpy()
        scores = np.concatenate([session(x[i : i + CHUNK]) for i in range(0, len(x), CHUNK)])
        variant = Variant(
            name=f"swift-{how}", task=TASK, **graded(scores, self.ground.test_y), **self.school.price, size=path.stat().st_size,
            artefact=path.name, checksum=digest(path),
            source=f"{self.decision.reason}; school of seed {self.school.seed}, seed {self.goal.seed}",
        )  # fmt: skip
        before = accuracy(self.school.student, self.ground.test_x, self.ground.test_y)
        self.learnt = Learnt(self.decision, variant, before, self.short)

    # ------------------------------------------------------------------------------------------------------------- disk

    def _save(self) -> None:
        """The whole state, as one file that is there or not."""
        if self.learnt is not None:
            self.path.unlink(missing_ok=True)
            return
        state = {
            "stage": self.stage, "judged": self.judged, "entries": self.entries,
            "short": self.short, "answers": self.answers, "dearest": self.dearest,
            "course": None if self.course is None else self.course.state(),
            "teacher": None if self.teacher is self.school.teacher else self.teacher.state_dict(),
        }  # fmt: skip
        save(state, self.path)

    def _restore(self, state: dict[str, Any]) -> None:
        self.entries, self.short, self.dearest, self.answers = (state[k] for k in ("entries", "short", "dearest", "answers"))
        self.judged = state["judged"]
        if not math.isnan(self.judged):
            self._decide_anew()
        goal, count = self.goal, self.decision.labels
        if state["teacher"] is not None:
            self.teacher = tuning_course(self.school.teacher, self.ground, max(1, count), goal.seed).network
            self.teacher.load_state_dict(state["teacher"])
        course = None
        if state["stage"] == "tuning":
            course = tuning_course(self.school.teacher, self.ground, count, goal.seed)
        elif state["course"] is not None and self.decision.method is Method.ANNOTATE:
            course = labelled_course(self.school.student, self.ground, count, goal.seed)
        elif state["course"] is not None:
            self.soft = torch_of().cat(self.answers)
            course = distilling_course(self.school.student, self.ground, self.soft, goal.seed)
        if course is not None:
            course.restore(state["course"])
        self._begin(state["stage"], course)

    def _account(self) -> None:
        """The variant into the store, and every joule into account.json."""
        assert self.learnt is not None
        path = self.folder / "variants.yaml"
        store = read_store(path) if path.exists() else Store.of([])
        write_store(path, store.with_variant(self.learnt.variant))
        total = self.total
        made, decided = self.learnt.variant, self.decision
        account = {
            "goal": {**asdict(self.goal), "method": self.goal.method.value}, "method": decided.method.value,
            "labels": decided.labels, "judged_by": self.probe, "teacher_here": self.judged,
            "expected_quality": decided.quality, "expected_J": decided.energy,
            "break_even_J": decided.break_even, "quality_before": self.learnt.quality_before, "quality": made.quality,
            "variant": made.name, "receipts": self.entries, "whole_J": total.whole,
            "joules": {p.name.lower(): j for p, j in total.joules.items()}, "cut_short": self.short,
        }  # fmt: skip
        text = json.dumps(plain(account), indent=1, allow_nan=False)
        (self.folder / "account.json").write_text(text + "\n", encoding="utf-8")

    def result(self) -> Learnt:
        """What was learnt. Raises RuntimeError before the job is done."""
        if self.learnt is None:
            raise RuntimeError("the job is not done")
        return self.learnt


def _nothing(goal: Goal) -> Decision:
    return Decision(Method.NONE, 0, 0.0, 0.0, math.nan, f"testing alone takes up to {TESTING:g} J")
