"""Repair of a BatteryState stream: what can be put right is, each repair is said; what cannot becomes NaN or stays a finding."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rover_energy.telemetry.battery_lint import LintLimits
from rover_energy.telemetry.battery_series import CHARGING, DISCHARGING, SCALARS, BatterySeries
from rover_energy.telemetry.battery_units import Interpretation, impossible, interpret

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Repair:
    """One repair: the field, what was done to it, in how many messages, and why."""

    field: str
    what: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.field}: {self.what} in {self.count} messages: {self.why}"


def normalise(
    series: BatterySeries, limits: LintLimits | None = None, reading: Interpretation | None = None
) -> tuple[BatterySeries, list[Repair]]:
    """A stream as the definition asks for, and what was done to it.

    Units, sign and zeros are read by `reading` (told from the stream without it); a missing stamp becomes the time of arrival;
    infinities and values that cannot be become NaN, which every reader must take for "not measured". Order, gaps, frozen
    sensors and contradictions cannot be repaired: `lint` of the result still finds them. Normalising twice changes nothing.
    """
    limits = limits or LintLimits()
    reading = reading if reading is not None else interpret(series, limits.plausible)
    repairs: list[Repair] = []
    values = {name: _scalar(series, name, reading, limits, repairs) for name in SCALARS}
    if reading.magnitude:
        values["current"] = _signed(series, values["current"], repairs, reading.why["current"])
    cell_voltage = _cells(series.cell_voltage, "cell_voltage", reading, repairs)
    cell_temperature = _cells(series.cell_temperature, "cell_temperature", reading, repairs)
    unset = series.unstamped
    if unset.any():
        repairs.append(Repair("header.stamp", "set to the time of arrival", int(unset.sum()), "it was not set"))
    stamp = np.where(unset, series.received, series.stamp)
    repaired = replace(series, values=values, stamp=stamp, cell_voltage=cell_voltage, cell_temperature=cell_temperature)
    return repaired, repairs


def _scalar(
    series: BatterySeries, name: str, reading: Interpretation, limits: LintLimits, repairs: list[Repair]
) -> Array:  # fmt: skip
    raw = series.values[name]
    values = reading.read(name, raw)
    _say(name, raw, values, reading, repairs)
    wrong = impossible(series, name, values, limits.plausible)
    if wrong.any():
        repairs.append(Repair(name, "replaced by NaN", int(wrong.sum()), f"no battery has {raw[wrong][0]:.6g} there"))
    return np.where(wrong, math.nan, values)


def _cells(table: Array, name: str, reading: Interpretation, repairs: list[Repair]) -> Array:
    values = reading.read(name, table)
    _say(name, table, values, reading, repairs)
    return np.where(np.isinf(values), math.nan, values)


def _say(name: str, raw: Array, values: Array, reading: Interpretation, repairs: list[Repair]) -> None:
    factor, offset = reading.factors.get(name, 1.0), reading.offsets.get(name, 0.0)
    changed = np.isfinite(raw) & ~(raw == values)
    count = int(np.sum(changed if changed.ndim == 1 else changed.any(axis=1)))
    if not count:
        return
    if name in reading.unmeasured:
        repairs.append(Repair(name, "0 replaced by NaN", count, reading.unmeasured[name]))
        return
    done = [f"multiplied by {factor:g}"] * (factor != 1.0) + [f"{offset:+g} added"] * (offset != 0.0)
    repairs.append(Repair(name, ", ".join(done), count, reading.why.get(name, "")))


def _signed(series: BatterySeries, current: Array, repairs: list[Repair], why: str) -> Array:
    """Give a magnitude the sign that the status states; NaN where the status does not say, unless it is 0."""
    status = series.enums["power_supply_status"]
    sign = np.select([status == CHARGING, status == DISCHARGING, current == 0.0], [1.0, -1.0, 1.0], math.nan)
    repairs.append(Repair("current", "given the sign of the status", int(np.sum(np.isfinite(current) & (sign != 1.0))), why))
    signed: Array = current * sign
    return signed
