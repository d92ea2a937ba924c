"""The battery linter: no finding on a right stream, the right finding for each way to be wrong, never a traceback."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from battery_cases import CELLS, clean, messages, with_values
from hypothesis import given, settings
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.telemetry.battery_lint import lint
from rover_energy.telemetry.battery_series import ENUMS, SCALARS, BatterySeries, series_of

Spoil = Callable[[BatterySeries], BatterySeries]


def status(value: int) -> Spoil:
    return lambda s: replace(s, enums={**s.enums, "power_supply_status": np.full(len(s), value)})


def moved(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return lambda s: with_values(s, **{name: change})


def cells(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return lambda s: replace(s, cell_voltage=change(s.cell_voltage))


def stamps(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return lambda s: replace(s, stamp=change(s.stamp))


def swapped(stamp: np.ndarray) -> np.ndarray:
    return np.concatenate((stamp[:20], stamp[20:22][::-1], stamp[22:]))


def silent_from(index: int) -> Spoil:
    """The sensor dies while the driver goes on publishing its last value with a fresh stamp."""
    return lambda s: with_values(s, **{
        name: lambda v: np.concatenate((v[:index], np.full(len(v) - index, v[index]))) for name in SCALARS
    })  # fmt: skip


#: defect -> (how to write it, code that names it, field)
DEFECTS: dict[str, tuple[Spoil, str, str]] = {
    "percent": (moved("percentage", lambda v: 100.0 * v), "unit_percent", "percentage"),
    "millivolts": (moved("voltage", lambda v: 1000.0 * v), "unit_milli", "voltage"),
    "milliamperes": (moved("current", lambda v: 1000.0 * v), "unit_milli", "current"),
    "milliampere-hours": (moved("charge", lambda v: 1000.0 * v), "unit_milli", "charge"),
    "capacity in mAh": (moved("capacity", lambda v: 1000.0 * v), "unit_milli", "capacity"),
    "cells in mV": (cells(lambda v: 1000.0 * v), "unit_milli", "cell_voltage"),
    "kelvins": (moved("temperature", lambda v: v + 273.15), "unit_kelvin", "temperature"),
    "positive when discharging": (
        lambda s: status(0)(with_values(s, current=lambda v: -v)), "current_sign", "current"),
    "magnitude of the current": (moved("current", np.abs), "current_magnitude", "current"),
    "temperature 0": (moved("temperature", lambda v: 0.0 * v), "zero_for_unmeasured", "temperature"),
    "charge 0": (moved("charge", lambda v: 0.0 * v), "zero_for_unmeasured", "charge"),
    "capacity 0": (moved("design_capacity", lambda v: 0.0 * v), "zero_for_unmeasured", "design_capacity"),
    "percentage 0": (moved("percentage", lambda v: 0.0 * v), "zero_for_unmeasured", "percentage"),
    "current 0": (moved("current", lambda v: 0.0 * v), "zero_for_unmeasured", "current"),
    "voltage 0": (moved("voltage", lambda v: 0.0 * v), "zero_for_unmeasured", "voltage"),
    "above 1": (moved("percentage", lambda v: v + 0.5), "percentage_range", "percentage"),
    "minus 1": (moved("percentage", lambda v: 0.0 * v - 1.0), "percentage_range", "percentage"),
    "255 degrees": (moved("temperature", lambda v: 0.0 * v + 150.0), "temperature_range", "temperature"),
    "infinite": (moved("voltage", lambda v: v + math.inf), "infinite", "voltage"),
    "other percentage": (moved("percentage", lambda v: 0.5 * v), "percentage_against_charge", "percentage"),
    "half the current": (moved("current", lambda v: 0.5 * v), "coulomb_count", "charge"),
    "old capacity": (moved("design_capacity", lambda v: 0.5 * v), "capacity_above_design", "capacity"),
    "above capacity": (
        lambda s: with_values(s, charge=lambda v: v + 6.0, percentage=math.nan), "charge_above_capacity", "charge"),
    "one cell missing": (cells(lambda v: v - np.eye(1, CELLS) * 1.2), "cells_sum", "cell_voltage"),
    "weak cell": (cells(lambda v: v - np.eye(1, CELLS) * 0.4), "cells_imbalance", "cell_voltage"),
    "cell above 5 V": (cells(lambda v: v + np.eye(1, CELLS) * 2.0), "cell_range", "cell_voltage"),
    "stamp not set": (stamps(lambda v: 0.0 * v), "stamp_unset", "header.stamp"),
    "stamps swapped": (stamps(swapped), "stamp_backwards", "header.stamp"),
    "stamp repeated": (stamps(lambda v: np.floor(v / 2.0) * 2.0), "stamp_repeated", "header.stamp"),
    "old stamps": (stamps(lambda v: v - 5.0), "stamp_old", "header.stamp"),
    "stamps ahead": (stamps(lambda v: v + 5.0), "stamp_ahead", "header.stamp"),
    "unknown status": (status(9), "enumeration", "power_supply_status"),
    "always full": (status(4), "status_against_current", "power_supply_status"),
    "sensor died": (silent_from(500), "frozen", "voltage"),
    "absent": (lambda s: replace(s, present=np.zeros(len(s), dtype=bool)), "absent_but_measured", "present"),
    "two batteries": (
        lambda s: replace(s, identity=tuple(("bay", str(k % 2)) for k in range(len(s)))), "several_batteries", "serial_number"),
    "no voltage": (moved("voltage", lambda v: v * math.nan), "voltage_unmeasured", "voltage"),
    "nothing": (lambda s: with_values(s, **dict.fromkeys(SCALARS, math.nan)), "nothing_measured", "voltage"),
    "gap": (
        lambda s: replace(s, **{name: getattr(s, name) + 60.0 * (s.received > 1300.0) for name in ("received", "stamp")}),
        "gap", "header.stamp"),
    "cells come and go": (lambda s: replace(s, cells=s.cells - (np.arange(len(s)) % 2)), "cells_change", "cell_voltage"),
    "fewer temperatures": (lambda s: replace(s, cell_temperatures=s.cells - 1), "cells_uneven", "cell_temperature"),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_a_right_stream_has_no_finding(seed: int) -> None:
    assert [str(finding) for finding in lint(clean(seed=seed))] == []


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_named(name: str) -> None:
    spoil, code, field = DEFECTS[name]
    findings = lint(spoil(clean()))
    assert (code, field) in {(finding.code, finding.field) for finding in findings}, [str(f) for f in findings]


#: defects after which nothing else is wrong with the stream
ALONE = [
    "percent", "millivolts", "kelvins", "milliamperes", "cells in mV", "temperature 0", "positive when discharging",
    "stamp not set", "old stamps", "weak cell", "always full", "two batteries", "half the current", "no voltage",
]  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_a_defect_causes_no_other_finding(name: str) -> None:
    """A stream in milliamperes must not also be accused of a wrong coulomb count."""
    spoil, code, _ = DEFECTS[name]
    assert {finding.code for finding in lint(spoil(clean()))} == {code}


def test_place_value_and_remedy() -> None:
    series = clean()
    values = series.percentage.copy()
    values[[40, 41, 90]] = 1.2
    (finding,) = [f for f in lint(with_values(series, percentage=lambda _: values)) if f.code == "percentage_range"]
    assert (finding.index, finding.count, finding.severity) == (40, 3, "error")
    assert finding.time == pytest.approx(series.stamp[40])
    assert finding.value == pytest.approx(1.2)
    for part in ("percentage = 1.2", "message 40", "3 messages", "0 .. 1", "NaN"):
        assert part in str(finding)


def test_percent_of_a_nearly_empty_pack_is_told_by_its_charge() -> None:
    """0.8 % looks like 80 % in 0..1; only charge over capacity gives it away."""
    series = with_values(clean(), charge=lambda v: v * 0.012)
    series = with_values(series, percentage=100.0 * series.charge / 10.0)
    assert np.max(series.percentage) < 1.5
    assert "unit_percent" in {f.code for f in lint(series)}


def test_sign_is_told_by_each_witness_alone() -> None:
    """Status, charge and the sag of the voltage under load: any one of them is enough."""
    reverse = with_values(clean(), current=lambda v: -v)
    nothing = math.nan
    by_status = with_values(reverse, charge=nothing, percentage=nothing, voltage=24.0)
    by_charge = status(0)(with_values(reverse, voltage=24.0))
    by_voltage = status(0)(with_values(reverse, charge=nothing, percentage=nothing))
    for series in (by_status, by_charge, by_voltage):
        assert "current_sign" in {f.code for f in lint(series)}
    for series in (by_status, by_charge, by_voltage):
        right = with_values(series, current=lambda v: -v)
        assert "current_sign" not in {f.code for f in lint(right)}


def test_witnesses_that_contradict_each_other_settle_nothing() -> None:
    findings = {f.code: f for f in lint(with_values(clean(), current=lambda v: -v))}
    assert "current_sign" in findings, "here status and charge both object"
    liar = clean()
    liar = replace(liar, enums={**liar.enums, "power_supply_status": 3 - liar.enums["power_supply_status"]})
    codes = {f.code for f in lint(liar)}
    assert "current_sign_unclear" in codes
    assert "current_sign" not in codes


def test_every_message_must_be_one() -> None:
    with pytest.raises(InputError, match="there is none"):
        series_of([])
    pairs = messages(3)
    del pairs[1][1].voltage
    with pytest.raises(InputError, match="no field 'voltage'"):
        series_of(pairs)


numbers = st.one_of(st.floats(width=32), st.sampled_from([0.0, 1.0, 100.0, 12000.0, 298.0, math.nan]))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), count=st.integers(1, 30))
def test_no_stream_breaks_the_linter(data: st.DataObject, count: int) -> None:
    """Any numbers at all: findings, never an exception; and what is said is one line."""

    def column() -> np.ndarray:
        return np.array(data.draw(st.lists(numbers, min_size=count, max_size=count)))

    enum = st.lists(st.integers(0, 255), min_size=count, max_size=count)
    width = data.draw(st.integers(0, 3))
    table = np.array([data.draw(st.lists(numbers, min_size=width, max_size=width)) for _ in range(count)]).reshape(count, width)
    series = BatterySeries(
        topic="b", received=column(), stamp=column(), values={name: column() for name in SCALARS},
        enums={name: np.array(data.draw(enum)) for name in ENUMS},
        present=np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count))), cell_voltage=table,
        cell_temperature=table, cells=np.full(count, width), cell_temperatures=np.full(count, width),
        identity=tuple(("", "") for _ in range(count)),
    )  # fmt: skip
    for finding in lint(series):
        assert "\n" not in str(finding)
        assert 0 <= finding.index < count
