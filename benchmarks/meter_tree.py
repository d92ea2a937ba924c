"""Faulty meters in a tree: how many faulty instants are found, how many good ones are accused, how often the right meter is
blamed.

A bus with 17 meters (two sources, four subsystems, ten loads), power and energy channels, six kinds of fault at random places,
lengths and sizes. Every seed is a fresh record. Beside the full check: the chi-squared misfit of the balances alone, and it with
the single instant's location by the balances alone, which cannot tell the loads of one subsystem apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from common import parse, parser, progress, table, write_json

from rover_energy.telemetry.made_meters import KINDS, MadeReadings, make_readings, rover_tree
from rover_energy.telemetry.meter_check import IMPROBABLE, MeterReport, check_meters
from rover_energy.telemetry.meter_tree import MeterTree
from rover_energy.telemetry.reconciliation import reconcile

FAULTS_PER_SAMPLE = 60 / 20000


def one_record(tree: MeterTree, samples: int, seed: int) -> dict[str, Any]:
    """Figures of one seed."""
    data = make_readings(tree, samples, faults=round(FAULTS_PER_SAMPLE * samples), seed=seed)
    report = check_meters(tree, data.time, data.power, data.energy)
    powers = check_meters(tree, data.time, data.power)
    truth = data.faulty.any(axis=1)
    alone = reconcile(tree, data.power).probability < IMPROBABLE
    values = reconcile(tree, np.where(data.faulty, np.nan, data.power)).values
    sound = ~data.faulty & np.isfinite(values)
    return {
        "seed": seed, "faulty": float(truth.mean()), **rates("", truth, report.flags), **rates("balances ", truth, alone),
        **rates("power only ", truth, powers.flags), "located": located(data, report), "wrongly blamed": accused(data, report),
        "located by power only": located(data, powers),
        "rmse read": rmse(data.power[sound] - data.truth[sound]), "rmse reconciled": rmse(values[sound] - data.truth[sound]),
        "by kind": by_kind(tree, data, report),
    }  # fmt: skip


def rates(label: str, truth: np.ndarray, flags: np.ndarray) -> dict[str, float]:
    """Share of faulty instants that are flagged, and of good ones."""
    return {f"{label}detected": float(flags[truth].mean()), f"{label}false alarms": float(flags[~truth].mean())}


def located(data: MadeReadings, report: MeterReport) -> float:
    """Share of faulty readings whose meter is blamed."""
    return float(report.blamed[data.faulty].mean())


def accused(data: MadeReadings, report: MeterReport) -> float:
    """Share of good readings that are blamed."""
    return float(report.blamed[~data.faulty].mean())


def rmse(error: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(error**2)))


def by_kind(tree: MeterTree, data: MadeReadings, report: MeterReport) -> dict[str, tuple[int, int, int]]:
    """Of each kind of fault: faulty readings, of these at a flagged instant, of these with the right meter blamed."""
    found = {kind: [0, 0, 0] for kind in KINDS}
    for issue in data.issues:
        column = tree.names.index(issue.meter)
        rows = np.flatnonzero((data.time >= issue.start) & (data.time <= issue.end) & data.faulty[:, column])
        counts = (len(rows), int(report.flags[rows].sum()), int(report.blamed[rows, column].sum()))
        found[issue.reason] = [a + b for a, b in zip(found[issue.reason], counts, strict=True)]
    return {kind: (total, flagged, blamed) for kind, (total, flagged, blamed) in found.items()}


COLUMNS = (
    "seed", "faulty", "detected", "false alarms", "located", "wrongly blamed", "balances detected", "balances false alarms",
    "rmse read", "rmse reconciled",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Run and print."""
    arguments = parser(__doc__, problems=5, quick=1)
    arguments.add_argument("--samples", type=int, default=20000, help="instants per record (default 20000)")
    options = parse(arguments, argv)
    tree = rover_tree()
    seeds = range(options.seed, options.seed + options.problems)
    results = [one_record(tree, options.samples, seed) for seed in progress(seeds, options.problems, "records")]
    rows: list[list[Any]] = [[result[name] for name in COLUMNS] for result in results]
    means = [float(np.mean([result[name] for result in results])) for name in COLUMNS[1:]]
    print(table(COLUMNS, [*rows, ["mean", *means]], "share of instants, of readings; errors in W"))
    totals = {kind: np.sum([result["by kind"][kind] for result in results], axis=0) for kind in KINDS}
    kinds = [
        (kind, int(total), flagged / max(total, 1), blamed / max(total, 1)) for kind, (total, flagged, blamed) in totals.items()
    ]
    print(table(("kind of fault", "readings", "at a flagged instant", "right meter blamed"), kinds))
    groups = [group for group in tree.groups if len(group) > 1]
    print("no balance tells apart: " + "; ".join(", ".join(group) for group in groups))
    detected, false = means[COLUMNS.index("detected") - 1], means[COLUMNS.index("false alarms") - 1]
    print(f"detected {100 * detected:.2f} % (wanted 99), false alarms {100 * false:.3f} % (allowed 0.5)")
    write_json(options.json, "meter_tree", options.seed, results)


if __name__ == "__main__":
    main()
