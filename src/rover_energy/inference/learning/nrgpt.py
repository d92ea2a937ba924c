"""NRGPT: a transformer whose one block, applied again and again, goes down the gradient of an energy.

After "NRGPT", ICLR 2026, arXiv 2512.16762. The energy of token i with normalised state g_i is
E_att = -1/beta sum_h log sum_{j<i} exp(beta (Q_h g_i) . (K_h g_j)) and E_ff = -(W2 g) . gelu(W1 g); a recursion is
x <- x - P (dE_att/dg_i + s dE_ff/dg_i). P is free, or A^T A. The gradients are written out, so that one pass costs what a
block of a transformer costs. The read-out is trained at every depth, so that each depth is an answer. Normalising between
recursions and earlier tokens that move on as well leave even P = A^T A without a promise that the mean energy falls: so
training of that one also charges what it fails to fall by `FALL` in a recursion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rover_energy.inference.learning.language import Size, block, make_weights, normed
from rover_energy.inference.learning.tools import seeded, torch_of, train

WIDTH, HEADS, INNER, DEPTH = 48, 4, 96, 4
FALL, CHARGE = 1.0, 0.05  # of the mean energy in a recursion, at least; likelihood [nat] per unit that it falls less
Forward = Callable[[dict[str, Any], Any], list[Any]]


def make_nrgpt(seed: int, vocabulary: int, context: int, *, positive: bool, width: int = WIDTH) -> dict[str, Any]:
    """Weights by name; with `positive` the matrix P is A^T A."""
    torch = seeded(seed)
    inner = INNER * width // WIDTH

    def matrix(rows: int, columns: int) -> Any:
        return (torch.randn(rows, columns) * columns**-0.5).requires_grad_()

    p = {
        "embedding": (0.5 * torch.randn(vocabulary, width)).requires_grad_(),
        "place": (0.1 * torch.randn(context, width)).requires_grad_(),
        "q": matrix(width, width), "k": matrix(width, width), "up": matrix(inner, width), "down": matrix(inner, width),
        "share": torch.ones(1).requires_grad_(), "head": matrix(vocabulary, width),
    }  # fmt: skip
    start = torch.eye(width) * (0.7 if positive else 0.5) + 0.02 * torch.randn(width, width)
    return p | {"root" if positive else "step": start.requires_grad_()}


def normalised(x: Any) -> Any:
    """Zero mean and unit variance over the channels, without a gain."""
    return torch_of().nn.functional.layer_norm(x, x.shape[-1:])


def gelu_slope(u: Any) -> Any:
    """Derivative of gelu."""
    torch = torch_of()
    return 0.5 * (1.0 + torch.erf(u * 0.5**0.5)) + u * torch.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)


def parts_of(p: dict[str, Any], x: Any, heads: int = HEADS) -> tuple[Any, Any, Any, Any, float]:
    """Scores of earlier tokens (n, heads, length, length), keys, the perceptron's two products, and beta."""
    torch = torch_of()
    n, length, _ = x.shape
    g = normalised(x)
    q, k = ((g @ p[name].T).view(n, length, heads, -1).transpose(1, 2) for name in "qk")
    beta = float(q.shape[-1] ** -0.5)
    before = torch.tril(torch.ones(length, length, dtype=torch.bool), -1)
    return (beta * q @ k.transpose(2, 3)).masked_fill(~before, -1e9), k, g @ p["up"].T, g @ p["down"].T, beta


def gradient_of(p: dict[str, Any], x: Any) -> Any:
    """Gradient of each token's energy with respect to its own normalised state: (n, length, width)."""
    torch = torch_of()
    scores, k, u, v, _ = parts_of(p, x)
    seen = (torch.arange(x.shape[1]) > 0).float()[:, None]  # the first token attends to nothing
    attended = ((torch.softmax(scores, dim=-1) * seen) @ k).transpose(1, 2).reshape(x.shape)
    return -(attended @ p["q"]) - p["share"] * (torch.nn.functional.gelu(u) @ p["down"] + (gelu_slope(u) * v) @ p["up"])


def energy_of(p: dict[str, Any], x: Any) -> Any:
    """Energy of each token: (n, length)."""
    torch = torch_of()
    scores, _, u, v, beta = parts_of(p, x)
    attention = torch.logsumexp(scores, dim=-1).sum(dim=1) / beta
    attention = torch.where(torch.arange(x.shape[1]) > 0, attention, torch.zeros(()))
    return -attention - p["share"] * (torch.nn.functional.gelu(u) * v).sum(dim=-1)


def step_of(p: dict[str, Any]) -> Any:
    """The matrix P."""
    return p["root"].T @ p["root"] if "root" in p else p["step"]


def states_of(p: dict[str, Any], tokens: Any, depth: int = DEPTH) -> list[Any]:
    """States (n, length, width) before the first recursion and after each."""
    step, states = step_of(p), [p["embedding"][tokens] + p["place"][: tokens.shape[1]]]
    for _ in range(depth):
        states.append(states[-1] - gradient_of(p, states[-1]) @ step.T)
    return states


def scores_at(p: dict[str, Any], x: Any) -> Any:
    """Scores of the next token (n, length, vocabulary)."""
    return normalised(x) @ p["head"].T


def run_nrgpt(p: dict[str, Any], tokens: Any, depth: int = DEPTH) -> list[Any]:
    """Scores of the next token after each recursion."""
    return [scores_at(p, x) for x in states_of(p, tokens, depth)[1:]]


def energies(p: dict[str, Any], tokens: Any, depth: int = DEPTH) -> Any:
    """Energy of each token before the first recursion and after each: (depth + 1, n, length)."""
    torch = torch_of()
    with torch.no_grad():
        return torch.stack([energy_of(p, x) for x in states_of(p, tokens, depth)])


def make_recurrent(seed: int, vocabulary: int, context: int) -> dict[str, Any]:
    """Weights of a plain transformer with one block for all recursions."""
    return make_weights(seed, Size(WIDTH, 1, HEADS), vocabulary, context)


def run_recurrent(p: dict[str, Any], tokens: Any, depth: int = DEPTH) -> list[Any]:
    """As `run_nrgpt`, for the plain block applied again and again."""
    x = p["embedding"][tokens] + p["place"][: tokens.shape[1]]
    scores = []
    for _ in range(depth):
        x = block(p, x, 0, HEADS)
        scores.append(normed(x, p["gain"]) @ p["head"].T)
    return scores


def train_all_depths(
    p: dict[str, Any], forward: Forward, tokens: Any, *, epochs: int, rate: float, seed: int, batch: int = 32, down: bool = False
) -> list[float]:
    """Train all weights on the mean likelihood over the depths; the mean loss of each epoch.

    `down` : the network is NRGPT, and its mean energy has to fall at every recursion.
    """
    torch = torch_of()

    def loss(rows: Any, _: Any) -> Any:
        wanted = rows[:, 1:].flatten()
        states = states_of(p, rows[:, :-1], DEPTH) if down else []
        scores = [scores_at(p, x) for x in states[1:]] if down else forward(p, rows[:, :-1])
        likelihood = torch.stack([torch.nn.functional.cross_entropy(s.flatten(0, 1), wanted) for s in scores]).mean()
        if not down:
            return likelihood
        mean = torch.stack([energy_of(p, x).mean() for x in states])
        return likelihood + CHARGE * torch.relu(mean.diff() + FALL).sum()

    return train(lambda rows: rows, p.values(), tokens, tokens, epochs=epochs, rate=rate, seed=seed, batch=batch, loss=loss)


def surprise(forward: Forward, p: dict[str, Any], tokens: Any, batch: int = 250) -> Any:
    """Negative log-likelihood [nat] of each next token at each depth: (depths, n, length)."""
    torch = torch_of()
    parts = []
    with torch.no_grad():
        for i in range(0, len(tokens), batch):
            rows = tokens[i : i + batch]
            each = [torch.log_softmax(s, dim=-1) for s in forward(p, rows[:, :-1])]
            parts.append(torch.stack([-e.gather(-1, rows[:, 1:, None]).squeeze(-1) for e in each]))
    return torch.cat(parts, dim=1)


def count_weights(p: dict[str, Any]) -> int:
    """Numbers to be stored."""
    return sum(int(w.numel()) for w in p.values())
