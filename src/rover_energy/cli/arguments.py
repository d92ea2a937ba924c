"""Options shared by the commands, and the reading of numbers and poses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from rover_energy.errors import InputError

Pose = tuple[float, float, float]

TerrainFile = Annotated[
    Path,
    typer.Option("--terrain", help="GeoTIFF (.tif), Esri ASCII grid (.asc) or .npz with heights in metres", metavar="FILE"),
]
RoverFile = Annotated[
    Path | None,
    typer.Option("--rover", help="rover.yaml; without it the built-in reference rover (see: rover-energy rover)", metavar="FILE"),
]
MissionFile = Annotated[
    Path | None,
    typer.Option(
        "--mission", help="mission.yaml: site, Sun, charge, budget, deadline, keep-outs (see: rover-energy rover --mission)",
        metavar="FILE",
    ),
]  # fmt: skip
EnergyMapFile = Annotated[
    Path | None,
    typer.Option("--energy-map", help=".npz with the predicted resistance of the ground over that of rover.yaml", metavar="FILE"),
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results; made if needed", metavar="DIR")]
Band = Annotated[int, typer.Option("--band", help="Band of a GeoTIFF that holds the heights, from 1", metavar="N")]
Inference = Annotated[
    Path | None, typer.Option("--inference", help="Store of variants, or its folder: networks run on the bus", metavar="DIR")
]
GrantShare = Annotated[
    float, typer.Option("--grant-share", help="Of loads.inference_power that the networks are granted", metavar="N")
]
Domain = Annotated[int | None, typer.Option("--domain", help="ROS_DOMAIN_ID; without it from the process number", metavar="N")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result, or why there is none, as JSON on standard output")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks, only results and errors")]

SOURCE = "command line"
POSE_REMEDY = "write metres and radians as X,Y,HEADING, for example 10.0,12.5,1.57 or 10,12.5,90deg"


def read_pose(text: str, option: str) -> Pose:
    """'X,Y,HEADING' in metres and radians; the heading may end in 'deg'. Raises InputError."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise InputError(SOURCE, option, f"has {len(parts)} parts, not 3", POSE_REMEDY, text)
    degrees = parts[2].lower().endswith("deg")
    try:
        x, y, heading = (float(part) for part in (parts[0], parts[1], parts[2][:-3] if degrees else parts[2]))
    except ValueError:
        raise InputError(SOURCE, option, "holds something that is not a number", POSE_REMEDY, text) from None
    if not all(math.isfinite(value) for value in (x, y, heading)):
        raise InputError(SOURCE, option, "holds a number that is not finite", POSE_REMEDY, text)
    return x, y, math.radians(heading) if degrees else heading


def check_number(value: float, option: str, least: float, most: float, unit: str) -> float:
    """The value, if it lies within the bounds. Raises InputError, for NaN too."""
    if not least <= value <= most:
        raise InputError(SOURCE, option, f"is not within {least:g} .. {most:g} {unit}", "give a number in that range", value)
    return value
