"""The networks that several figures start from, trained once per seed and kept for the process."""

from __future__ import annotations

from functools import cache
from typing import Any

from rover_energy.inference.learning.classifiers import Data, distil_swift, patches, train_super


@cache
def terrain(seed: int) -> tuple[Data, Any, Any]:
    """Data, Super and Swift of a seed."""
    data = patches(seed)
    large = train_super(data, seed)
    return data, large, distil_swift(data, large, seed)
