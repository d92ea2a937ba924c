"""Uniform bicubic B-splines: evaluation of the field and of all its partial derivatives, shared by every gridded map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

FloatArray = NDArray[np.float64]
Partial = tuple[int, int]

MINIMUM_NODES = 4  # along each side: fewer nodes than the width of one cubic basis function leave nothing to interpolate
_CHUNK = 16384  # points evaluated at once, so that the gathered stencils stay in the cache

# Row m holds, in ascending powers of t in [0, 1], the cubic B-spline that belongs to node i - 1 + m of the cell [i, i + 1]
# (de Boor, A Practical Guide to Splines, 1978, ch. X, with equidistant knots).
_BASIS = np.array([[1.0, -3.0, 3.0, -1.0], [4.0, 0.0, -6.0, 3.0], [1.0, 3.0, 3.0, -3.0], [0.0, 0.0, 0.0, 1.0]]) / 6.0


def _basis_derivatives() -> FloatArray:
    """Coefficients (5, 4, 4): derivative order, node of the stencil, ascending power of t."""
    table = np.zeros((5, 4, 4))
    table[0] = _BASIS
    for order in range(1, 5):
        table[order, :, :3] = table[order - 1, :, 1:] * np.array([1.0, 2.0, 3.0])
    return table


_DERIVATIVES = _basis_derivatives()
MAXIMUM_ORDER = len(_DERIVATIVES) - 1


def basis_weights(t: FloatArray, order: int) -> FloatArray:
    """Derivative of the four cubic basis functions that overlap a cell.

    Parameters
    ----------
    t : (n,) array
        Position in the cell, in cells, 0 to 1.
    order : int
        Derivative order, 0 to 4, with respect to t.

    Returns
    -------
    (4, n) array
        Weights of the nodes at -1, 0, 1 and 2 cells from the cell's first node [1/cell^order].
    """
    c = _DERIVATIVES[order][:, :, None]
    return np.asarray(((c[:, 3] * t + c[:, 2]) * t + c[:, 1]) * t + c[:, 0], dtype=np.float64)


def partials_up_to(order: int) -> tuple[Partial, ...]:
    """All pairs (a, b), meaning d^(a+b)/dx^a dy^b, with a + b <= `order`, in ascending total order."""
    return tuple((total - b, b) for total in range(order + 1) for b in range(total + 1))


@dataclass(frozen=True, eq=False)
class BicubicSpline:
    """Twice continuously differentiable field on a uniform grid: f(x, y) = sum_ij c_ji B3(x/cell - i) B3(y/cell - j).

    Attributes
    ----------
    coefficients : (ny + 2, nx + 2) or (layers, ny + 2, nx + 2) array
        B-spline coefficients of the nodes, padded by one node on every side; rows run south to north. With layers, the
        methods take the layer of each point.
    x0, y0 : float
        Map coordinates of the first node that is not padding [m].
    cell : float
        Distance between nodes [m].
    """

    coefficients: FloatArray
    x0: float
    y0: float
    cell: float

    def __post_init__(self) -> None:
        c = np.ascontiguousarray(self.coefficients, dtype=np.float64)
        if c.ndim not in (2, 3) or min(c.shape[-2:]) < MINIMUM_NODES + 2:
            raise InputError(
                "spline", "coefficients", f"shape {c.shape} is not at least {MINIMUM_NODES + 2} x {MINIMUM_NODES + 2}",
                "give a grid of at least 4 x 4 nodes, padded by one",
            )  # fmt: skip
        if not (np.isfinite(self.cell) and self.cell > 0.0):
            raise InputError("spline", "cell", "is not a positive length", "give the node distance in metres", self.cell)
        if not (np.isfinite(self.x0) and np.isfinite(self.y0)):
            raise InputError("spline", "x0, y0", "is not finite", "give the first node in metres", (self.x0, self.y0))
        c = c.view()
        c.flags.writeable = False
        object.__setattr__(self, "coefficients", c)

    @property
    def node_shape(self) -> tuple[int, int]:
        """(ny, nx): number of nodes without the padding."""
        return int(self.coefficients.shape[-2]) - 2, int(self.coefficients.shape[-1]) - 2

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax) of the nodes [m]: where the field is defined."""
        ny, nx = self.node_shape
        return self.x0, self.y0, self.x0 + (nx - 1) * self.cell, self.y0 + (ny - 1) * self.cell

    def inside(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.bool_]:
        """Whether each point lies within the extent, border included; NaN is outside. Shapes broadcast; [m]."""
        xmin, ymin, xmax, ymax = self.extent
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        return np.asarray((x >= xmin) & (x <= xmax) & (y >= ymin) & (y <= ymax))

    def cell_index(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Column and row of the cell that holds each point; points outside get the nearest cell, NaN gets cell 0."""
        ny, nx = self.node_shape
        u = (np.asarray(x, dtype=np.float64) - self.x0) / self.cell
        w = (np.asarray(y, dtype=np.float64) - self.y0) / self.cell
        column = np.clip(np.nan_to_num(np.floor(u)), 0, nx - 2).astype(np.intp)
        row = np.clip(np.nan_to_num(np.floor(w)), 0, ny - 2).astype(np.intp)
        return column, row

    def partials(
        self, x: ArrayLike, y: ArrayLike, wanted: Iterable[Partial], layer: ArrayLike | None = None
    ) -> dict[Partial, FloatArray]:
        """Chosen partial derivatives.

        Parameters
        ----------
        x, y : array_like
            Points in the map frame [m]; shapes broadcast.
        wanted : iterable of (a, b)
            Each asks for d^(a+b) f / dx^a dy^b; a and b from 0 to 4. Third derivatives of a cubic are constant along their
            axis within a cell and jump at its borders; fourth ones along one axis are zero.
        layer : array_like of int, optional
            Layer of each point; needed exactly when the coefficients have layers; broadcasts with the points.

        Returns
        -------
        dict from (a, b) to an array of the broadcast shape
            NaN outside the extent [unit of the field / m^(a+b)].

        Raises
        ------
        InputError
            An order above 4, or `layer` given or missing against the coefficients' shape.
        """
        orders = tuple(wanted)
        for pair in orders:
            if not all(0 <= order <= MAXIMUM_ORDER for order in pair):
                raise InputError("spline", "derivative order", f"is not within 0 .. {MAXIMUM_ORDER}", "ask for less", pair)
        if (layer is None) != (self.coefficients.ndim == 2):
            raise InputError("spline", "layer", "does not fit the coefficients", "give it exactly when they have layers", layer)
        arrays = np.broadcast_arrays(
            np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), np.asarray(0 if layer is None else layer, np.intp)
        )
        shape = arrays[0].shape
        px, py, pk = (np.ravel(a) for a in arrays)
        out = np.empty((len(orders), px.size))
        for first in range(0, px.size, _CHUNK):
            part = slice(first, first + _CHUNK)
            out[:, part] = self._evaluate(px[part], py[part], pk[part], orders)
        return {pair: out[k].reshape(shape) for k, pair in enumerate(orders)}

    def _evaluate(self, x: FloatArray, y: FloatArray, layer: NDArray[np.intp], orders: tuple[Partial, ...]) -> FloatArray:
        """Partials (len(orders), n) at points (n,)."""
        column, row = self.cell_index(x, y)
        inside = self.inside(x, y)
        t = np.where(inside, (x - self.x0) / self.cell - column, 0.0)
        s = np.where(inside, (y - self.y0) / self.cell - row, 0.0)
        rows, columns = self.coefficients.shape[-2:]
        base = (layer * rows + row) * columns + column
        offsets = np.arange(4)[:, None] * columns + np.arange(4)
        stencil = self.coefficients.reshape(-1).take(base + offsets[:, :, None])  # (4 rows, 4 columns, n)
        along_x = {a: np.einsum("jin,in->jn", stencil, basis_weights(t, a)) for a in {a for a, _ in orders}}
        weights_y = {b: basis_weights(s, b) for b in {b for _, b in orders}}
        out = np.empty((len(orders), x.size))
        for k, (a, b) in enumerate(orders):
            np.einsum("jn,jn->n", along_x[a], weights_y[b], out=out[k])
            out[k] *= self.cell ** -(a + b)
        out[:, ~inside] = np.nan
        return out

    def value(self, x: ArrayLike, y: ArrayLike, layer: ArrayLike | None = None) -> FloatArray:
        """The field at points of the map frame [m]; shapes broadcast; NaN outside the extent."""
        return self.partials(x, y, ((0, 0),), layer)[0, 0]

    def gradient(self, x: ArrayLike, y: ArrayLike, layer: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """First partial derivatives (f_x, f_y) [unit/m]; shapes broadcast; NaN outside the extent."""
        d = self.partials(x, y, ((1, 0), (0, 1)), layer)
        return d[1, 0], d[0, 1]

    def hessian(self, x: ArrayLike, y: ArrayLike, layer: ArrayLike | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Second partial derivatives (f_xx, f_xy, f_yy) [unit/m2]; shapes broadcast; NaN outside the extent."""
        d = self.partials(x, y, ((2, 0), (1, 1), (0, 2)), layer)
        return d[2, 0], d[1, 1], d[0, 2]

    def derivatives(self, x: ArrayLike, y: ArrayLike, order: int, layer: ArrayLike | None = None) -> dict[Partial, FloatArray]:
        """All partial derivatives up to total `order` (0 to 4), keyed (a, b) for d^(a+b)/dx^a dy^b [unit/m^(a+b)]."""
        return self.partials(x, y, partials_up_to(order), layer)
