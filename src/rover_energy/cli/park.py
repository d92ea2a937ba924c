"""`rover-energy park`: the node graph around a rover that stands, for as many sols as wanted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from rover_energy.cli.arguments import AsJson, Domain, GrantShare, Inference, OutFolder, Quiet, check_number
from rover_energy.cli.drive import Engine, domain_of, prepare

SOL, WINDOW, BARS = 88775.244, 10.0, 100  # [s], [s], steps of the progress bar


def park(
    plan: Annotated[Path, typer.Option("--plan", help="Folder written by rover-energy plan; the rover stands at its start")],
    out: OutFolder,
    seconds: Annotated[float, typer.Option("--seconds", help="Simulated time [s]; a sol of Mars by default", metavar="S")] = SOL,
    window: Annotated[float, typer.Option("--window", help="Of the power meter [s]", metavar="S")] = WINDOW,
    inference: Inference = None,
    grant_share: GrantShare = 1.0,
    domain: Domain = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Let a parked rover's bus live through sols: light, loads, battery, forecasts; the nodes of a drive, as fast as they go.

    Writes bag/ (rosbag2, MCAP), log/, state/ and park.json. Needs ROS 2 and the message package: make ros. The Sun moves
    where the plan's mission has a place and a time.

    With --inference, networks live on the bus: once a window they are granted power, the terrain classifier looks around, and the
    telemetry sentinel judges; the energy map and a question to the log analyst once an hour wait for surplus. What they took is
    in park.json under `inference`. Simulated time waits for what they compute.

    **Example:** rover-energy park --plan traverse --out night

    **Exit codes:** 0 no window of the meter above what was available and the battery above its floor, 1 a node failed,
    2 unusable input, 3 a window over or missing, the battery below its floor, or a network that took more than its grant.
    """
    from rover_energy.nodes import parking

    check_number(seconds, "--seconds", 1.0, 1e8, "s")
    check_number(window, "--window", 0.05, 600.0 if inference is None else parking.LONGEST, "s")
    check_number(grant_share, "--grant-share", 0.0, 1.0, "")
    check_number(0 if domain is None else domain, "--domain", 0, 101, "")

    from rover_energy.cli.output import Console, plain
    from rover_energy.errors import EXIT_LOSS
    from rover_energy.nodes.graph import begin_anew, simulation_graph
    from rover_energy.nodes.inference_graph import usable_store
    from rover_energy.nodes.inference_summary import summarise_inference
    from rover_energy.nodes.processes import Processes
    from rover_energy.nodes.session import Session

    console, bag = Console(as_json=as_json, quiet=quiet), prepare(plan, out, Engine.loopback)
    if inference is not None:
        inference = usable_store(inference, plan, lambda text: console.say(f"rover-energy: {text}"))
    graph = simulation_graph(
        plan.resolve(), bag.resolve(), simulator="loopback", inference=inference, grant_share=grant_share
    )
    nodes = parking.parked(graph, window)
    begin_anew(bag.resolve())
    number, began, reached = domain_of(domain), time.monotonic(), [0]
    with Processes(nodes, out.resolve(), number) as processes, Session(processes) as session, console.progress(BARS) as step:

        def advance(done: float) -> None:
            while reached[0] < BARS * min(1.0, done / seconds):
                step(f"{done / 3600.0:.1f} h")
                reached[0] += 1

        digests = parking.park(session, seconds, advance)
    summary = parking.summarise_parking(bag, window, time.monotonic() - began)
    if inference is not None:
        summary["inference"] = summarise_inference(bag, deadline=max(1.0, window))
        if digests is not None:
            summary["inference"] |= {"digests_asked": digests.asked, "digests_answered": digests.answered}
    (out / "park.json").write_text(json.dumps(plain(summary), indent=1) + "\n", encoding="utf-8")
    console.result(summary)
    if not summary["compliance"]:
        console.say("rover-energy: a window of the meter was above what was available or missing, or the battery below its floor")
        raise typer.Exit(EXIT_LOSS)
    if inference is not None and summary["inference"]["violations"]:
        console.say("rover-energy: networks took more than their grants")
        raise typer.Exit(EXIT_LOSS)
