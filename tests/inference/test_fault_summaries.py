"""Summaries of event logs: the true one against another count, ROUGE-L against its library, writing ends."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rover_energy.inference.tasks.fault_summaries import (
    CODE,
    CODES,
    COUNT,
    END,
    ENTRIES,
    LENGTH,
    LOG,
    MOST,
    PAD,
    PARTS,
    SUMMARY,
    VOCABULARY,
    WORDS,
    make_logs,
    rouge_l,
)  # fmt: skip


def test_the_summary_counts_the_faults_of_the_log() -> None:
    logs = make_logs(0, 300)
    assert logs.shape == (300, LENGTH)
    assert logs.min() == PAD
    assert logs.max() < VOCABULARY
    for row in logs:
        words = [WORDS[token] for token in row]
        bad = Counter(word for word in words[:LOG] if not word.endswith("nominal"))
        said = words[LOG + 1 : words.index("end")]
        found = dict(zip(said[::2], said[1::2], strict=True))
        assert found == {word: f"x{min(n, MOST)}" for word, n in bad.items()}
        order = [PARTS.index(word.split()[0]) for word in found]
        assert order == sorted(set(order)), "in the order of the parts, each once"
        assert len(found) <= ENTRIES
        assert row[LOG] == SUMMARY
    assert CODE + len(CODES) == COUNT
    assert np.array_equal(logs, make_logs(0, 300))


def test_rouge() -> None:
    assert rouge_l([5, 6, 7, END], [5, 7, END]) == pytest.approx(0.8)
    assert (rouge_l([], [END]), rouge_l([5], []), rouge_l([5], [6])) == (1.0, 0.0, 0.0)
    scorer = pytest.importorskip("rouge_score.rouge_scorer", reason="rouge-score is not installed")
    library = scorer.RougeScorer(["rougeL"])
    rng = np.random.default_rng(1)
    for _ in range(200):
        a, b = (rng.integers(3, 12, int(rng.integers(1, 15))).tolist() for _ in range(2))
        wanted = library.score(*(" ".join(f"w{i}" for i in words) for words in (b, a)))["rougeL"].fmeasure
        assert rouge_l(a, b) == pytest.approx(wanted)


def test_writing_ends_and_training_learns() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
    from rover_energy.inference.learning.language import Size
    from rover_energy.inference.learning.summaries import quality, train_summary, until_end, write_summaries

    size = Size(16, 1, 2)
    p = train_summary(0, size, count=400, epochs=6, rate=1e-2)
    untrained = train_summary(0, size, count=32, epochs=1, rate=1e-9)
    assert quality(p, 0, size, 60) > quality(untrained, 0, size, 60) + 0.1
    logs = torch.from_numpy(make_logs(1, 5))
    written = write_summaries(p, logs, size)
    changed = logs.clone()
    changed[:, LOG + 1 :] = 7
    assert torch.equal(written, write_summaries(p, changed, size)), "it does not see the true summary"
    assert written.shape[1] <= LENGTH - LOG - 1
    assert until_end([4, END, 5]) == [4]
    assert until_end([4]) == [4]
