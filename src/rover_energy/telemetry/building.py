"""Loader of the smart company building data set (HRI-EU, Dryad 10.5061/dryad.73n5tb363): channels, issues, signed sums.

    data/<meter>/<meter>.<measurement>_<level>[_<resolution>].csv.gz      columns datetime_utc, <meter>.<measurement>
    reduced_data/<resolution>/<kind>_<measurement>.csv.gz, weather.csv.gz
    issues/{automatic,manual}_issues/<meter>_*.yaml                       see `meter_faults`

Power is in [W], energy counters in [kWh]; times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.parameters import read_yaml
from rover_energy.telemetry.meter_faults import Issue, read_issues
from rover_energy.telemetry.meter_levels import LEVELS
from rover_energy.telemetry.tables import need_polars, read_csv

Array = NDArray[np.float64]
TIME = "datetime_utc"
RESOLUTIONS = ("1min", "15min", "1h")
KILOWATT_HOUR = 3.6e6  # [J]

#: The authors' Sankey diagram: every flow as a signed sum of meters or of other flows.
FLOWS: dict[str, dict[str, int]] = {
    "mains": dict.fromkeys(("V.Z81", "V.Z82", "H2.Z35", "H2.Z351", "H2.Z36", "H2.Z361"), 1),
    "photovoltaics": dict.fromkeys(("V.Z84", "H1.Z310", "H2.Z311", "H3.Z312"), 1),
    "chp": {"H1.Z20": 1},
    "cooling": dict.fromkeys(("H1.Z16", "H1.Z11", "H1.Z12", "H1.Z24", "H1.Z25"), 1),
    "emission_lab": {"H1.Z15": 1, "H1.Z28": 1, "H1.Z20": -1, "H1.Z310": -1, "cooling": -1},
    "design_studio": {"H2.T.Z33": 1, "H3.Z312": -1, "H3.Z42": -1},
    "workshop": {"H2.T.Z34": 1, "H2.Z68": -1, "H2.Z69": -1, "H2.Z70": -1},
    "office": {"H2.T.Z30": 1},
    "ventilation": dict.fromkeys(("H2.Z68", "H2.Z69", "H2.Z70", "H3.Z42"), 1),
}
SUPPLY = {"mains": 1, "photovoltaics": -1, "chp": -1}
"""Generation is metered negative, so supply is mains less generation."""
USES = ("cooling", "emission_lab", "design_studio", "workshop", "office", "ventilation")


def read_channel(
    folder: str | Path, meter: str, measurement: str, level: str = "corrected_resampled", resolution: str = ""
) -> tuple[Array, Array]:
    """Time (n,) [Unix s] and values (n,) of one channel, NaN where a value lacks.

    Parameters
    ----------
    folder : path
        The one that holds `data`.
    meter, measurement : str
        As H1.Z16 and P.
    level : str
        One of `LEVELS`.
    resolution : str
        One of `RESOLUTIONS` for resampled data, empty otherwise.

    Raises
    ------
    InputError
        When the level is unknown, or the file is missing or of another layout.
    """
    if level not in LEVELS:
        raise InputError("building", "level", "is unknown", f"use one of {', '.join(LEVELS)}", level)
    if resolution and resolution not in RESOLUTIONS:
        raise InputError("building", "resolution", "is unknown", f"use one of {', '.join(RESOLUTIONS)}", resolution)
    name = f"{meter}.{measurement}"
    ending = f"_{resolution}" if resolution else ""
    table = read_csv(Path(folder) / "data" / meter / f"{name}_{level}{ending}.csv.gz", separator=",", columns=(TIME, name))
    return _seconds(table, str(folder), name), _numbers(table, name)


def read_reduced(folder: str | Path, kind: str, resolution: str = "1h") -> tuple[Array, dict[str, Array]]:
    """Time (n,) [Unix s] and columns of a reduced table, as 'electricity_P' or 'weather'; both folder names in use are
    accepted."""
    places = [Path(folder) / "reduced_data" / name for name in (resolution, f"corrected_resampled_{resolution}")]
    found = next((place for place in places if place.is_dir()), places[0])
    table = read_csv(found / f"{kind}.csv.gz", separator=",", columns=(TIME,))
    columns = {name: _numbers(table, name) for name in table.columns if name != TIME}
    return _seconds(table, str(found), kind), columns


def _numbers(table: Any, name: str) -> Array:
    polars = need_polars()
    return np.asarray(table[name].cast(polars.Float64, strict=False).fill_null(np.nan).to_numpy(), dtype=float)


def _seconds(table: Any, source: str, name: str) -> Array:
    """Unix seconds of the time column; text without a zone is UTC. Raises InputError for what is no time."""
    polars = need_polars()
    text = table[TIME].cast(polars.String).str.replace(r"(Z|\+00:?00)$", "").str.replace("T", " ")
    times = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False)
    if times.null_count():
        raise InputError(
            source, f"{name}.{TIME}", "holds something that is no time", "write 2018-01-31 12:00:00", times.null_count()
        )
    return np.asarray(times.dt.epoch("us").to_numpy(), dtype=float) * 1e-6


def read_all_issues(folder: str | Path) -> list[Issue]:
    """Automatic and manual issues of every meter, sorted by time. Raises InputError when the folder holds none."""
    root = Path(folder)
    paths = sorted(path for kind in ("automatic_issues", "manual_issues") for path in root.glob(f"**/{kind}/*.yaml"))
    if not paths:
        raise InputError(str(folder), "issues", "no file in automatic_issues or manual_issues", "unpack issues.zip there")
    return sorted((issue for path in paths for issue in read_issues(path)), key=lambda issue: (issue.start, issue.meter))


def read_categories(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Categories of meters.yaml and their meters. Raises InputError."""
    data = read_yaml(path)
    if not isinstance(data, dict) or not all(isinstance(meters, list) for meters in data.values()):
        raise InputError(str(path), "file", "is not a mapping of categories to lists of meters", "take meters.yaml as published")
    return {str(category): tuple(str(meter) for meter in meters) for category, meters in data.items()}


def flows(readings: Mapping[str, Array]) -> dict[str, Array]:
    """The flows of `FLOWS`, with 'supply' and what no meter explains, 'others', from readings by meter [any one unit].

    A meter that is not given makes every flow NaN that needs it, so that nothing is taken for zero.
    """
    length = len(next(iter(readings.values()))) if readings else 0
    found: dict[str, Array] = {}
    for name, terms in (*FLOWS.items(), ("supply", SUPPLY), ("others", {"supply": 1, **dict.fromkeys(USES, -1)})):
        parts = (sign * found.get(term, readings.get(term, np.full(length, np.nan))) for term, sign in terms.items())
        found[name] = np.sum(list(parts), axis=0)
    return found


def daily_disagreement(time: Array, power: Array, counter: Array) -> dict[int, float]:
    """For each day (days since 1970) how far the integral of the power [W] and the counter [kWh] differ, as the authors judge it.

    |E_P - E_W| over the largest of 1 kWh and the root mean squares of both over all days; NaN for a day with a missing value.
    """
    from scipy.integrate import simpson

    day = np.floor(time / 86400.0).astype(int)
    rows = []
    for number in np.unique(day):
        at = np.flatnonzero(day == number)
        end = min(int(at[-1]) + 1, len(time) - 1)
        span = slice(int(at[0]), end + 1)
        if end > at[0]:
            by_power = float(simpson(power[span], x=time[span])) / KILOWATT_HOUR
            rows.append((int(number), by_power, float(counter[end] - counter[at[0]])))
    table = np.array([row[1:] for row in rows]).reshape(-1, 2)
    known = table[np.all(np.isfinite(table), axis=1)]
    size = max(1.0, *(float(np.sqrt(np.mean(column**2))) for column in known.T)) if len(known) else 1.0
    return {row[0]: abs(row[1] - row[2]) / size for row in rows}
