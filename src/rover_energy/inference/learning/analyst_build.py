"""The producer of the log analyst: runs every combination of tiers over generated logs and learns what each is good for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from rover_energy.inference.analyst import ARMS, CELLS, TASK, Analyst, cell_of, read_analyst, run, write_analyst
from rover_energy.inference.log_questions import Question, read_question
from rover_energy.inference.metering import CORE_POWER, single_calls
from rover_energy.inference.tasks.rover_log import Asked, ask_rover, write_rover_log
from rover_energy.inference.tiers import choose_by_quality, fixed, outcome, threshold_for
from rover_energy.inference.variant import Variant, digest, wilson

Array = NDArray[np.float64]
ARTEFACT = "analyst.json"
TRAINING_LOGS, QUESTIONS, TEST_LOGS = 16, 150, 8  # logs, questions to each, logs for calibration and as many for the test
DOUBT = 0.5  # answers counted as half right before any is seen, so that a cell nobody asked is not trusted
LEVELS = {"saving": 0.60, "balanced": 0.90}  # expected quality that is good enough; "full" is calibrated
UNIT = 1000.0  # lines that a variant's price is for
LOSS = 0.002  # that "full" may lose against all high


def right(given: float, answer: float) -> bool:
    """To a tenth of a per mille, as lines keep six digits; a NaN is wrong."""
    return abs(given - answer) <= 1e-4 * max(1.0, abs(answer))


def all_arms(lines: Sequence[str], asked: Sequence[Asked]) -> tuple[list[int], Array, Array]:
    """Cells (n,), share right (n, arms) and counts (n, arms, 4) of every combination of tiers on every question."""
    cells, quality, counts = [], np.empty((len(asked), len(ARMS))), np.empty((len(asked), len(ARMS), 4))
    for i, each in enumerate(asked):
        question = read_question(each.text, window=0.5)
        cells.append(cell_of(question, lines))
        for j, arm in enumerate(ARMS):
            found = run(lines, question, arm)
            quality[i, j] = right(found.value, each.answer)
            counts[i, j] = found.work.looked, found.work.parsed, found.work.read, found.work.put
    return cells, quality, counts


def collect(seeds: Sequence[int], questions: int = QUESTIONS) -> tuple[NDArray[np.int64], Array, Array, Array]:
    """The same over several logs; the last array is the number of lines (n,)."""
    parts = []
    for seed in seeds:
        log = write_rover_log(seed)
        lines = [e.line() for e in log]
        cells, quality, counts = all_arms(lines, ask_rover(log, seed + 7, questions))
        parts.append((np.array(cells), quality, counts, np.full(len(cells), float(len(lines)))))
    cells_all, quality, counts, lengths = (np.concatenate(column) for column in zip(*parts, strict=True))
    return cells_all, quality, counts, lengths


def learn(cells: NDArray[np.int64], quality: Array, counts: Array, lengths: Array, prices: tuple[float, ...]) -> Analyst:
    """Tables by kind of question: expected quality, shrunk towards half, and counts per line of the log."""
    good, work = np.full((len(CELLS), len(ARMS)), DOUBT), np.zeros((len(CELLS), len(ARMS), 8))
    work[:, :, :4] = 1.0  # a cell nobody asked: as dear as can be
    for cell in range(len(CELLS)):
        rows = np.flatnonzero(cells == cell)
        if not rows.size:
            kin = [i for i, (kind, _) in enumerate(CELLS) if kind == CELLS[cell][0]]
            rows = np.flatnonzero(np.isin(cells, kin))
        if rows.size:
            good[cell] = (quality[rows].sum(axis=0) + 2.0 * DOUBT) / (rows.size + 2.0)
            work[cell, :, :4] = (counts[rows] / lengths[rows, None, None]).mean(axis=0)
    return Analyst(good, work, prices, CORE_POWER, {"saving": LEVELS["saving"], "balanced": LEVELS["balanced"], "full": 1.0})


def evaluate(analyst: Analyst, cells: NDArray[np.int64], counts: Array, lengths: Array) -> tuple[Array, Array, Array]:
    """Expected quality and cost [J] of every combination (n, arms), and true cost."""
    expected = analyst.quality[cells]
    costs = np.array([analyst.costs(int(c), int(n)) for c, n in zip(cells, lengths, strict=True)])
    true = analyst.core_power * (analyst.prices[0] + counts @ np.array(analyst.prices[1:]))
    return expected, costs, true


def calibrated(analyst: Analyst, cells: NDArray[np.int64], quality: Array, counts: Array, lengths: Array) -> Analyst:
    """With the threshold "full" that is cheapest while it loses at most `LOSS` against all high on other logs."""
    expected, costs, true = evaluate(analyst, cells, counts, lengths)
    wanted = fixed(quality, true)[-1][0] - LOSS
    found = [(outcome(choose_by_quality(expected, costs, t), quality, true), t) for t in np.linspace(0.9, 1.0, 41).tolist()]
    good = [(cost, t) for (share, cost), t in found if share >= wanted]
    threshold = min(good)[1] if good else threshold_for(expected, quality, true, [1.0], wanted)
    return replace(analyst, thresholds={**analyst.thresholds, "full": float(threshold)})


def meter(seed: int = 0, repeats: int = 3) -> tuple[float, ...]:
    """Processor seconds of a question and of each count on this machine: least squares, none below zero.

    All are raised by what a single question takes longer, with cold caches in a thread of its own, as it is asked on board.
    """
    log = write_rover_log(seed, 1.0)
    rows, seconds = [], []
    lines: list[str] = []
    for lines in ([e.line() for e in log[:n]] for n in (len(log) // 4, len(log))):
        for asked in ask_rover(log, seed, 40):
            question = read_question(asked.text)
            for arm in ((0, 0, 0), (1, 1, 1), (2, 1, 1), (2, 2, 2)):
                rows.append(run(lines, question, arm).work)
                seconds.append(_seconds(lines, question, arm, repeats))
    matrix = np.array([[1.0, w.looked, w.parsed, w.read, w.put] for w in rows])
    prices, _ = nnls(matrix, np.array(seconds))
    prices = np.maximum(prices, 1e-9)
    questions = cycle([read_question(asked.text) for asked in ask_rover(log, seed, 40)])
    cold = single_calls(lambda: run(lines, next(questions), (2, 2, 2)), 1, calls=40)
    warm = float(np.median(matrix[-160:][3::4] @ prices))  # the same questions at the same tiers, one after the other
    return tuple(float(p) for p in prices * max(1.0, cold.cpu / warm))


def _seconds(lines: Sequence[str], question: Question, arm: tuple[int, ...], repeats: int) -> float:
    best = []
    for _ in range(repeats):
        began = time.process_time()
        for _ in range(4):
            run(lines, question, arm)
        best.append((time.process_time() - began) / 4)
    return float(np.median(best))


def build_analyst(folder: Path, seed: int, began: Callable[[str], None] = lambda _: None) -> list[Variant]:
    """Learn, calibrate and write the analyst into a folder; one variant per level of what is good enough."""
    began("log analyst")
    first = 1000 * (seed + 1)
    analyst = learn(*collect(range(first, first + TRAINING_LOGS)), meter(seed))
    analyst = calibrated(analyst, *collect(range(first + 100, first + 100 + TEST_LOGS)))
    path = folder / ARTEFACT
    write_analyst(path, analyst)
    analyst = read_analyst(path)
    cells, quality, counts, lengths = collect(range(first + 200, first + 200 + TEST_LOGS))
    expected, costs, _ = evaluate(analyst, cells, counts, lengths)
    made = []
    log = [entry.line() for entry in write_rover_log(first + 200)]
    texts = cycle([asked.text for asked in ask_rover(write_rover_log(first + 200), seed, 60)])
    for tier, level in enumerate(analyst.thresholds, start=1):
        chosen = choose_by_quality(expected, costs, analyst.thresholds[level]).arm
        share = quality[np.arange(len(chosen)), chosen]
        low, high = wilson(int(share.sum()), len(share))
        m = single_calls(partial(_answer, analyst, log, texts, level), 1)
        units = len(log) / UNIT
        made.append(Variant(
            name=f"analyst-{level}", task=TASK, family="algorithm", precision="exact", tier=tier, metric="share of right answers",
            quality=float(share.mean()), quality_low=low, quality_high=high, energy=m.energy.joules / units,
            energy_high=max(m.energy.joules, m.energy_high) / units, energy_provenance=m.energy.provenance.name.lower(),
            energy_detail=f"{m.energy.detail}; per {UNIT:g} lines of the log, over questions of all kinds",
            peak_power=m.bus_peak, latency=m.latency / units, size=path.stat().st_size, artefact=path.name,
            checksum=digest(path), source=f"rover-energy infer build --seed {seed}",
        ))  # fmt: skip
    return made


def _answer(analyst: Analyst, log: list[str], texts: Iterator[str], level: str) -> None:
    analyst.ask(log, next(texts), level=level)
