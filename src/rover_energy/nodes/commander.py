"""Wait for a graph that somebody else has started, and drive the plan: what a launch file runs beside the nodes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rover_energy.errors import EXIT_CLEAN, EXIT_FAILED, EXIT_LOSS, RoverEnergyError
from rover_energy.nodes.graph import Node, simulation_graph
from rover_energy.nodes.session import Session

LIMIT = 86400.0  # [s]


class Elsewhere:
    """Nodes whose processes are not ours: nobody here knows whether they live, so their silence has to do."""

    def __init__(self, nodes: list[Node], out: Path) -> None:
        self.nodes, self.out = nodes, out

    def environment(self) -> dict[str, str]:
        """Nothing of our own."""
        return {}

    def dead(self) -> list[str]:
        """None that we know of."""
        return []

    def words(self, name: str) -> str:
        """Where to look."""
        return f"see the log of {name}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point: 0 goal reached and every window within what was available, 1 not reached, 3 reached with windows over."""
    parser = argparse.ArgumentParser(prog="commander", description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="folder of the plan")
    parser.add_argument("--out", type=Path, required=True, help="folder of the logs, for messages only")
    given = parser.parse_args(arguments)
    nodes = simulation_graph(given.plan, given.out / "bag", simulator="loopback")  # for their names and order
    began = time.monotonic()
    try:
        with Session(Elsewhere(nodes, given.out)) as session:
            session.bring_up()
            result = session.drive(given.plan, limit=LIMIT)
    except RoverEnergyError as error:
        print(f"commander: {error}", file=sys.stderr)
        return error.exit_code
    ended = result.error_text or "goal reached"
    print(f"{ended}; {result.compliance.text}; {time.monotonic() - began:.1f} s real time", flush=True)
    if result.error_code != result.NONE:
        return EXIT_FAILED
    return EXIT_CLEAN if result.compliance.passed else EXIT_LOSS


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
