"""What all training shares: torch on one thread, seeds, a plain loop, accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rover_energy.inference.extras import need


def torch_of(purpose: str = "training a network") -> Any:
    """torch on one thread. Raises MissingExtraError."""
    torch = need("torch", purpose)
    torch.set_num_threads(1)
    return torch


def seeded(seed: int) -> Any:
    """torch with its random numbers begun anew."""
    torch = torch_of()
    torch.manual_seed(seed)
    return torch


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[Any]:
    """Indices of one epoch in random order."""
    order = rng.permutation(count)
    for begin in range(0, count - count % size or count, size):
        yield order[begin : begin + size]


def train(
    forward: Callable[[Any], Any], weights: Any, x: Any, y: Any, *, epochs: int, rate: float, seed: int, batch: int = 64,
    loss: Callable[[Any, Any], Any] | None = None,
) -> list[float]:  # fmt: skip
    """Adam (AMSGrad) with a cosine rate; the mean loss of each epoch. Raises RuntimeError when it is not finite.

    `loss(outputs, indices)` takes the place of cross-entropy with the labels.
    """
    torch = torch_of()
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(list(weights), lr=rate, amsgrad=True)
    steps = epochs * max(1, len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    means = []
    for _ in range(epochs):
        total = []
        for index in batches(len(x), batch, rng):
            out = forward(x[index])
            value = torch.nn.functional.cross_entropy(out, y[index]) if loss is None else loss(out, index)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()
            total.append(float(value.detach()))
        means.append(sum(total) / len(total))
        if not math.isfinite(means[-1]):
            raise RuntimeError(f"the loss is {means[-1]} after {len(means)} epochs; lower the rate")
    return means


def logits_of(forward: Callable[[Any], Any], x: Any, batch: int = 500) -> Any:
    """Outputs of a network without gradients, as one array."""
    torch = torch_of()
    with torch.no_grad():
        return torch.cat([forward(x[i : i + batch]) for i in range(0, len(x), batch)])


def accuracy(forward: Callable[[Any], Any], x: Any, y: Any) -> float:
    """Share of right answers."""
    return float((logits_of(forward, x).argmax(dim=1) == y).float().mean())
