"""Long traverses window by window: the work of the optimiser then grows with the length, not with its square.

Each window is a programme of some forty metres that ends on the first guess, at a little less than its speed; of its solution
the beginning is kept, and the next window starts from there in the very state in which the kept part ends, accelerations
included. What is thrown away has carried the kept part past the end that the window was given. Where stored energy or budget
bind, a window may use no more of them up to its end than the guess does, which keeps them over the whole way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rover_energy.planning.model import CONSTANTS
from rover_energy.planning.optimiser import Outcome
from rover_energy.planning.rejoin import FREE_YAW_ACCELERATION
from rover_energy.planning.stage import CONTROLS
from rover_energy.planning.trajectory import Array, Trajectory
from rover_energy.planning.transcription import Programme, limit_rows, piece_ratios, split, to_trajectory

LONG = 60.0  # [m] of path from which on windows serve: a short but slow drive is better solved whole
LONGEST_WHOLE = 96  # pieces of the last window, which takes what is left whole
WINDOW = 72  # pieces of a window
KEPT = 52  # of them are kept
END_SPEED = 0.9  # of the guess, at the end of a window: the guess drives at the limits, where no interior point lies
START = np.array([0, 1, 2, 3, 4, 5, 6])  # states that a window's start fixes, before the energies
GOAL = np.array([0, 1, 2, 3, 5])  # states that its end fixes


@dataclass(frozen=True)
class Span:
    """Pieces `first` to `last` of the whole, of which the first `kept` are kept."""

    first: int
    last: int
    kept: int


def spans(pieces: int) -> Iterator[Span]:
    """The windows of a programme of so many pieces; the last one takes what is left whole."""
    first = 0
    while pieces - first > LONGEST_WHOLE:
        yield Span(first, first + WINDOW, KEPT)
        first += KEPT
    yield Span(first, pieces, pieces - first)


class Windows:
    """The windows of one programme, from the first to the last.

    whole : its guess must keep what it should keep of energy and time over the whole way when `rationed`.
    """

    def __init__(self, whole: Programme, *, rationed: bool) -> None:
        self.whole, self.rationed = whole, rationed
        self.states, self.controls = split(whole, whole.x)
        self.ratios = piece_ratios(whole)
        self.begun: Array | None = None  # state in which the kept part ends
        self.time = float(whole.parameters[1])
        self.kept: list[Trajectory] = []

    def solve(
        self, optimise: Callable[[Programme], Outcome | None], readable: Callable[[Programme, Outcome], bool]
    ) -> Outcome | None:
        """All windows in turn, their outcomes summed up; None when one is not solved, or `readable` finds no trajectory in it."""
        total: Outcome | None = None
        for span in spans(self.whole.pieces):
            programme = self.programme(span)
            outcome = optimise(programme)
            if outcome is None or not readable(programme, outcome):
                return None
            total = outcome if total is None else _summed(total, outcome)
            self._keep(span, programme, outcome.x)
        return total

    def trajectory(self) -> Trajectory:
        """The kept parts as one; their joints are exact in heading, its two derivatives, speed and its derivative."""
        heading = np.vstack([part.heading for part in self.kept if part.heading is not None])
        speed = np.vstack([part.speed for part in self.kept if part.speed is not None])
        durations = np.concatenate([part.durations for part in self.kept])
        return Trajectory("unicycle", self.kept[0].start, durations, heading=heading, speed=speed)

    def programme(self, span: Span) -> Programme:
        """The programme of a window, from where the kept part ends."""
        whole, count = self.whole, span.last - span.first
        nx, nz = whole.variant.states, whole.variant.states + CONTROLS
        part = slice(span.first * nz, span.last * nz + nx)
        lower_g, upper_g = self._constraints(span)
        lower_x, upper_x = whole.lower_x[part].copy(), whole.upper_x[part].copy()
        if span.last < whole.pieces:
            self._end_bounds(span, lower_x, upper_x)
        elif span.first > 0 and np.isfinite(upper_x[-nx + 7]):
            upper_x[-nx + 7] = (upper_x[-nx + 7] * self.ratios.sum() - self._elapsed) / self.ratios[span.first :].sum()
        ratios = self.ratios[span.first : span.last]
        pieces = np.column_stack([ratios, np.cumsum(ratios) - ratios]).ravel()
        head = np.concatenate([[count, self.time], whole.parameters[2 : 2 + len(CONSTANTS)]])
        return Programme(
            whole.variant, count, self._guess(span), np.concatenate([head, pieces]), lower_x, upper_x, lower_g, upper_g
        )

    @property
    def _elapsed(self) -> float:
        return self.time - float(self.whole.parameters[1])

    def _guess(self, span: Span) -> Array:
        states = self.states[span.first : span.last + 1].copy()
        if self.begun is not None:
            states[0] = self.begun
            states[:, 7] = self.begun[7]
        return np.concatenate([np.hstack([states[:-1], self.controls[span.first : span.last]]).ravel(), states[-1]])

    def _constraints(self, span: Span) -> tuple[Array, Array]:
        """Bounds of gaps, start, limits and end."""
        whole, count, nx = self.whole, span.last - span.first, self.whole.variant.states
        here, there = limit_rows(whole.variant, count), whole.limit_rows[span.first : span.last]
        lower, upper = np.zeros(int(here[-1, -1]) + 1 + len(GOAL)), np.zeros(int(here[-1, -1]) + 1 + len(GOAL))
        lower[here], upper[here] = whole.lower_g[there], whole.upper_g[there]
        start = slice(nx, 2 * nx - 1)
        if self.begun is None:
            lower[start], upper[start] = whole.lower_g[start], whole.upper_g[start]
        else:
            lower[start] = upper[start] = np.delete(self.begun, 7)
            first = here[0, : here.shape[1] // 4]  # the limits of a given state leave nothing to choose
            lower[first] -= 1.0
            upper[first] += 1.0
        if span.last < whole.pieces:
            lower[-5:] = upper[-5:] = self.states[span.last, GOAL] * (1.0, 1.0, 1.0, END_SPEED, END_SPEED)
        else:
            lower[-5:], upper[-5:] = whole.lower_g[-5:], whole.upper_g[-5:]
        return lower, upper

    def _end_bounds(self, span: Span, lower: Array, upper: Array) -> None:
        """What is left free at the end of a window, and its ration."""
        variant, end = self.whole.variant, len(lower) - self.whole.variant.states
        limit = self.whole.upper_x[-variant.states + 6]
        lower[end + 4], upper[end + 4] = -FREE_YAW_ACCELERATION, FREE_YAW_ACCELERATION
        lower[end + 6], upper[end + 6] = -limit, limit
        if not self.rationed:
            return
        guess = self.states[span.last]
        if variant.battery:
            lower[end + 8] = max(lower[end + 8], guess[8])
        if variant.budget:
            upper[end + variant.states - 1] = guess[-1]

    def _keep(self, span: Span, programme: Programme, x: Any) -> None:
        """Take the beginning of a solution, and what follows of it as the next guess."""
        solution = np.array(x, dtype=float)
        if self.begun is not None:
            solution[: self.whole.variant.states] = np.where(np.arange(len(self.begun)) == 7, solution[7], self.begun)
        states, controls = split(programme, solution)
        whole = to_trajectory(programme, solution)
        assert whole.heading is not None
        assert whole.speed is not None
        n = span.kept
        kept = Trajectory("unicycle", whole.start, whole.durations[:n], heading=whole.heading[:n], speed=whole.speed[:n])
        self.kept.append(kept)
        self.states[span.first : span.last + 1], self.controls[span.first : span.last] = states, controls
        self.begun = states[n].copy()
        self.begun[:2] = kept.end_pose[:2]  # not the solver's, whose gaps are closed to its tolerance only
        self.time += kept.duration


def _summed(total: Outcome, outcome: Outcome) -> Outcome:
    """Facts of the windows so far, and the latest solution."""
    return replace(
        outcome,
        iterations=total.iterations + outcome.iterations, solves=total.solves + outcome.solves,
        solve_seconds=total.solve_seconds + outcome.solve_seconds,
        first_solve_seconds=total.first_solve_seconds + outcome.first_solve_seconds,
        overshoot={name: max(value, outcome.overshoot.get(name, 0.0)) for name, value in total.overshoot.items()},
        quality="feasible" if "feasible" in (total.quality, outcome.quality) else "optimal",
    )  # fmt: skip
