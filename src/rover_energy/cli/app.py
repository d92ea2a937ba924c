"""All commands of `rover-energy`. Their bodies import what they need, so that asking for help costs next to nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from rover_energy import __version__
from rover_energy.cli.audit import audit
from rover_energy.cli.battery_lint import battery_lint
from rover_energy.cli.calibrate import calibrate
from rover_energy.cli.demo import demo
from rover_energy.cli.drive import drive
from rover_energy.cli.forecast_score import forecast_score
from rover_energy.cli.import_logs import app as import_logs
from rover_energy.cli.infer import app as infer
from rover_energy.cli.meters import meters
from rover_energy.cli.park import park
from rover_energy.cli.plan import plan
from rover_energy.cli.refit import refit
from rover_energy.cli.replay import replay
from rover_energy.cli.rover import rover
from rover_energy.cli.sun import sun
from rover_energy.cli.terrain import app as terrain
from rover_energy.cli.views import app as views
from rover_energy.cli.watch import watch
from rover_energy.cli.wheels import wheels

HELP = """
Plan rover traverses that never ask the bus for more power than it can give.

    rover-energy demo

plans a first traverse without any input.

**Exit codes:** 0 clean, 1 failed (there is no plan: the message says what binds and what helps), 2 usage or unusable input,
3 done with loss (something asked for was left out, and is named).

Results go to standard output, errors and remarks to standard error. Whatever fails says why in one line.
"""
EPILOG = (
    "Completion for the shell: rover-energy --install-completion. "
    "ROVER_ENERGY_TRACEBACK=1 shows where an internal error came from."
)

app = typer.Typer(
    name="rover-energy", help=HELP, epilog=EPILOG, no_args_is_help=True, rich_markup_mode="markdown",
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"rover-energy {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version")] = False,
) -> None:
    """Shared options."""


app.command()(plan)
app.command()(demo)
app.command()(drive)
app.command()(park)
app.command()(audit)
app.command()(replay)
app.command()(watch)
app.add_typer(views, name="views")
app.add_typer(terrain, name="terrain")
app.command()(sun)
app.command()(rover)
app.command()(calibrate)
app.command()(wheels)
app.command()(battery_lint)
app.command()(refit)
app.command()(forecast_score)
app.command()(meters)
app.add_typer(import_logs, name="import")
app.add_typer(infer, name="infer")
