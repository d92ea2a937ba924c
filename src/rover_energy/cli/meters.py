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

    from rover_energy.telemetry.meter_bag import BagMeters
    from rover_energy.telemetry.meter_check import MeterReport
    from rover_energy.telemetry.meter_tree import MeterTree


def meters(
    readings: Annotated[
        Path, typer.Argument(help="Bag with power_state, or CSV: time [s], <meter>.P [W], <meter>.W [J]", metavar="BAG|CSV")
    ],
    tree: Annotated[
        Path | None,
        typer.Option("--tree", help="YAML with the meters, their parents, signs, noise; of a bag: made from it", metavar="FILE"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the issues as YAML here", metavar="FILE")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find faulty readings in a tree of meters and say which meter it was.

    Powers are checked against the balances of the tree and, where there are counters, against these. Meters of one group
    (siblings without children) cannot be told apart by balances; only what they read themselves can tell, and sometimes nothing.

    Of a bag the tree is battery = loads + shunt - rtg - pv, and the motors' own meter below the drive; a load's energy is its
    counter. Its energies are told, too.

    **Example:** rover-energy meters drive/bag

    **Example:** rover-energy meters readings.csv --tree tree.yaml --out issues.yaml

    **Exit codes:** 0 nothing found, 1 faults were found, 2 unusable input, 3 done, but a part of the bag was lost.
    """
    from rover_energy.cli.bag_end import finish
    from rover_energy.cli.output import Console
    from rover_energy.cli.results import whole_file
    from rover_energy.errors import EXIT_CLEAN, EXIT_FAILED
    from rover_energy.telemetry.bag import is_bag
    from rover_energy.telemetry.meter_bag import read_meters
    from rover_energy.telemetry.meter_check import check_meters
    from rover_energy.telemetry.meter_faults import issue_text
    from rover_energy.telemetry.meter_tree import read_tree
    from rover_energy.telemetry.recording import Recording

    console, recordings, energies = Console(as_json=as_json, quiet=quiet), [], {}
    energy: np.ndarray | None
    with console.progress(2) as step:
        step("reading")
        described = read_tree(tree) if tree is not None else None
        if is_bag(readings):
            recordings = [Recording(readings)]
            bag = read_meters(recordings[0], described)
            described, time, power, energy = bag.tree, bag.time, bag.power, bag.energy
            energies = energies_of(bag)
        elif described is None:
            raise InputError("meters", "--tree", "is missing", "give the tree of the CSV's meters; only a bag goes without")
        else:
            time, power, energy = read_readings(readings, described)
        step("checking")
        report = check_meters(described, time, power, energy)
    if out is not None:
        with whole_file(out) as place:
            place.write_text(issue_text(report.issues), encoding="utf-8")
    facts = {**summary(described, report, len(time)), **energies}
    lost = {"loss": recordings[0].loss.to_mapping()} if recordings else {}
    console.result({**facts, **lost}, "\n".join([*energy_lines(described, energies), text(described, report, len(time))]))
    finish(recordings, EXIT_FAILED if report.flags.any() else EXIT_CLEAN, quiet=quiet)


def energies_of(bag: BagMeters) -> dict[str, Any]:
    """Energies of a bag's meters, what of each balance they leave open, and the time that nobody metered."""
    import numpy as np

    total = bag.energy[-1]
    whole = np.where(np.isfinite(total), total, np.nanmax(bag.energy, axis=0, initial=0.0))
    open_ = bag.tree.balances @ whole
    return {
        "energy_J": dict(zip(bag.tree.names, whole.tolist(), strict=True)),
        "counters": list(bag.counted),
        "unbalanced_J": dict(zip(bag.tree.parents, open_.tolist(), strict=True)),
        "seconds": float(bag.time[-1] - bag.time[0]), "seconds_missing": bag.missing,
    }  # fmt: skip


def energy_lines(tree: MeterTree, energies: dict[str, Any]) -> list[str]:
    """The energies for people, as the tree they belong to."""
    if not energies:
        return []

    def below(parent: str, depth: int) -> list[str]:
        found = []
        for name, meter in tree.meters.items():
            if meter.parent == parent:
                sign = "-" if meter.sign < 0 else " "
                witness = "counter" if name in energies["counters"] else "power over time"
                found.append(f"{'  ' * depth + sign + name:<28}{energies['energy_J'][name]:14.1f} J  {witness}")
                found += below(name, depth + 1)
        return found

    missing = f", {energies['seconds_missing']:.1f} s of them without readings" if energies["seconds_missing"] else ""
    lines = [f"{energies['seconds']:.1f} s{missing}", *below("", 0)]
    return [*lines, *(f"left open at {name}: {value:.3g} J" for name, value in energies["unbalanced_J"].items())]


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
