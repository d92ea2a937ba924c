"""The processes of a graph: started from a nursery, started again when they die, ended in order."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rover_energy.nodes.graph import MIDDLEWARE, Node
from rover_energy.nodes.liveness import Peer, identity
from rover_energy.nodes.ros import PARENT

PATIENCE = 5.0  # [s] for a process to end when it is told to
LOOK = 0.02  # [s] between two looks at the processes
SUPERVISOR = "supervisor"
TOO_OFTEN = (5, 10.0)  # deaths within so many seconds after which a node is not started any more


class Child:
    """A process of ours."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peer = pid, Peer(identity(pid))

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.peer.local and not self.peer.ended

    def send(self, number: int) -> None:
        """A signal to it and to what it has started."""
        if self.alive():
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:  # it has no session of its own yet, or is gone
                self.peer.kill(number)

    def wait(self, limit: float) -> bool:
        """Whether it has ended within so many seconds."""
        until = time.monotonic() + limit
        while self.alive() and time.monotonic() < until:
            time.sleep(0.01)
        return not self.alive()


class Nursery:
    """The process that all nodes are forked from. One that dies is replaced at the next order."""

    def __init__(self, modules: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.modules, self.environment, self.log = modules, dict(environment), log
        self.process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Start it, without waiting until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rover_energy.nodes.nursery", *self.modules], env=self.environment, text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.greeted = False

    def start(self, node: Node, environment: Mapping[str, str], log: Path) -> Child:
        """A node. Raises OSError when there is no nursery to be had."""
        for attempt in (1, 2):
            if self.process is None or self.process.poll() is not None:
                self.begin()
            try:
                return Child(self._order(node, environment, log))
            except (OSError, ValueError) as error:
                self.end()
                if attempt == 2:
                    raise OSError(f"cannot start {node.name}: {error}; see {self.log}") from None
        raise AssertionError

    def _order(self, node: Node, environment: Mapping[str, str], log: Path) -> int:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if not self.greeted and self.process.stdout.readline() != "ready\n":
            raise OSError("it did not get ready")
        self.greeted = True
        order = {"module": node.module, "arguments": node.arguments(), "environment": dict(environment), "log": str(log)}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise OSError("it does not answer")
        return int(self.process.stdout.readline())

    def end(self) -> None:
        """End it; the nodes stay."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


class Processes:
    """The processes of a graph, in a ROS domain and log folder of their own. Leaving the context ends them.

    A node that dies is started again at once; one that dies five times within ten seconds is left dead. The supervisor,
    started among the others, brings it back into the graph.
    """

    def __init__(self, nodes: list[Node], out: Path, domain: int, *, respawn: bool = True) -> None:
        self.nodes, self.out, self.domain, self.respawn = nodes, out, domain, respawn
        self.running: dict[str, Child] = {}
        self.deaths: dict[str, list[float]] = defaultdict(list)
        self.lost: list[str] = []
        self._leaving, self._lock = threading.Event(), threading.Lock()

    def environment(self) -> dict[str, str]:
        """For the processes and for this one."""
        logs = str(self.out / "log")
        own = {"ROS_DOMAIN_ID": str(self.domain), "ROS_LOG_DIR": logs, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        return {**{name: os.environ.get(name, value) for name, value in MIDDLEWARE.items()}, **own}

    def __enter__(self) -> Processes:
        (self.out / "log").mkdir(parents=True, exist_ok=True)
        self.own = {**self.environment(), PARENT: identity()}
        shared = {**os.environ, **self.own, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        modules = list(dict.fromkeys(node.module for node in self.nodes))
        self.nursery = Nursery(modules, shared, self.out / "log" / "nursery.txt")
        try:
            for node in self.nodes:
                (self.out / "log" / f"{node.name}.txt").write_bytes(b"")
                self.running[node.name] = self._start(node)
        except BaseException:
            self._end()
            raise
        self.thread = threading.Thread(target=self._watch, name="processes", daemon=True)
        self.thread.start()
        return self

    def _start(self, node: Node) -> Child:
        return self.nursery.start(node, self.own, self.out / "log" / f"{node.name}.txt")

    def _watch(self) -> None:
        while not self._leaving.wait(LOOK):
            with self._lock:
                for node in self.nodes:
                    if node.name not in self.lost and not self.running[node.name].alive():
                        self._died(node)

    def _died(self, node: Node) -> None:
        now, (most, seconds) = time.monotonic(), TOO_OFTEN
        self.deaths[node.name].append(now)
        recent = [t for t in self.deaths[node.name] if now - t <= seconds]
        if not self.respawn or len(recent) >= most:
            self.lost.append(node.name)
            return
        try:
            self.running[node.name] = self._start(node)
        except OSError as error:
            self.lost.append(node.name)
            with (self.out / "log" / f"{node.name}.txt").open("a", encoding="utf-8") as log:
                log.write(f"{error}\n")

    def dead(self) -> list[str]:
        """Names of the nodes that have ended and are not started again, and without which the rover does not drive."""
        optional = {node.name for node in self.nodes if not node.required}
        return [name for name in self.lost if name not in optional]

    def words(self, name: str) -> str:
        """Last line that a node wrote."""
        lines = (self.out / "log" / f"{name}.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leaving.set()
        self.thread.join()
        self._end()

    def _end(self) -> None:
        """The supervisor first, which takes the others down in order; then everybody, last first; then whoever is left, hard."""
        first = self.running.get(SUPERVISOR)
        if first is not None:
            first.send(signal.SIGINT)
            first.wait(PATIENCE)
        for child in reversed(self.running.values()):
            child.send(signal.SIGINT)
        until = time.monotonic() + PATIENCE
        for child in self.running.values():
            if not child.wait(max(0.1, until - time.monotonic())):
                child.send(signal.SIGKILL)
        self.nursery.end()
