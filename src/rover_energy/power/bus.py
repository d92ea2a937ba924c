"""The bus: which source feeds which load, and the ledger that accounts for every joule.

In every step, generated = consumed + stored + shunted + lost and demanded = consumed + unserved, where

- generated: radioisotope generator and array, at the bus;
- consumed: what the loads really received;
- stored: change of the battery's stored energy, negative while it discharges;
- shunted: surplus that neither loads nor battery take;
- lost: conversion into and out of the store;
- unserved: demand that no source could meet. It is never hidden in another channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.power.battery import BatteryParameters
from rover_energy.power.storage import BatteryRecord, integrate_battery

SOURCES = ("rtg", "pv", "battery")
SINKS = ("loads", "battery", "shunt")
CLOSURE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Ledger:
    """Energy account of n steps. Powers are means over the steps at the bus [W].

    step : (n,) [s]. sources : rtg and pv, (n,) each. loads : demand by name, (n,) each. battery : the record of the
    store. allocation : (n, 3, 3), power from each of `SOURCES` to each of `SINKS`.
    """

    step: NDArray[np.float64]
    sources: Mapping[str, NDArray[np.float64]]
    loads: Mapping[str, NDArray[np.float64]]
    battery: BatteryRecord
    allocation: NDArray[np.float64]

    @property
    def generated(self) -> NDArray[np.float64]:
        """Power of generator and array (n,) [W]."""
        return _total(self.sources)

    @property
    def demanded(self) -> NDArray[np.float64]:
        """Sum of the loads (n,) [W]."""
        return _total(self.loads)

    @property
    def consumed(self) -> NDArray[np.float64]:
        """Power that the loads received (n,) [W]: from the allocation, not from the balance."""
        served: NDArray[np.float64] = np.sum(self.allocation[:, :, 0], axis=1)
        return served

    @property
    def stored(self) -> NDArray[np.float64]:
        """Rate of change of the stored energy (n,) [W]."""
        return np.diff(self.battery.energy) / self.step

    @property
    def shunted(self) -> NDArray[np.float64]:
        """Surplus that nothing takes (n,) [W]."""
        return self.battery.shunted_power

    @property
    def lost(self) -> NDArray[np.float64]:
        """Conversion losses of the battery (n,) [W]."""
        return self.battery.lost_power

    @property
    def unserved(self) -> NDArray[np.float64]:
        """Demand that nothing meets (n,) [W]."""
        return self.battery.unserved_power

    @property
    def residual(self) -> NDArray[np.float64]:
        """Closure error of each step (n,) [-], relative to the largest flow in it; NaN where a term is NaN."""
        balance = self.generated - self.consumed - self.stored - self.shunted - self.lost
        demand = self.demanded - self.consumed - self.unserved
        scale = np.max([self.generated, self.demanded, np.abs(self.stored), np.full_like(self.step, 1e-3)], axis=0)
        error: NDArray[np.float64] = np.maximum(np.abs(balance), np.abs(demand)) / scale
        return error

    @property
    def closed(self) -> bool:
        """True when every step closes to `CLOSURE_TOLERANCE`; NaN does not close."""
        return bool(np.all(self.residual <= CLOSURE_TOLERANCE))

    def energies(self) -> dict[str, float]:
        """Totals over all steps [J]: generated, consumed, stored, shunted, lost, unserved, each source and each load."""
        rates = {name: getattr(self, name) for name in ("generated", "consumed", "stored", "shunted", "lost", "unserved")}
        rates |= {f"{name}_power": power for name, power in self.sources.items()}
        rates |= {f"{name}_power": power for name, power in self.loads.items()}
        return {name: float(np.sum(rate * self.step)) for name, rate in rates.items()}


def _total(powers: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.sum(list(powers.values()), axis=0)
    return total


def balance_bus(
    battery: BatteryParameters,
    *,
    rtg: ArrayLike,
    pv: ArrayLike,
    loads: Mapping[str, ArrayLike],
    energy: float,
    step: ArrayLike,
    allow_discharge: bool = True,
    keep_floor: bool = True,
) -> Ledger:
    """Balance the bus over n steps and account for every joule.

    Parameters
    ----------
    battery : BatteryParameters
    rtg, pv : array_like, (n,) or scalar
        Mean power of the sources in each step [W], 0 or more.
    loads : mapping of name to array_like, (n,) or scalar
        Mean demand in each step [W], 0 or more.
    energy : float
        Stored energy at the start [J].
    step : array_like, (n,) or scalar
        Length of the steps [s].
    allow_discharge, keep_floor : bool
        As in `integrate_battery`.

    Returns
    -------
    Ledger

    Raises
    ------
    InputError
        When a power is negative, the shapes do not fit or no load is named.
    """
    if not loads:
        raise InputError("bus", "loads", "is empty", "name at least one load")
    named = {"rtg": rtg, "pv": pv, **{f"load {name}": power for name, power in loads.items()}, "step": step}
    try:
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(power, dtype=float)) for power in named.values()))
    except ValueError:
        raise InputError("bus", ", ".join(named), "shapes do not fit", "give (n,) values or scalars") from None
    for name, power in zip(named, arrays, strict=True):
        if np.any(power < 0.0) or power.ndim != 1:
            raise InputError("bus", name, "is negative or not one-dimensional", "give (n,) values of 0 or more")
    generated, *demands, seconds = arrays[0] + arrays[1], *arrays[2:-1], arrays[-1]
    demanded = np.sum(demands, axis=0)
    record = integrate_battery(
        battery, energy, generated - demanded, seconds, allow_discharge=allow_discharge, keep_floor=keep_floor
    )
    return Ledger(
        step=np.array(seconds),
        sources={"rtg": np.array(arrays[0]), "pv": np.array(arrays[1])},
        loads={name: np.array(power) for name, power in zip(loads, demands, strict=True)},
        battery=record,
        allocation=allocate(arrays[0], arrays[1], demanded, record),
    )


def allocate(rtg: ArrayLike, pv: ArrayLike, demanded: ArrayLike, record: BatteryRecord) -> NDArray[np.float64]:
    """Power from each of `SOURCES` to each of `SINKS`, (n, 3, 3) [W].

    Electricity on a bus carries no label; this is a convention, stated once: loads are fed by the generator first (it
    cannot be turned down), then by the array, then by the battery. What generator and array have left goes to the
    battery and the shunt in equal shares of what each has left. Rows add up to the sources, columns to the sinks.
    """
    rtg, pv, demanded = (np.asarray(power, dtype=float) for power in (rtg, pv, demanded))
    from_rtg = np.minimum(rtg, demanded)
    from_pv = np.minimum(pv, demanded - from_rtg)
    left = np.stack((rtg - from_rtg, pv - from_pv), axis=-1)
    surplus = np.sum(left, axis=-1)
    share = left / np.where(surplus > 0.0, surplus, 1.0)[:, None]
    allocation = np.zeros((len(demanded), len(SOURCES), len(SINKS)))
    allocation[:, 0, 0], allocation[:, 1, 0], allocation[:, 2, 0] = from_rtg, from_pv, record.discharge_power
    allocation[:, :2, 1] = share * record.charge_power[:, None]
    allocation[:, :2, 2] = share * record.shunted_power[:, None]
    return allocation
