"""Decoders that read an event log and write the summary of its faults."""

from __future__ import annotations

from typing import Any

from rover_energy.inference.learning.language import Size, logits, make_weights
from rover_energy.inference.learning.tools import torch_of, train
from rover_energy.inference.tasks.fault_summaries import END, LENGTH, LOG, PAD, VOCABULARY, make_logs, rouge_l


def train_summary(seed: int, size: Size, *, count: int, epochs: int, rate: float, batch: int = 32) -> dict[str, Any]:
    """Trained weights; the loss is that of the summary's words only."""
    torch = torch_of()
    tokens = torch.from_numpy(make_logs(seed + 100, count))
    p = make_weights(seed, size, VOCABULARY, LENGTH)

    def loss(rows: Any, _: Any) -> Any:
        scores = logits(p, rows[:, :-1], size)[:, LOG:]
        wanted = rows[:, LOG + 1 :].flatten()
        return torch.nn.functional.cross_entropy(scores.flatten(0, 1), wanted, ignore_index=PAD)

    train(lambda rows: rows, p.values(), tokens, tokens, epochs=epochs, rate=rate, seed=seed, batch=batch, loss=loss)
    return p


def write_summaries(p: dict[str, Any], logs: Any, size: Size) -> Any:
    """Likeliest words one after the other, (n, words), until every summary has its end; after an end they mean nothing."""
    torch = torch_of()
    rows = logs[:, : LOG + 1]
    ended = torch.zeros(len(rows), dtype=torch.bool)
    with torch.no_grad():
        while rows.shape[1] < LENGTH and not bool(ended.all()):
            word = logits(p, rows, size)[:, -1].argmax(dim=-1)
            rows = torch.cat([rows, word[:, None]], dim=1)
            ended |= word == END
    return rows[:, LOG + 1 :]


def quality(p: dict[str, Any], seed: int, size: Size, count: int = 300) -> float:
    """Mean ROUGE-L of the summaries of logs that were not trained with."""
    logs = make_logs(seed + 300, count)
    written = write_summaries(p, torch_of().from_numpy(logs), size).tolist()
    return (
        sum(rouge_l(until_end(words), until_end(log[LOG + 1 :].tolist())) for words, log in zip(written, logs, strict=True))
        / count
    )


def until_end(words: list[int]) -> list[int]:
    """Words before the end."""
    return words[: words.index(END)] if END in words else words
