"""Products with ternary weights by table lookup: no multiplications, five bits for three weights.

TeLLMe v2, arXiv 2510.15926: weights -1, 0, 1 are packed in groups of three into an index 0..26; for each group of three
activations the 27 signed sums are built once (13 up to the sign), and an output is a sum of looked-up entries. In Python
this is slower than a matrix product; it is here as the exact reference of such hardware and to count its operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError

GROUP = 3
ENTRIES = 3**GROUP
BITS = 5  # of an index
UNIQUE_SUMS = (ENTRIES - 1) // 2  # up to the sign, without zero
TABLE_ADDITIONS = UNIQUE_SUMS - GROUP  # each further sum is one addition to a sum that is there
#: (27, 3): the weights of each index
PATTERNS = np.array([[i // 9 - 1, i // 3 % 3 - 1, i % 3 - 1] for i in range(ENTRIES)], dtype=np.int64)


@dataclass(frozen=True)
class Packed:
    """Ternary weights. index: (outputs, groups) of 0..26; inputs: their true number; scale: of all weights."""

    index: NDArray[np.uint8]
    inputs: int
    scale: float = 1.0

    @property
    def bits(self) -> int:
        """Stored bits of the weights."""
        return BITS * self.index.size


def ternarise(weights: ArrayLike) -> tuple[NDArray[np.int64], float]:
    """Weights as -1, 0, 1 and their scale, the mean absolute value: Ma et al. 2024, arXiv 2402.17764, eq. 1 to 3."""
    w = np.asarray(weights, dtype=float)
    scale = float(np.mean(np.abs(w))) + 1e-8
    return np.clip(np.rint(w / scale), -1, 1).astype(np.int64), scale


def pack(weights: ArrayLike, scale: float = 1.0) -> Packed:
    """Pack weights (outputs, inputs) of -1, 0, 1; a last group that is not full gets zeros. Raises InputError for others."""
    w = np.asarray(weights)
    if w.ndim != 2 or not np.all(np.isin(w, (-1, 0, 1))):
        raise InputError("ternary", "weights", "are not a matrix of -1, 0 and 1", "ternarise them first", w.shape)
    padded = np.pad(w, ((0, 0), (0, -w.shape[1] % GROUP))).astype(np.int64).reshape(len(w), -1, GROUP)
    return Packed(((padded + 1) @ np.array([9, 3, 1])).astype(np.uint8), w.shape[1], scale)


def unpack(packed: Packed) -> NDArray[np.int64]:
    """The weights (outputs, inputs) again."""
    whole = PATTERNS[packed.index].reshape(len(packed.index), -1)
    weights: NDArray[np.int64] = whole[:, : packed.inputs]
    return weights


def multiply(packed: Packed, x: ArrayLike) -> NDArray[np.int64]:
    """Whole-number activations (n, inputs) times the weights: (n, outputs), by table lookup; exact. Raises InputError."""
    a = np.asarray(x)
    if a.ndim != 2 or a.shape[1] != packed.inputs or not np.issubdtype(a.dtype, np.integer):
        raise InputError("ternary", "activations", f"are not whole numbers (n, {packed.inputs})", "quantise them first", a.shape)
    groups = np.pad(a.astype(np.int64), ((0, 0), (0, -packed.inputs % GROUP))).reshape(len(a), -1, GROUP)
    tables = groups @ PATTERNS.T  # (n, groups, 27)
    columns = np.arange(tables.shape[1])
    return np.stack([tables[:, columns, row].sum(axis=1) for row in packed.index], axis=1)


def operation_ratio(outputs: int, inputs: int) -> float:
    """Multiply-accumulates of the plain product over lookups with addition and additions for the tables [-]."""
    groups = -(-inputs // GROUP)
    return outputs * inputs / (groups * outputs + groups * TABLE_ADDITIONS)


def quantise_rows(x: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Activations (n, k) as whole numbers -127..127 and the scale of each row: absolute-maximum int8."""
    a = np.asarray(x, dtype=float)
    scale = np.maximum(np.abs(a).max(axis=1, keepdims=True), 1e-12) / 127.0
    return np.rint(a / scale).astype(np.int64), scale
