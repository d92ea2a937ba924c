"""`rover-energy drive`: a plan's folder in, the node graph with a simulated rover started, driven, recorded and summed up."""

from __future__ import annotations

import json
import os
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Domain, GrantShare, Inference, OutFolder, Quiet, check_number

if TYPE_CHECKING:
    from rover_energy.cli.output import Console

LIMIT = 3600.0


class Engine(str, Enum):
    """What moves the rover."""

    loopback = "loopback"
    mujoco = "mujoco"


def drive(
    plan: Annotated[Path, typer.Option("--plan", help="Folder written by rover-energy plan", metavar="DIR")],
    out: OutFolder,
    simulator: Annotated[Engine, typer.Option("--simulator", help="Physics engine, or the demand model")] = Engine.mujoco,
    pace: Annotated[float, typer.Option("--pace", help="Simulated over real time; 0: as fast as it goes", metavar="N")] = 0.0,
    resistance: Annotated[float, typer.Option("--resistance", help="True over described resistance of the ground")] = 1.0,
    slip: Annotated[float, typer.Option("--slip", help="True over described slip")] = 1.0,
    mass: Annotated[float, typer.Option("--mass", help="True over described mass")] = 1.0,
    seconds: Annotated[float, typer.Option("--time-limit", help="Most real time for the drive [s]", metavar="S")] = LIMIT,
    domain: Domain = None,
    picture: Annotated[
        bool, typer.Option("--picture/--no-picture", help="After a drive in MuJoCo, draw the rover on its ground: rover.png")
    ] = True,
    inference: Inference = None,
    grant_share: GrantShare = 1.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Drive a certified plan with real ROS 2 nodes and a simulated rover, and record a bag.

    With --inference, the bus grants loads.inference_power of the plan's rover.yaml to networks: the terrain classifier and what
    else the store (rover-energy infer build) serves. What they take is in drive.json under `inference`.

    Writes bag/ (rosbag2, MCAP), log/, state/, drive.json and, with MuJoCo, rover.png. Needs ROS 2 and the message package:
    make ros.

    **Example:** rover-energy drive --plan traverse --simulator mujoco --out drive

    **Exit codes:** 0 goal reached and no window of the power meter above what was available, 1 stopped or failed (the message
    says why), 2 unusable input, 3 goal reached with windows over or missing, or a part of the bag not closed.
    """
    for option, value, least in (("--resistance", resistance, 0.0), ("--slip", slip, 0.0), ("--mass", mass, 0.1)):
        check_number(value, option, least, 10.0, "")
    check_number(pace, "--pace", 0.0, 1000.0, "")
    check_number(grant_share, "--grant-share", 0.0, 1.0, "")
    check_number(seconds, "--time-limit", 1.0, 86400.0, "s")
    check_number(0 if domain is None else domain, "--domain", 0, 101, "")

    from rover_energy.cli.output import Console

    console = Console(as_json=as_json, quiet=quiet)
    truth = {"resistance": resistance, "slip": slip, "mass": mass}
    summary = perform(
        console, plan, out, simulator, pace=pace, seconds=seconds, domain=domain, picture=picture, truth=truth,
        inference=inference, grant_share=grant_share,
    )  # fmt: skip
    console.result(summary)
    finish(console, summary)


def perform(
    console: Console, plan: Path, out: Path, simulator: Engine, *, pace: float = 0.0, seconds: float = LIMIT,
    domain: int | None = None, picture: bool = True, truth: dict[str, float] | None = None, inference: Path | None = None,
    grant_share: float = 1.0,
) -> dict[str, Any]:  # fmt: skip
    """Start the graph, drive, record, sum up into drive.json. Raises InputError and what the session raises."""
    from rover_energy.cli.output import plain
    from rover_energy.nodes.graph import begin_anew, simulation_graph
    from rover_energy.nodes.inference_graph import usable_store
    from rover_energy.nodes.processes import Processes
    from rover_energy.nodes.session import Session
    from rover_energy.nodes.summary import summarise

    bag = prepare(plan, out, simulator)
    if inference is not None:
        inference = usable_store(inference, plan, lambda text: console.say(f"rover-energy: {text}"))
    nodes = simulation_graph(
        plan.resolve(), bag.resolve(), simulator=simulator.value, pace=pace, inference=inference, grant_share=grant_share,
        **(truth or {}),
    )  # fmt: skip
    begin_anew(bag.resolve())
    with Processes(nodes, out.resolve(), domain_of(domain)) as processes, Session(processes) as session:
        session.bring_up()
        console.say("rover-energy: the nodes are up, driving")
        began = time.monotonic()
        result = session.drive(plan, limit=seconds)
        real = time.monotonic() - began
    summary = summarise(plan, bag, result, real)
    if inference is not None:
        from rover_energy.nodes.inference_summary import summarise_inference

        summary["inference"] = summarise_inference(bag)
    if picture and simulator is Engine.mujoco:
        summary["picture"] = _draw(plan, bag, out / "rover.png", console)
    (out / "drive.json").write_text(json.dumps(plain(summary), indent=1) + "\n", encoding="utf-8")
    return summary


def prepare(plan: Path, out: Path, simulator: Engine) -> Path:
    """Where the bag of a graph around this plan goes. Raises MissingExtraError, or InputError for an unusable plan or folder."""
    from rover_energy.errors import InputError
    from rover_energy.nodes.plan_folder import read_bus, read_certified

    check_parts(simulator)
    read_certified(str(plan))
    read_bus(str(plan))
    bag = out / "bag"
    if bag.exists():
        raise InputError(SOURCE, "--out", "holds a bag already", "give another folder, or remove its bag/", str(out))
    return bag


def domain_of(domain: int | None) -> int:
    """ROS_DOMAIN_ID as given, or one by the process number, so that graphs side by side do not meet."""
    return 1 + os.getpid() % 100 if domain is None else domain


def check_parts(simulator: Engine) -> None:
    """Raises MissingExtraError where ROS, the message package or the simulator is not installed."""
    from rover_energy.nodes import ros

    for module in ("rclpy", "rover_energy_interfaces.msg", "rosbags.rosbag2"):
        ros.need(module)
    if simulator is Engine.mujoco:
        from rover_energy.simulation.extras import need_mujoco

        need_mujoco("the MuJoCo simulator")


def finish(console: Console, summary: dict[str, Any]) -> None:
    """End with the exit code that the drive deserves, and one sentence when that is not 0."""
    from rover_energy.errors import EXIT_FAILED, EXIT_LOSS

    if not summary["reached"]:
        console.say(f"rover-energy: {summary['stop']}")
        raise typer.Exit(EXIT_FAILED)
    if summary["bags_unfinished"]:
        console.say("rover-energy: the recorder died on the way; its bag ends there and the next one is beside it")
        raise typer.Exit(EXIT_LOSS)
    if not summary["compliance"]:
        console.say("rover-energy: the goal is reached, but not every window of the meter was at or below what was available")
        raise typer.Exit(EXIT_LOSS)


def _draw(plan: Path, bag: Path, file: Path, console: Console) -> str | None:
    """Picture of the drive; its absence takes nothing from the drive."""
    from rover_energy.errors import RoverEnergyError
    from rover_energy.nodes.picture import draw_drive

    try:
        draw_drive(plan, bag, file)
    except (RoverEnergyError, OSError) as error:
        console.say(f"rover-energy: no picture of the rover: {error}")
        return None
    return str(file)
