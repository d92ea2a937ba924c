"""Scores of forecasts against closed forms, another library, and forecasters whose quality is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.telemetry.forecast_score import (
    Forecast,
    Truth,
    crps,
    pinball,
    quantile_score,
    score_energy_to_goal,
    score_series,
    score_time_to_floor,
    time_to_floor,
)  # fmt: skip

Z = 1.2815515655446004  # the normal distribution's 90 % point


def test_pinball_is_the_loss_of_a_quantile() -> None:
    """Its mean over a sample is least at the sample's own quantile, found by brute force."""
    y = np.random.default_rng(0).gamma(2.0, 3.0, 2001)
    grid = np.linspace(0.0, 30.0, 3001)
    for level in (0.1, 0.5, 0.9):
        losses = [float(np.mean(pinball(y, q, level))) for q in grid]
        assert grid[int(np.argmin(losses))] == pytest.approx(np.quantile(y, level), abs=0.05)


def test_crps_of_many_quantiles_is_the_closed_form() -> None:
    """Normal forecast N(0, 1): CRPS = y (2 Phi(y) - 1) + 2 phi(y) - 1/sqrt(pi) (Gneiting & Raftery 2007)."""
    from scipy.stats import norm

    levels = (np.arange(4000) + 0.5) / 4000
    y = np.array([-2.0, -0.3, 0.0, 1.7])
    exact = y * (2.0 * norm.cdf(y) - 1.0) + 2.0 * norm.pdf(y) - 1.0 / math.sqrt(math.pi)
    np.testing.assert_allclose(crps(y, np.tile(norm.ppf(levels), (4, 1)), list(levels)), exact, rtol=2e-3)


def test_crps_agrees_with_another_library() -> None:
    other = pytest.importorskip("scoringrules", reason="scoringrules is not installed")
    rng = np.random.default_rng(1)
    y, q = rng.normal(size=200), np.sort(rng.normal(size=(200, 3)), axis=1)
    levels = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(crps(y, q), other.crps_quantile(y, q, levels), rtol=1e-12)
    np.testing.assert_allclose(pinball(y, q[:, 2], 0.9), other.quantile_score(y, q[:, 2], 0.9), rtol=1e-12)


def test_a_right_forecaster_covers_what_it_says() -> None:
    y = np.random.default_rng(2).normal(10.0, 2.0, 20000)
    right = quantile_score(y, np.tile([10.0 - 2.0 * Z, 10.0, 10.0 + 2.0 * Z], (len(y), 1)))
    assert right.coverage == pytest.approx(0.8, abs=0.01)
    assert right.below_median == pytest.approx(0.5, abs=0.01)
    assert right.bias == pytest.approx(0.0, abs=0.05)
    assert right.width == pytest.approx(4.0 * Z)
    for spoilt in ([9.0, 10.0, 11.0], [10.0 - 6.0 * Z, 10.0, 10.0 + 6.0 * Z], [12.0 - 2.0 * Z, 12.0, 12.0 + 2.0 * Z]):
        assert quantile_score(y, np.tile(spoilt, (len(y), 1))).crps > right.crps


def test_what_is_not_known_is_counted_and_not_scored() -> None:
    y = np.array([1.0, math.nan, 3.0])
    q = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, math.nan, 2.0]])
    found = quantile_score(y, q)
    assert (found.count, found.missing, found.coverage) == (1, 2, 1.0)
    nothing = quantile_score([math.nan], [[0.0, 1.0, 2.0]])
    assert (nothing.count, nothing.missing) == (0, 1)
    assert math.isnan(nothing.crps)
    with pytest.raises(InputError, match="ascending"):
        quantile_score([1.0], [[2.0, 1.0, 3.0]])
    with pytest.raises(InputError, match="shape"):
        quantile_score([1.0, 2.0], [[0.0, 1.0, 2.0]])


def test_time_to_floor_is_where_the_line_crosses() -> None:
    assert time_to_floor([0.0, 10.0, 20.0], [100.0, 50.0, 0.0], 25.0) == pytest.approx(15.0)
    assert time_to_floor([5.0, 10.0], [20.0, 10.0], 25.0) == 5.0
    assert math.isinf(time_to_floor([0.0, 10.0], [100.0, 99.0], 25.0))
    assert math.isnan(time_to_floor([0.0, 10.0], [100.0, math.nan], 25.0))


def discharge(count: int = 400, power: float = 50.0) -> Truth:
    """A battery of 20 kJ that gives 50 W; its floor of 5 kJ comes after 300 s."""
    t = np.arange(float(count))
    return Truth(t, np.full(count, power), np.full(count, 120.0), 20000.0 - power * t)


def forecasts(truth: Truth, error: float, spread: float, *, horizon: float = 350.0, every: int = 10) -> list[Forecast]:
    """A forecaster that takes the power to be `error` times the true one, give or take `spread` of it."""
    made = []
    steps = np.arange(0.0, horizon + 1.0, 5.0)
    for start in range(0, 290, every):
        p = 50.0 * error * (1.0 + spread * np.array([-1.0, 0.0, 1.0]))
        load = np.tile(p, (len(steps), 1))
        battery = truth.battery[start] - np.outer(steps, p[::-1])
        made.append(Forecast(float(start), steps, load, np.full((len(steps), 3), 120.0), battery, 5000.0))
    return made


def test_time_to_floor_of_a_perfect_forecaster() -> None:
    truth = discharge()
    found = score_time_to_floor(forecasts(truth, 1.0, 0.1), truth)
    assert found.quantiles.bias == pytest.approx(0.0, abs=1e-6)
    assert found.quantiles.coverage == 1.0
    assert found.alpha_lambda == (1.0, 1.0, 1.0, 1.0)
    assert (found.missed, found.false) == (0, 0)


def test_an_optimist_is_found_out() -> None:
    """Taking 70 % of the power gives 1/0.7 of the time: bias 3/7 of the remainder, never within 20 % of it."""
    truth = discharge()
    found = score_time_to_floor(forecasts(truth, 0.7, 0.1, horizon=600.0), truth)
    remainders = 300.0 - np.arange(0.0, 290.0, 10.0)
    assert found.quantiles.bias == pytest.approx(float(np.mean(remainders)) * 3.0 / 7.0, rel=1e-6)
    assert found.quantiles.coverage == 0.0
    assert found.alpha_lambda == (0.0, 0.0, 0.0, 0.0)


def test_events_that_were_missed_or_never_came() -> None:
    truth = discharge()
    blind = [Forecast(f.start, f.time, f.load, f.available, f.battery + 1e5, f.floor) for f in forecasts(truth, 1.0, 0.1)]
    assert score_time_to_floor(blind, truth).missed == len(blind)
    steady = Truth(truth.time, truth.load, truth.available, np.full(len(truth.time), 20000.0))
    assert score_time_to_floor(forecasts(truth, 1.0, 0.1, horizon=350.0), steady).false > 0


def test_energy_to_goal() -> None:
    truth = discharge()
    exact = score_energy_to_goal(forecasts(truth, 1.0, 0.1), truth, 290.0)
    assert exact.quantiles.bias == pytest.approx(0.0, abs=1e-6)
    assert exact.quantiles.coverage == 1.0
    high = score_energy_to_goal(forecasts(truth, 1.3, 0.1), truth, 290.0)
    starts = np.arange(0.0, 290.0, 10.0)
    assert high.quantiles.bias == pytest.approx(0.3 * 50.0 * float(np.mean(290.0 - starts)), rel=1e-6)
    assert high.alpha_lambda[0] == 0.0
    short = score_energy_to_goal(forecasts(truth, 1.0, 0.1, horizon=50.0), truth, 290.0)
    assert short.quantiles.missing > 20, "forecasts that end before the goal are not judged"


def test_loads_are_means_over_the_steps() -> None:
    """A load that swings from 0 to 100 W within each step of 10 s: its means are 50 W, whatever it is at the steps' ends."""
    t = np.linspace(0.0, 200.0, 2001)
    swing = 50.0 - 50.0 * np.cos(2.0 * np.pi * t / 10.0)
    truth = Truth(t, swing, swing, 20000.0 - 50.0 * t)
    steps = np.arange(10.0, 151.0, 10.0)
    made = [Forecast(s, steps, np.tile([49.0, 50.0, 51.0], (15, 1)), np.tile([49.0, 50.0, 51.0], (15, 1)),
                     np.tile((20000.0 - 50.0 * (s + steps))[:, None], (1, 3)), 0.0) for s in (0.0, 3.0, 50.0)]  # fmt: skip
    for name in ("load", "available"):
        found = score_series(made, truth, name)
        assert (found.count, found.missing, found.coverage) == (45, 0, 1.0)
        assert found.bias == pytest.approx(0.0, abs=1e-3)
    goal = score_energy_to_goal(made, truth, 145.0)
    assert goal.quantiles.count == 3
    assert goal.quantiles.bias == pytest.approx(0.0, abs=60.0), "half a swing is left in the last step"
    hole = Truth(t, np.where(np.abs(t - 55.0) < 0.04, np.nan, swing), swing, truth.battery)
    assert score_series(made[:1], hole, "load").missing == 1


def test_another_level_than_the_floor() -> None:
    truth = discharge()
    made = forecasts(truth, 1.0, 0.1)
    found = score_time_to_floor(made, truth, level=12000.0)
    assert found.quantiles.count == 16, "those made before the level was reached, after 160 s"
    assert found.quantiles.bias == pytest.approx(0.0, abs=1e-6)


def test_series_are_compared_at_their_own_times() -> None:
    truth = discharge()
    found = score_series(forecasts(truth, 1.0, 0.1), truth, "battery")
    assert found.bias == pytest.approx(0.0, abs=1e-6)
    assert found.missing > 0, "times after the end of the record"
    assert score_series([], truth, "load").count == 0


def test_a_forecast_s_own_answer_counts_for_the_floor() -> None:
    """It meets the floor within a step, where the quantiles at the steps' ends only tell that it is met by then."""
    truth, quantiles = discharge(), forecasts(discharge(), 1.0, 0.1)[0]
    early = replace(quantiles, to_floor=np.array([200.0, 240.0, 290.0]))
    found = score_time_to_floor([early], truth)
    assert found.quantiles.bias == pytest.approx(-60.0, abs=0.1)
    assert found.quantiles.coverage == 0.0
    level = score_time_to_floor([early], truth, level=10000.0)
    assert level == score_time_to_floor([quantiles], truth, level=10000.0), "another level is told by the quantiles"
    never = replace(early, to_floor=np.array([250.0, np.inf, np.inf]))
    assert score_time_to_floor([never], truth).missed == 1


def test_what_is_certain_is_covered() -> None:
    score = quantile_score([38.1, 38.2], np.full((2, 3), 38.1 * (1.0 + 1e-12)))
    assert score.coverage == 0.5
