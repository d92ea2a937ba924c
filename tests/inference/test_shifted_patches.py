"""Places: what each of their numbers does to a patch, and that the simulator's are drawn apart."""

from __future__ import annotations

import numpy as np

from rover_energy.inference.tasks.shifted_patches import PLACE, Place, shifted_patches, simulated_patches
from rover_energy.inference.tasks.terrain_patches import make_patches

PLAIN = Place(1.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def test_a_plain_place_shows_ground_as_it_is() -> None:
    x, y = make_patches(4, 50, noise=0.0)
    seen, labels = shifted_patches(4, 50, PLAIN)
    assert np.array_equal(labels, y)
    assert np.allclose(seen[:, 0], x[:, 0], atol=1e-6)
    assert np.allclose(seen[:, 1], np.clip(x[:, 1], -1.0, 1.0), atol=1e-6)


def test_each_number_by_hand() -> None:
    x, _ = make_patches(4, 50, noise=0.0)
    dark, _ = shifted_patches(4, 50, Place(0.5, 2.0, -0.25, 0.0, 0.0, 0.0))
    assert np.allclose(dark[:, 0], 0.5 * x[:, 0], atol=1e-6)
    assert np.allclose(dark[:, 1], np.clip(2.0 * x[:, 1] - 0.25, -1.0, 1.0), atol=1e-6)
    noisy, _ = shifted_patches(4, 50, Place(1.0, 1.0, 0.0, 0.3, 0.0, 0.0))
    assert abs(float(np.std(noisy[:, 0] - x[:, 0])) - 0.3) < 0.01
    striped, _ = shifted_patches(4, 50, Place(1.0, 1.0, 0.0, 0.0, 0.2, 0.0))
    off = striped[:, 0] - x[:, 0]
    assert float(np.ptp(off, axis=-1).max()) < 1e-5, "the same along a row"
    assert abs(float(np.std(off[:, :, 0])) - 0.2) < 0.02
    blurred, _ = shifted_patches(4, 50, Place(1.0, 1e-3, 0.0, 0.0, 0.0, 1.0))
    inner = 1e-3 * (x[:, 1, :-2, 1:-1] + x[:, 1, 2:, 1:-1] + x[:, 1, 1:-1, :-2] + x[:, 1, 1:-1, 2:]) / 4.0
    assert np.allclose(blurred[:, 1, 1:-1, 1:-1], inner, atol=1e-6)


def test_seeds_and_places() -> None:
    assert np.array_equal(shifted_patches(1, 20)[0], shifted_patches(1, 20)[0])
    assert not np.array_equal(shifted_patches(1, 20)[0], shifted_patches(2, 20)[0])
    x, _ = simulated_patches(1, 400)
    plain, _ = make_patches(1, 400, noise=0.0)
    assert np.std(gains(plain, x)) > 0.15, "every patch is at a place of its own"
    fixed, _ = shifted_patches(1, 400, PLACE)
    assert np.std(gains(plain, fixed)) < 0.05


def gains(plain: np.ndarray, seen: np.ndarray) -> list[float]:
    """Gain of the height of every patch that has some relief."""
    pairs = zip(plain[:, 0], seen[:, 0], strict=True)
    return [float(np.polyfit(a.ravel(), b.ravel(), 1)[0]) for a, b in pairs if np.std(a) > 0.5]
