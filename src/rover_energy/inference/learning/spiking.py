"""IIR-SNN: a spiking network with one time step, by iterative initialisation and retraining.

Chowdhury, Rathi and Roy 2022, "Towards ultra low latency spiking neural networks for vision and sequential tasks using
temporal pruning" (first as arXiv 2110.05929). The network of neurons with soft reset is initialised from a trained one
with ReLU; after training at T steps its whole state, weights, thresholds and leaks, begins the training at fewer.

One departure: the loss may hold a budget of spikes, so that the last network costs no more than a given share of the one
with ReLU. Without it the thresholds settle where accuracy is best, at two to three times the spikes. It holds from two steps
on, twice as large there: a network that begins far above its budget loses its spikes before it has learnt anything.

The energy is a model of 45 nm hardware by counted operations, without memory traffic. On a processor spikes save nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rover_energy.inference.learning.classifiers import Data, operations
from rover_energy.inference.learning.tools import seeded, torch_of, train

MAC, AC = 4.6e-12, 0.9e-12
"""Energy of a multiply-accumulate and of an addition [J], 32 bit in 45 nm: Horowitz 2014, 10.1109/ISSCC.2014.6757323."""
SURROGATE = 0.3  # height of the triangle that stands for the derivative of a spike
PERCENTILE = 0.90  # of pre-activations, for the first thresholds
POOLED = 4  # spikes that an average pool of 2 x 2 hands on, counted one by one
PRESSURE = 30.0  # weight of spikes above their budget against cross-entropy
LADDER = ((5, 1), (3, 1), (2, 2), (1, 5))  # time steps and epochs
RATE = 2e-3  # first rate of each
BUDGET = 0.07
"""Energy at one step over that of the network with ReLU, every pooled spike counted by itself: a ratio of 14 and more."""
BUDGETED = 2  # time steps from which a budget holds


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
        out, spikes, seen = self.answer(x, until)
        return out, [float(s.detach()) for s in spikes], seen

    def answer(self, x: Any, until: int | None = None) -> tuple[Any, list[Any], list[Any]]:
        """As `run`, with spikes that carry gradients."""
        torch = torch_of()
        first = self._apply(0, x)  # the picture is the same at every step
        potentials: list[Any] = [None] * len(self.thresholds)
        spikes: list[Any] = [torch.zeros(()) for _ in self.thresholds]
        seen, out = [], 0.0
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
                spikes[i] = spikes[i] + value.mean()
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

    def operations(self, x: Any) -> list[int]:
        """Multiply-accumulates of each layer for one input (1, ...), were its values not spikes."""
        counts = []
        with torch_of().no_grad():
            for i, (kind, weights, _) in enumerate(self.layers):
                x = self._apply(i, x)
                counts.append(int(weights.numel() * (x.shape[2] * x.shape[3] if kind == "conv" else 1)))
        return counts

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


def retrain(network: Spiking, data: Data, seed: int, epochs: int, *, budget: float = math.inf) -> Spiking:
    """Train all of its state.

    `budget`: energy over that of the network with ReLU, every pooled spike counted by itself, above which spikes are
    punished; infinite: as published.
    """
    torch = seeded(seed)
    costs = spike_costs(network, data.x[:1])
    first = costs.first

    def loss(answer: Any, index: Any) -> Any:
        out, spikes, _ = answer
        wrong = torch.nn.functional.cross_entropy(out, data.y[index])
        taken = first + sum(c * s for c, s in zip(costs.conservative, spikes, strict=True))
        return wrong + PRESSURE * torch.clamp(taken - budget, min=0.0)

    train(network.answer, network.weights, data.x, data.y, epochs=epochs, rate=RATE, seed=seed, loss=loss)
    return network


def iterate(
    ann: Any, data: Data, seed: int, ladder: Sequence[tuple[int, int]], *, budget: float = math.inf
) -> dict[int, Spiking]:
    """Networks by their number of steps, each begun from the one before. ladder: (steps, epochs), falling.

    budget : of `retrain`, for one step; for `BUDGETED` steps and fewer each step has so much.
    """
    made: dict[int, Spiking] = {}
    network = convert(ann, data.x[:500], ladder[0][0])
    for steps, epochs in ladder:
        limit = steps * budget if steps <= BUDGETED else math.inf
        network = retrain(network.at(steps), data, seed, epochs, budget=limit)
        made[steps] = network
    return made


@dataclass(frozen=True)
class SpikeCosts:
    """Energies over that of the network with ReLU: of the first layer, and of a spike per neuron of each layer, two ways."""

    first: float
    rate: tuple[float, ...]
    conservative: tuple[float, ...]


def spike_costs(network: Spiking, x: Any) -> SpikeCosts:
    """By counted operations on one input `x` (1, ...): additions behind a layer of spikes, multiplications in the first layer."""
    macs = network.operations(x)
    whole = MAC * sum(macs)
    rate = tuple(AC * count / whole for count in macs[1:])
    pools = [POOLED if pool else 1 for _, _, pool in network.layers[1:]]
    return SpikeCosts(MAC * macs[0] / whole, rate, tuple(r * p for r, p in zip(rate, pools, strict=True)))


def energy(network: Spiking, ann: Any, x: Any) -> dict[str, float]:
    """Modelled energies of one answer [J]: of the spiking network by two ways of counting, and of the one with ReLU.

    "rate": additions of a layer are its operations times the spikes per input neuron. "conservative": behind an average
    pool every spike counts by itself. Thresholds, resets and memory are left out.
    """
    whole, costs = MAC * sum(operations(ann)), spike_costs(network, x[:1])
    with torch_of().no_grad():
        _, spikes, _ = network.run(x)
    ratios = {
        name: costs.first + sum(c * s for c, s in zip(each, spikes, strict=True))
        for name, each in (("rate", costs.rate), ("conservative", costs.conservative))
    }
    return {**{name: whole * ratio for name, ratio in ratios.items()}, "ann": whole, "spikes": sum(spikes) / len(spikes)}
