"""A small decoder for telemetry as a list of layers, so that any of them can stand on any machine; and its training on one."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.inference.learning.memory import KeptBytes
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.partition import COPIES, Layer
from rover_energy.inference.tasks.telemetry_tokens import VOCABULARY, make_sequences


@dataclass(frozen=True)
class Lesson:
    """What is learnt and how.

    width, blocks, heads, context : shape of the decoder. batch : sequences of a step, split into `micro_batches` equal
    parts. steps : in all. seed : of weights and data; data_seed : of the telemetry. start : file of weights to begin from
    (the state of all layers, written by `save`); empty: from the seed.
    """

    width: int = 64
    blocks: int = 6
    heads: int = 4
    context: int = 48
    batch: int = 16
    micro_batches: int = 4
    steps: int = 4
    rate: float = 1e-3
    seed: int = 0
    data_seed: int = 100
    start: str = ""

    def __post_init__(self) -> None:
        if not (self.micro_batches >= 1 and self.batch % self.micro_batches == 0 and self.batch > 0):
            problem = f"does not divide the batch of {self.batch}"
            raise InputError("lesson", "micro_batches", problem, "give equal parts", self.micro_batches)
        if not (self.heads >= 1 and self.width % self.heads == 0):
            raise InputError("lesson", "heads", f"does not divide the width of {self.width}", "give another", self.heads)


def build_layers(lesson: Lesson, which: Sequence[int]) -> Any:
    """Some layers of the decoder, each from a seed of its own: 0 embeds, the last one scores, the others are blocks."""
    torch = torch_of("training on several machines")
    nn = torch.nn

    class Embedding(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(VOCABULARY, lesson.width), nn.Embedding(lesson.context, lesson.width)

        def forward(self, tokens: Any) -> Any:
            return self.token(tokens) + self.place.weight[: tokens.shape[1]]

    class Block(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(
                lesson.width, lesson.heads, 4 * lesson.width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )

        def forward(self, x: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            return self.layer(x, src_mask=mask, is_causal=True)

    made = {}
    for i in which:
        torch.manual_seed(1000 * lesson.seed + i)
        if i == 0:
            made[str(i)] = Embedding()
        elif i == lesson.blocks + 1:
            made[str(i)] = nn.Sequential(nn.LayerNorm(lesson.width), nn.Linear(lesson.width, VOCABULARY, bias=False))
        else:
            made[str(i)] = Block()
    layers = nn.ModuleDict(made)
    if lesson.start:
        whole = load(Path(lesson.start))
        layers.load_state_dict({name: whole[name] for name in layers.state_dict()})
    return layers


def through(layers: Any, x: Any) -> Any:
    """Output of layers in their order."""
    for layer in layers.values():
        x = layer(x)
    return x


def batch_of(lesson: Lesson, step: int) -> Any:
    """Token sequences (batch, context + 1) of a step."""
    seed = lesson.data_seed * 100_003 + step
    return torch_of().from_numpy(make_sequences(seed, lesson.batch, lesson.context + 1))


def loss_of(lesson: Lesson, scores: Any, tokens: Any) -> Any:
    """Share of a micro-batch in the batch's mean negative log-likelihood of the next token."""
    whole = lesson.batch * lesson.context
    functional = torch_of().nn.functional
    return functional.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum") / whole


def measure_layers(lesson: Lesson) -> list[Layer]:
    """Costs of every layer for one micro-batch: operations counted, activations measured."""
    costs = []
    n = lesson.batch // lesson.micro_batches
    x = batch_of(lesson, 0)[:n, :-1]
    tokens, d = n * lesson.context, lesson.width
    for i in range(lesson.blocks + 2):
        layers = build_layers(lesson, [i])
        weights = list(layers.parameters())
        if x.is_floating_point():
            x = x.detach().requires_grad_()
        with KeptBytes(weights) as kept:
            x = through(layers, x)
        products = sum(w.numel() for w in weights if w.dim() == 2) if i else 0
        attention = 2 * lesson.context * d if 0 < i < lesson.blocks + 1 else 0
        last = i == lesson.blocks + 1
        sent = 0.0 if last else float(tokens * d * 4)
        costs.append(Layer(3.0 * tokens * (products + attention), 4.0 * sum(w.numel() for w in weights), float(kept.peak), sent))
    return costs


def alone(lesson: Lesson, *, micro_batches: int = 1, steps: int | None = None) -> tuple[Any, dict[str, Any], int]:
    """The same training in this process: layers, gradients of the first step by name, peak memory [byte]."""
    torch = torch_of()
    layers = build_layers(lesson, range(lesson.blocks + 2))
    weights = list(layers.parameters())
    optimiser = torch.optim.Adam(weights, lr=lesson.rate)
    gradients: dict[str, Any] = {}
    with KeptBytes(weights) as kept:
        for step in range(lesson.steps if steps is None else steps):
            optimiser.zero_grad()
            for tokens in batch_of(lesson, step).chunk(micro_batches):
                loss_of(lesson, through(layers, tokens[:, :-1]), tokens).backward()
            if not gradients:
                gradients = {name: w.grad.clone() for name, w in layers.named_parameters()}
            optimiser.step()
    return layers, gradients, kept.peak + COPIES * sum(4 * w.numel() for w in weights)


def likelihood(lesson: Lesson, layers: Any, seed: int, count: int = 200) -> float:
    """Mean negative log-likelihood of the next token on other data [nat]."""
    torch = torch_of()
    tokens = torch.from_numpy(make_sequences(seed, count, lesson.context + 1))
    with torch.no_grad():
        scores = through(layers, tokens[:, :-1])
        return float(torch.nn.functional.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten()))


def save(state: Any, path: Path) -> None:
    """A state as a file that is there or not."""
    beside = path.with_suffix(".part")
    torch_of().save(state, beside)
    os.replace(beside, path)


def load(path: Path) -> Any:
    """What `save` wrote. Raises InputError."""
    try:
        return torch_of().load(path, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        problem = f"cannot be read ({type(error).__name__}: {str(error).partition('.')[0][:100]})"
        raise InputError(str(path), "checkpoint", problem, "remove it and train again") from None
