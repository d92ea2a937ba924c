"""Will the battery last? What the rest of the drive takes out of it, at several rates, against what is above the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.control.load import Estimate, LoadModel
from rover_energy.control.reference import ROW, Reference
from rover_energy.power.battery import charge_limit, discharge_towards_floor, floor_energy, usable_capacity
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]

RATES = np.array([1.1, 1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2])
MOST_SAMPLES = 120


@dataclass(frozen=True)
class EnergyOutlook:
    """Highest rate at which the battery stays above its floor to the end, 0 when none does; its least margin then [J]."""

    rate: float
    margin: float


class EnergyGuard:
    """Predicts the battery along the rest of a plan."""

    def __init__(self, reference: Reference, rover: RoverParameters, *, use_battery: bool, reserve: float) -> None:
        self.reference, self.battery, self.use_battery, self.reserve = reference, rover.battery, use_battery, reserve
        self.model = LoadModel.of(rover)
        self.floor, self.capacity = floor_energy(rover.battery), usable_capacity(rover.battery)

    def discharge(self, energy: float, limit: float) -> float:
        """What the battery may add now [W]: its limit, and little enough to come to the floor slowly and never below it."""
        if not self.use_battery:
            return 0.0
        return discharge_towards_floor(self.battery, energy, limit)

    def outlook(self, time: float, energy: float, constant: float, bias: float, estimate: Estimate) -> EnergyOutlook:
        """The rest of the drive from plan time `time` [s] with `energy` [J] stored.

        constant : base load [W]. bias : measured less planned supply [W]. The factors of motion power are the expected ones;
        `reserve` of the energy drawn is kept above the floor on top.
        """
        if not self.use_battery:
            return EnergyOutlook(float(RATES[0]), np.inf)
        spacing = max(self.reference.step, (self.reference.duration - time) / MOST_SAMPLES)
        _, columns = self.reference.ahead(time, self.reference.duration, spacing)
        margins = self._margins(columns, spacing, energy, constant, bias, estimate)
        fits = np.flatnonzero(margins >= 0.0)
        if fits.size:
            return EnergyOutlook(float(RATES[fits[0]]), float(margins[fits[0]]))
        return EnergyOutlook(0.0, float(margins.max()))

    def _margins(
        self, columns: Array, spacing: float, energy: float, constant: float, bias: float, estimate: Estimate
    ) -> Array:
        r = RATES[:, None]
        spin = np.maximum(0.0, columns[ROW["yaw_rate"]] * columns[ROW["yaw_acceleration"]])
        features = self.model.features(
            r * columns[ROW["speed"]], r * r * columns[ROW["acceleration"]], columns[ROW["grade"]], columns[ROW["resistance"]],
            estimate.slip(columns[ROW["slip"]]), r * columns[ROW["yaw_rate"]], r**3 * spin,
        )  # fmt: skip
        net = columns[ROW["supply_power"]] + min(bias, 0.0) - constant - estimate.expected(features)
        drawn = np.maximum(0.0, -net) / self.battery.discharge_efficiency
        most = float(charge_limit(self.battery, min(1.0, energy / self.capacity))) if self.capacity > 0.0 else 0.0
        gained = np.minimum(np.maximum(0.0, net), most) * self.battery.charge_efficiency
        stride = max(1, round(spacing / self.reference.step)) * self.reference.step
        change = np.cumsum((gained - (1.0 + self.reserve) * drawn) * stride / r, axis=1)
        margins: Array = energy + np.minimum(0.0, change.min(axis=1)) - self.floor
        return margins
