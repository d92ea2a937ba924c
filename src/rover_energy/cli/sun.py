"""`rover-energy sun`: where the Sun stands at a site, and what it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from rover_energy.cli.arguments import AsJson
from rover_energy.cli.output import Console
from rover_energy.environment.scene import build_environment
from rover_energy.mission import SiteParameters
from rover_energy.parameters import from_mapping


def sun(
    body: Annotated[str, typer.Option("--body", help="moon or mars")] = "moon",
    latitude: Annotated[float, typer.Option("--latitude", help="[deg], north positive")] = -80.0,
    longitude: Annotated[float, typer.Option("--longitude", help="[deg], east positive")] = 0.0,
    start: Annotated[str, typer.Option("--time", help="UTC, ISO 8601")] = "2028-03-01T00:00:00",
    hours: Annotated[float, typer.Option("--hours", help="Span of the table", min=0.0, max=2.0e4)] = 24.0,
    rows: Annotated[int, typer.Option("--rows", help="Rows of the table", min=1, max=100000)] = 13,
    optical_depth: Annotated[float, typer.Option("--optical-depth", help="Mars: dust in the air")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Azimuth and elevation of the Sun and its irradiance at a lunar or Martian site, offline."""
    console = Console(as_json=as_json)
    data = {"body": body, "latitude": latitude, "longitude": longitude, "start": start, "optical_depth": optical_depth}
    site = from_mapping(SiteParameters, data, "command line")
    times = np.linspace(0.0, hours * 3600.0, rows)
    entries = [_entry(site, float(t)) for t in times]
    table = Table(box=None, pad_edge=False)
    for title in ("hours", "azimuth [deg]", "elevation [deg]", "direct [W/m2]", "diffuse [W/m2]"):
        table.add_column(title, justify="right")
    for e in entries:
        table.add_row(f"{e['hours']:.2f}", f"{e['azimuth_deg']:.3f}", f"{e['elevation_deg']:.3f}", f"{e['direct_W_m2']:.1f}", f"{e['diffuse_W_m2']:.1f}")
    console.result({"site": data, "sun": entries}, table)


def _entry(site: SiteParameters, seconds: float) -> dict[str, Any]:
    from datetime import timedelta

    from rover_energy.environment.sun import parse_utc

    moment = parse_utc(site.start, "command line", "--time") + timedelta(seconds=seconds)
    scene = build_environment(replace(site, start=moment.isoformat()), None, 0.0)
    azimuth, elevation = scene.sun_angles(0.0)
    return {
        "hours": seconds / 3600.0, "utc": moment.isoformat(), "azimuth_deg": float(np.degrees(azimuth)),
        "elevation_deg": float(np.degrees(elevation)), "direct_W_m2": float(scene.direct_irradiance(0.0)),
        "diffuse_W_m2": float(scene.diffuse_irradiance(0.0)),
    }  # fmt: skip
