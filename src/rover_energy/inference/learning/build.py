"""Build a store of terrain classifiers: train, compress, export and meter, all from one seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.inference.learning.activations import Quantised, calibrate
from rover_energy.inference.learning.classifiers import Data, distil_swift, operations, patches, train_flat, train_super
from rover_energy.inference.learning.export import Session, write_int8, write_onnx
from rover_energy.inference.learning.spiking import AC, MAC, Spiking, energy, iterate
from rover_energy.inference.learning.tools import logits_of
from rover_energy.inference.metering import steady_state
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.tasks.terrain_patches import CHANNELS, SIDE
from rover_energy.inference.variant import Variant, digest, wilson

STEPS = 6
TASK, BATCH = "terrain_class", 16
LADDER, COUNT = ((5, 3), (3, 2), (2, 2), (1, 6)), 3000
CORE_LATENCY = 1e-9  # [s] per addition of a spiking network: an assumption about hardware that is not here


def build_store(folder: Path, seed: int, began: Callable[[str], None] = lambda _: None) -> Store:
    """Train and write everything into a folder: variants.yaml and the ONNX files it names."""
    began("data")
    data = patches(seed)
    began("large network")
    large = train_super(data, seed)
    began("small network")
    small = distil_swift(data, large, seed)
    began("int8")
    source = f"rover-energy infer build --seed {seed}"
    variants = []
    for name, network in (("swift", small), ("flat", train_flat(data, seed)), ("super", large)):
        full, whole = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
        write_onnx(network, (CHANNELS, SIDE, SIDE), full)
        write_int8(full, whole, data.calibration_x[:256].numpy())
        for path, precision in ((full, "fp32"), (whole, "int8")):
            variants.append(deployed(path, name, precision, data, float(sum(operations(network))), source))
    began("spikes")
    for steps, spiking in iterate(large, data, seed, LADDER, COUNT).items():
        variants.append(spiking_variant(spiking, steps, large, data, source))
    began("activations")
    deep = Quantised(large, calibrate(large, data.calibration_x[:500], 3), 3, 2, 0.5)
    variants.append(modelled("super-dqa3", "activation_quantised", deep, data, MAC * sum(operations(large)), source))
    cheapest = min((v for v in variants if v.artefact and v.quality >= 0.5), key=lambda v: v.energy_high)
    marked = [Variant(**{**vars(v), "floor": v is cheapest}) for v in variants]
    store = Store.of(marked)
    write_store(folder / "variants.yaml", store)
    return store


def graded(scores: Any, labels: Any) -> dict[str, Any]:
    """Quality and its interval."""
    right = int((np.asarray(scores).argmax(axis=1) == np.asarray(labels)).sum())
    low, high = wilson(right, len(labels))
    return {"quality": right / len(labels), "quality_low": low, "quality_high": high}


def deployed(path: Path, name: str, precision: str, data: Data, macs: float, source: str) -> Variant:
    """A variant that runs here: priced by processor time, the quality that of the file."""
    session = Session(path)
    x = data.test_x.numpy()
    scores = np.concatenate([session(x[i : i + 500]) for i in range(0, len(x), 500)])
    batch = np.ascontiguousarray(x[:BATCH])
    m = steady_state(lambda: session(batch), BATCH, calls=20)
    return Variant(
        name=f"{name}-{precision}", task=TASK, family="network" if precision == "fp32" else "integer", precision=precision,
        **graded(scores, data.test_y), energy=m.energy.joules, energy_high=max(m.energy.joules, m.energy_high),
        energy_provenance=m.energy.provenance.name.lower(), energy_detail=m.energy.detail, peak_power=max(m.peak_power, 6.0),
        latency=m.latency, size=path.stat().st_size, operations=macs, batch=BATCH, artefact=path.name, checksum=digest(path),
        source=source,
    )  # fmt: skip


def spiking_variant(network: Spiking, steps: int, ann: Any, data: Data, source: str) -> Variant:
    """A spiking network, priced by the operation model, each pooled spike counted by itself."""
    spent = energy(network, ann, data.test_x[:1000])["conservative"]
    made = modelled(f"spiking-t{steps}", "spiking", network, data, spent, source)
    return Variant(**{**vars(made), "precision": "spikes", "time_steps": steps})


def modelled(name: str, family: str, network: Any, data: Data, joules: float, source: str) -> Variant:
    """A variant for hardware that is not here: its energy is a count of operations times published energies."""
    scores = logits_of(network, data.test_x).numpy()
    detail = f"45 nm: {1e12 * MAC:.1f} pJ per multiply-accumulate, {1e12 * AC:.1f} pJ per addition; no memory traffic"
    return Variant(
        name=name, task=TASK, family=family, **graded(scores, data.test_y), energy=joules, energy_high=1.2 * joules,
        energy_provenance="operation_count", energy_detail=detail, operations=joules / AC, latency=joules / AC * CORE_LATENCY,
        peak_power=1.2 * AC / CORE_LATENCY, source=source,
    )  # fmt: skip
