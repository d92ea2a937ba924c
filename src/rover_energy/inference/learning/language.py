"""A small decoder for telemetry tokens, written so that every matrix product can be replaced by a compressed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rover_energy.inference.learning.tools import seeded, torch_of, train
from rover_energy.inference.tasks.telemetry_tokens import VOCABULARY, make_sequences

Linear = Callable[[Any, Any, str], Any]
CONTEXT = 48


@dataclass(frozen=True)
class Size:
    """Shape of a decoder."""

    width: int = 64
    blocks: int = 3
    heads: int = 4


def plain(x: Any, weights: Any, name: str) -> Any:
    """The product as it is; `name` says which one it is."""
    return x @ weights.T


def make_weights(seed: int, size: Size, vocabulary: int = VOCABULARY, context: int = CONTEXT) -> dict[str, Any]:
    """Weights by name, to be trained; `context`: the longest sequence."""
    torch = seeded(seed)
    d = size.width

    def matrix(rows: int, columns: int) -> Any:
        return (torch.randn(rows, columns) * columns**-0.5).requires_grad_()

    p = {
        "embedding": (0.5 * torch.randn(vocabulary, d)).requires_grad_(),
        "place": (0.1 * torch.randn(context, d)).requires_grad_(),
    }
    for b in range(size.blocks):
        p |= {f"{b}.{name}": matrix(d, d) for name in ("q", "k", "v", "o")}
        p |= {f"{b}.up": matrix(4 * d, d), f"{b}.down": matrix(d, 4 * d)}
        p |= {f"{b}.{name}": torch.ones(d, requires_grad=True) for name in ("gain1", "gain2")}
    return p | {"gain": torch.ones(d, requires_grad=True), "head": matrix(vocabulary, d)}


def normed(x: Any, gain: Any) -> Any:
    """Root-mean-square normalisation with a gain per channel."""
    return x * (x.pow(2).mean(dim=-1, keepdim=True) + 1e-6).rsqrt() * gain


def hidden(p: dict[str, Any], tokens: Any, size: Size, linear: Linear = plain) -> Any:
    """States (n, length, width) before the head."""
    x = p["embedding"][tokens] + p["place"][: tokens.shape[1]]
    for b in range(size.blocks):
        x = block(p, x, b, size.heads, linear)
    return x


def block(p: dict[str, Any], x: Any, b: int, heads: int, linear: Linear = plain) -> Any:
    """One block: attention to what came before, then a perceptron, each added to the states (n, length, width)."""
    functional = torch_of().nn.functional
    n, length, _ = x.shape
    a = normed(x, p[f"{b}.gain1"])
    q, k, v = (linear(a, p[f"{b}.{name}"], f"{b}.{name}").view(n, length, heads, -1).transpose(1, 2) for name in "qkv")
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, length, -1)
    x = x + linear(mixed, p[f"{b}.o"], f"{b}.o")
    f = functional.gelu(linear(normed(x, p[f"{b}.gain2"]), p[f"{b}.up"], f"{b}.up"))
    return x + linear(f, p[f"{b}.down"], f"{b}.down")


def logits(p: dict[str, Any], tokens: Any, size: Size, linear: Linear = plain) -> Any:
    """Scores of the next token (n, length, vocabulary); the head stays in full precision."""
    return normed(hidden(p, tokens, size, linear), p["gain"]) @ p["head"].T


def sequences(seed: int, count: int) -> Any:
    """Tokens (count, context + 1) as a tensor."""
    return torch_of().from_numpy(make_sequences(seed, count, CONTEXT + 1))


def likelihood(p: dict[str, Any], tokens: Any, size: Size, linear: Linear = plain) -> Any:
    """Mean negative log-likelihood of the next token [nat]."""
    out = logits(p, tokens[:, :-1], size, linear)
    return torch_of().nn.functional.cross_entropy(out.flatten(0, 1), tokens[:, 1:].flatten())


def train_decoder(
    p: dict[str, Any], tokens: Any, size: Size, *, epochs: int, rate: float, seed: int, linear: Linear = plain
) -> dict[str, Any]:
    """Train all weights."""
    train(
        lambda batch: batch, p.values(), tokens, tokens, epochs=epochs, rate=rate, seed=seed, batch=32,
        loss=lambda batch, _: likelihood(p, batch, size, linear),
    )  # fmt: skip
    return p


def score(p: dict[str, Any], tokens: Any, size: Size, linear: Linear = plain) -> float:
    """Negative log-likelihood on data, without gradients [nat]."""
    with torch_of().no_grad():
        return float(likelihood(p, tokens, size, linear))
