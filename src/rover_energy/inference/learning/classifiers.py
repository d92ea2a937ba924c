"""Terrain classifiers: a large network (Super) and a small one that is distilled from it (Swift)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rover_energy.inference.learning.tools import logits_of, seeded, train
from rover_energy.inference.tasks.terrain_patches import CHANNELS, CLASSES, SIDE, make_patches

TEMPERATURE = 2.0
TRAINING, CALIBRATION, TEST = 9000, 1500, 3000
DEEP = (8, 8, 8, 12, 12, 12, 16, 16, 16)  # channels


@dataclass(frozen=True)
class Data:
    """Patches and labels as tensors: training, calibration and test."""

    x: Any
    y: Any
    calibration_x: Any
    calibration_y: Any
    test_x: Any
    test_y: Any


def patches(seed: int, training: int = TRAINING) -> Data:
    """Generated data of a seed; the three parts have random numbers of their own."""
    torch = seeded(seed)
    made = []
    for part, count in enumerate((training, CALIBRATION, TEST)):
        x, y = make_patches(1000 * (part + 1) + seed, count)
        made += [torch.from_numpy(x), torch.from_numpy(y)]
    return Data(*made)


def build_super() -> Any:
    """Convolutions without bias and average pooling, as the conversion to spikes wants it: 1.9 M operations."""
    nn = seeded(0).nn
    return nn.Sequential(
        nn.Conv2d(CHANNELS, 8, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(8, 32, 3, padding=1, bias=False), nn.ReLU(),
        nn.AvgPool2d(2), nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(64 * (SIDE // 4) ** 2, 96, bias=False), nn.ReLU(), nn.Linear(96, len(CLASSES), bias=False),
    )  # fmt: skip


def build_deep() -> Any:
    """Nine thin layers of convolutions, 0.7 M operations: errors of its activations add up, as they do in large networks."""
    nn = seeded(0).nn
    layers: list[Any] = []
    channels = CHANNELS
    for i, width in enumerate(DEEP):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.ReLU()]
        layers += [nn.AvgPool2d(2)] if i in (2, 5) else []
        channels = width
    flat = channels * (SIDE // 4) ** 2
    layers += [nn.Flatten(), nn.Linear(flat, 64, bias=False), nn.ReLU(), nn.Linear(64, len(CLASSES), bias=False)]
    return nn.Sequential(*layers)


def build_swift() -> Any:
    """The small one: 0.04 M operations."""
    nn = seeded(0).nn
    return nn.Sequential(
        nn.Conv2d(CHANNELS, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 12, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(12 * (SIDE // 4) ** 2, 24), nn.ReLU(), nn.Linear(24, len(CLASSES)),
    )  # fmt: skip


def build_flat() -> Any:
    """Matrix products only, 0.6 M operations: the kind of network that int8 makes cheaper on a processor."""
    nn = seeded(0).nn
    return nn.Sequential(
        nn.Flatten(), nn.Linear(CHANNELS * SIDE**2, 768), nn.ReLU(), nn.Linear(768, 256), nn.ReLU(), nn.Linear(256, len(CLASSES)),
    )  # fmt: skip


def operations(network: Any) -> list[int]:
    """Multiply-accumulates of one answer, layer by layer."""
    torch = seeded(0)
    x, counts = torch.zeros(1, CHANNELS, SIDE, SIDE), []
    for layer in network:
        x = layer(x)
        if isinstance(layer, torch.nn.Conv2d):
            counts.append(int(layer.weight.numel() * x.shape[2] * x.shape[3]))
        elif isinstance(layer, torch.nn.Linear):
            counts.append(int(layer.weight.numel()))
    return counts


def train_super(data: Data, seed: int, epochs: int = 12) -> Any:
    """Super, trained with the labels."""
    return _train_rectified(build_super(), data, seed, epochs)


def train_deep(data: Data, seed: int, epochs: int = 5) -> Any:
    """The deep and thin network, trained with the labels."""
    return _train_rectified(build_deep(), data, seed, epochs)


def _train_rectified(network: Any, data: Data, seed: int, epochs: int) -> Any:
    torch = seeded(seed)
    for weights in network.parameters():
        torch.nn.init.kaiming_uniform_(weights, nonlinearity="relu")
    train(network, network.parameters(), data.x, data.y, epochs=epochs, rate=2e-3, seed=seed)
    return network.eval()


def train_flat(data: Data, seed: int, epochs: int = 8) -> Any:
    """The network of matrix products, trained with the labels."""
    return _from_labels(build_flat, data, seed, epochs, 1e-3)


def train_swift(data: Data, seed: int, epochs: int = 15) -> Any:
    """Swift, trained with the labels alone: seconds, where there is no time for a teacher."""
    return _from_labels(build_swift, data, seed, epochs, 3e-3)


def _from_labels(build: Callable[[], Any], data: Data, seed: int, epochs: int, rate: float) -> Any:
    seeded(seed)
    network = build()
    for layer in network:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    train(network, network.parameters(), data.x, data.y, epochs=epochs, rate=rate, seed=seed)
    return network.eval()


def distil_swift(data: Data, teacher: Any, seed: int, epochs: int = 20) -> Any:
    """Swift, taught by labels and by the teacher's softened answers (Hinton et al. 2015, arXiv 1503.02531).

    The labels are learnt class by class, each against the rest (binary cross-entropy), and not by softmax: softmax leaves open
    what constant is added to all logits of an answer, and the energy score of the cascade would be as arbitrary as that.
    """
    torch = seeded(seed)
    network = build_swift()
    for layer in network:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    functional = torch.nn.functional
    soft = torch.softmax(logits_of(teacher, data.x) / TEMPERATURE, dim=1)
    each = functional.one_hot(data.y, len(CLASSES)).float()

    def loss(out: Any, index: Any) -> Any:
        softened = functional.log_softmax(out / TEMPERATURE, dim=1)
        taught = functional.kl_div(softened, soft[index], reduction="batchmean") * TEMPERATURE**2
        labelled = functional.binary_cross_entropy_with_logits(out, each[index], reduction="sum") / len(index)
        return 0.7 * taught + 0.3 * labelled

    train(network, network.parameters(), data.x, data.y, epochs=epochs, rate=3e-3, seed=seed, loss=loss)
    return network.eval()
