"""One piece of the trajectory as CasADi functions: state at its end, limits at its samples, cost, derivatives.

State at a knot (NX): x, y, heading and its two derivatives, horizontal speed and its derivative, unit duration,
then stored energy [kJ] with a battery and consumed energy [kJ] with an energy budget. Controls (NU): the constant
third derivative of the heading and second derivative of the speed. Position follows from the heading and the speed by
closed Newton-Cotes quadrature, so every iterate is exactly non-holonomic.

Terrain, light and clearance enter as Taylor data around the sample positions (`field_data`, filled by `oracle.c`),
which makes first and second derivatives exact without differentiating through a spline. One thing is left out of the
derivatives on purpose: the light at a sample changes with the time at which it is reached, hence with the unit duration. The
Sun moves by no more than 7e-5 rad/s (Mars); Newton's method does not miss that, and the values take the light at the right time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Any

import casadi as ca
import numpy as np

from rover_energy.planning.model import CONSTANTS, ENERGY_SCALE, ROWS, Instant, respond

SAMPLES = 4  # per piece, the first one on the knot
#: Taylor data per sample: height from order 1 to 4, sunlit fraction and clearance to order 2, Sun and irradiance.
HEIGHT_TERMS = [(i, order - i) for order in range(1, 5) for i in range(order, -1, -1)]
FIELD_TERMS = [(i, order - i) for order in range(3) for i in range(order, -1, -1)]
DATA = len(HEIGHT_TERMS) + 2 * len(FIELD_TERMS) + 5
#: Per piece: duration ratio and the ratio elapsed before it.
PIECE = 2


@dataclass(frozen=True)
class Variant:
    """Which energy states the problem carries, and whether its power limit is the soft one of a baseline."""

    battery: bool
    budget: bool
    penalty: bool = False

    @property
    def states(self) -> int:
        return 8 + self.battery + self.budget

    @property
    def name(self) -> str:
        return "stage" + ("_battery" if self.battery else "") + ("_budget" if self.budget else "") + (
            "_penalty" if self.penalty else ""
        )


CONTROLS = 2
#: Local quantities of a sample: heading and two derivatives, speed and derivative, x, y, stored energy, duration.
LOCAL = 9
ROW_COUNT = len(ROWS)


def cumulative_weights(samples: int) -> Any:
    """(samples+1, samples+1): row j integrates the polynomial through the samples from 0 to sample j, unit interval."""
    nodes = np.linspace(0.0, 1.0, samples + 1)
    vandermonde = np.vander(nodes, increasing=True)
    integrals = np.array([[node ** (p + 1) / (p + 1) for p in range(samples + 1)] for node in nodes])
    return integrals @ np.linalg.inv(vandermonde)


def open_weights(samples: int) -> Any:
    """(samples,): integrates over the unit interval the polynomial through the samples without the right end."""
    nodes = np.arange(samples) / samples
    vandermonde = np.vander(nodes, increasing=True)
    return np.array([1.0 / (p + 1) for p in range(samples)]) @ np.linalg.inv(vandermonde)


class Stage:
    """Symbolic functions of one piece for a variant.

    Every sample is a function of nine local quantities (LOCAL); the derivatives in the knot's variables follow by the chain
    rule, with the Taylor data expanded at the sample itself. That keeps the generated code three times smaller
    than differentiating the composition.
    """

    def __init__(self, variant: Variant, symbols: Any = ca.SX) -> None:
        self.variant = variant
        self.z = symbols.sym("z", variant.states + CONTROLS)
        self.data = symbols.sym("d", DATA * SAMPLES)
        self.constants = symbols.sym("c", len(CONSTANTS))
        self.piece = symbols.sym("p", PIECE)
        self._c = {name: self.constants[i] for i, name in enumerate(CONSTANTS)}
        self.duration = self.piece[0] * self.z[7]

    def _motion(self, fraction: float) -> list[Any]:
        """Heading, its two derivatives, speed and its derivative at a fraction of the piece."""
        z, n = self.z, self.variant.states
        s = fraction * self.duration
        heading = z[2] + s * (z[3] + s * (z[4] / 2 + s * z[n] / 6))
        rate = z[3] + s * (z[4] + s * z[n] / 2)
        return [heading, rate, z[4] + s * z[n], z[5] + s * (z[6] + s * z[n + 1] / 2), z[6] + s * z[n + 1]]

    @cached_property
    def positions(self) -> list[tuple[Any, Any]]:
        """(x, y) at the samples and at the end of the piece."""
        motions = [self._motion(j / SAMPLES) for j in range(SAMPLES + 1)]
        vx = [m[3] * ca.cos(m[0]) for m in motions]
        vy = [m[3] * ca.sin(m[0]) for m in motions]
        return [
            (
                self.z[0] + self.duration * sum(w * v for w, v in zip(row, vx, strict=True)),
                self.z[1] + self.duration * sum(w * v for w, v in zip(row, vy, strict=True)),
            )
            for row in cumulative_weights(SAMPLES)
        ]

    def _local(self, j: int) -> Any:
        """Column (9,) of the local quantities of sample j as functions of z."""
        energy = self.z[8] if self.variant.battery else 0.0
        return ca.vertcat(*self._motion(j / SAMPLES), *self.positions[j], energy, self.duration)

    def _instant(self, j: int, local: Any) -> Instant:
        """Sample j at its local quantities, where x and y are offsets from the place of the Taylor data."""
        d = self.data[DATA * j : DATA * (j + 1)]
        height = {term: d[i] for i, term in enumerate(HEIGHT_TERMS)}
        offset = len(HEIGHT_TERMS)
        sunlit = {term: d[offset + i] for i, term in enumerate(FIELD_TERMS)}
        offset += len(FIELD_TERMS)
        clearance = {term: d[offset + i] for i, term in enumerate(FIELD_TERMS)}
        sun = d[offset + len(FIELD_TERMS) :]
        dx, dy = local[5], local[6]
        slopes = [taylor(height, base, dx, dy, 4) for base in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))]
        return Instant(
            local[0], local[1], local[2], local[3], local[4], slopes[0], slopes[1], slopes[2], slopes[3], slopes[4],
            sunlit=taylor(sunlit, (0, 0), dx, dy, 2), clearance=taylor(clearance, (0, 0), dx, dy, 2),
            sun=(sun[0], sun[1], sun[2]), direct=sun[3], diffuse=sun[4], energy=local[7],
        )  # fmt: skip

    def _sample(self, j: int, local: Any) -> Any:
        """Column (ROWS + 3,): rows, then what the sample adds to the stored and the consumed energy [kJ] and to the penalty."""
        response = respond(self._instant(j, local), self._c, battery=self.variant.battery, penalty=self.variant.penalty)
        share = open_weights(SAMPLES)[j] * local[8] / ENERGY_SCALE
        soft = local[8] / SAMPLES * response.penalty
        return ca.vertcat(*response.rows, share * response.stored_rate, share * response.total_power, soft)

    def _polynomial(self) -> Any:
        """State at the end of the piece without the energies, and the cost without energy."""
        n = self.variant.states
        jerk = self.z[n] ** 2 + self.z[n + 1] ** 2
        cost = self.duration * (self._c["weight_time"] + self._c["weight_smoothness"] * jerk)
        energies = [self.z[i] for i in range(8, n)]
        return ca.vertcat(*self.positions[-1], *self._motion(1.0), self.z[7], *energies, cost)

    @property
    def _outputs(self) -> int:
        return self.variant.states + ROW_COUNT * SAMPLES + 1

    def _place_polynomial(self) -> Any:
        """Matrix that puts the polynomial part into the outputs (state, rows of all samples, cost)."""
        n = self.variant.states
        select = ca.DM(self._outputs, n + 1)
        for row in range(n):
            select[row, row] = 1.0
        select[self._outputs - 1, n] = 1.0
        return select

    def _place_sample(self, j: int) -> Any:
        """Matrix that adds a sample's column to the outputs."""
        n = self.variant.states
        place = type(self.z)(self._outputs, ROW_COUNT + 3)
        for row in range(ROW_COUNT):
            place[n + ROW_COUNT * j + row, row] = 1.0
        if self.variant.battery:
            place[8, ROW_COUNT] = 1.0
        if self.variant.budget:
            place[n - 1, ROW_COUNT + 1] = 1.0
        place[self._outputs - 1, ROW_COUNT + 1] = self._c["weight_energy"] * ENERGY_SCALE
        place[self._outputs - 1, ROW_COUNT + 2] = 1.0
        return place

    def value(self) -> Any:
        """Column of outputs: state at the end, rows at the samples, cost."""
        parts = [ca.mtimes(self._place_sample(j), self._sample(j, self._local(j))) for j in range(SAMPLES)]
        return ca.mtimes(self._place_polynomial(), self._polynomial()) + sum(parts)

    def functions(self) -> list[ca.Function]:
        """position, value, jacobian, hessian: dense outputs, ready for code generation."""
        arguments = [self.z, self.data, self.constants, self.piece]
        multipliers = ca.SX.sym("m", self._outputs)
        polynomial, select = self._polynomial(), self._place_polynomial()
        outputs = ca.mtimes(select, polynomial)
        jacobian = ca.mtimes(select, ca.jacobian(polynomial, self.z))
        hessian, _ = ca.hessian(ca.dot(ca.mtimes(select.T, multipliers), polynomial), self.z)
        for j in range(SAMPLES):
            place, local = self._place_sample(j), self._local(j)
            value, first, second, gradient = self._sample_derivatives(j, ca.mtimes(place.T, multipliers))
            mapping = ca.jacobian(local, self.z)
            outputs = outputs + ca.mtimes(place, value)
            jacobian = jacobian + ca.mtimes(place, ca.mtimes(first, mapping))
            hessian = hessian + ca.mtimes(mapping.T, ca.mtimes(second, mapping)) + self._curvature(local, gradient)
        position = ca.vertcat(*(part for xy in self.positions[:-1] for part in xy))
        return [
            ca.Function("stage_position", [self.z, self.piece], [position]),
            ca.Function("stage_value", arguments, [ca.densify(outputs)]),
            ca.Function("stage_jacobian", arguments, [ca.densify(outputs), ca.densify(jacobian)]),
            ca.Function("stage_hessian", [*arguments, multipliers], [ca.densify(hessian)]),
        ]

    def _sample_derivatives(self, j: int, weights: Any) -> tuple[Any, Any, Any, Any]:
        """Value, Jacobian, weighted Hessian and weighted gradient of sample j in its local quantities."""
        symbol = ca.SX.sym("w", LOCAL)
        value = self._sample(j, symbol)
        first = ca.jacobian(value, symbol)
        second, gradient = ca.hessian(ca.dot(weights, value), symbol)
        here = self._local(j)
        here[5], here[6] = 0, 0  # the Taylor data are taken at the sample itself
        value, first, second, gradient = ca.substitute([value, first, second, gradient], [symbol], [here])
        return value, first, second, gradient

    def _curvature(self, local: Any, gradient: Any) -> Any:
        """Second derivatives of the local quantities in z, weighted by the gradient."""
        fixed = ca.SX.sym("g", LOCAL)
        hessian, _ = ca.hessian(ca.dot(fixed, local), self.z)
        return ca.substitute(hessian, fixed, gradient)


def taylor(terms: dict[tuple[int, int], Any], base: tuple[int, int], dx: Any, dy: Any, order: int) -> Any:
    """Taylor expansion of the derivative `base` of a field whose derivatives up to `order` are `terms`."""
    left = order - sum(base)
    return sum(
        terms[base[0] + i, base[1] + j] * dx**i * dy**j / (factorial(i) * factorial(j))
        for i in range(left + 1)
        for j in range(left + 1 - i)
    )
