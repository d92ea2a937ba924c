"""Craters against the published laws and against diffusion solved another way."""

import numpy as np
import pytest
from scipy import ndimage

from rover_energy.errors import InputError
from rover_energy.terrain.craters import (
    Craters,
    add_craters,
    equilibrium_craters,
    fresh_depth_ratio,
    fresh_profile,
    worn_profile,
    worn_profiles,
)

BIG = (0.0, 0.0, 2000.0, 1000.0)


def population(seed: int = 0, density: float = 1.0) -> Craters:
    return equilibrium_craters(BIG, 2.0, 100.0, density, np.random.default_rng(seed))


def test_numbers_follow_trasks_equilibrium() -> None:
    diameter = population().diameter
    for least in (2.0, 4.0, 8.0, 16.0, 32.0):
        expected = 0.0794328 * (least**-2 - 100.0**-2) * 2e6
        assert np.sum(diameter >= least) == pytest.approx(expected, abs=4.0 * np.sqrt(expected)), least
    assert diameter.min() >= 2.0
    assert diameter.max() <= 100.0


def test_fitted_exponent_is_minus_two() -> None:
    """Maximum likelihood exponent of a power law, with no knowledge of how the sizes were drawn."""
    diameter = population().diameter
    small = diameter[diameter < 50.0]
    exponent = len(small) / np.sum(np.log(small / 2.0))
    assert exponent == pytest.approx(2.0, abs=0.03)


def test_number_scales_with_density_and_places_are_uniform() -> None:
    craters = population(density=0.25)
    assert len(craters.x) == pytest.approx(len(population().x) / 4, rel=0.05)
    assert np.histogram(craters.x, 4, BIG[::2])[0] == pytest.approx(len(craters.x) / 4, rel=0.1)
    assert np.histogram(craters.age, 4, (0, 1))[0] == pytest.approx(len(craters.x) / 4, rel=0.1)


def test_fresh_profile_has_the_published_depth_and_rim() -> None:
    r = np.linspace(0.0, 3.0, 3001)
    deep = fresh_profile(r, 0.3)
    assert deep[0] == pytest.approx(-0.2288, abs=1e-4)
    assert deep.max() == pytest.approx(0.0368, abs=1e-3)  # Pike (1977): 0.036 of the diameter
    assert np.abs(np.diff(deep)).max() < 1e-3  # the pieces of the profile meet
    assert np.all(deep[r >= 1.531] == 0.0)
    assert r[deep.argmax()] == pytest.approx(1.0, abs=2e-3)  # the crest is on the rim
    shallow = fresh_profile(r, 0.1)
    assert shallow.max() - shallow.min() == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize(
    ("diameter", "ratio"), [(1.0, 0.10), (9.9, 0.10), (10.0, 0.11), (11.0, 0.11), (60.0, 0.13), (1000.0, 0.21)]
)
def test_fresh_depth_by_size(diameter: float, ratio: float) -> None:
    assert fresh_depth_ratio(diameter) == ratio


def test_wear_is_monotonic_and_ends_at_the_faintest() -> None:
    radius, table = worn_profiles(0.13, 0.03)
    depth = table.max(axis=1) - table.min(axis=1)
    assert np.all(np.diff(depth) < 0.0)
    assert depth[-1] <= 0.03 < depth[-2]
    volume = (table * radius).sum(axis=1)
    assert np.allclose(volume, volume[0], atol=1e-5 * np.abs(table * radius).sum())
    assert np.abs(table[:, -1]).max() < 1e-4


def test_wear_equals_a_gaussian_average_in_the_plane() -> None:
    """Diffusion over time t is convolution by a Gaussian of variance 2 kappa t: done here on a square grid by scipy."""
    step = 0.02
    axis = np.arange(-4.0, 4.0 + step / 2, step)
    distance = np.hypot(axis[:, None], axis)
    _, table = worn_profiles(0.10, 0.03)
    steps = (len(table) - 1) // 2
    age = steps * 0.002  # in radii^2 / kappa
    averaged = ndimage.gaussian_filter(fresh_profile(distance, 0.10), np.sqrt(2.0 * age) / step, truncate=6.0)
    mine = worn_profile(distance, 0.10, steps / (len(table) - 1))
    inner = distance < 3.0
    assert np.abs(mine - averaged)[inner].max() < 0.01 * (averaged.max() - averaged.min())


def test_mean_depth_is_near_what_change_4_measured() -> None:
    """Wu et al. (2021): 0.061 on average over the small craters around the landing site."""
    _, table = worn_profiles(fresh_depth_ratio(5.0))
    assert np.mean(table.max(axis=1) - table.min(axis=1)) == pytest.approx(0.061, abs=0.012)


def test_craters_are_stamped_where_they_are() -> None:
    height = np.zeros((101, 121))
    add_craters(height, -10.0, 20.0, 0.5, Craters(*(np.array([v]) for v in (15.0, 50.0, 20.0, 0.0))))
    assert height[60, 50] == pytest.approx(20.0 * (0.0368 - 0.11), abs=1e-2)  # x = 15, y = 50: the floor
    assert height[60, 70] == pytest.approx(20.0 * 0.0368, abs=2e-2)  # 10 m east: the rim, the highest of its row
    assert height[60].argmax() in (30, 70)
    assert np.array_equal(height[60, 10:50], height[60, 90:50:-1])
    assert np.all(height[:19] == 0.0)


@pytest.mark.parametrize("age", [0.0, 0.4, 1.0])
def test_nothing_of_a_crater_is_cut_off(age: float) -> None:
    height = np.zeros((161, 161))
    add_craters(height, -40.0, -40.0, 0.5, Craters(*(np.array([v]) for v in (0.3, -0.2, 16.0, age))))
    axis = np.arange(161) * 0.5 - 40.0
    everywhere = 16.0 * worn_profile(np.hypot(axis[:, None] + 0.2, axis - 0.3) / 8.0, 0.11, age)
    assert np.abs(height - everywhere).max() < 1e-4 * 16.0


def test_craters_outside_change_nothing_or_only_their_rim() -> None:
    height = np.zeros((50, 50))
    far = Craters(*(np.array([v]) for v in (-500.0, 10.0, 20.0, 0.5)))
    add_craters(height, 0.0, 0.0, 1.0, far)
    assert np.all(height == 0.0)
    add_craters(height, 0.0, 0.0, 1.0, Craters(*(np.array([v]) for v in (-12.0, 25.0, 20.0, 0.0))))
    assert height[25, 0] > 0.1
    assert height.min() >= -1e-3  # the published outer flank ends a hair below zero


@pytest.mark.parametrize(
    ("smallest", "largest", "density", "field"),
    [(0.0, 9.0, 1.0, "diameters"), (9.0, 2.0, 1.0, "diameters"), (np.nan, 9.0, 1.0, "diameters"), (1.0, np.inf, 1.0, "diameters"),
     (1.0, 9.0, -1.0, "density"), (1.0, 9.0, np.nan, "density")],
)  # fmt: skip
def test_out_of_range_is_refused(smallest: float, largest: float, density: float, field: str) -> None:
    with pytest.raises(InputError, match=f"craters: {field}"):
        equilibrium_craters(BIG, smallest, largest, density, np.random.default_rng(0))


def test_bad_depths_are_refused() -> None:
    with pytest.raises(InputError, match="depth ratio"):
        worn_profiles(0.02, 0.03)
    with pytest.raises(InputError, match="diameter"):
        fresh_depth_ratio(np.nan)
