"""Networks as ONNX files, in full precision and in int8, and the session that runs them on one thread."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.extras import need
from rover_energy.inference.learning.tools import torch_of

PURPOSE = "deployment of a network"
INPUT, OUTPUT, OPSET, IR = "patches", "scores", 17, 9


def write_onnx(network: Any, shape: tuple[int, ...], path: Path) -> None:
    """Write a sequential network of convolutions, ReLU, average pools, flattening and linear layers.

    `shape` is that of one input; the number of inputs stays free. Raises InputError for another kind of layer.
    """
    onnx, torch = need("onnx", PURPOSE), torch_of()
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes, tensors, at = [], [], INPUT

    def constant(name: str, values: Any) -> str:
        tensors.append(numpy_helper.from_array(values.detach().numpy().astype(np.float32), name))
        return name

    for i, layer in enumerate(network):
        made = OUTPUT if i == len(network) - 1 else f"value{i}"
        names = [at]
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            names.append(constant(f"weight{i}", layer.weight))
            names += [constant(f"bias{i}", layer.bias)] if layer.bias is not None else []
        nodes.append(_node(helper, torch.nn, layer, names, made))
        at = made
    scores = helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["n", None])
    given = helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["n", *shape])
    graph = helper.make_graph(nodes, "network", [given], [scores], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _node(helper: Any, nn: Any, layer: Any, names: list[str], made: str) -> Any:
    if isinstance(layer, nn.Conv2d):
        pads, kernel = [*layer.padding, *layer.padding], list(layer.kernel_size)
        return helper.make_node("Conv", names, [made], strides=list(layer.stride), pads=pads, kernel_shape=kernel)
    if isinstance(layer, nn.Linear):
        return helper.make_node("Gemm", names, [made], transB=1)
    if isinstance(layer, nn.AvgPool2d):
        size = layer.kernel_size
        return helper.make_node("AveragePool", names, [made], kernel_shape=[size, size], strides=[size, size])
    kinds = {nn.ReLU: "Relu", nn.Flatten: "Flatten"}
    if type(layer) not in kinds:
        raise InputError("export", "layer", "cannot be written to ONNX", "use convolutions, pools and linear layers", str(layer))
    return helper.make_node(kinds[type(layer)], names, [made])


def write_int8(full: Path, path: Path, calibration: NDArray[np.float32]) -> None:
    """Quantise an ONNX file statically: weights and activations in int8, ranges from calibration data.

    It saves processor time where matrix products dominate; small convolutions with few channels become slower.
    """
    quantization = need("onnxruntime.quantization", PURPOSE, "onnxruntime")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.batches = iter(np.array_split(calibration, 4))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch}

    logging.disable(logging.WARNING)  # it advises, file by file, what these small graphs do without
    try:
        quantization.quantize_static(
            str(full), str(path), Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            weight_type=quantization.QuantType.QInt8, activation_type=quantization.QuantType.QUInt8,
        )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)


class Session:
    """A network that runs through ONNX Runtime on one thread. Raises MissingExtraError, or InputError for a bad file."""

    def __init__(self, path: Path) -> None:
        runtime = need("onnxruntime", PURPOSE)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own exceptions have no common root
            problem = f"cannot be loaded ({str(error).splitlines()[0][:120]})"
            raise InputError(str(path), "artefact", problem, "build it again") from None

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (n, classes) of inputs (n, ...)."""
        scores: NDArray[np.float32] = self.session.run(None, {INPUT: x})[0]
        return scores
