"""replay, views and watch from the command line, as far as they need no ROS: files, pictures, refusals in one line."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "views"))
pytest.importorskip("typer", reason="typer is not installed")
from views_cases import write_bag

from rover_energy.cli.main import run


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("cli") / "bag", seconds=6.0)


def test_watch_once_shows_the_end(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["watch", str(bag), "--once"]) == 0
    shown = capsys.readouterr().out
    assert "all well" in shown
    assert "x 12.40  y 13.80" in shown  # 10 + 0.4 * 6, 12 + 0.3 * 6
    assert run(["watch", str(bag), "--once", "--json", "--duration", "2"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["alarms"] == []
    assert facts["energy"] == pytest.approx(3000.0 - 5.0 * 1.98)


def test_watch_tells_of_an_alarm_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = write_bag(tmp_path / "over", seconds=2.0, over_at=1.0)
    assert run(["watch", str(short), "--once"]) == 3
    assert "OVER" in capsys.readouterr().out


def test_watch_over_a_slow_link(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rover_energy.views.beacon import decode

    assert run(["watch", str(bag), "--low-rate", "10", "--rate", "0"]) == 0
    shown = capsys.readouterr().out
    assert len(shown) <= 80 + 10 * 6.5
    values, alarm = decode(shown)
    assert alarm == ""
    assert values["b"] == pytest.approx(60.0, abs=1.0)


def test_rerun_and_foxglove_files(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("foxglove", reason="foxglove-sdk is not installed")
    assert run(["views", "foxglove", str(bag), "--out", str(tmp_path / "s.mcap"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"] == 4 * 301
    assert (tmp_path / "s.mcap").stat().st_size > 10_000
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    assert run(["views", "rerun", str(bag), "--out", str(tmp_path / "s.rrd"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["poses"], facts["ground"]) == (301, False)


def test_layouts_for_a_namespace(tmp_path: Path) -> None:
    assert run(["views", "layouts", "--out", str(tmp_path), "--namespace", "/r1"]) == 0
    assert "/r1/power_state.available_power" in (tmp_path / "foxglove.json").read_text(encoding="utf-8")
    assert run(["views", "plotjuggler", "--out", str(tmp_path / "p.xml")]) == 0
    assert "/power_state/available_power" in (tmp_path / "p.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ["watch", "nowhere", "--once"], ["watch", "BAG", "--low-rate", "0"], ["watch", "BAG", "--rate", "nan"],
        ["views", "rerun", "BAG", "--out", "x.mp4"], ["views", "rerun", "nowhere", "--out", "x.rrd"],
        ["views", "foxglove", "BAG"], ["views", "foxglove", "--out", "x.mcap"], ["views", "foxglove", "BAG", "--out", "x.bag"],
        ["views", "foxglove", "BAG", "--serve", "--port", "70000"],
        ["views", "rerun", "BAG", "--out", "x.rrd", "--plan", "nowhere"],
        ["replay", "nowhere"], ["replay", "BAG", "--rate", "-1"], ["replay", "BAG", "--duration", "0"],
        ["replay", "BAG", "--plan", "nowhere"], ["views", "layouts", "--out", "BAG/metadata.yaml"],
        ["views", "foxglove", "BAG", "--serve", "--host", "not an address"],
    ],
)  # fmt: skip
def test_refusals(
    words: list[str], bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([word.replace("BAG", str(bag)) for word in words]) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1, said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("module", "words"), [
    ("foxglove", ["views", "foxglove", "BAG", "--serve"]), ("rerun", ["views", "rerun", "BAG", "--out", "x.rrd"]),
])  # fmt: skip
def test_a_missing_package_is_one_clear_sentence(
    module: str, words: list[str], bag: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.import_module

    def absent(name: str, *rest: str) -> object:
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert run([word.replace("BAG", str(bag)) for word in words]) == 2
    assert f"needs {module}-sdk; install it with: pip install 'rover-energy[views]'" in capsys.readouterr().err
