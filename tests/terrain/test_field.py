"""The bounded field: no overshoot, exact on planes, smooth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.terrain.field import ScalarField


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_stays_within_the_values_around(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2, (9, 7)).astype(float)  # the hardest: steps between 0 and 1
    field = ScalarField.from_values(values, 2.0, -1.0, 0.5)
    x, y = rng.uniform(2.0, 5.0, 200), rng.uniform(-1.0, 3.0, 200)
    f = field.value(x, y)
    column, row = field.cell_index(x, y)
    for k in range(200):
        near = values[max(0, row[k] - 1) : row[k] + 3, max(0, column[k] - 1) : column[k] + 3]
        assert near.min() - 1e-14 <= f[k] <= near.max() + 1e-14


def test_node_value_is_the_weighted_mean_of_the_neighbours() -> None:
    values = np.zeros((7, 7))
    values[3, 3] = 1.0
    field = ScalarField.from_values(values, 0.0, 0.0, 1.0)
    assert field.value(3.0, 3.0) == pytest.approx((4 / 6) ** 2, rel=1e-14)
    assert field.value(3.0, 4.0) == pytest.approx(4 / 36, rel=1e-14)


def test_reproduces_planes_away_from_the_border() -> None:
    x, y = np.meshgrid(np.arange(8.0), np.arange(9.0))
    field = ScalarField.from_values(2.0 * x - 3.0 * y + 1.0, 0.0, 0.0, 1.0)
    px, py = np.meshgrid(np.linspace(1.0, 6.0, 13), np.linspace(1.0, 7.0, 13))
    assert np.allclose(field.value(px, py), 2.0 * px - 3.0 * py + 1.0, atol=1e-13)
    assert np.allclose(field.gradient(px, py)[1], -3.0, atol=1e-13)


def test_layers_and_border_repeat() -> None:
    values = np.random.default_rng(1).uniform(size=(3, 6, 5))
    field = ScalarField.from_values(values, 0.0, 0.0, 1.0)
    assert field.coefficients.shape == (3, 8, 7)
    assert np.array_equal(field.coefficients[:, 0, 1:-1], values[:, 0])
    assert field.value(2.0, 3.0, 1) == ScalarField.from_values(values[1], 0.0, 0.0, 1.0).value(2.0, 3.0)


def test_nan_is_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        ScalarField.from_values(np.full((5, 5), np.nan), 0.0, 0.0, 1.0)
