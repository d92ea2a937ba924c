"""The producer of the telemetry sentinel: trains it, calibrates it, meters every depth and makes variants of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.inference.learning.nrgpt import DEPTH, HEADS, WIDTH, make_nrgpt, run_nrgpt, step_of, train_all_depths
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.metering import single_calls
from rover_energy.inference.sentinel import TASK, Network, Sentinel, calibrate, scores_of, write_sentinel
from rover_energy.inference.tasks.telemetry_faults import CONTEXT, VOCABULARY, make_faulty, make_rows, tokens_of
from rover_energy.inference.variant import Variant, digest

TRAINING, CALIBRATION, TEST, EPOCHS, RATE = 3000, 1000, 1000, 4, 3e-3
FALSE_ALARM = 0.01  # of nominal stretches
SCORE_TOKENS = 5
ARTEFACT = "sentinel.npz"


def network_of(p: dict[str, Any]) -> Network:
    """The trained weights for use without torch."""
    names = ("embedding", "place", "q", "k", "up", "down", "share", "head")
    plain = {name: p[name].detach().numpy().astype(np.float32) for name in names}
    return Network({**plain, "step": step_of(p).detach().numpy().astype(np.float32)}, HEADS)


def train_sentinel(seed: int, *, count: int = TRAINING, epochs: int = EPOCHS, positive: bool = True) -> dict[str, Any]:
    """Trained weights; nominal telemetry only."""
    tokens = torch_of().from_numpy(tokens_of(make_rows(seed + 1000, count)))
    p = make_nrgpt(seed, VOCABULARY, CONTEXT, positive=positive)
    train_all_depths(p, run_nrgpt, tokens, epochs=epochs, rate=RATE, seed=seed, down=positive)
    return p


def stretches(seed: int, count: int = TEST) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Nominal and faulty stretches that nothing was trained or calibrated with, and the faults' kinds."""
    faulty, kind, _ = make_faulty(seed + 4000, count)
    return make_rows(seed + 3000, count), faulty, kind


def auroc(nominal: ArrayLike, faulty: ArrayLike) -> float:
    """Chance that a faulty stretch scores above a nominal one, ties half: Mann and Whitney 1947, 10.1214/aoms/1177730491."""
    good, bad = np.sort(np.asarray(nominal, dtype=float)), np.asarray(faulty, dtype=float)
    below, upto = np.searchsorted(good, bad, side="left"), np.searchsorted(good, bad, side="right")
    return float(np.mean(0.5 * (below + upto)) / len(good))


def interval(area: float, nominal: int, faulty: int) -> tuple[float, float]:
    """95 % interval of an area under the curve: Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747, eq. 1."""
    q1, q2 = area / (2.0 - area), 2.0 * area * area / (1.0 + area)
    variance = (area * (1.0 - area) + (faulty - 1) * (q1 - area * area) + (nominal - 1) * (q2 - area * area)) / (faulty * nominal)
    half = 1.96 * math.sqrt(max(variance, 0.0))
    return max(0.0, area - half), min(1.0, area + half)


def area_at(sentinel: Sentinel, nominal: ArrayLike, faulty: ArrayLike, depth: int) -> float:
    """The area of a depth, by the network as it is deployed."""
    good, bad = (scores_of(sentinel.surprise(rows, depth)[0], sentinel.score_tokens) for rows in (nominal, faulty))
    return auroc(good, bad)


def build_sentinel(folder: Path, seed: int, began: Callable[[str], None] = lambda _: None) -> list[Variant]:
    """Train, calibrate and write the sentinel into a folder; one variant per depth, all with the same weights."""
    began("telemetry sentinel")
    p = train_sentinel(seed)
    sentinel = calibrate(network_of(p), DEPTH, make_rows(seed + 2000, CALIBRATION), FALSE_ALARM, SCORE_TOKENS)
    path = folder / ARTEFACT
    write_sentinel(path, sentinel)
    nominal, faulty, _ = stretches(seed)
    source = f"rover-energy infer build --seed {seed}; false alarms {FALSE_ALARM:g} of generated nominal stretches"
    return [_variant(sentinel, depth, nominal, faulty, path, source) for depth in range(1, DEPTH + 1)]


def _variant(
    sentinel: Sentinel, depth: int, nominal: NDArray[np.float64], faulty: NDArray[np.float64], path: Path, source: str
) -> Variant:
    area = area_at(sentinel, nominal, faulty, depth)
    low, high = interval(area, len(nominal), len(faulty))
    m = single_calls(lambda: sentinel.judge(nominal[0], depth), 1)
    macs = CONTEXT * (depth * (3 * WIDTH * WIDTH + 4 * WIDTH * WIDTH * 2 + CONTEXT * WIDTH) + WIDTH * VOCABULARY)
    return Variant(
        name=f"sentinel-{depth}", task=TASK, tier=depth, metric="auroc", quality=area, quality_low=low, quality_high=high,
        energy=m.energy.joules, energy_high=max(m.energy.joules, m.energy_high),
        energy_provenance=m.energy.provenance.name.lower(), energy_detail=m.energy.detail,
        peak_power=m.bus_peak, latency=m.latency, size=path.stat().st_size, operations=float(macs),
        artefact=path.name, checksum=digest(path), source=source,
    )  # fmt: skip
