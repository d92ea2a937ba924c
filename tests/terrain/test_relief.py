"""Self-affine relief against the law it is made from."""

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.terrain.relief import fractal_relief


def structure(hurst: float, lags: np.ndarray, shape: tuple[int, int] = (128, 128)) -> np.ndarray:
    """RMS height difference at each lag, measured along both axes over many realisations."""
    total = np.zeros(len(lags))
    for seed in range(40):
        z = fractal_relief(shape, 0.5, hurst=hurst, rms_slope=0.1, baseline=4.0, rng=np.random.default_rng(seed))
        for k, lag in enumerate(lags):
            total[k] += 0.5 * np.mean((z[lag:] - z[:-lag]) ** 2) + 0.5 * np.mean((z[:, lag:] - z[:, :-lag]) ** 2)
    return np.sqrt(total / 40)


@pytest.mark.parametrize("hurst", [0.5, 0.76])
def test_height_differences_grow_with_the_hurst_exponent(hurst: float) -> None:
    lags = np.array([2, 4, 8, 16])
    slope = np.polyfit(np.log(lags), np.log(structure(hurst, lags)), 1)[0]
    assert slope == pytest.approx(hurst, abs=0.06)


@pytest.mark.parametrize("hurst", [0.3, 0.95])
def test_amplitude_holds_at_the_baseline(hurst: float) -> None:
    assert structure(hurst, np.array([8]))[0] == pytest.approx(0.1 * 4.0, rel=0.06)  # 8 cells of 0.5 m


def test_shape_mean_and_seed() -> None:
    def make(seed: int) -> np.ndarray:
        return fractal_relief((20, 33), 1.0, hurst=0.8, rms_slope=0.05, baseline=5.0, rng=np.random.default_rng(seed))

    assert make(1).shape == (20, 33)
    assert abs(make(1).mean()) < 1e-12
    assert np.array_equal(make(1), make(1))
    assert not np.array_equal(make(1), make(2))


def test_opposite_borders_differ() -> None:
    z = fractal_relief((64, 64), 1.0, hurst=0.9, rms_slope=0.1, baseline=8.0, rng=np.random.default_rng(0))
    assert np.abs(z[:, 0] - z[:, -1]).mean() > 5.0 * np.abs(z[:, 0] - z[:, 1]).mean()


@pytest.mark.parametrize(
    ("name", "value"), [("hurst", 0.0), ("hurst", 1.0), ("hurst", np.nan), ("rms_slope", -0.1), ("rms_slope", np.nan),
                        ("baseline", 0.5), ("baseline", 99.0)]
)  # fmt: skip
def test_out_of_range_is_refused(name: str, value: float) -> None:
    options = {"hurst": 0.8, "rms_slope": 0.1, "baseline": 5.0, name: value}
    with pytest.raises(InputError, match=f"relief: {name} = .*: is not within"):
        fractal_relief((20, 20), 1.0, rng=np.random.default_rng(0), **options)
