"""Input that cannot be used: one line with file, field, limit and remedy, the documented exit code, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from cli_cases import DARK, SUNNY, Outcome, rover_energy

ROOT = Path(__file__).resolve().parents[2]
GRID = "ncols 5\nnrows 5\nxllcorner 0\nyllcorner 0\ncellsize 1\n"
ONES = "1 " * 25
WEAK = "rtg: {beginning_of_life_power: 50.0}\n"


@dataclass(frozen=True)
class Case:
    """One bad input of `plan`, and the words that its one line must hold. `{}` in a word stands for the bad file."""

    name: str
    words: tuple[str, ...]
    code: int = 2
    rover: str | bytes | None = None
    mission: str | bytes | None = None
    start: str = "3,3,0.8"
    goal: str = "13,12,0.8"
    more: tuple[str, ...] = field(default=())


def rover(name: str, text: str | bytes, *words: str, code: int = 2, mission: str = SUNNY) -> Case:
    return Case(name, ("rover.yaml", *words), code, rover=text, mission=mission)


def mission(name: str, text: str | bytes, *words: str, code: int = 2, more_rover: str | None = None) -> Case:
    return Case(name, ("mission.yaml", *words), code, mission=text, rover=more_rover)


def pose(name: str, option: str, text: str, *words: str, code: int = 2) -> Case:
    return Case(name, (option, *words), code, **{option[2:]: text})


ROVER_CASES = (
    rover("unknown key", "locomotion: {mas: 100.0}", "locomotion.mas", "unknown key", "did you mean 'mass'"),
    rover("unknown top key", "weels: 6", "weels", "unknown key", "known keys"),
    rover("unicode key", "Größe: 2.0", "Größe", "unknown key"),
    rover("number as key", "1: 2.0", ": 1:", "unknown key"),
    rover("negative mass", "locomotion: {mass: -1.0}", "locomotion.mass = -1.0", "0.1 kg", "or more"),
    rover("NaN", "locomotion: {mass: .nan}", "locomotion.mass = nan", "not a finite number", "finite value in kg"),
    rover("infinite", "battery: {capacity: .inf}", "battery.capacity", "not a finite number", " J"),
    rover("above the most allowed", "battery: {floor: 1.5}", "battery.floor = 1.5", "most allowed 1", "or less"),
    rover("beyond all floats", f"battery: {{capacity: {'9' * 400}}}", "battery.capacity", "not a finite number"),
    rover("too many digits", f"battery: {{capacity: {'9' * 5000}}}", "rover.yaml", "digits"),
    rover("text for a number", "battery: {capacity: plenty}", "battery.capacity = 'plenty'", "wrong type", "a number in J"),
    rover("truth for a number", "width: true", "width = True", "wrong type", "a number in m"),
    rover("nothing for a number", "width:", "width", "wrong type", "a number in m"),
    rover("fraction for a count", "rtg: {units: 1.5}", "rtg.units = 1.5", "wrong type", "a whole number"),
    rover("number for a text", "name: 7", "name = 7", "wrong type", "a text"),
    rover("list for a group", "battery: [1, 2]", "battery", "is not a mapping", "name: value"),
    rover("nothing for a group", "battery:", "battery: is not a mapping", "name: value"),
    rover("list at the top", "- 1\n- 2", "top level", "is not a mapping", "name: value"),
    rover("unknown choice", "locomotion: {resistance: {model: magic}}", "resistance.model = 'magic'", "polynomial, bekker"),
    rover(
        "slip out of order", "locomotion: {slip: {flat: 0.5, maximum: 0.1}}", "slip.flat = 0.5", "exceeds maximum 0.1", "lower",
    ),
    rover("key twice", "width: 1.0\nwidth: 2.0", "'width' stands twice", "line 2"),
    rover("YAML syntax", "locomotion: {mass: 1.0", "line ", "column ", "not valid YAML", "mend the syntax"),
    rover("YAML tab", "locomotion:\n\tmass: 1.0", "line 2", "not valid YAML"),
    rover("YAML object", "name: !!python/object/apply:os.getcwd []", "not valid YAML", "line 1"),
    rover("nested too deeply", "[" * 3000, "rover.yaml", "recursion"),
    rover("not UTF-8", b"name: \xff\xfe", "file", "is not UTF-8 text", "check the path"),
    rover("footprint wider than the map", "footprint: 1000.0", "footprint = 1000.0", "0 .. 4 m", "larger map"),
    rover("wider than the map", "width: 1000.0", "start_blocked", "keep_out", "rover.yaml: width = 1000 m", code=1),
    rover("loads above all supply", "loads: {base_power: 5000.0}", "power", "loads.base_power = 5000 W", "shed loads", code=1),
    rover(
        "steeper than the rover may stand", "limits: {tilt: 0.002}", "tilt", "limits.tilt = 0.002 rad", "raise limits.tilt",
        code=1,
    ),
)
MISSION_CASES = (
    mission(
        "limit below the base load", SUNNY + "power_limit: 50.0", "power_limit = 50.0", "constant loads of 55 W",
        "raise the limit",
    ),
    mission("negative limit", SUNNY + "power_limit: -1.0", "power_limit = -1.0", "least allowed 0 W"),
    mission("charge above full", SUNNY + "state_of_charge: 1.2", "state_of_charge = 1.2", "most allowed 1"),
    mission("unknown body", "site: {body: venus}", "site.body = 'venus'", "moon, mars"),
    mission("unknown site key", "site: {lattitude: 3.0}", "site.lattitude", "did you mean 'latitude'"),
    mission("latitude beyond the pole", "site: {latitude: 91.0}", "site.latitude = 91.0", "most allowed 90 deg"),
    mission(
        "elevation without azimuth", "site: {sun_elevation: 10.0}", "site.sun_azimuth", "is missing", "along with sun_elevation",
    ),
    mission("no date", "site: {start: next tuesday}", "site.start = 'next tuesday'", "ISO 8601", "2028-03-01T00:00:00"),
    mission("no such month", "site: {start: 2028-13-01}", "site.start = '2028-13-01'", "ISO 8601"),
    mission("year before the series", "site: {start: 1850-01-01}", "site.start", "1970 to 2100", "fixed Sun"),
    mission("horizon too long", "horizon: 1.0e+12", "horizon", "most allowed", "shorten it"),
    mission("horizon infinite", "horizon: .inf", "horizon = inf", "not a finite number"),
    mission(
        "polygon crosses itself", SUNNY + "keep_outs: [[[5, 5], [9, 9], [9, 5], [5, 9]]]", "keep_outs[0]",
        "crosses itself", "simple ring",
    ),
    mission("polygon of two points", SUNNY + "keep_outs: [[[5, 5], [9, 9]]]", "keep_outs[0]", "at least three"),
    mission("polygon without area", SUNNY + "keep_outs: [[[5, 5], [7, 7], [9, 9]]]", "keep_outs[0]", "no area"),
    mission("polygon with NaN", SUNNY + "keep_outs: [[[5, 5], [7, .nan], [9, 5]]]", "keep_outs", "not a finite number"),
    mission("point of three numbers", SUNNY + "keep_outs: [[[5, 5, 1], [7, 7], [9, 5]]]", "keep_outs", "3 entries", "exactly 2"),
    mission("polygon is a number", SUNNY + "keep_outs: 7", "keep_outs = 7", "is not a list"),
    mission("deadline impossible", SUNNY + "deadline: 5.0", "26.907 s or more", "deadline = 5 s", "allow more time", code=1),
    mission(
        "energy budget too small", SUNNY + "energy_budget: 300.0", "1479.9 J or more", "energy_budget = 300 J",
        "raise the energy budget", code=1,
    ),
    mission("deadline negative", SUNNY + "deadline: -5.0", "deadline = -5.0", "least allowed 0 s"),
)
POSE_CASES = (
    Case("generator too weak by night", ("power", "rover.yaml: loads.base_power = 55 W"), 1, WEAK, DARK + "use_battery: false"),
    pose("start off the map", "--start", "-5,3,0", "off the map ground", "x 0 .. 16 m", "choose a pose on it"),
    pose("goal off the map", "--goal", "3,17,0", "off the map ground", "y 0 .. 16 m", "choose a pose on it"),
    pose("start far away", "--start", "1e308,3,0", "off the map"),
    pose("NaN", "--start", "nan,3,0", "not finite", "X,Y,HEADING"),
    pose("infinite heading", "--goal", "3,3,inf", "not finite", "90deg"),
    pose("two parts", "--start", "3,3", "2 parts", "X,Y,HEADING"),
    pose("words", "--goal", "there,and,back", "not a number", "X,Y,HEADING"),
    pose("nothing", "--start", "", "X,Y,HEADING"),
    pose("goal is the start", "--goal", "3,3,0.8", "is the start pose itself", "differs from --start"),
    pose("goal is the start turned round", "--goal", f"3,3,{0.8 + 2.0 * np.pi!r}", "is the start pose itself"),
    Case(
        "start in a rock", ("start_blocked", "keep_out", "choose another start", "width = 1 m"), 1, mission=SUNNY, start="10,4,0",
    ),
    Case(
        "goal at the border", ("goal_blocked", "map_edge", "ground.npz: extent", "larger map"), 1, mission=SUNNY, goal="16,16,0",
    ),
    Case("time limit NaN", ("--time-limit = nan", "0.01 .. 86400 s"), more=("--time-limit", "nan")),
    Case("time limit zero", ("--time-limit = 0.0", "0.01 .. 86400 s"), more=("--time-limit", "0")),
    Case("time limit in words", ("Invalid value", "--time-limit", "plan --help"), more=("--time-limit", "soon")),
    Case("band of an npz", ("ground.npz", "band = 2", "one band", "leave the band at 1"), more=("--band", "2")),
    Case("band zero", ("--band = 0", "is not within 1"), more=("--band", "0")),
    Case("unknown option", ("--wheels", "plan --help"), more=("--wheels", "6")),
    Case("rover is a folder", ("file", "directory"), more=("--rover", ".")),
    Case("rover is absent", ("absent.yaml", "No such file", "check the path"), more=("--rover", "absent.yaml")),
    Case("mission is absent", ("absent.yaml", "No such file", "check the path"), more=("--mission", "absent.yaml")),
)


def arguments(case: Case, ground: Path, folder: Path) -> list[str]:
    words = ["plan", "--no-report", "--terrain", str(ground), "--start", case.start, "--goal", case.goal]
    words += ["--out", str(folder / "out")]
    for name in ("rover", "mission"):
        text = getattr(case, name)
        if text is not None:
            path = folder / f"{name}.yaml"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            words += [f"--{name}", str(path)]
    return [*words, *case.more]


def assert_one_line(outcome: Outcome, code: int, words: tuple[str, ...]) -> None:
    assert outcome.code == code, outcome.err
    assert len(outcome.lines) == 1, outcome.err
    assert outcome.err.startswith("rover-energy: ")
    for word in words:
        assert word in outcome.err, f"{word!r} is missing from: {outcome.err}"
    assert "Traceback" not in outcome.err
    assert "internal error" not in outcome.err


@pytest.mark.parametrize("case", [*ROVER_CASES, *MISSION_CASES, *POSE_CASES], ids=lambda case: case.name.replace(" ", "_"))
def test_bad_parameters_and_poses(case: Case, ground: Path, tmp_path: Path) -> None:
    outcome = rover_energy(*arguments(case, ground, tmp_path))
    assert_one_line(outcome, case.code, case.words)
    assert outcome.out == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"rover.yaml", "mission.yaml"}, "something was written"


def test_dark_goal_beyond_the_battery(ground: Path, tmp_path: Path) -> None:
    """The Sun is below the horizon, the generator weak, and the store holds 1 % above the floor."""
    case = Case(
        "dark", ("floor", "rover.yaml: battery.floor = 0.15", "start with more charge"), 1,
            mission=DARK + "state_of_charge: 0.16\n",
        rover=WEAK + "battery: {capacity: 50000.0}\n",
    )  # fmt: skip
    outcome = rover_energy(*arguments(case, ground, tmp_path), "--json")
    assert_one_line(outcome, 1, case.words)
    assert outcome.json["status"] == "refused"
    assert outcome.json["reason"] == "floor"
    assert outcome.json["binding"]["constraint"] == "floor"
    assert outcome.json["exit_code"] == 1
    assert not (tmp_path / "out").exists()


def bad_npz(path: Path, good: bytes, name: str) -> None:
    flat, arrays = np.zeros((9, 9)), {"cell": np.array(1.0)}
    contents = {
        "no cell": {"height": flat}, "no height": arrays, "cell zero": {"height": flat, "cell": 0.0},
        "cell NaN": {"height": flat, "cell": np.nan}, "all NaN": {**arrays, "height": np.full((9, 9), np.nan)},
        "complex": {**arrays, "height": flat.astype(complex)}, "three axes": {**arrays, "height": np.zeros((9, 9, 2))},
        "too small": {**arrays, "height": np.zeros((3, 3))}, "objects": {**arrays, "height": np.array([[None] * 5] * 5)},
        "undeclared marker": {**arrays, "height": np.full((9, 9), -3.4e38)},
        "origin NaN": {**arrays, "height": flat, "x0": np.nan},
        "bad ring": {**arrays, "height": flat, "keep_outs": np.array([[[0.0, 0.0], [5.0, 5.0], [5.0, 0.0], [0.0, 5.0]]])},
    }  # fmt: skip
    if name in contents:
        np.savez(path, **contents[name])
    elif name == "truncated":
        path.write_bytes(good[: len(good) // 2])
    elif name == "corrupted":
        spoilt = bytearray(good)
        spoilt[len(good) // 3 : len(good) // 3 + 60] = bytes(60)
        path.write_bytes(bytes(spoilt))
    elif name == "text":
        path.write_text("height 3")
    else:
        path.write_bytes(b"")


NPZ_CASES = {
    "no cell": ("cell: is missing", "store an array named cell"), "no height": ("height: is missing",),
    "cell zero": ("cell = 0.0", "not a positive length", "metres"), "cell NaN": ("cell = nan", "not a positive length"),
    "all NaN": ("height", "no valid node"), "complex": ("height", "complex128", "not real numbers"),
    "three axes": ("height", "(9, 9, 2)"), "too small": ("height", "4 x 4 nodes", "larger grid"),
    "objects": ("cannot be read as .npz",), "undeclared marker": ("height = -3.4e+38", "-9500 .. 25000 m", "nodata"),
    "origin NaN": ("x0", "not finite"), "bad ring": ("keep_outs[0]", "crosses itself", "simple ring"),
    "truncated": ("file", "cannot be read as .npz"), "corrupted": ("file", "cannot be read as .npz"),
    "text": ("file", "cannot be read as .npz"), "empty": ("file", "cannot be read as .npz"),
}  # fmt: skip
GRID_CASES = {
    "heights missing": (GRID + "1 2 3", ("heights", "3 values", "need 25", "ncols")),
    "heights too many": (GRID + ONES + "1", ("heights", "26 values", "need 25")),
    "word among heights": (GRID + "x " + ONES[2:], ("heights", "something else than numbers")),
    "no nrows": (GRID.replace("nrows 5\n", "") + ONES, ("nrows", "is missing", "add a line")),
    "negative cell": (GRID.replace("cellsize 1", "cellsize -1") + ONES, ("cell", "not a positive length")),
    "fraction of a column": (GRID.replace("ncols 5", "ncols 4.5") + ONES, ("ncols = 4.5", "whole number")),
    "more nodes than memory": (GRID.replace("ncols 5", "ncols 99999999") + ONES, ("size", "exceed 36000000", "cut out")),
    "not ASCII": (GRID + "é", ("file", "not an ASCII grid", "plain text")),
    "nothing": ("", ("ncols", "is missing")),
}


@pytest.mark.parametrize("name", NPZ_CASES)
def test_bad_npz(name: str, ground: Path, tmp_path: Path) -> None:
    bad_npz(tmp_path / "bad.npz", ground.read_bytes(), name)
    outcome = rover_energy(*arguments(Case(name, ()), tmp_path / "bad.npz", tmp_path))
    assert_one_line(outcome, 2, ("bad.npz", *NPZ_CASES[name]))


@pytest.mark.parametrize("name", GRID_CASES)
def test_bad_ascii_grid(name: str, tmp_path: Path) -> None:
    text, words = GRID_CASES[name]
    (tmp_path / "bad.asc").write_text(text, encoding="utf-8")
    assert_one_line(rover_energy("terrain", "info", tmp_path / "bad.asc"), 2, ("bad.asc", *words))


@pytest.mark.parametrize("name", ["truncated", "text", "wrong band", "degrees", "no georeference", "not square", "all no data"])
def test_bad_geotiff(name: str, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "bad.tif"
    transform = rasterio.Affine(1.0, 0.0, 0.0, 0.0, -2.0 if name == "not square" else -1.0, 64.0)
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "float32", "nodata": -1.0}
    profile["transform"] = transform
    if name == "degrees":
        profile["crs"] = "EPSG:4326"
    if name == "no georeference":
        del profile["transform"]
    if name == "text":
        path.write_text("this is no picture")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path, "w", **profile) as dataset:
                dataset.write(np.full((64, 64), -1.0 if name == "all no data" else 2.0, dtype="float32"), 1)
    if name == "truncated":
        path.write_bytes(path.read_bytes()[:9000])
    words = {
        "truncated": ("cannot be read as a GeoTIFF", "undamaged copy"), "text": ("cannot be read as a GeoTIFF",),
        "wrong band": ("band = 3", "bands 1 .. 1", "choose one"), "degrees": ("coordinate system", "degrees", "gdalwarp"),
        "no georeference": ("georeference", "is missing", "gdal_edit.py"), "not square": ("cell", "not square", "resample"),
        "all no data": ("height", "no valid node", "nodata"),
    }  # fmt: skip
    more = ("--band", "3") if name == "wrong band" else ()
    assert_one_line(rover_energy(*arguments(Case(name, (), more=more), path, tmp_path)), 2, ("bad.tif", *words[name]))


@pytest.mark.parametrize(
    ("name", "words"),
    [("absent.tif", ("does not exist", "path of a terrain file")), ("folder.npz", ("is a folder",)),
     ("map.png", ("suffix = '.png'", ".asc")), ("", ("suffix", ".npz"))],
)  # fmt: skip
def test_terrain_that_is_no_terrain_file(name: str, words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "map.png").write_bytes(b"")
    assert_one_line(rover_energy(*arguments(Case(name, ()), tmp_path / name, tmp_path)), 2, (name, *words))


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300])
def test_output_folder_that_cannot_be(name: str, ground: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    outcome = rover_energy("plan", "--terrain", ground, "--start", "3,3,0", "--goal", "9,9,0", "--out", tmp_path / name)
    assert_one_line(outcome, 2, (name, "--out"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write to")
def test_output_folder_that_nobody_may_write(ground: Path) -> None:
    outcome = rover_energy("plan", "--terrain", ground, "--start", "3,3,0", "--goal", "9,9,0", "--out", "/proc/rover/out")
    assert_one_line(outcome, 2, ("/proc/rover/out", "cannot be written"))


OTHER_CASES = {
    "no such command": (("fly",), ("No such command", "fly", "--help")),
    "missing option": (("plan",), ("Missing option", "--terrain", "plan --help")),
    "generate a picture": (("terrain", "generate", "--out", "x.png"), ("x.png", "suffix", ".npz")),
    "generate size NaN": (("terrain", "generate", "--out", "x.npz", "--size", "nan"), ("--size = nan", "m")),
    "generate too many nodes": (("terrain", "generate", "--out", "x.npz", "--size", "9e4"), ("size", "enlarge the cell")),
    "generate seed": (("terrain", "generate", "--out", "x.npz", "--seed", "-1"), ("--seed = -1", "0")),
    "generate into nowhere": (("terrain", "generate", "--out", "no/a.npz", "--size", "4"), ("no/a.npz", "cannot be written")),
    "footprint NaN": (("terrain", "info", "GROUND", "--footprint", "nan"), ("--footprint = nan",)),
    "footprint too large": (("terrain", "info", "GROUND", "--footprint", "99"), ("--footprint = 99.0", "0 .. 4 m")),
    "Sun too high": (("terrain", "info", "GROUND", "--sun-elevation", "100"), ("--sun-elevation = 100.0", "90 deg")),
    "sun body": (("sun", "--body", "pluto"), ("body = 'pluto'", "moon, mars")),
    "sun latitude": (("sun", "--latitude", "nan"), ("latitude = nan", "finite")),
    "sun time": (("sun", "--time", "noon"), ("--time = 'noon'", "ISO 8601")),
    "sun hours": (("sun", "--hours", "nan"), ("--hours = nan", "20000 h")),
    "sun past the series": (("sun", "--time", "2099-12-31", "--hours", "9999"), ("--time and --hours", "1970 to 2100")),
    "sun rows": (("sun", "--rows", "0"), ("--rows = 0",)),
    "demo seed": (("demo", "--seed", "-3", "--out", "demo"), ("seed = -3", "whole number from 0")),
    "rover file": (("rover", "absent.yaml"), ("absent.yaml", "No such file")),
    "calibrate nothing": (("calibrate", "absent.csv"), ("absent.csv", "does not exist")),
    "calibrate folder without logs": (("calibrate", "."), ("site_dem_1m.csv",)),
    "calibrate mass": (("calibrate", "x.csv", "--mass", "nan"), ("--mass = nan", "kg")),
    "wheels folder": (("wheels", "absent"), ("soil_simulants.csv", "cannot be read")),
}


@pytest.mark.parametrize("name", OTHER_CASES)
def test_bad_input_of_other_commands(name: str, ground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words, expected = OTHER_CASES[name]
    assert_one_line(rover_energy(*(ground if word == "GROUND" else word for word in words)), 2, expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", [ROVER_CASES[0], MISSION_CASES[0], POSE_CASES[-4]], ids=lambda case: case.name.replace(" ", "_"))
def test_as_its_own_process_with_json(case: Case, ground: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rover_energy.cli.main", *arguments(case, ground, tmp_path), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert_one_line(Outcome(done.returncode, done.stdout, done.stderr), case.code, case.words)
    answer = json.loads(done.stdout)
    assert answer["status"] == "failed"
    assert answer["exit_code"] == case.code
    assert f"rover-energy: {answer['message']}" == done.stderr.strip()


def test_there_are_enough_cases() -> None:
    tables = (ROVER_CASES, MISSION_CASES, POSE_CASES, NPZ_CASES, GRID_CASES, OTHER_CASES)
    assert sum(map(len, tables)) >= 100
