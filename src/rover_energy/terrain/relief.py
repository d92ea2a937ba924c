"""Self-affine relief: the rolling ground between the craters, by spectral synthesis."""

from __future__ import annotations

import numpy as np
from scipy import fft

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray


def fractal_relief(
    shape: tuple[int, int], cell: float, *, hurst: float, rms_slope: float, baseline: float, rng: np.random.Generator
) -> FloatArray:
    """Gaussian random surface whose height differences grow with distance to the power `hurst`.

    Parameters
    ----------
    shape : (ny, nx)
        Nodes.
    cell : float
        Node distance [m].
    hurst : float
        Hurst exponent, above 0 and below 1 [-].
    rms_slope : float
        Root mean square of height difference / distance over `baseline`, expected over realisations [-]; 0 is flat.
    baseline : float
        Distance at which `rms_slope` holds [m], within one cell and the map's longer side.
    rng : numpy.random.Generator

    Returns
    -------
    (ny, nx) array
        Heights with zero mean [m].

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    Fourier filtering of white noise with the power spectrum k^(-2 H - 2) of a self-affine surface (Turcotte, Fractals and Chaos
    in Geology and Geophysics, 2nd ed. 1997, ch. 7). It is drawn on a periodic square of twice the longer side and cut out, so
    that opposite borders differ. The amplitude follows from the structure function of that very spectrum, so it holds
    exactly in the mean; because wavelengths end at twice the map, growth flattens towards the map's size.
    """
    longest = (max(shape) - 1) * cell
    for name, value, low, high in (
        ("hurst", hurst, 0.01, 0.99), ("rms_slope", rms_slope, 0.0, 1.0), ("baseline", baseline, cell, longest)
    ):  # fmt: skip
        if not (low <= value <= high):
            raise InputError("relief", name, f"is not within {low:g} .. {high:g}", "choose a value in the range", value)
    side = fft.next_fast_len(2 * max(shape), real=True)
    ky = fft.fftfreq(side, cell)[:, None]
    kx = fft.rfftfreq(side, cell)[None, :]
    k = np.hypot(kx, ky)
    k[0, 0] = np.inf  # no constant part
    amplitude = k ** -(hurst + 1.0)
    noise = fft.rfft2(rng.standard_normal((side, side)))
    relief = fft.irfft2(noise * amplitude, s=(side, side))[: shape[0], : shape[1]]
    relief *= rms_slope * baseline / _deviation(amplitude, kx, side, baseline)
    return np.asarray(relief - relief.mean())


def _deviation(amplitude: FloatArray, kx: FloatArray, side: int, distance: float) -> float:
    """Expected RMS height difference over `distance` along x of unit white noise filtered by `amplitude`."""
    twice = np.full(kx.shape, 2.0)  # a column stands for +k and -k; the first adds nothing, the last of an even side is alone
    if side % 2 == 0:
        twice[0, -1] = 1.0
    power = amplitude**2 * twice * (1.0 - np.cos(2.0 * np.pi * kx * distance))
    return float(np.sqrt(2.0 * power.sum())) / side
