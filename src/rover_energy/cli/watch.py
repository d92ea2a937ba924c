"""`rover-energy watch`: a rover's power, battery and place on a terminal, from a bag or live, also over very slow links."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import AsJson, check_number
from rover_energy.cli.replay import Domain, Duration, Rate, Start, check_part

if TYPE_CHECKING:
    from rover_energy.telemetry.recording import Recording
    from rover_energy.views.status import Status

REFRESH = 0.5  # [s] between two pictures or looks at what has changed
LISTEN = 3.0  # [s] for one picture of live topics
Namespace = Annotated[str, typer.Option("--namespace", help="Of the rover whose topics are live, e.g. /rover1", metavar="NAME")]


def watch(
    bag: Annotated[Path | None, typer.Argument(help="Bag to look at; without it: live topics", metavar="[BAG]")] = None,
    start: Start = 0.0,
    duration: Duration = None,
    rate: Rate = 1.0,
    low_rate: Annotated[
        float | None, typer.Option("--low-rate", help="Lines for links that carry so many bytes a second [B/s]", metavar="N")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="One picture of the end (a bag), or after --duration, 3 s without it (live)")
    ] = False,
    namespace: Namespace = "",
    domain: Domain = None,
    as_json: AsJson = False,
) -> None:
    """Watch a rover on a terminal of 80 x 24.

    With --low-rate N what is written never exceeds N bytes a second by more than one line of 80: `=` lines hold all fields,
    `+` lines those that have changed, `!` lines alarms, which go first. m margin [W], b charge [%], p load [W], x y place [m],
    v speed [m/s], h heading [deg], r left by the plan [s]; ? is not known. Run it on the rover's side of the link.

    What is older than 2 s (diagnostics: 10 s) is not shown but said to be old. With --json one line of JSON at each look.

    **Example:** rover-energy watch drive/bag --rate 10

    **Exit codes:** 0 clean, 1 failed, 2 unusable input, 3 the last look has an alarm, or a part of the bag was lost.
    """
    check_part(start, duration, rate, domain)
    check_number(1.0 if low_rate is None else low_rate, "--low-rate", 0.5, 1e6, "B/s")

    from rover_energy.cli.bag_end import finish
    from rover_energy.errors import EXIT_CLEAN, EXIT_LOSS
    from rover_energy.telemetry.recording import Recording
    from rover_energy.views.status import Status

    status = Status(live=bag is None)
    recordings: list[Recording] = []
    with ExitStack() as stack:
        if bag is None:
            looks = _live(stack, status, namespace, domain, LISTEN if once and duration is None else duration)
        else:
            recordings.append(Recording(bag))
            looks = _recorded(status, recordings[0], start, duration, rate, once)
        title = str(bag or namespace or "live")
        show = _last(status, as_json) if once else _writer(stack, status, title, low_rate, as_json)
        with suppress(KeyboardInterrupt):  # the way to end it
            for now in looks:
                show(now)
        if once:
            show(None)
    finish(recordings, EXIT_LOSS if status.alarms() else EXIT_CLEAN)


def _recorded(
    status: Status, bag: Recording, start: float, duration: float | None, rate: float, once: bool
) -> Iterator[float]:
    """Read a bag into the status; yields the link's time at each look: real time, or recorded time when it is not waited for."""
    from rover_energy.views.signals import absolute, namespace_of
    from rover_energy.views.status import WATCHED

    space = namespace_of([stream.topic for stream in bag.streams])
    names = {absolute(name, space): name for name in WATCHED}
    began, look = time.monotonic(), bag.start + round(start * 1e9)
    first = look
    for sample, message in bag.messages(topics=set(names), start=start, duration=duration):
        while sample.time >= look:
            if rate > 0.0 and not once:
                time.sleep(max(0.0, began + 1e-9 * (look - first) / rate - time.monotonic()))
            yield 1e-9 * (look - first) / (rate or 1.0)
            look += round(REFRESH * 1e9 * (rate or 1.0))
        status.add(names[sample.topic], message, sample.time)
    yield 1e-9 * (look - first) / (rate or 1.0)


def _live(stack: ExitStack, status: Status, namespace: str, domain: int | None, duration: float | None) -> Iterator[float]:
    """Hear live topics; yields real time at each look."""
    from rover_energy.nodes.live import Live
    from rover_energy.views.signals import absolute
    from rover_energy.views.status import WATCHED

    live = stack.enter_context(Live(namespace, domain, set(WATCHED)))
    names = {absolute(name, namespace): name for name in WATCHED}
    began = time.monotonic()
    while duration is None or time.monotonic() - began < duration:
        for sample in live.samples(REFRESH):
            status.add(names[sample.topic], live.decode(sample), sample.time)
        yield time.monotonic() - began


def _writer(stack: ExitStack, status: Status, title: str, low_rate: float | None, as_json: bool) -> Any:
    """What to do at each look."""
    if low_rate is not None:
        from rover_energy.views.beacon import Beacon

        beacon = Beacon(low_rate)
        return lambda now: _write(beacon.line(status, now))
    if as_json:
        return lambda _: _write(_json(status))
    from rich.console import Console
    from rich.live import Live as Screen

    from rover_energy.views.dashboard import WIDTH, screen

    shown = stack.enter_context(Screen(console=Console(width=WIDTH), auto_refresh=False))
    return lambda _: shown.update(screen(status, title), refresh=True)


def _last(status: Status, as_json: bool) -> Any:
    """Show the last look only: it is called with None at the end."""

    def show(now: float | None) -> None:
        if now is not None:
            return
        if as_json:
            _write(_json(status))
            return
        from rich.console import Console

        from rover_energy.views.dashboard import WIDTH, screen

        Console(width=WIDTH).print(screen(status))

    return show


def _json(status: Status) -> str:
    import json

    from rover_energy.cli.output import plain

    names = (
        "now", "total", "available", "margin", "sources", "loads", "energy", "floor", "charge", "place", "heading", "speed",
        "apart", "remaining", "plan", "health", "peak", "least_margin", "over", "messages",
    )  # fmt: skip
    facts = {name: getattr(status, name) for name in names}
    return json.dumps(plain({**facts, "alarms": status.alarms()}), allow_nan=False) + "\n"


def _write(text: str) -> None:
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()
