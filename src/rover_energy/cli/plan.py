"""`rover-energy plan`: terrain, Sun and rover in, certified plan and report out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rover_energy.cli.arguments import AsJson, Band, MissionFile, OutFolder, Quiet, RoverFile, TerrainFile, read_pose
from rover_energy.cli.output import Console
from rover_energy.cli.traverse import plan_and_report
from rover_energy.mission import MissionParameters
from rover_energy.parameters import load_yaml
from rover_energy.rover import RoverParameters
from rover_energy.terrain.loading import load_terrain


def plan(
    terrain: TerrainFile,
    start: Annotated[str, typer.Option("--start", help="X,Y,HEADING [m, m, rad] in the map frame; heading also as 90deg", metavar="X,Y,HEADING")],
    goal: Annotated[str, typer.Option("--goal", help="X,Y,HEADING at which to come to rest", metavar="X,Y,HEADING")],
    out: OutFolder,
    rover: RoverFile = None,
    mission: MissionFile = None,
    band: Band = 1,
    report: Annotated[bool, typer.Option(help="Write report.html and pictures")] = True,
    seconds: Annotated[float, typer.Option("--time-limit", help="Most seconds for one optimisation", min=0.01)] = 10.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Plan one traverse and write plan.json, profile.csv and a report.

    Exit code 0 with a certified plan, 1 when there is none (the message says what binds and what would help), 2 when an input
    cannot be used.
    """
    console = Console(as_json=as_json, quiet=quiet)
    poses = read_pose(start, "--start"), read_pose(goal, "--goal")
    rover_parameters = load_yaml(RoverParameters, rover) if rover else RoverParameters()
    mission_parameters = load_yaml(MissionParameters, mission) if mission else MissionParameters()
    ground = load_terrain(Path(terrain), band=band)
    summary = plan_and_report(
        console, ground, rover_parameters, mission_parameters, poses, Path(out), report=report, seconds=seconds, title=ground.name
    )
    console.result(summary)
