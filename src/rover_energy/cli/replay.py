"""`rover-energy replay`: a bag published again with /clock, watched by the monitors, which say the same each time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from rover_energy.cli.arguments import AsJson, Quiet, check_number

BagArgument = Annotated[Path, typer.Argument(help="Folder of a rosbag2 (MCAP or SQLite), or an .mcap file", metavar="BAG")]
PlanFolder = Annotated[
    Path | None, typer.Option("--plan", help="Folder of the plan that was driven: rover, ground and limits", metavar="DIR")
]
Start = Annotated[float, typer.Option("--start", help="Begin so far into the bag [s]", metavar="S")]
Duration = Annotated[float | None, typer.Option("--duration", help="Play so much of it [s]; without it: to the end", metavar="S")]
Rate = Annotated[float, typer.Option("--rate", help="Recorded over real time; 0: as fast as it goes", metavar="N")]
Domain = Annotated[int | None, typer.Option("--domain", help="ROS_DOMAIN_ID; without it that of the environment", metavar="N")]
MOST_SECONDS = 1e7


def check_part(start: float, duration: float | None, rate: float, domain: int | None) -> None:
    """Raises InputError for a part of a bag that cannot be meant."""
    check_number(start, "--start", 0.0, MOST_SECONDS, "s")
    check_number(1.0 if duration is None else duration, "--duration", 1e-3, MOST_SECONDS, "s")
    check_number(rate, "--rate", 0.0, 1000.0, "")
    check_number(0 if domain is None else domain, "--domain", 0, 101, "")


def replay(
    bag: BagArgument,
    plan: PlanFolder = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the report; made if needed", metavar="DIR")] = None,
    start: Start = 0.0,
    duration: Duration = None,
    rate: Rate = 1.0,
    loop: Annotated[int, typer.Option("--loop", help="Play so many times; 0: until control-C", metavar="N")] = 1,
    commands: Annotated[
        bool, typer.Option("--commands", help="Publish cmd_vel and load_command under their own names: A ROVER WOULD OBEY THEM")
    ] = False,
    domain: Domain = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Publish a bag again, with /clock, and run the monitors on it.

    The monitors take one message after the other by recorded time, so the same bag gives the same report, to the byte, at any
    rate and on any machine. What they publish themselves (diagnostics, compliance) appears anew; the recorded messages of these
    topics, and the commands to a rover, appear under `recorded/`.

    With --out: replay.json (messages, verdict now and during the drive, levels of the diagnostics) and diagnostics.jsonl.
    Without --plan the rover's description is taken from beside the bag, else the built-in one is used, which is said.

    **Example:** rover-energy replay drive/bag --plan traverse --rate 0 --out replay

    **Exit codes:** 0 limits kept in the whole part, 1 failed, 2 unusable input, 3 done with loss: topics that could not be
    published, windows over what was available or missing, nothing to judge, or a part of the bag that was lost.
    """
    check_part(start, duration, rate, domain)
    check_number(loop, "--loop", 0, 1_000_000, "")

    from rover_energy.cli.bag_end import finish
    from rover_energy.cli.output import Console
    from rover_energy.cli.results import ResultFolder
    from rover_energy.errors import EXIT_CLEAN, EXIT_LOSS
    from rover_energy.nodes import ros
    from rover_energy.nodes.plan_folder import read_bus
    from rover_energy.nodes.replay_node import Portion, plan_folder
    from rover_energy.nodes.replay_node import replay as play
    from rover_energy.nodes.replay_report import DIAGNOSTICS, SUMMARY, summary, verdict, write
    from rover_energy.telemetry.recording import Recording

    for module in ("rclpy", "rover_energy_interfaces.msg"):
        ros.need(module)
    console, portion = Console(as_json=as_json, quiet=quiet), Portion(start, duration, rate, commands)
    times = 0
    opened = Recording(bag)
    with tempfile.TemporaryDirectory() as spare:
        folder, source = plan_folder(bag, plan, Path(spare))
        read_bus(str(folder))
        if source == "built-in":
            console.say("rover-energy: no plan given and none beside the bag: the monitors take the built-in rover")
        while True:
            with console.progress(100) as step:
                outcome = play(opened, folder, portion, domain=domain, progress=Shares(step))
            figures = summary(outcome, rover=source, loss=opened.loss)
            if out is not None:
                with ResultFolder(out) as results:
                    write(results.staging, outcome, figures)
                    results.publish(last=SUMMARY, stale=(DIAGNOSTICS,))
            times += 1
            if times == loop:
                break
            console.say(f"rover-energy: pass {times}: {verdict(figures)}")
    console.result(figures, verdict(figures))
    for topic, reason in figures["left_out"].items():
        console.say(f"rover-energy: {topic} was left out: {reason}")
    kept = not figures["left_out"] and figures["compliance"] is not None and figures["compliance"]["passed"]
    finish([opened], EXIT_CLEAN if kept else EXIT_LOSS, quiet=quiet)


class Shares:
    """Advances a bar of a hundred steps by shares from 0 to 1."""

    def __init__(self, step: object) -> None:
        self.step, self.shown = step, -1

    def __call__(self, share: float) -> None:
        while self.shown < min(99, int(100.0 * share)):
            self.shown += 1
            self.step(f"{self.shown} %")  # type: ignore[operator]
