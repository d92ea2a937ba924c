"""`rover-energy meters`: do the readings of a metering tree add up, and which meter is wrong."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import AsJson, Quiet
from rover_energy.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from rover_energy.telemetry.meter_check import MeterReport
    from rover_energy.telemetry.meter_tree import MeterTree


def meters(
    readings: Annotated[Path, typer.Argument(help="CSV with time [s], and <meter>.P [W] and <meter>.W [J]", metavar="CSV")],
    tree: Annotated[Path, typer.Option("--tree", help="YAML with the meters, their parents, signs and noise", metavar="FILE")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the issues as YAML here", metavar="FILE")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find faulty readings in a tree of meters and say which meter it was.

    Powers are checked against the balances of the tree and, where there are counters, against these. Meters of one group
    (siblings without children) cannot be told apart by balances; only what they read themselves can tell, and sometimes nothing.

    **Example:** rover-energy meters readings.csv --tree tree.yaml --out issues.yaml

    **Exit codes:** 0 nothing found, 1 faults were found, 2 unusable input.
    """
    from rover_energy.cli.output import Console
    from rover_energy.cli.results import whole_file
    from rover_energy.errors import EXIT_CLEAN, EXIT_FAILED
    from rover_energy.telemetry.meter_check import check_meters
    from rover_energy.telemetry.meter_faults import issue_text
    from rover_energy.telemetry.meter_tree import read_tree

    console = Console(as_json=as_json, quiet=quiet)
    with console.progress(2) as step:
        step("reading")
        described = read_tree(tree)
        time, power, energy = read_readings(readings, described)
        step("checking")
        report = check_meters(described, time, power, energy)
    if out is not None:
        with whole_file(out) as place:
            place.write_text(issue_text(report.issues), encoding="utf-8")
    console.result(summary(described, report, len(time)), text(described, report, len(time)))
    raise typer.Exit(EXIT_FAILED if report.flags.any() else EXIT_CLEAN)


def read_readings(path: Path, tree: MeterTree) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Time, power, and energy if every meter has a counter. An empty cell is NaN. Raises InputError."""
    import numpy as np

    try:
        with path.open(encoding="utf-8") as file:
            titles = [title.strip() for title in file.readline().split(",")]
            table = np.genfromtxt(file, delimiter=",", ndmin=2)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), "file", getattr(error, "strerror", None) or "is not text", "check the path") from None
    except ValueError:
        raise InputError(str(path), "rows", "differ in length", "give every row as many cells as the header") from None
    if not table.size or table.shape[1] != len(titles):
        raise InputError(str(path), "rows", "are missing or do not fit the header", "write a header and one row per instant")

    def columns(names: list[str]) -> np.ndarray:
        missing = [name for name in names if name not in titles]
        if missing:
            raise InputError(str(path), "columns", f"{', '.join(missing)} missing", "give time and a power for every meter")
        return np.asarray(table[:, [titles.index(name) for name in names]], dtype=float)

    counters = [f"{name}.W" for name in tree.names]
    energy = columns(counters) if all(name in titles for name in counters) else None
    return columns(["time"])[:, 0], columns([f"{name}.P" for name in tree.names]), energy


def summary(tree: MeterTree, report: MeterReport, instants: int) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "instants": instants, "faulty_instants": int(report.flags.sum()), "unlocated_instants": report.unlocated,
        "readings_blamed": {name: int(count) for name, count in zip(tree.names, report.blamed.sum(axis=0), strict=True)},
        "issues": [asdict(issue) for issue in report.issues],
        "not_told_apart": [list(group) for group in tree.groups if len(group) > 1],
    }  # fmt: skip


def text(tree: MeterTree, report: MeterReport, instants: int) -> str:
    """The report for people."""
    lines = [f"{int(report.flags.sum())} of {instants} instants are faulty, {report.unlocated} of them without a meter to blame"]
    for name, count in zip(tree.names, report.blamed.sum(axis=0), strict=True):
        reasons = sorted({issue.reason for issue in report.issues if issue.meter == name})
        if count:
            lines.append(f"  {name}: {count} readings ({', '.join(reasons)})")
    groups = "; ".join(", ".join(group) for group in tree.groups if len(group) > 1)
    return "\n".join([*lines, f"balances cannot tell apart: {groups}"] if groups else lines)
