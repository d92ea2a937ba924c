"""`rover-energy calibrate`: the demand model against driving logs, and the parameters that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Quiet, check_number
from rover_energy.errors import InputError

if TYPE_CHECKING:
    from rover_energy.locomotion.calibration import CalibrationResult
    from rover_energy.locomotion.drive_log import DriveLog
    from rover_energy.terrain.surface import Surface

LUNAR_GRAVITY, EARTH_GRAVITY = 1.62, 9.80665
LOG_HELP = "CSV logs (see above), or logs of the rover Cuadriga: .txt files or a folder of them"
DEM_HELP = "Cuadriga: height map in UTM zone 30 (.tif, .asc, .npz); default: site_dem_1m.csv beside the logs"
OUT_HELP = "Write calibration.json, calibration.txt and (with --mass) rover.yaml here"
OFFSET = "site_dem_1m_offset.csv"  # beside the logs of Cuadriga: easting and northing of the height map's first node


def calibrate(
    logs: Annotated[list[Path], typer.Argument(help=LOG_HELP, metavar="LOG...")],
    dem: Annotated[Path | None, typer.Option("--dem", help=DEM_HELP, metavar="FILE")] = None,
    out: Annotated[Path | None, typer.Option("--out", help=OUT_HELP, metavar="DIR")] = None,
    mass: Annotated[float | None, typer.Option("--mass", help="Mass of the rover of the logs [kg]", metavar="KG")] = None,
    gravity: Annotated[float, typer.Option("--gravity", help="Where the rover will drive [m/s2]")] = LUNAR_GRAVITY,
    log_gravity: Annotated[float, typer.Option("--log-gravity", help="Where the logs were taken [m/s2]")] = EARTH_GRAVITY,
    efficiency: Annotated[
        float | None, typer.Option("--drivetrain-efficiency", help="Bus to wheel; needed where the logs hold current [-]")
    ] = None,
    seconds: Annotated[float, typer.Option("--window", help="Length of the averaging windows [s]")] = 3.0,
    least_speed: Annotated[float, typer.Option("--least-speed", help="Windows with slower samples are left out [m/s]")] = 0.15,
    footprint: Annotated[float, typer.Option("--footprint", help="Cuadriga: averaging length of the rover [m]")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the bootstrap over runs")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit the demand model to driving logs and say how well it predicts runs that it has not seen.

    Prints R2 and errors of each model with one run left out at a time, errors by slope and by yaw rate, and what the logs cannot
    tell. With --mass and --out it writes the resistance and turning moment as a rover.yaml for `plan --rover`.

    A CSV log has a header and the columns t [s], speed [m/s], yaw_rate [rad/s], along_slope [rad], and power [W] or current [A];
    optional are acceleration [m/s2] and run. At least three runs are needed, in one file or in several.

    **Example:** rover-energy calibrate drive1.csv drive2.csv drive3.csv --mass 180 --out calibrated

    **Exit codes:** 0 clean, 2 unusable input.
    """
    for name, value in (("--gravity", gravity), ("--log-gravity", log_gravity)):
        check_number(value, name, 0.01, 300.0, "m/s2")
    check_number(seconds, "--window", 0.1, 3600.0, "s")
    check_number(least_speed, "--least-speed", 0.001, 100.0, "m/s")
    check_number(seed, "--seed", 0, 2**63, "")
    if mass is not None:
        check_number(mass, "--mass", 0.1, 1.0e6, "kg")
    if efficiency is not None:
        check_number(efficiency, "--drivetrain-efficiency", 0.01, 1.0, "")

    from rover_energy.cli.output import Console
    from rover_energy.locomotion.calibration import calibrate as fit

    console = Console(as_json=as_json, quiet=quiet)
    with console.progress(2) as step:
        step("reading logs")
        runs = read_all(logs, dem, footprint)
        step("fitting")
        result = fit(runs, seconds=seconds, least_speed=least_speed, gravity=log_gravity, seed=seed)
    fragment = result.yaml_fragment(mass=mass, gravity=gravity, drivetrain_efficiency=efficiency) if mass is not None else None
    if out is not None:
        write(out, result, fragment)
    console.result(summary(result, runs, fragment, out), text(result, fragment))
    if out is not None and fragment is None:
        console.say("rover-energy: rover.yaml is not written: the logs know only ratios to the weight, so it needs --mass")


def read_all(paths: list[Path], dem: Path | None, footprint: float) -> list[DriveLog]:
    """Every log of files and folders. Raises InputError."""
    from rover_energy.locomotion.drive_log import read_csv_log

    runs: list[DriveLog] = []
    chosen: dict[Path, set[str] | None] = {}  # folders of Cuadriga logs, and which of their files; None: all
    for path in paths:
        if path.is_dir():
            chosen[path] = None
        elif not path.exists():
            raise InputError(str(path), "LOG", "does not exist", "give a CSV file, a Cuadriga .txt file or a folder of them")
        elif path.suffix.lower() == ".txt":
            names = chosen.setdefault(path.parent, set())
            if names is not None:
                names.add(path.stem)
        else:
            runs += read_csv_log(path)
    if dem is not None and not chosen:
        raise InputError(SOURCE, "--dem", "is given without a Cuadriga log", "leave it out: CSV logs hold their slope", str(dem))
    for folder, names in chosen.items():
        runs += _cuadriga(folder, names, dem, footprint)
    return runs


def _cuadriga(folder: Path, names: set[str] | None, dem: Path | None, footprint: float) -> list[DriveLog]:
    from rover_energy.locomotion.cuadriga import read_logs

    surface = _site(dem, folder, footprint) if dem is not None else None
    runs = read_logs(folder, surface, footprint=footprint)
    return [run for run in runs if names is None or run.name in names]


def _site(dem: Path, folder: Path, footprint: float) -> Surface:
    """The height map, moved to the frame of the logs, whose origin stands in a file beside them."""
    from dataclasses import replace

    import numpy as np

    from rover_energy.terrain.loading import load_terrain
    from rover_energy.terrain.surface import Surface

    terrain = load_terrain(dem)
    try:
        east, north = np.loadtxt(folder / OFFSET, dtype=float).ravel()
    except (OSError, ValueError):
        remedy = "put easting and northing [m] there"
        raise InputError(str(folder / OFFSET), "file", "is missing or not two numbers", remedy) from None
    return Surface.from_terrain(replace(terrain, x0=terrain.x0 - float(east), y0=terrain.y0 - float(north)), footprint)


def write(out: Path, result: CalibrationResult, fragment: str | None) -> None:
    """The result's files, all or none. Raises InputError."""
    from rover_energy.cli.results import ResultFolder

    with ResultFolder(out) as results:
        (results.staging / "calibration.json").write_text(result.to_json() + "\n", encoding="utf-8")
        (results.staging / "calibration.txt").write_text(result.table() + "\n", encoding="utf-8")
        if fragment is not None:
            (results.staging / "rover.yaml").write_text(fragment, encoding="utf-8")
        results.publish()


def summary(result: CalibrationResult, runs: list[DriveLog], fragment: str | None, out: Path | None) -> dict[str, Any]:
    """The whole result as plain data."""
    import json

    import yaml

    dropped: dict[str, int] = {}
    for run in runs:
        for reason, count in run.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return {
        **json.loads(result.to_json()), "dropped_samples": dropped, "out": str(out) if out is not None else None,
        "rover": yaml.safe_load(fragment) if fragment is not None else None,
    }  # fmt: skip


def text(result: CalibrationResult, fragment: str | None) -> str:
    """The tables, and the fragment if there is one."""
    return result.table() if fragment is None else f"{result.table()}\n\n{fragment.rstrip()}"
