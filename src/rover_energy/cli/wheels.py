"""`rover-energy wheels`: the wheel-soil model against single-wheel experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rover_energy.cli.arguments import AsJson


def wheels(
    folder: Annotated[
        Path, typer.Argument(help="Folder with single_wheel_experiments.csv and soil_simulants.csv", metavar="FOLDER")
    ],
    as_json: AsJson = False,
) -> None:
    """Compare the wheel-soil model with single-wheel experiments: drawbar pull, sinkage and torque.

    Nothing is fitted and no point is left out. 'closed' is what the planner uses, 'no_bulldozing' the same without that term,
    'integral' the stresses integrated over the wheel's rim.

    **Example:** rover-energy wheels data/wheel

    **Exit codes:** 0 clean, 2 unusable input.
    """
    from dataclasses import asdict

    from rover_energy.cli.output import Console
    from rover_energy.locomotion.wheel_comparison import compare, format_table, read_experiments

    points = read_experiments(folder)
    rows = compare(points)
    Console(as_json=as_json).result({"points": len(points), "errors": [asdict(row) for row in rows]}, format_table(rows))
