"""PNG files read back by another library."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.simulation.png import encode_png


def read(data: bytes) -> np.ndarray:
    return np.asarray(pytest.importorskip("PIL.Image", reason="needs Pillow to read PNG").open(io.BytesIO(data)))


def test_grey_keeps_all_sixteen_bits() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (17, 33), dtype=np.uint16)
    np.testing.assert_array_equal(read(encode_png(pixels)).astype(np.uint16), pixels)


def test_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read(encode_png(pixels)), pixels)


@pytest.mark.parametrize("pixels", [np.zeros((3, 3)), np.zeros((3, 3, 4), np.uint8), np.zeros((0, 3), np.uint16)])
def test_other_images_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match="pixels"):
        encode_png(pixels)
