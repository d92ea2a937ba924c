"""How good the published forecasts are: drives on generated ground, most short of battery, on soil that is not as described.

Each seed makes a terrain and a certified plan whose start charge leaves 20 to 150 J above the floor (every third keeps its
60 %), and drives it through the nodes with resistance, mass and slip of its own, in MuJoCo and in the demand model by turns.
Then the forecasts in its bag are scored against what the bus metered afterwards. With --bags DIR the drives are kept there,
and those that are there already are scored without driving again.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from common import parse, parser, progress, table, write_json

from rover_energy.telemetry import forecast_score as fs
from rover_energy.telemetry.forecast_bag import read_forecasts
from rover_energy.telemetry.recording import Recording, seconds_of

FALLS = (100.0, 200.0, 400.0)
"""How far below the charge of the first forecast the battery must come [J]: the level whose time is forecast."""


def command(*words: Any) -> int:
    """Exit code of `rover-energy`."""
    line = [sys.executable, "-m", "rover_energy.cli.main", *map(str, words), "--quiet", "--json"]
    return subprocess.run(line, capture_output=True, check=False).returncode


def drive(place: Path, seed: int, harsh: bool) -> bool:
    """A plan and its drive below a folder; whether there is one."""
    rng, first, plan = np.random.default_rng(seed), place / "free", place / "plan"
    if command("demo", "--seed", seed, "--out", first, "--no-drive"):
        return False
    mission = yaml.safe_load((first / "mission.yaml").read_text(encoding="utf-8"))
    profile = np.genfromtxt(first / "profile.csv", delimiter=",", names=True)
    spare = json.loads((first / "plan.json").read_text(encoding="utf-8"))["certificate"]["least_battery_margin"]
    capacity = profile["battery_energy"][0] / profile["state_of_charge"][0]
    if seed % 3:
        mission["state_of_charge"] = float(max(0.16, mission["state_of_charge"] - (spare - rng.uniform(20.0, 150.0)) / capacity))
    (place / "mission.yaml").write_text(yaml.safe_dump(mission), encoding="utf-8")
    ends = [",".join(f"{profile[name][i]:.6f}" for name in ("x", "y", "heading")) for i in (0, -1)]
    files = ("--terrain", first / "terrain.npz", "--rover", first / "rover.yaml", "--mission", place / "mission.yaml")
    if command("plan", *files, "--start", ends[0], "--goal", ends[1], "--out", plan, "--no-report"):
        return False
    resistance = rng.uniform(1.25, 1.5) if harsh else rng.uniform(0.85, 1.2)
    soil = ("--resistance", resistance, "--mass", rng.uniform(0.95, 1.05), "--slip", rng.uniform(0.8, 1.2))
    engine = "mujoco" if seed % 2 else "loopback"
    return command("drive", "--plan", plan, "--simulator", engine, *soil, "--no-picture", "--out", place / "drive") in (0, 3)


def scored(bag: Path) -> dict[str, Any]:
    """Actual values and quantiles of one bag, and the answers to both questions."""
    recording = Recording(bag)
    models, truth, empty = read_forecasts(recording)
    begin = min(seconds_of(message, sample.time) for sample, message in recording.messages(topics={"/trajectory"}))
    forecasts = [f for found in models.values() for f in found if f.start >= begin]  # those before know nothing of the drive
    rows: dict[str, list[np.ndarray]] = {}
    for name in ("load", "available", "battery"):
        values = [fs.actual_in(truth, forecast, name) for forecast in forecasts]
        rows[name] = [np.concatenate(values), np.concatenate([getattr(f, name) for f in forecasts])]
    first = forecasts[0]
    charge = float(np.interp(first.start, truth.time, truth.battery))
    questions = {"energy to goal": fs.score_energy_to_goal(forecasts, truth, float(truth.time[-1]))}
    for fall in FALLS:
        if charge - fall > first.floor:
            questions[f"time to {fall:.0f} J less"] = fs.score_time_to_floor(forecasts, truth, level=charge - fall)
    return {"rows": rows, "questions": questions, "forecasts": len(forecasts), "empty": empty}


@contextlib.contextmanager
def kept(path: Path | None) -> Iterator[Path]:
    """The folder for the drives."""
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def main(argv: Sequence[str] | None = None) -> None:
    """Run and print."""
    arguments = parser(__doc__, problems=8, quick=1)
    arguments.add_argument("--bags", type=Path, default=None, metavar="DIR", help="keep the drives here, or score those here")
    arguments.add_argument("--harsh", action="store_true", help="resistance 1.25 to 1.5 times as described")
    options = parse(arguments, argv)
    found: list[dict[str, Any]] = []
    with kept(options.bags) as folder:
        for seed in progress(range(options.seed, options.seed + options.problems), options.problems, "drives"):
            place = folder / f"s{seed}"
            place.mkdir(exist_ok=True)
            if (place / "drive" / "drive.json").exists() or drive(place, seed, options.harsh):
                found.append({"seed": seed, **scored(place / "drive" / "bag")})
    if not found:
        print("no seed gave a drive")
        return
    print(table(*score_rows(found, f"{len(found)} drives")))
    print(table(("question", "judged", "in P10..P90", "below P50", "bias", "alpha-lambda by quarter", "missed", "false"),
                answers(found), "energies in J, times in s; alpha 0.2"))  # fmt: skip
    write_json(options.json, "forecasts", options.seed, {"scores": score_rows(found, "")[1], "questions": answers(found)})


def score_rows(found: Sequence[dict[str, Any]], title: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]], str]:
    """Titles, rows and title of the table of load, available power and battery."""
    rows: list[tuple[Any, ...]] = []
    for name, unit in (("load", "W"), ("available", "W"), ("battery", "J")):
        score = fs.quantile_score(*(np.concatenate([run["rows"][name][i] for run in found]) for i in (0, 1)))
        rows.append((f"{name} [{unit}]", score.count, score.coverage, score.below_median, score.bias, score.width, score.crps))
    return ("forecast", "judged", "in P10..P90", "below P50", "bias", "width", "CRPS"), rows, title


def answers(found: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Means over all judged forecasts, by question."""
    rows = []
    for name in dict.fromkeys(name for run in found for name in run["questions"]):
        own = [run["questions"][name] for run in found if name in run["questions"]]
        weights = np.array([score.quantiles.count for score in own], dtype=float)
        if not weights.any():
            continue
        judged = [score for score in own if score.quantiles.count]

        def mean(key: str, judged: Any = judged, weights: Any = weights[weights > 0.0]) -> float:
            return float(np.average([getattr(score.quantiles, key) for score in judged], weights=weights))

        quarters = np.array([score.alpha_lambda for score in judged])
        shares = [float(np.nanmean(column)) if np.isfinite(column).any() else float("nan") for column in quarters.T]
        told = ", ".join(f"{share:.2f}" for share in shares)
        lapses = sum(score.missed for score in own), sum(score.false for score in own)
        rows.append((name, int(weights.sum()), mean("coverage"), mean("below_median"), mean("bias"), told, *lapses))
    return rows


if __name__ == "__main__":
    main()
