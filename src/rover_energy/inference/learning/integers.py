"""MobileQuant: weights and static activation ranges for integers only, learnt end to end.

Tan et al. 2024, arXiv 2408.13933. Learnt are the scales that move outliers from activations into weights (between a
normalisation and the products behind it, between v and o, between q and k), the clipping of weights, and scale and offset
of every activation, all to bring the last states of the quantised network, behind the last normalisation, near those of
the full one. It begins where SmoothQuant (Xiao et al. 2023, arXiv 2211.10438) ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from rover_energy.inference.learning.language import Size, hidden, normed, plain
from rover_energy.inference.learning.tools import batches, seeded, torch_of

OUTLIERS, FACTOR = 4, 40.0  # channels of each normalisation, and how much louder they are made
ALPHA = 0.5  # of SmoothQuant
CLIP = 4.0  # sigmoid of it is the first share of a weight's range
RATES = (1e-2, 1e-1, 1e-3)  # first rates of scales, clipping and ranges: few steps have a long way to go


def with_outliers(p: dict[str, Any], size: Size, seed: int) -> dict[str, Any]:
    """The same function with loud channels: gains times a factor, the weights behind them divided by it."""
    torch = seeded(seed)
    made = {name: w.detach().clone() for name, w in p.items()}
    for b in range(size.blocks):
        for gain, behind in (("gain1", "qkv"), ("gain2", ("up",))):
            loud = torch.randperm(size.width)[:OUTLIERS]
            made[f"{b}.{gain}"][loud] *= FACTOR
            for name in behind:
                made[f"{b}.{name}"][:, loud] /= FACTOR
    return made


def _rounded(x: Any) -> Any:
    return x + (x.round() - x).detach()


@dataclass
class Quantiser:
    """Fake quantisation of every product. ranges: (low, high) of activations by name; bits of weights and activations.

    smooth: log of the scales by normalisation, "block.o": between the products v and o, "block.qk": between q and k;
    clip: by product; both may be trained, as may the ranges.
    """

    size: Size
    weight_bits: int
    bits: int = 8
    smooth: dict[str, Any] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    ranges: dict[str, Any] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Which normalisation a product stands behind; its own name when it is behind none."""
        block, what = name.split(".")
        return f"{block}.gain1" if what in "qkv" else f"{block}.gain2" if what == "up" else name

    def scales(self, name: str) -> Any:
        """By which activations are divided before a product, and the weights multiplied; 1 without any."""
        found = self.smooth.get(self.key(name))
        return 1.0 if found is None else found.exp()

    def rows(self, name: str) -> Any:
        """By which the rows of a product's weights are multiplied, because what comes behind it is divided; 1 without any."""
        block, what = name.split(".")
        found = self.smooth.get(f"{block}.o" if what == "v" else f"{block}.qk" if what in "qk" else "")
        return 1.0 if found is None else (found if what == "q" else -found).exp()[:, None]

    def __call__(self, x: Any, weights: Any, name: str) -> Any:
        """The quantised product; what comes into the product o has been divided by the rows of v."""
        scales = self.scales(name)
        given = x if name.endswith(".o") else x / scales
        return self.activation(given, name) @ self.weight(weights * scales * self.rows(name), name).T

    def weight(self, w: Any, name: str) -> Any:
        """Symmetric, one scale for the whole matrix, per row for the one that leads down."""
        torch = torch_of()
        whole = w.abs().amax(dim=1, keepdim=True) if name.endswith("down") else w.abs().amax()
        share = torch.sigmoid(self.clip[name]) if name in self.clip else 1.0
        top = 2 ** (self.weight_bits - 1) - 1
        step = share * whole / top + 1e-12
        return torch.clamp(_rounded(w / step), -top, top) * step

    def activation(self, x: Any, name: str) -> Any:
        """Static range, one for the whole tensor."""
        torch = torch_of()
        low, high = self.ranges[self.key(name)]
        step = (high - low) / (2**self.bits - 1) + 1e-12
        return torch.clamp(_rounded((x - low) / step), 0, 2**self.bits - 1) * step + low

    def observe(self, p: dict[str, Any], tokens: Any) -> None:
        """Ranges from calibration data, of the full network."""
        torch, seen = torch_of(), self.ranges
        seen.clear()

        def watch(x: Any, weights: Any, name: str) -> Any:
            y = x / self.scales(name)
            low, high = seen.get(self.key(name), (y.min(), y.max()))
            seen[self.key(name)] = (torch.minimum(low, y.min()), torch.maximum(high, y.max()))
            return plain(x, weights, name)

        with torch.no_grad():
            hidden(p, tokens, self.size, watch)


def naive(p: dict[str, Any], tokens: Any, size: Size, bits: int) -> Quantiser:
    """Ranges by the largest values."""
    made = Quantiser(size, bits)
    made.observe(p, tokens)
    return made


def smooth_quant(p: dict[str, Any], tokens: Any, size: Size, bits: int) -> Quantiser:
    """Scales s = max|x|^a / max|w|^(1 - a) per channel, then ranges by the largest values."""
    torch = torch_of()
    made = Quantiser(size, bits)
    largest: dict[str, Any] = {}

    def watch(x: Any, weights: Any, name: str) -> Any:
        top = x.abs().flatten(0, -2).amax(dim=0)
        key = made.key(name)
        largest[key] = torch.maximum(largest.get(key, top), top)
        return plain(x, weights, name)

    with torch.no_grad():
        hidden(p, tokens, size, watch)
        for b in range(size.blocks):
            for gain, behind in ((f"{b}.gain1", "qkv"), (f"{b}.gain2", ("up",))):
                w = torch.stack([p[f"{b}.{name}"].abs().amax(dim=0) for name in behind]).amax(dim=0)
                made.smooth[gain] = torch.log(
                    torch.clamp(largest[gain] ** ALPHA / torch.clamp(w, min=1e-6) ** (1.0 - ALPHA), min=1e-4)
                )
    made.observe(p, tokens)
    return made


def mobile_quant(p: dict[str, Any], tokens: Any, size: Size, bits: int, seed: int, *, epochs: int = 30) -> Quantiser:
    """Learn scales, clipping and ranges end to end; begins with SmoothQuant."""
    torch = seeded(seed)
    made = smooth_quant(p, tokens, size, bits)
    products = [name for name in p if name.split(".")[-1] in ("q", "k", "v", "o", "up", "down")]
    for b in range(size.blocks):
        made.smooth |= {f"{b}.{between}": torch.zeros(size.width) for between in ("o", "qk")}
    made.smooth = {name: s.detach().clone().requires_grad_() for name, s in made.smooth.items()}
    made.clip = {name: torch.tensor(CLIP, requires_grad=True) for name in products}
    made.ranges = {name: tuple(r.detach().clone().requires_grad_() for r in pair) for name, pair in made.ranges.items()}
    with torch.no_grad():
        wanted = normed(hidden(p, tokens, size), p["gain"])
    groups = [
        {"params": list(made.smooth.values()), "lr": RATES[0]}, {"params": list(made.clip.values()), "lr": RATES[1]},
        {"params": [r for pair in made.ranges.values() for r in pair], "lr": RATES[2]},
    ]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
    import numpy as np

    rng, steps = np.random.default_rng(seed), epochs * max(1, len(tokens) // 32)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        for index in batches(len(tokens), 32, rng):
            loss = ((normed(hidden(p, tokens[index], size, made), p["gain"]) - wanted[index]) ** 2).mean()
            if not math.isfinite(float(loss.detach())):
                raise RuntimeError("the ranges did not converge: the loss is not finite")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return made
