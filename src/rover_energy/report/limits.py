"""How much of every limit is used at each instant, and which limits bind when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.report.columns import Array, Columns
from rover_energy.rover import RoverParameters

#: a limit binds where this fraction of it is used
BINDING = 0.99
#: speeds below this [m/s] have no curvature worth showing: yaw rate over speed divides two small numbers
CREEP = 1e-3


@dataclass(frozen=True)
class LimitUse:
    """Use of one limit, 1 at the limit. Shape (n,)."""

    name: str
    label: str
    use: Array
    share: float

    @property
    def binds(self) -> NDArray[np.bool_]:
        """Where the limit is reached, shape (n,)."""
        return self.use >= BINDING


def limit_use(columns: Columns, rover: RoverParameters) -> list[LimitUse]:
    """Use of power, speed, acceleration, yaw rate, curvature, slope, tilt and battery at every sample.

    The battery's use is the part of its usable store, from full down to the floor, that is gone: 1 at the floor.
    """
    limits, speed, yaw = rover.limits, np.abs(columns["speed"]), np.abs(columns["yaw_rate"])
    uses: dict[str, tuple[str, Array]] = {
        "power": ("Power", _ratio(columns["total_power"], columns["available_power"])),
        "speed": ("Speed", speed / limits.speed),
        "acceleration": ("Acceleration", np.abs(columns["acceleration"]) / limits.acceleration),
        "yaw_rate": ("Yaw rate", yaw / limits.yaw_rate),
        "curvature": ("Curvature", np.where(speed > CREEP, yaw / (limits.curvature * np.maximum(speed, CREEP)), 0.0)),
        "along_slope": ("Slope", np.abs(columns["along_slope"]) / limits.along_slope),
        "tilt": ("Tilt", columns["tilt"] / limits.tilt),
    }
    if has_battery(columns, rover) and "state_of_charge" in columns:
        floor = rover.battery.floor
        uses["battery"] = ("Battery", (1.0 - columns["state_of_charge"]) / max(1.0 - floor, 1e-9))
    return [LimitUse(name, label, use, time_share(columns.t, use >= BINDING)) for name, (label, use) in uses.items()]


def _ratio(load: Array, supply: Array) -> Array:
    """Load over supply; any load on a bus without supply is past the limit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(supply > 0.0, load / supply, np.where(load > 0.0, np.inf, 0.0))
    return np.where(np.isfinite(load) & np.isfinite(supply), ratio, np.nan)


def time_share(t: Array, where: NDArray[np.bool_]) -> float:
    """Fraction of the time in which `where` holds; a sample stands for half of the steps beside it."""
    step = np.diff(t)
    weight = np.zeros_like(t)
    weight[:-1] += 0.5 * step
    weight[1:] += 0.5 * step
    return float(np.sum(weight[where]) / np.sum(weight))


def free_share(columns: Columns, uses: list[LimitUse]) -> float:
    """Fraction of the time in which no limit binds."""
    bound = np.any(np.stack([use.binds for use in uses]), axis=0)
    return time_share(columns.t, ~bound)


def has_battery(columns: Columns, rover: RoverParameters) -> bool:
    """Whether there is a battery with anything in it."""
    return bool(rover.battery.capacity > 0.0 and np.any(np.nan_to_num(columns["battery_energy"]) > 0.0))
