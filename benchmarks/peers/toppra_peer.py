"""TOPP-RA (Pham & Pham 2018, doi:10.1109/TRO.2018.2819195; package `toppra`) with the power model of this project.

TOPP-RA knows constraints that are linear in the squared speed x and the acceleration u. The power constraint

    gain max(0, m u + force + c1 v + c2 x) + scrub + max(0, spin u + spin' x / 2) <= allowance / v,   v = sqrt(x)

is convex on the right, so its tangent at a reference x lies below: the linear constraint is on the safe side. Each pass
takes the result of the pass before as reference, and the durations fall towards the exact one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import MissingExtraError
from rover_energy.planning.retiming import Drive
from rover_energy.planning.stations import middle

LEAST_SQUARED_SPEED = 1e-4  # [m2/s2] of the reference, which must not be 0


@dataclass(frozen=True)
class ToppraTiming:
    """Times [s] and surface speeds [m/s] at the stations (n,), and the duration [s] after each pass."""

    time: NDArray[np.float64]
    speed: NDArray[np.float64]
    durations: tuple[float, ...]

    @property
    def duration(self) -> float:
        """[s]"""
        return float(self.time[-1])


def retime_with_toppra(task: Drive, *, passes: int = 5) -> ToppraTiming:
    """Time a drive with TOPP-RA, from rest to rest, with the supply and the state of charge of the start throughout.

    Raises MissingExtraError without the package `toppra`, and RuntimeError when TOPP-RA finds no timing.
    """
    try:
        import toppra
        from toppra.algorithm import TOPPRA
    except ImportError:
        raise MissingExtraError("toppra", "bench", "the comparison with TOPP-RA") from None
    logging.getLogger("toppra").setLevel(logging.ERROR)
    arc = task.stations.arc
    line = toppra.SplineInterpolator([0.0, arc[-1]], [[0.0], [arc[-1]]])
    allowance = task.available(task.supply(0.0), task.energy) - task.constant_load
    reference, durations = _steady(task, allowance), []
    time = speed = np.zeros_like(arc)
    for _ in range(passes):
        constraint = _power_constraint(task, allowance, np.maximum(reference, LEAST_SQUARED_SPEED))
        result = TOPPRA([constraint], line, gridpoints=arc, solver_wrapper="seidel").compute_parameterization(0.0, 0.0)
        if result is None or result[1] is None:
            raise RuntimeError("TOPP-RA found no timing")
        speed = np.asarray(result[1])
        time = np.concatenate(([0.0], np.cumsum(2.0 * np.diff(arc) / (speed[1:] + speed[:-1]))))
        durations.append(float(time[-1]))
        reference = speed * speed
    return ToppraTiming(time, speed, tuple(durations))


def _steady(task: Drive, allowance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared speeds (n,) that the power sustains without accelerating, within the caps: a reference that is feasible."""
    st, problem = task.stations, task.problem()
    scrub = task.rover.locomotion.turn_moment / task.rover.locomotion.drivetrain_efficiency * np.abs(st.turn)
    top = np.sqrt(problem.cap)
    pull = np.maximum(0.0, st.grade_force + st.resistance + (problem.c1 + problem.c2 * top) * top)
    steady: NDArray[np.float64] = np.minimum(problem.cap, (allowance / np.maximum(st.drive_gain * pull + scrub, 1e-9)) ** 2)
    return steady


def _power_constraint(task: Drive, allowance: NDArray[np.float64], reference: NDArray[np.float64]) -> object:
    """The motion limits, and the power limit linearised at the squared speeds `reference`, as a toppra constraint."""
    from toppra.constraint import LinearConstraint

    problem = task.problem()
    reference, allowance = middle(reference), middle(allowance)
    twist_u, twist_x = middle(problem.spin), 0.5 * np.diff(problem.spin) / problem.step
    root = np.sqrt(reference)
    pull_x = problem.gain * (problem.c2 + 0.5 * problem.c1 / root)  # sqrt(x) is concave: its tangent lies above, the safe side
    pull_c = problem.gain * (problem.force + 0.5 * problem.c1 * root)
    limit_x, limit_c = 0.5 * allowance / reference**1.5, 1.5 * allowance / root - problem.scrub
    rows = [(pull, twist) for pull in (1.0, 0.0) for twist in (1.0, 0.0)]  # the two max(0, .) in all their cases
    b = np.stack([p * pull_x + t * twist_x + limit_x for p, t in rows], axis=1)
    a = np.stack([p * problem.gain * problem.mass + t * twist_u for p, t in rows], axis=1)
    a += problem.step[:, None] * b  # x in the middle of the interval is x + step u, u being half of its slope
    c = np.stack([p * pull_c for p, _ in rows], axis=1)
    g = np.repeat(limit_c[:, None], len(rows), axis=1)
    a, b, c, g = (np.concatenate([part, part[-1:]]) for part in (a, b, c, g))
    bound = np.full_like(problem.cap, problem.acceleration)
    identity = np.broadcast_to(np.eye(len(rows)), (len(a), len(rows), len(rows)))

    class PowerConstraint(LinearConstraint):  # type: ignore[misc, unused-ignore]
        def compute_constraint_params(self, path: object, gridpoints: object, *_: object, **__: object) -> tuple[object, ...]:
            return a, b, c, identity, g, np.stack([-bound, bound], axis=1), np.stack([0.0 * bound, problem.cap], axis=1)

    constraint = PowerConstraint()
    constraint.dof = 1
    return constraint
