"""A store with two real ONNX files, made without torch: a network that sees slopes, and one that always says plain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rover_energy.inference.store import Store, write_store
from rover_energy.inference.tasks.terrain_patches import CHANNELS, CLASSES, SIDE
from rover_energy.inference.variant import Variant, digest

PRICE = {"energy_provenance": "cpu_time_model", "peak_power": 6.0, "latency": 0.01, "batch": 16}


def network(path: Path, *, sees: bool) -> None:
    """Scores (n, 6): "slope" grows with the east slope of the patch, "plain" is 1."""
    import onnx
    from onnx import helper, numpy_helper

    weights = np.zeros((CHANNELS, SIDE, SIDE, len(CLASSES)), dtype=np.float32)
    if sees:
        weights[0, :, -1, 1], weights[0, :, 0, 1] = 1.0, -1.0
    bias = np.array([1.0] + [0.0] * 5, dtype=np.float32)
    tensors = [numpy_helper.from_array(weights.reshape(-1, len(CLASSES)), "w"), numpy_helper.from_array(bias, "b")]
    nodes = [helper.make_node("Flatten", ["patches"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["scores"])]
    given = helper.make_tensor_value_info("patches", onnx.TensorProto.FLOAT, ["n", CHANNELS, SIDE, SIDE])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", None])
    graph = helper.make_graph(nodes, "small", [given], [scores], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def small_store(folder: Path) -> Path:
    """Path of the store: `plain` is the floor, `slope` is better and dearer."""
    variants = []
    for name, energy, quality in (("plain", 1e-3, 0.4), ("slope", 4e-3, 0.9)):
        path = folder / f"{name}.onnx"
        network(path, sees=name == "slope")
        variants.append(Variant(
            name=name, task="terrain_class", quality=quality, energy=energy, energy_high=1.5 * energy, floor=name == "plain",
            artefact=path.name, checksum=digest(path), **PRICE,
        ))  # fmt: skip
    write_store(folder / "variants.yaml", Store.of(variants))
    return folder / "variants.yaml"
