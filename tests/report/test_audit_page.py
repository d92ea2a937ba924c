"""The Sankey and the tables of an audit's page from made accounts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from rover_energy.report.audit_charts import read_series
from rover_energy.report.audit_sankey import HEIGHT, flows, sankey
from rover_energy.report.audit_tables import faults_list, loss_section


def account(**changes: Any) -> dict[str, Any]:
    def part(name: str, joules: float) -> dict[str, Any]:
        return {"name": name, "energy_J": joules}

    return {
        "kind": "bus", "sources": [part("rtg", 600.0), part("pv", 300.0)], "loads": [part("base", 500.0),
                                                                                            part("<camera>", 380.0)],
        "discharged_J": 100.0, "charged_J": 70.0, "shunted_J": 50.0, "unexplained_J": 0.0, "unmetered_J": 0.0,
    } | changes  # fmt: skip


def test_both_sides_of_the_diagram_add_up() -> None:
    given, used = flows(account())
    assert sum(f.joules for f in given) == sum(f.joules for f in used) == 1000.0
    page = sankey(account())
    ends = [float(h) for h in re.findall(r'class="bar-end[^"]*"[^>]* height="([\d.]+)"', page)]
    assert len(ends) == 7
    assert sum(ends[:3]) == pytest.approx(HEIGHT, abs=0.2)
    assert sum(ends[3:]) == pytest.approx(HEIGHT, abs=0.2)
    assert "&lt;camera&gt;" in page
    assert "<camera>" not in page


def test_what_is_not_explained_is_shown() -> None:
    assert "Not explained" in sankey(account(unexplained_J=-40.0))
    assert "Not explained" not in sankey(account())
    assert "no flow" in sankey(account(sources=[], loads=[], discharged_J=0.0, charged_J=0.0, shunted_J=0.0))


def test_no_line_is_drawn_over_a_gap() -> None:
    times = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1]
    series = read_series({"t": times, "columns": {"a": {"mean": [1.0, 1.0, None, 1.0, 2.0, 2.0]}}})
    assert series.t.size == 7
    assert np.flatnonzero(np.isnan(series.get("a"))).tolist() == [2, 4]


def test_faults_and_losses_are_escaped_and_told() -> None:
    shown = faults_list([{"severity": "error", "subject": "/<a>", "text": "x < y", "time": None}])
    assert "/&lt;a&gt;" in shown
    assert "x &lt; y" in shown
    loss = {"bytes": 7, "chunks": 1, "messages": 3, "messages_unknown": True, "undecodable": 0, "unknown_channel": 0,
            "unchecked_chunks": 0, "notes": ["cut"]}  # fmt: skip
    assert "at least 3" in loss_section({"loss": loss, "remarks": [], "bag": {"chunks": 4}})
