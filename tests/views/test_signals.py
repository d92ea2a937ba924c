"""The table of signals against the message definitions of the contract, and paths against values known in another way."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from views_cases import BASE, INFERENCE, available, drive_power, place, store

from rover_energy.nodes.topics import BY_NAME
from rover_energy.telemetry.recording import Recording
from rover_energy.views.signals import SIGNALS, TOTAL, namespace_of, problem, read, total_power


@pytest.fixture(scope="module")
def fields() -> Any:
    types = store()
    return lambda kind: dict(types.fielddefs[kind][1])


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda s: f"{s.topic}.{s.path}")
def test_every_signal_leads_to_a_number_of_the_contract(signal: Any, fields: Any) -> None:
    assert signal.topic in BY_NAME
    assert problem(signal.path, BY_NAME[signal.topic].kind, fields) == ""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("rtg_powr", "has no field rtg_powr"), ("loads.power", "is a list"), ("loads[nme=drive].power", "has no field nme"),
        ("loads[0].name", "is text"), ("header", "whole"), ("rtg_power.x", "has no fields"), ("rtg_power[0]", "is not a list"),
        ("loads[0].provenance.worth", "has no field worth"),
    ],
)  # fmt: skip
def test_wrong_paths_are_found(path: str, words: str, fields: Any) -> None:
    assert words in problem(path, BY_NAME["power_state"].kind, fields)


def test_a_path_that_is_not_written_well() -> None:
    with pytest.raises(ValueError, match="is not field"):
        read(SimpleNamespace(), "a[b")


def test_values_are_those_of_the_formulas(made_bag: Path) -> None:
    known = {
        ("power_state", "loads[name=drive].power"): drive_power, ("power_state", "available_power"): available,
        ("odom", "pose.pose.position.x"): lambda t: place(t)[0], ("odom", "pose.pose.position.y"): lambda t: place(t)[1],
    }  # fmt: skip
    bag = Recording(made_bag)
    for sample in bag.samples({"/power_state", "/odom"}):
        message, t = bag.decode(sample), 1e-9 * sample.time
        for (topic, path), formula in known.items():
            if sample.topic == f"/{topic}":
                assert read(message, path) == pytest.approx(formula(t), rel=1e-12)
        if sample.topic == "/power_state":
            assert total_power(message) == pytest.approx(BASE + INFERENCE + drive_power(t), rel=1e-12)
            balance = sum(sign * getattr(message, name) for sign, name in TOTAL)
            assert balance == pytest.approx(total_power(message), rel=1e-12)


def test_what_is_not_there_is_not_a_number() -> None:
    message = SimpleNamespace(loads=[SimpleNamespace(name="a", power=1.0), SimpleNamespace(name="a", power=2.0)])
    assert math.isnan(read(message, "loads[name=b].power"))
    assert math.isnan(read(message, "loads[name=a].power"))  # two of them: nobody knows which
    assert math.isnan(read(message, "loads[2].power"))
    assert read(message, "loads[1].power") == 2.0
    assert math.isnan(total_power(SimpleNamespace(loads=[])))


def test_namespace() -> None:
    assert namespace_of(["/a/odom", "/a/power_state", "/clock"]) == "/a"
    assert namespace_of(["/odom"]) == ""
    assert namespace_of(["/x"]) == ""
