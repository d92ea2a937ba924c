"""Rows of telemetry of a driving rover, as tokens, with labelled faults.

A row holds four numbers of one period, each as a share of what the rover can have at most: the wheels' speed, the motors'
power, the generation, and the imbalance: the change of the stored energy less the surplus (sources less all metered loads and
shunt). What belongs together (wheels and motors, surplus and battery) comes apart when something breaks. Rovers differ from
sequence to sequence, so that a network which learnt from here does not know one rover only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
CHANNELS = ("wheels", "motors", "generation", "imbalance")
ROWS = 12  # of a stretch
LEVELS = 16  # of a channel
RANGES = ((0.0, 1.6), (0.0, 0.8), (0.0, 1.0), (-0.4, 0.4))  # what the levels span, by channel
BEGIN = LEVELS * len(CHANNELS)  # token before the first row
VOCABULARY = BEGIN + 1
CONTEXT = ROWS * len(CHANNELS)
FAULTS = ("leak", "array", "stall", "loose_wheel", "stuck_sensor")


def tokens_of(rows: ArrayLike) -> NDArray[np.int64]:
    """Tokens (n, 1 + 4 T) of rows (n, T, 4): the one of the beginning, then a level per channel. NaN becomes the lowest level."""
    values = np.asarray(rows, dtype=float)
    low, high = np.array(RANGES).T
    share = np.nan_to_num((values - low) / (high - low))
    levels = np.clip((LEVELS * share).astype(np.int64), 0, LEVELS - 1) + LEVELS * np.arange(len(CHANNELS))
    flat = levels.reshape(len(values), -1)
    return np.concatenate([np.full((len(flat), 1), BEGIN, dtype=np.int64), flat], axis=1)


def make_rows(seed: int, count: int, rows: int = ROWS) -> Array:
    """Nominal rows (count, rows, 4): stops, drives at changing speed and slope, slow light with shadows, full batteries."""
    return _play(np.random.default_rng(seed), count, rows, {})


def make_faulty(seed: int, count: int, rows: int = ROWS) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Rows with a fault each that begins in the first half of the stretch: rows, index in `FAULTS`, row at which it begins."""
    rng = np.random.default_rng(seed)
    kind, begin = rng.integers(0, len(FAULTS), count), rng.integers(rows // 8, rows // 2, count)
    strength = rng.random(count)
    made = _play(rng, count, rows, {"kind": kind, "begin": begin, "strength": strength})
    return made, kind, begin


def _play(rng: np.random.Generator, count: int, rows: int, fault: dict[str, NDArray[np.int64] | Array]) -> Array:
    """One period after the other. With a stall or a loose wheel the rover drives; a sensor sticks while it starts or stops."""
    base, weight = rng.uniform(0.1, 0.3, count), rng.uniform(0.15, 0.6, count)  # shares of the reference power
    steady, sun = rng.uniform(0.0, 0.4, count), rng.uniform(0.0, 0.5, count)
    full, shade = rng.random(count) < 0.15, rng.random(count) < 0.1
    driving = rng.random(count) < 0.75
    wanted, speed, slope = _pace(rng, count), np.zeros(count), rng.normal(0.0, 0.3, count)
    slip, gain = rng.uniform(0.02, 0.15, count), rng.uniform(0.1, 0.6, count)
    speed = np.where(driving & (rng.random(count) < 0.8), wanted, 0.0)
    made = np.empty((count, rows, 5))
    moves, sticks = (np.isin(fault["kind"], k) if fault else np.zeros(count, dtype=bool) for k in ((2, 3), (4,)))
    for t in range(rows):
        active = t >= fault["begin"] if fault else np.zeros(count, dtype=bool)
        driving = np.where(rng.random(count) < 0.06, ~driving, driving)
        if fault:
            driving = np.where(sticks & (t == fault["begin"] + 1), ~driving, driving | (moves & (t >= fault["begin"] - 1)))
        wanted = np.where(rng.random(count) < 0.1, _pace(rng, count), wanted)
        speed += np.clip(np.where(driving, wanted, 0.0) - speed, -0.35, 0.35)
        slope = 0.9 * slope + 0.13 * rng.normal(size=count)
        rims = speed * (1.0 + np.clip(slip + gain * slope, 0.0, 0.6))  # faster than the rover uphill
        sun = np.clip(sun + 0.01 * rng.normal(size=count), 0.0, 0.6)
        shade = np.where(rng.random(count) < 0.03, ~shade, shade)
        made[:, t] = _row(rng, base, weight, steady + np.where(shade, 0.0, sun), speed, rims, slope, full, active, fault)
    if fault:
        stuck = np.flatnonzero(np.asarray(fault["kind"]) == FAULTS.index("stuck_sensor"))
        for i in stuck:
            channel, begin = int(rng.choice([0, 1, 3])), int(fault["begin"][i])
            made[i, begin:, channel] = made[i, begin, channel]
    surplus = made[..., 2] - made[..., 1] - made[..., 4]
    imbalance: Array = made[..., 3] - surplus
    return np.concatenate([made[..., :3], imbalance[..., None]], axis=2)


def _pace(rng: np.random.Generator, count: int) -> Array:
    """Speeds that a plan asks for: often the top speed."""
    return np.where(rng.random(count) < 0.4, 1.0, rng.uniform(0.3, 1.0, count))


def _row(
    rng: np.random.Generator, base: Array, weight: Array, light: Array, speed: Array, rims: Array, slope: Array, full: Flags,
    active: Flags, fault: dict[str, NDArray[np.int64] | Array],
) -> Array:  # fmt: skip
    """One period of all sequences: what the meters read of wheels, motors, generation, stored energy, other loads with shunt."""

    def hit(name: str, least: float, most: float) -> Array:
        if not fault:
            return np.zeros(len(base))
        chosen = active & (fault["kind"] == FAULTS.index(name))
        return np.where(chosen, least + (most - least) * np.asarray(fault["strength"]), 0.0)

    lost, leak = hit("array", 0.3, 0.6), hit("leak", 0.1, 0.3)
    stalled, loose = hit("stall", 0.7, 1.0), hit("loose_wheel", 0.6, 0.95)
    # a contact that comes and goes, as no shadow does
    generation = light * (1.0 - np.where(rng.random(len(base)) < 0.5, lost, 0.0))
    motors = np.clip(weight * speed * (1.0 + 0.6 * slope) + 0.02 * (speed > 0.0), 0.0, None)
    motors = np.where(stalled > 0.0, np.maximum(motors, weight * stalled), motors * (1.0 - loose))
    wheels = rims * (1.0 - stalled)
    surplus = generation - base - motors
    shunt = np.where(full, np.maximum(surplus, 0.0), 0.0)
    surplus = surplus - shunt
    stored = np.where(surplus > 0.0, 0.95 * surplus, surplus / 0.95) - leak
    noise = 0.01 * rng.normal(size=(len(base), 5))
    still = speed < 1e-9
    noise[:, 0] = np.where(still, 0.0, noise[:, 0])
    return np.stack([wheels, motors, generation, stored, base + shunt], axis=1) + noise
