"""ONNX files of networks that are no plain sequence: the Attention U-Net, the stencils and the transformer on points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.inference.extras import need
from rover_energy.inference.learning.export import INPUT, IR, OPSET, OUTPUT, PURPOSE
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.tasks.wheel_points import POINTS


class Graph:
    """Nodes in the order in which they are added; each call returns the name of its result."""

    def __init__(self) -> None:
        self.onnx = need("onnx", PURPOSE)
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def constant(self, values: Any) -> str:
        """A tensor; torch's or numpy's."""
        array = values.detach().numpy() if hasattr(values, "detach") else np.asarray(values)
        name = f"constant{len(self.tensors)}"
        kind = np.int64 if array.dtype.kind in "iu" else np.float32
        self.tensors.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array.astype(kind)), name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """One operator."""
        made = output or f"value{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [made], **attributes))
        return made

    def convolution(self, layer: Any, at: str) -> str:
        """A torch Conv2d."""
        names = [at, self.constant(layer.weight), self.constant(layer.bias)]
        return self.add("Conv", *names, kernel_shape=list(layer.kernel_size), pads=[*layer.padding, *layer.padding])

    def linear(self, layer: Any, at: str) -> str:
        """A torch Linear on the last axis."""
        product = self.add("MatMul", at, self.constant(layer.weight.T))
        return self.add("Add", product, self.constant(layer.bias))

    def sequence(self, layers: Any, at: str) -> str:
        """A torch Sequential of convolutions, normalisation in the batch (by its running means) and rectifiers."""
        nn = torch_of().nn
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                at = self.convolution(layer, at)
            elif isinstance(layer, nn.BatchNorm2d):
                held = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
                at = self.add("BatchNormalization", at, *(self.constant(v) for v in held), epsilon=layer.eps)
            elif isinstance(layer, nn.LeakyReLU):
                at = self.add("LeakyRelu", at, alpha=layer.negative_slope)
            else:
                at = self.add("Relu", at)
        return at

    def write(self, path: Path, given: list[Any], made: list[Any], outputs: list[str]) -> None:
        """Check and save; `given` and `made` are the shapes of input and outputs."""
        helper, floats = self.onnx.helper, self.onnx.TensorProto.FLOAT
        results = [helper.make_tensor_value_info(name, floats, shape) for name, shape in zip(outputs, made, strict=True)]
        graph = helper.make_graph(
            self.nodes, "network", [helper.make_tensor_value_info(INPUT, floats, given)], results, self.tensors
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        self.onnx.checker.check_model(model)
        self.onnx.save(model, str(path))


def write_stencil(network: Any, channels: int, path: Path) -> None:
    """A network of `unet.stencil`; maps of any size."""
    graph = Graph()
    graph.add("Identity", graph.sequence(network, INPUT), output=OUTPUT)
    graph.write(path, ["n", channels, "ny", "nx"], [["n", None, "ny", "nx"]], [OUTPUT])


def write_unet(network: Any, channels: int, path: Path) -> None:
    """A network of `unet.attention_unet`; maps of any size whose sides are multiples of 8."""
    graph, at, kept = Graph(), INPUT, []
    for k, block in enumerate(network.down):
        at = graph.sequence(block, at)
        if k < 3:
            kept.append(at)
            at = graph.add("MaxPool", at, kernel_shape=[2, 2], strides=[2, 2])
    twice = graph.constant(np.array([1.0, 1.0, 2.0, 2.0]))
    for k in (2, 1, 0):
        grown = graph.add(
            "Resize", at, "", twice, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
        )
        at = graph.add("Relu", graph.convolution(network.rise[k], grown))
        both = graph.add("Add", graph.convolution(network.skip[k], kept[k]), graph.convolution(network.gate[k], at))
        passed = graph.add("Sigmoid", graph.convolution(network.psi[k], graph.add("Relu", both)))
        at = graph.sequence(network.up[k], graph.add("Concat", graph.add("Mul", kept[k], passed), at, axis=1))
    graph.add("Identity", graph.convolution(network.head, at), output=OUTPUT)
    graph.write(path, ["n", channels, "ny", "nx"], [["n", None, "ny", "nx"]], [OUTPUT])


def write_points(network: Any, path: Path, *, unit: float, level: float, joule: float) -> None:
    """A network of `points.build`: tokens (n, 70, 3) to (n, 19), six forces (x, y, z) [N] and the energy [J/m]."""
    graph = Graph()
    first = graph.linear(network.place, INPUT)
    kinds = network.kind.weight[network.kinds]
    at = graph.add("Add", graph.linear(network.lift, _gelu(graph, first)), graph.constant(kinds))
    asking = _part(graph, at, 1, POINTS, kinds.shape[0])
    for block in network.blocks[:-1]:
        at = graph.add("Concat", _part(graph, _block(graph, block, at), 1, 0, POINTS), asking, axis=1)
    at = _block(graph, network.blocks[-1], at)
    wheels = _normal(graph, network.last, _part(graph, at, 1, POINTS, kinds.shape[0]))
    forces = graph.add("Mul", graph.linear(network.force, wheels), graph.constant(np.array([unit])))
    forces = graph.add("Add", forces, graph.constant(np.array([0.0, 0.0, level])))
    flat = graph.add("Reshape", forces, graph.constant(np.array([0, -1])))
    spent = graph.add("ReduceSum", graph.linear(network.energy, wheels), graph.constant(np.array([1])), keepdims=0)
    spent = graph.add("Mul", spent, graph.constant(np.array([joule])))
    graph.add("Concat", flat, spent, axis=1, output=OUTPUT)
    graph.write(path, ["n", int(kinds.shape[0]), 3], [["n", None]], [OUTPUT])


def _block(graph: Graph, block: Any, at: str) -> str:
    """Attention and the two layers on each token, both beside a skip."""
    size = block.join.weight.shape[0]
    heads = block.heads
    asked = graph.linear(block.ask, _normal(graph, block.before, at))
    parted = graph.add("Reshape", asked, graph.constant(np.array([0, 0, 3, heads, size // heads])))
    order = graph.add("Transpose", parted, perm=[2, 0, 3, 1, 4])
    q, k, v = (graph.add("Squeeze", _part(graph, order, 0, i, i + 1), graph.constant(np.array([0]))) for i in range(3))
    score = graph.add("MatMul", q, graph.add("Transpose", k, perm=[0, 1, 3, 2]))
    scaled = graph.add("Mul", score, graph.constant(np.array([(size // heads) ** -0.5])))
    looked = graph.add("MatMul", graph.add("Softmax", scaled, axis=-1), v)
    joined = graph.add("Reshape", graph.add("Transpose", looked, perm=[0, 2, 1, 3]), graph.constant(np.array([0, 0, size])))
    at = graph.add("Add", at, graph.linear(block.join, joined))
    wide = _gelu(graph, graph.linear(block.wide, _normal(graph, block.after, at)))
    return graph.add("Add", at, graph.linear(block.narrow, wide))


def _part(graph: Graph, at: str, axis: int, begin: int, end: int) -> str:
    return graph.add("Slice", at, *(graph.constant(np.array([v])) for v in (begin, end, axis)))


def _normal(graph: Graph, layer: Any, at: str) -> str:
    return graph.add("LayerNormalization", at, graph.constant(layer.weight), graph.constant(layer.bias), epsilon=layer.eps)


def _gelu(graph: Graph, at: str) -> str:
    """x (1 + erf(x / sqrt 2)) / 2, which opset 17 has no operator for."""
    erf = graph.add("Erf", graph.add("Mul", at, graph.constant(np.array([2.0**-0.5]))))
    half = graph.add("Mul", at, graph.constant(np.array([0.5])))
    return graph.add("Mul", half, graph.add("Add", erf, graph.constant(np.array([1.0]))))
