"""One node of a graph, as a process."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Node:
    """One process: name of the node, module, parameters, topics under another name.

    simulated : it lives by simulated time. required : the rover does not drive without it.
    """

    name: str
    module: str
    parameters: dict[str, Any]
    remaps: dict[str, str] = field(default_factory=dict)
    simulated: bool = True
    required: bool = True

    def arguments(self) -> list[str]:
        """What follows the module on its command line."""
        line = ["--ros-args", "-p", f"use_sim_time:={_shown(self.simulated)}"]
        for name, value in self.parameters.items():
            line += ["-p", f"{name}:={_shown(value)}"]
        for name, other in self.remaps.items():
            line += ["-r", f"{name}:={other}"]
        return line

    def command(self) -> list[str]:
        """Its command line, for this interpreter."""
        return [sys.executable, "-m", f"rover_energy.nodes.{self.module}", *self.arguments()]


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
