"""Bicubic B-splines against scipy's own, finite differences and what a spline must be."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import BicubicSpline, basis_weights, partials_up_to

X0, Y0, CELL = -3.0, 12.5, 0.4


@pytest.fixture
def spline() -> BicubicSpline:
    return BicubicSpline(np.random.default_rng(7).normal(size=(14, 11)), X0, Y0, CELL)


def points(spline: BicubicSpline, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    xmin, ymin, xmax, ymax = spline.extent
    rng = np.random.default_rng(seed)
    return rng.uniform(xmin, xmax, n), rng.uniform(ymin, ymax, n)


def scipy_partial(spline: BicubicSpline, x: np.ndarray, y: np.ndarray, a: int, b: int) -> np.ndarray:
    """Sum over the tensor product of scipy's basis elements, with scipy's derivatives."""

    def basis(first: float, count: int, at: np.ndarray, order: int) -> np.ndarray:
        knots = first + CELL * (np.arange(count + 4) - 3.0)  # node -1 is the first coefficient; its support starts 2 before
        columns = []
        for k in range(count):
            element = BSpline(knots, np.eye(count)[k], 3, extrapolate=False)
            columns.append(np.nan_to_num(element.derivative(order)(at) if order else element(at)))
        return np.array(columns)

    rows, columns = spline.coefficients.shape
    return np.einsum("jn,ji,in->n", basis(Y0, rows, y, b), spline.coefficients, basis(X0, columns, x, a))


@pytest.mark.parametrize(("a", "b"), [pair for pair in partials_up_to(3) if max(pair) < 3] + [(3, 0), (0, 3), (2, 2), (3, 1)])
def test_every_partial_equals_scipys_basis_elements(spline: BicubicSpline, a: int, b: int) -> None:
    x, y = points(spline, 400)
    mine, reference = spline.partials(x, y, [(a, b)])[a, b], scipy_partial(spline, x, y, a, b)
    assert np.abs(mine - reference).max() <= 1e-12 * np.abs(reference).max()


def test_fourth_derivative_along_one_axis_is_zero(spline: BicubicSpline) -> None:
    x, y = points(spline, 20)
    d = spline.derivatives(x, y, 4)
    assert set(d) == set(partials_up_to(4))
    assert np.all(d[4, 0] == 0.0)
    assert np.all(d[0, 4] == 0.0)


def test_gradient_and_hessian_against_finite_differences(spline: BicubicSpline) -> None:
    x, y = points(spline, 300)
    x, y = np.clip(x, X0 + 0.01, X0 + 3.4), np.clip(y, Y0 + 0.01, Y0 + 4.2)
    h = 1e-4
    hx, hy = spline.gradient(x, y)
    hxx, hxy, hyy = spline.hessian(x, y)
    pairs = [
        (hx, (spline.value(x + h, y) - spline.value(x - h, y)) / (2 * h)),
        (hy, (spline.value(x, y + h) - spline.value(x, y - h)) / (2 * h)),
        (hxx, (spline.gradient(x + h, y)[0] - spline.gradient(x - h, y)[0]) / (2 * h)),
        (hxy, (spline.gradient(x, y + h)[0] - spline.gradient(x, y - h)[0]) / (2 * h)),
        (hyy, (spline.gradient(x, y + h)[1] - spline.gradient(x, y - h)[1]) / (2 * h)),
    ]
    border = (np.abs((x - X0) / CELL % 1.0 - 0.5) > 0.499) | (np.abs((y - Y0) / CELL % 1.0 - 0.5) > 0.499)
    for exact, numerical in pairs:
        assert np.abs(exact - numerical)[~border].max() <= 1e-6 * np.abs(exact).max()


def test_second_derivatives_are_continuous_and_third_jump_at_cell_borders(spline: BicubicSpline) -> None:
    y = np.linspace(Y0 + 0.1, Y0 + 4.0, 37)
    border = X0 + 4 * CELL
    left, right = (spline.derivatives(border + side, y, 3) for side in (-1e-9, 1e-9))
    for a, b in partials_up_to(2):
        assert np.abs(left[a, b] - right[a, b]).max() <= 1e-6, (a, b)
    assert np.abs(left[3, 0] - right[3, 0]).max() > 1.0


def test_basis_weights_sum_to_one_and_their_derivatives_to_zero() -> None:
    t = np.linspace(0.0, 1.0, 11)
    assert np.allclose(basis_weights(t, 0).sum(axis=0), 1.0, atol=1e-15)
    for order in (1, 2, 3):
        assert np.allclose(basis_weights(t, order).sum(axis=0), 0.0, atol=1e-14)


def test_border_is_inside_and_beyond_is_nan(spline: BicubicSpline) -> None:
    xmin, ymin, xmax, ymax = spline.extent
    assert (xmax, ymax) == (X0 + 8 * CELL, Y0 + 11 * CELL)
    assert np.all(np.isfinite(spline.value([xmin, xmax], [ymin, ymax])))
    outside_x = [np.nextafter(xmin, -99), np.nextafter(xmax, 99), np.nan, 0.0, np.inf]
    outside_y = [ymin, ymin, ymin, np.nan, ymin]
    assert np.all(np.isnan(spline.value(outside_x, outside_y)))
    assert not np.any(spline.inside(outside_x, outside_y))
    assert np.all(np.isnan(spline.gradient(outside_x, outside_y)))


def test_shapes_broadcast_and_scalars_stay_scalar(spline: BicubicSpline) -> None:
    x, y = points(spline, 6)
    grid = spline.value(x[None, :], y[:, None])
    assert grid.shape == (6, 6)
    assert grid[2, 3] == pytest.approx(spline.value(x[3], y[2]), abs=1e-15)
    assert spline.value(x[0], y[0]).shape == ()


def test_many_points_are_evaluated_like_few(spline: BicubicSpline) -> None:
    x, y = points(spline, 40_000)
    assert np.array_equal(spline.value(x, y)[-7:], spline.value(x[-7:], y[-7:]))


def test_layers_are_independent_splines() -> None:
    c = np.random.default_rng(3).normal(size=(3, 8, 9))
    stack = BicubicSpline(c, 0.0, 0.0, 1.0)
    x, y = points(stack, 50)
    layer = np.arange(50) % 3
    mixed = stack.hessian(x, y, layer)[1]
    for k in range(3):
        alone = BicubicSpline(c[k], 0.0, 0.0, 1.0).hessian(x, y)[1]
        assert np.array_equal(mixed[layer == k], alone[layer == k])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((np.zeros((5, 9)), 0.0, 0.0, 1.0), "coefficients"),
        ((np.zeros(9), 0.0, 0.0, 1.0), "coefficients"),
        ((np.zeros((9, 9)), 0.0, 0.0, 0.0), "cell"),
        ((np.zeros((9, 9)), 0.0, 0.0, np.nan), "cell"),
        ((np.zeros((9, 9)), np.nan, 0.0, 1.0), "x0"),
    ],
)
def test_bad_grids_are_refused(arguments: tuple, field: str) -> None:
    with pytest.raises(InputError, match=field):
        BicubicSpline(*arguments)


def test_bad_requests_are_refused(spline: BicubicSpline) -> None:
    with pytest.raises(InputError, match="order"):
        spline.derivatives(0.0, 13.0, 5)
    with pytest.raises(InputError, match="layer"):
        spline.value(0.0, 13.0, layer=0)
    with pytest.raises(InputError, match="layer"):
        BicubicSpline(np.zeros((2, 9, 9)), 0.0, 0.0, 1.0).value(1.0, 1.0)


def test_coefficients_cannot_be_changed_through_the_spline(spline: BicubicSpline) -> None:
    with pytest.raises(ValueError, match="read-only"):
        spline.coefficients[0, 0] = 1.0
