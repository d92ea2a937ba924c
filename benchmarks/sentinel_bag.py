"""The telemetry sentinel on recorded drives: its false alarms, and faults that are put into the recorded rows.

Every bag becomes rows as the node makes them; every stretch of twelve rows is judged at the first and at the greatest depth.
Faults are put in from the sixth row on: a leak of the battery, wheels that stand while the motors pull, motors that pull nothing while
the wheels turn. Stretches overlap, so they are not independent. Bags come as pairs of --bag and the --plan that was driven.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from common import parse, parser, table, write_json
from numpy.typing import NDArray

from rover_energy.inference.learning.sentinel_build import ARTEFACT, FALSE_ALARM, auroc
from rover_energy.inference.sentinel import read_sentinel, scores_of
from rover_energy.inference.tasks.telemetry_faults import CHANNELS, ROWS
from rover_energy.inference.telemetry_rows import RowMaker, reference_power
from rover_energy.parameters import load_yaml
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]
COLUMNS = ("bag", "stretches", "depth", "false alarms %", "leak 15 %", "leak 25 %", "stall", "loose wheel", "found %")
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
            surplus = m.rtg_power + m.pv_power - math.fsum(loads.values()) - m.shunt_power
            if maker.add_power(m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec, motors, surplus, m.battery_energy):
                found.append(maker.rows[-1])
    return np.array(found).reshape(-1, len(CHANNELS))


def broken(stretches: Array) -> dict[str, Array]:
    """The stretches with a fault each."""
    moving = stretches[stretches[:, :, 0].mean(axis=1) > MOVING]
    made = {"leak 15 %": stretches.copy(), "leak 25 %": stretches.copy(), "stall": moving.copy(), "loose wheel": moving.copy()}
    made["leak 15 %"][:, FROM:, 3] -= 0.15
    made["leak 25 %"][:, FROM:, 3] -= 0.25
    made["stall"][:, FROM:, 0] = 0.0
    gone = 0.8 * moving[:, FROM:, 1]
    made["loose wheel"][:, FROM:, 1] -= gone
    made["loose wheel"][:, FROM:, 2:] += gone[..., None]
    return made


def main(argv: list[str] | None = None) -> None:
    """Print one row per bag and depth."""
    arguments = parser(__doc__, problems=1, quick=1)
    arguments.add_argument("--variants", type=Path, required=True, help="folder of rover-energy infer build")
    arguments.add_argument("--bag", type=Path, action="append", required=True, help="bag of a drive; may be given again")
    arguments.add_argument("--plan", type=Path, action="append", required=True, help="folder of its plan, in the same order")
    options = parse(arguments, argv)
    sentinel, lines, results = read_sentinel(options.variants / ARTEFACT), [], []
    for bag, plan in zip(options.bag, options.plan, strict=True):
        rows = rows_of(bag, plan)
        stretches = np.stack([rows[i : i + ROWS] for i in range(len(rows) - ROWS + 1)])
        stretches = stretches[np.isfinite(stretches).all(axis=(1, 2))]
        for depth in (1, sentinel.depth):
            nominal = scores_of(sentinel.surprise(stretches, depth)[0], sentinel.score_tokens)
            threshold = sentinel.thresholds[depth - 1]
            faulty = broken(stretches).items()
            bad = {name: scores_of(sentinel.surprise(s, depth)[0], sentinel.score_tokens) for name, s in faulty}
            areas = {name: auroc(nominal, scores) for name, scores in bad.items()}
            found = {name: 100.0 * float(np.mean(scores > threshold)) for name, scores in bad.items()}
            alarms = 100.0 * float(np.mean(nominal > threshold))
            results.append({"bag": str(bag), "depth": depth, "stretches": len(stretches), "false_alarms": alarms,
                            "areas": areas, "found": found})  # fmt: skip
            shown = [f"{a:.3f}" for a in areas.values()]
            percent = ", ".join(f"{f:.0f}" for f in found.values())
            lines.append((bag.parent.parent.name, str(len(stretches)), str(depth), f"{alarms:.1f}", *shown, percent))
    print(table(COLUMNS, lines))
    print(f"areas against the same drive's own stretches; the threshold is that of {100.0 * FALSE_ALARM:g} % of generated ones")
    write_json(options.json, "sentinel_bag", options.seed, results)


if __name__ == "__main__":
    main()
