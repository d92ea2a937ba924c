"""Figures of learning at a place: distillation beside labels, for a student from nothing and one from the simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rover_energy.inference.distil_or_annotate import (
    Curve,
    Decision,
    Method,
    Rehearsal,
    break_even,
    curves_at,
    decide,
    probe_labels,
)
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.learning.classifiers import operations
from rover_energy.inference.learning.course import Course, by_labels
from rover_energy.inference.learning.school import (
    LABELS,
    TEACHING_EPOCHS,
    Ground,
    distilled,
    fresh_student,
    from_simulator,
    generated_ground,
    labelled_course,
    measured,
    rehearsals,
    rehearse,
)
from rover_energy.inference.learning.tools import accuracy
from rover_energy.inference.tasks.shifted_patches import FOREIGN, PLACE, Place

LABEL_ENERGY = 30.0  # [J] of downlink, uplink and listening, declared
MAC_ENERGY = 20e-12  # [J] of a multiply-accumulate, declared
BUDGET = 1000.0 + LABELS[-1] * LABEL_ENERGY  # [J]: all labels, and computing
TEST = 6000  # patches to judge by: a point is 1.3 of its standard deviations


def from_nothing(ground: Ground, labels: int, seed: int) -> Any:
    """The paper's way of asking: a student that knows nothing, and labels."""
    x, y = ground.x[:labels], ground.y[:labels]
    return Course(fresh_student(seed), x, by_labels(y), epochs=max(20, 20000 // labels), rate=3e-3, seed=seed).finish()


@dataclass(frozen=True)
class World:
    """A place: what both ways do there in truth, and the joules of distillation alone."""

    ground: Ground
    truth: Rehearsal

    @property
    def ways(self) -> tuple[Curve, Curve]:
        return self.truth.annotate, self.truth.distil

    @property
    def best(self) -> float:
        """Quality of the best of all ways that were tried."""
        return max(q for curve in self.ways for q in curve.quality)


def world_of(teacher: Any, student: Any, place: Place, seed: int) -> World:
    """Every way gone at a place."""
    ground = generated_ground(seed, place, test=TEST)
    return World(ground, rehearse(teacher, student, ground, seed))


def chosen(teacher: Any, student: Any, world: World, decision: Decision, seed: int) -> float:
    """Quality of the way that was decided for: as it was tried, or gone now."""
    curve, n = world.ways[decision.method is not Method.ANNOTATE], decision.labels
    if decision.method is Method.NONE:
        return world.truth.annotate.quality[0]
    if n in curve.labels:
        return curve.quality[curve.labels.index(n)]
    annotate = decision.method is Method.ANNOTATE
    make = labelled_course(student, world.ground, n, seed).finish if annotate else None
    return measured(make or partial(distilled, teacher, student, world.ground, n, seed), world.ground)[0]


def decided(teacher: Any, known: Sequence[Rehearsal], ground: Ground) -> Decision:
    """What the learning planner decides: some labels tell how often the teacher is right, and so which curves hold."""
    paid = probe_labels(BUDGET, LABEL_ENERGY, len(ground.x))
    right = accuracy(teacher, ground.x[:paid], ground.y[:paid])
    annotate, distil = curves_at(known, right)
    return decide(annotate, distil, label_energy=LABEL_ENERGY, budget=BUDGET, before=annotate.quality[0], paid=paid)


def unprobed(known: Sequence[Rehearsal]) -> Decision:
    """What it would decide as if the place were the one that Earth takes it for."""
    near = known[0]
    return decide(near.annotate, near.distil, label_energy=LABEL_ENERGY, budget=BUDGET, before=near.annotate.quality[0])


def one_seed(seed: int) -> dict[str, float]:
    """Both ways over the labels, and the decision, at a place like those of the simulator and at a foreign one."""
    teacher, student = from_simulator(seed)
    known, found = rehearsals(teacher, student, seed), {}
    worlds = {name: world_of(teacher, student, place, seed) for name, place in (("here", PLACE), ("foreign", FOREIGN))}
    for name, world in worlds.items():
        for how, decision in (("", decided(teacher, known, world.ground)), (" unprobed", unprobed(known))):
            regret = world.best - chosen(teacher, student, world, decision, seed)
            found[f"regret {name}{how}"], found[f"labels {name}{how}"] = 100.0 * regret, float(decision.labels)
            found[f"joules {name}{how}"] = decision.energy
    here, foreign = worlds["here"].truth, worlds["foreign"].truth
    nothing = max(measured(partial(from_nothing, worlds["here"].ground, n, seed), worlds["here"].ground)[0] for n in LABELS)
    asked, alone = max(here.annotate.quality), here.distil.quality[0]
    counted = distilling_operations(teacher, student, len(worlds["here"].ground.x)) * MAC_ENERGY
    return found | {
        "teacher": 100.0 * here.teacher, "student": 100.0 * here.annotate.quality[0], "distilled": 100.0 * alone,
        "above nothing": 100.0 * (alone - nothing), "above labels": 100.0 * (alone - max(asked, nothing)),
        "share": here.distil.fixed / (LABELS[-1] * LABEL_ENERGY), "energy": here.distil.fixed, "counted": counted,
        "hybrid": 100.0 * max(here.distil.quality[1:]), "most labels": 100.0 * max(asked, nothing),
        "break even": break_even(here.annotate, Curve((0,), (alone,), here.distil.fixed)),
        "foreign": 100.0 * (foreign.distil.quality[0] - max(foreign.annotate.quality)),
        "foreign best": 100.0 * worlds["foreign"].best,
    }  # fmt: skip


def distilling_operations(teacher: Any, student: Any, patches: int) -> float:
    """Multiply-accumulates: the teacher answers once, the student goes forward and back, about three times its forward pass."""
    return float(patches * (sum(operations(teacher)) + 3 * TEACHING_EPOCHS * sum(operations(student))))


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table. A break-even price is NaN where no number of labels reached what distillation did."""
    found = [one_seed(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in found) for name in found[0]}
    paper = "T5 11B to small, in dollars: other models, the same question; a student from the simulator is not in the paper"
    name, kind, some, inf = "Distill or Annotate", "measured", f"{LABELS[-1]} labels", math.inf
    return [
        Figure(
            name, f"distilled, no label, above the best of up to {some}, student from nothing [pt]", column["above nothing"],
            0.0, True, kind, paper=paper,
        ),
        Figure(name, "likewise, above the simulator's student with labels, too [pt]", column["above labels"], 0.0, True, kind),
        Figure(
            name, f"its energy over that of {some}, processor time", column["share"], 0.1, False, kind, column["energy"],
            "distillation [J]",
        ),
        Figure(name, "its energy by operations at 20 pJ [J]", column["counted"], inf, True, "operation model"),
        Figure(
            name, "accuracy distilled [%]", column["distilled"], inf, True, kind, column["student"], "the simulator's student",
        ),
        Figure(name, f"accuracy of the best with up to {some} [%]", column["most labels"], inf, True, kind),
        Figure(name, "accuracy of the teacher, unchanged [%]", column["teacher"], inf, True, kind),
        Figure(name, "accuracy of the hybrid with labels [%]", column["hybrid"], inf, True, kind),
        Figure(name, "price of a label below which labels are better [J]", column["break even"], inf, True, kind),
        Figure(name, f"at a foreign place: distilled above {some} [pt]", column["foreign"], inf, True, kind),
        *(
            row
            for key, place in (("here", "at the place"), ("foreign", "at the foreign place"))
            for row in (
                Figure(
                    name, f"{place}: regret of the decision [pt]", column[f"regret {key}"], 1.0, False, kind,
                    column[f"regret {key} unprobed"], "not judging the place first",
                ),
                Figure(
                    name, f"{place}: labels it learns from", column[f"labels {key}"], inf, False, kind,
                    column[f"labels {key} unprobed"], "not judging",
                ),
                Figure(
                    name, f"{place}: energy it expects to take [J]", column[f"joules {key}"], inf, False, kind,
                    column[f"joules {key} unprobed"], "not judging",
                ),
            )
        ),
    ]  # fmt: skip
