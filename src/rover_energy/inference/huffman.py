"""Huffman codes of small whole numbers: the lossless part of deep activation quantisation.

Huffman 1952, "A method for the construction of minimum-redundancy codes", 10.1109/JRPROC.1952.273898.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

Codes = dict[int, str]


def build_codes(symbols: ArrayLike) -> Codes:
    """Code of each symbol that occurs, as a text of 0 and 1; equal input gives equal codes. Raises InputError for none."""
    values, counts = np.unique(np.asarray(symbols, dtype=np.int64), return_counts=True)
    if not len(values):
        raise InputError("huffman", "symbols", "are none", "give at least one")
    if len(values) == 1:
        return {int(values[0]): "0"}
    heap = [(int(c), int(v), [int(v)]) for v, c in zip(values, counts, strict=True)]
    codes = {int(v): "" for v in values}
    heapq.heapify(heap)
    while len(heap) > 1:
        low, high = heapq.heappop(heap), heapq.heappop(heap)
        for bit, (_, _, members) in (("0", low), ("1", high)):
            for v in members:
                codes[v] = bit + codes[v]
        heapq.heappush(heap, (low[0] + high[0], min(low[1], high[1]), low[2] + high[2]))
    return codes


def encode(symbols: ArrayLike, codes: Mapping[int, str]) -> tuple[bytes, int]:
    """Packed bits and their number. Raises InputError for a symbol without a code."""
    try:
        bits = "".join(codes[int(s)] for s in np.asarray(symbols, dtype=np.int64).ravel())
    except KeyError as missing:
        raise InputError("huffman", "symbol", "has no code", "build the codes from all data", missing.args[0]) from None
    packed = np.packbits(np.frombuffer(bits.encode("ascii"), dtype=np.uint8) - ord("0")).tobytes() if bits else b""
    return packed, len(bits)


def decode(packed: bytes, length: int, codes: Mapping[int, str]) -> NDArray[np.int64]:
    """The symbols again. Raises InputError when the bits end within a code."""
    symbol_of = {code: symbol for symbol, code in codes.items()}
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))[:length]
    found, code = [], ""
    for bit in bits:
        code += "1" if bit else "0"
        if code in symbol_of:
            found.append(symbol_of[code])
            code = ""
    if code:
        raise InputError("huffman", "bits", "end within a code", "give all of them", length)
    return np.array(found, dtype=np.int64)


def mean_length(symbols: ArrayLike, codes: Mapping[int, str]) -> float:
    """Bits per symbol."""
    values, counts = np.unique(np.asarray(symbols, dtype=np.int64), return_counts=True)
    return float(sum(c * len(codes[int(v)]) for v, c in zip(values, counts, strict=True)) / counts.sum())
