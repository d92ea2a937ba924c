"""Training that may be stopped after any step and gone on with: the weights are those of training in one go."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from rover_energy.errors import RoverEnergyError
from rover_energy.inference.learning.tools import torch_of


class Course:
    """Adam (AMSGrad) with a cosine rate over a fixed number of steps.

    `loss(outputs, indices)` is what is made small. Everything random depends on the seed and the step alone.
    """

    def __init__(
        self, network: Any, x: Any, loss: Callable[[Any, Any], Any], *, epochs: int, rate: float, seed: int, batch: int = 64
    ) -> None:
        torch = torch_of()
        self.network, self.x, self.loss, self.seed, self.rate = network, x, loss, seed, rate
        self.batch = min(batch, len(x))
        self.each = len(x) // self.batch
        self.steps, self.done = epochs * self.each, 0
        self.optimiser = torch.optim.Adam(network.parameters(), lr=rate, amsgrad=True)
        self._order = lru_cache(2)(lambda epoch: np.random.default_rng([seed, epoch]).permutation(len(x)))

    @property
    def over(self) -> bool:
        """All steps are done."""
        return self.done >= self.steps

    def step(self) -> float:
        """One step; its loss. Raises RoverEnergyError when that is not finite."""
        epoch, k = divmod(self.done, self.each)
        index = self._order(epoch)[k * self.batch : (k + 1) * self.batch]
        for group in self.optimiser.param_groups:
            group["lr"] = 0.5 * self.rate * (1.0 + math.cos(math.pi * self.done / self.steps))
        value = self.loss(self.network(self.x[index]), index)
        if not math.isfinite(float(value.detach())):
            raise RoverEnergyError(f"the loss is {float(value.detach())} at step {self.done} of {self.steps}; lower the rate")
        self.optimiser.zero_grad()
        value.backward()
        self.optimiser.step()
        self.done += 1
        return float(value.detach())

    def finish(self) -> Any:
        """Do all that is left; the network."""
        while not self.over:
            self.step()
        return self.network

    def state(self) -> dict[str, Any]:
        """All that going on needs."""
        return {"done": self.done, "network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.done = state["done"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])


def by_labels(y: Any) -> Callable[[Any, Any], Any]:
    """Cross-entropy with classes."""
    functional = torch_of().nn.functional
    return lambda out, index: functional.cross_entropy(out, y[index])


def by_teacher(soft: Any, temperature: float) -> Callable[[Any, Any], Any]:
    """Divergence from a teacher's softened answers (Hinton et al. 2015, arXiv 1503.02531, section 2)."""
    functional = torch_of().nn.functional

    def loss(out: Any, index: Any) -> Any:
        softened = functional.log_softmax(out / temperature, dim=1)
        return functional.kl_div(softened, soft[index], reduction="batchmean") * temperature**2

    return loss
