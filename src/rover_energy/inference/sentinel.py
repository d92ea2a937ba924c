"""The telemetry sentinel: how unusual the last rows of telemetry are, by a small network that runs in numpy alone.

The network is NRGPT (arXiv 2512.16762), trained by `learning.nrgpt`: one block that goes down the gradient of an energy, once
per recursion. The number of recursions is the tier: fewer cost less. The score is the surprise (negative log-likelihood) of
the numbers that surprise most; the threshold of each depth is the quantile of nominal stretches that gives the stated rate of
false alarms.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf, logsumexp

from rover_energy.errors import InputError
from rover_energy.inference.tasks.telemetry_faults import CHANNELS, ROWS, tokens_of

TASK = "telemetry_anomaly"
LEAST = 4  # rows of a stretch
CHUNK = 100  # stretches at a time
WEIGHTS = ("embedding", "place", "q", "k", "up", "down", "share", "step", "head")
TABLES = ("thresholds", "means", "spreads", "false_alarm", "heads", "score_tokens")
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """Weights by name, see `WEIGHTS`: q, k, up, down and step act on the normalised state; heads: of the attention."""

    weights: dict[str, Floats]
    heads: int

    def run(self, tokens: ArrayLike, depth: int) -> tuple[Floats, Floats]:
        """Logarithms of the next token's probabilities (n, length, vocabulary), and energies at the end (n, length)."""
        w, index = self.weights, np.asarray(tokens)
        x = w["embedding"][index] + w["place"][: index.shape[1]]
        for _ in range(depth):
            x = x - self.gradient(x) @ w["step"].T
        scores = normalised(x) @ w["head"].T
        return scores - logsumexp(scores, axis=-1, keepdims=True), self.energy(x)

    def gradient(self, x: Floats) -> Floats:
        """Gradient of each token's energy with respect to its own normalised state: (n, length, width)."""
        w = self.weights
        g = normalised(x)
        scores, k, _ = self._scores(g)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights *= before(x.shape[1])
        weights /= np.maximum(weights.sum(axis=-1, keepdims=True), 1e-30)
        attended = (weights @ k).transpose(0, 2, 1, 3).reshape(x.shape)
        u, v = g @ w["up"].T, g @ w["down"].T
        bell = 0.5 * (1.0 + erf(u * np.float32(math.sqrt(0.5))))
        slope = bell + u * np.exp(-0.5 * u * u) * np.float32(1.0 / math.sqrt(2.0 * math.pi))
        found: Floats = -(attended @ w["q"]) - w["share"] * ((u * bell) @ w["down"] + (slope * v) @ w["up"])
        return found

    def energy(self, x: Floats) -> Floats:
        """Energy of each token (n, length): attention to what came before, and the perceptron."""
        w, g = self.weights, normalised(x)
        scores, _, beta = self._scores(g)
        attention = logsumexp(scores, axis=-1).sum(axis=1) / beta
        attention[:, 0] = 0.0  # nothing came before
        u, v = g @ w["up"].T, g @ w["down"].T
        found: Floats = -attention - w["share"] * (0.5 * u * (1.0 + erf(u * np.float32(math.sqrt(0.5)))) * v).sum(axis=-1)
        return found

    def _scores(self, g: Floats) -> tuple[Floats, Floats, np.float32]:
        """Scores of earlier tokens (n, heads, length, length), keys (n, heads, length, width / heads), and their factor beta."""
        n, length, _ = g.shape
        q, k = ((g @ self.weights[name].T).reshape(n, length, self.heads, -1).transpose(0, 2, 1, 3) for name in "qk")
        beta = np.float32(q.shape[-1] ** -0.5)
        scores: Floats = np.where(before(length), beta * (q @ k.transpose(0, 1, 3, 2)), np.float32(-1e9))
        return scores, k, beta


def before(length: int) -> NDArray[np.bool_]:
    """(length, length): the column is earlier than the row."""
    return np.tri(length, k=-1, dtype=bool)


def normalised(x: Floats) -> Floats:
    """Zero mean and unit variance over the channels."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled: Floats = centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(1e-5))
    return scaled


@dataclass(frozen=True)
class Reading:
    """What the sentinel says of a stretch.

    score : [nat], an anomaly above `threshold`. channel : what surprised most. energy : of the network, mean over tokens [-].
    """

    score: float
    threshold: float
    channel: str
    energy: float
    depth: int

    @property
    def anomaly(self) -> bool:
        """NaN is one: what cannot be judged is not fine."""
        return not self.score <= self.threshold


@dataclass(frozen=True)
class Sentinel:
    """A network with its calibration.

    thresholds : (depths,) [nat]. means, spreads : (depths, channels), surprise per channel on nominal stretches. false_alarm :
    share of nominal stretches above the threshold. score_tokens : numbers of a stretch that make its score.
    """

    network: Network
    thresholds: NDArray[np.float64]
    means: NDArray[np.float64]
    spreads: NDArray[np.float64]
    false_alarm: float
    score_tokens: int

    @property
    def depth(self) -> int:
        """Most recursions."""
        return len(self.thresholds)

    def surprise(self, rows: ArrayLike, depth: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Surprise of each number (n, rows, channels) [nat] and mean energy (n,), after so many recursions."""
        if not 1 <= depth <= self.depth:
            raise InputError("sentinel", "depth", f"is not within 1 .. {self.depth}", "choose one of the trained depths", depth)
        tokens = tokens_of(rows)
        if tokens.shape[1] > len(self.network.weights["place"]) + 1:
            raise InputError("sentinel", "rows", f"are more than {ROWS}", "give the last rows only", np.shape(rows)[1])
        parts, energies = [], []
        for i in range(0, len(tokens), CHUNK):
            some = tokens[i : i + CHUNK]
            log, energy = self.network.run(some[:, :-1], depth)
            parts.append(-np.take_along_axis(log, some[:, 1:, None], axis=-1)[..., 0].astype(np.float64))
            energies.append(energy.mean(axis=1).astype(np.float64))
        return np.concatenate(parts).reshape(len(tokens), -1, len(CHANNELS)), np.concatenate(energies)

    def judge(self, rows: ArrayLike, depth: int) -> Reading:
        """One stretch: rows (rows, channels). One that holds NaN has no score. Raises InputError for another shape or depth."""
        values = np.asarray(rows, dtype=float)
        if values.ndim != 2 or values.shape[1] != len(CHANNELS) or len(values) < LEAST:
            wanted = f"are not {LEAST} or more of {len(CHANNELS)} numbers"
            raise InputError("sentinel", "rows", wanted, f"give {', '.join(CHANNELS)} per row", values.shape)
        threshold = float(self.thresholds[depth - 1]) if 1 <= depth <= self.depth else math.nan
        if not np.all(np.isfinite(values)):
            missing = CHANNELS[int(np.argmax(~np.isfinite(values).all(axis=0)))]
            return Reading(math.nan, threshold, missing, math.nan, depth)
        each, energy = self.surprise(values[None], depth)
        above = (each[0].mean(axis=0) - self.means[depth - 1]) / self.spreads[depth - 1]
        score = float(scores_of(each, self.score_tokens)[0])
        return Reading(score, threshold, CHANNELS[int(np.argmax(above))], float(energy[0]), depth)


def scores_of(surprise: ArrayLike, tokens: int) -> NDArray[np.float64]:
    """Mean over so many numbers that surprise most, of surprise (n, ...): (n,) [nat]."""
    each = np.asarray(surprise, dtype=float).reshape(len(np.asarray(surprise)), -1)
    best: NDArray[np.float64] = np.sort(each, axis=1)[:, -tokens:].mean(axis=1)
    return best


def calibrate(network: Network, depths: int, nominal: ArrayLike, false_alarm: float, score_tokens: int) -> Sentinel:
    """Thresholds from nominal stretches (n, rows, channels) that the network was not trained with, for a rate of false alarms."""
    if not 0.0 < false_alarm < 1.0:
        raise InputError("sentinel", "false_alarm", "is not within 0 .. 1", "give a share of stretches", false_alarm)
    blank = np.zeros((depths, len(CHANNELS)))
    raw = Sentinel(network, np.zeros(depths), blank, blank + 1.0, false_alarm, score_tokens)
    found = [raw.surprise(nominal, depth)[0] for depth in range(1, depths + 1)]
    thresholds = np.array([np.quantile(scores_of(each, score_tokens), 1.0 - false_alarm, method="higher") for each in found])
    by_channel = [each.mean(axis=1) for each in found]
    means, spreads = (np.array([f(each, axis=0) for each in by_channel]) for f in (np.mean, np.std))
    return Sentinel(network, thresholds, means, np.maximum(spreads, 1e-6), false_alarm, score_tokens)


def write_sentinel(path: Path, sentinel: Sentinel) -> None:
    """Write weights and calibration as one .npz; the same sentinel gives the same bytes."""
    own = {name: np.asarray(getattr(sentinel, name)) for name in TABLES if name != "heads"}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **sentinel.network.weights, **own, heads=np.array(sentinel.network.heads))  # type: ignore[arg-type]
    path.write_bytes(buffer.getvalue())


def read_sentinel(path: Path) -> Sentinel:
    """Raises InputError for what is no such file, or holds values that are not finite."""
    try:
        with np.load(path, allow_pickle=False) as data:
            found = {name: data[name] for name in (*WEIGHTS, *TABLES)}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        problem = f"is no sentinel ({str(error).splitlines()[0][:80] or type(error).__name__})"
        raise InputError(str(path), "artefact", problem, "build it again: rover-energy infer build") from None
    for name, values in found.items():
        if not np.all(np.isfinite(values)):
            raise InputError(str(path), name, "holds NaN or infinity", "build it again: rover-energy infer build")
    network = Network({name: found[name].astype(np.float32) for name in WEIGHTS}, int(found["heads"]))
    return Sentinel(
        network, found["thresholds"], found["means"], found["spreads"], float(found["false_alarm"]), int(found["score_tokens"])
    )
