"""`rover-energy terrain`: make, inspect and convert terrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from rover_energy.cli.arguments import AsJson, Band
from rover_energy.cli.output import Console
from rover_energy.environment.bodies import body_named
from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.terrain.ascii_grid import write_ascii_grid
from rover_energy.terrain.generator import generate_lunar_terrain
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.npz import write_npz
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

app = typer.Typer(help="Make, inspect and convert terrain.", no_args_is_help=True)


def _save(terrain: Terrain, out: Path) -> None:
    if out.suffix == ".npz":
        write_npz(out, terrain)
    elif out.suffix in (".asc", ".txt"):
        write_ascii_grid(out, terrain)
    else:
        raise InputError(str(out), "--out", "has an unknown suffix", "end it in .npz (keeps rocks) or .asc", out.suffix)


def describe_terrain(terrain: Terrain, footprint: float) -> dict[str, Any]:
    """Size, relief and slope statistics."""
    surface = Surface.from_terrain(terrain, footprint)
    x, y = np.meshgrid(terrain.x, terrain.y)
    inside = np.asarray(surface.has_data(x, y))
    slope = np.degrees(surface.tilt(x[inside], y[inside]))
    known = terrain.height[~terrain.no_data]
    quantiles = np.percentile(slope, [50, 90, 99, 100]) if slope.size else [np.nan] * 4
    return {
        "name": terrain.name, "nodes": f"{terrain.height.shape[1]} x {terrain.height.shape[0]}", "cell_m": terrain.cell,
        "extent_m": list(terrain.extent), "relief_m": float(np.ptp(known)), "no_data_nodes": int(terrain.no_data.sum()),
        "keep_outs": len(terrain.keep_outs), "footprint_m": footprint,
        "slope_deg_50_90_99_max": [float(q) for q in quantiles],
    }  # fmt: skip


@app.command()
def generate(
    out: Annotated[Path, typer.Option("--out", help="File to write: .npz (with rocks) or .asc", metavar="FILE")],
    seed: Annotated[int, typer.Option("--seed", help="Seed; equal seeds give equal terrain", min=0)] = 0,
    size: Annotated[float, typer.Option("--size", help="Side of the square map [m]", min=2.0)] = 60.0,
    cell: Annotated[float, typer.Option("--cell", help="Distance between nodes [m]", min=0.01)] = 0.2,
    as_json: AsJson = False,
) -> None:
    """Generate lunar terrain: fractal relief, craters and rocks, from a seed."""
    console = Console(as_json=as_json)
    terrain = generate_lunar_terrain(seed=seed, size=(size, size), cell=cell)
    _save(terrain, out)
    console.result({"seed": seed, "file": str(out), **describe_terrain(terrain, min(0.4, size / 8.0))})


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="GeoTIFF, Esri ASCII grid or .npz")],
    band: Band = 1,
    footprint: Annotated[float, typer.Option("--footprint", help="Averaging length of the rover [m]", min=0.0)] = 0.4,
    out: Annotated[Path | None, typer.Option("--out", help="Also write maps of height, slope and light here", metavar="DIR")] = None,
    sun_azimuth: Annotated[float, typer.Option("--sun-azimuth", help="For the map of light [deg], clockwise from north")] = 60.0,
    sun_elevation: Annotated[float, typer.Option("--sun-elevation", help="For the map of light [deg]")] = 7.0,
    as_json: AsJson = False,
) -> None:
    """Size, relief and slopes of a terrain file; with --out also maps of it."""
    console = Console(as_json=as_json)
    terrain = load_terrain(file, band=band)
    facts = describe_terrain(terrain, footprint)
    if out is not None:
        from rover_energy.report.terrain_report import write_terrain_report

        moon = body_named("moon")
        light = Environment.constant(
            moon.gravity, np.radians(sun_azimuth), np.radians(sun_elevation), 1361.0, terrain=terrain, footprint=footprint
        )
        written = write_terrain_report(out, terrain=terrain, surface=Surface.from_terrain(terrain, footprint), environment=light, title=terrain.name)
        facts["report"] = str(written.html)
    console.result(facts)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="GeoTIFF, Esri ASCII grid or .npz")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .npz or .asc", metavar="FILE")],
    band: Band = 1,
    as_json: AsJson = False,
) -> None:
    """Convert a terrain file to .npz or to an Esri ASCII grid."""
    console = Console(as_json=as_json)
    terrain = load_terrain(file, band=band)
    _save(terrain, out)
    lost = len(terrain.keep_outs) if out.suffix != ".npz" else 0
    console.result({"file": str(out), "keep_outs_lost": lost})
    if lost:
        console.say(f"{lost} keep-outs do not fit into an ASCII grid and were left out; write .npz to keep them")
        raise typer.Exit(3)
