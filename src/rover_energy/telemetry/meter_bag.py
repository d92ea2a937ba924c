"""The meters of a rover's bag as a tree: battery, sources, shunt and loads of PowerState, the motors' own meter below the drive.

The battery carries what is left, so it is the root: battery = loads + shunt - generator - array. A load's `energy` is its
counter; the energy of all others is their power summed up over the windows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.telemetry.meter_tree import MeterParameters, MeterTree
from rover_energy.telemetry.recording import Recording, seconds_of

Array = NDArray[np.float64]
STATE = "rover_energy_interfaces/msg/PowerState"
BATTERY, MOTORS, DRIVE = "battery", "motors", "drive"
FIELDS = {
    BATTERY: ("battery_power", "BATTERY_VALID", 1), "rtg": ("rtg_power", "RTG_VALID", -1),
    "pv": ("pv_power", "PV_VALID", -1), "shunt": ("shunt_power", "BATTERY_VALID", 1),
}  # fmt: skip
"""Meter -> field of PowerState, bit that vouches for it, sign below the battery."""
SAME = 1e-6
"""Readings whose stamps are so near [s] are of one instant."""
LONGEST = 5.0
"""A gap longer than so many usual steps is not bridged by the power after it."""


@dataclass(frozen=True)
class BagMeters:
    """tree; time (n,) [s]; power (n, m) [W]; energy (n, m) [J] since the first reading; counted: meters with a counter of their
    own; missing: time in gaps [s]."""

    tree: MeterTree
    time: Array
    power: Array
    energy: Array
    counted: tuple[str, ...]
    missing: float


def read_meters(recording: Recording, tree: MeterTree | None = None) -> BagMeters:
    """Readings of a bag.

    Parameters
    ----------
    recording : Recording
    tree : MeterTree, optional
        Of meters named `battery`, `rtg`, `pv`, `shunt`, `motors` or as a load; without it one is made from what is there, whose
        ratings are the largest readings.

    Raises
    ------
    InputError
        Without two messages of PowerState, or for a meter of the tree that is not in the bag.
    """
    states: dict[str, list[tuple[float, Any]]] = {}
    for sample, message in recording.messages((STATE,)):
        states.setdefault(sample.topic, []).append((seconds_of(message, sample.time), message))
    own = {topic: found for topic, found in states.items() if topic.rpartition("/")[2] != "meter"}
    motors = _motors(next((found for topic, found in states.items() if topic.rpartition("/")[2] == "meter"), []))
    rows = _fresh(max(own.values(), key=len, default=[]))
    rows = [row for row in rows if not motors or motors[0][0] <= row[0] <= motors[-1][0]]
    if len(rows) < 2:
        raise InputError(str(recording.path), "topics", f"none carries {STATE} twice", "record power_state")
    time = np.array([t for t, _ in rows])
    power, counter = _columns([m for _, m in rows])
    beside = _beside(time, motors)
    if beside is not None and DRIVE in power:
        power[MOTORS] = beside
    tree = _chosen(tree, power, str(recording.path)) if tree is not None else _tree(power)
    table = np.stack([power[name] for name in tree.names], axis=1)
    energy, missing = integrate(time, table)
    counted = []
    for column, name in enumerate(tree.names):
        read = counter.get(name)
        if read is not None and np.isfinite(read).any():
            energy[:, column] = read - read[np.flatnonzero(np.isfinite(read))[0]]
            counted.append(name)
    return BagMeters(tree, time, table, energy, tuple(counted), missing)


def _fresh(rows: list[tuple[float, Any]]) -> list[tuple[float, Any]]:
    """In the order of their stamps, each stamp once: as it was last told."""
    return sorted(dict(rows).items())


def _columns(messages: Iterable[Any]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Power [W] and counter [J] of each meter over all messages, NaN where nobody vouches for it."""
    messages = list(messages)
    names = list(Counter(load.name for m in messages for load in m.loads))
    clash = sorted({*FIELDS, MOTORS} & set(names))
    if clash:
        raise InputError("bag", "loads", f"one is called {clash[0]!r}, as a meter of the bus is", "give the load another name")
    power = {name: np.full(len(messages), math.nan) for name in (*FIELDS, *names)}
    counter = {name: np.full(len(messages), math.nan) for name in names}
    for i, m in enumerate(messages):
        for name, (field, bit, _) in FIELDS.items():
            if m.validity & getattr(m, bit):
                power[name][i] = getattr(m, field)
        for load in m.loads:
            if load.valid:
                power[load.name][i], counter[load.name][i] = load.power, load.energy
    return {name: values for name, values in power.items() if np.isfinite(values).any()}, counter


def _motors(rows: list[tuple[float, Any]]) -> list[tuple[float, float]]:
    """Times [s] and readings [W] of the motors' own meter."""
    return [(t, load.power) for t, m in _fresh(rows) for load in m.loads if load.name == DRIVE and load.valid]


def _beside(time: Array, motors: list[tuple[float, float]]) -> Array | None:
    """The motors' meter at the times of the bus, NaN where it has no reading; None where it has few."""
    if len(motors) < 2:
        return None
    t, values = np.array(motors).T
    after = np.clip(np.searchsorted(t, time - SAME), 0, len(t) - 1)
    near = np.abs(t[after] - time) <= SAME
    return np.where(near, values[after], math.nan) if near.mean() > 0.5 else None


def _tree(power: dict[str, Array]) -> MeterTree:
    """What is there, below the battery; the motors below the drive. Raises InputError without a battery."""
    if BATTERY not in power:
        raise InputError("bag", "power_state", "never vouches for battery_power", "record a bus that meters its battery")
    meters = {}
    for name in power:
        parent = "" if name == BATTERY else DRIVE if name == MOTORS else BATTERY
        meters[name] = _described(MeterParameters(parent=parent, sign=FIELDS.get(name, ("", "", 1))[2]), power[name])
    return MeterTree(meters)


def _described(meter: MeterParameters, power: Array) -> MeterParameters:
    """With the largest reading for its rating and a counter without steps; a reading may stand still, as that of a described load
    does, and that of every meter of a simulator while the rover stands."""
    rating = max(1.0, float(np.nanmax(np.abs(power))))
    return replace(meter, rating=rating, quantum=0.0, dead_band=meter.noise, steady=True)


def _chosen(tree: MeterTree, power: dict[str, Array], source: str) -> MeterTree:
    for name in tree.names:
        if name not in power:
            raise InputError(source, name, "is no meter of the bag", f"use {', '.join(power)}")
    return tree


def integrate(time: Array, power: Array) -> tuple[Array, float]:
    """Energies (n, m) [J] since the first reading, of powers (n, m) [W] that are means over the time since the reading before,
    and the time [s] in gaps, which count nothing; nor does what was not read."""
    step = np.diff(time, prepend=time[0])
    longest = LONGEST * float(np.median(step[1:]))
    used = np.where(step <= longest, step, 0.0)
    return np.cumsum(np.nan_to_num(power) * used[:, None], axis=0), float(np.sum(step[step > longest]))
