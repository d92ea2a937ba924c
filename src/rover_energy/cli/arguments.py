"""Options shared by the commands, and the reading of poses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from rover_energy.errors import InputError

Pose = tuple[float, float, float]

TerrainFile = Annotated[
    Path, typer.Option("--terrain", help="GeoTIFF, Esri ASCII grid (.asc) or .npz; see docs/formats.md", metavar="FILE", show_default=False)
]
RoverFile = Annotated[
    Path | None, typer.Option("--rover", help="rover.yaml; the built-in reference rover without it", metavar="FILE", show_default=False)
]
MissionFile = Annotated[
    Path | None, typer.Option("--mission", help="mission.yaml: site, Sun, charge, budget, deadline, keep-outs", metavar="FILE", show_default=False)
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results; made if needed", metavar="DIR", show_default=False)]
Band = Annotated[int, typer.Option("--band", help="Band of a GeoTIFF that holds the height", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no words, only results and errors")]


def read_pose(text: str, option: str) -> Pose:
    """'X,Y,HEADING' in metres and radians; the heading may end in 'deg'. Raises InputError."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise InputError("command line", option, "is not X,Y,HEADING", "write for example 10.0,12.5,1.57 or 10,12.5,90deg", text)
    degrees = parts[2].lower().endswith("deg")
    try:
        x, y, heading = (float(part) for part in (parts[0], parts[1], parts[2][:-3] if degrees else parts[2]))
    except ValueError:
        raise InputError("command line", option, "holds something that is not a number", "write metres and radians", text) from None
    if not all(math.isfinite(value) for value in (x, y, heading)):
        raise InputError("command line", option, "is not finite", "write metres and radians", text)
    return x, y, math.radians(heading) if degrees else heading
