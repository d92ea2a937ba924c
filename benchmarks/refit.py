"""Refit of the demand model: out of sample on the field logs of Cuadriga, and on made drives whose truth is known.

Cuadriga: one run left out at a time, against a constant and a constant plus grade. Made drives: the model's own demand with
noise, for a rover that is not as described; how far the refit is from the truth, and how often its 90 % interval holds it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from common import parse, parser, progress, table, write_json

from rover_energy.locomotion.cuadriga import read_logs
from rover_energy.locomotion.demand import drive_power, turn_power
from rover_energy.locomotion.drive_log import DriveLog
from rover_energy.rover import RoverParameters
from rover_energy.telemetry.refit import POLYNOMIAL, refit, replaced, value_of

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).resolve().parents[1] / "../shared/data")) / "cuadriga"
GRAVITY = 1.62


def made_drive(rover: RoverParameters, seed: int, seconds: float = 600.0) -> DriveLog:
    """A drive of that rover at 10 Hz, with noise that lasts about a second, as soil makes it."""
    rng = np.random.default_rng(seed)
    t = np.arange(0.0, seconds, 0.1)
    phase = rng.uniform(0.0, 6.0, 4)
    speed = 0.3 + 0.12 * np.sin(t / 11.0 + phase[0])
    slope = 0.12 * np.sin(t / 17.0 + phase[1]) + 0.05 * np.sin(t / 5.0 + phase[2])
    yaw = 0.15 * np.sin(t / 7.0 + phase[3])
    acceleration = np.gradient(speed, t)
    power = drive_power(
        rover.locomotion, speed=speed, acceleration=acceleration, along_slope=slope, tilt=np.abs(slope), gravity=GRAVITY
    ) + turn_power(rover.locomotion, yaw_rate=yaw, yaw_acceleration=np.gradient(yaw, t))
    noise = np.convolve(rng.normal(size=len(t)), np.ones(10) / np.sqrt(10.0), "same")
    signal = power * (1.0 + 0.05 * noise) + 0.5 * rng.normal(size=len(t))
    return DriveLog("made", t, speed, yaw, slope, acceleration, signal, "power", np.ones(len(t), dtype=bool))


def other_rover(seed: int) -> RoverParameters:
    """A rover that is not as described."""
    rng = np.random.default_rng(seed)
    rover = RoverParameters()
    for name, low, high in zip(POLYNOMIAL, (40.0, 20.0, 0.45), (160.0, 80.0, 0.8), strict=True):
        rover = replaced(rover, name, float(rng.uniform(low, high)))
    return rover


def main(argv: Sequence[str] | None = None) -> None:
    """Run and print."""
    options = parse(parser(__doc__, problems=40, quick=3), argv)
    results: dict[str, Any] = {"made": [], "cuadriga": None}
    for seed in progress(range(options.seed, options.seed + options.problems), options.problems, "made drives"):
        truth = other_rover(1000 + seed)
        found = refit([made_drive(truth, seed)], RoverParameters(), gravity=GRAVITY)
        for estimate in found.estimates:
            true = value_of(truth, estimate.name)
            inside = estimate.low <= true <= estimate.high
            results["made"].append({"name": estimate.name, "error": estimate.value / true - 1.0, "inside": inside})
    rows = []
    for name in POLYNOMIAL:
        own = [row for row in results["made"] if row["name"] == name]
        errors = 100.0 * np.abs([row["error"] for row in own])
        held = float(np.mean([row["inside"] for row in own]))
        rows.append((name, float(np.median(errors)), float(np.max(errors)), held))
    print(table(("made drives of 10 min", "median error [%]", "largest [%]", "in the 90 % interval"), rows))
    if DATA.is_dir():
        found = refit(read_logs(DATA), RoverParameters(), gravity=9.80665)
        scores = [(name, score.r2, 100.0 * score.mape, score.rmse) for name, score in found.scores.items()]
        print(table(("Cuadriga, one of 22 runs left out", "R2", "MAPE [%]", "RMSE [A]"), scores))
        results["cuadriga"] = {name: asdict(score) for name, score in found.scores.items()}
    else:
        print(f"Cuadriga: reference data not found at {DATA}; set ROVER_ENERGY_DATA")
    write_json(options.json, "refit", options.seed, results)


if __name__ == "__main__":
    main()
