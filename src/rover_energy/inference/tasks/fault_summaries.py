"""Event logs as tokens, and their summaries: which part had which fault, how often, in the order of the parts.

A log is a row of event codes, each a part with its state; most are nominal, and a part has one kind of fault in it. The summary
follows a mark and ends with one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PARTS = ("battery", "motor_left", "motor_right", "array", "radio", "arm")
STATES = ("nominal", "stall", "overload", "silent", "hot")
MOST = 4  # times that a fault is counted
CODES = tuple(f"{part} {state}" for part in PARTS for state in STATES)
WORDS = ("pad", "summary", "end", *CODES, *(f"x{i}" for i in range(1, MOST + 1)))
PAD, SUMMARY, END = 0, 1, 2
CODE = 3  # token of the first event code
COUNT = CODE + len(CODES)  # token of "x1"
EVENTS, ENTRIES = 10, 3  # of a log; different faults in it at most
LOG = EVENTS
LENGTH = LOG + 1 + 2 * ENTRIES + 1
VOCABULARY = len(WORDS)


def make_logs(seed: int, count: int) -> NDArray[np.int64]:
    """Tokens (count, LENGTH): log, mark, summary, end, padding."""
    rng = np.random.default_rng(seed)
    made = np.full((count, LENGTH), PAD, dtype=np.int64)
    for row in made:
        kinds = int(rng.integers(0, ENTRIES + 1))
        faults = len(STATES) * rng.permutation(len(PARTS))[:kinds] + rng.integers(1, len(STATES), kinds)
        nominal = len(STATES) * rng.integers(0, len(PARTS), EVENTS)
        bad = rng.random(EVENTS) < (0.45 if kinds else 0.0)
        row[:LOG] = CODE + np.where(bad, rng.choice(faults, EVENTS), nominal) if kinds else CODE + nominal
        said = summarise(row[:LOG].tolist())
        row[LOG] = SUMMARY
        row[LOG + 1 : LOG + 1 + len(said)] = said
    return made


def summarise(log: Sequence[int]) -> list[int]:
    """The true summary of a log's tokens, with its end."""
    counts = Counter(code for code in log if (code - CODE) % len(STATES))
    return [token for code, n in sorted(counts.items()) for token in (code, COUNT + min(n, MOST) - 1)] + [END]


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
