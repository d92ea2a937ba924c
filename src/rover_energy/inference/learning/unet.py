"""Maps from maps: an Attention U-Net of reduced width, and stencils of 1, 3 and 7 cells for what nonlocality is worth.

The three degrees of nonlocality follow Gupta et al. 2024 (arXiv 2406.14775): a network that sees one column, one that sees its
neighbours, and an Attention U-Net (Oktay et al. 2018, arXiv 1804.03999) with additive gates on its skips, here of 3 poolings.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.inference.learning.tools import logits_of, seeded, torch_of, train

WIDTH, HIDDEN, DEPTH = 8, 32, 6
BATCH, RATE = 4, 3e-3
STENCILS = (1, 3, 7)
Loss = Callable[[Any, Any], Any]


def stencil(cells: int, channels: int, outputs: int = 1) -> Any:
    """A network that sees `cells` x `cells` nodes: one convolution, then six hidden layers on each node by itself."""
    nn = torch_of().nn
    layers = [nn.Conv2d(channels, HIDDEN, cells, padding=cells // 2), nn.LeakyReLU(0.01)]
    for _ in range(DEPTH - 1):
        layers += [nn.Conv2d(HIDDEN, HIDDEN, 1), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers, nn.Conv2d(HIDDEN, outputs, 1))


def attention_unet(channels: int, outputs: int = 1, width: int = WIDTH) -> Any:
    """Attention U-Net: channels w, 2w, 4w, 8w; sides of its maps must be multiples of 8."""
    torch = torch_of()
    nn = torch.nn

    def double(given: int, made: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(given, made, 3, padding=1), nn.BatchNorm2d(made), nn.ReLU(),
            nn.Conv2d(made, made, 3, padding=1), nn.BatchNorm2d(made), nn.ReLU(),
        )  # fmt: skip

    class Network(nn.Module):  # type: ignore[name-defined]
        """Children are named as `export_maps` reads them."""

        def __init__(self) -> None:
            super().__init__()
            sizes = [width * 2**k for k in range(4)]
            pairs = list(pairwise(sizes))
            self.down = nn.ModuleList(double(a, b) for a, b in zip([channels, *sizes[:-1]], sizes, strict=True))
            self.rise = nn.ModuleList(nn.Conv2d(big, small, 3, padding=1) for small, big in pairs)
            self.skip = nn.ModuleList(nn.Conv2d(small, max(4, small // 2), 1) for small, _ in pairs)
            self.gate = nn.ModuleList(nn.Conv2d(small, max(4, small // 2), 1) for small, _ in pairs)
            self.psi = nn.ModuleList(nn.Conv2d(max(4, small // 2), 1, 1) for small, _ in pairs)
            self.up = nn.ModuleList(double(2 * small, small) for small, _ in pairs)
            self.head = nn.Conv2d(width, outputs, 1)

        def forward(self, x: Any) -> Any:
            """(n, channels, ny, nx) to (n, outputs, ny, nx)."""
            functional, kept = torch.nn.functional, []
            for k, block in enumerate(self.down):
                x = block(x)
                if k < 3:
                    kept.append(x)
                    x = functional.max_pool2d(x, 2)
            for k in (2, 1, 0):
                x = functional.relu(self.rise[k](functional.interpolate(x, scale_factor=2, mode="nearest")))
                passed = torch.sigmoid(self.psi[k](functional.relu(self.skip[k](kept[k]) + self.gate[k](x))))
                x = self.up[k](torch.cat([kept[k] * passed, x], dim=1))
            return self.head(x)

    return Network()


def squared(y: Any) -> Loss:
    """Mean squared error of outputs against targets (n, 1, ny, nx)."""
    return lambda out, index: ((out - y[index]) ** 2).mean()


def mean_and_upper(y: Any, quantile: float) -> Loss:
    """Two outputs: the mean by squared error, the quantile by the pinball loss (Koenker and Bassett 1978, 10.2307/1913643)."""
    torch = torch_of()

    def loss(out: Any, index: Any) -> Any:
        wanted = y[index]
        short = wanted - out[:, 1:2]
        pinball = torch.maximum(quantile * short, (quantile - 1.0) * short).mean()
        return ((out[:, :1] - wanted) ** 2).mean() + pinball

    return loss


def fit(network: Any, x: Any, loss: Loss, seed: int, epochs: int, rate: float = RATE) -> Any:
    """Train a map network; the loss says what it is to match."""
    train(network, network.parameters(), x, x, epochs=epochs, rate=rate, seed=seed, batch=BATCH, loss=loss)
    return network.eval()


def fresh(seed: int, make: Callable[[], Any]) -> Any:
    """A network with the first weights of a seed."""
    seeded(seed)
    return make()


def apply(network: Any, x: Any) -> NDArray[np.float32]:
    """Outputs as an array."""
    out: NDArray[np.float32] = logits_of(network, torch_of().as_tensor(x), BATCH).numpy()
    return out


def weights_of(network: Any) -> int:
    """How many weights it has."""
    return sum(int(w.numel()) for w in network.parameters())
