"""Splits of heads against every split there is."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.inference.head_split import Processor, rated, split_heads


def test_as_good_as_all_splits() -> None:
    rng, none = np.random.default_rng(0), 0
    for _ in range(100):
        heads, gather = int(rng.integers(1, 17)), float(rng.choice([0.0, rng.uniform(0.0, 2.0)]))
        draws = rng.uniform((0.0, 0.2, 1.0), (3.0, 4.0, 9.0), (int(rng.integers(1, 5)), 3))
        some = [Processor(str(b), *map(float, row)) for b, row in enumerate(draws)]
        limit = float(rng.choice([math.inf, rng.uniform(0.5, 15.0)]))
        every = [
            rated(counts, some, gather)
            for counts in product(range(heads + 1), repeat=len(some))
            if sum(counts) == heads
        ]  # fmt: skip
        fitting = [split.time for split in every if split.power <= limit + 1e-12]
        found = split_heads(heads, some, power_limit=limit, gather=gather)
        if not fitting:
            none += 1
            assert found is None
            continue
        assert found is not None
        assert sum(found.heads) == heads
        assert found.power <= limit + 1e-12
        assert found.time == pytest.approx(min(fitting))
    assert 0 < none < 50


def test_by_hand() -> None:
    """Twelve heads: the NPU gives the most, the slow processor joins only when that pays."""
    cpu, gpu, npu = Processor("cpu", 0.2, 3.0, 6.0), Processor("gpu", 1.5, 1.0, 10.0), Processor("npu", 1.5, 1.0, 4.0)
    found = split_heads(12, (cpu, gpu, npu))
    assert found is not None
    assert (found.heads, found.time) == ((2, 5, 5), 6.5)
    assert rated((12, 0, 0), (cpu, gpu, npu)).time == pytest.approx(36.2)
    capped = split_heads(12, (cpu, gpu, npu), power_limit=10.0)
    assert capped is not None
    assert capped.heads[1] == 0
    assert capped.power == 10.0
    assert split_heads(12, (cpu, gpu, npu), power_limit=3.0) is None
    far = split_heads(2, (cpu, gpu, npu), gather=50.0)
    assert far is not None
    assert far.heads == (0, 0, 2), "equally fast with less energy"


def test_bad_input() -> None:
    good = Processor("cpu", 0.0, 1.0)
    for call in (
        lambda: split_heads(0, [good]), lambda: split_heads(4, []), lambda: split_heads(4, [good] * 13),
        lambda: split_heads(4, [Processor("x", math.nan, 1.0)]), lambda: split_heads(4, [good], power_limit=math.nan),
        lambda: split_heads(4, [good], gather=-1.0),
    ):  # fmt: skip
        with pytest.raises(InputError):
            call()
