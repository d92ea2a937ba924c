"""What happens when a node is killed or a sensor lies while the rover drives: how soon it stands, and how soon all is well.

The graph of `rover-energy drive` with the loopback keeps pace with real time and waits for nobody, as a real rover, unless
--lockstep is given. Times are real ones, taken where a message is sent. `kill`: SIGKILL to a node. `sensors`: odometry or
PowerState on the way to the drive node stops, freezes, repeats itself or turns NaN. Detection is told in the bus's time too: from
the stamp of the first false message to that of the command that brakes. A machine that is too slow for real time, or
--lockstep, which waits for answers that a stale sensor does not provoke, delays the real time alone.

    python benchmarks/faults.py --times 20 --kill drive power        some nodes
    python benchmarks/faults.py --times 20 --kill                    every node
    python benchmarks/faults.py --times 10 --sensors                 sensors
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import parse, parser, progress, quantiles, table, write_json
from graph_rig import Rig

from rover_energy.nodes import ros
from rover_energy.nodes.graph import Node
from rover_energy.nodes.session import GraphError

NODES = ("recorder", "power", "power_monitor", "planner", "drive", "simulator", "supervisor")
KINDS = ("stale", "nan", "frozen", "repeated")
SENSORS = ("odom", "power_state")
REST = 0.005  # [m/s] below which the rover stands
PERIOD, MARGIN = 0.04, 0.05  # [s] of the controller; the sensors come every 0.02 s
NAN = math.nan
SPARE, TRIES = 5.0, 5  # [s] between two kills, in which the next spare process comes up; drives until one is disturbed


@dataclass
class Result:
    """One fault. Times are real seconds after it, `bus` is `detected` by stamps; `battery` is a share of what was stored."""

    fault: str
    stopped: float
    recovered: float
    battery: float
    detected: float
    speed: float
    said: str
    bus: float = NAN


def driven(rig: Rig, disturb: Callable[[], None], random: np.random.Generator) -> str:
    """Drive until the disturbance; what the goal's result said. A drive that ended before, on a busy machine, is repeated."""
    done: list[bool] = []

    def once() -> None:
        disturb()
        done.append(True)

    for _ in range(TRIES):
        result, why = rig.drive(once, after=float(random.uniform(0.3, 2.5)))
        said = why if result is None else f"{result.error_code} {result.error_text}"
        if done:
            return said
        print(f"  ended before the fault, repeated: {said}", flush=True)
    raise RuntimeError(f"{TRIES} drives ended before the fault: {said}")


def killed(rig: Rig, victim: str, random: np.random.Generator) -> Result:
    """Kill a node at a random moment of a drive, and watch until the graph is ready again."""
    at = {"time": math.inf, "pid": 0}

    def kill() -> None:
        child = rig.processes.running[victim]
        at["pid"] = child.pid
        os.kill(child.pid, signal.SIGKILL)
        at["time"] = time.time()

    rig.heard.odometry.clear()
    rig.heard.power.clear()
    rig.spin(lambda: False, SPARE)
    said = driven(rig, kill, random)

    def again() -> bool:
        unready = [t for t, ready, _ in rig.heard.graph if t > at["time"] and not ready]
        new = rig.processes.running[victim].pid != at["pid"]
        if victim == "supervisor":  # its own absence is what says nothing: the new one's first word counts
            return new and any(ready for t, ready, _ in rig.heard.graph if t > at["time"] + 0.15)
        return new and bool(unready) and rig.heard.graph[-1][1]

    well = rig.spin(again, 15.0)
    since = max((t for t, ready, _ in rig.heard.graph if not ready and t > at["time"]), default=at["time"])
    recovered = next((t for t, ready, _ in rig.heard.graph if ready and t > max(since, at["time"] + 0.15)), math.inf)
    rig.spin(lambda: False, 0.3)
    moving = [t for t, _, speed in rig.heard.odometry if abs(speed) > REST and t > at["time"]]
    before = [e for t, e in rig.heard.power if t < at["time"]]
    after = [e for t, e in rig.heard.power if t > recovered]
    lost = abs(after[0] - before[-1]) / before[-1] if before and after else NAN
    speed = next((v for t, _, v in reversed(rig.heard.odometry) if t < at["time"]), NAN)
    stopped = (moving[-1] - at["time"]) if moving else 0.0
    return Result(f"kill {victim}", stopped, recovered - at["time"] if well else math.inf, lost, NAN, speed, said)


class Liar:
    """Stands between the simulated rover and the drive node, and passes messages on, or not, or changed."""

    def __init__(self, rig: Rig) -> None:
        self.kind, self.target, self.since, self.stamp = "", "", math.inf, math.inf
        self.last: dict[str, Any] = {}
        self.frozen: dict[str, Any] = {}
        self.send = {}
        for name in SENSORS:
            entry = ros.BY_NAME[name]
            kind, quality = ros.message_class(entry.kind), ros.quality(entry.qos)
            self.send[name] = rig.session.ros.create_publisher(kind, f"{name}_seen", quality).publish
            rig.session.watch(name, lambda message, name=name: self.relay(name, message))

    def begin(self, target: str, kind: str) -> None:
        self.target, self.kind, self.since, self.stamp = target, kind, math.inf, math.inf

    def relay(self, name: str, message: Any) -> None:
        if name == self.target and self.kind:
            self.since, self.stamp = min(self.since, time.time()), min(self.stamp, ros.seconds(message.header.stamp))
            old = self.frozen.setdefault(name, self.last[name])
            if self.kind == "stale":
                return
            if self.kind == "repeated":  # the same message again and again, its old stamp too
                message = old
            elif name == "odom":
                if self.kind == "nan":
                    message.pose.pose.position.x = math.nan
                else:
                    message.pose.pose = old.pose.pose
            elif self.kind == "nan":
                message.battery_energy = math.nan
            else:
                message.battery_energy, message.state_of_charge = old.battery_energy, old.state_of_charge
        else:
            self.last[name] = message
        self.send[name](message)

    def end(self) -> None:
        self.kind = self.target = ""
        self.frozen.clear()


def lied(rig: Rig, liar: Liar, target: str, kind: str, random: np.random.Generator) -> Result:
    """Falsify a sensor at a random moment, and look for the first command that brakes hard."""
    rig.heard.odometry.clear()
    rig.heard.commands.clear()
    said = driven(rig, lambda: liar.begin(target, kind), random)
    since = liar.since
    rig.spin(lambda: False, 0.3)
    liar.end()
    rig.spin(lambda: False, 0.3)
    rows = [row for row in rig.heard.commands if row[0] > since]
    speed = next((v for t, _, v in reversed(rig.heard.commands) if t <= since), NAN)
    before = [(since, liar.stamp, speed), *rows]
    drops = (row for (_, _, v), row in zip(before, rows, strict=False) if v - row[2] >= 0.02 or row[2] == 0.0)
    at, stamp, _ = next(drops, (math.inf, math.inf, NAN))
    moving = [t for t, _, v in rig.heard.odometry if abs(v) > REST and t > since]
    standing = moving[-1] - since if moving else 0.0
    return Result(f"{target} {kind}", standing, NAN, NAN, at - since, speed, said, stamp - liar.stamp)


def changed(nodes: list[Node], *, lockstep: bool, liar: bool) -> list[Node]:
    """The simulator without patience; and, with a liar, a drive node that reads what was falsified, and nobody else does."""
    seen = {name: f"{name}_seen" for name in SENSORS} if liar else {}
    impatient = {} if lockstep else {"patience": 0.0}
    found = [replace(node, remaps=seen) if node.name == "drive" else node for node in nodes]
    return [replace(n, parameters={**n.parameters, **impatient}) if n.name == "simulator" else n for n in found]


def summary(results: Sequence[Result]) -> str:
    """A row per fault."""
    columns = ("fault", "times", "m/s", "bus s median", "max", "detected s median", "max", "standing s median", "max",
               "ready s median", "95 %", "max", "battery % max")  # fmt: skip
    rows = []
    for fault in dict.fromkeys(r.fault for r in results):
        own = [r for r in results if r.fault == fault]
        pairs = [quantiles([getattr(r, name) for r in own], (0.5, 1.0)) for name in ("bus", "detected", "stopped")]
        pairs.append(quantiles([r.recovered for r in own], (0.5, 0.95, 1.0)))
        never = sum(math.isinf(r.recovered) or math.isinf(r.detected) for r in own)
        battery = 100.0 * quantiles([r.battery for r in own], (1.0,))[0]
        times = f"{len(own)}" + (f" ({never} never)" if never else "")
        rows.append([fault, times, quantiles([r.speed for r in own], (1.0,))[0], *(v for pair in pairs for v in pair), battery])
    notes = [f"  {fault}: {said}" for fault, said in {(r.fault, r.said[:110]): None for r in results}]
    return "\n".join([table(columns, rows, "real seconds after the fault"), "what the goal's result said:", *notes])


def campaign(
    place: Path, domain: int, faults: Sequence[str], times: int, attempt: Callable[[Rig, str], Result], **options: Any
) -> list[Result]:
    """Each fault so many times, in one graph that has to come back each time; a graph that does not is started anew."""
    results: list[Result] = []
    todo = [fault for fault in faults for _ in range(times)]
    for number, fault in enumerate(progress(todo, len(todo), "faults")):
        if number == 0:
            rig = Rig(place / "0", domain, **options).__enter__()
        try:
            results.append(attempt(rig, fault))
            if results[-1].recovered > 3.0:
                print(f"  {fault}: ready after {results[-1].recovered:.2f} s", flush=True)
        except (GraphError, RuntimeError) as error:
            results.append(Result(fault, NAN, math.inf, NAN, math.inf, NAN, f"graph lost: {error}"))
            rig.__exit__(None, None, None)
            rig = Rig(place / str(number), domain, **options).__enter__()
    rig.__exit__(None, None, None)
    return results


def main(argv: Sequence[str] | None = None) -> list[Result]:
    """Command line."""
    arguments: argparse.ArgumentParser = parser(__doc__, problems=20, quick=1)
    arguments.add_argument("--times", type=int, default=None, help="how often each fault (the same as --problems)")
    arguments.add_argument("--kill", nargs="*", choices=NODES, default=None, help="nodes to be killed; none named: every one")
    arguments.add_argument("--sensors", action="store_true", help="falsify sensors")
    arguments.add_argument("--lockstep", action="store_true", help="the simulation waits for drive and power, as by default")
    arguments.add_argument("--logs", type=Path, default=None, help="folder to leave the nodes' logs in")
    arguments.add_argument("--domain", type=int, default=77, help="ROS_DOMAIN_ID of the graph")
    options = parse(arguments, argv)
    times, random = options.times or options.problems, np.random.default_rng(options.seed)
    kills = list(options.kill or NODES) if options.kill is not None or not options.sensors else []
    results: list[Result] = []
    with contextlib.nullcontext(options.logs) if options.logs else tempfile.TemporaryDirectory(prefix="faults_") as folder:
        if kills:
            results += campaign(
                Path(folder) / "kill", options.domain, kills, times, lambda rig, name: killed(rig, name, random),
                change=lambda nodes: changed(nodes, lockstep=options.lockstep, liar=False),
            )  # fmt: skip
        if options.sensors:
            liars: dict[int, Liar] = {}

            def lie(rig: Rig, fault: str) -> Result:
                liar = liars.get(id(rig)) or liars.setdefault(id(rig), Liar(rig))
                rig.spin(lambda: len(liar.last) == len(SENSORS), 5.0)
                target, kind = fault.split()
                return lied(rig, liar, target, kind, random)

            faults = [f"{target} {kind}" for target in SENSORS for kind in KINDS]
            place = Path(folder) / "sensors"
            results += campaign(
                place, options.domain, faults, times, lie,
                change=lambda nodes: changed(nodes, lockstep=options.lockstep, liar=True),
            )  # fmt: skip
    print(summary(results))
    print(f"limits: standing 0.5 s, ready 3 s, battery 1 %, detected 2 x {PERIOD:g} + {MARGIN:g} = {2 * PERIOD + MARGIN:g} s")
    write_json(options.json, "faults", options.seed, [asdict(r) for r in results])
    return results


if __name__ == "__main__":
    main()
