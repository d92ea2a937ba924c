"""Build a store of variants: train, compress, export and meter, all from one seed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.inference.cards import card
from rover_energy.inference.learning.activations import Quantised, calibrate
from rover_energy.inference.learning.classifiers import (
    Data,
    distil_swift,
    operations,
    patches,
    train_flat,
    train_super,
    train_swift,
)
from rover_energy.inference.learning.export import Session, write_int8, write_onnx
from rover_energy.inference.learning.spiking import AC, BUDGET, LADDER, MAC, Spiking, energy, iterate
from rover_energy.inference.learning.tools import logits_of
from rover_energy.inference.metering import CORE_POWER, calls_in_turn, linear_price
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.tasks.terrain_patches import CHANNELS, SIDE, cut_patches
from rover_energy.inference.variant import Variant, digest, wilson

ROOM = "rover_energy.inference.learning"
TASK, BATCH = "terrain_class", 16
SIZES, CALLS = (1, BATCH, 16 * BATCH), 40  # patches of the calls by which a network is priced, and how many of each
QUICK = 4000  # patches for a build in a hurry
CORE_LATENCY = 1e-9  # [s] per addition of a spiking network: an assumption about hardware that is not here
#: Modules of this room and their producers, each `(folder, seed, began) -> list[Variant]`.
PRODUCERS = (
    ("maps", "build_energy_map"), ("points", "build_wheel_forces"), ("sentinel_build", "build_sentinel"),
    ("analyst_build", "build_analyst"), ("school", "build_learning"),
)  # fmt: skip
STEPS = 4 + len(PRODUCERS)
Began = Callable[[str], None]


def build_store(folder: Path, seed: int, began: Began = lambda _: None, *, quick: bool = False) -> Store:
    """Train and write everything into a folder: variants.yaml, the artefacts it names, and a model card for each variant.

    quick : the smallest terrain classifier only, in full precision and in int8, without a teacher.
    """
    variants = build_terrain(folder, seed, began, quick=quick)
    for module, name in () if quick else producers():
        began(name.removeprefix("build_").replace("_", " "))
        variants += getattr(importlib.import_module(f"{ROOM}.{module}"), name)(folder, seed, lambda _: None)
    store = Store.of(variants)
    for variant in store:
        (folder / f"{variant.name}.md").write_text(card(variant), encoding="utf-8")
    write_store(folder / "variants.yaml", store)
    return store


def producers() -> list[tuple[str, str]]:
    """Those of `PRODUCERS` that are installed."""
    return [(module, name) for module, name in PRODUCERS if importlib.util.find_spec(f"{ROOM}.{module}") is not None]


def build_terrain(folder: Path, seed: int, began: Began = lambda _: None, *, quick: bool = False) -> list[Variant]:
    """The terrain classifiers: networks in fp32 and int8 that run here, spikes and 3-bit activations that do not."""
    source = f"rover-energy infer build --seed {seed}" + (" --quick" if quick else "")
    began("terrain: data and networks")
    if quick:
        data = patches(seed, QUICK)
        variants = exported(folder, "swift", train_swift(data, seed), data, source)
    else:
        data = patches(seed)
        large = train_super(data, seed)
        began("terrain: small networks, int8")
        networks = (("swift", distil_swift(data, large, seed)), ("flat", train_flat(data, seed)), ("super", large))
        variants = [v for name, network in networks for v in exported(folder, name, network, data, source)]
        began("terrain: spikes")
        for steps, spiking in iterate(large, data, seed, LADDER, budget=BUDGET).items():
            variants.append(spiking_variant(spiking, steps, large, data, source))
        began("terrain: activations")
        deep = Quantised(large, calibrate(large, data.calibration_x[:500], 3), 3, 2, 0.5)
        variants.append(modelled("super-dqa3", "activation_quantised", deep, data, MAC * sum(operations(large)), source))
    cheapest = min((v for v in variants if v.artefact and v.quality >= 0.5), key=lambda v: v.energy_high)
    return [Variant(**{**vars(v), "floor": v is cheapest}) for v in variants]


def exported(folder: Path, name: str, network: Any, data: Data, source: str) -> list[Variant]:
    """A network as two ONNX files, fp32 and int8."""
    full, whole = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
    write_onnx(network, (CHANNELS, SIDE, SIDE), full)
    write_int8(full, whole, data.calibration_x[:256].numpy())
    macs = float(sum(operations(network)))
    return [deployed(path, name, kind, data, macs, source) for path, kind in ((full, "fp32"), (whole, "int8"))]


def graded(scores: Any, labels: Any) -> dict[str, Any]:
    """Quality and its interval."""
    right = int((np.asarray(scores).argmax(axis=1) == np.asarray(labels)).sum())
    low, high = wilson(right, len(labels))
    return {"quality": right / len(labels), "quality_low": low, "quality_high": high}


def deployed(path: Path, name: str, precision: str, data: Data, macs: float, source: str) -> Variant:
    """A variant that runs here, the quality that of the file.

    Priced by the processor time of a node's calls: patches cut out of the ground and classified, with cold caches.
    """
    session = Session(path)
    x = data.test_x.numpy()
    scores = np.concatenate([session(x[i : i + 500]) for i in range(0, len(x), 500)])
    ground, rng = np.cumsum(np.random.default_rng(0).normal(size=(200, 200)), axis=1) * 0.02, np.random.default_rng(1)

    def call(count: int) -> Callable[[], Any]:
        centres = rng.uniform(4.0, 35.0, (count, 2))
        return lambda: session(cut_patches(ground, 0.0, 0.0, 0.2, centres, spacing=0.25, azimuth=1.0)[0])

    m = linear_price(calls_in_turn({count: call(count) for count in SIZES}, calls=CALLS), BATCH)
    return Variant(
        name=f"{name}-{precision}", task=TASK, family="network" if precision == "fp32" else "integer", precision=precision,
        **graded(scores, data.test_y), energy=m.energy.joules, energy_high=m.energy_high,
        energy_provenance=m.energy.provenance.name.lower(), energy_detail=m.energy.detail, peak_power=CORE_POWER,
        latency=m.latency, size=path.stat().st_size, operations=macs, batch=BATCH, fixed_share=m.fixed_share,
        artefact=path.name, checksum=digest(path), source=source,
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
