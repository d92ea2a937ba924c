"""Solve the programme, look between its samples, tighten what overshoots and solve again.

The interior-point solver is fatrop, which exploits the stage structure (Vanroye et al. 2023,
doi:10.1109/IROS55552.2023.10342336); IPOPT gives a second opinion on the same compiled functions. Both are bounded in
iterations. fatrop cannot be interrupted from Python, therefore plans are normally solved through `worker.py`, which can be
killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import casadi as ca
import numpy as np

from rover_energy.planning.model import ROWS
from rover_energy.planning.oracle import Oracle, load_oracle
from rover_energy.planning.scene_fields import SceneFields
from rover_energy.planning.stage import CONTROLS, SAMPLES, Variant
from rover_energy.planning.transcription import CHOSEN, MOVING_MARGINS, Programme, opened_to, piece_ratios, split

DENSITY = 6  # dense check: sub-pieces per piece
BARRIERS = {"fatrop": 0.01, "fatrop-high": 0.1, "fatrop-warm": 1e-5}  # initial barrier parameter
BARRIER_POWER = 1.8  # the barrier falls as mu^1.8 near the end, which saves a tenth of the iterations of the usual 1.5
#: Attempts at a first solution, in turn. From a guess that is nearly a solution there is no second opinion: who has such a
#: guess has an earlier plan too.
COLD_ATTEMPTS = ("fatrop", "fatrop-high", "ipopt")
WARM_ATTEMPTS = ("fatrop-warm", "fatrop")
TOLERANCE = 1e-3
MOST_SOLVERS = 24  # kept; each holds some megabytes, and making one takes some milliseconds
FEASIBLE = 1e-4  # largest violation, in each row's scale, of an iterate that is worth a certificate
#: Overshoot between samples that is left to the margins of the limits and to the final stretch of time, in each row's own scale.
ALLOWED = np.array([3e-3, 3e-3, 2.6e-3, 2.5e-3, 2.8e-3, 8e-4, 8e-4, 7e-4, 3e-4, 0.02])

#: The same for a rover that drives: what its margins cover, less what the certificate asks between its samples.
STRICTLY_ALLOWED = ALLOWED + np.array([MOVING_MARGINS.get(name, 0.0) for name in ROWS])
STRICTLY_ALLOWED[:2] = MOVING_MARGINS["power_left"] - 3e-4

@dataclass
class Outcome:
    """Result of one programme: `x` is meaningful only when `solved`."""

    solved: bool
    status: str
    x: Any
    iterations: int = 0
    solves: int = 0
    solve_seconds: float = 0.0
    first_solve_seconds: float = 0.0
    overshoot: dict[str, float] = field(default_factory=dict)  # of the first solve, in row units
    solver: str = "fatrop"
    quality: str = "optimal"  # or "feasible": the solver gave up, but its last iterate keeps the constraints


class Optimiser:
    """Compiled oracles and solvers of this process, by variant, number of pieces and purpose."""

    def __init__(self) -> None:
        self._solvers: dict[tuple[Variant, int, str, bytes], ca.Function] = {}
        self._scene: SceneFields | None = None

    def set_scene(self, scene: SceneFields) -> None:
        """World of the following programmes."""
        self._scene = scene

    def oracle(self, variant: Variant, *, symmetric: bool = False) -> Oracle:
        """The oracle of a variant with the present scene. Raises RuntimeError without a compiler or scene."""
        oracle = load_oracle(variant, symmetric=symmetric)
        if oracle is None or self._scene is None:
            raise RuntimeError("the compiled oracle is not available")
        oracle.set_scene(self._scene)
        return oracle

    def optimise(
        self, programme: Programme, *, rounds: int = 2, warm: bool = False, strict: bool = False, once: bool = False,
        max_iterations: int = 150,
    ) -> Outcome:
        """Solve, then tighten overshooting samples and re-solve, at most `rounds` times.

        `warm` starts near the end of the barrier's decrease, for a guess that is nearly a solution; `strict` leaves no
        overshoot to a later stretch of time, which a rover that is moving cannot make. `once`: no second attempt, for who has
        another programme to turn to.
        """
        allowed = STRICTLY_ALLOWED if strict else ALLOWED
        programme = self._opened(programme)
        attempts = WARM_ATTEMPTS[: 1 if once else None] if warm else COLD_ATTEMPTS[:1] if strict else COLD_ATTEMPTS
        outcome = self._first(programme, attempts, max_iterations)
        outcome.first_solve_seconds = outcome.solve_seconds
        tightened = programme
        for count in range(rounds if outcome.solved else 0):
            limits = self.dense_limits(programme, outcome.x)
            excess = excess_at_samples(programme, limits)  # over the limits themselves, not the tightened ones
            if count == 0:
                outcome.overshoot = {name: float(excess[..., i].max()) for i, name in enumerate(ROWS)}
            over = excess if programme.eased is None else excess_at_samples(programme.uneased, limits)
            if np.all(over <= allowed):  # the margins are for that, but only where they are whole
                break
            tightened = tighten(tightened, excess)
            again = self._solve(tightened.with_guess(outcome.x), "fatrop-warm", 40)
            if not again.solved:
                break
            outcome = self._merge(outcome, again)
        return outcome

    def _first(self, programme: Programme, attempts: tuple[str, ...], max_iterations: int) -> Outcome:
        """The first optimum of several attempts, else the fastest feasible iterate, else the last failure.

        With a feasible iterate in hand no other solver is asked any more.
        """
        found = [self._solve(programme, attempts[0], max_iterations)]
        for name in attempts[1:]:
            if (found[-1].quality == "optimal" and found[-1].solved) or (name == "ipopt" and any(o.solved for o in found)):
                break
            found.append(self._merge(found[-1], self._solve(programme, name, max_iterations)))
        solved = [outcome for outcome in found if outcome.solved]
        best = min(solved, key=lambda o: (o.quality != "optimal", _duration(o.x))) if solved else found[-1]
        return replace(best, iterations=found[-1].iterations, solves=found[-1].solves, solve_seconds=found[-1].solve_seconds)

    def _opened(self, programme: Programme) -> Programme:
        """Bounds of place opened to the guess where it uses what is held back (see `transcription.opened_to`)."""
        oracle = self.oracle(programme.variant)
        reference = programme.x if programme.reference is None else programme.reference
        _, limits = oracle.limits(reference, programme.parameters)
        return opened_to(programme, limits)

    def _merge(self, before: Outcome, after: Outcome) -> Outcome:
        after.iterations += before.iterations
        after.solves += before.solves
        after.solve_seconds += before.solve_seconds
        after.first_solve_seconds = before.first_solve_seconds
        after.overshoot = after.overshoot or before.overshoot
        return after

    def _solve(self, programme: Programme, name: str, max_iterations: int) -> Outcome:
        solver = self._solver(programme, name, max_iterations)
        began = time.perf_counter()
        result = solver(
            x0=programme.x, p=programme.parameters, lbx=programme.lower_x, ubx=programme.upper_x,
            lbg=programme.lower_g, ubg=programme.upper_g,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        stats = solver.stats()
        x = np.asarray(result["x"]).ravel()
        converged = bool(stats["success"]) and bool(np.all(np.isfinite(x)))
        solved = converged or self._feasible(programme, x)
        return Outcome(
            solved, str(stats["return_status"]), x, int(stats["iter_count"]), 1, seconds, solver=name.split("-")[0],
            quality="optimal" if converged else "feasible",
        )  # fmt: skip

    def _feasible(self, programme: Programme, x: Any) -> bool:
        """Whether an iterate keeps gaps, limits, start and goal well enough to be judged by the certificate."""
        if not np.all(np.isfinite(x)):
            return False
        ends, limits = self.oracle(programme.variant).limits(x, programme.parameters)
        states, _ = split(programme, x)
        rows, flat = programme.limit_rows, limits.reshape(programme.pieces, -1)
        over = np.maximum(programme.lower_g[rows] - flat, flat - programme.upper_g[rows])
        goal = np.abs(states[-1, [0, 1, 2, 3, 5]] - programme.lower_g[-5:])
        bounds = np.maximum(programme.lower_x - x, x - programme.upper_x)
        worst = max(float(np.max(np.abs(states[1:] - ends))), float(np.max(over)), float(np.max(goal)), float(np.max(bounds)))
        return worst <= FEASIBLE

    def _solver(self, programme: Programme, name: str, max_iterations: int) -> ca.Function:
        equalities = np.packbits(programme.lower_g == programme.upper_g).tobytes()  # part of the structure fatrop is made for
        key = (programme.variant, programme.pieces, f"{name}-{max_iterations}", equalities)
        oracle = self.oracle(programme.variant, symmetric=name == "ipopt")
        solver = self._solvers.pop(key, None)
        if solver is None:
            options = _ipopt_options(max_iterations) if name == "ipopt" else _fatrop_options(programme, name, max_iterations)
            solver = oracle.solver(programme.pieces, name.split("-")[0], options)
        self._solvers[key] = solver  # the latest stands last
        while len(self._solvers) > MOST_SOLVERS:
            del self._solvers[next(iter(self._solvers))]
        return solver

    def dense_limits(self, programme: Programme, x: Any) -> Any:
        """(pieces * DENSITY, SAMPLES, rows): rows of the limits of each piece cut finely."""
        _, limits = self.oracle(programme.variant).limits(*subdivide(self.oracle(programme.variant), programme, x, DENSITY))
        return limits


def _duration(x: Any) -> float:
    """Unit duration of a variable vector [s]."""
    return float(x[7])


COMMON_OPTIONS: dict[str, Any] = {
    "print_time": False, "error_on_fail": False, "calc_lam_p": False, "calc_lam_x": False, "calc_f": False, "calc_g": False,
    "show_eval_warnings": False,  # a trial step off the map is NaN, and the solver shortens it
}  # fmt: skip


def _fatrop_options(programme: Programme, name: str, max_iterations: int) -> dict[str, Any]:
    n, variant = programme.pieces, programme.variant
    limits = SAMPLES * len(ROWS)
    return {
        **COMMON_OPTIONS,
        "structure_detection": "manual",
        "N": n,
        "nx": [variant.states] * (n + 1),
        "nu": [CONTROLS] * n + [0],
        "ng": [limits + variant.states - 1] + [limits] * (n - 1) + [5],
        "equality": (programme.lower_g == programme.upper_g).tolist(),
        "fatrop": {
            "print_level": 0, "max_iter": max_iterations, "tol": TOLERANCE,
            "mu_init": BARRIERS[name], "mu_superlinear_decrease_power": BARRIER_POWER,
        },
    }  # fmt: skip


def _ipopt_options(max_iterations: int) -> dict[str, Any]:
    return {
        **COMMON_OPTIONS,
        "ipopt": {
            "print_level": 0, "sb": "yes", "max_iter": 2 * max_iterations, "max_wall_time": 1.5, "tol": TOLERANCE,
            "mu_strategy": "adaptive",
        },
    }  # fmt: skip


def subdivide(oracle: Oracle, programme: Programme, x: Any, density: int) -> tuple[Any, Any]:
    """Each piece cut into `density` equal ones: their variables and parameters for `Oracle.limits`."""
    states, controls = split(programme, x)
    states = states[:-1]
    ratios = piece_ratios(programme)
    fraction = np.arange(density) / density
    s = (ratios * states[:, 7])[:, None] * fraction  # (pieces, density)
    nx = programme.variant.states
    cut = np.empty((programme.pieces, density, nx + CONTROLS))
    cut[:, :, :nx], cut[:, :, nx:] = states[:, None, :], controls[:, None, :]
    jerk, push = controls[:, :1], controls[:, 1:]
    cut[:, :, 2] += s * (states[:, 3:4] + s * (states[:, 4:5] / 2 + s * jerk / 6))
    cut[:, :, 3] += s * (states[:, 4:5] + s * jerk / 2)
    cut[:, :, 4] += s * jerk
    cut[:, :, 5] += s * (states[:, 6:7] + s * push / 2)
    cut[:, :, 6] += s * push
    elapsed = programme.parameters[-2 * programme.pieces :].reshape(-1, 2)[:, 1]
    pieces = np.empty((programme.pieces, density, 2))
    pieces[:, :, 0] = ratios[:, None] / density
    pieces[:, :, 1] = elapsed[:, None] + ratios[:, None] * fraction
    cut[:, :, :2] = _positions(cut, pieces, states)
    count = programme.pieces * density
    head = programme.parameters[: -2 * programme.pieces].copy()
    head[0] = count
    tail = np.zeros(nx)
    return np.concatenate([cut.reshape(-1), tail]), np.concatenate([head, pieces.reshape(-1)])


_GAUSS = np.polynomial.legendre.leggauss(3)


def _positions(cut: Any, pieces: Any, states: Any) -> Any:
    """(pieces, density, 2) positions at the starts of the sub-pieces, by Gauss-Legendre quadrature."""
    h = pieces[:, :, 0] * states[:, 7][:, None]
    nodes, weights = (_GAUSS[0] + 1.0) / 2.0, _GAUSS[1] / 2.0
    moved = np.zeros((*h.shape, 2))
    n = cut.shape[-1]
    for node, weight in zip(nodes, weights, strict=True):
        s = node * h
        heading = cut[..., 2] + s * (cut[..., 3] + s * (cut[..., 4] / 2 + s * cut[..., n - 2] / 6))
        speed = cut[..., 5] + s * (cut[..., 6] + s * cut[..., n - 1] / 2)
        moved += (weight * h * speed)[..., None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    before = np.cumsum(moved, axis=1) - moved
    return states[:, None, :2] + before


def excess_at_samples(programme: Programme, limits: Any) -> Any:
    """Largest violation of each row between the neighbours of each sample (pieces, SAMPLES, rows), 0 where none."""
    rows = programme.limit_rows.reshape(programme.pieces, SAMPLES, len(ROWS))
    upper, lower = programme.upper_g[rows], programme.lower_g[rows]
    upper[0, 0], lower[0, 0] = upper[0, 1], lower[0, 1]
    count = programme.pieces * SAMPLES
    density = limits.shape[0] * SAMPLES // count
    dense = limits.reshape(count, density, len(ROWS))
    top, bottom = dense.max(axis=1), dense.min(axis=1)
    for values, pick in ((top, np.maximum), (bottom, np.minimum)):
        values[1:] = pick(values[1:], values[:-1].copy())  # a sample answers for the interval before it too
    shape = (programme.pieces, SAMPLES, len(ROWS))
    over = np.maximum(top.reshape(shape) - upper, lower - bottom.reshape(shape))
    over[0, 0, 5:7] = 0.0  # at rest the curvature rows are 0 <= 0
    return np.maximum(over, 0.0)


def tighten(programme: Programme, excess: Any) -> Programme:
    """The programme with every overshooting sample held back by what was found around it."""
    rows = programme.limit_rows.reshape(programme.pieces, SAMPLES, len(ROWS))
    margin = 1.2 * excess
    margin[0, 0, [name not in CHOSEN for name in ROWS]] = 0.0
    lower, upper = programme.lower_g.copy(), programme.upper_g.copy()
    upper[rows] -= margin
    lower[rows] += np.where(np.isfinite(programme.lower_g[rows]), margin, 0.0)
    return replace(programme, lower_g=lower, upper_g=upper)


