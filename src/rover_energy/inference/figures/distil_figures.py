"""Figures of learning at a place: distillation beside labels, for a student from nothing and one from the simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from rover_energy.inference.distil_or_annotate import Curve, break_even
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
)
from rover_energy.inference.learning.tools import accuracy
from rover_energy.inference.tasks.shifted_patches import FOREIGN

LABEL_ENERGY = 30.0  # [J] of downlink, uplink and listening, declared
MAC_ENERGY = 20e-12  # [J] of a multiply-accumulate, declared
HYBRID = (60, 180)


def from_labels(student: Any, ground: Ground, labels: int, seed: int) -> Any:
    """A student taught by labels."""
    return labelled_course(student, ground, labels, seed).finish()


def from_nothing(ground: Ground, labels: int, seed: int) -> Any:
    """The paper's way of asking: a student that knows nothing, and labels."""
    x, y = ground.x[:labels], ground.y[:labels]
    return Course(fresh_student(seed), x, by_labels(y), epochs=max(20, 20000 // labels), rate=3e-3, seed=seed).finish()


def one_seed(seed: int) -> dict[str, float]:
    """Both ways over the labels, at a place like those of the simulator and at a foreign one."""
    teacher, student = from_simulator(seed)
    ground = generated_ground(seed)
    at = partial(accuracy, x=ground.test_x, y=ground.test_y)
    nothing = [measured(partial(from_nothing, ground, n, seed), ground) for n in LABELS]
    asked = [measured(partial(from_labels, student, ground, n, seed), ground) for n in LABELS]
    alone = measured(partial(distilled, teacher, student, ground, 0, seed), ground)
    both = [measured(partial(distilled, teacher, student, ground, n, seed), ground) for n in HYBRID]
    best = max(q for q, _ in (*nothing, *asked))
    annotate = Curve((0, *LABELS), (at(student), *(q for q, _ in asked)), max(e for _, e in asked))
    counted = distilling_operations(teacher, student, len(ground.x)) * MAC_ENERGY
    foreign = generated_ground(seed, FOREIGN)
    lost, _ = measured(partial(distilled, teacher, student, foreign, 0, seed), foreign)
    labelled, _ = measured(partial(from_labels, student, foreign, LABELS[-1], seed), foreign)
    return {
        "teacher": 100.0 * at(teacher), "student": 100.0 * at(student), "distilled": 100.0 * alone[0],
        "above nothing": 100.0 * (alone[0] - max(q for q, _ in nothing)), "above labels": 100.0 * (alone[0] - best),
        "share": alone[1] / (LABELS[-1] * LABEL_ENERGY), "energy": alone[1], "counted": counted,
        "hybrid": 100.0 * max(q for q, _ in both), "most labels": 100.0 * best,
        "break even": break_even(annotate, Curve((0,), (alone[0],), alone[1])),
        "foreign": 100.0 * (lost - labelled),
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
        Figure(name, f"accuracy of the hybrid with {HYBRID[0]} or {HYBRID[1]} labels [%]", column["hybrid"], inf, True, kind),
        Figure(name, "price of a label below which labels are better [J]", column["break even"], inf, True, kind),
        Figure(name, f"at a foreign place: distilled above {some} [pt]", column["foreign"], inf, True, kind),
    ]  # fmt: skip
