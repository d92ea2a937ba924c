"""`rover-energy plan` from files to files, and its plan evaluated again by plain numpy and scipy."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_cases import SUNNY, Outcome, data, rolling_ground, rover_energy
from scipy import ndimage

FILES = {"plan.json", "profile.csv", "certificate.json", "terrain.npz", "rover.yaml", "mission.yaml"}
REPORT = {"report.html", "overview.png", "map.png", "power.png", "battery.png"}
MOON = 4.902800118e12 / 1_737_400.0**2


def peak_power(plan: dict, height: np.ndarray, x0: float, y0: float, cell: float, gravity: float, rate: float = 200.0) -> float:
    """Greatest total load [W] of a unicycle plan without slip, from the contract: heights by `map_coordinates`, x and y by
    quadrature, slope by differences of the spline, acceleration by differences of the speed along the surface.
    """
    rover = plan["rover"]
    move, loads = rover["locomotion"], rover["loads"]
    smooth = ndimage.gaussian_filter(height, rover["footprint"] / cell, mode="mirror", truncate=4)
    spline = ndimage.spline_filter(smooth, order=3, mode="mirror")

    def ground(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(spline, [(y - y0) / cell, (x - x0) / cell], order=3, mode="mirror", prefilter=False)

    x, y, worst = plan["start"][0], plan["start"][1], 0.0
    nodes, weights = np.polynomial.legendre.leggauss(5)
    for piece in plan["pieces"]:
        heading, speed = (np.polynomial.Polynomial(piece[name]) for name in ("heading", "speed"))
        t = np.linspace(0.0, piece["duration"], max(3, math.ceil(piece["duration"] * rate)))
        step = t[1] - t[0]
        inner = t[:-1, None] + 0.5 * step * (nodes + 1.0)
        east, north = (
            np.concatenate([[0.0], np.cumsum(0.5 * step * (speed(inner) * f(heading(inner))) @ weights)])
            for f in (np.cos, np.sin)
        )
        px, py = x + east, y + north
        x, y = px[-1], py[-1]

        def gradient(px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            d = 2e-4 * cell
            return (ground(px + d, py) - ground(px - d, py)) / (2 * d), (ground(px, py + d) - ground(px, py - d)) / (2 * d)

        def moving(shift: float, px=px, py=py, t=t, heading=heading, speed=speed):  # along the exact motion, to second order
            angle, turn, u, push = heading(t), heading.deriv()(t), speed(t), speed.deriv()(t)
            along = u * shift + push * shift**2 / 2
            aside = u * turn * shift**2 / 2
            qx, qy = px + along * np.cos(angle) - aside * np.sin(angle), py + along * np.sin(angle) + aside * np.cos(angle)
            hx, hy = gradient(qx, qy)
            later = t + shift
            slope = hx * np.cos(heading(later)) + hy * np.sin(heading(later))
            return speed(later) * np.sqrt(1 + slope**2), heading.deriv()(later) * np.sqrt(1 + hx**2 + hy**2), np.arctan(slope)

        tick = 1e-3
        (before, _, _), (now, yaw, slope), (after, _, _) = moving(-tick), moving(0.0), moving(tick)
        yaw_change = (moving(tick)[1] - moving(-tick)[1]) / (2 * tick)
        ground_force = move["resistance"]["c0"] + move["resistance"]["c1"] * now + move["resistance"]["c2"] * now**2
        force = move["mass"] * ((after - before) / (2 * tick) + gravity * np.sin(slope)) + ground_force
        turning = np.maximum(0.0, move["yaw_inertia"] * yaw_change * yaw) + move["turn_moment"] * np.abs(yaw)
        slip, share = move["slip"], 0.0
        if slip["flat"] > 0.0:
            share = slip["maximum"] / (1 + (slip["maximum"] / slip["flat"] - 1) * np.exp(-slip["gain"] * np.tan(slope)))
        motion = (np.maximum(0.0, force * now / (1 - share)) + turning) / move["drivetrain_efficiency"]
        worst = max(worst, float(np.max(motion)))
    return worst + loads["base_power"] + loads["inference_power"]


def plan_on(ground: Path, out: Path, *more: object, start: str = "3,3,0.8", goal: str = "13,12,45deg") -> Outcome:
    return rover_energy("plan", "--terrain", ground, "--start", start, "--goal", goal, "--out", out, *more)


@pytest.fixture(scope="module")
def planned(ground: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """A plan with report; the mission makes power bind."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "mission.yaml").write_text(SUNNY + "power_limit: 120.0\n")
    outcome = plan_on(ground, folder / "out", "--mission", folder / "mission.yaml", "--json")
    assert outcome.code == 0, outcome.err
    return outcome, folder / "out"


def test_everything_is_written(planned: tuple[Outcome, Path]) -> None:
    outcome, out = planned
    assert {path.name for path in out.iterdir()} == FILES | REPORT
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
    for name in ("plan", "profile", "certificate", "report"):
        assert Path(outcome.json[name]).is_file()
    assert outcome.err == ""


def test_summary_agrees_with_the_files(planned: tuple[Outcome, Path]) -> None:
    outcome, out = planned
    plan = json.loads((out / "plan.json").read_text())
    profile = np.genfromtxt(out / "profile.csv", delimiter=",", names=True)
    assert outcome.json["certified"] is True
    assert plan["certificate"]["passed"] is True
    assert json.loads((out / "certificate.json").read_text()) == plan["certificate"]
    assert outcome.json["duration_s"] == pytest.approx(sum(piece["duration"] for piece in plan["pieces"]), rel=1e-12)
    assert profile["t"][-1] == pytest.approx(outcome.json["duration_s"], rel=1e-9)
    assert outcome.json["peak_power_W"] == pytest.approx(profile["total_power"].max(), rel=1e-4)
    assert np.hypot(profile["x"][-1] - 13.0, profile["y"][-1] - 12.0) < 0.01
    consumed = np.sum(0.5 * (profile["total_power"][1:] + profile["total_power"][:-1]) * np.diff(profile["t"])) / 3600.0
    assert outcome.json["energy_consumed_Wh"] == pytest.approx(consumed, rel=1e-6)
    assert yaml.safe_load((out / "mission.yaml").read_text())["power_limit"] == 120.0


def test_power_limit_is_kept_and_used(planned: tuple[Outcome, Path]) -> None:
    peak = planned[0].json["peak_power_W"]
    assert 118.0 < peak <= 120.0


def test_plan_evaluated_by_plain_numpy_has_the_same_peak(planned: tuple[Outcome, Path]) -> None:
    outcome, out = planned
    terrain = np.load(out / "terrain.npz")
    plan = json.loads((out / "plan.json").read_text())
    assert plan["kind"] == "unicycle"
    again = peak_power(plan, terrain["height"], float(terrain["x0"]), float(terrain["y0"]), float(terrain["cell"]), MOON)
    assert again == pytest.approx(outcome.json["peak_power_W"], rel=1e-6)


def test_folder_replans_to_the_same(planned: tuple[Outcome, Path], tmp_path: Path) -> None:
    """The folder holds its inputs: planning from them again gives the same traverse."""
    outcome, out = planned
    more = ("--rover", out / "rover.yaml", "--mission", out / "mission.yaml", "--no-report", "--json")
    again = plan_on(out / "terrain.npz", tmp_path / "again", *more)
    assert again.code == 0, again.err
    assert again.json["duration_s"] == pytest.approx(outcome.json["duration_s"], rel=1e-6)


def test_only_our_own_files_are_replaced(ground: Path, tmp_path: Path) -> None:
    """A second plan without report removes the first one's report, which would show another plan, and nothing else."""
    (tmp_path / "mission.yaml").write_text(SUNNY)
    out = tmp_path / "out"
    out.mkdir()
    for name in ("notes.txt", "report.html"):
        (out / name).write_text("mine")
    first = plan_on(ground, out, "--mission", tmp_path / "mission.yaml", "--no-report")
    assert first.code == 0, first.err
    assert (out / "report.html").read_text() == "mine", "no plan of ours stood here, so this is no report of ours"
    second = plan_on(ground, out, "--mission", tmp_path / "mission.yaml", "--no-report", start="3,4,0.8")
    assert second.code == 0, second.err
    assert {path.name for path in out.iterdir()} == FILES | {"notes.txt"}
    assert (out / "notes.txt").read_text() == "mine"
    assert json.loads((out / "plan.json").read_text())["start"][1] == 4.0


def test_refusal_leaves_an_earlier_plan_alone(planned: tuple[Outcome, Path], ground: Path, tmp_path: Path) -> None:
    out = planned[1]
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    (tmp_path / "mission.yaml").write_text(SUNNY + "keep_outs: [[[-1, 8], [17, 8], [17, 9], [-1, 9]]]\n")
    outcome = plan_on(ground, out, "--mission", tmp_path / "mission.yaml", "--json")
    assert outcome.code == 1
    answer = outcome.json
    assert answer["status"] == "refused"
    assert answer["reason"] == "no_path"
    assert answer["binding"]["constraint"] == "keep_out"
    assert answer["remedies"]
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_crash_while_writing_leaves_nothing(ground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that nobody foresaw: one line, exit code 1, and no folder that looks like a result."""

    def fails(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("rover_energy.cli.traverse.write_profile", fails)
    (tmp_path / "mission.yaml").write_text(SUNNY)
    outcome = plan_on(ground, tmp_path / "out", "--mission", tmp_path / "mission.yaml", "--no-report")
    assert outcome.code == 1
    assert len(outcome.lines) == 1
    assert "internal error, ValueError: no ink" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["mission.yaml"]


def test_solver_out_of_time_leaves_the_sure_plan_and_says_so(ground: Path, tmp_path: Path) -> None:
    (tmp_path / "mission.yaml").write_text(SUNNY)
    more = ("--mission", tmp_path / "mission.yaml", "--no-report", "--time-limit", "0.01", "--json")
    outcome = plan_on(ground, tmp_path / "out", *more)
    assert outcome.code == 0, outcome.err
    assert outcome.json["status"] == "fallback"
    assert outcome.json["certified"] is True
    assert len(outcome.lines) == 1
    assert "status fallback" in outcome.err
    assert "in time" in outcome.err


def test_missing_matplotlib_is_said_before_planning(ground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcome = plan_on(ground, tmp_path / "out")
    assert outcome.code == 2
    assert "rover-energy[report]" in outcome.err
    assert "--no-report" in outcome.err
    assert len(outcome.lines) == 1


REAL = {
    "moon_aristarchus_imp.tif": (0.35, 0.40, 0.45, 0.45, "footprint: 5.0\nlimits: {speed: 0.5}\n"),
    "marsyard2021.tif": (0.35, 0.35, 0.55, 0.55, "footprint: 0.3\nwidth: 0.5\nlimits: {along_slope: 0.35, tilt: 0.4}\n"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_terrain(name: str, tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    file = data("terrain", name)
    info = rover_energy("terrain", "info", file, "--json").json
    xmin, ymin, xmax, ymax = info["extent_m"]
    *shares, rover = REAL[name]
    bounds = zip(shares, (xmin, ymin) * 2, (xmax, ymax) * 2, strict=True)
    sx, sy, gx, gy = (low + share * (high - low) for share, low, high in bounds)
    (tmp_path / "rover.yaml").write_text(rover)
    (tmp_path / "mission.yaml").write_text(SUNNY)
    heading = math.atan2(gy - sy, gx - sx)
    more = ("--rover", tmp_path / "rover.yaml", "--mission", tmp_path / "mission.yaml", "--no-report", "--json")
    outcome = plan_on(file, tmp_path / "out", *more, start=f"{sx},{sy},{heading}", goal=f"{gx},{gy},{heading}")
    assert outcome.code == 0, outcome.err
    assert outcome.json["distance_m"] >= 0.999 * math.hypot(gx - sx, gy - sy)
    terrain = np.load(tmp_path / "out" / "terrain.npz")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    x0, y0, cell = (float(terrain[name]) for name in ("x0", "y0", "cell"))
    again = peak_power(plan, terrain["height"], x0, y0, cell, MOON, rate=100.0)
    assert again == pytest.approx(outcome.json["peak_power_W"], rel=1e-5)


def test_generated_terrain_end_to_end(tmp_path: Path) -> None:
    made = rover_energy("terrain", "generate", "--seed", "3", "--size", "24", "--out", tmp_path / "moon.npz", "--json")
    assert made.code == 0, made.err
    (tmp_path / "mission.yaml").write_text("site: {sun_azimuth: 200.0, sun_elevation: 12.0}\n")
    for start, goal in (("4,4,0.8", "20,20,0.8"), ("4,20,-0.8", "20,4,-0.8"), ("20,4,2.4", "4,20,2.4")):
        more = ("--mission", tmp_path / "mission.yaml", "--no-report", "--json")
        outcome = plan_on(tmp_path / "moon.npz", tmp_path / "out", *more, start=start, goal=goal)
        assert outcome.code in (0, 1), outcome.err
        if outcome.code == 0:
            break
    assert outcome.code == 0, outcome.err
    terrain = np.load(tmp_path / "out" / "terrain.npz")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    again = peak_power(plan, terrain["height"], 0.0, 0.0, float(terrain["cell"]), MOON)
    # both look at instants of their own; what lies between them the certificate bounds
    peak, between = outcome.json["peak_power_W"], plan["certificate"]["peak_power_bound"]
    assert 0.0 <= between < 0.1
    assert peak * (1.0 - 1e-6) <= again <= (peak + between) * (1.0 + 1e-6)


def test_the_evaluation_notices_another_ground(planned: tuple[Outcome, Path], tmp_path: Path) -> None:
    """The comparison above can fail: on a ground 1 % higher the peak is another one."""
    outcome, out = planned
    height = np.load(rolling_ground(tmp_path / "other.npz"))["height"]
    plan = json.loads((out / "plan.json").read_text())
    assert abs(peak_power(plan, 1.01 * height, 0.0, 0.0, 0.5, MOON) / outcome.json["peak_power_W"] - 1.0) > 1e-5
