"""`rover-energy infer ask`: answers about a bag whose every term is a formula, with and without tables; refusals."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_cases import rover_energy

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'rover-energy[audit]'")
pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'rover-energy[ros]'")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "telemetry"))  # the bags of the tests of telemetry

from bag_cases import write_rosbag
from test_run_audit import drive_entries

from rover_energy.inference.analyst import PRICES
from rover_energy.inference.learning import analyst_build
from rover_energy.inference.store import Store, write_store


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rosbag(tmp_path_factory.mktemp("bags") / "night", drive_entries(over=30.0)[0], per_chunk=40)


def drive() -> np.ndarray:
    return drive_entries()[1]["drive"]


def test_answers_are_those_of_the_formulas(bag: Path) -> None:
    """The motors take 40 + 30 sin(0.7 t) W for 10 s; the limit is 30 W too low for 0.2 s around 2.24 s."""
    ask = lambda text: rover_energy("infer", "ask", bag, text, "--json")  # noqa: E731
    highest = ask("what was the highest power of the motors")
    assert highest.code == 0
    assert highest.json["value"] == pytest.approx(drive().max(), rel=1e-4)
    assert highest.json["energy_provenance"] == "cpu_time_model"
    energy = ask("how much energy did the motors take")
    assert energy.json["value"] == pytest.approx(drive().sum() * 0.02, rel=0.02)
    assert ask("how often was the bus over the limit").json["value"] == 1.0
    first = ask("when was the first limit broken")
    assert first.json["value"] == pytest.approx(2.14, abs=0.02)
    assert len(first.json["evidence"]) == 1
    mean = ask("average power of the motors between 2 and 5 s").json["value"]
    assert mean == pytest.approx(drive()[100:250].mean(), rel=0.01)


def test_what_is_not_there_and_what_is_no_question(bag: Path, tmp_path: Path) -> None:
    unknown = rover_energy("infer", "ask", bag, "what was the highest speed of the rover")
    assert unknown.code == 1
    assert "the log does not say" in unknown.out
    for words, said in (
        ((bag, "tell me a story"), "is about nothing in the log"),
        ((tmp_path / "none", "which faults"), "is not there"),
        ((bag, "which faults", "--joules", "1"), "needs --store"),
        ((bag, "which faults", "--joules", "nan"), "not above 0"),
        ((bag, "which faults", "--level", "best"), "--level"),
        ((bag, "which faults", "--store", tmp_path / "none.yaml"), "none.yaml"),
    ):
        done = rover_energy("infer", "ask", *words)
        assert done.code == 2
        assert len(done.lines) == 1
        assert said in done.err
    (tmp_path / "audit.json").write_text("{}", encoding="utf-8")
    assert "is no audit" in rover_energy("infer", "ask", tmp_path / "audit.json", "which faults").err


def test_a_damaged_bag_answers_with_3(bag: Path, tmp_path: Path) -> None:
    data = (bag / "night.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) // 2])
    done = rover_energy("infer", "ask", tmp_path / "cut.mcap", "what was the highest power of the motors")
    assert done.code == 3
    assert "maximum power of motors" in done.out
    assert "parts of the bag are lost" in done.err


def test_with_tables_within_joules(bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TRAINING_LOGS", 2), ("TEST_LOGS", 1), ("QUESTIONS", 60)):
        monkeypatch.setattr(analyst_build, name, value)
    monkeypatch.setattr(analyst_build, "meter", lambda _: PRICES)  # those of the analyst without tables, to compare with
    write_store(tmp_path / "variants.yaml", Store.of(analyst_build.build_analyst(tmp_path, 0)))
    audit = tmp_path / "out" / "audit.json"
    assert rover_energy("audit", bag, "--out", audit.parent).code == 1, "a limit was broken"
    ask = lambda *more: rover_energy("infer", "ask", audit, "what is the latest charge of the battery", "--json", *more)  # noqa: E731
    plain, cheap = ask(), ask("--store", tmp_path, "--joules", "1.0")
    assert math.isclose(plain.json["value"], cheap.json["value"])
    assert cheap.json["energy_J"] < plain.json["energy_J"]
    assert "high" not in cheap.json["tiers"].split(", ")[0]
    assert ask("--store", tmp_path / "variants.yaml", "--joules", "1e-12").code == 2
