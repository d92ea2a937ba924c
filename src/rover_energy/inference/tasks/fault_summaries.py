"""Event logs as tokens, and their summaries: which part had which fault, how often, in the order of the parts.

A log names part and state of every event; most are nominal, and a part has one kind of fault in it. The summary follows a
mark and ends with one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PARTS = ("battery", "motor_left", "motor_right", "array", "radio", "arm")
STATES = ("nominal", "stall", "overload", "silent", "hot")
MOST = 4  # times that a fault is counted
WORDS = ("pad", "summary", "end", *PARTS, *STATES, *(f"x{i}" for i in range(1, MOST + 1)))
PAD, SUMMARY, END = 0, 1, 2
PART, STATE = 3, 3 + len(PARTS)
COUNT = STATE + len(STATES)  # token of "x1"
EVENTS, ENTRIES = 8, 3  # of a log; different faults in it at most
LOG = 2 * EVENTS
LENGTH = LOG + 1 + 3 * ENTRIES + 1
VOCABULARY = len(WORDS)


def make_logs(seed: int, count: int) -> NDArray[np.int64]:
    """Tokens (count, LENGTH): log, mark, summary, end, padding."""
    rng = np.random.default_rng(seed)
    made = np.full((count, LENGTH), PAD, dtype=np.int64)
    for row in made:
        kinds = int(rng.integers(0, ENTRIES + 1))
        pairs = [(int(part), int(rng.integers(1, len(STATES)))) for part in rng.permutation(len(PARTS))[:kinds]]
        bad = rng.random(EVENTS) < (0.45 if kinds else 0.0)
        events = [pairs[int(rng.integers(kinds))] if b else (int(rng.integers(len(PARTS))), 0) for b in bad]
        row[0:LOG:2] = [PART + part for part, _ in events]
        row[1:LOG:2] = [STATE + state for _, state in events]
        said = summarise(row[:LOG].tolist())
        row[LOG] = SUMMARY
        row[LOG + 1 : LOG + 1 + len(said)] = said
    return made


def summarise(log: Sequence[int]) -> list[int]:
    """The true summary of a log's tokens, with its end."""
    counts: dict[tuple[int, int], int] = {}
    for part, state in zip(log[::2], log[1::2], strict=True):
        if state != STATE:
            counts[part, state] = counts.get((part, state), 0) + 1
    return [token for (part, state), n in sorted(counts.items()) for token in (part, state, COUNT + min(n, MOST) - 1)] + [END]


def rouge_l(given: Sequence[int], wanted: Sequence[int]) -> float:
    """F1 of the longest common subsequence of words: Lin 2004, "ROUGE", section 3 (beta 1); ends do not count. Both empty: 1."""
    a, b = ([w for w in words if w not in (END, PAD)] for words in (given, wanted))
    if not a or not b:
        return float(a == b)
    before = [0] * (len(b) + 1)
    for word in a:
        row = [0]
        for j, other in enumerate(b):
            row.append(before[j] + 1 if word == other else max(before[j + 1], row[j]))
        before = row
    return 2.0 * before[-1] / (len(a) + len(b))
