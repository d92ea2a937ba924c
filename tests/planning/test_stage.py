"""The compiled stages against finite differences, against the model evaluated sample by sample, and against each other."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import casadi as ca
import numpy as np
import pytest
from planner_cases import NEEDS_COMPILER, VARIANTS, has_compiler, random_point, scene
from scipy.integrate import quad_vec

from rover_energy.planning.model import ROWS
from rover_energy.planning.oracle import Oracle, load_oracle
from rover_energy.planning.scene_fields import SceneFields
from rover_energy.planning.stage import CONTROLS, SAMPLES, Variant, cumulative_weights, open_weights
from rover_energy.planning.transcription import limit_rows

pytestmark = pytest.mark.skipif(not has_compiler, reason=NEEDS_COMPILER)

PIECES = 3
UNIT = 7  # index of the unit duration in a piece
POWER = [ROWS.index("power_left"), ROWS.index("power_right")]
changing, still = lru_cache(scene), lru_cache(lambda: scene(still=True))


class Functions:
    """The four functions that a solver asks the oracle for."""

    def __init__(self, variant: Variant, fields: SceneFields, *, symmetric: bool = False) -> None:
        oracle = load_oracle(variant, symmetric=symmetric)
        assert isinstance(oracle, Oracle)
        oracle.set_scene(fields)
        oracle._library.oracle_declare(PIECES)
        names = ("nlp_f", "nlp_g", "nlp_grad_f", "nlp_jac_g", "nlp_hess_l")
        self.f, self.g, self._gradient, self._jacobian, self._hessian = (ca.external(n, str(oracle.path)) for n in names)
        self.oracle, self.symmetric = oracle, symmetric

    def gradient(self, x: Any, p: Any) -> Any:
        out = self._gradient(x, p)
        return np.asarray(out[1] if self.symmetric else out).ravel()

    def jacobian(self, x: Any, p: Any) -> Any:
        return np.asarray(self._jacobian(x, p)[1])

    def hessian(self, x: Any, p: Any, factor: float, multipliers: Any) -> Any:
        out = self._hessian(x, p, factor, multipliers)
        if not self.symmetric:
            return np.asarray(out[1])
        upper = np.asarray(out)
        return upper + np.triu(upper, 1).T

    def lagrangian_gradient(self, x: Any, p: Any, factor: float, multipliers: Any) -> Any:
        return factor * self.gradient(x, p) + self.jacobian(x, p).T @ multipliers


def differences(function: Any, x: Any, step: float = 5e-6) -> Any:
    """Columns of derivatives: central differences of fourth order."""
    columns = []
    for i in range(x.size):
        h = step * max(1.0, abs(x[i]))
        unit = np.zeros_like(x)
        unit[i] = h
        near, far = function(x + unit) - function(x - unit), function(x + 2 * unit) - function(x - 2 * unit)
        columns.append((8.0 * near - far) / (12.0 * h))
    return np.stack(columns, axis=-1)


def relative_error(found: Any, wanted: Any) -> Any:
    """Difference in units of the largest entry of the row (or of 1e-3, whichever is more)."""
    scale = np.maximum(np.abs(wanted).max(axis=-1, keepdims=True), 1e-3)
    return np.abs(found - wanted) / scale


def value_of(functions: Functions, p: Any) -> Any:
    return lambda x: np.append(np.asarray(functions.g(x, p)).ravel(), float(functions.f(x, p)))


def unit_columns(variant: Variant) -> Any:
    """Columns of the unit durations of all pieces but the last knot."""
    return UNIT + (variant.states + CONTROLS) * np.arange(PIECES)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_first_derivatives_are_those_of_the_values(variant: Variant) -> None:
    functions = Functions(variant, still())
    for seed in range(3):
        x, p = random_point(variant, PIECES, seed)
        wanted = differences(value_of(functions, p), x)
        found = np.vstack([functions.jacobian(x, p), functions.gradient(x, p)])
        assert relative_error(found, wanted).max() < 1e-6


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_second_derivatives_are_those_of_the_first(variant: Variant) -> None:
    functions = Functions(variant, still())
    rng = np.random.default_rng(1)
    for seed in range(2):
        x, p = random_point(variant, PIECES, seed)
        multipliers = rng.normal(size=functions.g.size1_out(0))
        found = functions.hessian(x, p, 0.7, multipliers)
        wanted = differences(lambda v: functions.lagrangian_gradient(v, p, 0.7, multipliers), x)  # noqa: B023
        assert relative_error(found, wanted).max() < 1e-6
        assert found == pytest.approx(found.T, abs=1e-9 * np.abs(found).max())


def test_only_the_change_of_light_with_time_is_left_out_of_the_derivatives() -> None:
    variant = Variant(battery=True, budget=False)
    functions = Functions(variant, changing())
    x, p = random_point(variant, PIECES, 5)
    wanted, found = differences(value_of(functions, p), x), np.vstack([functions.jacobian(x, p), functions.gradient(x, p)])
    units = unit_columns(variant)
    others = np.setdiff1d(np.arange(x.size), units)
    assert relative_error(found, wanted)[:, others].max() < 1e-6
    affected = np.zeros(found.shape[0], dtype=bool)
    affected[limit_rows(variant, PIECES).reshape(-1, len(ROWS))[:, POWER]] = True
    stride = variant.states + SAMPLES * len(ROWS)
    affected[[k * stride + (variant.states - 1 if k else 0) + 8 for k in range(PIECES)]] = True  # gaps of the stored energy
    missing = np.abs(found - wanted)[:, units]
    assert missing[~affected].max() < 1e-6 * np.abs(wanted).max()
    assert missing[affected].max() > 1e-3  # so this test would notice if there were no change of light at all


@pytest.mark.parametrize("variant", VARIANTS[::3], ids=lambda v: v.name)
def test_both_flavours_give_the_same(variant: Variant) -> None:
    full = Functions(variant, changing())
    x, p = random_point(variant, PIECES, 2)
    multipliers = np.random.default_rng(2).normal(size=full.g.size1_out(0))
    of_full = full.g(x, p), full.gradient(x, p), full.jacobian(x, p), full.hessian(x, p, 1.3, multipliers)
    triangle = Functions(variant, changing(), symmetric=True)
    of_triangle = triangle.g(x, p), triangle.gradient(x, p), triangle.jacobian(x, p), triangle.hessian(x, p, 1.3, multipliers)
    for one, other in zip(of_full, of_triangle, strict=True):
        assert np.asarray(other) == pytest.approx(np.asarray(one), rel=1e-13, abs=1e-13)


def test_values_are_forgotten_with_the_parameters_not_only_with_the_variables() -> None:
    """Solvers ask for the gradient at the point where they asked for the values: a new weight must be seen there."""
    variant = Variant(battery=False, budget=False)
    functions = Functions(variant, still())
    x, p = random_point(variant, PIECES)
    before = functions.gradient(x, p).copy()
    heavier = p.copy()
    heavier[2:] *= 1.01
    changed = functions.gradient(x, heavier)
    functions.oracle._library.oracle_forget()
    assert np.array_equal(changed, functions.gradient(x, heavier))
    assert np.abs(changed - before).max() > 1e-3


def test_another_map_is_seen_at_the_same_point() -> None:
    variant = Variant(battery=False, budget=False)
    x, p = random_point(variant, PIECES)
    first = np.asarray(Functions(variant, still()).g(x, p)).copy()
    second = np.asarray(Functions(variant, scene(seed=7)).g(x, p))
    assert np.abs(first - second).max() > 1e-2


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_the_rows_lie_where_the_bounds_expect_them(variant: Variant) -> None:
    functions = Functions(variant, changing())
    x, p = random_point(variant, PIECES, 3)
    g = np.asarray(functions.g(x, p)).ravel()
    ends, limits = functions.oracle.limits(x, p)
    nx, nz = variant.states, variant.states + CONTROLS
    assert g[limit_rows(variant, PIECES)] == pytest.approx(limits.reshape(PIECES, -1), rel=1e-13)
    for k in range(PIECES):
        first = k * (nx + SAMPLES * len(ROWS)) + (nx - 1 if k else 0)
        assert g[first : first + nx] == pytest.approx(x[(k + 1) * nz : (k + 1) * nz + nx] - ends[k], rel=1e-12, abs=1e-12)
    assert g[nx : 2 * nx - 1] == pytest.approx(x[[i for i in range(nx) if i != UNIT]])
    assert g[-5:] == pytest.approx(x[PIECES * nz + np.array([0, 1, 2, 3, 5])])
    taken = np.concatenate([limit_rows(variant, PIECES).ravel(), np.arange(nx, 2 * nx - 1), np.arange(g.size - 5, g.size)])
    assert taken.size == np.unique(taken).size == g.size - PIECES * nx


def test_quadrature_weights() -> None:
    closed, opened = cumulative_weights(SAMPLES), open_weights(SAMPLES)
    nodes = np.linspace(0.0, 1.0, SAMPLES + 1)
    assert 90.0 * closed[-1] == pytest.approx([7.0, 32.0, 12.0, 32.0, 7.0])  # Boole's rule
    assert 3.0 * opened == pytest.approx([0.0, 2.0, -1.0, 2.0])  # Milne's open rule
    for power in range(SAMPLES + 1):
        assert closed @ nodes**power == pytest.approx(nodes ** (power + 1) / (power + 1))


@pytest.mark.parametrize("seed", range(3))
def test_positions_at_the_end_of_a_piece(seed: int) -> None:
    """Against adaptive quadrature of the same motion; five samples leave an error of the sixth order in the turn."""
    variant = Variant(battery=False, budget=False)
    functions = Functions(variant, still())
    x, p = random_point(variant, PIECES, seed)
    ends, _ = functions.oracle.limits(x, p)
    z, ratios = x[: PIECES * 10].reshape(PIECES, 10), p[-2 * PIECES :].reshape(PIECES, 2)[:, 0]
    for k in range(PIECES):
        x0, y0, heading, rate, bend, speed, push, unit, jerk, jolt = z[k]

        def velocity(s: float, a: Any = (heading, rate, bend, speed, push, jerk, jolt)) -> Any:
            angle = a[0] + s * (a[1] + s * (a[2] / 2 + s * a[5] / 6))
            return (a[3] + s * (a[4] + s * a[6] / 2)) * np.array([np.cos(angle), np.sin(angle)])

        moved, _ = quad_vec(velocity, 0.0, unit * ratios[k], epsabs=1e-12)
        assert ends[k, :2] == pytest.approx(np.array([x0, y0]) + moved, abs=1e-6)
        total = unit * ratios[k]
        assert ends[k, 2] == pytest.approx(heading + total * (rate + total * (bend / 2 + total * jerk / 6)))
        assert ends[k, 5] == pytest.approx(speed + total * (push + total * jolt / 2))
