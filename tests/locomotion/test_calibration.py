"""Calibration: recovery of known parameters, honesty of the out-of-sample figures, text and YAML, bad input, real logs."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from rover_energy.errors import InputError
from rover_energy.locomotion.calibration import CalibrationResult, calibrate
from rover_energy.locomotion.cuadriga import read_logs
from rover_energy.locomotion.demand import LocomotionParameters, ResistanceParameters, SlipParameters, drive_power, turn_power
from rover_energy.locomotion.drive_log import DriveLog
from rover_energy.locomotion.scoring import bootstrap, leave_one_run_out, score
from rover_energy.parameters import from_mapping

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).parents[2] / "../shared/data")) / "cuadriga"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"reference data not found at {DATA}; set ROVER_ENERGY_DATA")
EARTH = 9.80665
TRUE = LocomotionParameters(
    mass=120.0, yaw_inertia=0.0, resistance=ResistanceParameters(c0=400.0), turn_moment=150.0, slip=SlipParameters(flat=0.0),
    drivetrain_efficiency=0.7,
)  # fmt: skip


def made_logs(quantity: str = "power", runs: int = 8, noise: float = 0.0, seed: int = 3) -> list[DriveLog]:
    """Runs of a rover with the parameters TRUE, by the package's forward model and not by the regression's terms."""
    rng = np.random.default_rng(seed)
    logs = []
    for number in range(runs):
        t = np.arange(0.0, 90.0, 0.1)
        speed = np.interp(t, np.arange(0.0, 100.0, 9.0), rng.uniform(0.25, 0.7, 12))
        slope = np.interp(t, np.arange(0.0, 100.0, 9.0), rng.uniform(-0.2, 0.25, 12))
        yaw_rate = np.interp(t, np.arange(0.0, 100.0, 9.0), rng.normal(0.0, 0.15, 12))
        still = {"acceleration": 0.0, "along_slope": slope, "tilt": slope, "gravity": EARTH}
        power = drive_power(TRUE, speed=speed, **still) + turn_power(TRUE, yaw_rate=yaw_rate, yaw_acceleration=0.0)
        signal = 35.0 + power if quantity == "power" else power / speed / 40.0
        signal = signal * (1.0 + noise * rng.normal(size=len(t)))
        logs.append(DriveLog(f"run{number}", t, speed, yaw_rate, slope, 0.0 * t, signal, quantity, np.ones(len(t), dtype=bool)))
    return logs


def test_power_logs_give_back_the_parameters_they_were_made_with() -> None:
    result = calibrate(made_logs(), resamples=50)
    assert result.ratios["rolling"][0] == pytest.approx(400.0 / (120.0 * EARTH), rel=1e-6)
    assert result.ratios["turn"][0] == pytest.approx(150.0 / (120.0 * EARTH), rel=1e-6)
    assert result.ratios["base"][0] == pytest.approx(35.0, rel=1e-6)
    assert result.ratios["weight"][0] == pytest.approx(120.0 * EARTH / 0.7, rel=1e-6)
    assert result.model("demand").out_of_sample.r2 == pytest.approx(1.0, abs=1e-9)


def test_the_yaml_fragment_is_a_rover_that_reads_back() -> None:
    fragment = yaml.safe_load(calibrate(made_logs(), resamples=20).yaml_fragment(mass=120.0, gravity=1.62))
    rover = from_mapping(LocomotionParameters, fragment["locomotion"], "fragment", "locomotion.")
    assert rover.resistance.c0 == pytest.approx(400.0 * 1.62 / EARTH, rel=1e-5)
    assert rover.turn_moment == pytest.approx(150.0 * 1.62 / EARTH, rel=1e-5)
    assert rover.drivetrain_efficiency == pytest.approx(0.7, rel=1e-5)


def test_current_logs_give_the_ratios_and_no_scale() -> None:
    result = calibrate(made_logs("current"), resamples=50)
    assert set(result.ratios) == {"rolling", "turn"}
    assert result.ratios["rolling"][0] == pytest.approx(400.0 / (120.0 * EARTH), rel=0.05)
    assert result.ratios["turn"][0] == pytest.approx(150.0 / (120.0 * EARTH), rel=0.20)
    assert any("scale is unknown" in finding for finding in result.findings)


def test_intervals_cover_the_truth_and_shrink_with_more_runs() -> None:
    few, many = (calibrate(made_logs(runs=n, noise=0.2), resamples=200).ratios["rolling"][1] for n in (6, 40))
    assert many.low <= 400.0 / (120.0 * EARTH) <= many.high
    assert many.high - many.low < few.high - few.low


def test_what_only_a_run_knows_does_not_help_out_of_sample() -> None:
    # An offset per run that goes with nothing measured: in sample the fit may profit, on an unseen run it must not.
    rng = np.random.default_rng(5)
    logs = [replace(log, signal=log.signal + offset) for log, offset in zip(made_logs(), rng.normal(0.0, 300.0, 8), strict=True)]
    demand = calibrate(logs, resamples=20).model("demand")
    assert demand.out_of_sample.r2 < demand.in_sample.r2


def test_leave_one_run_out_never_sees_the_run_it_predicts() -> None:
    # Spoiling the target of one run must leave that run's own prediction as it was.
    rng = np.random.default_rng(0)
    matrix, target, run = np.c_[np.ones(60), rng.normal(size=60)], rng.normal(size=60), np.repeat(np.arange(6), 10)
    before = leave_one_run_out(matrix, target, run)
    spoiled = np.where(run == 2, 1e6, target)
    after = leave_one_run_out(matrix, spoiled, run)
    assert after[run == 2] == pytest.approx(before[run == 2])
    assert not np.allclose(after[run == 3], before[run == 3])


def test_bootstrap_draws_whole_runs() -> None:
    # The mean of a constant-per-run target is a mean of drawn runs: its spread is that of 4 draws, not of 400 windows.
    run = np.repeat(np.arange(4), 100)
    samples = bootstrap(np.ones((400, 1)), run.astype(float), run, 4000, seed=1)
    assert np.std(samples) == pytest.approx(np.std(np.arange(4)) / 2.0, rel=0.05)
    assert np.array_equal(samples, bootstrap(np.ones((400, 1)), run.astype(float), run, 4000, seed=1))


def test_score_by_hand() -> None:
    result = score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    assert (result.r2, result.mape, result.rmse) == pytest.approx((0.5, 1.0 / 9.0, math.sqrt(1.0 / 3.0)))


def test_json_is_strict_and_the_table_names_every_model() -> None:
    result = calibrate(made_logs(), resamples=20)
    data = json.loads(result.to_json())
    assert len(data["models"]) == len(result.models)
    assert data["turn_bins"][-1]["high"] is None
    for model in result.models:
        assert model.name in result.table()


@pytest.mark.parametrize("quantity", ["power", "current"])
def test_acceleration_belongs_to_the_grade_term_when_asked_for(quantity: str) -> None:
    pushed = []
    for log in made_logs(quantity):
        a = np.gradient(log.speed, log.t)
        extra = TRUE.mass * a / TRUE.drivetrain_efficiency * (log.speed if quantity == "power" else 1.0 / 40.0)
        pushed.append(replace(log, acceleration=a, signal=log.signal + extra))
    with_it, without = (calibrate(pushed, resamples=5, with_acceleration=on).model("demand") for on in (True, False))
    assert with_it.out_of_sample.rmse < 0.95 * without.out_of_sample.rmse
    if quantity == "power":
        assert with_it.out_of_sample.rmse < 1e-6


def broken(case: str) -> CalibrationResult:
    logs = made_logs(runs=4)
    if case == "runs":
        return calibrate(logs[:2])
    if case == "windows":
        return calibrate([replace(log, usable=np.zeros(len(log.t), dtype=bool)) for log in logs])
    if case == "gravity":
        return calibrate(logs, gravity=math.nan)
    if case == "seconds":
        return calibrate(logs, seconds=-1.0)
    return calibrate([logs[0], replace(logs[1], quantity="current")])


@pytest.mark.parametrize("case", ["runs", "windows", "gravity", "seconds", "quantity"])
def test_bad_input_is_refused_in_one_line(case: str) -> None:
    with pytest.raises(InputError, match=case) as caught:
        broken(case)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mass", "gravity", "field"),
    [(-1.0, 1.62, "mass"), (math.nan, 1.62, "mass"), (120.0, 0.0, "gravity"), (1e4, 1.62, "efficiency")],
)
def test_a_fragment_that_makes_no_sense_is_refused(mass: float, gravity: float, field: str) -> None:
    result = calibrate(made_logs(runs=4), resamples=5)
    with pytest.raises(InputError, match=field):
        result.yaml_fragment(mass=mass, gravity=gravity)


def test_currents_need_an_efficiency_and_a_negative_term_is_refused() -> None:
    result = calibrate(made_logs("current", runs=4), resamples=5)
    with pytest.raises(InputError, match="drivetrain_efficiency"):
        result.yaml_fragment(mass=120.0, gravity=1.62)
    wrong = replace(result, ratios={**result.ratios, "turn": (-0.1, result.ratios["turn"][1])})
    with pytest.raises(InputError, match="sign"):
        wrong.yaml_fragment(mass=120.0, gravity=1.62, drivetrain_efficiency=0.6)


@needs_data
def test_real_logs_out_of_sample_by_run() -> None:
    result = calibrate(read_logs(DATA), resamples=200)
    scores = {model.name: model.out_of_sample for model in result.models}
    assert result.runs == 22
    assert scores["constant"].r2 < 0.0
    assert 0.15 < scores["constant_grade"].r2 < 0.35
    assert scores["demand_net_turn"].r2 > 0.45
    assert scores["demand"].r2 > 0.60
    assert scores["demand"].mape < 0.20
    assert any("not identifiable" in finding for finding in result.findings)
    rolling, interval = result.ratios["rolling"]
    assert interval.low < rolling < interval.high
    assert sum(row.count for row in result.slope_bins) == sum(row.count for row in result.turn_bins) == result.windows


@needs_data
def test_turning_costs_on_the_real_rover_and_the_map_slope_limits_the_fit() -> None:
    by_map, by_imu = (calibrate(read_logs(DATA, slope=source), resamples=200) for source in ("dem", "imu"))
    turn = by_map.model("demand").intervals[2]
    assert turn.low > 20.0  # [A s/rad]: far from zero, while the planner's peers leave the term out
    assert by_imu.model("demand").out_of_sample.r2 > by_map.model("demand").out_of_sample.r2 + 0.05
