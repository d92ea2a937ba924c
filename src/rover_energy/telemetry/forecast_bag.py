"""Forecasts and what came of them, read from a bag: PowerForecast against PowerState."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.telemetry.forecast_score import Forecast, Truth
from rover_energy.telemetry.recording import Recording, seconds_of

FORECAST, STATE = "rover_energy_interfaces/msg/PowerForecast", "rover_energy_interfaces/msg/PowerState"


def read_forecasts(recording: Recording) -> tuple[dict[str, list[Forecast]], Truth, int]:
    """Forecasts by the name of their model, the truth, and how many forecasts were empty.

    Raises InputError when the bag holds no forecast or no PowerState.
    """
    forecasts: dict[str, list[Forecast]] = {}
    states: list[tuple[float, float, float, float]] = []
    empty = 0
    for sample, message in recording.messages((FORECAST, STATE)):
        stamp = seconds_of(message, sample.time)
        if sample.kind == FORECAST:
            forecast = forecast_of(message, stamp)
            if forecast is None:
                empty += 1
            else:
                forecasts.setdefault(message.model or "unnamed", []).append(forecast)
        elif sample.topic.rpartition("/")[2] != "meter":
            states.append(_state(message, stamp))
    bag = recording.path
    if not forecasts:
        raise InputError(str(bag), "topics", f"none carries a {FORECAST} that says anything", "record a forecaster")
    if len(states) < 2:
        raise InputError(str(bag), "topics", f"none carries {STATE}", "record power_state beside the forecasts")
    table = np.array(sorted(states))
    fresh = np.concatenate(([True], np.diff(table[:, 0]) > 0.0))
    return forecasts, Truth(*table[fresh].T), empty


def forecast_of(message: Any, start: float) -> Forecast | None:
    """Arrays of a PowerForecast; None when it is empty or its arrays differ in length."""
    time = np.asarray(message.time, dtype=float)
    names = ("load_power", "available_power", "battery_energy")
    rows = [[np.asarray(getattr(message, f"{name}_{level}"), dtype=float) for level in ("p10", "p50", "p90")] for name in names]
    if not time.size or any(len(values) != len(time) for row in rows for values in row) or np.any(np.diff(time) <= 0.0):
        return None
    load, available, battery = (np.stack(row, axis=1) for row in rows)
    said = np.array([float(getattr(message, f"time_to_floor_{level}")) for level in ("p10", "p50", "p90")])
    given = bool(np.all(said >= 0.0) and np.all(np.diff(said[np.isfinite(said)]) >= 0.0) and said.any())  # all 0: never set
    return Forecast(start, time, load, available, battery, float(message.battery_floor), said if given else None)


def _state(message: Any, stamp: float) -> tuple[float, float, float, float]:
    """Time, load, available power, battery energy; NaN where the message does not vouch for it."""
    load = sum(entry.power for entry in message.loads) if message.validity & message.LOADS_VALID else math.nan
    battery = message.battery_energy if message.validity & message.BATTERY_VALID else math.nan
    return stamp, float(load), float(message.available_power), float(battery)
