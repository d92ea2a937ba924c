"""`rover-energy import`: field logs of others as bags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rover_energy.cli.arguments import AsJson, OutFolder, Quiet

app = typer.Typer(help="Field logs of others as bags.", no_args_is_help=True)


@app.callback()
def common() -> None:
    """Field logs of others as bags (rosbag2, MCAP), so that `refit`, `audit` and any ROS tool can read them."""


@app.command()
def cuadriga(
    logs: Annotated[Path, typer.Argument(help="Folder with the logs and site_dem_1m.csv", metavar="DIR")],
    out: OutFolder,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Logs of the field rover Cuadriga (spaceuma/CAMIS_python): odometry with the slope of the site, and motor current.

    What the logs do not vouch for is NaN in the bags. There is no voltage and no mass in them.

    **Example:** rover-energy import cuadriga cuadriga_logs --out bags

    **Exit codes:** 0 clean, 2 unusable input.
    """
    from rover_energy.cli.output import Console
    from rover_energy.telemetry.cuadriga_bag import write_bags

    console = Console(as_json=as_json, quiet=quiet)
    with console.progress(1) as step:
        step("writing bags")
        bags = write_bags(logs, out)
    console.result({"bags": [str(bag) for bag in bags]}, "\n".join(str(bag) for bag in bags))
