"""Loader of HEAPO, smart meters of 1408 Swiss households with heat pumps and protocols of energy consultants (Zenodo 15056919).

All files are CSV with semicolons; times are UTC, energy is [kWh] per interval. Aggregation goes by what a column means: energy
and sums of weather add up, averages are averaged, extremes stay extremes; a daily value that stands beside intervals of minutes
is the same value on all of them, and is never added up within its day.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.telemetry.tables import need_polars, read_csv

RESOLUTIONS = ("15min", "daily", "monthly", "cumulative_counters")
TIME = "Timestamp"
DAY = 86400  # [s]


@dataclass(frozen=True)
class Heapo:
    """The folder `heapo_data`."""

    folder: Path

    def households(self) -> Any:
        """Table of households: Household_ID, Group, Weather_ID, ..."""
        return self._table("meta_data/households.csv", ("Household_ID", "Group", "Weather_ID"))

    def meta_data(self) -> Any:
        """Survey answers by household."""
        return self._table("meta_data/meta_data.csv", ("Household_ID",))

    def protocols(self) -> Any:
        """Reports of the consultants."""
        return self._table("reports/protocols.csv", ("Report_ID", "Household_ID", "Visit_Date"))

    def meter(self, household: int, resolution: str = "15min") -> Any:
        """Readings of one household, sorted by time. Raises InputError for a household or resolution that is not there."""
        if resolution not in RESOLUTIONS:
            raise InputError("heapo", "resolution", "is unknown", f"use one of {', '.join(RESOLUTIONS)}", resolution)
        path = f"smart_meter_data/{resolution}/{household}.csv"
        return _timed(self._table(path, ("Household_ID", TIME)), path)

    def weather(self, station: str, resolution: str = "hourly") -> Any:
        """Weather of a station, 'hourly' or 'daily', sorted by time."""
        if resolution not in ("hourly", "daily"):
            raise InputError("heapo", "resolution", "is unknown", "use hourly or daily", resolution)
        path = f"weather_data/{resolution}/{station}.csv"
        return _timed(self._table(path, ("Weather_ID", TIME)), path)

    def with_weather(self, household: int) -> Any:
        """15-minute readings with the daily weather of the household's station on every row of the day."""
        polars = need_polars()
        rows = self.households().filter(polars.col("Household_ID") == household)
        if not len(rows):
            raise InputError(str(self.folder), "Household_ID", "is not in households.csv", "choose one that is", household)
        readings = self.meter(household)
        weather = self.weather(str(rows["Weather_ID"][0]), "daily").drop("Weather_ID")
        joined = readings.with_columns(_day=polars.col(TIME).dt.truncate("1d"))
        return joined.join(weather.rename({TIME: "_day"}), on="_day", how="left").drop("_day")

    def visits(self) -> dict[int, list[Any]]:
        """Dates of the consultants' visits by household."""
        polars = need_polars()
        table = self.protocols().drop_nulls("Household_ID").sort("Visit_Date")
        dates = table.with_columns(polars.col("Visit_Date").cast(polars.String).str.slice(0, 10).str.to_date(strict=False))
        result: dict[int, list[Any]] = {}
        for household, date in dates.select("Household_ID", "Visit_Date").iter_rows():
            result.setdefault(int(household), []).append(date)
        return result

    def _table(self, path: str, columns: tuple[str, ...]) -> Any:
        return read_csv(self.folder / path, separator=";", columns=columns)


def _timed(table: Any, source: str) -> Any:
    """The table with its times as UTC, sorted. Raises InputError for what is no time or stands twice."""
    polars = need_polars()
    text = table[TIME].cast(polars.String).str.replace(r"(Z|\+00:?00)$", "").str.replace("T", " ")
    whole = polars.when(text.str.len_chars() == 10).then(text + " 00:00:00").otherwise(text)
    times = polars.select(whole.alias(TIME))[TIME].str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_zone="UTC", strict=False)
    if times.null_count() or times.n_unique() != len(times):
        problem = "holds something that is no time, or a time twice"
        raise InputError(source, TIME, problem, "take the file as published", times.null_count())
    return table.with_columns(times.alias(TIME)).sort(TIME)


def rule_of(column: str) -> str:
    """How a column is aggregated over time: 'sum', 'mean', 'max', 'min' or 'first'.

    The data set's own loader takes the first value of columns named `avg`, and adds daily sums up once per row; both are put
    right.
    """
    lower = column.lower()
    if lower.startswith(("kwh_", "kvarh_")):
        return "sum"
    if "_max_" in lower or "_min_" in lower:
        return "max" if "_max_" in lower else "min"
    if "_total_" in lower or "_duration_" in lower:
        return "sum"
    daily_degrees = lower.startswith("heatingdegree")
    if daily_degrees:
        return "sum"
    known = ("temperature", "humidity", "windspeed", "pressure")
    return "mean" if "_avg_" in lower or "_mean_" in lower or lower.startswith(known) else "first"


def resample(table: Any, every: str) -> Any:
    """Rows over intervals of 'every' ("2h", "1d", "7d"), each column by its rule; energy of an interval with gaps is missing.

    Columns that end in `_daily` hold one value per day, whatever the rows: within a day they are taken once, over days by their
    rule.
    """
    polars = need_polars()
    numeric = [name for name, kind in table.schema.items() if kind.is_numeric() and name not in ("Household_ID", "Weather_ID")]
    step = table[TIME].diff().drop_nulls().dt.total_seconds().median() or DAY
    daily = [name for name in numeric if name.lower().endswith("_daily") and step < DAY]
    plain = [name for name in numeric if name not in daily]
    usual = max(1, round(_seconds(every) / step))
    columns = []
    for name in plain:
        column = polars.col(name)
        value = getattr(column, rule_of(name))()
        if rule_of(name) == "sum":
            value = polars.when(column.count() >= usual).then(value)
        columns.append(value.alias(name))
    result = table.sort(TIME).group_by_dynamic(TIME, every=every).agg(columns)
    if not daily:
        return result
    days = table.sort(TIME).group_by_dynamic(TIME, every="1d").agg([polars.col(name).first() for name in daily])
    if _seconds(every) < DAY:
        stamped = result.with_columns(_day=polars.col(TIME).dt.truncate("1d"))
        return stamped.join(days.rename({TIME: "_day"}), on="_day", how="left").drop("_day")
    rules = [getattr(polars.col(name), rule_of(name))() for name in daily]
    return result.join(days.group_by_dynamic(TIME, every=every).agg(rules), on=TIME, how="left")


def _seconds(every: str) -> float:
    units = {"m": 60.0, "h": 3600.0, "d": 86400.0}
    try:
        return float(every[:-1]) * units[every[-1]]
    except (ValueError, KeyError, IndexError):
        raise InputError("heapo", "every", "is no interval", "write 30m, 2h, 1d or 7d", every) from None


def before_and_after(table: Any, energy: str, temperature: str, base: float = 15.0) -> dict[str, float]:
    """Energy per degree-day [kWh/(K d)] before and after a visit, from daily rows with `AffectsTimePoint`, and days of each.

    Ratio of sums over the days on which it was colder than `base` [degrees Celsius], so that mild days weigh little.
    """
    polars = need_polars()
    result: dict[str, float] = {}
    for label in ("before", "after"):
        rows = table.filter((polars.col("AffectsTimePoint") == f"{label} visit") & (polars.col(temperature) < base))
        rows = rows.drop_nulls([energy, temperature])
        degrees = float((base - rows[temperature]).sum() or 0.0)
        result[f"{label}_days"] = float(len(rows))
        result[label] = float(rows[energy].sum()) / degrees if degrees > 0.0 else float("nan")
    return result
