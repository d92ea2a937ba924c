"""Made terrain: repeatable, as steep as promised, and passable."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from shapely import contains_xy

from rover_energy.errors import InputError
from rover_energy.terrain.generator import generate_lunar_terrain
from rover_energy.terrain.surface import Surface


def test_default_size_and_place() -> None:
    terrain = generate_lunar_terrain(seed=1)
    assert terrain.height.shape == (301, 301)
    assert terrain.extent == pytest.approx((0.0, 0.0, 60.0, 60.0))
    assert not terrain.no_data.any()
    assert "1" in terrain.name
    assert generate_lunar_terrain(seed=1, size=(10.0, 20.0), cell=0.5).height.shape == (41, 21)


def test_same_seed_same_terrain() -> None:
    first, again, other = (generate_lunar_terrain(seed=s, size=(20, 20)) for s in (5, 5, 6))
    assert np.array_equal(first.height, again.height)
    assert [r.wkb for r in first.keep_outs] == [r.wkb for r in again.keep_outs]
    assert not np.array_equal(first.height, other.height)
    assert np.array_equal(generate_lunar_terrain(seed=np.int64(5), size=(20, 20)).height, first.height)


def test_options_of_one_kind_leave_the_others() -> None:
    plain = generate_lunar_terrain(seed=5, size=(20, 20))
    fewer = generate_lunar_terrain(seed=5, size=(20, 20), rock_abundance=0.0)
    assert np.array_equal(plain.height, fewer.height)
    assert fewer.keep_outs == ()
    smooth = generate_lunar_terrain(seed=5, size=(20, 20), crater_density=0.0)
    assert [r.wkb for r in smooth.keep_outs] == [r.wkb for r in plain.keep_outs]


def test_slopes_after_the_footprint() -> None:
    """About 5, 11 and 20 degrees (median, 90 %, 99 %) over seeds; the steepest seeds hold one large fresh crater."""
    rows = []
    for seed in range(12):
        terrain = generate_lunar_terrain(seed=seed)
        gx, gy = np.meshgrid(terrain.x, terrain.y)
        rows.append(np.percentile(np.degrees(Surface.from_terrain(terrain, 0.4).tilt(gx, gy)), [50, 90, 99]))
    mean = np.mean(rows, axis=0)
    assert mean == pytest.approx([5.0, 11.0, 20.0], rel=0.2)
    assert np.max(rows, axis=0)[0] < 8.0


def test_a_rover_finds_its_way_on_most_maps() -> None:
    """Ground below 15 degrees and clear of rocks by half a metre connects the middle of most of the map."""
    for seed in range(6):
        terrain = generate_lunar_terrain(seed=seed)
        gx, gy = np.meshgrid(terrain.x, terrain.y)
        free = np.degrees(Surface.from_terrain(terrain, 0.4).tilt(gx, gy)) < 15.0
        for rock in terrain.keep_outs:
            free &= ~contains_xy(rock.buffer(0.5), gx, gy)
        _, largest = max((n, k) for k, n in enumerate(np.bincount(ndimage.label(free)[0].ravel())) if k > 0)
        assert np.mean(ndimage.label(free)[0] == largest) > 0.7


def test_relief_alone_has_the_asked_slope() -> None:
    squares = []
    for seed in range(30):
        z = generate_lunar_terrain(
            seed=seed, cell=0.5, crater_density=0.0, relief_slope=math.radians(3.0), relief_baseline=10.0
        ).height
        squares.append(0.5 * np.mean((z[20:] - z[:-20]) ** 2) + 0.5 * np.mean((z[:, 20:] - z[:, :-20]) ** 2))
    assert np.sqrt(np.mean(squares)) / 10.0 == pytest.approx(math.tan(math.radians(3.0)), rel=0.12)


def test_craters_reach_in_from_outside_the_map() -> None:
    """Were all centres inside, the outermost rows would have half the squared slope of the middle ones."""
    border, middle = 0.0, 0.0
    for seed in range(600):
        z = generate_lunar_terrain(
            seed=seed, size=(24, 24), cell=0.4, relief_slope=0.0, rock_abundance=0.0, crater_density=5.0,
            smallest_crater=3.5, largest_crater=4.0,
        ).height  # fmt: skip
        squared = np.diff(z, axis=1) ** 2
        border += squared[[0, 1, -2, -1]].mean()
        middle += squared[28:32].mean()
    assert 0.75 < border / middle < 1.33


BAD: list[tuple[dict[str, Any], str]] = [
    ({"seed": -1}, "seed = -1"),
    ({"seed": 1.5}, "seed = 1.5"),
    ({"seed": True}, "seed = True"),
    ({"seed": None}, "seed: is not a whole number"),
    ({"cell": 0.0}, "cell = 0.0"),
    ({"cell": np.nan}, "cell = nan"),
    ({"size": (0.3, 60.0)}, "size = .*is below 0.6 m"),
    ({"size": (np.nan, 60.0)}, "size"),
    ({"size": 60.0}, "size = 60.0: is not two lengths"),
    ({"size": (1e6, 1e6)}, "size = .*nodes; enlarge the cell"),
    ({"smallest_crater": 0.1}, "smallest_crater = 0.1: is not within two cells, 0.4 m"),
    ({"largest_crater": 0.5}, "smallest_crater"),
    ({"crater_density": -1.0}, "density = -1.0"),
    ({"crater_density": np.nan}, "density = nan"),
    ({"hurst": 1.5}, "hurst = 1.5"),
    ({"relief_slope": np.nan}, "rms_slope = nan"),
    ({"rock_abundance": 0.9}, "abundance = 0.9"),
    ({"smallest_rock": -1.0}, "smallest = -1.0"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_options_are_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        generate_lunar_terrain(**{"seed": 0, **change})
    assert "\n" not in str(caught.value)
