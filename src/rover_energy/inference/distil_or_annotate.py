"""Ask Earth for labels, distil on board, or both: what promises most within a budget of joules.

Both ways are described by a curve: quality on held-out data over the number of labels, with what the way costs apart from
the labels. The curve of distillation begins at no labels at all: a teacher from the simulator answers in their place; with
labels it is the hybrid of both.

Curves come from rehearsals elsewhere. How far the place is from them shows in the teacher: some labels that it is judged by
(`Rehearsal`, `curves_at`) tell whether the place is like the simulator or beyond it.

References
----------
Kang, Xu and Ritter 2023, "Distill or Annotate? Cost-Efficient Fine-Tuning of Compact Models", arXiv 2305.01645: the question
and the two ways; there prices are in dollars, here in joules at the bus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from rover_energy.errors import InputError

RESOLUTION = 0.005  # qualities closer than this count as equal: half a percent of 3000 test answers is within their interval
PROBE, PROBE_LEAST, PROBE_SHARE = 120, 40, 0.1  # labels to judge a place by, at most and at least; of the budget, at most


class Method(Enum):
    """Ways to a better network."""

    NONE = "none"
    ANNOTATE = "annotate"
    DISTIL = "distil"
    HYBRID = "hybrid"


@dataclass(frozen=True)
class Curve:
    """What one way reaches and takes.

    labels, quality : measured points; labels rise from 0 or more, qualities lie in 0..1. fixed : energy without any label
    (training; the teacher's answers) [J]. per_label : computing that comes with each label [J]. Between the points the
    quality is linear in log(1 + labels), made monotone by pooling (labels do no harm but by chance); after the last point it
    stays, so that nothing is promised that was not measured.
    """

    labels: tuple[float, ...]
    quality: tuple[float, ...]
    fixed: float = 0.0
    per_label: float = 0.0

    def __post_init__(self) -> None:
        n, q = np.asarray(self.labels, float), np.asarray(self.quality, float)
        if len(n) == 0 or len(n) != len(q):
            raise InputError("curve", "labels", f"are {len(n)}, qualities {len(q)}", "give as many, one or more")
        if not (np.all(np.isfinite(n)) and n[0] >= 0.0 and np.all(np.diff(n) > 0.0)):
            raise InputError("curve", "labels", "do not rise from 0 or more", "sort the points and give each once")
        if not np.all((q >= 0.0) & (q <= 1.0)):
            raise InputError("curve", "quality", "is NaN or not within 0 .. 1", "give shares of right answers")
        for name in ("fixed", "per_label"):
            if not 0.0 <= getattr(self, name) < math.inf:
                problem = "is NaN, negative or infinite"
                raise InputError("curve", name, problem, "give joules of 0 or more", getattr(self, name))

    @cached_property
    def _monotone(self) -> tuple[float, ...]:
        return pooled(self.quality)

    def at(self, labels: float) -> float:
        """Quality with so many labels; NaN with fewer than the first point has."""
        if not labels >= self.labels[0]:
            return math.nan
        return float(np.interp(math.log1p(labels), np.log1p(self.labels), self._monotone))

    def needed(self, quality: float) -> float:
        """Fewest labels [whole] with which the quality is reached; infinity when no point does."""
        known = self._monotone
        if not quality <= known[-1]:
            return math.inf
        i = next(k for k, q in enumerate(known) if q >= quality)
        if i == 0:
            return math.ceil(self.labels[0])
        low, high = math.log1p(self.labels[i - 1]), math.log1p(self.labels[i])
        n = math.expm1(low + (high - low) * (quality - known[i - 1]) / (known[i] - known[i - 1]))
        return min(math.ceil(n - 1e-6), math.ceil(self.labels[i]))

    def numbers(self, most: float) -> list[float]:
        """Labels that may be asked for, up to `most`: numbers that were measured, and `most` itself between two of them.

        None between 0 and the least number: a network that is tuned with a handful of labels is worse than before.
        """
        found = [n for n in self.labels if n <= most]
        return [*found, most] if 0.0 < found[-1] < most else found

    def energy(self, labels: float, label_energy: float) -> float:
        """Everything that so many labels take [J]."""
        return self.fixed + labels * (label_energy + self.per_label)

    def affordable(self, budget: float, label_energy: float, available: float = math.inf) -> float:
        """Most labels [whole] that the budget [J] carries, at most as many as the curve was measured with.

        -1 when it does not even carry the first point.
        """
        most, price = min(available, self.labels[-1]), label_energy + self.per_label
        left = budget - self.fixed
        count = -1.0 if left < 0.0 else most if price == 0.0 else min(most, left / price + 1e-9)
        return math.floor(count) if count >= self.labels[0] else -1


@dataclass(frozen=True)
class Rehearsal:
    """What both ways reached at one made-up place. teacher : its accuracy there as it is [0..1]."""

    teacher: float
    annotate: Curve
    distil: Curve


def curves_at(rehearsals: Sequence[Rehearsal], teacher: float) -> tuple[Curve, Curve]:
    """Curves of both ways at a place where the teacher has an accuracy [0..1]: linear between rehearsals by that accuracy.

    Below the least and above the greatest accuracy of a rehearsal its curves hold. Energies are the greatest of all. Raises
    InputError when the rehearsals' labels differ.
    """
    order = sorted(rehearsals, key=lambda r: r.teacher)
    if not order or not 0.0 <= teacher <= 1.0:
        problem = "is not within 0 .. 1, or nothing was rehearsed"
        raise InputError("rehearsals", "teacher", problem, "rehearse at one place or more", teacher)
    return _between(order, [r.annotate for r in order], teacher), _between(order, [r.distil for r in order], teacher)


def _between(order: Sequence[Rehearsal], curves: Sequence[Curve], teacher: float) -> Curve:
    if any(curve.labels != curves[0].labels for curve in curves):
        raise InputError("rehearsals", "labels", "differ from place to place", "rehearse with the same numbers of labels")
    known = [r.teacher for r in order]
    quality = tuple(float(np.interp(teacher, known, column)) for column in zip(*(c.quality for c in curves), strict=True))
    return Curve(curves[0].labels, quality, max(c.fixed for c in curves), max(c.per_label for c in curves))


def doubt_of(right: float, labels: int) -> float:
    """Standard error of an accuracy [0..1] that was seen with so many labels."""
    return math.sqrt(right * (1.0 - right) / labels)


def probe_labels(budget: float, label_energy: float, available: float) -> int:
    """Labels that a place is judged by: `PROBE`, or what `PROBE_SHARE` of the budget [J] pays; 0 when that is too few to tell."""
    paid = PROBE_SHARE * budget / label_energy if label_energy > 0.0 else math.inf
    count = math.floor(min(PROBE, available, paid))
    return count if count >= PROBE_LEAST else 0


def pooled(values: Sequence[float]) -> tuple[float, ...]:
    """The rising sequence of least square distance (pool adjacent violators: Ayer et al. 1955, 10.1214/aoms/1177728423)."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, m), (a, n) = blocks.pop(), blocks.pop()
            blocks.append(((a * n + b * m) / (n + m), n + m))
    return tuple(value for value, count in blocks for _ in range(count))


@dataclass(frozen=True)
class Decision:
    """What to do.

    labels : to ask for. energy : expected, all told [J]. quality : expected [0..1]. break_even : as the function [J].
    """

    method: Method
    labels: int
    energy: float
    quality: float
    break_even: float
    reason: str


def break_even(annotate: Curve, distil: Curve) -> float:
    """Price of a label [J] below which asking for labels reaches what distillation without any reaches, for less.

    NaN when no number of labels on the curve reaches it: then no price is known to be low enough.
    """
    needed = annotate.needed(distil.at(distil.labels[0]))
    if not math.isfinite(needed):
        return math.nan
    return max(0.0, (distil.fixed - annotate.fixed) / needed - annotate.per_label) if needed > 0.0 else math.inf


def decide(
    annotate: Curve, distil: Curve, *, label_energy: float, budget: float, before: float = 0.0, available: float = math.inf,
    resolution: float = RESOLUTION, allowed: Sequence[Method] = (Method.ANNOTATE, Method.DISTIL, Method.HYBRID), paid: int = 0,
    doubt: float = 0.0,
) -> Decision:  # fmt: skip
    """The cheapest way to the best quality that the budget carries.

    Parameters
    ----------
    annotate, distil : Curve
        Asking for labels; distillation, with labels too (the hybrid).
    label_energy : float
        Price of a label: downlink, uplink and listening [J].
    budget : float
        Most that all may take: labels and computing [J].
    before : float
        Quality of the network that is there [0..1]; a way that does not promise more is not gone.
    available : float
        Most labels that there are.
    resolution : float
        Qualities that differ by less count as equal; the cheaper way is then taken.
    allowed : sequence of Method
        Which ways may be gone.
    paid : int
        Labels that are there already; their price is part of every way's energy, and no way has them cheaper.
    doubt : float
        Standard error of what the curves promise here. More labels are asked for only where they promise more than that above
        what can be had without (the rule of one standard error: Breiman et al. 1984, Classification and Regression Trees, 3.4.3).

    Raises
    ------
    InputError
        For a price, budget, quality or number that is NaN or out of range.
    """
    shares = (("before", before), ("resolution", resolution), ("doubt", doubt))
    for name, value, high in (("label_energy", label_energy, math.inf), *((name, share, 1.0) for name, share in shares)):
        if not (0.0 <= value <= high and math.isfinite(value)):
            raise InputError("decision", name, f"is not within 0 .. {high:g}", "give another", value)
    for name, value in (("budget", budget), ("available", available)):
        if not value >= 0.0:
            raise InputError("decision", name, "is NaN or negative", "give 0 or more", value)
    price = break_even(annotate, distil)
    ways = [(curve, most) for curve, most in _ways(annotate, distil, allowed, budget, label_energy, available) if most >= 0]
    if not ways:
        least = min((c.energy(c.labels[0], label_energy) for c in (annotate, distil)), default=math.nan)
        return Decision(Method.NONE, 0, 0.0, before, price, f"no way fits into {budget:.6g} J: the least takes {least:.6g} J")
    options = [(curve, n) for curve, most in ways for n in curve.numbers(most)]
    best = max(curve.at(n) for curve, n in options)
    without = [(curve, n) for curve, n in options if n <= paid]
    if doubt > 0.0 and without and not best > max(curve.at(n) for curve, n in without) + doubt:
        options = without
        best = max(curve.at(n) for curve, n in options)
    if not best > before + resolution:
        reason = f"no way promises more than the {before:.3f} that are there: at most {best:.3f}"
        return Decision(Method.NONE, 0, 0.0, before, price, reason)
    wanted = max(best - resolution, np.nextafter(before, 1.0))
    good = [(curve.energy(max(n, paid), label_energy), n, curve) for curve, n in options if curve.at(n) >= wanted]
    energy, count, chosen = min(good, key=lambda option: option[:2])
    method = Method.ANNOTATE if chosen is annotate else Method.HYBRID if count > 0 else Method.DISTIL
    reason = f"{method.value} with {count:.0f} labels: {chosen.at(count):.3f} for {energy:.6g} J of {budget:.6g} J"
    return Decision(method, int(count), energy, chosen.at(count), price, reason)


def _ways(
    annotate: Curve, distil: Curve, allowed: Sequence[Method], budget: float, label_energy: float, available: float
) -> list[tuple[Curve, float]]:
    """Each curve with the most labels that may be asked for on it; distillation alone may ask for none."""
    found = []
    if Method.ANNOTATE in allowed:
        found.append((annotate, annotate.affordable(budget, label_energy, available)))
    if Method.HYBRID in allowed:
        found.append((distil, distil.affordable(budget, label_energy, available)))
    elif Method.DISTIL in allowed:
        found.append((distil, distil.affordable(budget, label_energy, min(available, distil.labels[0]))))
    return found
