"""Reading, thinning and integrating a profile."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.report.columns import OPTIONAL, REQUIRED, energy_account, integral, read_columns, thin, travelled


def test_mapping_and_dataclass_give_the_same(traverse: Any) -> None:
    kind = dataclasses.make_dataclass("Profile", list(traverse.profile))
    one, two = read_columns(traverse.profile), read_columns(kind(**traverse.profile))
    assert one.data.keys() == two.data.keys() >= set(REQUIRED) | set(OPTIONAL)
    for name in one.data:
        np.testing.assert_array_equal(one[name], two[name])
    np.testing.assert_array_equal(one["margin"], traverse.profile["available_power"] - traverse.profile["total_power"])


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_column_is_named(traverse: Any, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: column is missing"):
        read_columns({key: value for key, value in traverse.profile.items() if key != name})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.zeros(3)}, "length differs"),
        ({"y": np.full(13001, np.nan)}, "not finite"),
        ({"t": np.zeros(13001)}, "does not increase"),
        ({"t": np.linspace(1.0, 0.0, 13001)}, "does not increase"),
    ],
)
def test_columns_that_cannot_be_drawn_are_refused(traverse: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_columns({**traverse.profile, **change})


def test_what_is_no_profile_is_refused() -> None:
    with pytest.raises(InputError, match="neither a mapping nor a dataclass"):
        read_columns(3.0)
    with pytest.raises(InputError, match="fewer than 2 samples"):
        read_columns({name: np.zeros(1) for name in REQUIRED})


def test_values_that_are_not_finite_are_counted(traverse: Any) -> None:
    speed = traverse.profile["speed"].copy()
    speed[5:9] = np.nan
    assert read_columns({**traverse.profile, "speed": speed}).remarks == ("4 of 13001 values of speed are not finite",)


def test_no_battery_needs_no_remark(make_traverse: Any) -> None:
    columns = read_columns(make_traverse(samples=50, battery=False).profile)
    assert np.all(np.isnan(columns["state_of_charge"]))
    assert columns.remarks == ()


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=400), st.integers(1, 50))
def test_thinning_keeps_both_extremes_of_every_bucket(values: list[float], buckets: int) -> None:
    column = np.array(values)
    kept = thin([column], buckets)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert np.all(np.diff(kept) > 0)
    assert {column.min(), column.max()} <= set(column[kept])
    edges = np.unique(np.linspace(0, len(values), min(buckets, len(values)) + 1).astype(int))
    for a, b in pairwise(edges):
        inside = column[kept[(kept >= a) & (kept < b)]]
        assert inside.min() == column[a:b].min()
        assert inside.max() == column[a:b].max()


def test_thinning_finds_a_single_spike_and_ignores_nan() -> None:
    column = np.zeros(100_000)
    column[73_211], column[10] = 1.0, np.nan
    kept = thin([column], 200)
    assert 73_211 in kept
    assert len(kept) < 700


def test_integrals_against_closed_forms() -> None:
    t = np.sort(np.concatenate([np.random.default_rng(3).uniform(0.0, 5.0, 4000), [0.0, 5.0]]))
    assert integral(t, np.sin(t)) == pytest.approx(1.0 - np.cos(5.0), abs=1e-5)
    assert np.isnan(integral(t, np.where(t > 2.0, np.nan, 1.0)))


def test_energy_account_balances_and_matches_the_means(traverse: Any) -> None:
    columns = read_columns(traverse.profile)
    account = energy_account(columns)
    loads = sum(account[name] for name in ("base_power", "inference_power", "drive_power", "turn_power"))
    income = account["rtg_power"] + account["pv_power"] + account["discharged"]
    assert loads == pytest.approx(account["total_power"], rel=1e-12)
    assert income == pytest.approx(account["charged"] + loads + account["surplus"], rel=1e-12)
    assert account["base_power"] == pytest.approx(55.0 * 130.0)
    ground = np.hypot(np.diff(columns["x"]), np.diff(columns["y"])).sum()
    assert travelled(columns) == pytest.approx(ground, rel=1e-4)  # the made speed is along the map, not the surface
