"""A bag as a meter tree: energies against the integrals of the formulas that made it, and a wrong ratio that is found."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from bag_cases import Entry, power_state, write_rosbag

from rover_energy.errors import InputError
from rover_energy.telemetry.meter_bag import integrate, read_meters
from rover_energy.telemetry.meter_check import check_meters
from rover_energy.telemetry.meter_tree import tree_of
from rover_energy.telemetry.recording import Recording

POWER, STEP, COUNT = "rover_energy_interfaces/msg/PowerState", 0.5, 1200
T = STEP * np.arange(COUNT)
RTG, BASE = 60.0, 45.0
PV = 50.0 + 30.0 * np.sin(T / 90.0)
HEATER = np.where(np.sin(T / 23.0) > 0.0, 20.0, 0.0) + 2.0
DRIVE = np.maximum(0.0, 55.0 * np.sin(T / 41.0))
FAULTY = slice(COUNT // 3, 2 * COUNT // 3)
NOISE = 0.1


def bag(folder: Path, *, factor: float = 1.0, counter_too: bool = False, counters: bool = True, seed: int = 0) -> Path:
    """Ten minutes of a bus with noisy meters; the heater's reads `factor` times its power in the middle third."""
    rng = np.random.default_rng(seed)
    true = {"base": np.full(COUNT, BASE), "heater": HEATER, "drive": DRIVE}
    battery = sum(true.values()) - RTG - PV
    ratio = np.ones(COUNT)
    ratio[FAULTY] = factor
    read = {name: values + NOISE * rng.normal(size=COUNT) for name, values in true.items()}
    read["heater"] = read["heater"] * ratio
    counted = {**true, "heater": HEATER * (ratio if counter_too else 1.0)}
    passed = {name: np.cumsum(values * STEP) for name, values in counted.items()}
    motors = DRIVE + NOISE * rng.normal(size=COUNT)
    sources = {"rtg_power": np.full(COUNT, RTG), "pv_power": PV, "battery_power": battery, "shunt_power": np.zeros(COUNT)}
    entries = []
    for i, t in enumerate(T):
        fields = {name: float(values[i] + (NOISE * rng.normal() if values.any() else 0.0)) for name, values in sources.items()}
        energies = {name: float(values[i]) for name, values in passed.items()} if counters else None
        state = power_state(float(t), {name: float(v[i]) for name, v in read.items()}, energies=energies, **fields)
        entries += [Entry("/r1/meter", POWER, float(t), power_state(float(t), {"drive": float(motors[i])})),
                    Entry("/r1/power_state", POWER, float(t), state)]  # fmt: skip
    return write_rosbag(folder, entries, per_chunk=100)


def test_energies_are_the_integrals_and_balance(tmp_path: Path) -> None:
    found = read_meters(Recording(bag(tmp_path / "bag")))
    tree, total = found.tree, dict(zip(found.tree.names, found.energy[-1], strict=True))
    assert {name: meter.parent for name, meter in tree.meters.items()} == {
        "battery": "", "rtg": "battery", "pv": "battery", "shunt": "battery", "base": "battery", "heater": "battery",
        "drive": "battery", "motors": "drive",
    }  # fmt: skip
    assert found.counted == ("base", "heater", "drive")
    assert found.missing == 0.0
    last = T[-1]
    pv = 50.0 * last + 30.0 * 90.0 * (1.0 - math.cos(last / 90.0))
    drive = 55.0 * 41.0 * 2.0 * 2 + 55.0 * 41.0 * (1.0 - math.cos(last / 41.0 - 4.0 * math.pi))  # two humps and most of a third
    spread = 4.0 * NOISE * STEP * math.sqrt(COUNT)
    assert total["rtg"] == pytest.approx(RTG * last, abs=spread)
    assert total["pv"] == pytest.approx(pv, abs=spread + 0.5 * STEP * np.ptp(PV))
    assert total["base"] == pytest.approx(BASE * last)
    assert total["drive"] == pytest.approx(drive, abs=30.0)
    assert total["motors"] == pytest.approx(total["drive"], abs=spread)
    sources = total["rtg"] + total["pv"] + total["battery"]
    uses = sum(total[name] for name in ("base", "heater", "drive", "shunt"))
    assert sources == pytest.approx(uses, abs=4.0 * spread)


def test_a_healthy_bag_is_not_accused(tmp_path: Path) -> None:
    for seed in range(3):
        found = read_meters(Recording(bag(tmp_path / f"bag{seed}", seed=seed)))
        report = check_meters(found.tree, found.time, found.power, found.energy)
        assert report.flags.mean() <= 0.005, report.issues


@pytest.mark.parametrize("counter_too", [False, True])
def test_a_leaf_that_reads_a_tenth_too_much_is_found_and_named(counter_too: bool, tmp_path: Path) -> None:
    """Where the heater is on; of a standby of 2 W a tenth is as much as two meters' noise."""
    found = read_meters(Recording(bag(tmp_path / "bag", factor=1.1, counter_too=counter_too)))
    report = check_meters(found.tree, found.time, found.power, found.energy)
    names, faulty = found.tree.names, np.zeros(COUNT, dtype=bool)
    faulty[FAULTY] = HEATER[FAULTY] > 10.0
    assert report.flags[faulty].mean() >= 0.99
    outside = np.ones(COUNT, dtype=bool)
    outside[FAULTY] = False
    assert report.flags[outside].mean() <= 0.005
    blamed = dict(zip(names, report.blamed.sum(axis=0), strict=True))
    assert blamed["heater"] >= 0.99 * faulty.sum()
    assert sum(blamed.values()) - blamed["heater"] <= 0.02 * faulty.sum(), blamed


def test_without_counters_power_is_summed_up(tmp_path: Path) -> None:
    found = read_meters(Recording(bag(tmp_path / "bag", counters=False)))
    assert found.counted == ()
    assert found.energy[-1, found.tree.names.index("base")] == pytest.approx(BASE * T[-1], abs=10.0)


def test_gaps_count_nothing() -> None:
    time = np.array([0.0, 1.0, 2.0, 3.0, 20.0, 21.0])
    energy, missing = integrate(time, np.array([[5.0], [5.0], [math.nan], [5.0], [5.0], [5.0]]))
    assert missing == 17.0
    np.testing.assert_allclose(energy[:, 0], [0.0, 5.0, 5.0, 10.0, 10.0, 15.0])


def test_a_tree_of_one_s_own(tmp_path: Path) -> None:
    recording = Recording(bag(tmp_path / "bag"))
    tree = tree_of({"meters": {"drive": {"rating": 80.0}, "motors": {"parent": "drive", "rating": 80.0}}})
    assert read_meters(recording, tree).power.shape == (COUNT, 2)
    with pytest.raises(InputError, match=r"wheel.*is no meter of the bag.*battery"):
        read_meters(recording, tree_of({"meters": {"drive": {}, "wheel": {"parent": "drive"}}}))


def test_a_bag_without_a_bus(tmp_path: Path) -> None:
    one = write_rosbag(tmp_path / "one", [Entry("/power_state", POWER, 0.0, power_state(0.0, {"base": 1.0}))])
    with pytest.raises(InputError, match="none carries"):
        read_meters(Recording(one))
    states = [Entry("/power_state", POWER, t, power_state(t, {"base": 1.0}, validity=8)) for t in (0.0, 1.0)]
    with pytest.raises(InputError, match="battery_power"):
        read_meters(Recording(write_rosbag(tmp_path / "two", states)))


def test_the_command_reads_bags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("typer", reason="typer is not installed")
    from rover_energy.cli.main import run

    assert run(["meters", str(bag(tmp_path / "good")), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["energy_J"]["base"] == pytest.approx(BASE * T[-1])
    assert abs(facts["unbalanced_J"]["battery"]) < 20.0
    wrong = bag(tmp_path / "wrong", factor=1.1, counter_too=True)
    assert run(["meters", str(wrong), "--out", str(tmp_path / "issues.yaml")]) == 1
    text = capsys.readouterr().out
    assert "heater" in text
    assert "transformer_factor" in text
    assert "heater@transformer_factor" in (tmp_path / "issues.yaml").read_text(encoding="utf-8")
    (path,) = wrong.glob("*.mcap")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run(["meters", str(path)]) == 3
    assert "done with loss" in capsys.readouterr().err
    assert run(["meters", str(tmp_path / "readings.csv")]) == 2
    assert "--tree" in capsys.readouterr().err
