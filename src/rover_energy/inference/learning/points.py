"""Wheel forces and energy per metre from raw points of the ground: a plain transformer, without grid or graph.

After Kreiman et al. 2025 (arXiv 2510.02259): every point is a token, attention runs among all of them, distances are never given,
symmetry comes from turning the training data. What is local the network has to find by itself. Other than there, the points
answer and the wheels ask: a wheel's token stays as it is until the last layer, where it reads what the points have made of
ground and wheels, with one head. So there is one answer to where a wheel looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from rover_energy.inference.learning.export import Session
from rover_energy.inference.learning.graphs import write_points
from rover_energy.inference.learning.tools import seeded, torch_of, train
from rover_energy.inference.metering import steady_state
from rover_energy.inference.tasks.wheel_points import (
    POINTS,
    REACH,
    WEIGHT,
    WHEELS,
    Array,
    Stances,
    make_stances,
    plane_answer,
    tokens,
)
from rover_energy.inference.variant import Variant, digest

SIZE, LAYERS, HEADS = 48, 3, 4
TRAINING, BUILT, TEST = 4000, 2500, 600  # stances of the figures, of the variant that is built, of the test
TASK, BATCHED, RESAMPLES = "wheel_forces", 16, 400
RATE, BATCH, EPOCHS = 2e-3, 32, 24
EACH = WEIGHT / WHEELS  # [N] on a wheel on level ground
UNIT, ENERGY = 0.1 * EACH, 50.0  # [N] and [J/m]: about the scatter of forces and energy, which the outputs are counted in


def build(size: int = SIZE, layers: int = LAYERS, heads: int = HEADS, sorts: int = 1 + WHEELS, first: int = POINTS) -> Any:
    """The transformer: places (n, tokens, 3) of sorts (tokens,) or (n, tokens) to vectors, a sum and attention.

    Vectors (n, tokens - first, 3) and the sum (n,) are read from the tokens `first` and later, which stay as they are until the
    last layer; with `first` 0 none does. Attention (n, 1, tokens, tokens) is the last layer's, which has one head. By default:
    64 points and 6 wheels, to forces beyond level ground in `UNIT`, and energy.
    """
    torch = torch_of()
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[name-defined]
        def __init__(self, heads: int) -> None:
            super().__init__()
            self.before, self.after = nn.LayerNorm(size), nn.LayerNorm(size)
            self.heads = heads
            self.ask = nn.Linear(size, 3 * size)
            self.join = nn.Linear(size, size)
            self.wide, self.narrow = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)

        def forward(self, x: Any) -> tuple[Any, Any]:
            n, count, _ = x.shape
            heads = self.heads
            q, k, v = self.ask(self.before(x)).reshape(n, count, 3, heads, size // heads).permute(2, 0, 3, 1, 4)
            weight = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(size // heads), dim=-1)
            x = x + self.join((weight @ v).transpose(1, 2).reshape(n, count, size))
            return x + self.narrow(nn.functional.gelu(self.wide(self.after(x)))), weight

    class Network(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.place, self.lift = nn.Linear(3, size), nn.Linear(size, size)
            self.kind = nn.Embedding(sorts, size)
            self.blocks = nn.ModuleList(Block(1 if i == layers - 1 else heads) for i in range(layers))
            self.last = nn.LayerNorm(size)
            self.force, self.energy = nn.Linear(size, 3), nn.Linear(size, 1)
            self.register_buffer("kinds", torch.tensor([0] * POINTS + list(range(1, 1 + WHEELS))))

        def forward(self, places: Any, kinds: Any = None) -> tuple[Any, Any, Any]:
            x = self.lift(nn.functional.gelu(self.place(places))) + self.kind(self.kinds if kinds is None else kinds)
            asking = x[:, first:]
            for block in self.blocks[:-1]:
                x, _ = block(x)
                x = torch.cat([x[:, :first], asking], dim=1) if first else x
            x, weight = self.blocks[-1](x)
            read = self.last(x[:, first:])
            return self.force(read), self.energy(read).sum(dim=(1, 2)), weight

    return Network()


LEVEL = np.array([0.0, 0.0, EACH])  # turning about the vertical leaves it as it is


def turned(places: Any, forces: Any, angle: Any) -> tuple[Any, Any]:
    """Tokens (n, 70, 3) and forces (n, 6, 3) turned about the vertical by angles (n,) [rad]."""
    torch = torch_of()
    c, s, zero, one = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle), torch.ones_like(angle)
    matrix = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], dim=1).reshape(-1, 3, 3)
    return places @ matrix.transpose(1, 2), forces @ matrix.transpose(1, 2)


def fit(stances: Stances, seed: int, epochs: int, size: int = SIZE) -> Any:
    """Train on stances that are turned anew whenever they are seen; absolute errors of forces and energy (l2mae, L1)."""
    torch = seeded(seed)
    network = build(size)
    places = torch.from_numpy(tokens(stances)[0])
    forces = torch.from_numpy(((stances.forces - LEVEL) / UNIT).astype(np.float32))
    energy = torch.from_numpy((stances.energy / ENERGY).astype(np.float32))
    seen: dict[str, Any] = {}

    def forward(index_places: Any) -> Any:
        return index_places

    def loss(batch: Any, index: Any) -> Any:
        angle = 2.0 * math.pi * torch.rand(len(index))
        x, wanted = turned(batch, forces[index], angle)
        made, spent, seen["weight"] = network(x)
        return torch.linalg.norm(made - wanted, dim=-1).mean() + 0.5 * (spent - energy[index]).abs().mean()

    train(forward, network.parameters(), places, energy, epochs=epochs, rate=RATE, seed=seed, batch=BATCH, loss=loss)
    return network.eval()


@dataclass(frozen=True)
class Answers:
    """forces (n, 6, 3) [N], energy (n,) [J/m], attention (n, 6, 64) of the last layer from wheels to points."""

    forces: Array
    energy: Array
    attention: Array


def ask(network: Any, places: Any, batch: int = 200) -> Answers:
    """Answers of a network to tokens (n, 70, 3)."""
    torch = torch_of()
    parts: list[tuple[Array, Array, Array]] = []
    with torch.no_grad():
        for i in range(0, len(places), batch):
            force, energy, weight = network(torch.as_tensor(places[i : i + batch]))
            looked = weight[:, :, POINTS:, :POINTS].mean(dim=1)
            parts.append(tuple(v.numpy().astype(float) for v in (force * UNIT, energy * ENERGY, looked)))
    force, energy, looked = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Answers(force + LEVEL, energy, looked)


def judge(network: Any, stances: Stances, seed: int) -> dict[str, float]:
    """Errors beside the plane's and the mean's, attention against nearness, and how well answers turn with the ground."""
    torch = torch_of()
    places = tokens(stances)[0]
    found, (flat, level) = ask(network, places), plane_answer(stances)
    angle = torch.from_numpy(np.random.default_rng(seed).uniform(0.0, 2.0 * math.pi, len(places)).astype(np.float32))
    about, forces = turned(torch.from_numpy(places), torch.from_numpy(found.forces.astype(np.float32)), angle)
    again, wanted = ask(network, about.numpy()).forces, forces.numpy().astype(float)
    near = np.linalg.norm(stances.wheels[:, :, None, :2] - stances.points[:, None, :, :2], axis=-1) / REACH
    mean = stances.forces.mean(axis=0)
    return {
        "force": float(np.abs(found.forces - stances.forces).mean()), "force plane": float(np.abs(flat - stances.forces).mean()),
        "force mean": float(np.abs(mean - stances.forces).mean()),
        "energy": float(np.abs(found.energy - stances.energy).mean()),
        "energy plane": float(np.abs(level - stances.energy).mean()),
        "energy mean": float(np.abs(stances.energy.mean() - stances.energy).mean()),
        "nearness": float(stats.spearmanr(found.attention.ravel(), -near.ravel()).statistic),
        "cosine": _cosine(again, wanted), "cosine level": _cosine(again[..., :2], wanted[..., :2]),
    }  # fmt: skip


def _cosine(a: Array, b: Array) -> float:
    """Mean cosine between the stacked forces of each stance."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return float(np.mean(np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))))


def build_wheel_forces(folder: Path, seed: int, began: Callable[[str], None] = lambda _: None) -> list[Variant]:
    """Train the transformer on points, write it and price it: one stance is one unit of work.

    Its quality is 1 less its force error over that of the plane, not below 0; the interval comes from stances drawn anew.
    """
    began("wheel forces: transformer on points")
    training, test = stances_of(seed, BUILT)
    network, path = fit(training, seed, EPOCHS), folder / "points.onnx"
    write_points(network, path, unit=UNIT, level=EACH, joule=ENERGY)
    session, places = Session(path), tokens(test)[0]
    forces = session(places)[:, : 3 * WHEELS].reshape(-1, WHEELS, 3)
    own, plane = (np.abs(f - test.forces).mean(axis=(1, 2)) for f in (forces, plane_answer(test)[0]))
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(0, TEST, TEST) for _ in range(RESAMPLES)]
    low, high = np.quantile([1.0 - own[i].mean() / plane[i].mean() for i in drawn], (0.025, 0.975))
    quality = min(max(1.0 - float(own.mean() / plane.mean()), 0.0), 1.0)
    batch = np.ascontiguousarray(places[:BATCHED])
    m = steady_state(lambda: session(batch), BATCHED)
    return [Variant(
        name="points-fp32", task=TASK, metric="skill", quality=quality, quality_low=min(max(float(low), 0.0), quality),
        quality_high=max(min(float(high), 1.0), quality), energy=m.energy.joules,
        energy_high=max(m.energy.joules, m.energy_high), energy_provenance=m.energy.provenance.name.lower(),
        energy_detail=m.energy.detail, peak_power=m.bus_peak, latency=m.latency, size=path.stat().st_size,
        batch=BATCHED, artefact=path.name, checksum=digest(path), source=f"rover-energy infer build --seed {seed}",
    )]  # fmt: skip


def stances_of(seed: int, training: int = TRAINING) -> tuple[Stances, Stances]:
    """Training and test data of a seed."""
    return make_stances(11000 + seed, training), make_stances(12000 + seed, TEST)
