"""A stream of sensor_msgs/BatteryState as arrays, whoever decoded the messages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError

Array = NDArray[np.float64]
SCALARS = ("voltage", "temperature", "current", "charge", "capacity", "design_capacity", "percentage")
"""Numbers of the message, in its order: V, degrees Celsius, A (negative when discharging), Ah, Ah, Ah, 0..1."""
ENUMS = ("power_supply_status", "power_supply_health", "power_supply_technology")
CHARGING, DISCHARGING, NOT_CHARGING, FULL = 1, 2, 3, 4
"""Values of `power_supply_status`."""
HIGHEST = {"power_supply_status": 4, "power_supply_health": 8, "power_supply_technology": 8}
"""Highest value that the definition names for each enumeration."""


@dataclass(frozen=True)
class BatterySeries:
    """Messages of one topic, (n,) each, in the order in which they came.

    received: when the message came [s]; stamp: of its header [s], 0 where it was not set. values: the `SCALARS` as they stand in
    the messages. enums: the `ENUMS`. present. cell_voltage [V], cell_temperature [degrees Celsius]: (n, k), filled up with NaN
    where a message has fewer; cells, cell_temperatures: how many each message has. identity: location and serial number.
    """

    topic: str
    received: Array
    stamp: Array
    values: dict[str, Array]
    enums: dict[str, NDArray[np.int64]]
    present: NDArray[np.bool_]
    cell_voltage: Array
    cell_temperature: Array
    cells: NDArray[np.int64]
    cell_temperatures: NDArray[np.int64]
    identity: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.received)

    @property
    def time(self) -> Array:
        """Time of each message [s]: its stamp where it has one, else when it came."""
        return np.where(self.unstamped, self.received, self.stamp)

    @property
    def unstamped(self) -> NDArray[np.bool_]:
        """Messages whose stamp was not set; 0 is a time only in the first second of a simulation."""
        return ~(self.stamp > 0.0) & ~((self.stamp == 0.0) & (self.received < 1.0))

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        raise AttributeError(name)


def series_of(messages: Iterable[tuple[float, Any]], topic: str = "battery_state") -> BatterySeries:
    """Arrays of (time of arrival [s], message) pairs; a message is any object with the fields of sensor_msgs/BatteryState.

    Raises InputError when there is no message, or one lacks a field.
    """
    pairs = list(messages)
    if not pairs:
        raise InputError(topic, "messages", "there is none", "name a topic that carries sensor_msgs/BatteryState")
    received = np.array([time for time, _ in pairs], dtype=float)
    found = [message for _, message in pairs]
    try:
        return BatterySeries(
            topic=topic,
            received=received,
            stamp=np.array([m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in found], dtype=float),
            values={name: np.array([getattr(m, name) for m in found], dtype=float) for name in SCALARS},
            enums={name: np.array([getattr(m, name) for m in found], dtype=np.int64) for name in ENUMS},
            present=np.array([bool(m.present) for m in found]),
            cell_voltage=_padded([m.cell_voltage for m in found]),
            cell_temperature=_padded([m.cell_temperature for m in found]),
            cells=np.array([len(m.cell_voltage) for m in found], dtype=np.int64),
            cell_temperatures=np.array([len(m.cell_temperature) for m in found], dtype=np.int64),
            identity=tuple((str(m.location), str(m.serial_number)) for m in found),
        )
    except AttributeError as missing:
        problem = f"has no field {missing.name!r}"
        raise InputError(topic, "message", problem, "name a topic that carries sensor_msgs/BatteryState") from None


def _padded(rows: list[Any]) -> Array:
    table = np.full((len(rows), max(len(row) for row in rows)), math.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def finite(values: Array) -> Array:
    """The values that are numbers."""
    found: Array = values[np.isfinite(values)]
    return found
