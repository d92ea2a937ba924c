"""Footprints: published figures of the calculator to 1e-6, linearity, identities, units."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.inference.footprint import (
    CarbonRow,
    Computation,
    GroundLedger,
    SizeRow,
    carbon_shares,
    green_algorithms,
    metres_not_driven,
    size_table,
    water,
    water_of_mix,
    water_on_site,
)

HOUR = 3600.0
BERT_LOAD = 12041.51 / (64 * 300.0)


@pytest.mark.parametrize(
    ("computation", "version", "kilowatt_hours", "grams"),
    [
        (Computation(seconds=12 * HOUR, cores=2, core_power=4.4, memory=23.0), "v3.0", 0.3251196, 154.43181),
        (Computation(seconds=HOUR, cores=4, core_power=1.6, memory=4.0, pue=1.0), "v3.0", 0.00789, 3.74775),
        (Computation(seconds=12 * HOUR, cores=12, core_power=15.8, memory=64.0), "v3.0", 3.9955968, 1897.90848),
        # 64 V100 for 79 h, memory ignored, as the authors' table of BERT has it
        (Computation(seconds=79 * HOUR, cores=0, gpus=64, gpu_power=300.0, gpu_usage=BERT_LOAD), "v1.0", 1588.636414, 754602.297),
    ],
)  # fmt: skip
def test_figures_of_the_calculator(computation: Computation, version: str, kilowatt_hours: float, grams: float) -> None:
    made = green_algorithms(computation, version)
    assert made.kilowatt_hours == pytest.approx(kilowatt_hours, rel=1e-6)
    assert made.carbon == pytest.approx(grams, rel=1e-6)
    assert made.version == version


@given(st.floats(0.1, 1e6), st.floats(0.1, 10.0), st.integers(1, 64))
def test_linear_in_time_runs_and_cores(seconds: float, factor: float, cores: int) -> None:
    one = green_algorithms(Computation(seconds=seconds, cores=cores))
    for change in ({"seconds": factor * seconds}, {"runs": factor}, {"core_power": factor * 6.0}):
        assert green_algorithms(replace(Computation(seconds=seconds, cores=cores), **change)).energy == pytest.approx(
            factor * one.energy
        )


def test_versions_and_places_are_pinned() -> None:
    job = Computation(seconds=HOUR, place="FR")
    assert green_algorithms(job, "v1.0").carbon != green_algorithms(job, "v3.0").carbon
    with pytest.raises(InputError, match=r"version = .latest.: is unknown; use one of v1\.0, v2\.2, v3\.0"):
        green_algorithms(job, "latest")
    with pytest.raises(InputError, match="place = 'XX'"):
        green_algorithms(replace(job, place="XX"))
    with pytest.raises(InputError, match="seconds"):
        Computation(seconds=math.nan)
    assert green_algorithms(replace(job, place="XX", carbon_intensity=10.0)).carbon > 0.0


def test_ledger_adds_up_and_attributes() -> None:
    ledger = GroundLedger()
    parts = [ledger.add(Computation(name=f"n{i}", seconds=100.0 * (i + 1))) for i in range(3)]
    data = ledger.to_mapping()
    assert data["carbon_g"] == pytest.approx(sum(p.carbon for p in parts))
    assert "CC BY 4.0" in data["attribution"]


def test_carbon_is_power_times_time_times_intensity() -> None:
    """On generated rows; the shares of log C add up to 1 and single out the term that varies."""
    rng = np.random.default_rng(0)
    rows = [CarbonRow(f"m{i}", 300.0, 1e4 * float(rng.lognormal()), float(rng.lognormal(6.0, 0.01))) for i in range(50)]
    for r in rows:
        assert r.carbon == pytest.approx(green_algorithms(
            Computation(seconds=r.seconds, cores=0, gpus=1, gpu_power=r.power, pue=1.0, carbon_intensity=r.intensity)
        ).carbon)  # fmt: skip
    shares = carbon_shares(rows)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["time"] > 0.95
    with pytest.raises(InputError):
        carbon_shares(rows[:1])


@pytest.mark.parametrize(("fahrenheit", "litres"), [(50, 3.12), (60, 3.79), (70, 4.66), (80, 6.14)])
def test_water_of_a_cooling_tower(fahrenheit: float, litres: float) -> None:
    """Values of the published code at four wet-bulb temperatures."""
    assert water_on_site((fahrenheit - 32.0) / 1.8 + 273.15) == pytest.approx(litres, abs=0.006)


def test_water_of_generation() -> None:
    assert water_of_mix({"gas": 0.5, "nuclear": 0.5}) == pytest.approx(0.45 * 3.785)
    assert water(3.6e6, on_site=2.0, generation=1.7, pue=1.1) == pytest.approx(2.0 + 1.1 * 1.7)
    for bad in ({"gas": 0.5}, {"magic": 1.0}, {"gas": 1.5, "coal": -0.5}):
        with pytest.raises(InputError):
            water_of_mix(bad)
    with pytest.raises(InputError, match="give kelvin"):
        water_on_site(70.0)


def test_sizes_against_the_largest() -> None:
    rows = size_table([SizeRow("large", 800, 1.0, 500.0, 0.04), SizeRow("small", 30, 0.98, 50.0, 0.004)])
    assert rows[0]["name"] == "small"
    assert (rows[0]["training_saved"], rows[0]["answer_saved"]) == pytest.approx((10.0, 10.0))
    assert rows[0]["quality_lost"] == pytest.approx(0.02)
    assert metres_not_driven(9.2, 2500.0) == pytest.approx(0.00368)
