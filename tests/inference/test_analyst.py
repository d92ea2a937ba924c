"""The analyst against the entries behind the lines; its chooser within joules, monotone, and cheaper than all high."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.inference.analyst import (
    ARMS,
    CELLS,
    RECENT,
    UNTAUGHT,
    Analyst,
    Work,
    cell_of,
    read_analyst,
    run,
    write_analyst,
)  # fmt: skip
from rover_energy.inference.learning.analyst_build import build_analyst, calibrated, collect, evaluate, learn, right
from rover_energy.inference.log_book import LogBook
from rover_energy.inference.log_entries import Entry, entries_of_audit, part_of, stalls
from rover_energy.inference.log_questions import Question, read_question
from rover_energy.inference.store import Store
from rover_energy.inference.tasks.rover_log import ask_rover, write_rover_log
from rover_energy.inference.tiers import choose_by_price, choose_by_quality, fixed, outcome

PRICES = (5e-6, 5e-8, 5e-7, 4e-7, 1e-9)
HIGH = (2, 2, 2)
LOG = write_rover_log(3)
LINES = [entry.line() for entry in LOG]


@pytest.fixture(scope="module")
def analyst() -> Analyst:
    return calibrated(learn(*collect(range(1000, 1006), 120), PRICES), *collect(range(2000, 2003), 120))


def test_at_its_high_tiers_the_analyst_is_right() -> None:
    """The true answers come from the entries, the analyst sees their lines."""
    asked = ask_rover(LOG, 4, 250)
    assert {q.kind for q in asked} > {"count", "mean", "at", "when_latest"}
    for each in asked:
        found = run(LINES, read_question(each.text, window=0.5), HIGH)
        assert right(found.value, each.answer), each
    again = write_rover_log(3)
    assert again == LOG
    assert ask_rover(LOG, 4, 250) == asked


def test_cheaper_tiers_do_less() -> None:
    question = read_question("how often did the motors stall since 100 s")
    low, mid, high = (run(LINES, question, (tier, tier, tier)).work for tier in (0, 1, 2))
    assert low.looked == RECENT
    assert (low.parsed, mid.parsed) == (0, 0)
    assert low.looked <= mid.looked < high.looked
    assert low.seconds(PRICES) < mid.seconds(PRICES) < high.seconds(PRICES)
    assert Work(1, 2, 3, 4).seconds((1.0, 10.0, 100.0, 1000.0, 1e4)) == 43211.0
    assert Work(1, 2, 3, 4) + Work(1, 1, 1, 1) == Work(2, 3, 4, 5)


def test_integrals_and_extremes_by_hand() -> None:
    """Power 10, 20, 30 W at 0.5, 1.5, 2.5 s: 60 J; a gap does not count as time."""
    rows = [(0.5, 10.0), (1.5, 20.0), (2.5, 30.0)]
    log = [Entry(t, "motors", "sample", values={"power": p, "peak": p + 1.0}).line() for t, p in rows]
    ask = lambda text, lines=log: UNTAUGHT.ask(lines, text)  # noqa: E731
    assert ask("how much energy did the motors take").value == pytest.approx(60.0)
    gap = [*log, Entry(100.5, "motors", "sample", values={"power": 30.0}).line()]
    assert ask("how much energy did the motors take in total", gap).value == pytest.approx(10 / 2 + 15 + 25 + 3 * 30 + 15)
    answer = ask("what was the highest power of the motors")
    assert (answer.value, answer.text) == (31.0, "maximum power of motors: 31 W at 2.50 s")
    assert answer.evidence == (log[2],)
    assert ask("when was the power of the motors lowest").value == 0.5
    assert ask("what was the power of the motors at 1.4 s").value == 20.0
    assert ask("average power of the motors between 1 and 3 s").value == 25.0
    nothing = ask("what was the charge of the battery")
    assert math.isnan(nothing.value)
    assert "does not say" in nothing.text
    assert ask("how often did the motors stall").value == 0.0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What is the latest charge of the battery?", Question("latest", "battery", "charge")),
        ("how often did the left wheel stall since 120 s", Question("count", "motors", "event", "stall", 120.0)),
        ("which loads were shed", Question("list", "", "event", "switched_off")),
        ("when was the first fault before 60 s", Question("when_first", "", "event", "fault", end=60.0)),
        ("when did the battery last show an anomaly", Question("when_latest", "battery", "event", "anomaly")),
        ("what happened between 10 and 20 s", Question("list", "", "event", "", 10.0, 20.0)),
        ("lowest available power after 5 s", Question("minimum", "bus", "available", begin=5.0)),
        ("how fast was the rover at 30 s", Question("at", "rover", "speed", "", 25.0, 35.0, 30.0)),
        ("was a limit broken", Question("list", "", "event", "over_limit")),
        ("how many joules did the inference take", Question("integral", "inference", "power")),
    ],
)
def test_sentences(text: str, wanted: Question) -> None:
    found = read_question(text)
    assert replace(found, at=0.0) == replace(wanted, at=0.0)
    assert found.at == wanted.at or (math.isnan(found.at) and math.isnan(wanted.at))


@pytest.mark.parametrize("text", ["", "   ", "x" * 400, "tell me a story", "why?"])
def test_questions_about_nothing(text: str) -> None:
    with pytest.raises(InputError, match="question"):
        read_question(text)


@given(st.text(max_size=120))
def test_any_sentence_is_read_or_refused(text: str) -> None:
    try:
        question = read_question(text)
    except InputError:
        return
    for arm in ARMS[::5]:
        run(LINES[-60:], question, arm)
    assert 0 <= cell_of(question, LINES) < len(CELLS)


def test_the_chooser_saves_a_quarter_and_loses_a_point_at_most(analyst: Analyst) -> None:
    cells, quality, counts, lengths = collect(range(3000, 3003), 120)
    expected, costs, true = evaluate(analyst, cells, counts, lengths)
    constant = fixed(quality, true)
    own = outcome(choose_by_quality(expected, costs, analyst.thresholds["full"]), quality, true)
    assert constant[-1][0] == 1.0
    assert own[0] >= 0.985
    assert own[1] <= 0.75 * constant[-1][1]
    assert own[0] > max(q for q, c in constant if c <= own[1])
    spent = [outcome(choose_by_price(expected, costs, w), quality, costs)[1] for w in np.geomspace(1.0, 1e6, 30)]
    assert np.all(np.diff(spent) <= 1e-12)


def test_answers_keep_within_the_joules(analyst: Analyst) -> None:
    question = "how often did the motors stall since 100 s"
    free = analyst.ask(LINES, question)
    cell = cell_of(read_question(question), LINES)
    cheapest = float(analyst.costs(cell, len(LINES)).min())
    last = math.inf
    for limit in np.linspace(free.expected, cheapest, 9):
        answer = analyst.ask(LINES, question, limit=float(limit))
        assert answer.expected <= limit
        assert answer.confidence <= last + 1e-12
        last = answer.confidence
    with pytest.raises(InputError, match="energy_limit"):
        analyst.ask(LINES, question, limit=0.5 * cheapest)
    with pytest.raises(InputError, match="energy_limit"):
        analyst.ask(LINES, question, limit=math.nan)
    with pytest.raises(InputError, match="is empty"):
        analyst.ask([], question)
    with pytest.raises(InputError, match="level"):
        analyst.ask(LINES, question, level="best")
    assert free.tiers.startswith("filter ")
    assert free.energy == pytest.approx(free.expected, rel=0.5)


def test_the_file_and_damage(analyst: Analyst, tmp_path: Path) -> None:
    path = tmp_path / "analyst.json"
    write_analyst(path, analyst)
    again = read_analyst(path)
    for each in ask_rover(LOG, 9, 20):
        assert again.ask(LINES, each.text).arm == analyst.ask(LINES, each.text).arm
    text = path.read_text(encoding="utf-8")
    for bad in ("{", "[]", text.replace('"prices"', '"price"'), text.replace("when_first", "when_last"), text[:-40]):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(InputError, match="build it again"):
            read_analyst(path)


def test_the_producer_makes_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rover_energy.inference.learning import analyst_build

    for name, value in (("TRAINING_LOGS", 2), ("TEST_LOGS", 1), ("QUESTIONS", 60)):
        monkeypatch.setattr(analyst_build, name, value)
    variants = build_analyst(tmp_path, 0)
    assert [v.name for v in variants] == ["analyst-saving", "analyst-balanced", "analyst-full"]
    assert all(v.priced for v in Store.of(variants))
    assert variants[0].quality < variants[-1].quality
    assert min(read_analyst(tmp_path / variants[0].artefact).prices) > 0.0


def column(values: list[float]) -> dict[str, list[float]]:
    return {"low": values, "mean": values, "high": [v + 1.0 for v in values]}


def test_entries_of_an_audit() -> None:
    """Twenty seconds: the rover stands from 8 to 12 s while its motors pull."""
    t = [0.25 + 0.5 * i for i in range(40)]
    speed = [0.0 if 8.0 <= s < 12.0 else 0.3 for s in t]
    power = {"total_power": column([100.0] * 40), "load.drive": column([40.0] * 40)}
    power["battery_energy"] = column([1e3 - s for s in t])
    series = {
        "power": {"width": 0.5, "t": t, "columns": power},
        "motion": {"width": 0.5, "t": t, "columns": {"speed": {"low": speed, "mean": speed, "high": speed}}},
    }
    check = {"name": "power", "violations": 3, "episodes": [{"start": 5.0, "seconds": 0.06}]}
    audit = {
        "series": series, "compliance": {"checks": [check]},
        "events": [{"time": 3.0, "kind": "switch", "severity": "info", "text": "load inference switched off"}],
        "topics": [{"name": "/odom", "gap_list": [{"start": 7.0, "seconds": 2.5}, {"start": 9.0, "seconds": 0.1}]}],
        "faults": [{"severity": "error", "subject": "power", "text": "broken", "time": 5.0},
                   {"severity": "warning", "subject": "windows", "text": "2 windows of the meter are missing", "time": None}],
    }  # fmt: skip
    entries = entries_of_audit(audit)
    found = {(e.event, e.part): e for e in entries if e.event != "sample"}
    assert set(found) == {
        ("switched_off", "inference"), ("over_limit", "bus"), ("silence", "meters"), ("stall", "motors"), ("fault", "meters"),
    }  # fmt: skip
    stall = found["stall", "motors"]
    assert (stall.time, stall.values["seconds"], stall.values["power"]) == (8.25, 4.0, 40.0)
    assert next(stalls(series)) == stall
    samples = [e for e in entries if e.event == "sample" and e.part == "motors"]
    assert [e.time for e in samples] == [0.5 + i for i in range(20)]
    assert samples[0].values == {"power": 40.0, "peak": 41.0}
    lines = [e.line() for e in entries]
    assert UNTAUGHT.ask(lines, "how often did the motors stall").value == 1.0
    assert UNTAUGHT.ask(lines, "how much energy did the motors take").value == pytest.approx(800.0)
    assert UNTAUGHT.ask(lines, "what faults were there").value == 4.0
    assert part_of("nobody knows this") == "graph"


def test_the_log_book() -> None:
    book = LogBook(most=8, period=1.0)
    assert not book.change(50.0, "a", 0, "battery", "state"), "the first state is no news when it is good"
    for i in range(101):
        book.sample(50.0 + 0.02 * i, "motors", power=float(i), speed=math.nan)
    assert [line.split(":")[0] for line in book.lines] == ["0.00 s motors info sample", "1.00 s motors info sample"]
    assert "power 25 W peak 50 W" in book.lines[0]
    assert book.change(60.0, "a", 1, "battery", "fault", 1, "low\nand lower")
    assert not book.change(61.0, "a", 1, "battery", "fault", 1, "low")
    assert book.lines[-1] == "9.50 s battery warning fault: low and lower"
    book.write(math.nan, "bus", "fault", 9)
    book.write(52.0, "bus", "fault", 1)
    assert [line.split(" ")[0] for line in book.lines][-2:] == ["9.50", "9.50"], "lines stay in order"
    book.switches(70.0, {"drive": True, "radio": False}, {"drive": "motors"})
    book.switches(71.0, {"drive": False, "radio": True}, {"drive": "motors"})
    said = [line.split(": ")[0] for line in list(book.lines)[-2:]]
    assert said == ["20.50 s motors info switched_off", "20.50 s radio info switched_on"]
    for i in range(20):
        book.write(80.0 + i, "bus", "fault", 1)
    assert len(book.lines) == 8
