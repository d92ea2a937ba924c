"""Processor time and memory of every node: idle, and while the rover drives, with the simulator counted apart.

The graph of `rover-energy drive` with the loopback keeps pace with real time. Shares are of one core. Memory is what only the
process has (USS) and its part of what it shares (PSS): nodes that are forked from one process share most of what they show.

    python benchmarks/resources.py --problems 5
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from common import parse, parser, progress, table, write_json
from graph_rig import Rig

IDLE = 10.0  # [s]
NURSERY = "nursery"
ASIDE = ("simulator",)  # not part of a real rover


@dataclass
class Usage:
    """Of one process. Processor shares of one core [%], memory [MB]."""

    node: str
    idle: float
    driving: float
    unique: float
    proportional: float
    resident: float
    threads: int


def seconds(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Processor time so far of each process with its children [s]."""
    found = {}
    for name, process in processes.items():
        family = [process, *(process.children(recursive=True) if name != NURSERY else [])]
        times = [member.cpu_times() for member in family if member.is_running()]
        found[name] = sum(t.user + t.system for t in times)
    return found


class Sampler:
    """Adds up processor time between `moving` and `standing`, as odometry tells them."""

    def __init__(self, rig: Rig, processes: dict[str, psutil.Process]) -> None:
        self.rig, self.processes = rig, processes
        self.used, self.elapsed = dict.fromkeys(processes, 0.0), 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def moving(self) -> bool:
        return bool(self.rig.heard.odometry) and abs(self.rig.heard.odometry[-1][2]) > 0.02

    def work(self) -> None:
        before, since, was = seconds(self.processes), time.monotonic(), False
        while not self.ended.wait(0.5):
            now, at, moves = seconds(self.processes), time.monotonic(), self.moving()
            if was and moves:
                self.elapsed += at - since
                for name in now:
                    self.used[name] += now[name] - before[name]
            before, since, was = now, at, moves

    def __enter__(self) -> Sampler:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


def measure(rig: Rig, drives: int) -> tuple[list[Usage], float]:
    """Usage of every node, and for how long the rover moved [s]."""
    processes = {name: psutil.Process(child.pid) for name, child in rig.processes.running.items()}
    rig.spin(lambda: False, 6.0)
    assert rig.processes.nursery.process is not None
    nursery, nodes = psutil.Process(rig.processes.nursery.process.pid), {p.pid for p in processes.values()}
    spares = [p for p in nursery.children() if p.pid not in nodes]
    processes.update(zip(("spare",), spares, strict=False))
    processes[NURSERY] = nursery
    before, began = seconds(processes), time.monotonic()
    rig.spin(lambda: False, IDLE)
    idle = {name: 100.0 * (used - before[name]) / (time.monotonic() - began) for name, used in seconds(processes).items()}
    with Sampler(rig, processes) as sampler:
        for _ in progress(range(drives), drives, "drives"):
            rig.session.drive_trajectory(rig.next_trajectory(), limit=120.0)
    usages = []
    for name, process in processes.items():
        memory = process.memory_full_info()
        driving = 100.0 * sampler.used[name] / sampler.elapsed
        sizes = (1e-6 * v for v in (memory.uss, memory.pss, memory.rss))
        usages.append(Usage(name, idle[name], driving, *sizes, process.num_threads()))
    return usages, sampler.elapsed


def summary(usages: Sequence[Usage], elapsed: float) -> str:
    """A row per node, and the sum without the simulator."""
    columns = ("node", "idle %", "driving %", "USS MB", "PSS MB", "RSS MB", "threads")
    rows: list[list[Any]] = [list(asdict(u).values()) for u in usages]
    graph = [u for u in usages if u.node not in ASIDE]
    sums = [sum(getattr(u, name) for u in graph) for name in ("idle", "driving", "unique", "proportional", "resident")]
    rows.append(["graph without simulator", *sums, sum(u.threads for u in graph)])
    return table(columns, rows, f"shares of one core; {IDLE:g} s idle (sensors run), {elapsed:.0f} s driving at real time")


def main(argv: Sequence[str] | None = None) -> list[Usage]:
    """Command line."""
    arguments = parser(__doc__, problems=4, quick=1)
    arguments.add_argument("--domain", type=int, default=78, help="ROS_DOMAIN_ID of the graph")
    options = parse(arguments, argv)
    with tempfile.TemporaryDirectory(prefix="resources_") as folder, Rig(Path(folder), options.domain) as rig:
        usages, elapsed = measure(rig, options.problems)
    print(summary(usages, elapsed))
    print("limit: 100 % driving")
    write_json(options.json, "resources", options.seed, [asdict(u) for u in usages])
    return usages


if __name__ == "__main__":
    main()
