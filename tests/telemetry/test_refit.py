"""The refit finds the rover that made the drive, owns up to what it cannot know, and beats constant plus grade on a real
rover."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from rover_energy.errors import InputError
from rover_energy.locomotion.cuadriga import read_logs
from rover_energy.locomotion.demand import drive_power, turn_power
from rover_energy.locomotion.drive_log import DriveLog
from rover_energy.parameters import load_yaml
from rover_energy.rover import RoverParameters
from rover_energy.telemetry.recording import Recording
from rover_energy.telemetry.refit import BEKKER, POLYNOMIAL, Estimate, RefitResult, refit, replaced, value_of
from rover_energy.telemetry.refit_text import format_refit, rover_text

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).parents[2] / "../shared/data")) / "cuadriga"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"reference data not found at {DATA}; set ROVER_ENERGY_DATA")
TRUE = (104.0, 52.0, 0.55)


def true_rover(names: tuple[str, ...] = POLYNOMIAL, values: tuple[float, ...] = TRUE) -> RoverParameters:
    rover = RoverParameters()
    for name, value in zip(names, values, strict=True):
        rover = replaced(rover, name, value)
    return rover


def drive(rover: RoverParameters, *, seed: int = 0, noise: float = 1.0, yaw: float = 0.15, seconds: float = 400.0) -> DriveLog:
    rng = np.random.default_rng(seed)
    t = np.arange(0.0, seconds, 0.1)
    speed = 0.3 + 0.12 * np.sin(t / 11.0 + seed)
    slope = 0.12 * np.sin(t / 17.0) + 0.05 * np.sin(t / 5.0 + seed)
    yaw_rate, acceleration = yaw * np.sin(t / 7.0), np.gradient(speed, t)
    motion = {"speed": speed, "acceleration": acceleration, "along_slope": slope, "tilt": np.abs(slope), "gravity": 1.62}
    power = drive_power(rover.locomotion, **motion) + turn_power(
        rover.locomotion, yaw_rate=yaw_rate, yaw_acceleration=yaw / 7.0 * np.cos(t / 7.0)
    )
    signal = power + noise * rng.normal(size=len(t))
    return DriveLog(f"run{seed}", t, speed, yaw_rate, slope, acceleration, signal, "power", np.ones(len(t), dtype=bool))


def test_the_rover_that_made_the_drive_is_found() -> None:
    found = refit([drive(true_rover())], RoverParameters(), gravity=1.62)
    assert [estimate.name for estimate in found.estimates] == list(POLYNOMIAL)
    for estimate, true in zip(found.estimates, TRUE, strict=True):
        assert estimate.told
        assert estimate.value == pytest.approx(true, rel=0.03)
        assert abs(estimate.value - true) < 5.0 * estimate.deviation
    assert found.covariance.shape == (3, 3)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), [e.deviation for e in found.estimates], rtol=0.01)
    assert found.scores["refit"].r2 > 0.999
    assert found.beats_grade
    assert found.scores["described"].rmse > 5.0 * found.scores["refit"].rmse


def test_turning_in_and_out_of_curves_is_not_taken_for_scrubbing() -> None:
    """Curves of a few seconds at 50 Hz with a noisy gyroscope: what the body's inertia takes goes into no other parameter."""
    rng, t = np.random.default_rng(5), np.arange(0.0, 300.0, 0.02)
    truth, speed = true_rover().locomotion, 0.3 + 0.1 * np.sin(t / 11.0)
    slope, yaw, turning = 0.1 * np.sin(t / 17.0), 0.2 * np.sin(t / 0.6), 0.2 / 0.6 * np.cos(t / 0.6)
    moving = {"speed": speed, "acceleration": np.gradient(speed, t), "along_slope": slope, "tilt": np.abs(slope), "gravity": 1.62}
    inertia = np.maximum(0.0, truth.yaw_inertia * turning * yaw)
    power = drive_power(truth, **moving) + (inertia + truth.turn_moment * np.abs(yaw)) / truth.drivetrain_efficiency
    assert np.mean(inertia) > 0.04 * np.mean(truth.turn_moment * np.abs(yaw)), "left out, it would be seen"
    signal, gyroscope = power + rng.normal(size=t.size), yaw + 0.003 * rng.normal(size=t.size)
    log = DriveLog("curves", t, speed, gyroscope, slope, moving["acceleration"], signal, "power", np.ones(t.size, dtype=bool))
    moment = next(e for e in refit([log], RoverParameters(), gravity=1.62).estimates if e.name == POLYNOMIAL[1])
    assert moment.value == pytest.approx(TRUE[1], rel=0.01)


def test_soil_of_a_bekker_rover() -> None:
    base = replaced(RoverParameters(), "locomotion.mass", 200.0)
    base = replace(base, locomotion=replace(base.locomotion, resistance=replace(base.locomotion.resistance, model="bekker")))
    true = replaced(base, BEKKER[0], 400000.0)
    found = refit([drive(true)], base, gravity=1.62)
    assert found.estimates[0].name == BEKKER[0]
    assert found.estimates[0].value == pytest.approx(400000.0, rel=0.1)


def test_what_the_drive_does_not_tell_keeps_its_value() -> None:
    """Straight ahead says nothing of the turning moment."""
    found = refit([drive(true_rover(), yaw=0.0)], RoverParameters(), gravity=1.62)
    moment = next(estimate for estimate in found.estimates if estimate.name == "locomotion.turn_moment")
    assert not moment.told
    assert moment.value == moment.before == value_of(found.rover, "locomotion.turn_moment")
    assert math.isnan(moment.deviation)
    assert any("turn_moment is not told" in finding for finding in found.findings)
    others = [estimate for estimate in found.estimates if estimate.told]
    assert others[0].value == pytest.approx(TRUE[0], rel=0.03)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """90 % intervals over 40 short drives, whose errors last for some seconds as those of soil do, and over 16 sets of few runs.

    Were the chance of a hit 0.9, fewer than 30 hits of 40, or 11 of 16, would come less than once in 100 times for one parameter;
    an interval of three times the length would hold all truths of all parameters.
    """
    for runs, seconds, drives, least in ((1, 150.0, 40, 30), (8, 40.0, 16, 11)):
        hits = np.zeros(3)
        for seed in range(drives):
            logs = [soft(drive(true_rover(), seed=100 * seed + k, noise=5.0, seconds=seconds), seed=k) for k in range(runs)]
            found = refit(logs, RoverParameters(), gravity=1.62)
            hits += [e.told and e.low <= true <= e.high for e, true in zip(sorted_by(found), TRUE, strict=True)]
        assert np.all(hits >= least), (runs, hits)
        assert hits.sum() < 3 * drives, (runs, hits)


def soft(log: DriveLog, seed: int) -> DriveLog:
    """With errors in proportion to the power that die away over three seconds (first-order autoregression)."""
    rng, keep = np.random.default_rng(9000 + seed + round(1e3 * log.signal[0])), math.exp(-0.1 / 3.0)
    error = lfilter([math.sqrt(1.0 - keep**2)], [1.0, -keep], rng.normal(size=len(log.t)))
    return replace(log, signal=log.signal * (1.0 + 0.05 * error))


def sorted_by(found: RefitResult) -> list[Estimate]:
    """Estimates in the order of `TRUE`."""
    return [next(e for e in found.estimates if e.name == name) for name in POLYNOMIAL]


def test_total_power_has_its_base() -> None:
    log = drive(true_rover())
    found = refit([replace(log, signal=log.signal + 48.0)], RoverParameters(), gravity=1.62, total=True)
    base = next(estimate for estimate in found.estimates if estimate.name == "loads.base_power")
    assert base.value == pytest.approx(48.0, abs=0.5)


def test_the_file_can_be_planned_with(tmp_path: Path) -> None:
    found = refit([drive(true_rover())], RoverParameters(), gravity=1.62)
    path = tmp_path / "rover.yaml"
    path.write_text(rover_text(found, 1.62))
    assert load_yaml(RoverParameters, path) == found.rover
    assert "sd" in path.read_text()
    for part in ("locomotion.turn_moment [N m]", "constant + grade", "rover as described", "R2"):
        assert part in format_refit(found, 1.62)


def test_deviation_is_that_of_the_plain_jackknife() -> None:
    """Leave out each of nine runs and fit anew: the closed form takes one step of Gauss-Newton for each instead."""
    logs = [soft(drive(true_rover(), seed=k, noise=5.0, seconds=120.0), seed=k) for k in range(9)]
    found = refit(logs, RoverParameters(), gravity=1.62)
    left = [refit(logs[:k] + logs[k + 1 :], RoverParameters(), gravity=1.62).estimates for k in range(9)]
    for i, estimate in enumerate(found.estimates):
        values = np.array([estimates[i].value for estimates in left])
        assert estimate.deviation == pytest.approx(math.sqrt(8.0 / 9.0 * np.sum((values - values.mean()) ** 2)), rel=0.05)
        assert estimate.high - estimate.value == pytest.approx(1.859548 * estimate.deviation, rel=1e-5), "t of 8 at 0.95"


def test_drives_that_cannot_be_used() -> None:
    log = drive(true_rover(), seconds=30.0)
    for logs, kwargs, words in (
        ([log], {}, "fewer than 20"), ([], {}, "none, or of different"), ([log], {"gravity": math.nan}, "not positive"),
        ([drive(true_rover())], {"free": ["locomotion.colour"]}, "no number of rover.yaml"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            refit(logs, RoverParameters(), **{"gravity": 1.62, **kwargs})


@needs_data
def test_on_a_real_rover_it_beats_constant_plus_grade() -> None:
    """22 runs, one left out at a time: the yardstick explains a quarter of the current's variance, the demand model more than
    half."""
    found = refit(read_logs(DATA), RoverParameters(), gravity=9.80665)
    assert found.folds == "22 runs"
    assert found.scores["constant_grade"].r2 == pytest.approx(0.25, abs=0.03)
    assert found.scores["refit"].r2 > 0.55
    assert found.scores["refit"].rmse < 0.75 * found.scores["constant_grade"].rmse
    assert all(estimate.told for estimate in found.estimates)


@needs_data
def test_bags_of_the_real_rover_hold_its_logs(tmp_path: Path) -> None:
    pytest.importorskip("rosbags", reason="rosbags is not installed")
    from rover_energy.telemetry.cuadriga_bag import write_bags
    from rover_energy.telemetry.drive_bag import read_drive

    source = tmp_path / "logs"
    source.mkdir()
    for path in [*sorted(DATA.glob("slopeTest0[57]*.txt")), *DATA.glob("site_dem*")]:
        (source / path.name).symlink_to(path.resolve())
    bags, logs = write_bags(source, tmp_path / "bags"), read_logs(source)
    assert len(bags) == len(logs) == 2
    for bag, log in zip(bags, logs, strict=True):
        back, gravity = read_drive(Recording(bag), "current")
        assert math.isnan(gravity)
        assert back.quantity == "current"
        np.testing.assert_array_equal(back.usable, log.usable)
        for name in ("t", "speed", "yaw_rate", "along_slope", "signal"):
            np.testing.assert_allclose(getattr(back, name)[log.usable], getattr(log, name)[log.usable], atol=1e-8)
    with pytest.raises(InputError, match="exists already"):
        write_bags(source, tmp_path / "bags")
    with pytest.raises(InputError, match="none carries the signal"):
        read_drive(Recording(bags[0]), "motors")
    (path,) = bags[1].glob("*.mcap")
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 8
    path.write_bytes(data)
    assert Recording(bags[1]).loss.chunks == 1
