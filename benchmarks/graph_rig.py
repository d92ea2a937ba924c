"""A running graph for the benchmarks: the loopback at real time, one goal after another, everything heard with its real time."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.graph import Node, begin_anew, simulation_graph
from rover_energy.nodes.processes import Processes
from rover_energy.nodes.session import Session

ROOT = Path(__file__).resolve().parents[1]
CORNERS = ((4.0, 4.0), (9.0, 8.0), (9.0, 3.5), (4.0, 8.5))  # [m] on sim/worlds/crater_field.npz
DRIVING = 0.1  # [m/s]
MISSION = "site: {body: moon, latitude: -80.0, longitude: 180.0, cast_shadows: true}\nuse_battery: true\nstate_of_charge: 0.6\n"


def plan_folder(place: Path) -> Path:
    """A plan of seven metres with the battery's help, made by the command."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "mission.yaml").write_text(MISSION, encoding="utf-8")
    world = str(ROOT / "sim/worlds/crater_field.npz")
    words = ["--terrain", world, "--mission", str(place / "mission.yaml"), "--start", "4,4,0.8"]
    line = [sys.executable, "-m", "rover_energy.cli.main", "plan", *words, "--goal", "9,8,0.7", "--no-report", "--quiet"]
    subprocess.run([*line, "--out", str(place / "plan")], check=True, stdout=subprocess.DEVNULL)
    return place / "plan"


def sent(info: Any) -> float:
    """When the middleware of the sender took a message [s]; a slow listener does not make it later."""
    return 1e-9 * float(info["source_timestamp"])


@dataclass
class Heard:
    """What came, with the real time at which it was sent [s], by the sender's clock on this machine."""

    odometry: list[tuple[float, float, float]] = field(default_factory=list)  # real time, stamp, speed
    commands: list[tuple[float, float, float]] = field(default_factory=list)  # real time, stamp, speed
    power: list[tuple[float, float]] = field(default_factory=list)  # real time, battery_energy
    graph: list[tuple[float, bool, str]] = field(default_factory=list)  # real time, ready, text


class Rig:
    """The graph of `simulation_graph` in a domain of its own. `change` may alter the nodes before they are started."""

    def __init__(
        self, place: Path, domain: int, *, pace: float = 1.0, change: Callable[[list[Node]], list[Node]] | None = None
    ) -> None:
        self.plan = plan_folder(place)
        nodes = simulation_graph(self.plan, place / "bag", simulator="loopback", pace=pace)
        begin_anew(place / "bag")
        self.processes = Processes(nodes if change is None else change(nodes), place, domain)
        self.session = Session(self.processes)
        self.heard, self.pose = Heard(), (4.0, 4.0)

    def __enter__(self) -> Rig:
        os.environ.update(self.processes.environment())
        self.processes.__enter__()
        self.session.__enter__()
        for topic, listener in (("odom", self.on_odometry), ("cmd_vel", self.on_command), ("power_state", self.on_power),
                                ("graph_state", self.on_graph)):  # fmt: skip
            self.session.watch(topic, listener)
        self.session.bring_up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.session.__exit__(kind, error, trace)
        self.processes.__exit__(kind, error, trace)

    def on_odometry(self, m: Any, info: Any) -> None:
        self.pose = m.pose.pose.position.x, m.pose.pose.position.y
        self.heard.odometry.append((sent(info), ros.seconds(m.header.stamp), m.twist.twist.linear.x))

    def on_command(self, m: Any, info: Any) -> None:
        self.heard.commands.append((sent(info), ros.seconds(m.header.stamp), m.twist.linear.x))

    def on_power(self, m: Any, info: Any) -> None:
        self.heard.power.append((sent(info), m.battery_energy))

    def on_graph(self, m: Any, info: Any) -> None:
        self.heard.graph.append((sent(info), m.level == m.OK, m.message))

    def next_trajectory(self) -> Any:
        """A certified plan to the corner that is farthest away. Raises RuntimeError when none is found."""
        texts = []
        for corner in sorted(CORNERS, key=lambda c: -math.dist(c, self.pose)):
            bearing = math.atan2(corner[1] - self.pose[1], corner[0] - self.pose[0])
            found = self.session.plan((*corner, bearing))
            if found.error_code == found.NONE:
                return found.trajectory
            texts.append(found.error_text)
        raise RuntimeError("; ".join(texts))

    def drive(self, disturb: Callable[[], None], *, after: float, limit: float = 60.0) -> tuple[Any, str]:
        """Drive a new plan and call `disturb` so many seconds after the rover moves: result of the action, or None and why."""
        trajectory, mark = self.next_trajectory(), len(self.heard.odometry)
        done = threading.Event()

        def when_moving() -> None:
            while not done.is_set() and not any(speed > DRIVING for _, _, speed in self.heard.odometry[mark:][-3:]):
                time.sleep(0.002)
            if not done.wait(after):
                disturb()

        watcher = threading.Thread(target=when_moving, daemon=True)
        watcher.start()
        try:
            return self.session.drive_trajectory(trajectory, limit=limit), ""
        except Exception as error:
            return None, str(error)
        finally:
            done.set()
            watcher.join()

    def spin(self, ready: Callable[[], bool], limit: float) -> bool:
        """Listen until something holds; False after `limit` [s]."""
        until = time.monotonic() + limit
        while not ready():
            if time.monotonic() > until:
                return False
            self.session.executor.spin_once(timeout_sec=0.02)
        return True
