"""DQA: deep activation quantisation. Important channels keep some lower bits, Huffman-coded beside the code.

Hu et al. 2024, arXiv 2412.09687. A channel of importance is quantised to n + m bits and shifted right by m; the stored
code has n bits, and the m bits that were shifted out are Huffman-coded. Importance, after two ways that did not work, is
the quantisation error of the channel times the energy of the weights that it meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rover_energy.inference.huffman import build_codes, decode, encode, mean_length
from rover_energy.inference.learning.tools import torch_of

SEARCH = 40  # ranges that are tried for the one of least square error


@dataclass
class Layer:
    """Ranges and importance of one activation layer. ranges: (channels,); order: channels, most important first."""

    ranges: Any
    order: Any


def quantise(x: Any, ranges: Any, bits: int) -> Any:
    """Codes of values 0 .. range in so many bits; the channel is the second dimension."""
    torch = torch_of()
    shape = (1, -1) + (1,) * (x.dim() - 2)
    top = 2**bits - 1
    return torch.clamp(torch.round(x / ranges.view(shape) * top), 0, top)


def restore(codes: Any, ranges: Any, bits: int) -> Any:
    """Values of codes."""
    return codes * ranges.view((1, -1) + (1,) * (codes.dim() - 2)) / (2**bits - 1)


def max_ranges(x: Any) -> Any:
    """Largest value of each channel."""
    return torch_of().clamp(x.transpose(0, 1).flatten(1).amax(dim=1), min=1e-6)


def mse_ranges(x: Any, bits: int) -> Any:
    """Range of each channel with the least square error: the honest baseline."""
    torch = torch_of()
    top = max_ranges(x)
    best, error = top.clone(), torch.full_like(top, float("inf"))
    for share in torch.linspace(0.2, 1.0, SEARCH):
        ranges = share * top
        squared = ((restore(quantise(x, ranges, bits), ranges, bits) - x) ** 2).transpose(0, 1).flatten(1).mean(dim=1)
        better = squared < error
        best, error = torch.where(better, ranges, best), torch.where(better, squared, error)
    return best


def activations(network: Any, x: Any) -> list[tuple[int, Any, Any]]:
    """Position, values and following weights of every ReLU of a sequential network."""
    torch, found = torch_of(), []
    with torch.no_grad():
        for i, layer in enumerate(network):
            x = layer(x)
            if isinstance(layer, torch.nn.ReLU):
                following = next(later for later in list(network)[i + 1 :] if hasattr(later, "weight"))
                found.append((i, x, following.weight.detach()))
    return found


def outgoing_energy(weights: Any, channels: int) -> Any:
    """Sum of squares of the weights that each channel meets (channels,); behind a flattening a channel meets many."""
    return (weights**2).transpose(0, 1).reshape(channels, -1).sum(dim=1)


def calibrate(network: Any, x: Any, bits: int, *, by_error: bool = False) -> dict[int, Layer]:
    """Ranges and order of importance of every activation layer, on calibration data."""
    made = {}
    for i, values, weights in activations(network, x):
        ranges = mse_ranges(values, bits) if by_error else max_ranges(values)
        error = (restore(quantise(values, ranges, bits), ranges, bits) - values) ** 2
        importance = error.transpose(0, 1).flatten(1).mean(dim=1) * outgoing_energy(weights, len(ranges))
        made[i] = Layer(ranges, importance.argsort(descending=True))
    return made


@dataclass
class Quantised:
    """A network with quantised activations. share: of the channels that are important; extra: their further bits m."""

    network: Any
    layers: dict[int, Layer]
    bits: int
    extra: int = 0
    share: float = 0.0

    def __call__(self, x: Any) -> Any:
        """Outputs."""
        for i, layer in enumerate(self.network):
            x = layer(x)
            if i in self.layers:
                x = self._activation(x, self.layers[i])
        return x

    def _important(self, layer: Layer) -> Any:
        return layer.order[: round(self.share * len(layer.order))]

    def _activation(self, x: Any, layer: Layer) -> Any:
        plain = restore(quantise(x, layer.ranges, self.bits), layer.ranges, self.bits)
        chosen = self._important(layer)
        if len(chosen):
            finer = self.bits + self.extra
            ranges = layer.ranges[chosen]
            plain[:, chosen] = restore(quantise(x[:, chosen], ranges, finer), ranges, finer)
        return plain

    def stored_bits(self, x: Any) -> tuple[float, bool]:
        """Stored bits per activation on data, and whether every code comes back from its n bits and the Huffman stream."""
        total, count, exact = 0.0, 0, True
        for i, values, _ in activations(self.network, x):
            layer = self.layers[i]
            chosen = self._important(layer)
            total, count = total + self.bits * values.numel(), count + values.numel()
            if not len(chosen):
                continue
            codes = quantise(values[:, chosen], layer.ranges[chosen], self.bits + self.extra).long().numpy()
            high, low = codes >> self.extra, codes & (2**self.extra - 1)
            table = build_codes(low)
            total += mean_length(low, table) * low.size
            some = low.ravel()[:20_000]
            again = decode(*encode(some, table), table)
            exact = exact and bool(((high.ravel()[:20_000] << self.extra | again) == codes.ravel()[:20_000]).all())
        return total / count, exact
