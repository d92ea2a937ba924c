"""`rover-energy plan`: terrain, Sun and rover in, certified plan and report out."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from rover_energy.cli.arguments import (
    AsJson,
    Band,
    EnergyMapFile,
    MissionFile,
    OutFolder,
    Quiet,
    RoverFile,
    TerrainFile,
    check_number,
    read_pose,
)

POSE = "X,Y,HEADING"
SECONDS, LONGEST = 60.0, 86400.0


def plan(
    terrain: TerrainFile,
    start: Annotated[str, typer.Option("--start", help="Start pose [m, m, rad]; the heading also as 90deg", metavar=POSE)],
    goal: Annotated[str, typer.Option("--goal", help="Pose at which to come to rest", metavar=POSE)],
    out: OutFolder,
    rover: RoverFile = None,
    mission: MissionFile = None,
    energy_map: EnergyMapFile = None,
    band: Band = 1,
    report: Annotated[bool, typer.Option(help="Write report.html and pictures")] = True,
    seconds: Annotated[
        float, typer.Option("--time-limit", help="Most time for one optimisation [s], besides compiling once ever", metavar="S")
    ] = SECONDS,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Plan one traverse and write plan.json, profile.csv, certificate.json, the inputs and a report.

    The heading is counter-clockwise from east (x); x is east, y is north, both in the terrain file's own coordinates.

    Every input is checked before the solver starts, and a plan is only written with a passing certificate: without one the
    folder stays as it was.

    With an energy map, which predicts how much harder than rover.yaml says the ground resists, the plan goes around soft ground
    or through it, whichever takes less by the map, and is certified stretch by stretch on the map's upper estimate. That is an
    estimate: see docs/inference_maps.md for what it covers.

    **Example:** rover-energy plan --terrain moon.tif --start 300,300,0 --goal 600,500,45deg --out traverse

    **Exit codes:** 0 certified plan, 1 no plan (the message names the binding constraint and what helps), 2 unusable input.
    """
    poses = read_pose(start, "--start"), read_pose(goal, "--goal")
    check_number(seconds, "--time-limit", 0.01, LONGEST, "s")
    check_number(band, "--band", 1, math.inf, "")

    from rover_energy.cli.blame import blaming
    from rover_energy.cli.output import Console
    from rover_energy.cli.results import ResultFolder
    from rover_energy.cli.traverse import check_report, inputs, plan_and_report, soil_over

    if report:
        check_report()
    console = Console(as_json=as_json, quiet=quiet)
    with ResultFolder(out) as results, console.progress(4 if report else 3) as step:
        step("reading and checking the inputs")
        world = inputs(terrain, rover, mission, poses, band=band)
        soil = soil_over(energy_map, world)
        with blaming(world, terrain=terrain, rover=rover, mission=mission):
            summary = plan_and_report(
                console, step, world, poses, results, report=report, seconds=seconds, title=world.terrain.name, soil=soil
            )
    console.result(summary)
