"""All commands of `rover-energy`."""

from __future__ import annotations

from typing import Annotated

import typer

from rover_energy import __version__
from rover_energy.cli.calibrate import calibrate
from rover_energy.cli.demo import demo
from rover_energy.cli.plan import plan
from rover_energy.cli.rover import rover
from rover_energy.cli.sun import sun
from rover_energy.cli.terrain import app as terrain

app = typer.Typer(
    name="rover-energy",
    help="Plan rover traverses that never ask the bus for more power than it can give.\n\n"
    "Exit codes: 0 clean, 1 failed (no plan), 2 usage or unusable input, 3 done with loss.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version")] = False,
) -> None:
    """Shared options."""


app.command()(plan)
app.command()(demo)
app.command()(sun)
app.command()(calibrate)
app.command()(rover)
app.add_typer(terrain, name="terrain")
