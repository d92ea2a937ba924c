"""The commands beside `plan`: help, completion, demo, terrain, sun, rover, wheels."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_cases import data, rover_energy

from rover_energy import __version__
from rover_energy.mission import MissionParameters
from rover_energy.parameters import describe
from rover_energy.rover import RoverParameters

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    (), ("plan",), ("demo",), ("terrain",), ("terrain", "generate"), ("terrain", "info"), ("terrain", "convert"), ("sun",),
    ("rover",), ("calibrate",), ("wheels",),
)  # fmt: skip
HEAVY = ("numpy", "scipy", "casadi", "shapely", "matplotlib", "plotly", "rasterio", "yaml")


def process(*words: str, code: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """The command (or some code) in a process of its own."""
    start = ["-c", code] if code else ["-m", "rover_energy.cli.main"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **variables}
    return subprocess.run([sys.executable, *start, *words], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "all")
def test_help_explains_itself(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    outcome = rover_energy(*words, "--help")
    assert outcome.code == 0
    assert outcome.err == ""
    text = " ".join(outcome.out.split())
    assert f"Usage: {' '.join(('rover-energy', *words))}" in text
    if words != ("terrain",):
        assert "Exit codes:" in text
    if words and words != ("terrain",):
        assert f"Example: rover-energy {' '.join(words)}" in text


def test_help_is_fast_and_loads_nothing_heavy() -> None:
    began = time.perf_counter()
    shown = process("--help")
    seconds = time.perf_counter() - began
    assert shown.returncode == 0
    assert seconds < 3.0, "an upper bound for a busy machine; about 0.2 s on an idle one"
    code = f"""
import sys
from rover_energy.cli.main import run
assert run(["plan", "--help"]) == 0
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    assert process(code=code).stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("absent", "words", "expected", "named"),
    [
        (("typer",), ("--version",), 2, "rover-energy[cli]"),
        (("rasterio", "matplotlib", "plotly"), ("terrain", "generate", "--size", "6", "--out", "OUT.npz"), 0, ""),
        (("matplotlib", "plotly"), ("demo", "--out", "OUT"), 2, "rover-energy[report]"),
        (("rasterio",), ("terrain", "info", "TIF"), 2, "rover-energy[terrain]"),
        (("rasterio", "matplotlib", "plotly", "casadi"), ("sun", "--rows", "2"), 0, ""),
    ],
)  # fmt: skip
def test_only_the_extras_that_a_command_needs(
    absent: tuple[str, ...], words: tuple[str, ...], expected: int, named: str, tmp_path: Path
) -> None:
    (tmp_path / "map.tif").write_bytes(b"II*\0")
    filled = [word.replace("OUT", str(tmp_path / "out")).replace("TIF", str(tmp_path / "map.tif")) for word in words]
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError("not installed here: " + name, name=name)
sys.meta_path.insert(0, Absent())
from rover_energy.cli.main import run
sys.exit(run({filled!r}))
"""
    done = process(code=code)
    assert done.returncode == expected, done.stderr
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == (1 if expected else 0)


def test_version() -> None:
    outcome = rover_energy("--version")
    assert (outcome.code, outcome.out) == (0, f"rover-energy {__version__}\n")


def test_without_arguments_help_is_shown() -> None:
    outcome = rover_energy()
    assert outcome.code in (0, 2), "as the version of click has it"
    assert "Usage: rover-energy" in outcome.out + outcome.err


def test_tab_completion() -> None:
    done = process(_ROVER_ENERGY_COMPLETE="complete_bash", COMP_WORDS="rover-energy ter", COMP_CWORD="1")
    assert done.returncode == 0
    assert done.stdout.split() == ["terrain"]
    done = process(_ROVER_ENERGY_COMPLETE="complete_bash", COMP_WORDS="rover-energy plan --st", COMP_CWORD="2")
    assert done.stdout.split() == ["--start"]


def test_reader_that_goes_away_is_no_error() -> None:
    command = f"'{sys.executable}' -m rover_energy.cli.main sun --rows 50000 --json | head -1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_being_told_to_end_cleans_up(ground: Path, tmp_path: Path) -> None:
    words = ["plan", "--no-report", "--terrain", str(ground), "--start", "3,3,0", "--goal", "13,12,0"]
    words += ["--out", str(tmp_path / "out")]
    code = f"""
import sys, time
sys.argv = ["rover-energy", *{words!r}]
import rover_energy.cli.traverse as traverse
def slow(*_, **__):
    print("planning", flush=True)
    time.sleep(60)
traverse.plan_traverse = slow
from rover_energy.cli.main import main
main()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, env=environment)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "planning\n"
        assert len(list(tmp_path.iterdir())) == 1, "where results are written first"
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 1
    assert err == "rover-energy: interrupted\n"
    assert list(tmp_path.iterdir()) == []


class Sources(HTMLParser):
    """Everything that a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href") and value and not value.startswith(("data:", "#")):
                self.found.append(value)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("demo") / "out"
    outcome = rover_energy("demo", "--no-drive", "--out", out, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["certified"] is True
    assert outcome.json["seed"] == 8
    return out


def test_demo_is_worth_looking_at(demo: Path) -> None:
    """Power binds for a good part of the way, the way crosses shadow, and the battery is put to use."""
    profile = np.genfromtxt(demo / "profile.csv", delimiter=",", names=True)
    share = np.gradient(profile["t"]) / profile["t"][-1]
    margin = profile["available_power"] - profile["total_power"]
    assert margin.min() >= 0.0
    assert np.sum(share[margin < 2.0]) > 0.2
    assert np.sum(share[profile["sunlit"] < 0.1]) > 0.1
    assert np.ptp(profile["state_of_charge"]) > 0.2
    assert profile["state_of_charge"].min() > 0.15


def test_demo_report_needs_no_network(demo: Path) -> None:
    page = Sources()
    page.feed((demo / "report.html").read_text(encoding="utf-8"))
    assert page.found == []
    assert (demo / "overview.png").stat().st_size > 100_000


def test_generate_info_convert(tmp_path: Path) -> None:
    made = rover_energy("terrain", "generate", "--seed", "5", "--size", "20", "--out", tmp_path / "a.npz", "--json")
    assert made.code == 0, made.err
    info = rover_energy("terrain", "info", tmp_path / "a.npz", "--json").json
    assert info["nodes"] == "101 x 101"
    assert info["extent_m"] == [0.0, 0.0, 20.0, 20.0]
    height = np.load(tmp_path / "a.npz")["height"]
    assert info["relief_m"] == pytest.approx(np.ptp(height), rel=1e-12)
    converted = rover_energy("terrain", "convert", tmp_path / "a.npz", "--out", tmp_path / "a.asc", "--json")
    assert converted.code == (3 if info["keep_outs"] else 0)
    assert converted.json["keep_outs_lost"] == info["keep_outs"] == made.json["keep_outs"] > 0
    assert "left out" in converted.err
    lines = (tmp_path / "a.asc").read_text().splitlines()
    assert np.array_equal(np.array([row.split() for row in lines[6:]], dtype=float)[::-1], height)
    back = rover_energy("terrain", "convert", tmp_path / "a.asc", "--out", tmp_path / "b.npz")
    assert back.code == 0
    assert np.array_equal(np.load(tmp_path / "b.npz")["height"], height)
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", "a.asc", "b.npz"}


def test_equal_seeds_give_equal_files(tmp_path: Path) -> None:
    heights = []
    for name, seed in (("a", "2"), ("b", "2"), ("c", "3")):
        assert rover_energy("terrain", "generate", "--seed", seed, "--size", "8", "--out", tmp_path / f"{name}.npz").code == 0
        heights.append(np.load(tmp_path / f"{name}.npz")["height"])
    assert np.array_equal(heights[0], heights[1])
    assert not np.array_equal(heights[0], heights[2])


def test_slopes_of_a_plane(tmp_path: Path) -> None:
    """Every slope is that of the plane, away from the mirrored border."""
    north = np.arange(0.0, 20.1, 0.5)[:, None]
    np.savez(tmp_path / "plane.npz", height=np.tan(0.1) * north + np.zeros((1, 41)), cell=0.5)
    info = rover_energy("terrain", "info", tmp_path / "plane.npz", "--footprint", "0", "--json").json
    assert info["slope_50_90_99_100_percent_deg"][0] == pytest.approx(math.degrees(0.1), rel=1e-3)


def test_maps_of_a_terrain(ground: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = rover_energy("terrain", "info", ground, "--out", tmp_path / "maps", "--json")
    assert outcome.code == 0, outcome.err
    page = Sources()
    page.feed(Path(outcome.json["report"]).read_text(encoding="utf-8"))
    assert page.found == []
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"terrain.html", "terrain.png"}


def test_real_slopes_are_as_the_data_says() -> None:
    """The data's own README: median slope 5.5 deg, 95 % below 13.6 deg, at 4.76 m."""
    pytest.importorskip("rasterio")
    info = rover_energy("terrain", "info", data("terrain", "moon_aristarchus_imp.tif"), "--footprint", "0", "--json").json
    assert info["cell_m"] == pytest.approx(4.76, abs=0.01)
    assert info["slope_50_90_99_100_percent_deg"][0] == pytest.approx(5.5, abs=0.5)
    assert info["relief_m"] == pytest.approx(96.0, abs=1.0)


def test_sun_goes_round_once_in_a_lunar_day() -> None:
    day = 29.530589 * 24.0
    outcome = rover_energy("sun", "--latitude", "0", "--longitude", "0", "--hours", f"{2 * day}", "--rows", "401", "--json")
    assert outcome.code == 0
    rows = outcome.json["sun"]
    elevation = np.array([row["elevation_deg"] for row in rows])
    assert elevation.max() > 88.0
    assert elevation.min() < -88.0
    rises = np.flatnonzero((elevation[:-1] < 0.0) & (elevation[1:] >= 0.0))
    hours = np.array([row["hours"] for row in rows])
    crossing = hours[rises] - elevation[rises] * np.diff(hours)[rises] / np.diff(elevation)[rises]
    assert np.diff(crossing) == pytest.approx(day, rel=0.01)
    for row in rows:
        assert row["direct_W_m2"] == 0.0 if row["elevation_deg"] < -0.3 else row["direct_W_m2"] >= 0.0
        if row["elevation_deg"] > 0.3:
            assert row["direct_W_m2"] == pytest.approx(1361.0, rel=0.04)


def test_sun_over_mars_has_diffuse_light_and_a_table() -> None:
    place = ("--body", "mars", "--latitude", "18.4", "--longitude", "77.5")
    words = ("sun", *place, "--time", "2026-01-01", "--hours", "24.66", "--rows", "25")
    rows = rover_energy(*words, "--json").json["sun"]
    noon = max(rows, key=lambda row: row["elevation_deg"])
    assert noon["elevation_deg"] > 50.0
    assert 100.0 < noon["diffuse_W_m2"] < noon["direct_W_m2"] < 720.0
    table = rover_energy(*words).out.splitlines()
    assert len(table) == 26
    assert "azimuth [deg]" in table[0]
    assert table[1].split() == ["0.00", *(f"{rows[0][key]:.{n}f}" for key, n in
        (("azimuth_deg", 3), ("elevation_deg", 3), ("direct_W_m2", 1), ("diffuse_W_m2", 1)))]  # fmt: skip


@pytest.mark.parametrize(("words", "cls"), [((), RoverParameters), (("--mission",), MissionParameters)])
def test_printed_parameters_are_read_back(words: tuple[str, ...], cls: type, tmp_path: Path) -> None:
    printed = rover_energy("rover", *words)
    (tmp_path / "file.yaml").write_text(printed.out)
    again = rover_energy("rover", *words, tmp_path / "file.yaml", "--json")
    assert again.code == 0, again.err
    assert again.json == json.loads(rover_energy("rover", *words, "--json").out) == yaml.safe_load(printed.out)
    explained = rover_energy("rover", *words, "--explain").out
    for row in describe(cls):
        assert f"{row['name']} = " in explained
        assert row["unit"] == "-" or row["unit"] in explained


def test_wheel_comparison_counts_every_point() -> None:
    folder = data("wheel")
    outcome = rover_energy("wheels", folder, "--json")
    assert outcome.code == 0, outcome.err
    rows = (folder / "single_wheel_experiments.csv").read_text().strip().splitlines()
    assert outcome.json["points"] == len(rows) - 1
    text = rover_energy("wheels", folder).out.splitlines()
    assert len(text) == len(outcome.json["errors"]) + 1
