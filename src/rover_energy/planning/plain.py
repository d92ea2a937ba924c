"""The same programme written directly in CasADi with interpolated fields and solved by IPOPT: no compiler needed, and slow.

This is what the planner uses on a machine without a C compiler, and the plain peer in the benchmarks. The light is taken at
the start of the traverse; the certificate sees its change.
"""

from __future__ import annotations

import time
from typing import Any

import casadi as ca
import numpy as np

from rover_energy.planning.model import CONSTANTS, ROWS, Instant
from rover_energy.planning.optimiser import COMMON_OPTIONS, TOLERANCE, Outcome
from rover_energy.planning.scene_fields import Grid, SceneFields
from rover_energy.planning.stage import CONTROLS, PIECE, SAMPLES, Stage, Variant
from rover_energy.planning.transcription import Programme, opened_to

SECONDS = 20.0
SHARE = 0.9  # of the time allowed that is used, for IPOPT looks at its clock between iterations only


def spline(name: str, grid: Grid, layer: int = 0) -> ca.Function:
    """Interpolant (x, y) -> value of a field; constant fields stay constant."""
    point = ca.MX.sym("q", 2)
    if grid.coefficients is None:
        return ca.Function(name, [point], [ca.MX(grid.constant)])
    coefficients = grid.coefficients if grid.coefficients.ndim == 2 else grid.coefficients[layer]
    rows, columns = coefficients.shape
    knots = [start + grid.cell * (np.arange(count + 4) - 3) for start, count in ((grid.x0, columns), (grid.y0, rows))]
    return ca.Function.bspline(name, [k.tolist() for k in knots], coefficients.ravel().tolist(), [3, 3], 1)


class _PlainStage(Stage):
    """A stage whose samples call the interpolants at their own position."""

    def __init__(self, variant: Variant, fields: SceneFields, start_time: float) -> None:
        super().__init__(variant, ca.MX)
        layer = int(np.clip((start_time - fields.start) / fields.step, 0, len(fields.slices) - 1))
        self._height = spline("height", fields.height)
        self._sunlit = spline("sunlit", fields.sunlit, layer)
        self._clearance = spline("clearance", fields.clearance)
        self._sun = fields.slices[layer]

    def _instant(self, j: int, local: Any) -> Instant:
        place = ca.vertcat(local[5], local[6])
        point = ca.MX.sym("q", 2)
        gradient = ca.jacobian(self._height(point), point)
        slopes = ca.Function("slopes", [point], [gradient, ca.jacobian(gradient, point)])
        first, second = slopes(place)
        sun = [float(v) for v in self._sun]
        return Instant(
            local[0], local[1], local[2], local[3], local[4], first[0], first[1], second[0, 0], second[0, 1], second[1, 1],
            sunlit=self._sunlit(place), clearance=self._clearance(place), sun=(sun[0], sun[1], sun[2]), direct=sun[3],
            diffuse=sun[4], energy=local[7],
        )  # fmt: skip


def guess_limits(programme: Programme, step: ca.Function) -> Any:
    """(pieces, SAMPLES, rows): the limits at the samples of the guess, as `Oracle.limits` has them."""
    variant, pieces = programme.variant, programme.pieces
    nx, nz = variant.states, variant.states + CONTROLS
    constants, table = np.split(programme.parameters[2:], [len(CONSTANTS)])
    out = step.map(pieces)(programme.x[: pieces * nz].reshape(pieces, nz).T, constants, table.reshape(pieces, PIECE).T)
    return np.asarray(out).T[:, nx : nx + SAMPLES * len(ROWS)].reshape(pieces, SAMPLES, len(ROWS))


class PlainSolver:
    """Solves programmes without compiled code; the interface of `planner.Solver`."""

    def __init__(self, *, exact_hessian: bool = False) -> None:
        self._scene: SceneFields | None = None
        self._exact = exact_hessian

    def set_scene(self, scene: SceneFields) -> None:
        """World of the following programmes."""
        self._scene = scene

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        """Solve once, within so many seconds; overshoots between samples are left to the certificate's repair.

        The options of `Optimiser.optimise` are accepted and have no meaning here.
        """
        if self._scene is None:
            raise ValueError("set a scene first")
        began = time.perf_counter()
        stage = _PlainStage(programme.variant, self._scene, float(programme.parameters[1]))
        step = ca.Function("step", [stage.z, stage.constants, stage.piece], [stage.value()])
        programme = opened_to(programme, guess_limits(programme, step))
        solver = self._solver(programme, step, began + SHARE * min(seconds, SECONDS))
        result = solver(
            x0=programme.x, p=programme.parameters, lbx=programme.lower_x, ubx=programme.upper_x,
            lbg=programme.lower_g, ubg=programme.upper_g,
        )  # fmt: skip
        spent = time.perf_counter() - began
        stats, x = solver.stats(), np.asarray(result["x"]).ravel()
        solved = bool(stats["success"]) and bool(np.all(np.isfinite(x)))
        return Outcome(solved, str(stats["return_status"]), x, int(stats["iter_count"]), 1, spent, spent, solver="ipopt-plain")

    def _solver(self, programme: Programme, step: ca.Function, until: float) -> ca.Function:
        """Build the programme, which takes part of the time, and leave IPOPT what remains until the given clock."""
        variant, pieces = programme.variant, programme.pieces
        nx, nz = variant.states, variant.states + CONTROLS
        x = ca.MX.sym("x", pieces * nz + nx)
        p = ca.MX.sym("p", programme.parameters.size)
        constants = p[2 : programme.parameters.size - PIECE * pieces]
        table = ca.reshape(p[programme.parameters.size - PIECE * pieces :], PIECE, pieces)
        cost, rows = ca.MX(0), []
        for k in range(pieces):
            out = step(x[k * nz : (k + 1) * nz], constants, table[:, k])
            rows.append(x[(k + 1) * nz : (k + 1) * nz + nx] - out[:nx])
            if k == 0:
                rows.append(ca.vertcat(*(x[i] for i in [*range(7), *range(8, nx)])))
            rows.append(out[nx : nx + SAMPLES * len(ROWS)])
            cost += out[-1]
        rows.append(ca.vertcat(*(x[pieces * nz + i] for i in (0, 1, 2, 3, 5))))
        seconds = max(0.01, until - time.perf_counter())
        ipopt: dict[str, Any] = {"print_level": 0, "sb": "yes", "max_iter": 400, "max_wall_time": seconds, "tol": TOLERANCE}
        if not self._exact:
            ipopt["hessian_approximation"] = "limited-memory"
        problem: Any = {"x": x, "p": p, "f": cost, "g": ca.vertcat(*rows)}
        options: Any = {**COMMON_OPTIONS, "ipopt": ipopt}
        return ca.nlpsol("plain", "ipopt", problem, options)
