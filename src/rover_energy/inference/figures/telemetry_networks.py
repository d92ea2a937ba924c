"""The telemetry decoder that several figures start from, trained once per seed and kept for the process."""

from __future__ import annotations

from functools import cache
from typing import Any

from rover_energy.inference.learning.language import Size, make_weights, sequences, train_decoder

SIZE = Size()
TRAINING, CALIBRATION, TEST, EPOCHS, RATE = 3000, 256, 800, 4, 3e-3


@cache
def data(seed: int) -> tuple[Any, Any, Any]:
    """Training, calibration and test tokens."""
    return tuple(sequences(seed + 100 * k, n) for k, n in enumerate((TRAINING, CALIBRATION, TEST), start=1))


@cache
def decoder(seed: int) -> dict[str, Any]:
    """Trained in full precision."""
    return train_decoder(make_weights(seed, SIZE), data(seed)[0], SIZE, epochs=EPOCHS, rate=RATE, seed=seed)
