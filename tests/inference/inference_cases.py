"""What the tests of inference share: variants, a store, a random schedule of grants and runs."""

from __future__ import annotations

from typing import Any

from rover_energy.inference.grants import FloorReserve, Grant, Mode
from rover_energy.inference.store import Store
from rover_energy.inference.variant import Variant

FLOOR = FloorReserve(power=0.5, burst=0.5, peak_power=3.0)


def variant(name: str, task: str = "terrain", energy: float = 0.1, **fields: Any) -> Variant:
    """A priced variant; its 95 % energy is 1.2 times the median unless said otherwise."""
    values = {
        "energy_high": 1.2 * energy, "energy_provenance": "cpu_time_model", "quality": 0.9, "peak_power": 2.0, "latency": 0.05,
        **fields,
    }  # fmt: skip
    return Variant(name=name, task=task, energy=energy, **values)


def store() -> Store:
    """A hazard task with a floor and two tasks with a ladder each."""
    return Store.of([
        variant("hazard-floor", "hazard", 0.1, quality=0.80, floor=True, peak_power=2.0, latency=0.05),
        variant("hazard-best", "hazard", 0.8, quality=0.95, peak_power=4.0, latency=0.1),
        variant("map-small", "map", 0.5, quality=0.70),
        variant("map-large", "map", 4.0, quality=0.90, peak_power=5.0, latency=0.4),
        variant("log-small", "log", 1.0, quality=0.60),
        variant("log-large", "log", 6.0, quality=0.95, peak_power=4.0, latency=0.6),
    ])  # fmt: skip


def grant(
    stamp: float = 0.0, energy: float = 20.0, power: float = 12.0, *, sequence: int = 1, lifetime: float = 2.0,
    mode: Mode = Mode.NORMAL, intensity: float = 1.0,
) -> Grant:  # fmt: skip
    return Grant(stamp, stamp + lifetime, sequence, mode, energy, power, intensity)
