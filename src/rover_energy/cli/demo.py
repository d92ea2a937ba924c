"""`rover-energy demo`: a traverse over generated lunar terrain, planned, certified and reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rover_energy.cli.arguments import AsJson, Pose, Quiet
from rover_energy.cli.output import Console
from rover_energy.cli.traverse import plan_and_report
from rover_energy.mission import MissionParameters, SiteParameters
from rover_energy.planning.refusal import Refusal
from rover_energy.rover import RoverParameters
from rover_energy.terrain.generator import generate_lunar_terrain

#: Opposite corners of the 60 m map, tried in turn until a plan exists: not every terrain lets every corner be left.
POSES: tuple[tuple[Pose, Pose], ...] = (
    ((10.0, 10.0, 0.6), (48.0, 46.0, 0.9)),
    ((10.0, 48.0, -0.6), (48.0, 12.0, -0.9)),
    ((48.0, 10.0, 2.4), (12.0, 48.0, 2.2)),
    ((14.0, 30.0, 0.0), (46.0, 30.0, 0.0)),
)


def demo_rover() -> RoverParameters:
    """The reference rover with a generator late in its life and a small battery, so that power is what binds."""
    rover = RoverParameters(name="reference rover")
    battery = replace(rover.battery, capacity=2.0e5, max_discharge_power=25.0, max_charge_power=60.0)
    return replace(rover, battery=battery, rtg=replace(rover.rtg, beginning_of_life_power=110.0))


def demo_mission() -> MissionParameters:
    """A low Sun over a lunar highland at 80 degrees south, twelve years after fuelling."""
    site = SiteParameters(sun_azimuth=60.0, sun_elevation=7.0)
    return MissionParameters(site=site, years_since_fuelling=12.0, state_of_charge=0.5)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; made if needed", metavar="DIR")] = Path("demo_out"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the terrain", min=0)] = 7,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Plan a traverse over generated lunar terrain and write its report; needs no input file."""
    console = Console(as_json=as_json, quiet=quiet)
    terrain = generate_lunar_terrain(seed=seed)
    last: Refusal | None = None
    for poses in POSES:
        try:
            summary = plan_and_report(
                console, terrain, demo_rover(), demo_mission(), poses, out, report=True, seconds=10.0,
                title=f"Traverse over generated lunar terrain, seed {seed}",
            )  # fmt: skip
        except Refusal as refusal:
            last = refusal
            continue
        console.result({"seed": seed, **summary})
        console.say(f"open {summary['report']} in a browser")
        return
    assert last is not None
    raise last
