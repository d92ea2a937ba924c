"""Rocks against the published law."""

import numpy as np
import pytest
from scipy import integrate

from rover_energy.errors import InputError
from rover_energy.terrain.rocks import random_rocks, rock_decay, rock_diameters, rock_outline


def test_decay_is_golombek_and_rapps() -> None:
    assert rock_decay(0.1) == pytest.approx(1.79 + 1.52)


@pytest.mark.parametrize(("abundance", "decay"), [(0.05, None), (0.02, 2.5)])
def test_covered_area_and_numbers_follow_the_law(abundance: float, decay: float | None) -> None:
    area = 4e5
    q = rock_decay(abundance) if decay is None else decay
    diameter = rock_diameters(area, 0.2, abundance, np.random.default_rng(0), decay)
    for least in (0.2, 0.4, 0.8):
        covered = np.sum(np.pi / 4 * diameter[diameter >= least] ** 2) / area
        expected = abundance * (np.exp(-q * least) - np.exp(-q * 5.0))  # the area law itself, cut off at 5 m
        assert covered == pytest.approx(expected, rel=0.1), least
        count = area * integrate.quad(lambda d: abundance * q * np.exp(-q * d) * 4 / (np.pi * d**2), least, 5.0)[0]
        assert np.sum(diameter >= least) == pytest.approx(count, abs=4 * np.sqrt(count)), least


def test_outline_is_convex_centred_and_has_the_discs_area() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        rock = rock_outline(3.0, -4.0, 0.8, rng)
        assert rock.is_valid
        assert rock.area == pytest.approx(np.pi / 4 * 0.64, rel=1e-12)
        assert rock.convex_hull.area == pytest.approx(rock.area, rel=1e-12)
        assert rock.centroid.distance(rock.boundary) > 0.25
        assert abs(rock.centroid.x - 3.0) < 0.15


def test_rocks_lie_on_the_map_and_repeat_with_the_seed() -> None:
    def make(seed: int) -> list[tuple[float, ...]]:
        return [rock.bounds for rock in random_rocks((10.0, 20.0, 70.0, 80.0), 0.4, 0.05, np.random.default_rng(seed))]

    assert make(1) == make(1)
    assert make(1) != make(2)
    assert all(x0 > 7.0 and x1 < 73.0 and y0 > 17.0 and y1 < 83.0 for x0, y0, x1, y1 in make(1))


def test_none_without_abundance() -> None:
    assert random_rocks((0, 0, 9, 9), 0.4, 0.0, np.random.default_rng(0)) == ()


@pytest.mark.parametrize(
    ("area", "smallest", "abundance", "decay", "field"),
    [(9.0, 0.0, 0.1, None, "smallest"), (9.0, 9.0, 0.1, None, "smallest"), (9.0, 0.3, 0.5, None, "abundance"),
     (9.0, 0.3, np.nan, None, "abundance"), (9.0, 0.3, -0.1, None, "abundance"), (np.nan, 0.3, 0.1, None, "area"),
     (9.0, 0.3, 0.1, 0.0, "decay"), (9.0, 0.3, 0.1, np.nan, "decay")],
)  # fmt: skip
def test_out_of_range_is_refused(area: float, smallest: float, abundance: float, decay: float | None, field: str) -> None:
    with pytest.raises(InputError, match=f"rocks: {field}"):
        rock_diameters(area, smallest, abundance, np.random.default_rng(0), decay)
