"""`rover-energy refit`: soil and drivetrain parameters from recorded drives, as a rover.yaml to plan with."""

from __future__ import annotations

import math
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Quiet, RoverFile, check_number
from rover_energy.errors import InputError

if TYPE_CHECKING:
    from rover_energy.locomotion.drive_log import DriveLog
    from rover_energy.telemetry.recording import Recording
    from rover_energy.telemetry.refit import RefitResult


class Signal(str, Enum):
    """What the model is fitted to."""

    motors = "motors"
    total = "total"
    current = "current"


def refit(
    bags: Annotated[list[Path], typer.Argument(help="Bags (rosbag2 folders) or CSV logs of drives", metavar="BAG...")],
    rover: RoverFile = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rover with its new values here", metavar="FILE")] = None,
    signal: Annotated[
        Signal, typer.Option("--signal", help="Power of the motors, of the whole bus, or motor current; bags only")
    ] = Signal.motors,
    gravity: Annotated[
        float | None,
        typer.Option("--gravity", help="Where the drives took place [m/s2]; without it as the inertial unit felt it"),
    ] = None,
    free: Annotated[str, typer.Option("--free", help="Fields of rover.yaml to fit, comma separated", metavar="A,B")] = "",
    mass: Annotated[float | None, typer.Option("--mass", help="Mass of the rover, in place of rover.yaml's [kg]")] = None,
    seconds: Annotated[float, typer.Option("--window", help="Length of the averaging windows [s]")] = 3.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit resistance, turning moment and drivetrain efficiency of the demand model to drives, with uncertainty.

    Every score is out of sample: whole runs left out, or stretches of time where there are fewer than three runs; beside it a
    constant, a constant plus grade, and the rover as it was described. What the drives cannot tell keeps its value and is named.

    **Example:** rover-energy refit drive/bag --rover traverse/rover.yaml --out refitted.yaml

    **Exit codes:** 0 clean, 1 the refit predicts no better than a constant plus grade (nothing is written), 2 unusable input,
    3 done, but a part of a bag was lost.
    """
    check_number(seconds, "--window", 0.1, 3600.0, "s")
    if gravity is not None:
        check_number(gravity, "--gravity", 0.01, 300.0, "m/s2")
    if mass is not None:
        check_number(mass, "--mass", 0.1, 1.0e5, "kg")

    from rover_energy.cli.bag_end import finish
    from rover_energy.cli.output import Console
    from rover_energy.errors import EXIT_CLEAN, EXIT_FAILED
    from rover_energy.parameters import load_yaml
    from rover_energy.rover import RoverParameters
    from rover_energy.telemetry.refit import refit as fit
    from rover_energy.telemetry.refit import replaced
    from rover_energy.telemetry.refit_text import format_refit, rover_text

    console = Console(as_json=as_json, quiet=quiet)
    described = load_yaml(RoverParameters, rover) if rover is not None else RoverParameters()
    if mass is not None:
        described = replaced(described, "locomotion.mass", mass)
    with console.progress(2) as step:
        step("reading")
        logs, felt, recordings = read_all(bags, signal.value)
        place = gravity if gravity is not None else known_gravity(felt, bags[0])
        step("fitting")
        names = [name.strip() for name in free.split(",") if name.strip()]
        total = signal is Signal.total
        result = fit(logs, described, gravity=place, free=names, total=total, seconds=seconds)
    good = result.beats_grade
    if out is not None and good:
        write(out, rover_text(result, place))
    facts = summary(result, place, out if good else None)
    facts["loss"] = {str(found.path): found.loss.to_mapping() for found in recordings if found.loss.any}
    console.result(facts, format_refit(result, place))
    if gravity is None:
        console.say(f"rover-energy: gravity {place:.4g} m/s2 as the inertial unit felt it; --gravity states it")
    if not good:
        console.say("rover-energy: refit: out of sample no better than a constant plus grade; nothing is written")
    finish(recordings, EXIT_CLEAN if good else EXIT_FAILED, quiet=quiet)


def read_all(paths: list[Path], signal: str) -> tuple[list[DriveLog], list[float], list[Recording]]:
    """All drives, the gravity that each felt, and the bags they are from. Raises InputError."""
    from rover_energy.locomotion.drive_log import read_csv_log
    from rover_energy.telemetry.drive_bag import read_drive
    from rover_energy.telemetry.recording import Recording

    logs: list[DriveLog] = []
    felt: list[float] = []
    recordings: list[Recording] = []
    for path in paths:
        if path.suffix.lower() == ".csv":
            logs += read_csv_log(path)
        else:
            recordings.append(Recording(path))
            log, gravity = read_drive(recordings[-1], signal)
            logs.append(log)
            felt.append(gravity)
    return logs, felt, recordings


def known_gravity(felt: list[float], bag: Path) -> float:
    """Gravity as felt on all drives. Raises InputError when none says, or they differ."""
    known = [value for value in felt if math.isfinite(value)]
    if not known:
        raise InputError(SOURCE, "--gravity", f"is not given, and {bag} has no inertial unit", "give it in m/s2")
    if not max(known) <= 1.1 * min(known):
        raise InputError(SOURCE, "--gravity", "differs between the bags", "give bags of one body", known)
    return sum(known) / len(known)


def write(path: Path, text: str) -> None:
    """The file, whole or not at all. Raises InputError."""
    from rover_energy.cli.results import whole_file

    with whole_file(path) as place:
        place.write_text(text, encoding="utf-8")


def summary(result: RefitResult, gravity: float, out: Path | None) -> dict[str, Any]:
    """The result as plain data."""
    return {
        "quantity": result.quantity, "runs": result.runs, "windows": result.windows, "window_s": result.seconds,
        "gravity": gravity, "estimates": [asdict(estimate) for estimate in result.estimates],
        "covariance": result.covariance, "scale": result.scale,
        "scores": {name: asdict(score) for name, score in result.scores.items()}, "folds": result.folds,
        "beats_grade": result.beats_grade, "findings": list(result.findings),
        "out": str(out) if out is not None else None,
    }  # fmt: skip
