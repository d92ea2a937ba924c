"""`rover-energy calibrate`: from driving logs to tables and a rover.yaml."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_cases import DATA, SUNNY, data, rover_energy


def drive_csv(path: Path, *, runs: int = 4, noise: float = 1.0) -> dict[str, float]:
    """Logs of a made rover: P = 20 + (120 + 180 9.80665 sin phi) v / 0.5 + 60 |omega| / 0.5; returns the truth."""
    rng = np.random.default_rng(1)
    lines = ["run,t,speed,yaw_rate,along_slope,power"]
    for run in range(runs):
        t = np.arange(0.0, 180.0, 0.1)
        speed = 0.4 + 0.15 * np.sin(t / 13.0 + run)
        yaw = 0.15 * np.sin(t / 7.0 + run)
        slope = 0.15 * np.sin(t / 17.0 + 2.0 * run)
        power = 20.0 + (120.0 + 180.0 * 9.80665 * np.sin(slope)) * speed / 0.5 + 60.0 * np.abs(yaw) / 0.5
        power += noise * rng.normal(size=t.size)
        rows = zip(t, speed, yaw, slope, power, strict=True)
        lines += [f"r{run},{a:.2f},{b:.6f},{c:.6f},{d:.6f},{e:.4f}" for a, b, c, d, e in rows]
    path.write_text("\n".join(lines) + "\n")
    return {"c0": 120.0, "turn_moment": 60.0, "drivetrain_efficiency": 0.5}


def test_calibration_finds_the_rover_that_made_the_logs(tmp_path: Path) -> None:
    truth = drive_csv(tmp_path / "logs.csv")
    out = tmp_path / "out"
    words = ("calibrate", tmp_path / "logs.csv", "--mass", "180", "--gravity", "9.80665", "--out", out)
    outcome = rover_energy(*words, "--json")
    assert outcome.code == 0, outcome.err
    demand = next(model for model in outcome.json["models"] if model["name"] == "demand")
    assert demand["out_of_sample"]["r2"] > 0.98
    found = yaml.safe_load((out / "rover.yaml").read_text())["locomotion"]
    assert found["resistance"]["c0"] == pytest.approx(truth["c0"], rel=0.03)
    assert found["turn_moment"] == pytest.approx(truth["turn_moment"], rel=0.05)
    assert found["drivetrain_efficiency"] == pytest.approx(truth["drivetrain_efficiency"], rel=0.03)
    assert outcome.json["rover"]["locomotion"] == found
    assert {path.name for path in out.iterdir()} == {"rover.yaml", "calibration.json", "calibration.txt"}
    assert json.loads((out / "calibration.json").read_text())["models"] == outcome.json["models"]
    text = rover_energy(*words).out
    assert (out / "calibration.txt").read_text().strip() in text
    for part in ("R2", "MAPE", "slope [deg]", "yaw rate", "turn_moment:"):
        assert part in text


def test_calibrated_rover_can_be_planned_with(ground: Path, tmp_path: Path) -> None:
    drive_csv(tmp_path / "logs.csv")
    assert rover_energy("calibrate", tmp_path / "logs.csv", "--mass", "180", "--out", tmp_path).code == 0
    (tmp_path / "mission.yaml").write_text(SUNNY)
    outcome = rover_energy(
        "plan", "--terrain", ground, "--rover", tmp_path / "rover.yaml", "--mission", tmp_path / "mission.yaml", "--no-report",
        "--start", "3,3,0.8", "--goal", "12,12,0.8", "--out", tmp_path / "plan", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err


def test_without_mass_no_rover_is_written_and_that_is_said(tmp_path: Path) -> None:
    drive_csv(tmp_path / "logs.csv")
    outcome = rover_energy("calibrate", tmp_path / "logs.csv", "--out", tmp_path / "out")
    assert outcome.code == 0
    assert "--mass" in outcome.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"calibration.json", "calibration.txt"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace("along_slope", "slope", 1), ("columns", "along_slope missing")),
        (lambda text: text.replace("0.400000", "fast", 1), ("line 2, speed", "is not a number", "fast")),
        (lambda text: "", ("columns", "missing")),
        (lambda text: "\n".join(text.splitlines()[:1000]), ("runs", "fewer than 3")),
    ],
    ids=["column missing", "word", "empty", "one run"],
)
def test_logs_that_cannot_be_used(spoil, words: tuple[str, ...], tmp_path: Path) -> None:
    drive_csv(tmp_path / "logs.csv")
    (tmp_path / "logs.csv").write_text(spoil((tmp_path / "logs.csv").read_text()))
    outcome = rover_energy("calibrate", tmp_path / "logs.csv", "--mass", "180", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    for word in words:
        assert word in outcome.err
    assert not (tmp_path / "out").exists()


def test_current_needs_an_efficiency_before_anything_is_written(tmp_path: Path) -> None:
    data("cuadriga")
    outcome = rover_energy("calibrate", DATA / "cuadriga", "--mass", "180", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "drivetrain_efficiency" in outcome.err
    assert len(outcome.lines) == 1
    assert not (tmp_path / "out").exists()


def test_cuadriga_folder_files_and_height_map_agree(tmp_path: Path) -> None:
    """All logs by folder and by name are the same; the same heights as a GeoTIFF-like file in UTM give the same model."""
    folder = data("cuadriga")
    whole = rover_energy("calibrate", folder, "--json").json
    assert whole["runs"] >= 20
    assert next(model for model in whole["models"] if model["name"] == "demand")["out_of_sample"]["r2"] > 0.46
    by_name = rover_energy("calibrate", *sorted(path for path in folder.glob("*.txt")), "--json").json
    assert by_name == whole
    east, north = np.loadtxt(folder / "site_dem_1m_offset.csv").ravel()
    height = np.loadtxt(folder / "site_dem_1m.csv")
    np.savez(tmp_path / "site.npz", height=height, cell=1.0, x0=east, y0=north)
    moved = rover_energy("calibrate", folder, "--dem", tmp_path / "site.npz", "--json").json
    assert moved["windows"] == whole["windows"]
    assert moved["ratios"]["rolling"][0] == pytest.approx(whole["ratios"]["rolling"][0], rel=1e-4)
    some = rover_energy("calibrate", *sorted(folder.glob("slopeTest0*.txt")), "--json").json
    assert some["runs"] <= 9


def test_height_map_without_its_logs(ground: Path, tmp_path: Path) -> None:
    drive_csv(tmp_path / "logs.csv")
    outcome = rover_energy("calibrate", tmp_path / "logs.csv", "--dem", ground)
    assert outcome.code == 2
    assert "--dem" in outcome.err
    assert "Cuadriga" in outcome.err
