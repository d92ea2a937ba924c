"""`rover-energy rover`: the built-in rover and mission as YAML to start from, checks of such files, and their parameters."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from rover_energy.cli.arguments import AsJson


def rover(
    file: Annotated[Path | None, typer.Argument(help="Check this file and print it with all defaults", metavar="FILE")] = None,
    mission: Annotated[bool, typer.Option("--mission", help="A mission instead of a rover")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Unit, bounds, meaning and source of every parameter")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the built-in rover.yaml (or mission.yaml) to start from, check a file, or explain the parameters.

    **Example:** rover-energy rover > rover.yaml; rover-energy rover --explain; rover-energy rover --mission mission.yaml

    **Exit codes:** 0 clean, 2 the file cannot be used.
    """
    import yaml

    from rover_energy.cli.output import Console
    from rover_energy.mission import MissionParameters
    from rover_energy.parameters import describe, load_yaml, to_mapping
    from rover_energy.rover import RoverParameters

    console = Console(as_json=as_json)
    cls: Any = MissionParameters if mission else RoverParameters
    group = load_yaml(cls, file) if file is not None else cls()
    if explain:
        rows = list(describe(cls))
        console.result({"parameters": rows}, "\n".join(_explained(row) for row in rows))
    else:
        data = to_mapping(group)
        console.result(data, yaml.safe_dump(data, sort_keys=False).rstrip())


def _explained(row: dict[str, Any]) -> str:
    from rover_energy.cli.output import shown

    unit = "" if row["unit"] == "-" else f" {row['unit']}"
    bounds = [f"{sign} {row[name]:g}" for name, sign in (("minimum", ">="), ("maximum", "<=")) if abs(row[name]) < float("inf")]
    if row["choices"]:
        bounds = [f"one of {', '.join(row['choices'])}"]
    limits = f"   ({' '.join(bounds)})" if bounds else ""
    head = f"{row['name']} = {shown(row['default'])}{unit}{limits}"
    source = f" [{row['source']}]" if row["source"] else ""
    return f"{head}\n{textwrap.fill(row['description'] + source, 100, initial_indent='    ', subsequent_indent='    ')}"
