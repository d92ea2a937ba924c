"""The footprint of training on the ground: energy, carbon and water of a computation. Kept apart from joules on board.

The constants of Green Algorithms are reproduced under CC BY 4.0, attributed to Lannelongue, Grealey and Inouye 2021,
10.1002/advs.202100707, and pinned by version: a result names the version it was made with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.parameters import Parameters, parameter

ATTRIBUTION = "Green Algorithms, Lannelongue, Grealey and Inouye 2021, 10.1002/advs.202100707, data CC BY 4.0"
JOULES = 3.6e6  # in a kilowatt-hour
LITRES = 3.785  # in a US gallon
CAR = 175.0  # [g/km] passenger car in Europe, all versions


@dataclass(frozen=True)
class Constants:
    """Constants of one version. memory_power [W/GB]; pue [-] where nothing is known; tree_month [g]; intensities [g/kWh]."""

    version: str
    memory_power: float
    pue: float
    tree_month: float
    intensity: Mapping[str, float]


VERSIONS = {
    "v1.0": Constants(
        "v1.0", 0.3725, 1.67, 11400.0 / 12.0, {"WORLD": 475.0, "GB": 277.3, "DE": 469.0, "FR": 47.0, "CN": 623.6, "AU": 900.0}
    ),
    "v2.2": Constants(
        "v2.2", 0.3725, 1.67, 917.0,
        {"WORLD": 475.0, "GB": 231.12, "DE": 338.66, "FR": 51.28, "CN": 537.4, "US": 423.94, "SE": 5.67, "ES": 171.03},
    ),
    "v3.0": Constants(
        "v3.0", 0.3725, 1.56, 917.0,
        {"WORLD": 475.0, "GB": 231.12, "DE": 338.66, "FR": 51.28, "CN": 537.4, "US": 423.94, "SE": 5.67, "ES": 171.03},
    ),
}  # fmt: skip
DEFAULT = "v3.0"


@dataclass(frozen=True)
class Computation(Parameters):
    """One computation on the ground."""

    name: str = parameter("training", description="what was computed")
    seconds: float = parameter(0.0, unit="s", minimum=0.0, maximum=1e10, description="time that it took")
    cores: int = parameter(1, minimum=0, maximum=10**7, description="processor cores")
    core_power: float = parameter(6.0, unit="W", minimum=0.0, maximum=1e4, description="of one busy core")
    core_usage: float = parameter(1.0, minimum=0.0, maximum=1.0, description="share of the time that they are busy")
    gpus: int = parameter(0, minimum=0, maximum=10**7, description="graphics processors")
    gpu_power: float = parameter(0.0, unit="W", minimum=0.0, maximum=1e5, description="of one busy graphics processor")
    gpu_usage: float = parameter(1.0, minimum=0.0, maximum=1.0, description="share of the time that they are busy")
    memory: float = parameter(0.0, unit="GB", minimum=0.0, maximum=1e9, description="available, not used")
    pue: float | None = parameter(None, minimum=1.0, maximum=10.0, description="facility over computers; null: the version's")
    runs: float = parameter(1.0, minimum=0.0, maximum=1e9, description="times that it was run (pragmatic scaling factor)")
    place: str = parameter("WORLD", description="country code of the grid")
    carbon_intensity: float | None = parameter(
        None, unit="g/kWh", minimum=0.0, maximum=5e3, description="of the grid; null: the version's for the place",
    )  # fmt: skip


@dataclass(frozen=True)
class Footprint:
    """What a computation took. energy [J] at the facility's meter; carbon [g CO2e]; tree_months [-]; car [km]."""

    energy: float
    carbon: float
    tree_months: float
    car: float
    version: str

    @property
    def kilowatt_hours(self) -> float:
        """[kWh]"""
        return self.energy / JOULES


def constants(version: str = DEFAULT) -> Constants:
    """Constants of a version. Raises InputError for an unknown one."""
    if version not in VERSIONS:
        raise InputError("footprint", "version", "is unknown", f"use one of {', '.join(VERSIONS)}", version)
    return VERSIONS[version]


def green_algorithms(c: Computation, version: str = DEFAULT) -> Footprint:
    """Energy and carbon of a computation.

    E = t (n_c P_c u_c + n_g P_g u_g + memory 0.3725 W/GB) PUE PSF, C = E I (Lannelongue et al. 2021, 10.1002/advs.202100707,
    equations 1 and 2).

    Raises
    ------
    InputError
        For an unknown version, or a place of which the version has no intensity.
    """
    k = constants(version)
    power = c.cores * c.core_power * c.core_usage + c.gpus * c.gpu_power * c.gpu_usage + c.memory * k.memory_power
    energy = c.seconds * power * (k.pue if c.pue is None else c.pue) * c.runs
    carbon = energy / JOULES * carbon_intensity(c, version)
    return Footprint(energy, carbon, carbon / k.tree_month, carbon / CAR, version)


def carbon_intensity(c: Computation, version: str = DEFAULT) -> float:
    """Intensity of the computation's grid [g/kWh]. Raises InputError when the version has none for the place."""
    known = constants(version).intensity
    if c.carbon_intensity is not None:
        return c.carbon_intensity
    if c.place not in known:
        raise InputError("footprint", "place", f"has no intensity in {version}", f"use one of {', '.join(known)}", c.place)
    return known[c.place]


# ------------------------------------------------------------------------------------------------------ Counting Carbon


@dataclass(frozen=True)
class CarbonRow:
    """One trained model: power [W], time [s], intensity [g/kWh]."""

    name: str
    power: float
    seconds: float
    intensity: float

    @property
    def carbon(self) -> float:
        """C = P t I [g]: Luccioni and Hernandez-Garcia 2023, arXiv 2302.08476."""
        return self.power * self.seconds / JOULES * self.intensity


def carbon_shares(rows: Sequence[CarbonRow]) -> dict[str, float]:
    """Share of the variance of log C that comes with the logs of power, time and intensity; they add up to 1.

    Arithmetic, as C is their product: cov(log x, log C)/var(log C). Raises InputError for fewer than 2 rows, values that
    are not above 0, or equal carbon everywhere.
    """
    table = np.array([[r.power, r.seconds, r.intensity] for r in rows], dtype=float).reshape(-1, 3)
    if len(table) < 2 or not np.all(table > 0.0):
        raise InputError("footprint", "rows", "are fewer than 2 or hold a value that is not above 0", "give more rows")
    logs = np.log(table)
    total = logs.sum(axis=1) - logs.sum(axis=1).mean()
    variance = float(total @ total)
    if not variance > 0.0:
        raise InputError("footprint", "rows", "have the same carbon", "give rows that differ")
    shares = (logs - logs.mean(axis=0)).T @ total / variance
    return dict(zip(("power", "time", "intensity"), (float(s) for s in shares), strict=True))


# ---------------------------------------------------------------------------------------------------------------- water

#: Water that generation takes [gal/MWh]: Li et al. 2023, arXiv 2304.03271, and its published code.
WATER_OF_SOURCE = {
    "gas": 300.0, "coal": 450.0, "nuclear": 600.0, "oil": 350.0, "other": 475.0, "solar": 0.0, "wind": 0.0, "hydro": 0.0,
}  # fmt: skip


def water_on_site(wet_bulb: float, cycles: float = 6.0) -> float:
    """Water that a cooling tower takes [L/kWh of the computers], by the wet-bulb temperature [K].

    max(S/(S - 1) (6e-5 T^3 - 0.01 T^2 + 0.61 T - 10.4), 0.05) with T in degrees Fahrenheit and S cycles of
    concentration: Li et al. 2023, arXiv 2304.03271 (fixed approach). Raises InputError below 250 K, above 320 K or for S <= 1.
    """
    if not 250.0 <= wet_bulb <= 320.0:
        raise InputError("water", "wet_bulb", "is not within 250 .. 320 K", "give kelvin", wet_bulb)
    if not 1.0 < cycles < math.inf:
        raise InputError("water", "cycles", "is not above 1", "give cycles of concentration", cycles)
    t = (wet_bulb - 273.15) * 1.8 + 32.0
    return max(cycles / (cycles - 1.0) * (6e-5 * t**3 - 0.01 * t**2 + 0.61 * t - 10.4), 0.05)


def water_of_mix(shares: Mapping[str, float]) -> float:
    """Water that generation takes [L/kWh] for shares of `WATER_OF_SOURCE`, which must add up to 1. Raises InputError."""
    if unknown := [name for name in shares if name not in WATER_OF_SOURCE]:
        raise InputError("water", "shares", "unknown source", f"use some of {', '.join(WATER_OF_SOURCE)}", unknown[0])
    if not abs(sum(shares.values()) - 1.0) <= 1e-6 or min(shares.values()) < 0.0:
        raise InputError("water", "shares", "do not add up to 1", "give shares of generation", sum(shares.values()))
    return sum(share * WATER_OF_SOURCE[name] for name, share in shares.items()) * LITRES / 1000.0


def water(energy: float, *, on_site: float, generation: float, pue: float = 1.0) -> float:
    """Water of computers that took `energy` [J]: E (on-site + PUE generation) [L], both in [L/kWh]."""
    return energy / JOULES * (on_site + pue * generation)


# --------------------------------------------------------------------------------------------------------- How Green


@dataclass(frozen=True)
class SizeRow:
    """A model of one size: quality [0..1], energy of its training and of one answer [J]."""

    name: str
    weights: int
    quality: float
    training: float
    answer: float


def size_table(rows: Iterable[SizeRow]) -> list[dict[str, Any]]:
    """Quality per joule of model sizes against the largest, after "How Green are Neural Language Models?", arXiv 2501.15398."""
    ordered = sorted(rows, key=lambda r: r.weights)
    largest = ordered[-1]
    return [
        {
            "name": r.name, "weights": r.weights, "quality": r.quality, "training_J": r.training, "answer_J": r.answer,
            "quality_per_J": r.quality / r.answer, "quality_lost": largest.quality - r.quality,
            "training_saved": largest.training / r.training, "answer_saved": largest.answer / r.answer,
        }
        for r in ordered
    ]  # fmt: skip


def metres_not_driven(energy: float, joules_per_metre: float) -> float:
    """Distance that the energy of a computation on board would have driven [m]. Raises InputError unless both are 0 or more."""
    if not (energy >= 0.0 and joules_per_metre > 0.0):
        value = (energy, joules_per_metre)
        raise InputError("footprint", "energy, joules_per_metre", "is not a positive number", "give joules", value)
    return energy / joules_per_metre


@dataclass
class GroundLedger:
    """Computations on the ground and what they took; nothing in it is energy of the rover."""

    version: str = DEFAULT
    rows: list[tuple[Computation, Footprint]] = field(default_factory=list)

    def add(self, computation: Computation) -> Footprint:
        """Account for one computation."""
        made = green_algorithms(computation, self.version)
        self.rows.append((computation, made))
        return made

    def to_mapping(self) -> dict[str, Any]:
        """Plain data with the version and the attribution."""
        entries = [
            {"name": c.name, "kWh": f.kilowatt_hours, "carbon_g": f.carbon, "tree_months": f.tree_months} for c, f in self.rows
        ]
        return {
            "version": self.version, "attribution": ATTRIBUTION, "computations": entries,
            "kWh": sum(f.kilowatt_hours for _, f in self.rows), "carbon_g": sum(f.carbon for _, f in self.rows),
        }  # fmt: skip
