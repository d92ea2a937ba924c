"""A made battery whose messages are right, and ways to write them wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from rover_energy.telemetry.battery_series import BatterySeries, series_of

CAPACITY, CELLS, RESISTANCE = 10.0, 6, 0.08  # [Ah], [-], [ohm]


def messages(count: int = 600, seed: int = 0, *, period: float = 1.0) -> list[tuple[float, Any]]:
    """One pack discharged and charged in turn: charge by exact integration, voltage by charge and inner resistance."""
    rng = np.random.default_rng(seed)
    t = 1000.0 + period * np.arange(count)
    current = np.repeat(rng.uniform(1.0, 6.0, count // 50 + 1), 50)[:count] * np.where((t // 150) % 3 == 1, 1.0, -1.0)
    current += 0.05 * rng.normal(size=count)
    moved = np.concatenate(([0.0], np.cumsum(0.5 * (current[1:] + current[:-1]) * period))) / 3600.0
    charge = 0.6 * CAPACITY + moved
    cell = 3.3 + 0.8 * charge / CAPACITY + RESISTANCE / CELLS * current
    cells = cell[:, None] + 0.005 * rng.normal(size=CELLS)
    return [(float(t[k] + 0.02), message(float(t[k]), float(current[k]), float(charge[k]), cells[k])) for k in range(count)]


def message(time: float, current: float, charge: float, cells: np.ndarray) -> Any:
    stamp = SimpleNamespace(sec=int(time), nanosec=round((time % 1.0) * 1e9))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="base_link"), voltage=float(np.sum(cells)), temperature=21.5,
        current=current, charge=charge, capacity=CAPACITY, design_capacity=CAPACITY, percentage=charge / CAPACITY,
        power_supply_status=1 if current > 0.0 else 2, power_supply_health=1, power_supply_technology=3, present=True,
        cell_voltage=list(cells), cell_temperature=[21.5] * CELLS, location="bay", serial_number="7",
    )  # fmt: skip


def clean(count: int = 600, seed: int = 0) -> BatterySeries:
    return series_of(messages(count, seed))


def with_values(series: BatterySeries, **changed: Any) -> BatterySeries:
    """Some scalar fields replaced, by arrays or functions of the old ones."""
    values = dict(series.values)
    for name, change in changed.items():
        values[name] = change(values[name]) if callable(change) else np.broadcast_to(change, values[name].shape).astype(float)
    return replace(series, values=values)
