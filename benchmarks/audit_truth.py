"""The audit of a recorded drive against the simulator's own truth, which never goes through a message.

The nodes of `rover-energy drive` are run with a simulator that also writes, at each of its steps of 10 ms, what the motors and
the array really did. The audit then reads the bag alone. Wanted: energies within 0.1 %, peaks within 0.5 %.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import parse, parser, table, write_json

from rover_energy.nodes import ros
from rover_energy.nodes.graph import Node, simulation_graph
from rover_energy.nodes.processes import Processes
from rover_energy.nodes.session import Session
from rover_energy.nodes.simulator_node import Simulator
from rover_energy.parameters import load_yaml
from rover_energy.rover import RoverParameters
from rover_energy.simulation.run import STEP, WINDOW
from rover_energy.telemetry.bag import open_bag
from rover_energy.telemetry.run_audit import audit_bag

ENERGY, PEAK = 1e-3, 5e-3
FLAG = "--witness"


class Watched:
    """A simulator engine whose every step is written down."""

    def __init__(self, engine: Any, path: Path) -> None:
        self.engine, self.file, self.time = engine, path.open("wb", buffering=0), 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def step(self, command: Any, seconds: float) -> Any:
        reading = self.engine.step(command, seconds)
        self.time += seconds
        self.file.write(np.array([self.time, reading.motor_power, reading.pv_power]).tobytes())
        return reading


class Witness(Simulator):
    """The simulator node, watched."""

    path = Path()

    def configure(self) -> None:
        super().configure()
        self.engine = Watched(self.engine, self.path)


@contextmanager
def witness(node: Node, truth: Path, processes: Processes) -> Iterator[None]:
    """The process of the watched simulator, beside the graph's own."""
    command = [sys.executable, __file__, FLAG, str(truth), *node.arguments()]
    with (truth.parent / "simulator.txt").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **processes.environment()}, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10.0)


def truth_of(path: Path, first: float, last: float, constant: float) -> dict[str, float]:
    """Energies [J] and peaks of the mean over a window [W] between two instants [s]."""
    rows = np.fromfile(path).reshape(-1, 3)
    rows = rows[(rows[:, 0] > first + 1e-6) & (rows[:, 0] <= last + 1e-6)]
    per = round(WINDOW / STEP)
    motors, array = (rows[: len(rows) // per * per, i].reshape(-1, per).mean(axis=1) for i in (1, 2))
    return {
        "motors [J]": float(rows[:, 1].sum() * STEP), "array [J]": float(rows[:, 2].sum() * STEP),
        "all loads [J]": float(rows[:, 1].sum() * STEP + constant * STEP * len(rows)),
        "peak of the motors [W]": float(motors.max()), "peak of all loads [W]": float(motors.max() + constant),
        "peak of the array [W]": float(array.max()),
    }  # fmt: skip


def audited(bag: Path, rover: RoverParameters) -> tuple[dict[str, float], float, float]:
    """The same from the bag; and the span that its power stream covers [s]."""
    result = audit_bag(open_bag(bag), rover=rover)
    loads = {load["name"]: load for load in result["energy"]["loads"]}
    array = next(s for s in result["energy"]["sources"] if s["name"] == "pv")
    span = next(t for t in result["topics"] if t["name"] == result["energy"]["from"])
    zero = 1e-9 * result["bag"]["start_ns"]
    return {
        "motors [J]": loads["drive"]["energy_J"], "array [J]": array["energy_J"], "all loads [J]": result["energy"]["consumed_J"],
        "peak of the motors [W]": loads["drive"]["peak_W"], "peak of all loads [W]": result["compliance"]["peak_W"],
        "peak of the array [W]": array["peak_W"],
    }, zero + span["first"], zero + span["last"]  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Drive, audit, compare."""
    arguments = parser(__doc__, problems=1, quick=1)
    arguments.add_argument("--plan", type=Path, required=True, help="folder written by rover-energy plan or demo")
    arguments.add_argument("--engine", choices=("loopback", "mujoco"), default="loopback")
    arguments.add_argument("--domain", type=int, default=25, help="ROS_DOMAIN_ID")
    options = parse(arguments, argv)
    rover = load_yaml(RoverParameters, options.plan / "rover.yaml")
    with tempfile.TemporaryDirectory() as place:
        out, truth = Path(place), Path(place) / "truth.bin"
        nodes = simulation_graph(options.plan.resolve(), out / "bag", simulator=options.engine)
        watched = next(node for node in nodes if node.name == "simulator")
        others = [node for node in nodes if node is not watched]
        with Processes(others, out, options.domain) as graph, witness(watched, truth, graph), Session(graph) as session:
            session.bring_up()
            session.drive(options.plan, limit=1200.0)
        found, first, last = audited(out / "bag", rover)
        real = truth_of(truth, first, last, rover.loads.base_power + rover.loads.inference_power)
    rows = []
    for name, value in real.items():
        error = abs(found[name] - value) / value if value else abs(found[name])
        wanted = PEAK if name.startswith("peak") else ENERGY
        rows.append((name, value, found[name], 100.0 * error, 100.0 * wanted, "yes" if error <= wanted else "NO"))
    print(table(("quantity", "truth", "audit", "error [%]", "wanted [%]", "reached"), rows))
    write_json(
        options.json,
        "audit_truth",
        options.seed,
        [dict(zip(("name", "truth", "audit", "percent"), r, strict=False)) for r in rows],
    )
    return 0 if all(row[-1] == "yes" for row in rows) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == [FLAG]:
        Witness.path = Path(sys.argv[2])
        sys.argv[1:3] = []
        ros.run(Witness)
    else:
        sys.exit(main())
