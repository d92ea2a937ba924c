"""Loader of HEAPO on a made folder in its published layout: joins, aggregation by meaning, before and after a visit."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.telemetry.heapo import Heapo, before_and_after, resample, rule_of

polars = pytest.importorskip("polars", reason="polars is not installed: pip install 'rover-energy[tables]'")
START = datetime(2022, 1, 10)
DAYS = 6


def table(path: Path, titles: str, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([titles, *rows]) + "\n")


@pytest.fixture
def heapo(tmp_path: Path) -> Heapo:
    """One household, six days: 0.1 kWh every 15 minutes before the visit and 0.08 after it; 1.5 mm of rain a day."""
    meta = tmp_path / "meta_data"
    table(
        meta / "households.csv",
        "Household_ID;Group;Weather_ID;MetaData_Available",
        ["101;treatment;ZRH;True", "102;control;ZRH;False"],
    )
    table(meta / "meta_data.csv", "Household_ID;Survey_Building_LivingArea", ["101;140"])
    table(tmp_path / "reports/protocols.csv", "Report_ID;Household_ID;Visit_Date", ["1;101;2022-01-13", "2;;2022-02-01"])
    rows = []
    for k in range(96 * DAYS):
        time = START + timedelta(minutes=15 * k)
        label, energy = ("before visit", 0.1) if k < 96 * 3 else ("after visit", 0.08)
        rows.append(f"101;treatment;{label};{time:%Y-%m-%d %H:%M:%S}+00:00;{energy};{0.6 * energy:.3f}")
    table(
        tmp_path / "smart_meter_data/15min/101.csv",
        "Household_ID;Group;AffectsTimePoint;Timestamp;kWh_received_Total;kWh_received_HeatPump",
        rows,
    )
    days = [f"ZRH;{START + timedelta(days=d):%Y-%m-%d};5.0;{d};1.5;15.0" for d in range(DAYS)]
    titles = "Weather_ID;Timestamp;Temperature_avg_daily;Temperature_max_daily;Precipitation_total_daily;HeatingDegree_SIA_daily"
    table(tmp_path / "weather_data/daily/ZRH.csv", titles, days)
    hours = [f"ZRH;{START + timedelta(hours=h):%Y-%m-%d %H:%M:%S}+00:00;{5.0 + 5.0 * math.sin(h)};0.1" for h in range(24 * DAYS)]
    table(
        tmp_path / "weather_data/hourly/ZRH.csv", "Weather_ID;Timestamp;Temperature_avg_hourly;Precipitation_total_hourly", hours
    )
    return Heapo(tmp_path)


def test_tables(heapo: Heapo) -> None:
    assert heapo.households()["Household_ID"].to_list() == [101, 102]
    assert heapo.meta_data()["Survey_Building_LivingArea"].to_list() == [140]
    assert {key: [str(date) for date in dates] for key, dates in heapo.visits().items()} == {101: ["2022-01-13"]}
    readings = heapo.meter(101)
    assert len(readings) == 96 * DAYS
    assert readings["Timestamp"].dtype.time_zone == "UTC"
    assert readings["Timestamp"].is_sorted()


def test_weather_stands_on_every_row_of_its_day(heapo: Heapo) -> None:
    joined = heapo.with_weather(101)
    assert len(joined) == 96 * DAYS
    assert joined["Temperature_max_daily"].to_list() == [d for d in range(DAYS) for _ in range(96)]


def test_energy_adds_up_and_daily_values_do_not_within_their_day(heapo: Heapo) -> None:
    two_hours = resample(heapo.with_weather(101), "2h")
    assert len(two_hours) == 12 * DAYS
    np.testing.assert_allclose(two_hours["kWh_received_Total"].to_numpy()[:36], 0.8)
    assert set(two_hours["Precipitation_total_daily"]) == {1.5}, "not 12.0, eight times the day's sum"
    whole = resample(heapo.with_weather(101), "3d")
    days = whole["Timestamp"].dt.date().to_list()
    assert whole["kWh_received_Total"].sum() == pytest.approx(96 * 3 * 0.18)
    assert whole["Precipitation_total_daily"].sum() == pytest.approx(1.5 * DAYS)
    assert set(whole["Temperature_avg_daily"]) == {5.0}
    assert len(days) >= 2


def test_averages_are_averaged(heapo: Heapo) -> None:
    hourly = heapo.weather("ZRH")
    daily = resample(hourly, "1d")
    expected = hourly["Temperature_avg_hourly"].to_numpy().reshape(DAYS, 24).mean(axis=1)
    np.testing.assert_allclose(daily["Temperature_avg_hourly"].to_numpy(), expected)
    np.testing.assert_allclose(daily["Precipitation_total_hourly"].to_numpy(), 2.4)


def test_an_interval_with_a_gap_has_no_energy(heapo: Heapo) -> None:
    readings = heapo.meter(101)
    holes = readings.filter(polars.int_range(polars.len()) != 5)
    energy = resample(holes, "2h")["kWh_received_Total"].to_list()
    assert energy[0] is None
    assert energy[1] == pytest.approx(0.8)


def test_rules() -> None:
    rules = {
        "kWh_received_Total": "sum", "kvarh_received_inductive_Total": "sum", "Temperature_avg_daily": "mean",
        "Humidity_avg_hourly": "mean",
        "Temperature_max_daily": "max", "Temperature_min_daily": "min", "Precipitation_total_hourly": "sum",
        "Sunshine_duration_daily": "sum", "WindSpeed_hourly": "mean", "HeatingDegree_SIA_daily": "sum", "Group": "first",
    }  # fmt: skip
    assert {name: rule_of(name) for name in rules} == rules


def test_before_and_after_a_visit(heapo: Heapo) -> None:
    """9.6 kWh and 7.68 kWh on days of 10 degree-days."""
    table = resample(heapo.with_weather(101), "1d").with_columns(
        AffectsTimePoint=polars.Series(["before visit"] * 3 + ["after visit"] * 3)
    )
    found = before_and_after(table, "kWh_received_Total", "Temperature_avg_daily")
    assert found == {"before_days": 3.0, "after_days": 3.0, "before": pytest.approx(0.96), "after": pytest.approx(0.768)}


def test_what_is_not_there(heapo: Heapo) -> None:
    for call, words in (
        (lambda: heapo.meter(999), "does not exist"), (lambda: heapo.meter(101, "weekly"), "resolution"),
        (lambda: heapo.with_weather(999), "not in households"), (lambda: resample(heapo.meter(101), "soon"), "no interval"),
        (lambda: heapo.weather("ZRH", "yearly"), "hourly or daily"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            call()
    path = heapo.folder / "smart_meter_data/15min/101.csv"
    path.write_text(path.read_text().replace("2022-01-10 00:15:00", "2022-01-10 00:00:00"))
    with pytest.raises(InputError, match="a time twice"):
        heapo.meter(101)
