"""In what units, sign and conventions a battery's stream is really written, told from the numbers themselves.

The definition asks for volts, amperes (negative when discharging), ampere-hours, degrees Celsius, 0..1 and NaN for what is not
measured. Drivers write millivolts, percent, kelvins, magnitudes and 0.0. Each of these leaves marks: no battery has 11 800 V, the
voltage of a cell sags under load, the integral of the current is the change of the charge. What cannot be told stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rover_energy.parameters import Parameters, parameter
from rover_energy.telemetry.battery_series import CHARGING, DISCHARGING, BatterySeries, finite

Array = NDArray[np.float64]
KELVIN = 273.15
MILLI = 1e-3
NEVER_ZERO = ("voltage", "capacity", "design_capacity")


@dataclass(frozen=True)
class Plausible(Parameters):
    """What a battery of a robot can have. Beyond these a value is in another unit, or wrong."""

    voltage: float = parameter(1000.0, unit="V", minimum=1.0, description="no pack has more; a single cell in mV has")
    current: float = parameter(500.0, unit="A", minimum=1.0, description="most sustained current where no capacity is known")
    c_rate: float = parameter(50.0, unit="1/h", minimum=1.0, description="most sustained current over capacity")
    capacity: float = parameter(1000.0, unit="Ah", minimum=1.0, description="no pack has more; 1 Ah in mAh has")
    cell_voltage: float = parameter(5.0, unit="V", minimum=1.0, description="no cell has more")
    coldest: float = parameter(-80.0, unit="degC", description="no battery is read below this")
    hottest: float = parameter(130.0, unit="degC", description="no battery is read above this")


@dataclass
class Interpretation:
    """How to read a stream: multiply by `factors`, then add `offsets`; `unmeasured` fields hold a 0.0 that means NaN.

    `magnitude`: the current has lost its sign. `why`: one sentence for each field that is not as defined. `conflict`: evidence on
    the sign of the current that contradicts itself, empty when there is none.
    """

    factors: dict[str, float] = field(default_factory=dict)
    offsets: dict[str, float] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    magnitude: bool = False
    conflict: str = ""

    @property
    def literal(self) -> bool:
        """The stream is written as the definition asks."""
        return not (self.factors or self.offsets or self.unmeasured or self.magnitude or self.conflict)

    def read(self, name: str, values: Array) -> Array:
        """Values of a field in the units of the definition, NaN where 0.0 meant that nothing was measured."""
        if name in self.unmeasured:
            return np.where(values == 0.0, math.nan, values)
        return values * self.factors.get(name, 1.0) + self.offsets.get(name, 0.0)


def bounds(name: str, limits: Plausible) -> tuple[float, float]:
    """Least and greatest value of a scalar field that a battery can have, in the units of the definition."""
    table = {
        "voltage": (0.0, limits.voltage), "temperature": (limits.coldest, limits.hottest), "current": (-1e4, 1e4),
        "charge": (0.0, limits.capacity), "capacity": (0.0, limits.capacity), "design_capacity": (0.0, limits.capacity),
        "percentage": (0.0, 1.0),
    }  # fmt: skip
    return table[name]


def bound_words(name: str, limits: Plausible) -> str:
    """The same in words."""
    low, high = bounds(name, limits)
    return f"{'above ' if name in NEVER_ZERO else ''}{low:g} .. {high:g}"


def impossible(series: BatterySeries, name: str, values: Array, limits: Plausible) -> NDArray[np.bool_]:
    """Where `values` of a field, in the units of the definition, are infinite or beyond what a battery can have; not at NaN."""
    low, high = bounds(name, limits)
    wrong = ~np.isnan(values) & ~((values >= low) & (values <= high + 1e-6 * max(1.0, abs(high))))
    return wrong | ((values == 0.0) & series.present) if name in NEVER_ZERO else wrong


def interpret(series: BatterySeries, limits: Plausible | None = None) -> Interpretation:
    """How to read a stream, from all of its messages."""
    limits = limits or Plausible()
    found = Interpretation()
    with np.errstate(all="ignore"):  # streams hold anything; what is not finite tells nothing
        _zeros(series, found)
        _scales(series, limits, found)
        _temperatures(series, found)
        _cells(series, limits, found)
        _current(series, limits, found)
    return found


def _typical(values: Array) -> float:
    """Median magnitude of what was measured [same unit]; NaN when nothing was."""
    known = np.abs(finite(values))
    return float(np.median(known)) if known.size else math.nan


def _zeros(series: BatterySeries, found: Interpretation) -> None:
    """Fields that are 0.0 in every message where 0 cannot be, or says nothing."""
    absent = not series.present.any()
    moving = bool(np.any(np.isin(series.enums["power_supply_status"], (CHARGING, DISCHARGING))))
    reasons = {
        "voltage": "a battery that is present has a voltage",
        "charge": "the charge is 0 in every message" if not _always(series.percentage, 0.0) else "",
        "capacity": "no battery has a capacity of 0",
        "design_capacity": "no battery has a capacity of 0",
        "temperature": "exactly 0.0 in every one of 5 messages or more" if len(series) >= 5 else "",
        "current": "the status says that charge flows" if moving else "",
        "percentage": "the battery works at a charge of 0" if _works(series) else "",
    }
    for name, reason in reasons.items():
        if reason and not absent and _always(series.values[name], 0.0):
            found.unmeasured[name] = reason


def _always(values: Array, value: float) -> bool:
    return bool(np.all(values == value))


def _works(series: BatterySeries) -> bool:
    """Voltage or charge say that the battery is not empty, or nothing changes in many messages."""
    return bool(np.any(series.charge > 0.0)) or (len(series) >= 5 and bool(np.any(series.voltage > 0.0)))


def _scales(series: BatterySeries, limits: Plausible, found: Interpretation) -> None:
    """Millivolts, milliampere-hours and percent."""
    volts = _typical(series.voltage)
    if limits.voltage < volts <= limits.voltage / MILLI:
        found.factors["voltage"] = MILLI
        found.why["voltage"] = f"{volts:.6g} V is beyond any pack: these are millivolts"
    most = {name: float(np.max(finite(series.values[name]), initial=0.0)) for name in ("capacity", "design_capacity", "charge")}
    for name, hours in most.items():
        whole = max(most["capacity"], most["design_capacity"])
        with_capacity = name == "charge" and whole > limits.capacity and hours > 1.05 * MILLI * whole
        if limits.capacity < hours <= limits.capacity / MILLI or with_capacity:
            found.factors[name] = MILLI
            reason = "like the capacity" if with_capacity else f"{hours:.6g} Ah is beyond any pack"
            found.why[name] = f"{reason}: these are milliampere-hours"
    share = float(np.max(finite(series.percentage), initial=0.0))
    if 1.5 < share <= 100.5:
        found.factors["percentage"] = 0.01
        found.why["percentage"] = f"up to {share:.6g}: this is percent, the definition asks for 0..1"
    elif _percent_of_charge(series):
        found.factors["percentage"] = 0.01
        found.why["percentage"] = "a hundred times charge over capacity: this is percent, the definition asks for 0..1"


def _percent_of_charge(series: BatterySeries) -> bool:
    """A nearly empty battery in percent looks like a full one in 0..1; charge over capacity tells."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = finite(series.percentage / (series.charge / series.capacity))
    return bool(ratio.size) and 80.0 < float(np.median(ratio)) < 125.0


def _temperatures(series: BatterySeries, found: Interpretation) -> None:
    for name, values in (("temperature", series.temperature), ("cell_temperature", series.cell_temperature)):
        degrees = _typical(values)
        if 200.0 <= degrees <= 400.0:
            found.offsets[name] = -KELVIN
            found.why[name] = f"{degrees:.5g} degrees Celsius would melt the pack: these are kelvins"


def _cells(series: BatterySeries, limits: Plausible, found: Interpretation) -> None:
    volts = _typical(series.cell_voltage)
    if 100.0 * limits.cell_voltage / 2.0 < volts <= limits.cell_voltage / MILLI:
        found.factors["cell_voltage"] = MILLI
        found.why["cell_voltage"] = f"{volts:.6g} V is beyond any cell: these are millivolts"


def _current(series: BatterySeries, limits: Plausible, found: Interpretation) -> None:
    """Unit by plausibility and by the charge that it moved; sign by charge, status and sag of the voltage."""
    if "current" in found.unmeasured or not np.any(finite(series.current) != 0.0):
        return
    stored = stored_charge(series, found)
    slope = coulomb_slope(series.time, series.current, stored)
    capacity = _typical(found.read("capacity", series.capacity))
    capacity = capacity if capacity > 0.0 else _typical(found.read("design_capacity", series.design_capacity))
    most = limits.c_rate * capacity if capacity > 0.0 else limits.current
    amperes = _typical(series.current[series.current != 0.0])
    scale = 1.0
    if 300.0 <= abs(slope) <= 3000.0:
        scale, found.why["current"] = MILLI, f"its integral is {abs(slope):.4g} times the change of the charge: milliamperes"
    elif not math.isfinite(slope) and most < amperes <= most / MILLI:
        scale, found.why["current"] = MILLI, f"{amperes:.5g} A is beyond such a battery: these are milliamperes"
    votes = _votes(series, slope)
    if _magnitude(series):
        found.magnitude = True
        found.why["current"] = "never negative, though the battery is charged and discharged: a magnitude"
    elif votes and min(votes.values()) < 0 < max(votes.values()):
        found.conflict = ", ".join(f"{name} says {'right' if vote > 0 else 'reversed'}" for name, vote in votes.items())
    elif votes and max(votes.values()) < 0:
        scale = -scale
        reason = f"positive when discharging, by {' and '.join(votes)}: the definition asks for negative"
        found.why["current"] = "; ".join(filter(None, (found.why.get("current"), reason)))
    if scale != 1.0:
        found.factors["current"] = scale


def stored_charge(series: BatterySeries, reading: Interpretation) -> Array:
    """Charge over time [Ah], (n,): the field if it is measured, else percentage times capacity; NaN where neither is."""
    charge = reading.read("charge", series.charge)
    capacity, design = (reading.read(name, series.values[name]) for name in ("capacity", "design_capacity"))
    whole = np.where(np.isfinite(capacity) & (capacity > 0.0), capacity, design)
    other = reading.read("percentage", series.percentage) * whole
    return charge if np.isfinite(charge).sum() >= 2 else other


def coulomb_slope(time: Array, current: Array, stored: Array) -> float:
    """Least-squares ratio of the charge that flowed to the charge that the store gained [-]; 1 when both agree.

    Ampere-hours by the trapezoidal rule against `stored` [Ah], over the messages where both are known. NaN when the store
    moved by fewer than 5 of its own steps, as then its resolution decides.
    """
    good = np.isfinite(time) & np.isfinite(current) & np.isfinite(stored)
    t, i, q = time[good], current[good], stored[good]
    if len(t) < 10 or not np.all(np.diff(t) >= 0.0) or not t[-1] > t[0]:
        return math.nan
    flowed = np.concatenate(([0.0], np.cumsum(0.5 * (i[1:] + i[:-1]) * np.diff(t)))) / 3600.0
    steps = np.abs(np.diff(q))
    steps = steps[steps > 0.0]
    if not steps.size or np.ptp(q) < 5.0 * float(np.min(steps)):
        return math.nan
    x, y = flowed - flowed.mean(), q - q.mean()
    if not x @ x > 0.0 or abs(float(x @ y)) < 0.9 * math.sqrt(float(x @ x) * float(y @ y)):
        return math.nan  # one does not follow the other: no ratio means anything
    return float((x @ x) / (x @ y))


def _votes(series: BatterySeries, slope: float) -> dict[str, int]:
    """What each witness says of the sign of the current: +1 as defined, -1 reversed."""
    votes = {}
    if math.isfinite(slope):
        votes["the charge"] = 1 if slope > 0.0 else -1
    status, current = series.enums["power_supply_status"], series.current
    wanted = np.select([status == CHARGING, status == DISCHARGING], [1.0, -1.0], 0.0)
    signs = finite(np.sign(current) * wanted)
    signs = signs[signs != 0.0]
    if signs.size and abs(float(signs.mean())) > 0.8:
        votes["the status"] = 1 if signs.mean() > 0.0 else -1
    sag = _sag(series)
    if sag and not votes:  # weakest: heard when nobody else speaks
        votes["the voltage under load"] = sag
    return votes


def _sag(series: BatterySeries) -> int:
    """Sign of dV/dI from message to message, which an inner resistance makes positive; 0 when it cannot be told."""
    dv, di = np.diff(series.voltage), np.diff(series.current)
    good = np.isfinite(dv) & np.isfinite(di)
    dv, di = dv[good], di[good]
    if len(dv) < 20 or not np.any(di) or not np.any(dv):
        return 0
    r = float(dv @ di) / math.sqrt(float(dv @ dv) * float(di @ di))
    return 0 if abs(r) < 0.6 else (1 if r > 0.0 else -1)


def _magnitude(series: BatterySeries) -> bool:
    """The current keeps one sign while the battery is both charged and discharged for a good part of the time."""
    known = finite(series.current)
    if not (np.all(known >= 0.0) and np.any(known > 0.0)):
        return False
    status = series.enums["power_supply_status"][series.current > 0.0]
    both = min(np.sum(status == CHARGING), np.sum(status == DISCHARGING))
    return bool(both >= 0.05 * len(status) and both >= 3)
