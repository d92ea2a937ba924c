"""Start nodes by forking one process that has everything imported: a node is there in tens of milliseconds, not in seconds.

`python -m rover_energy.nodes.nursery` reads one order per line, a JSON object with `module`, `arguments`, `environment` and
`log`, and answers each with the process number. It never starts the middleware itself, so there is no thread to lose in a fork.

What then takes longest is that a new process and all others find each other, one to three seconds with Fast DDS. So one spare
process is kept that has joined the graph with a hidden node, and becomes whichever node is ordered next.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.topics import TOPICS

ROS = ("rclpy", "rclpy.lifecycle", "rclpy.action", "rclpy.executors", "rclpy.signals", "rclpy.clock", "rclpy.qos", "rclpy.task",
       "rcl_interfaces.msg", "lifecycle_msgs.srv", "rover_energy_interfaces.msg", "rover_energy_interfaces.srv",
       "rover_energy_interfaces.action")  # fmt: skip
QUIET = 1.5  # [s] after the last order, before a spare is started


def preload(modules: list[str]) -> None:
    """Import what nodes need, load the type support of every topic, and do what a module has as `warm` for its configuration."""
    for name in ROS:
        ros.need(name)
    for topic in TOPICS:
        kind = ros.message_class(topic.kind)
        if kind._TYPE_SUPPORT is None:
            kind.__import_type_support__()
    for name in modules:
        module = importlib.import_module(f"rover_energy.nodes.{name}")
        getattr(module, "warm", lambda: None)()


def title(words: list[str]) -> None:
    """Show the child under the command line that would start it; without setproctitle it keeps the nursery's."""
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(" ".join(words))


def take_over(order: dict[str, Any]) -> None:
    """In a child: output and environment of its own, then the node's main program, which does not return."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order["environment"])
    name = f"rover_energy.nodes.{order['module']}"
    title([sys.executable, "-m", name, *order["arguments"]])
    # else rcl names its log after the title from its last slash on, which may be longer than a file's name can be
    sys.argv = [name, *order["arguments"], "--ros-args", "--log-file-name", order["module"]]
    importlib.import_module(name).main()


def wait_for_order(source: int) -> None:
    """In a spare: join the graph, and become a node when told to; end with the nursery."""
    title([sys.executable, "-m", "rover_energy.nodes.nursery", "spare"])
    ros.prepare()
    with os.fdopen(source, encoding="utf-8") as orders:
        line = orders.readline()
    if line:
        take_over(json.loads(line))


def fork(work: Any, *arguments: Any) -> int:
    """Process number of a child that does some work and ends."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        work(*arguments)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


class Spare:
    """The spare process, and when there is to be one."""

    def __init__(self) -> None:
        self.pid, self.pipe, self.due = 0, -1, time.monotonic() + QUIET

    def refill(self) -> None:
        """Start one when it is due; while nodes are coming up the processor has other work."""
        if self.pid or time.monotonic() < self.due:
            return
        source, self.pipe = os.pipe()
        os.set_blocking(self.pipe, False)
        pipe = self.pipe

        def wait() -> None:
            os.close(pipe)  # else its own copy would keep it from seeing the nursery's end
            wait_for_order(source)

        self.pid = fork(wait)
        os.close(source)

    def become(self, order: dict[str, Any]) -> int:
        """Process number of the spare, which begins with the order; 0 when there is none."""
        pid, self.pid, self.due = self.pid, 0, time.monotonic() + QUIET
        if not pid:
            return 0
        try:
            os.kill(pid, 0)
            os.write(self.pipe, (json.dumps(order) + "\n").encode())
        except OSError:
            pid = 0
        os.close(self.pipe)
        return pid


def lines(source: int) -> Any:
    """Lines as they come, and None after a while without; ends with the source."""
    left = b""
    while True:
        if not select.select([source], [], [], 0.25)[0]:
            yield None
            continue
        new = os.read(source, 65536)
        if not new:
            return
        *whole, left = (left + new).split(b"\n")
        yield from whole


def main() -> None:
    """Entry point: modules to load as arguments, then orders from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever gives the orders
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children leave no zombies; who cares watches them by pidfd
    preload(sys.argv[1:])
    gc.collect()
    gc.freeze()
    spare = Spare()
    print("ready", flush=True)
    for line in lines(0):
        if line is None:
            spare.refill()
            continue
        order = json.loads(line)
        print(spare.become(order) or fork(take_over, order), flush=True)


if __name__ == "__main__":
    main()
