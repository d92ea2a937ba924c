"""Which limit binds when, against intervals known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rover_energy.power.battery import BatteryParameters
from rover_energy.report.chart import Frame, finite_runs, polyline, span
from rover_energy.report.columns import REQUIRED, Columns, read_columns
from rover_energy.report.limits import LimitUse, free_share, has_battery, limit_use, time_share
from rover_energy.report.time_charts import lane_levels
from rover_energy.rover import LimitParameters, RoverParameters

ROVER = RoverParameters(
    limits=LimitParameters(speed=0.5, acceleration=0.1, yaw_rate=0.3, curvature=0.5, along_slope=0.25, tilt=0.3),
    battery=BatteryParameters(capacity=1e5, floor=0.2),
)


def columns(**given: Any) -> Columns:
    """101 s at 1 Hz, everything at rest but what is given."""
    t = np.linspace(0.0, 100.0, 101)
    data: dict[str, Any] = {name: np.zeros_like(t) for name in REQUIRED}
    data |= {"t": t, "available_power": np.full_like(t, 100.0), "battery_energy": np.full_like(t, 5e4)}
    return read_columns({**data, "state_of_charge": np.full_like(t, 0.6), **given})


def use_of(name: str, **given: Any) -> LimitUse:
    return next(use for use in limit_use(columns(**given), ROVER) if use.name == name)


T = np.linspace(0.0, 100.0, 101)
RAMP = T / 100.0


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("power", {"total_power": 100.0 * RAMP}),
        ("speed", {"speed": 0.5 * RAMP}),
        ("acceleration", {"acceleration": -0.1 * RAMP}),
        ("yaw_rate", {"yaw_rate": -0.3 * RAMP}),
        ("curvature", {"yaw_rate": 0.1 * RAMP, "speed": np.full(101, 0.2)}),
        ("along_slope", {"along_slope": -0.25 * RAMP}),
        ("tilt", {"tilt": 0.3 * RAMP}),
        ("battery", {"state_of_charge": 1.0 - 0.8 * RAMP}),
    ],
)
def test_use_grows_to_one_at_the_limit(name: str, given: dict[str, Any]) -> None:
    use = use_of(name, **given)
    np.testing.assert_allclose(use.use, RAMP, atol=1e-12)
    assert list(np.flatnonzero(use.binds)) == [99, 100]
    assert use.share == pytest.approx(0.015)


def test_a_load_without_supply_is_past_the_limit() -> None:
    use = use_of("power", total_power=np.full(101, 1.0), available_power=np.zeros(101))
    assert np.all(use.use == np.inf)
    assert use.share == pytest.approx(1.0)
    assert np.all(use_of("power", available_power=np.zeros(101)).use == 0.0)


def test_nan_never_binds_and_is_not_shown_as_free() -> None:
    use = use_of("power", total_power=np.full(101, np.nan))
    assert np.all(np.isnan(use.use))
    assert use.share == 0.0


def test_creeping_has_no_curvature() -> None:
    assert np.all(use_of("curvature", yaw_rate=np.full(101, 0.2), speed=np.full(101, 1e-6)).use == 0.0)


def test_free_share_counts_overlaps_once() -> None:
    t = np.linspace(0.0, 100.0, 1001)
    first, second = (t < 30.0).astype(float), ((t > 20.0) & (t < 50.0)).astype(float)
    uses = [LimitUse("a", "A", first, 0.3), LimitUse("b", "B", second, 0.3)]
    data = {name: np.zeros_like(t) for name in REQUIRED}
    assert free_share(read_columns({**data, "t": t}), uses) == pytest.approx(0.5, abs=2e-3)


def test_time_share_weighs_uneven_samples() -> None:
    t = np.array([0.0, 1.0, 9.0, 10.0])
    assert time_share(t, np.array([False, True, False, False])) == pytest.approx(0.45)


def test_no_battery() -> None:
    without = RoverParameters(battery=BatteryParameters(capacity=0.0))
    assert not has_battery(columns(), without)
    assert not has_battery(columns(battery_energy=np.zeros(101)), ROVER)
    assert "battery" not in [use.name for use in limit_use(columns(), without)]


def test_lanes_show_a_short_peak_and_span_the_whole_time() -> None:
    t = np.linspace(0.0, 50.0, 100_001)
    use = np.full_like(t, 0.35)
    use[44_444] = 1.0
    edges, levels = lane_levels(LimitUse("power", "Power", use, 0.0), t)
    assert levels == [3, 11, 3]
    assert edges[0] == 0.0
    assert edges[-1] == 1000.0
    assert edges[1] <= 444.44 <= edges[2]
    assert lane_levels(LimitUse("power", "Power", np.array([0.2, 1.0]), 0.0), np.array([0.0, 1.0]))[1] == [2, 11]


def test_chart_geometry() -> None:
    frame = Frame(10.0, 20.0, -1.0, 3.0)
    assert frame.across(np.array([10.0, 15.0, 20.0])).tolist() == [0.0, 500.0, 1000.0]
    assert frame.down(np.array([3.0, 1.0, -1.0])).tolist() == [0.0, 500.0, 1000.0]
    assert (frame.left(12.5), frame.top(0.0)) == ("25.000%", "75.000%")
    assert [(run.start, run.stop) for run in finite_runs(np.array([1.0, 2.0, np.nan, 3.0, np.nan, 4.0, 5.0, 6.0]))] == [
        (0, 2),
        (5, 8),
    ]
    assert polyline(np.arange(5.0), np.array([1.0, 1.0, 1.0, 2.0, 2.0])) == "M0 1 2 1 3 2 4 2"


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0, 5.0], [-2.0, 3.0], [np.nan, np.nan], [1e-12, 2e-12]])
@pytest.mark.parametrize("zero", [True, False])
def test_span_is_never_empty_and_holds_the_values(values: list[float], zero: bool) -> None:
    low, high = span([np.array(values)], zero=zero)
    assert low < high
    finite = [v for v in values if np.isfinite(v)]
    assert all(low <= v <= high for v in finite)
    assert not zero or low <= 0.0 <= high
