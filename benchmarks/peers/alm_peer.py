"""Augmented Lagrangian with L-BFGS on the planner's own programme, through its compiled functions.

The method of Powell, Hestenes and Rockafellar (Rockafellar 1974, doi:10.1137/0312021) as trajectory optimisers of this kind
use it: inner problems by scipy's L-BFGS-B with bounds on the variables, multipliers and penalty updated outside. Objective,
constraints and derivatives are the same C code that fatrop gets, so the comparison is of the methods alone. A peer with fewer
unknowns (MINCO) would converge in fewer evaluations; here the joints between pieces are equality constraints.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import casadi as ca
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from rover_energy.planning.oracle import Oracle
from rover_energy.planning.transcription import Programme, split

Array = NDArray[np.float64]

TOLERANCE = 1e-2  # largest violation, in the rows' own scale: what such planners are run with
INNER = 400  # iterations of L-BFGS
OUTER = 30
FIRST_PENALTY, GROWTH, LARGEST_PENALTY = 10.0, 3.0, 1e6


@dataclass(frozen=True)
class AlmResult:
    """`violation` is the largest of the constraints at the end, `evaluations` of objective and constraints with derivatives."""

    converged: bool
    x: Array
    duration: float  # of the trajectory [s]
    violation: float
    evaluations: int
    seconds: float


def compiled_functions(oracle: Oracle, programme: Programme) -> dict[str, ca.Function]:
    """The library's functions of (x, p), for this programme's number of pieces: f, gradient, g, and g with its Jacobian."""
    from rover_energy.planning.optimiser import _fatrop_options

    oracle.solver(
        programme.pieces, "fatrop", _fatrop_options(programme, "fatrop", 1)
    )  # makes the library speak of so many pieces
    names = {"f": "nlp_f", "gradient": "nlp_grad_f", "g": "nlp_g", "jacobian": "nlp_jac_g"}
    return {name: ca.external(symbol, str(oracle.path)) for name, symbol in names.items()}


class AlmPeer:
    """Solver for programmes of one size."""

    def __init__(self, oracle: Oracle, programme: Programme) -> None:
        self._functions = compiled_functions(oracle, programme)
        pattern = self._functions["jacobian"].sparsity_out(1)
        self._rows, self._columns = (np.asarray(v) for v in pattern.get_triplet())

    def evaluate(self, x: Array, parameters: Array) -> tuple[float, Array, Array, Array]:
        """Objective, its gradient, constraints, and the nonzeros of their Jacobian."""
        value = float(self._functions["f"](x, parameters))
        gradient = np.asarray(self._functions["gradient"](x, parameters)).ravel()
        constraints, jacobian = self._functions["jacobian"](x, parameters)
        return value, gradient, np.asarray(constraints).ravel(), np.array(jacobian.nonzeros())

    def solve(self, programme: Programme, *, seconds: float = 30.0) -> AlmResult:
        """Solve from the programme's guess, within so many seconds."""
        began, parameters = time.perf_counter(), programme.parameters
        lower, upper = programme.lower_g, programme.upper_g
        x = np.clip(programme.x, programme.lower_x, programme.upper_x)
        bounds = list(zip(_open(programme.lower_x), _open(programme.upper_x), strict=True))
        multipliers, penalty, evaluations = np.zeros(lower.size), FIRST_PENALTY, 0
        violation = last = np.inf

        def lagrangian(at: Array) -> tuple[float, Array]:
            nonlocal evaluations
            evaluations += 1
            if time.perf_counter() - began > seconds:
                raise TimeoutError
            value, gradient, g, jacobian = self.evaluate(at, parameters)
            shifted = g + multipliers / penalty
            miss = shifted - np.clip(shifted, lower, upper)  # distance to the allowed set: equalities and inequalities alike
            weights = penalty * miss[self._rows] * jacobian
            return value + 0.5 * penalty * float(miss @ miss), gradient + np.bincount(self._columns, weights, at.size)

        try:
            for _ in range(OUTER):
                x = minimize(
                    lagrangian, x, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": INNER, "maxcor": 30}
                ).x
                g = self.evaluate(x, parameters)[2]
                violation = float(np.max(np.maximum(g - upper, lower - g)))
                if violation <= TOLERANCE:
                    break
                shifted = multipliers / penalty + g
                multipliers = penalty * (shifted - np.clip(shifted, lower, upper))
                penalty = min(LARGEST_PENALTY, penalty * (GROWTH if violation > 0.3 * last else 1.0))
                last = violation
        except TimeoutError:
            pass
        states, _ = split(programme, x)
        duration = float(np.sum(programme.parameters[-2 * programme.pieces :].reshape(-1, 2)[:, 0] * states[:-1, 7]))
        return AlmResult(violation <= TOLERANCE, x, duration, violation, evaluations, time.perf_counter() - began)


def _open(values: Array) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]
