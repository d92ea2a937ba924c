"""`rover-energy terrain`: make, inspect and convert terrain."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Band, check_number
from rover_energy.errors import EXIT_LOSS, InputError

if TYPE_CHECKING:
    from rover_energy.terrain.raster import Terrain

app = typer.Typer(help="Make, inspect and convert terrain.", no_args_is_help=True, rich_markup_mode="markdown")

FILE_HELP = "GeoTIFF (.tif), Esri ASCII grid (.asc) or .npz"
TerrainArgument = Annotated[Path, typer.Argument(help=FILE_HELP, metavar="FILE")]
OutFile = Annotated[Path, typer.Option("--out", help="File to write: .npz (keeps rocks) or .asc", metavar="FILE")]
SUFFIXES = (".npz", ".asc")


def check_suffix(out: Path) -> None:
    """Raises InputError unless the file's suffix names a format that can be written."""
    if out.suffix.lower() not in SUFFIXES:
        remedy = "end it in .npz (keeps rocks) or .asc"
        raise InputError(str(out), "--out", "has a suffix that cannot be written", remedy, out.suffix)


def save(terrain: Terrain, out: Path) -> int:
    """Write a terrain; returns how many keep-outs the format cannot hold."""
    from dataclasses import replace

    from rover_energy.cli.results import whole_file
    from rover_energy.terrain.ascii_grid import write_ascii_grid
    from rover_energy.terrain.npz import write_npz

    with whole_file(out) as temporary:
        if out.suffix.lower() == ".npz":
            write_npz(temporary, terrain)
            return 0
        write_ascii_grid(temporary, replace(terrain, keep_outs=()))
        return len(terrain.keep_outs)


def report_loss(lost: int, as_json: bool) -> None:
    """Say what the format could not hold and end with the exit code for it."""
    from rover_energy.cli.output import Console

    if lost:
        said = f"rover-energy: {lost} keep-outs do not fit into an ASCII grid and were left out; write .npz to keep them"
        Console(as_json=as_json).say(said)
        raise typer.Exit(EXIT_LOSS)


def describe_terrain(terrain: Terrain, footprint: float) -> dict[str, Any]:
    """Size, relief and slope statistics."""
    import numpy as np

    from rover_energy.terrain.surface import Surface

    surface = Surface.from_terrain(terrain, footprint)
    x, y = np.meshgrid(terrain.x, terrain.y)
    inside = np.asarray(surface.has_data(x, y))
    slope = np.degrees(surface.tilt(x[inside], y[inside]))
    known = terrain.height[~terrain.no_data]
    quantiles = np.percentile(slope, [50, 90, 99, 100]) if slope.size else [math.nan] * 4
    return {
        "name": terrain.name, "nodes": f"{terrain.height.shape[1]} x {terrain.height.shape[0]}", "cell_m": terrain.cell,
        "extent_m": list(terrain.extent), "relief_m": float(np.ptp(known)), "no_data_nodes": int(terrain.no_data.sum()),
        "keep_outs": len(terrain.keep_outs), "footprint_m": footprint,
        "slope_50_90_99_100_percent_deg": [float(q) for q in quantiles],
    }  # fmt: skip


@app.command()
def generate(
    out: OutFile,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal terrain", metavar="N")] = 0,
    size: Annotated[float, typer.Option("--size", help="Side of the square map [m]", metavar="METRES")] = 60.0,
    cell: Annotated[float, typer.Option("--cell", help="Distance between nodes [m]", metavar="METRES")] = 0.2,
    as_json: AsJson = False,
) -> None:
    """Generate lunar terrain: fractal relief, craters and rocks, from a seed.

    **Example:** rover-energy terrain generate --seed 3 --size 100 --out moon.npz

    **Exit codes:** 0 clean, 2 unusable input, 3 written without the rocks, which .asc cannot hold.
    """
    check_suffix(out)
    check_number(seed, "--seed", 0, 2**63, "")
    check_number(size, "--size", 2.0, 1.0e5, "m")
    check_number(cell, "--cell", 0.01, 1.0e3, "m")

    from rover_energy.cli.output import Console
    from rover_energy.terrain.generator import generate_lunar_terrain

    terrain = generate_lunar_terrain(seed=seed, size=(size, size), cell=cell)
    lost = save(terrain, out)
    facts = describe_terrain(terrain, min(0.4, size / 8.0))
    Console(as_json=as_json).result({"seed": seed, "file": str(out), "keep_outs_lost": lost, **facts})
    report_loss(lost, as_json)


@app.command()
def info(
    file: TerrainArgument,
    band: Band = 1,
    footprint: Annotated[float, typer.Option("--footprint", help="Averaging length of the rover [m]", metavar="METRES")] = 0.4,
    out: Annotated[Path | None, typer.Option("--out", help="Also write terrain.html and terrain.png here", metavar="DIR")] = None,
    sun_azimuth: Annotated[float, typer.Option("--sun-azimuth", help="For the map of light, clockwise from north [deg]")] = 60.0,
    sun_elevation: Annotated[float, typer.Option("--sun-elevation", help="For the map of light [deg]")] = 7.0,
    as_json: AsJson = False,
) -> None:
    """Size, relief and slopes of a terrain file; with --out also maps of it.

    **Example:** rover-energy terrain info moon.tif --footprint 2 --out moon_maps

    **Exit codes:** 0 clean, 2 unusable input.
    """
    check_number(footprint, "--footprint", 0.0, math.inf, "m")
    check_number(sun_azimuth, "--sun-azimuth", -360.0, 360.0, "deg")
    check_number(sun_elevation, "--sun-elevation", -90.0, 90.0, "deg")

    from rover_energy.cli.output import Console
    from rover_energy.terrain.loading import load_terrain

    terrain = load_terrain(file, band=band)
    try:
        facts = describe_terrain(terrain, footprint)
    except InputError as error:
        raise InputError(SOURCE, f"--{error.field}", error.problem, error.remedy, error.value) from None
    if out is not None:
        facts["report"] = _maps(terrain, footprint, out, math.radians(sun_azimuth), math.radians(sun_elevation))
    Console(as_json=as_json).result(facts)


def _maps(terrain: Terrain, footprint: float, out: Path, azimuth: float, elevation: float) -> str:
    from rover_energy.cli.results import ResultFolder
    from rover_energy.environment.bodies import MOON, SOLAR_CONSTANT
    from rover_energy.environment.scene import Environment
    from rover_energy.report.terrain_report import write_terrain_report
    from rover_energy.terrain.surface import Surface

    light = Environment.constant(MOON.gravity, azimuth, elevation, SOLAR_CONSTANT, terrain=terrain, footprint=footprint)
    with ResultFolder(out) as results:
        surface = Surface.from_terrain(terrain, footprint)
        written = write_terrain_report(results.staging, terrain=terrain, surface=surface, environment=light, title=terrain.name)
        return str(results.publish()[written.html.name])


@app.command()
def convert(file: TerrainArgument, out: OutFile, band: Band = 1, as_json: AsJson = False) -> None:
    """Convert a terrain file to .npz or to an Esri ASCII grid.

    **Example:** rover-energy terrain convert moon.tif --band 1 --out moon.npz

    **Exit codes:** 0 clean, 2 unusable input, 3 written without the keep-outs, which .asc cannot hold.
    """
    check_suffix(out)

    from rover_energy.cli.output import Console
    from rover_energy.terrain.loading import load_terrain

    lost = save(load_terrain(file, band=band), out)
    Console(as_json=as_json).result({"file": str(out), "keep_outs_lost": lost})
    report_loss(lost, as_json)
