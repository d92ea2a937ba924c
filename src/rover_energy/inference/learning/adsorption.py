"""The transformer of `points` on atoms: adsorption energies and forces from bare coordinates and elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from rover_energy.inference.learning.points import build
from rover_energy.inference.learning.tools import seeded, torch_of, train
from rover_energy.inference.tasks.adsorption import ATOMS, PAIRS, SORTS, Array, Clusters, held_out, make_clusters, scan

SIZE, LAYERS, HEADS = 96, 3, 4
TRAINING, EPOCHS, RATE, BATCH = 4000, 40, 7e-4, 32
SCALE = 2.0  # [A] that coordinates are counted in
FORCE_SHARE = 1.0  # of the loss


@dataclass(frozen=True)
class Surrogate:
    """A trained network; energies are counted from `mean` in `spread`, forces in `push`, as its training data scatter."""

    network: Any
    mean: float
    spread: float
    push: float


@dataclass(frozen=True)
class Answers:
    """energy (n,) [eV], forces (n, 9, 3) [eV/A], attention (n, 9, 9) of the last layer."""

    energy: Array
    forces: Array
    attention: Array


def tokens(places: Array) -> NDArray[np.float32]:
    """Coordinates about the middle of the atoms."""
    return ((places - places.mean(axis=1, keepdims=True)) / SCALE).astype(np.float32)


def turns(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Random rotations (count, 3, 3)."""
    return np.asarray(Rotation.random(count, random_state=rng).as_matrix(), dtype=np.float32)


def fit(clusters: Clusters, seed: int, epochs: int = EPOCHS) -> Surrogate:
    """Train on clusters that are turned anew whenever they are seen."""
    torch = seeded(seed)
    rng = np.random.default_rng(seed)
    network = build(SIZE, LAYERS, HEADS, sorts=len(SORTS), first=0)
    mean, spread = float(np.median(clusters.energy)), float(clusters.energy.std())
    push = float(np.linalg.norm(clusters.forces, axis=-1).mean())
    places, sorts = torch.from_numpy(tokens(clusters.places)), torch.from_numpy(clusters.sorts)
    energy = torch.from_numpy(((clusters.energy - mean) / spread).astype(np.float32))
    forces = torch.from_numpy((clusters.forces / push).astype(np.float32))

    def loss(batch: Any, index: Any) -> Any:
        turn = torch.from_numpy(turns(len(index), rng)).transpose(1, 2)
        made, found, _ = network(batch @ turn, sorts[index])
        wrong = torch.linalg.norm(made - forces[index] @ turn, dim=-1).mean()
        return (found - energy[index]).abs().mean() + FORCE_SHARE * wrong

    train(lambda x: x, network.parameters(), places, energy, epochs=epochs, rate=RATE, seed=seed, batch=BATCH, loss=loss)
    return Surrogate(network.eval(), mean, spread, push)


def ask(surrogate: Surrogate, places: Array, sorts: NDArray[np.int64], batch: int = 500) -> Answers:
    """Answers for atoms at (n, 9, 3) [A]."""
    torch, parts = torch_of(), []
    x = tokens(places)
    with torch.no_grad():
        for i in range(0, len(x), batch):
            rows = slice(i, i + batch)
            force, energy, weight = surrogate.network(torch.from_numpy(x[rows]), torch.from_numpy(sorts[rows]))
            parts.append([v.numpy().astype(float) for v in (energy, force, weight.mean(dim=1))])
    energy, force, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Answers(surrogate.mean + surrogate.spread * energy, surrogate.push * force, weight)


def binding_energy(surrogate: Surrogate, pair: int) -> float:
    """Least adsorption energy of a scan [eV], by the network."""
    grid = scan(pair)
    return float(ask(surrogate, grid.places, grid.sorts).energy.min())


def nearness(surrogate: Surrogate, clusters: Clusters) -> tuple[Array, Array]:
    """Attention from each atom to each other one, and 1 over their distance [1/A]."""
    looked = ask(surrogate, clusters.places, clusters.sorts).attention
    apart = np.linalg.norm(clusters.places[:, :, None] - clusters.places[:, None], axis=-1)
    others = ~np.eye(ATOMS, dtype=bool)
    return looked[:, others].ravel(), 1.0 / apart[:, others].ravel()


def cosine_of_turned(surrogate: Surrogate, clusters: Clusters, seed: int) -> float:
    """Mean cosine between forces on turned clusters and turned forces."""
    turn = turns(len(clusters.places), np.random.default_rng(seed)).astype(float).transpose(0, 2, 1)
    again = ask(surrogate, clusters.places @ turn, clusters.sorts).forces
    wanted = ask(surrogate, clusters.places, clusters.sorts).forces @ turn
    a, b = (v.reshape(len(v), -1) for v in (again, wanted))
    return float(np.mean(np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))))


@cache
def training_data(fold: int, seed: int) -> Clusters:
    """Clusters of all pairs but those of a fold."""
    left = [i for i in range(len(PAIRS)) if i not in held_out(fold, seed)]
    return make_clusters(31000 + 10 * seed + fold, TRAINING, left)


def without(fold: int, seed: int) -> Surrogate:
    """Trained on all pairs but those of a fold."""
    return fit(training_data(fold, seed), seed)


def of_all_pairs(seed: int) -> Surrogate:
    """Trained on all pairs."""
    return fit(make_clusters(31000 + 10 * seed, TRAINING), seed)
