"""Telemetry as tokens: state of charge and load of a rover through its day, interleaved, sixteen levels each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = 16
VOCABULARY = 2 * LEVELS


def make_sequences(seed: int, count: int, length: int) -> NDArray[np.int64]:
    """Sequences (count, length) of tokens: charge, load, charge, load ... Loads change by a chain of modes, charge follows."""
    rng = np.random.default_rng(seed)
    steps = length // 2 + 1
    mode, charge = rng.integers(0, 4, count), rng.uniform(0.2, 0.9, count)
    phase, speed = rng.uniform(0.0, 2.0 * np.pi, count), rng.uniform(0.1, 0.3, count)
    mean = np.array([0.1, 0.35, 0.6, 0.85])
    tokens = np.empty((count, steps, 2), dtype=np.int64)
    for t in range(steps):
        change = rng.random(count) < 0.12
        mode = np.where(change, (mode + rng.integers(1, 3, count)) % 4, mode)
        load = np.clip(mean[mode] + 0.03 * rng.normal(size=count), 0.0, 0.999)
        sun = 0.9 * np.maximum(0.0, np.sin(phase + speed * t))
        charge = np.clip(charge + 0.08 * (sun - load), 0.0, 0.999)
        tokens[:, t, 0] = (LEVELS * charge).astype(np.int64)
        tokens[:, t, 1] = LEVELS + (LEVELS * load).astype(np.int64)
    return tokens.reshape(count, -1)[:, :length]
