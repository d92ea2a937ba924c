"""`rover-energy sun`: where the Sun stands at a site, and what it gives."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, check_number

MOST_HOURS, MOST_ROWS = 2.0e4, 100_000


def sun(
    body: Annotated[str, typer.Option("--body", help="moon or mars")] = "moon",
    latitude: Annotated[float, typer.Option("--latitude", help="Planetocentric, north positive [deg]")] = -80.0,
    longitude: Annotated[float, typer.Option("--longitude", help="East positive [deg]")] = 0.0,
    start: Annotated[str, typer.Option("--time", help="First row, UTC, ISO 8601", metavar="TIME")] = "2028-03-08T00:00:00",
    hours: Annotated[float, typer.Option("--hours", help="Span of the table [h]")] = 24.0,
    rows: Annotated[int, typer.Option("--rows", help="Rows of the table")] = 13,
    optical_depth: Annotated[float, typer.Option("--optical-depth", help="Mars: dust in the air, tau [-]")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Azimuth and elevation of the Sun and its irradiance at a site on Moon or Mars, without network.

    Azimuth is clockwise from north, elevation that of the disc's centre above the horizontal. Direct irradiance falls on a
    surface that faces the Sun, diffuse irradiance on a horizontal one; terrain that shades the site is not considered here.

    **Example:** rover-energy sun --body mars --latitude 18.4 --longitude 77.5 --time 2026-01-01 --hours 24.66 --rows 25

    **Exit codes:** 0 clean, 2 unusable input.
    """
    check_number(hours, "--hours", 0.0, MOST_HOURS, "h")
    check_number(rows, "--rows", 1, MOST_ROWS, "rows")

    from rover_energy.cli.output import Console, table
    from rover_energy.environment.sun import parse_utc
    from rover_energy.mission import SiteParameters
    from rover_energy.parameters import from_mapping

    parse_utc(start, SOURCE, "--time")
    data = {"body": body, "latitude": latitude, "longitude": longitude, "start": start, "optical_depth": optical_depth}
    entries = sun_rows(from_mapping(SiteParameters, data, SOURCE), hours, rows)
    titles = ("hours", "azimuth [deg]", "elevation [deg]", "direct [W/m2]", "diffuse [W/m2]")
    formats = ("{hours:.2f}", "{azimuth_deg:.3f}", "{elevation_deg:.3f}", "{direct_W_m2:.1f}", "{diffuse_W_m2:.1f}")
    text = table(titles, [[cell.format(**entry) for cell in formats] for entry in entries])
    Console(as_json=as_json).result({"site": data, "sun": entries}, text)


def sun_rows(site: Any, hours: float, rows: int) -> list[dict[str, Any]]:
    """The Sun at `rows` equal steps over `hours` from the site's start."""
    from datetime import timedelta

    import numpy as np

    from rover_energy.environment.bodies import body_named
    from rover_energy.environment.irradiance import irradiance
    from rover_energy.environment.scene import beam
    from rover_energy.environment.sun import parse_utc, sun_position, terrestrial_days

    body, begin = body_named(site.body), parse_utc(site.start)
    moments = [begin + timedelta(hours=float(hour)) for hour in np.linspace(0.0, hours, rows)]
    for moment in (moments[0], moments[-1]):
        parse_utc(moment.isoformat(), SOURCE, "--time and --hours")
    days = np.array([terrestrial_days(moment) for moment in moments])
    place = sun_position(body, math.radians(site.latitude), math.radians(site.longitude), days)
    direct, diffuse = irradiance(body, place.distance, place.elevation, site.optical_depth if body.atmosphere else 0.0)
    direct = beam(direct, place.elevation, place.angular_radius, shadows=False)
    return [
        {
            "hours": (moment - begin).total_seconds() / 3600.0, "utc": moment.isoformat(),
            "azimuth_deg": float(np.degrees(place.azimuth[i])), "elevation_deg": float(np.degrees(place.elevation[i])),
            "direct_W_m2": float(direct[i]), "diffuse_W_m2": float(diffuse[i]),
        }
        for i, moment in enumerate(moments)
    ]  # fmt: skip
