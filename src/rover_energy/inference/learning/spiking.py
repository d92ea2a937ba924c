"""IIR-SNN: a spiking network with one time step, by iterative initialisation and retraining.

Chowdhury, Rathi and Roy 2022, "Towards ultra low latency spiking neural networks for vision and sequential tasks using
temporal pruning" (first as arXiv 2110.05929). The network of neurons with soft reset is initialised from a trained one
with ReLU; after training at T steps its whole state, weights, thresholds and leaks, begins the training at fewer.

The energy is a model of 45 nm hardware by counted operations, without memory traffic. On a processor spikes save nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rover_energy.inference.learning.classifiers import Data, operations
from rover_energy.inference.learning.tools import accuracy, seeded, torch_of, train

MAC, AC = 4.6e-12, 0.9e-12
"""Energy of a multiply-accumulate and of an addition [J], 32 bit in 45 nm: Horowitz 2014, 10.1109/ISSCC.2014.6757323."""
SURROGATE = 0.3  # height of the triangle that stands for the derivative of a spike
PERCENTILE = 0.90  # of pre-activations, for the first thresholds
POOLED = 4  # spikes that an average pool of 2 x 2 hands on, counted one by one


@cache
def _spike() -> Any:
    torch = torch_of()

    class Spike(torch.autograd.Function):  # type: ignore[name-defined]
        @staticmethod
        def forward(context: Any, z: Any) -> Any:
            context.save_for_backward(z)
            return (z > 0).to(z.dtype)

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            (z,) = context.saved_tensors
            return gradient * SURROGATE * torch.clamp(1.0 - z.abs(), min=0.0)

    return Spike.apply


@dataclass
class Spiking:
    """A spiking network. layers: (kind, weights, pool before it); thresholds, leaks: one each per spiking layer."""

    layers: list[tuple[str, Any, bool]]
    thresholds: list[Any]
    leaks: list[Any]
    steps: int

    @property
    def weights(self) -> list[Any]:
        """Everything that is trained."""
        return [w for _, w, _ in self.layers] + self.thresholds + self.leaks

    def __call__(self, x: Any) -> Any:
        """Accumulated outputs (n, classes)."""
        return self.run(x)[0]

    def run(self, x: Any, until: int | None = None) -> tuple[Any, list[float], list[Any]]:
        """Outputs, spikes per neuron of each layer over all steps, and pre-activations of layer `until` at every step."""
        torch = torch_of()
        first = self._apply(0, x)  # the picture is the same at every step
        potentials: list[Any] = [None] * len(self.thresholds)
        spikes, seen, out = [0.0] * len(self.thresholds), [], 0.0
        for _ in range(self.steps):
            value = first
            for i, (threshold, leak) in enumerate(zip(self.thresholds, self.leaks, strict=True)):
                value = value if i == 0 else self._apply(i, value)
                if until == i:
                    seen.append(value.detach())
                    break
                before = 0.0 if potentials[i] is None else torch.clamp(leak, max=1.0) * potentials[i]
                potential = before + value
                value = _spike()(potential / threshold - 1.0)
                potentials[i] = potential - threshold * value
                spikes[i] += float(value.detach().mean())
            else:
                out = out + self._apply(len(self.layers) - 1, value)
        return out, spikes, seen

    def _apply(self, i: int, x: Any) -> Any:
        functional = torch_of().nn.functional
        kind, weights, pool = self.layers[i]
        x = functional.avg_pool2d(x, 2) if pool else x
        if kind == "conv":
            return functional.conv2d(x, weights, padding=1)
        return functional.linear(x.flatten(1), weights)

    def at(self, steps: int) -> Spiking:
        """The same state with another number of steps; weights are copied."""
        layers = [(kind, w.detach().clone().requires_grad_(), pool) for kind, w, pool in self.layers]
        copies = [[v.detach().clone().requires_grad_() for v in values] for values in (self.thresholds, self.leaks)]
        return Spiking(layers, copies[0], copies[1], steps)


def convert(network: Any, x: Any, steps: int) -> Spiking:
    """A spiking network from one of convolutions, ReLU, average pools and linear layers without bias.

    Thresholds are found layer by layer on data `x`, with the layers before already spiking.
    """
    torch = torch_of()
    layers, pool = [], False
    for layer in network:
        if isinstance(layer, torch.nn.AvgPool2d):
            pool = True
        elif isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            kind = "conv" if isinstance(layer, torch.nn.Conv2d) else "linear"
            layers.append((kind, layer.weight.detach().clone().requires_grad_(), pool))
            pool = False
    count = len(layers) - 1
    made = Spiking(layers, [torch.tensor(1.0) for _ in range(count)], [torch.tensor(1.0) for _ in range(count)], steps)
    with torch.no_grad():
        for i in range(count):
            values = torch.cat(made.run(x, until=i)[2]).flatten()
            chosen = values[:: max(1, len(values) // 1_000_000)]
            made.thresholds[i] = torch.clamp(torch.quantile(chosen, PERCENTILE), min=1e-3)
    return made.at(steps)


def retrain(network: Spiking, data: Data, seed: int, epochs: int, count: int) -> Spiking:
    """Train all of its state on the first `count` patches."""
    seeded(seed)
    train(network, network.weights, data.x[:count], data.y[:count], epochs=epochs, rate=1e-3, seed=seed)
    return network


def iterate(ann: Any, data: Data, seed: int, ladder: Sequence[tuple[int, int]], count: int) -> dict[int, Spiking]:
    """Networks by their number of steps, each begun from the one before. ladder: (steps, epochs), falling."""
    made: dict[int, Spiking] = {}
    network = convert(ann, data.x[:500], ladder[0][0])
    for steps, epochs in ladder:
        network = retrain(network.at(steps), data, seed, epochs, count)
        made[steps] = network
    return made


def energy(network: Spiking, ann: Any, x: Any) -> dict[str, float]:
    """Modelled energies of one answer [J]: of the spiking network by two ways of counting, and of the one with ReLU.

    "rate": additions of a layer are its operations times the spikes per input neuron. "conservative": behind an average
    pool every spike counts by itself. Thresholds, resets and memory are left out.
    """
    macs = operations(ann)
    with torch_of().no_grad():
        _, spikes, _ = network.run(x)
    rate = conservative = MAC * macs[0]
    for i, count in enumerate(macs[1:]):
        additions = AC * spikes[i] * count
        rate += additions
        conservative += additions * (POOLED if network.layers[i + 1][2] else 1)
    return {
        "rate": rate, "conservative": conservative, "ann": MAC * sum(macs), "spikes": sum(spikes) / len(spikes),
    }  # fmt: skip


def quality(network: Spiking, data: Data) -> float:
    """Accuracy on the test data."""
    return accuracy(network, data.test_x, data.test_y)
