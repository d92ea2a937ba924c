"""Figures judge every seed, NaN never passes; the log's memory is right at its highest tiers, by an answer of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.inference.extras import need
from rover_energy.inference.figures.figure import SYSTEMS, TITLES, Figure, comparable, compute, shown
from rover_energy.inference.tasks.telemetry_log import answer, ask, right, write_log
from rover_energy.inference.tasks.telemetry_tokens import LEVELS, make_sequences

ROW = Figure("s", "w", (0.5, 0.7), 0.6, True, "measured", (0.4, 0.4), "plain")
FOLDER = Path(__file__).resolve().parents[2] / "src" / "rover_energy" / "inference" / "figures"


def test_every_seed_must_keep_the_bound() -> None:
    assert not ROW.reached
    assert replace(ROW, wanted=0.5).reached
    assert replace(ROW, wanted=0.7, at_least=False).reached
    assert not replace(ROW, wanted=0.1, values=(0.5, math.nan)).reached
    assert not replace(ROW, wanted=0.9, values=(math.nan,), at_least=False).reached
    assert not replace(ROW, values=()).reached
    assert ROW.row() == ("s", "w", "0.6 [0.5, 0.7]", ">= 0.6", "NO", "0.4 (plain)", "measured", "")
    assert len(ROW.row()) == len(TITLES)
    known = replace(ROW, paper="9.1x on phones: other hardware")
    assert known.row()[-1] == "9.1x on phones"
    assert comparable([known, ROW, known]) == ["s: 9.1x on phones: other hardware"]
    assert shown((1.0,)) == "1"


def test_every_system_has_its_module() -> None:
    assert {f"{name}.py" for name in SYSTEMS.values()} == {path.name for path in FOLDER.glob("*_figures.py")}
    with pytest.raises(InputError, match="is unknown"):
        compute(["magic"], [0])
    with pytest.raises(MissingExtraError, match=r"rover-energy\[infer\]"):
        need("torch_that_is_not_there", "training")


def by_scanning(log: list, question) -> float:  # type: ignore[no-untyped-def, type-arg]
    """The answer from the lines' own data, not from their text."""
    rows = [line for line in log if line.part == question.part]
    if question.kind == "at":
        rows = [line for line in rows if line.sol == question.sol]
    elif question.kind != "latest":
        rows = [line for line in rows if line.sol >= question.sol]
    values = [line.values[question.quantity] for line in rows]
    if question.kind == "count":
        return float(sum(line.fault for line in rows))
    return {"maximum": max(values), "mean": sum(values) / len(values), "first": values[0]}.get(question.kind, values[-1])


def test_high_tiers_read_the_log_rightly_and_low_ones_are_cheap() -> None:
    log = write_log(1)
    questions = ask(log, 2, 200)
    assert all(q.answer == pytest.approx(by_scanning(log, q)) for q in questions)
    assert all(right(answer(log, q, (2, 2, 2))[0], q) for q in questions)
    low = [answer(log, q, (0, 0, 0)) for q in questions]
    high = [answer(log, q, (2, 2, 2)) for q in questions]
    assert np.mean([right(a, q) for (a, _), q in zip(low, questions, strict=True)]) < 0.6
    assert max(price for _, price in low) < min(price for _, price in high)


def test_tokens_alternate_between_charge_and_load() -> None:
    tokens = make_sequences(1, 50, 31)
    assert tokens.shape == (50, 31)
    assert tokens[:, 0::2].max() < LEVELS <= tokens[:, 1::2].min()
    assert np.array_equal(tokens, make_sequences(1, 50, 31))
    assert not np.array_equal(tokens, make_sequences(2, 50, 31))
