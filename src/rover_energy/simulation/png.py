"""PNG images written with nothing but zlib (ISO/IEC 15948): 16-bit grey for height maps, 8-bit colour for pictures."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR = 0, 2


def encode_png(pixels: NDArray[Any]) -> bytes:
    """PNG file of an image whose first row is the top.

    Parameters
    ----------
    pixels : (rows, columns) array of uint16, or (rows, columns, 3) array of uint8
        Grey, or red, green and blue.

    Raises
    ------
    InputError
        Another shape or type.
    """
    grey = pixels.ndim == 2 and pixels.dtype == np.uint16
    if not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8)) or pixels.size == 0:
        raise InputError("image", "pixels", f"are {pixels.dtype} {pixels.shape}", "give uint16 grey or uint8 colour")
    rows, columns = pixels.shape[:2]
    lines = np.ascontiguousarray(pixels, dtype=">u2" if grey else np.uint8).view(np.uint8).reshape(rows, -1)
    filtered = np.hstack([np.zeros((rows, 1), np.uint8), lines])  # filter 0: the bytes as they are
    header = struct.pack(">IIBBBBB", columns, rows, 16 if grey else 8, _GREY if grey else _COLOUR, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
