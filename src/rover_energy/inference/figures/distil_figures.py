"""Figures of learning at a place: distillation beside labels, for a student from nothing and one from the simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    doubt_of,
    probe_labels,
)
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.learning.classifiers import operations
from rover_energy.inference.learning.course import Course, by_labels
from rover_energy.inference.learning.school import (
    LABELS,
    TEACHING_EPOCHS,
    Ground,
    fresh_student,
    from_simulator,
    generated_ground,
    measured,
    rehearsals,
    rehearse,
)
from rover_energy.inference.learning.tools import accuracy
from rover_energy.inference.tasks.shifted_patches import FOREIGN, PLACE, Place

LABEL_ENERGY = 30.0  # [J] of downlink, uplink and listening, declared
MAC_ENERGY = 20e-12  # [J] of a multiply-accumulate, declared
BUDGET = 1000.0 + LABELS[-1] * LABEL_ENERGY  # [J]: all labels, and computing
TWO_WAYS = (Method.ANNOTATE, Method.DISTIL)  # of the paper: labels, or a teacher instead of them
TEST = 6000  # patches to judge by: a point is 1.3 of its standard deviations


def from_nothing(ground: Ground, labels: int, seed: int) -> Any:
    """The paper's way of asking: a student that knows nothing, and labels."""
    x, y = ground.x[:labels], ground.y[:labels]
    return Course(fresh_student(seed), x, by_labels(y), epochs=max(20, 20000 // labels), rate=3e-3, seed=seed).finish()


def world_of(teacher: Any, student: Any, place: Place, seed: int) -> tuple[Ground, Rehearsal]:
    """A place, and what every way does there in truth."""
    ground = generated_ground(seed, place, test=TEST)
    return ground, rehearse(teacher, student, ground, seed)


def decided(annotate: Curve, distil: Curve, allowed: Sequence[Method], paid: int = 0, doubt: float = 0.0) -> Decision:
    """Of the ways allowed, what promises most within the budget."""
    return decide(
        annotate, distil, label_energy=LABEL_ENERGY, budget=BUDGET, before=annotate.quality[0], paid=paid, allowed=allowed,
        doubt=doubt,
    )  # fmt: skip


def regret(decision: Decision, truth: Rehearsal, allowed: Sequence[Method]) -> float:
    """What the best of the ways allowed reaches above the one that was decided for."""
    hybrid = truth.distil.quality if Method.HYBRID in allowed else truth.distil.quality[:1]
    curve = truth.annotate if decision.method in (Method.ANNOTATE, Method.NONE) else truth.distil
    return max(*truth.annotate.quality, *hybrid) - curve.quality[curve.labels.index(decision.labels)]


def decisions(teacher: Any, known: Sequence[Rehearsal], ground: Ground, truth: Rehearsal) -> dict[str, float]:
    """Regret, labels and joules of what the learning planner decides at a place, and without judging the place first.

    Some labels tell how often the teacher is right, and so which curves hold; without, those of the place that Earth expects.
    """
    paid = probe_labels(BUDGET, LABEL_ENERGY, len(ground.x))
    right = accuracy(teacher, ground.x[:paid], ground.y[:paid])
    found: dict[str, float] = {}
    for ways, allowed in (("two ways", TWO_WAYS), ("all ways", (*TWO_WAYS, Method.HYBRID))):
        judged = decided(*curves_at(known, right), allowed, paid, doubt_of(right, paid))
        blind = decided(known[0].annotate, known[0].distil, allowed)
        for how, made in ((ways, judged), (f"{ways} unjudged", blind)):
            found[f"{how} regret"] = 100.0 * regret(made, truth, allowed)
            found[f"{how} labels"], found[f"{how} joules"] = float(made.labels), made.energy
    return found


def one_seed(seed: int) -> dict[str, float]:
    """Both ways over the labels, and the decision, at a place like those of the simulator and at a foreign one."""
    teacher, student = from_simulator(seed)
    known = rehearsals(teacher, student, seed)
    found: dict[str, float] = {}
    worlds = {name: world_of(teacher, student, place, seed) for name, place in (("here", PLACE), ("foreign", FOREIGN))}
    for name, (ground, truth) in worlds.items():
        found |= {f"{name} {key}": value for key, value in decisions(teacher, known, ground, truth).items()}
    (ground, here), (_, foreign) = worlds["here"], worlds["foreign"]
    nothing = max(measured(partial(from_nothing, ground, n, seed), ground)[0] for n in LABELS)
    asked, alone = max(here.annotate.quality), here.distil.quality[0]
    counted = distilling_operations(teacher, student, len(ground.x)) * MAC_ENERGY
    return found | {
        "teacher": 100.0 * here.teacher, "student": 100.0 * here.annotate.quality[0], "distilled": 100.0 * alone,
        "above nothing": 100.0 * (alone - nothing), "above labels": 100.0 * (alone - max(asked, nothing)),
        "share": here.distil.fixed / (LABELS[-1] * LABEL_ENERGY), "energy": here.distil.fixed, "counted": counted,
        "hybrid": 100.0 * max(here.distil.quality[1:]), "most labels": 100.0 * max(asked, nothing),
        "break even": break_even(here.annotate, Curve((0,), (alone,), here.distil.fixed)),
        "foreign": 100.0 * (foreign.distil.quality[0] - max(foreign.annotate.quality)),
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
        *(row for world in ("here", "foreign") for row in decision_rows(name, kind, column, world)),
    ]  # fmt: skip


def decision_rows(name: str, kind: str, column: dict[str, tuple[float, ...]], world: str) -> list[Figure]:
    """What was decided at a place, beside deciding as if it were the one that Earth expects."""
    place, inf = {"here": "at the place", "foreign": "at a foreign place"}[world], math.inf
    bounds = {"regret": ("regret of labels or teacher [pt]", 1.0), "labels": ("labels it then learns from", inf)}
    rows = [
        Figure(
            name, f"{place}: {what}", column[f"{world} two ways {key}"], bound, False, kind,
            column[f"{world} two ways unjudged {key}"], "place not judged",
        )
        for key, (what, bound) in bounds.items()
    ]  # fmt: skip
    with_hybrid = {"regret": "regret, hybrid allowed [pt]", "joules": "energy, hybrid allowed [J]"}
    return rows + [
        Figure(
            name, f"{place}: {what}", column[f"{world} all ways {key}"], inf, False, kind,
            column[f"{world} all ways unjudged {key}"], "place not judged",
        )
        for key, what in with_hybrid.items()
    ]  # fmt: skip
