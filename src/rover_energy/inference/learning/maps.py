"""Train, export and price the networks of the maps: resistance of the ground, and sunlight beside its exact answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.inference.energy_maps import CONFIDENCE
from rover_energy.inference.learning import unet
from rover_energy.inference.learning.export import Session, write_int8
from rover_energy.inference.learning.graphs import write_stencil, write_unet
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.metering import Measured, steady_state
from rover_energy.inference.tasks import irradiance_maps, soil_maps
from rover_energy.inference.variant import Variant, digest

TASK = "energy_map"
TRAINING, CALIBRATION, TEST = 240, 40, 80
EPOCHS, LIGHT_EPOCHS, BUILT = 14, 14, 10  # of the figures, and of the variants that are built
RESAMPLES = 400
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Maps:
    """Features and targets of training, calibration and test."""

    x: Floats
    y: Floats
    calibration_x: Floats
    calibration_y: Floats
    test_x: Floats
    test_y: Floats


def maps_of(make: Callable[[int, int], tuple[Floats, Floats]], seed: int, training: int = TRAINING) -> Maps:
    """Generated data of a seed; the parts have random numbers of their own."""
    counts = (training, CALIBRATION, TEST)
    parts = [make(21000 + 1000 * part + seed, count) for part, count in enumerate(counts)]
    return Maps(*(array for part in parts for array in part))


def light_network(data: Maps, seed: int, cells: int, epochs: int = LIGHT_EPOCHS) -> Any:
    """A network of the sunlight; cells 0 is the Attention U-Net, else the stencil."""
    torch = torch_of()
    channels = irradiance_maps.CHANNELS
    network = unet.fresh(seed, lambda: unet.stencil(cells, channels) if cells else unet.attention_unet(channels))
    return unet.fit(network, torch.from_numpy(data.x), unet.squared(torch.from_numpy(data.y)), seed, epochs)


def soil_network(data: Maps, seed: int, cells: int, epochs: int = EPOCHS) -> Any:
    """A network of the resistance, mean and upper estimate, whose upper estimate is corrected on the calibration maps."""
    torch = torch_of()
    channels = soil_maps.CHANNELS
    network = unet.fresh(seed, lambda: unet.stencil(cells, channels, 2) if cells else unet.attention_unet(channels, 2))
    unet.fit(network, torch.from_numpy(data.x), unet.mean_and_upper(torch.from_numpy(data.y), CONFIDENCE), seed, epochs)
    short = data.calibration_y[:, 0] - unet.apply(network, data.calibration_x)[:, 1]
    head = network.head if cells == 0 else network[-1]
    with torch.no_grad():  # split conformal prediction, Romano et al. 2019, arXiv 1905.03222
        head.bias[1] += max(0.0, float(np.quantile(short, CONFIDENCE)))
    return network


def resistance(answers: Floats) -> Floats:
    """Factors from logarithms."""
    return np.exp(answers)


def share_explained(answers: Floats, wanted: Floats, seed: int = 0) -> tuple[float, float, float]:
    """R2 of the factors over all nodes, with a 95 % interval from maps drawn anew (bootstrap), within 0 .. 1."""
    rng, found, true = np.random.default_rng(seed), resistance(answers[:, 0]), resistance(wanted[:, 0])
    whole = irradiance_maps.explained(found, true)
    drawn = [rng.integers(0, len(true), len(true)) for _ in range(RESAMPLES)]
    error, spread = ((found - true) ** 2).mean(axis=(1, 2)), ((true - true.mean()) ** 2).mean(axis=(1, 2))
    low, high = np.quantile([1.0 - error[i].mean() / spread[i].mean() for i in drawn], (0.025, 0.975))
    middle = min(max(whole, 0.0), 1.0)
    return middle, min(max(float(low), 0.0), middle), max(min(float(high), 1.0), middle)


def metered(run: Callable[[], Any]) -> Measured:
    """Price of one call that makes one map."""
    return steady_state(run, 1, windows=7, calls=5)


def build_energy_map(folder: Path, seed: int, began: Callable[[str], None] = lambda _: None) -> list[Variant]:
    """Train the networks of the resistance map, write them and price them: one map of 64 x 64 nodes is one unit of work."""
    began("energy map: data")
    data = maps_of(soil_maps.make_maps, seed)
    variants = []
    for name, cells in (("soil-unet", 0), ("soil-stencil7", 7)):
        began(f"energy map: {name}")
        network = soil_network(data, seed, cells, BUILT)
        full = folder / f"{name}.onnx"
        (write_stencil if cells else write_unet)(network, soil_maps.CHANNELS, full)
        variants.append(priced(full, name, "fp32", data, seed))
        whole = folder / f"{name}-int8.onnx"
        write_int8(full, whole, data.calibration_x)
        variants.append(priced(whole, name, "int8", data, seed))
    return variants


def priced(path: Path, name: str, precision: str, data: Maps, seed: int) -> Variant:
    """A variant with the quality of its file and the processor time of this machine."""
    session = Session(path)
    answers = np.concatenate([session(data.test_x[i : i + 10]) for i in range(0, len(data.test_x), 10)])
    quality, low, high = share_explained(answers, data.test_y, seed)
    one = np.ascontiguousarray(data.test_x[:1])
    m = metered(lambda: session(one))
    return Variant(
        name=f"{name}-{precision}", task=TASK, family="network" if precision == "fp32" else "integer", precision=precision,
        metric="R2", quality=quality, quality_low=low, quality_high=high, energy=m.energy.joules,
        energy_high=max(m.energy.joules, m.energy_high), energy_provenance=m.energy.provenance.name.lower(),
        energy_detail=m.energy.detail, peak_power=m.bus_peak, latency=m.latency, size=path.stat().st_size,
        artefact=path.name, checksum=digest(path), source=f"rover-energy infer build --seed {seed}",
    )  # fmt: skip
