"""Hierarchical metering: which meters add up to which, with signs, noise and classes of accuracy.

A meter may have a parent whose reading is the signed sum of its children: bus, subsystem, leaf. Generation counts with sign -1
where the parent counts consumption. A tree is described in YAML:

    meters:
      bus: {rating: 400, noise: 0.2}
      array: {parent: bus, sign: -1, rating: 250}
      drive: {parent: bus, rating: 300}
      left: {parent: drive, rating: 150}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.parameters import Parameters, from_mapping, parameter, read_yaml

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeterParameters(Parameters):
    """One meter."""

    parent: str = parameter("", description="meter to whose reading this one contributes; empty: none")
    sign: int = parameter(1, minimum=-1, maximum=1, description="of the contribution: 1 or -1")
    rating: float = parameter(100.0, unit="W", minimum=1e-6, maximum=1e12, description="largest power that it meters")
    noise: float = parameter(
        0.1, unit="W", minimum=1e-9, maximum=1e12, description="standard deviation of one reading at no load"
    )
    noise_share: float = parameter(0.002, minimum=0.0, maximum=0.5, description="standard deviation in proportion to the reading")
    gain: float = parameter(0.001, minimum=0.0, maximum=0.5, description="lasting error of its class, standard deviation")
    quantum: float = parameter(1.0, unit="J", minimum=0.0, maximum=1e12, description="step of the energy counter")
    dead_band: float = parameter(0.0, unit="W", minimum=0.0, maximum=1e12, description="power below which it reads exactly 0")
    steady: bool = parameter(
        False, description="may repeat a reading exactly, as what is described and not measured does: it is not stuck",
    )  # fmt: skip
    unmetered: float = parameter(
        0.0, unit="W", minimum=0.0, maximum=1e12,
        description="standard deviation of what this meter sees and its children do not; 0: they see all",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sign == 0:
            raise InputError("MeterParameters", "sign", "is neither 1 nor -1", "write 1 or -1", self.sign)


@dataclass(frozen=True)
class MeterTree:
    """Meters by name, in an order that all arrays of readings follow."""

    meters: Mapping[str, MeterParameters]

    def __post_init__(self) -> None:
        for name, meter in self.meters.items():
            if meter.parent and meter.parent not in self.meters:
                raise InputError(
                    "meter tree", f"{name}.parent", "is no meter", f"use one of {', '.join(self.meters)}", meter.parent
                )
            above, seen = meter.parent, {name}
            while above:
                if above in seen:
                    raise InputError(
                        "meter tree", f"{name}.parent", "goes round in a circle", "give one meter no parent", meter.parent
                    )
                seen.add(above)
                above = self.meters[above].parent
        if not self.parents:
            raise InputError("meter tree", "meters", "no meter has a child", "give one a parent")

    @property
    def names(self) -> tuple[str, ...]:
        """Meters in the order of the columns."""
        return tuple(self.meters)

    @cached_property
    def parents(self) -> tuple[str, ...]:
        """Meters with children: each gives one balance."""
        above = {meter.parent for meter in self.meters.values()}
        return tuple(name for name in self.meters if name in above)

    @cached_property
    def balances(self) -> Array:
        """Matrix A, (balances, meters): A x = 0 for the powers x of a healthy tree; parent 1, children minus their sign."""
        matrix = np.zeros((len(self.parents), len(self.meters)))
        for row, parent in enumerate(self.parents):
            for column, (name, meter) in enumerate(self.meters.items()):
                matrix[row, column] = 1.0 if name == parent else (-meter.sign if meter.parent == parent else 0.0)
        return matrix

    @cached_property
    def slack(self) -> Array:
        """Variance of each balance by what is not metered [W2]."""
        return np.array([self.meters[name].unmetered ** 2 for name in self.parents])

    def column(self, key: str) -> Array:
        """One number of every meter, (meters,)."""
        return np.array([getattr(meter, key) for meter in self.meters.values()], dtype=float)

    def variance(self, power: Array) -> Array:
        """Variance of readings [W2], shaped as `power` (n, meters): noise at no load, in proportion, and of the class."""
        size = np.abs(np.nan_to_num(power))
        share = self.column("noise_share") ** 2 + self.column("gain") ** 2
        return np.asarray(self.column("noise") ** 2 + share * size**2)

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Meters that no balance can tell apart, as their errors enter the same balances in the same proportion."""
        found: dict[tuple[float, ...], list[str]] = {}
        for name, column in zip(self.names, self.balances.T, strict=True):
            lead = column[np.flatnonzero(column)[0]] if column.any() else 1.0
            found.setdefault(tuple(column / lead), []).append(name)
        return tuple(tuple(names) for names in found.values())


def read_tree(path: str | Path) -> MeterTree:
    """A tree from YAML. Raises InputError naming the meter and the field."""
    return tree_of(read_yaml(path), str(path))


def tree_of(data: Any, source: str = "meter tree") -> MeterTree:
    """A tree from plain data. Raises InputError."""
    rows = data.get("meters") if isinstance(data, dict) else None
    if not isinstance(rows, dict) or not rows or set(data) != {"meters"}:
        raise InputError(
            source, "meters", "is not a mapping of meters", "write 'meters:' and below it 'name: {parent: ..., ...}'"
        )
    meters = {str(name): from_mapping(MeterParameters, row or {}, source, f"meters.{name}.") for name, row in rows.items()}
    try:
        return MeterTree(meters)
    except InputError as error:
        raise InputError(source, error.field, error.problem, error.remedy, error.value) from None
