"""Conformance of a sensor_msgs/BatteryState stream with its definition: typed findings, each with place, value, limit and remedy.

Two kinds of rule: what the numbers say of the convention they are written in (`battery_units`), and, on the stream as read by
that convention, what cannot be true of one battery. A clean stream has no finding; what was not measured (NaN) is no fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.parameters import Parameters, group, parameter
from rover_energy.telemetry.battery_series import (
    CHARGING,
    DISCHARGING,
    ENUMS,
    FULL,
    HIGHEST,
    NOT_CHARGING,
    SCALARS,
    BatterySeries,
)  # fmt: skip
from rover_energy.telemetry.battery_units import (
    Interpretation,
    Plausible,
    bound_words,
    coulomb_slope,
    impossible,
    interpret,
    stored_charge,
)  # fmt: skip

Array = NDArray[np.float64]
ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class LintLimits(Parameters):
    """Where a stream stops being one battery's."""

    plausible: Plausible = group(Plausible, "what a battery of a robot can have")
    age: float = parameter(1.0, unit="s", minimum=0.0, description="most between the stamp and the arrival of a message")
    ahead: float = parameter(0.1, unit="s", minimum=0.0, description="most by which a stamp may lie in the future")
    gap: float = parameter(5.0, minimum=1.5, description="longest silence, in usual periods")
    silence: float = parameter(0.5, unit="s", minimum=0.0, description="a shorter silence is no gap, however fast the stream")
    frozen: float = parameter(30.0, unit="s", minimum=1.0, description="longest time for which nothing changes under current")
    cells: float = parameter(0.02, minimum=0.0, description="of the voltage, by which the cells' sum may differ")
    imbalance: float = parameter(0.3, unit="V", minimum=0.0, description="most between the cells of a pack")
    charge: float = parameter(0.05, minimum=0.0, description="by which percentage and charge over capacity may differ")
    coulomb: float = parameter(0.25, minimum=0.0, description="by which flowed over stored charge may differ from 1")
    quiet_current: float = parameter(0.05, unit="A", minimum=0.0, description="below this a current says nothing of the status")


@dataclass(frozen=True)
class Finding:
    """One fault of a stream.

    code: its name. severity: 'error' or 'warning'. field: of the message. index: first message that has it, from 0; time [s] of
    that message. count: messages that have it. value: there. limit, remedy: in words.
    """

    code: str
    severity: str
    field: str
    index: int
    time: float
    count: int
    value: float | str
    limit: str
    remedy: str

    def __str__(self) -> str:
        value = f"{self.value:.6g}" if isinstance(self.value, float) else self.value
        times = f", {self.count} messages" if self.count > 1 else ""
        place = f"message {self.index} at {self.time:.3f} s{times}"
        return f"{self.severity}: {self.code}: {self.field} = {value} ({place}); {self.limit}; {self.remedy}"


@dataclass(frozen=True)
class _Case:
    """What every rule looks at: the stream as it is, how to read it, and the fields read so."""

    series: BatterySeries
    reading: Interpretation
    limits: LintLimits

    def field(self, name: str) -> Array:
        return self.reading.read(name, self.series.values[name])

    def found(
        self, code: str, name: str, where: NDArray[np.bool_], limit: str, remedy: str, *, severity: str = ERROR,
        values: Array | None = None,
    ) -> Iterator[Finding]:  # fmt: skip
        """One finding for all messages of `where`, if there are any."""
        indices = np.flatnonzero(where)
        if indices.size:
            first = int(indices[0])
            shown = self.series.values.get(name) if values is None else values
            value = float(shown[first]) if shown is not None else math.nan
            yield Finding(code, severity, name, first, float(self.series.time[first]), int(indices.size), value, limit, remedy)


Rule = Callable[[_Case], Iterator[Finding]]


def lint(series: BatterySeries, limits: LintLimits | None = None, reading: Interpretation | None = None) -> list[Finding]:
    """Everything that is wrong with a stream, in the order of the message's fields and of the rules.

    Parameters
    ----------
    series : BatterySeries
        All messages of one topic, or a window of them.
    limits : LintLimits, optional
    reading : Interpretation, optional
        How to read the stream, where that is known; otherwise it is told from the stream.
    """
    limits = limits or LintLimits()
    case = _Case(series, reading if reading is not None else interpret(series, limits.plausible), limits)
    with np.errstate(all="ignore"):
        return [finding for rule in RULES for finding in rule(case)]


def _convention(case: _Case) -> Iterator[Finding]:
    """Units, sign and zeros that are not as the definition has them."""
    everything = np.ones(len(case.series), dtype=bool)
    reading = case.reading
    for name in (*SCALARS, "cell_voltage", "cell_temperature"):
        table = {"cell_voltage": case.series.cell_voltage, "cell_temperature": case.series.cell_temperature}.get(name)
        values = case.series.values[name] if table is None else _first_known(table)
        why = reading.why.get(name, "")
        if name in reading.unmeasured:
            yield from case.found(
                "zero_for_unmeasured", name, values == 0.0, f"0 is a measurement: {reading.unmeasured[name]}",
                "publish NaN for what is not measured", values=values,
            )  # fmt: skip
        if name in reading.offsets:
            yield from case.found("unit_kelvin", name, everything, why, "subtract 273.15", values=values)
        factor = reading.factors.get(name, 1.0)
        if abs(factor) == 1e-3:
            yield from case.found("unit_milli", name, everything, why, "divide by 1000", values=values)
        if factor == 0.01:
            yield from case.found("unit_percent", name, everything, why, "divide by 100", values=values)
        if name == "current" and factor < 0.0:
            yield from case.found("current_sign", name, np.isfinite(values), why, "reverse the sign")
    if reading.magnitude:
        yield from case.found("current_magnitude", "current", np.isfinite(case.series.current), reading.why["current"], _SIGN)
    if reading.conflict:
        yield from case.found("current_sign_unclear", "current", everything, reading.conflict, _SIGN, severity=WARNING)


_SIGN = "publish the current negative when discharging"


def _first_known(table: Array) -> Array:
    """First finite entry of each row; NaN where there is none."""
    if not table.shape[1]:
        return np.full(len(table), math.nan)
    known = np.isfinite(table)
    column = np.argmax(known, axis=1)
    first: Array = table[np.arange(len(table)), column]
    return first


def _ranges(case: _Case) -> Iterator[Finding]:
    """Values that no battery has, and infinities."""
    plausible = case.limits.plausible
    for name in SCALARS:
        raw = case.series.values[name]
        yield from case.found("infinite", name, np.isinf(raw), "a number or NaN", "publish NaN for what is not measured")
    for name in SCALARS:
        values = case.field(name)
        outside = impossible(case.series, name, values, plausible) & np.isfinite(values)
        words = bound_words(name, plausible)
        yield from case.found(f"{name}_range", name, outside, words, "publish NaN where the sensor knows no better")


def _enumerations(case: _Case) -> Iterator[Finding]:
    for name in ENUMS:
        values = case.series.enums[name]
        outside = (values < 0) | (values > HIGHEST[name])
        yield from case.found(
            "enumeration", name, outside, f"0 .. {HIGHEST[name]}", "use the constants of sensor_msgs/BatteryState",
            values=values.astype(float),
        )  # fmt: skip


def _measured(case: _Case) -> Iterator[Finding]:
    """Whether the stream says anything at all; the definition calls the voltage mandatory."""
    series = case.series
    known = np.any([np.isfinite(case.field(name)) for name in SCALARS], axis=0)
    yield from case.found(
        "nothing_measured", "voltage", series.present & ~known, "at least one measurement",
        "do not publish, or publish present: false",
    )  # fmt: skip
    silent = series.present & known & np.isnan(case.field("voltage"))
    yield from case.found(
        "voltage_unmeasured", "voltage", silent, "the definition calls the voltage mandatory", "publish it if it is measured",
        severity=WARNING,
    )  # fmt: skip
    absent = ~series.present & np.any([finite_nonzero(case.field(name)) for name in ("voltage", "current", "charge")], axis=0)
    yield from case.found(
        "absent_but_measured", "present", absent, "a battery that is not present has no measurements", "set present: true",
        values=series.present.astype(float),
    )  # fmt: skip


def finite_nonzero(values: Array) -> NDArray[np.bool_]:
    """Where a number other than 0 was measured."""
    return np.isfinite(values) & (values != 0.0)


def _stamps(case: _Case) -> Iterator[Finding]:
    """Set, ascending, fresh, without gaps."""
    series, limits = case.series, case.limits
    stamp, received = series.stamp, series.received
    unset = series.unstamped
    yield from case.found("stamp_unset", "header.stamp", unset, "time of the measurement", "set it", values=stamp)
    if unset.all():
        return
    step = np.diff(stamp, prepend=stamp[0] - 1.0)
    step[0] = 1.0
    step[unset | np.roll(unset, 1)] = 1.0
    yield from case.found("stamp_backwards", "header.stamp", step < 0.0, "ascending", "publish in order", values=stamp)
    yield from case.found(
        "stamp_repeated", "header.stamp", step == 0.0, "a new stamp for each message", "stamp each measurement", values=stamp
    )
    age = np.where(unset, 0.0, received - stamp)
    yield from case.found(
        "stamp_old", "header.stamp", age > limits.age, f"at most {limits.age:g} s old on arrival (value: age [s])",
        "stamp at the measurement, on a synchronised clock", values=age,
    )  # fmt: skip
    yield from case.found(
        "stamp_ahead", "header.stamp", age < -limits.ahead, f"at most {limits.ahead:g} s ahead of arrival (value: age [s])",
        "stamp at the measurement, on a synchronised clock", values=age,
    )  # fmt: skip


def _gaps(case: _Case) -> Iterator[Finding]:
    if len(case.series) < 5:
        return
    step = np.diff(case.series.received, prepend=case.series.received[0])
    usual = float(np.median(step[1:]))
    late = step > max(case.limits.gap * usual, case.limits.silence)
    yield from case.found(
        "gap", "header.stamp", late, f"a message every {usual:.3g} s (value: silence [s])",
        "publish at a steady rate, also when nothing changes", severity=WARNING, values=step,
    )  # fmt: skip


def _status(case: _Case) -> Iterator[Finding]:
    """The status against the current, as read."""
    status, current = case.series.enums["power_supply_status"], case.field("current")
    if case.reading.magnitude or case.reading.conflict:
        return
    least = case.limits.quiet_current
    wrong = {
        "CHARGING": (status == CHARGING) & (current < -least),
        "DISCHARGING": (status == DISCHARGING) & (current > least),
        "NOT_CHARGING or FULL": np.isin(status, (NOT_CHARGING, FULL)) & (current > least),
    }
    for word, where in wrong.items():
        yield from case.found(
            "status_against_current", "power_supply_status", where, f"{word} does not go with this current [A]",
            "set the status from the current", values=current,
        )  # fmt: skip


def _cells(case: _Case) -> Iterator[Finding]:
    series, limits = case.series, case.limits
    counts = series.cells
    if counts.size and np.any(counts != counts[0]):
        where = counts != counts[0]
        words = f"{counts[0]} in the first message"
        yield from case.found("cells_change", "cell_voltage", where, words, "publish every cell", values=counts.astype(float))
    uneven = (series.cell_temperatures > 0) & (counts > 0) & (series.cell_temperatures != counts)
    yield from case.found(
        "cells_uneven", "cell_temperature", uneven, "as many as cell_voltage", "fill up with NaN", severity=WARNING,
        values=series.cell_temperatures.astype(float),
    )  # fmt: skip
    if not series.cell_voltage.shape[1]:
        return
    volts = case.reading.read("cell_voltage", series.cell_voltage)
    complete = np.all(np.isfinite(volts) | (np.arange(volts.shape[1]) >= counts[:, None]), axis=1) & (counts > 0)
    total = np.where(complete, np.nansum(np.where(np.isfinite(volts), volts, 0.0), axis=1), math.nan)
    pack = case.field("voltage")
    apart = np.abs(total - pack) > limits.cells * np.abs(pack) + 0.02
    words = f"within {100.0 * limits.cells:g} % of the voltage (value: their sum [V])"
    yield from case.found("cells_sum", "cell_voltage", apart, words, "publish every cell of this pack", values=total)
    outside = np.any(np.isfinite(volts) & ~((volts > 0.0) & (volts <= limits.plausible.cell_voltage)), axis=1)
    words = f"above 0, up to {limits.plausible.cell_voltage:g} V"
    yield from case.found("cell_range", "cell_voltage", outside, words, "publish NaN for an unknown cell", values=_worst(volts))
    spread = _spread(volts)
    yield from case.found(
        "cells_imbalance", "cell_voltage", spread > limits.imbalance, f"{limits.imbalance:g} V between cells (value: spread [V])",
        "balance the pack, or check the tap", severity=WARNING, values=spread,
    )  # fmt: skip


def _spread(volts: Array) -> Array:
    high = np.max(np.where(np.isfinite(volts), volts, -math.inf), axis=1)
    low = np.min(np.where(np.isfinite(volts), volts, math.inf), axis=1)
    return np.where(np.isfinite(high), high - np.where(np.isfinite(low), low, 0.0), 0.0)


def _worst(volts: Array) -> Array:
    """Of each message, the cell that is furthest from 2.5 V."""
    distance = np.where(np.isfinite(volts), np.abs(volts - 2.5), -1.0)
    worst: Array = volts[np.arange(len(volts)), np.argmax(distance, axis=1)]
    return worst


def _consistency(case: _Case) -> Iterator[Finding]:
    """Percentage, charge, capacity and the integral of the current tell one story."""
    charge, capacity, share = case.field("charge"), case.field("capacity"), case.field("percentage")
    design = case.field("design_capacity")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = charge / capacity
        above = capacity / design
    apart = np.isfinite(ratio) & np.isfinite(share) & ~(np.abs(ratio - share) <= case.limits.charge)
    words = f"within {case.limits.charge:g} of charge over capacity"
    yield from case.found("percentage_against_charge", "percentage", apart, words, "derive both from one counter")
    yield from case.found(
        "charge_above_capacity", "charge", np.isfinite(ratio) & (ratio > 1.05), "at most the capacity", "renew the capacity"
    )
    yield from case.found(
        "capacity_above_design", "capacity", np.isfinite(above) & (above > 1.2), "at most 1.2 of the design capacity",
        "check both", severity=WARNING,
    )  # fmt: skip
    current = case.field("current")
    slope = coulomb_slope(case.series.time, current, stored_charge(case.series, case.reading))
    skip = case.reading.magnitude or bool(case.reading.conflict)
    if math.isfinite(slope) and not skip and not abs(slope - 1.0) <= case.limits.coulomb:
        words = f"the charge that flowed over what the store gained, within {case.limits.coulomb:g} of 1"
        everything = np.isfinite(current)
        values = np.full(len(current), slope)
        yield from case.found("coulomb_count", "charge", everything, words, "check current and capacity", values=values)


def _frozen(case: _Case) -> Iterator[Finding]:
    """Nothing changes though current flows: the sensor has died and its last value is repeated."""
    names = [name for name in SCALARS if np.isfinite(case.series.values[name]).any()]
    current, status = case.field("current"), case.series.enums["power_supply_status"]
    flows = np.abs(current) > case.limits.quiet_current
    flows |= np.isnan(current) & np.isin(status, (CHARGING, DISCHARGING))
    if len(case.series) < 10 or not names:
        return
    table = np.stack([case.series.values[name] for name in names])
    same = np.all((np.diff(table, axis=1) == 0.0) | np.isnan(table[:, 1:]) & np.isnan(table[:, :-1]), axis=0)
    where = _long_runs(np.concatenate(([False], same)) & flows, case.series.received, case.limits.frozen)
    words = f"some change within {case.limits.frozen:g} s of current"
    yield from case.found("frozen", names[0], where, words, "publish NaN once the sensor is silent")


def _long_runs(same: NDArray[np.bool_], time: Array, longest: float) -> NDArray[np.bool_]:
    """The parts of runs of 10 messages or more, and of more than `longest` [s]."""
    result = np.zeros(len(same), dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same.view(np.int8), [0]))))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= 10 and time[end - 1] - time[max(start - 1, 0)] > longest:
            result[start:end] = True
    return result


def _aggregation(case: _Case) -> Iterator[Finding]:
    """One topic, one battery."""
    first = case.series.identity[0]
    where = np.array([identity != first for identity in case.series.identity])
    if where.any():
        index = int(np.flatnonzero(where)[0])
        yield Finding(
            "several_batteries", ERROR, "serial_number", index, float(case.series.time[index]), int(where.sum()),
            "/".join(case.series.identity[index]), f"one battery per topic, here {'/'.join(first) or '(unnamed)'} first",
            "give each battery a topic of its own, and sums another",
        )  # fmt: skip


RULES: tuple[Rule, ...] = (
    _convention, _ranges, _enumerations, _measured, _stamps, _gaps, _status, _cells, _consistency, _frozen, _aggregation,
)  # fmt: skip
