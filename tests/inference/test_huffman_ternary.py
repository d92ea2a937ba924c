"""Codes and lookups are exact: round trips, entropy's bounds, and table products against plain ones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from rover_energy.errors import InputError
from rover_energy.inference.huffman import build_codes, decode, encode, mean_length
from rover_energy.inference.ternary import (
    BITS,
    ENTRIES,
    PATTERNS,
    multiply,
    operation_ratio,
    pack,
    quantise_rows,
    ternarise,
    unpack,
)


@given(st.lists(st.integers(-5, 40), min_size=1, max_size=300))
def test_every_text_comes_back(symbols: list[int]) -> None:
    codes = build_codes(symbols)
    assert decode(*encode(symbols, codes), codes).tolist() == symbols
    texts = sorted(codes.values())
    assert not any(b.startswith(a) for a, b in pairwise(texts)), "no code begins another"


@given(st.lists(st.integers(0, 15), min_size=2, max_size=400))
def test_length_lies_between_entropy_and_one_more(symbols: list[int]) -> None:
    counts = np.bincount(symbols)
    bound = entropy(counts[counts > 0], base=2)
    length = mean_length(symbols, build_codes(symbols))
    assert bound - 1e-9 <= length <= max(1.0, bound + 1.0)


def test_dyadic_shares_are_coded_at_their_entropy() -> None:
    assert mean_length([0] * 8 + [1] * 4 + [2] * 2 + [3] * 2, build_codes([0] * 8 + [1] * 4 + [2] * 2 + [3] * 2)) == 1.75


def test_codes_refuse_what_they_do_not_know() -> None:
    codes = build_codes([1, 2, 3])
    with pytest.raises(InputError, match="has no code"):
        encode([4], codes)
    with pytest.raises(InputError):
        build_codes([])
    with pytest.raises(InputError, match="end within a code"):
        decode(b"\xff", 1, {0: "0", 1: "11", 2: "10"})


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 6), st.integers(0, 10_000))
def test_table_lookup_is_the_plain_product(outputs: int, inputs: int, rows: int, seed: int) -> None:
    """A hundred random shapes, also where the inputs do not divide by three."""
    rng = np.random.default_rng(seed)
    w, x = rng.integers(-1, 2, (outputs, inputs)), rng.integers(-127, 128, (rows, inputs))
    packed = pack(w)
    assert np.array_equal(multiply(packed, x), x @ w.T)
    assert np.array_equal(unpack(packed), w)


def test_patterns_are_all_different_and_storage_is_five_bits_for_three() -> None:
    assert len({tuple(p) for p in PATTERNS.tolist()}) == ENTRIES
    packed = pack(np.zeros((64, 96), dtype=int))
    assert packed.bits / (64 * 96) == pytest.approx(BITS / 3.0)
    assert operation_ratio(512, 510) == pytest.approx(3.0 * 512 / 522)


def test_ternary_weights_keep_the_product_roughly() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(64, 192)), rng.normal(size=(50, 192))
    small, scale = ternarise(w)
    codes, rows = quantise_rows(x)
    approximate = multiply(pack(small), codes) * rows * scale
    assert np.corrcoef(approximate.ravel(), (x @ w.T).ravel())[0, 1] > 0.85
    exact = x @ (small * scale).T
    assert np.abs(approximate - exact).max() < 0.02 * np.abs(exact).max()
    for bad in (np.full((2, 3), 2), np.zeros(3)):
        with pytest.raises(InputError):
            pack(bad)
    with pytest.raises(InputError, match="quantise them first"):
        multiply(pack(small), x)
