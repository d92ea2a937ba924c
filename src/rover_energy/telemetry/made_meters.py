"""A made bus with meters, and faults put into their readings: what a detector is tried on, as every fault is known.

Loads switch at random, the array follows a day with shadows, the generator is steady. Each meter has a lasting error of its
class and noise, reads power at the instants of the samples and counts energy in between, so that a load that switches within a
step is seen by both differently, as with real meters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.telemetry.meter_faults import Issue
from rover_energy.telemetry.meter_tree import MeterTree, tree_of

Array = NDArray[np.float64]
LOADS: dict[str, dict[str, float]] = {
    "mobility": {"front_left": 45.0, "front_right": 45.0, "rear_left": 45.0, "rear_right": 45.0},
    "thermal": {"heater": 40.0, "pump": 15.0}, "compute": {"computer": 30.0, "accelerator": 60.0},
    "payload": {"camera": 12.0, "arm": 50.0},
}  # fmt: skip
"""Subsystems, their loads and the ratings of these [W]."""
SOURCES = {"generator": 120.0, "array": 250.0}
FACTORS = (0.1, 0.2, 0.5, 2.0, 5.0, 10.0)
KINDS = ("gap", "zero", "single_leap", "lasting_leap", "transformer_factor", "errors")
STANDBY = 0.03  # of the rating, taken by a load that is off


@dataclass(frozen=True)
class MadeReadings:
    """time (n,) [s]; power (n, m) [W] and energy (n, m) [J] as read; truth (n, m) [W]; faulty (n, m); issues as injected."""

    time: Array
    power: Array
    energy: Array
    truth: Array
    faulty: NDArray[np.bool_]
    issues: tuple[Issue, ...]


def rover_tree() -> MeterTree:
    """Battery bus, two sources, four subsystems and ten loads: 17 meters."""
    rows: dict[str, dict[str, float | int | str]] = {"bus": {"rating": 400.0, "noise": 0.3}}
    rows |= {name: {"parent": "bus", "sign": -1, "rating": rating, "noise": 0.002 * rating} for name, rating in SOURCES.items()}
    for subsystem, loads in LOADS.items():
        rating = sum(loads.values())
        rows[subsystem] = {"parent": "bus", "rating": rating, "noise": 0.001 * rating}
        rows |= {name: {"parent": subsystem, "rating": most, "noise": 0.002 * most} for name, most in loads.items()}
    return tree_of({"meters": rows})


def make_readings(tree: MeterTree, samples: int, *, faults: int, seed: int, step: float = 1.0) -> MadeReadings:
    """Readings every `step` [s] of the tree of `rover_tree`, with so many faults at random places."""
    rng = np.random.default_rng(seed)
    time = (step * np.arange(samples)).astype(np.float64)
    truth, counted = _powers(tree, samples, rng)
    gain = 1.0 + tree.column("gain") * rng.normal(size=truth.shape[1])
    spread = np.hypot(tree.column("noise"), tree.column("noise_share") * np.abs(truth))
    power = (truth * gain + spread * rng.normal(size=truth.shape)).astype(np.float64)
    passed = (counted * gain * step + spread * step * rng.normal(size=truth.shape) / 10.0).astype(np.float64)
    faulty, issues = np.zeros(truth.shape, dtype=bool), []
    jumps = np.zeros(truth.shape)
    for _ in range(faults):
        issues.append(_inject(tree, time, power, passed, jumps, faulty, truth, rng))
    energy = (np.cumsum(np.where(np.isfinite(passed), passed, counted * step), axis=0) + jumps).astype(np.float64)
    quantum = tree.column("quantum")
    energy = np.where(quantum > 0.0, np.round(energy / np.where(quantum > 0.0, quantum, 1.0)) * quantum, energy)
    energy[~np.isfinite(passed)] = np.nan
    return MadeReadings(time, power, energy, truth, faulty, tuple(issues))


def _powers(tree: MeterTree, samples: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """True power at the samples, and its mean over the step before each; leaves at random, all others by the balances."""
    index = {name: k for k, name in enumerate(tree.names)}
    at, mean = np.zeros((samples, len(index))), np.zeros((samples, len(index)))
    for loads in LOADS.values():
        for name, rating in loads.items():
            at[:, index[name]], mean[:, index[name]] = _switched(rating, samples, rng)
    day = np.maximum(0.0, np.sin(np.linspace(0.2, 0.2 + 2.0 * math.pi * samples / 15000.0, samples)))
    shadow = np.where(_telegraph(samples, 400.0, rng) > 0.8, 0.3, 1.0)
    at[:, index["array"]] = SOURCES["array"] * 0.9 * day * shadow
    at[:, index["generator"]] = SOURCES["generator"] * 0.9
    for name in SOURCES:
        column = at[:, index[name]]
        mean[:, index[name]] = 0.5 * (column + np.concatenate((column[:1], column[:-1])))
    for parent in [name for name in reversed(tree.names) if name in tree.parents]:
        for table in (at, mean):
            children = [(index[name], meter.sign) for name, meter in tree.meters.items() if meter.parent == parent]
            table[:, index[parent]] = sum(sign * table[:, column] for column, sign in children)
    return at, mean


def _telegraph(samples: int, dwell: float, rng: np.random.Generator) -> Array:
    """Levels within 0..1, each held for a random time of mean `dwell` samples."""
    starts = rng.random(samples) < 1.0 / dwell
    starts[0] = True
    levels: Array = rng.random(int(starts.sum()))[np.cumsum(starts) - 1]
    return levels


def _switched(rating: float, samples: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """A load that is off half of the time; it switches somewhere within a step."""
    level = _telegraph(samples, rng.uniform(40.0, 300.0), rng)
    power = rating * np.where(level < 0.5, STANDBY, 0.3 + 0.6 * level)
    before = np.concatenate((power[:1], power[:-1]))
    part = rng.random(samples)
    return power, part * before + (1.0 - part) * power


def _inject(
    tree: MeterTree, time: Array, power: Array, passed: Array, jumps: Array, faulty: NDArray[np.bool_],
    truth: Array, rng: np.random.Generator,
) -> Issue:  # fmt: skip
    """One fault of a random kind, meter, place and length, written into the arrays; where it falls on another one it is moved."""
    kind = str(rng.choice(KINDS))
    length = {"single_leap": 1, "lasting_leap": 1, "transformer_factor": int(rng.integers(100, 600))}.get(
        kind, int(rng.integers(10, 300))
    )
    while True:
        meter, first = int(rng.integers(power.shape[1])), int(rng.integers(10, len(time) - 610))
        if not faulty[first - 10 : first + length + 10, meter].any():
            break
    span, rating = slice(first, first + length), tree.meters[tree.names[meter]].rating
    size = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.2, 1.0)) * rating
    parameters: dict[str, object] = {}
    if kind == "gap":
        power[span, meter] = passed[span, meter] = np.nan
    elif kind == "zero":
        power[span, meter] = passed[span, meter] = 0.0
    elif kind == "single_leap":
        power[first, meter] += size
    elif kind == "lasting_leap":
        jumps[first:, meter] += 20.0 * size
    elif kind == "transformer_factor":
        factor = float(rng.choice(FACTORS))
        power[span, meter] *= factor
        passed[span, meter] *= factor
        parameters = {"factor": factor}
    elif rng.random() < 0.5:
        power[span, meter] = power[first - 1, meter]
    else:
        power[span, meter] += 0.2 * rating * rng.normal(size=length)
    # A wrong ratio of nothing is nothing: at night the array's reading is as good as any.
    faulty[span, meter] = (truth[span, meter] != 0.0) | (kind != "transformer_factor")
    return Issue(tree.names[meter], kind, float(time[first]), float(time[first + length - 1]), parameters=parameters)
