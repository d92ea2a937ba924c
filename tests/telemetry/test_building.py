"""Loader of the building data set on a made folder in its published layout."""

from __future__ import annotations

import gzip
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.telemetry.building import (
    FLOWS,
    daily_disagreement,
    flows,
    read_all_issues,
    read_categories,
    read_channel,
    read_reduced,
)  # fmt: skip
from rover_energy.telemetry.meter_faults import Issue, issue_text

pytest.importorskip("polars", reason="polars is not installed: pip install 'rover-energy[tables]'")
START = datetime(2021, 3, 4, tzinfo=timezone.utc)


def write(path: Path, name: str, values: list[float | None], *, step: int = 900, zone: str = "+00:00") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"datetime_utc,{name}"]
    for k, value in enumerate(values):
        lines.append(
            f"{(START + timedelta(seconds=step * k)).strftime('%Y-%m-%d %H:%M:%S')}{zone},{'' if value is None else value}"
        )
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def test_a_channel(tmp_path: Path) -> None:
    for zone in ("", "+00:00", "Z"):
        path = tmp_path / "data" / "H1.Z16" / "H1.Z16.P_corrected_resampled_15min.csv.gz"
        write(path, "H1.Z16.P", [100.0, None, 300.5], zone=zone)
        time, values = read_channel(tmp_path, "H1.Z16", "P", resolution="15min")
        np.testing.assert_array_equal(time, START.timestamp() + np.array([0.0, 900.0, 1800.0]))
        np.testing.assert_array_equal(values, [100.0, math.nan, 300.5])
    write(tmp_path / "data" / "H1.Z16" / "H1.Z16.W_raw.csv.gz", "H1.Z16.W", [1.0, 2.0])
    assert list(read_channel(tmp_path, "H1.Z16", "W", "raw")[1]) == [1.0, 2.0]


@pytest.mark.parametrize("folder", ["1h", "corrected_resampled_1h"])
def test_reduced_tables_in_both_folders_in_use(folder: str, tmp_path: Path) -> None:
    place = tmp_path / "reduced_data" / folder / "electricity_P.csv.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(gzip.compress(b"datetime_utc,total,PV,CHP\n2021-03-04 00:00:00,100,-5,-20\n2021-03-04 01:00:00,110,-6,\n"))
    time, columns = read_reduced(tmp_path, "electricity_P")
    assert set(columns) == {"total", "PV", "CHP"}
    assert np.isnan(columns["CHP"][1])
    assert time[1] - time[0] == 3600.0


def test_what_is_not_of_the_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_channel(tmp_path, "H1.Z16", "P", "raw")
    with pytest.raises(InputError, match="level"):
        read_channel(tmp_path, "H1.Z16", "P", "better")
    path = tmp_path / "data" / "M" / "M.P_raw.csv.gz"
    write(path, "other", [1.0])
    with pytest.raises(InputError, match=r"M\.P missing"):
        read_channel(tmp_path, "M", "P", "raw")
    path.write_bytes(gzip.compress(b"datetime_utc,M.P\nsoon,1\n"))
    with pytest.raises(InputError, match="no time"):
        read_channel(tmp_path, "M", "P", "raw")
    path.write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(InputError, match="no readable CSV"):
        read_channel(tmp_path, "M", "P", "raw")


def test_issues_of_both_kinds(tmp_path: Path) -> None:
    for kind, start in (("automatic_issues", 2e9), ("manual_issues", 1e9)):
        (tmp_path / "issues" / kind).mkdir(parents=True)
        (tmp_path / "issues" / kind / "H1.Z16_issues.yaml").write_text(issue_text([Issue("H1.Z16", "gap", start, start + 60.0)]))
    assert [issue.start for issue in read_all_issues(tmp_path)] == [1e9, 2e9]
    with pytest.raises(InputError, match="no file"):
        read_all_issues(tmp_path / "data")
    (tmp_path / "meters.yaml").write_text("mains: [V.Z81, V.Z82]\nservers: [S1]\n")
    assert read_categories(tmp_path / "meters.yaml")["mains"] == ("V.Z81", "V.Z82")


def test_flows_balance_and_nothing_is_taken_for_zero() -> None:
    """Supply less all uses is what is left to 'others', by hand; a meter that lacks makes its flows unknown."""
    meters = {name for terms in FLOWS.values() for name in terms} - set(FLOWS)
    rng = np.random.default_rng(0)
    readings = {name: rng.uniform(1.0, 2.0, 5) for name in sorted(meters)}
    found = flows(readings)
    r = readings
    workshop = r["H2.T.Z34"] - r["H2.Z68"] - r["H2.Z69"] - r["H2.Z70"]
    np.testing.assert_allclose(found["workshop"], workshop)
    cooling = r["H1.Z16"] + r["H1.Z11"] + r["H1.Z12"] + r["H1.Z24"] + r["H1.Z25"]
    np.testing.assert_allclose(found["emission_lab"], r["H1.Z15"] + r["H1.Z28"] - r["H1.Z20"] - r["H1.Z310"] - cooling)
    uses = sum(found[name] for name in ("cooling", "emission_lab", "design_studio", "workshop", "office", "ventilation"))
    np.testing.assert_allclose(found["supply"], uses + found["others"])
    np.testing.assert_allclose(found["supply"], found["mains"] - found["photovoltaics"] - found["chp"])
    less = flows({name: values for name, values in readings.items() if name != "H2.Z69"})
    assert np.isnan(less["workshop"]).all()
    assert np.isfinite(less["office"]).all()


def test_power_and_counter_of_a_day() -> None:
    """A counter that counts a tenth less differs by a tenth of the usual energy; a day with a gap is not judged."""
    time = 900.0 * np.arange(4 * 96 + 1)
    power = np.full(len(time), 10000.0)
    exact = 10.0 * time / 3600.0
    assert max(daily_disagreement(time[:-1], power[:-1], exact[:-1]).values()) < 1e-9
    slow = daily_disagreement(time[:-1], power[:-1], 0.9 * exact[:-1])
    assert slow[1] == pytest.approx(0.1, rel=0.01)
    power[100] = math.nan
    assert math.isnan(daily_disagreement(time[:-1], power[:-1], exact[:-1])[1])
