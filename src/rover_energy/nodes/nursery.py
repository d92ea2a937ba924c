"""Start nodes by forking one process that has everything imported: a node is there in tens of milliseconds, not in seconds.

`python -m rover_energy.nodes.nursery` reads one order per line, a JSON object with `module`, `arguments`, `environment` and
`log`, and answers each with the process number. It never starts the middleware itself, so there is no thread to lose in a fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.topics import TOPICS

ROS = ("rclpy", "rclpy.lifecycle", "rclpy.action", "rclpy.executors", "rclpy.signals", "rclpy.clock", "rclpy.qos", "rclpy.task",
       "rcl_interfaces.msg", "lifecycle_msgs.srv", "rover_energy_interfaces.msg", "rover_energy_interfaces.srv",
       "rover_energy_interfaces.action")  # fmt: skip


def preload(modules: list[str]) -> None:
    """Import what nodes need, and load the type support of every topic."""
    for name in ROS:
        ros.need(name)
    for topic in TOPICS:
        kind = ros.message_class(topic.kind)
        if kind._TYPE_SUPPORT is None:
            kind.__import_type_support__()
    for module in modules:
        importlib.import_module(f"rover_energy.nodes.{module}")


def title(words: list[str]) -> None:
    """Show the child under the command line that would start it; without setproctitle it keeps the nursery's."""
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(" ".join(words))


def become(order: dict[str, Any]) -> None:
    """In the child: a session, output and environment of its own, then the node's main program."""
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(old, new)
    os.environ.update(order["environment"])
    name = f"rover_energy.nodes.{order['module']}"
    title([sys.executable, "-m", name, *order["arguments"]])
    sys.argv = [name, *order["arguments"]]
    importlib.import_module(name).main()


def main() -> None:
    """Entry point: modules to load as arguments, then orders from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever gives the orders
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children leave no zombies; who cares watches them by pidfd
    preload(sys.argv[1:])
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                become(order)
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)


if __name__ == "__main__":
    main()
