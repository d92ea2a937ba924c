"""Patches cut out of a terrain: closed forms of a plane, a place beyond the map, and the scale of what the networks learned."""

from __future__ import annotations

import numpy as np
import pytest

from rover_energy.inference.tasks.terrain_patches import SIDE, cut_patches


def plane(east: float, north: float, cell: float = 0.2) -> np.ndarray:
    y, x = cell * np.mgrid[:150, :150]
    return np.asarray(3.0 + east * x + north * y)


@pytest.mark.parametrize("azimuth", [0.0, 0.9, 2.5, -1.2])
def test_a_plane(azimuth: float) -> None:
    """Height rises by slope x cell per cell; the shade is the slope towards the Sun, whatever the spacing."""
    centres = np.array([[12.0, 14.0], [15.0, 9.0]])
    patches, known = cut_patches(plane(0.2, -0.1), 0.0, 0.0, 0.2, centres, spacing=0.25, azimuth=azimuth)
    assert patches.shape == (2, 2, SIDE, SIDE)
    assert known.all()
    assert np.diff(patches[:, 0], axis=2) == pytest.approx(0.2 / 2.0, abs=1e-5)
    assert np.diff(patches[:, 0], axis=1) == pytest.approx(-0.1 / 2.0, abs=1e-5)
    assert patches[:, 0].mean(axis=(1, 2)) == pytest.approx(0.0, abs=1e-5)
    assert patches[:, 1] == pytest.approx((0.2 * np.cos(azimuth) - 0.1 * np.sin(azimuth)) / 0.5, abs=1e-4)


def test_a_bump_stands_where_it_is() -> None:
    height = np.zeros((100, 120))
    height[40, 70] = 1.0  # at x = 12 + 70 x 0.5 m, y = -3 + 40 x 0.5 m
    patches, _ = cut_patches(height, 12.0, -3.0, 0.5, np.array([[47.25, 17.25]]), spacing=0.5, azimuth=0.0)
    row, column = np.unravel_index(int(patches[0, 0].argmax()), (SIDE, SIDE))
    assert (row, column) == (7, 7), "half a cell left of and below the middle"


def test_what_is_not_known_is_said() -> None:
    height = plane(0.1, 0.0)
    height = height.copy()
    height[75, 75] = np.nan
    centres = np.array([[15.0, 15.0], [1.0, 15.0], [8.0, 8.0]])
    patches, known = cut_patches(height, 0.0, 0.0, 0.2, centres, spacing=0.25, azimuth=0.0)
    assert known.tolist() == [False, False, True]
    assert np.isfinite(patches).all()
