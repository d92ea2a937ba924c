"""The telemetry sentinel on recorded drives: its false alarms, and faults that are put into the recorded rows.

Every bag becomes rows as the node makes them; every stretch of twelve rows is judged at the first and at the greatest depth.
Faults are put in from the sixth row on: a leak of the battery, wheels that stand while the motors pull, motors that pull
nothing while the wheels turn. "found" is by the threshold of the artefact, "other drives" by the 99 % quantile of the other bags.
Stretches overlap, so they are not independent. Bags come as pairs of --bag and the --plan that was driven.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from common import parse, parser, table, write_json
from numpy.typing import NDArray

from rover_energy.inference.learning.sentinel_build import ARTEFACT, FALSE_ALARM, auroc
from rover_energy.inference.sentinel import Sentinel, read_sentinel, scores_of
from rover_energy.inference.tasks.telemetry_faults import CHANNELS, ROWS
from rover_energy.inference.telemetry_rows import RowMaker, reference_power
from rover_energy.parameters import load_yaml
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]
COLUMNS = (
    "bag", "stretches", "depth", "false alarms %", "leak 15 %", "leak 25 %", "stall", "loose wheel", "found %",
    "other drives: false alarms %", "found %",
)  # fmt: skip
FROM, MOVING = 5, 0.3  # row at which a fault begins; mean speed of the wheels above which stalls are looked for


def rows_of(bag: Path, plan: Path) -> Array:
    """Rows (n, channels) of a bag, one after the other."""
    from rosbags.highlevel import AnyReader

    from rover_energy.nodes.recorder_node import typestore

    rover = load_yaml(RoverParameters, plan / "rover.yaml")
    radius = 0.5 * rover.locomotion.resistance.wheel.diameter
    maker, found = RowMaker(1.0, reference_power(rover.loads.base_power), rover.limits.speed), []
    with AnyReader([bag], default_typestore=typestore()) as reader:
        wanted = [c for c in reader.connections if c.topic.strip("/") in ("power_state", "joint_states")]
        for connection, _, data in reader.messages(connections=wanted):
            m = reader.deserialize(data, connection.msgtype)
            if connection.topic.strip("/") == "joint_states":
                names = zip(m.name, m.velocity, strict=True)
                maker.add_wheels(speed * radius for name, speed in names if name.startswith("drive_"))
                continue
            loads = {load.name: load.power for load in m.loads}
            motors = loads.get("drive", 0.0) + loads.get("turn", 0.0)
            generation = m.rtg_power + m.pv_power
            surplus = generation - math.fsum(loads.values()) - m.shunt_power
            time = m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec
            if maker.add_power(time, motors, generation, surplus, m.battery_energy):
                found.append(maker.rows[-1])
    return np.array(found).reshape(-1, len(CHANNELS))


def stretches_of(rows: Array) -> Array:
    """All whole stretches (n, rows, channels) without NaN."""
    made = np.stack([rows[i : i + ROWS] for i in range(len(rows) - ROWS + 1)])
    whole: Array = made[np.isfinite(made).all(axis=(1, 2))]
    return whole


def score(sentinel: Sentinel, stretches: Array, depth: int) -> Array:
    """Scores (n,)."""
    return scores_of(sentinel.surprise(stretches, depth)[0], sentinel.score_tokens)


def broken(stretches: Array) -> dict[str, Array]:
    """The stretches with a fault each."""
    moving = stretches[stretches[:, :, 0].mean(axis=1) > MOVING]
    made = {"leak 15 %": stretches.copy(), "leak 25 %": stretches.copy(), "stall": moving.copy(), "loose wheel": moving.copy()}
    made["leak 15 %"][:, FROM:, 3] -= 0.15
    made["leak 25 %"][:, FROM:, 3] -= 0.25
    made["stall"][:, FROM:, 0] = 0.0
    made["loose wheel"][:, FROM:, 1] *= 0.2
    return made


def main(argv: list[str] | None = None) -> None:
    """Print one row per bag and depth."""
    arguments = parser(__doc__, problems=1, quick=1)
    arguments.add_argument("--variants", type=Path, required=True, help="folder of rover-energy infer build")
    arguments.add_argument("--bag", type=Path, action="append", required=True, help="bag of a drive; may be given again")
    arguments.add_argument("--plan", type=Path, action="append", required=True, help="folder of its plan, in the same order")
    options = parse(arguments, argv)
    sentinel, lines, results = read_sentinel(options.variants / ARTEFACT), [], []
    pairs = zip(options.bag, options.plan, strict=True)
    drives = {bag.parent.parent.name: stretches_of(rows_of(bag, plan)) for bag, plan in pairs}
    for depth in (1, sentinel.depth):
        nominal = {name: score(sentinel, stretches, depth) for name, stretches in drives.items()}
        for name, stretches in drives.items():
            others = [scores for other, scores in nominal.items() if other != name]
            limits = {"artefact": float(sentinel.thresholds[depth - 1])}
            limits["others"] = float(np.quantile(np.concatenate(others), 1.0 - FALSE_ALARM)) if others else math.nan
            bad = {fault: score(sentinel, faulty, depth) for fault, faulty in broken(stretches).items()}
            row = {"bag": name, "depth": depth, "stretches": len(stretches),
                   "areas": {fault: auroc(nominal[name], scores) for fault, scores in bad.items()}}  # fmt: skip
            for kind, limit in limits.items():
                row[f"alarms by {kind}"] = 100.0 * float(np.mean(nominal[name] > limit))
                row[f"found by {kind}"] = [100.0 * float(np.mean(scores > limit)) for scores in bad.values()]
            results.append(row)
            cells = [f"{row['alarms by artefact']:.1f}", *(f"{a:.3f}" for a in row["areas"].values())]
            cells += [", ".join(f"{f:.0f}" for f in row["found by artefact"]), f"{row['alarms by others']:.1f}"]
            lines.append((name, str(len(stretches)), str(depth), *cells, ", ".join(f"{f:.0f}" for f in row["found by others"])))
    print(table(COLUMNS, lines))
    print(f"areas against the same drive's own stretches; the threshold is that of {100.0 * FALSE_ALARM:g} % of generated ones")
    write_json(options.json, "sentinel_bag", options.seed, results)


if __name__ == "__main__":
    main()
