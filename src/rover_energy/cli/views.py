"""`rover-energy views`: what other programs need to show a drive: Foxglove, Rerun, PlotJuggler."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Quiet, check_number
from rover_energy.cli.replay import BagArgument, Domain, PlanFolder, Rate, Shares, check_part
from rover_energy.cli.watch import Namespace
from rover_energy.errors import InputError

if TYPE_CHECKING:
    from rover_energy.rover import RoverParameters
    from rover_energy.telemetry.recording import Recording
    from rover_energy.terrain.raster import Terrain
    from rover_energy.views.foxglove_stream import FoxgloveStream

app = typer.Typer(help="Show a drive in Foxglove, Rerun or PlotJuggler.", no_args_is_help=True, rich_markup_mode="markdown")
FOXGLOVE_FILE, PLOTJUGGLER_FILE = "foxglove.json", "plotjuggler.xml"


def layouts(namespace: str = "") -> dict[str, str]:
    """Contents of the layout files, by name."""
    from rover_energy.views import foxglove_layout, plotjuggler

    made = foxglove_layout.layout(namespace)
    return {FOXGLOVE_FILE: json.dumps(made, indent=1) + "\n", PLOTJUGGLER_FILE: plotjuggler.layout(namespace)}


@app.command("layouts")
def write_layouts(
    out: Annotated[Path, typer.Option("--out", help="Folder for the files; made if needed", metavar="DIR")],
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Write the layouts of Foxglove and PlotJuggler, for a rover in a namespace too.

    Those for a rover without a namespace are installed with the package, under config/views.

    **Example:** rover-energy views layouts --out views

    **Exit codes:** 0 clean, 2 unusable input.
    """
    from rover_energy.cli.output import Console
    from rover_energy.cli.results import ResultFolder

    with ResultFolder(out) as results:
        for name, text in layouts(namespace).items():
            (results.staging / name).write_text(text, encoding="utf-8")
        files = results.publish()
    Console(as_json=as_json).result({"files": [str(path) for path in files.values()]})


@app.command()
def rerun(
    bag: BagArgument,
    out: Annotated[Path, typer.Option("--out", help="File to write, ending in .rrd", metavar="FILE")],
    plan: PlanFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a Rerun recording of a bag: ground, route coloured by power, rover, charts and events, with its layout.

    Open it with `rerun FILE`, or `rerun FILE --web-viewer` in a browser. Without --plan there is no ground in it.

    **Example:** rover-energy views rerun drive/bag --plan traverse --out drive.rrd

    **Exit codes:** 0 clean, 2 unusable input, 3 done, but a part of the bag was lost.
    """
    if out.suffix != ".rrd":
        raise InputError(SOURCE, "--out", "has another ending", "end it in .rrd", str(out))

    from rover_energy.cli.bag_end import finish
    from rover_energy.cli.output import Console
    from rover_energy.cli.output import facts as told
    from rover_energy.cli.results import whole_file
    from rover_energy.telemetry.recording import Recording
    from rover_energy.views.extras import need
    from rover_energy.views.rerun_recording import PURPOSE, write_recording
    from rover_energy.views.series import collect

    need("rerun", PURPOSE)
    console = Console(as_json=as_json, quiet=quiet)
    terrain, shape = surroundings(bag, plan)
    opened = Recording(bag)
    with whole_file(out) as temporary:
        with console.progress(100) as step:
            series = collect(opened, Shares(step))
        write_recording(temporary, series, terrain=terrain, rover=shape, name=bag.resolve().parent.name or "drive")
    values, ground = sum(len(times) for times, _ in series.signals.values()), terrain is not None
    facts = {"poses": len(series.poses[0]), "values": values, "events": len(series.events), "ground": ground}
    console.result({"file": str(out), **facts, "loss": opened.loss.to_mapping()}, told({"file": str(out), **facts}))
    finish([opened], quiet=quiet)


@app.command()
def foxglove(
    bag: Annotated[Path | None, typer.Argument(help="Bag to show; without it: live topics", metavar="[BAG]")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve Foxglove's WebSocket until control-C")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="MCAP file to write, with the scene in it", metavar="FILE")] = None,
    plan: PlanFolder = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at; 0.0.0.0 for every network")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0: any that is free")] = 8765,
    rate: Rate = 1.0,
    loop: Annotated[int, typer.Option("--loop", help="Play the bag so many times; 0: until control-C", metavar="N")] = 0,
    namespace: Namespace = "",
    domain: Domain = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show a bag or a live rover in Foxglove: over its WebSocket (--serve), or as an MCAP file (--out).

    Every topic is passed on as it is; added are /view/power (total, margin), /view/scene (ground of --plan, rover), /view/route
    (coloured by power) and /view/transforms. Import the layout config/views/foxglove.json in Foxglove.

    **Example:** rover-energy views foxglove drive/bag --plan traverse --serve

    **Exit codes:** 0 clean, 1 failed, 2 unusable input, 3 done, but a part of the bag was lost.
    """
    if serve == (out is not None):
        raise InputError(SOURCE, "--serve", "and --out: need one of them", "give --serve, or --out FILE")
    if out is not None and bag is None:
        raise InputError(SOURCE, "BAG", "is missing", "give a bag to write a file from; live topics can be served only")
    if out is not None and out.suffix != ".mcap":
        raise InputError(SOURCE, "--out", "has another ending", "end it in .mcap", str(out))
    check_part(0.0, None, rate, domain)
    check_number(port, "--port", 0, 65535, "")
    check_number(loop, "--loop", 0, 1_000_000, "")

    from rover_energy.cli.bag_end import finish
    from rover_energy.cli.output import Console
    from rover_energy.telemetry.recording import Recording
    from rover_energy.views.extras import need
    from rover_energy.views.foxglove_stream import PURPOSE, FoxgloveStream
    from rover_energy.views.signals import namespace_of

    need("foxglove", PURPOSE)
    console = Console(as_json=as_json, quiet=quiet)
    terrain, shape = surroundings(bag, plan)
    with ExitStack() as stack:
        if bag is None:
            from rover_energy.nodes.live import Live

            live: Any = stack.enter_context(Live(namespace, domain))
            space, samples = namespace, _forever(live)
        else:
            live = Recording(bag)
            space, samples = namespace_of([stream.topic for stream in live.streams]), _played(live, rate, loop)
        stream = FoxgloveStream(live.streams, live.decode, namespace=space, terrain=terrain, rover=shape)
        if out is not None:
            _write(stream, live, out, console)
            finish([live], quiet=quiet)
            return
        server = stream.serve(host, port)
        stack.callback(server.stop)
        console.say(f"rover-energy: serving ws://{host}:{server.port}; in a browser: {server.app_url()}; end with control-C")
        with suppress(KeyboardInterrupt):  # the way to end it
            for sample in samples:
                stream.send(sample)
                server.broadcast_time(sample.time)
        if bag is not None:
            finish([live], quiet=quiet)


def _write(stream: FoxgloveStream, bag: Recording, out: Path, console: Any) -> None:
    """The whole bag into a file."""
    from rover_energy.cli.output import facts as told
    from rover_energy.cli.results import whole_file

    count = 0
    with whole_file(out) as temporary:
        writer = stream.file(temporary)
        for sample in bag.samples():
            stream.send(sample)
            count += 1
        writer.close()
    facts = {"file": str(out), "messages": count}
    console.result({**facts, "loss": bag.loss.to_mapping()}, told(facts))


def _played(bag: Recording, rate: float, loop: int) -> Iterator[Any]:
    """Samples of a bag at their time."""
    times = 0
    while loop == 0 or times < loop:
        began, times = time.monotonic(), times + 1
        for sample in bag.samples():
            if rate > 0.0 and (wait := began + 1e-9 * (sample.time - bag.start) / rate - time.monotonic()) > 0.0:
                time.sleep(wait)
            yield sample


def _forever(live: Any) -> Iterator[Any]:
    while True:
        yield from live.samples(1.0)


@app.command()
def plotjuggler(
    out: Annotated[Path, typer.Option("--out", help="File to write, ending in .xml", metavar="FILE")],
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Write the layout of PlotJuggler. Open the bag there first, then the layout.

    **Example:** rover-energy views plotjuggler --out plotjuggler.xml

    **Exit codes:** 0 clean, 2 unusable input.
    """
    from rover_energy.cli.output import Console
    from rover_energy.cli.results import whole_file

    with whole_file(out) as temporary:
        temporary.write_text(layouts(namespace)[PLOTJUGGLER_FILE], encoding="utf-8")
    Console(as_json=as_json).result({"file": str(out)})


def surroundings(bag: Path | None, plan: Path | None) -> tuple[Terrain | None, RoverParameters]:
    """Ground and rover of the plan's folder, of what lies beside the bag, or no ground and the built-in rover."""
    from rover_energy.parameters import load_yaml
    from rover_energy.rover import RoverParameters
    from rover_energy.terrain.loading import load_terrain

    if plan is not None and not plan.is_dir():
        raise InputError(str(plan), "--plan", "is not a folder", "give one written by rover-energy plan")
    places = [plan] if plan is not None else [] if bag is None else [bag, bag.parent]
    for place in places:
        if plan is not None or (place / "rover.yaml").is_file():
            shape = load_yaml(RoverParameters, place / "rover.yaml")
            ground = place / "terrain.npz"
            return (load_terrain(ground) if plan is not None or ground.is_file() else None), shape
    return None, RoverParameters()
