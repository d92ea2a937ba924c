"""`rover-energy rover`: the built-in rover and mission as YAML to start from, and the table of their parameters."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import yaml
from rich.table import Table

from rover_energy.cli.arguments import AsJson
from rover_energy.cli.output import Console, shown
from rover_energy.mission import MissionParameters
from rover_energy.parameters import describe, to_mapping
from rover_energy.rover import RoverParameters


def rover(
    mission: Annotated[bool, typer.Option("--mission", help="The mission's parameters instead of the rover's")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Unit, bounds, meaning and source of every parameter")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the default rover.yaml (or mission.yaml), or what each of its parameters means."""
    console = Console(as_json=as_json)
    cls = MissionParameters if mission else RoverParameters
    rows = list(describe(cls))
    if explain:
        console.result({"parameters": rows}, _table(rows))
    elif as_json:
        console.result(to_mapping(cls()))
    else:
        print(yaml.safe_dump(to_mapping(cls()), sort_keys=False), end="")


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("parameter", "default", "unit", "meaning", "source"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(row["name"], shown(row["default"]), row["unit"], row["description"], row["source"])
    return table
