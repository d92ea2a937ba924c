"""Every topic and field that a layout names exists in the contract and its message definitions; installed files are current."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from views_cases import ROOT, store

from rover_energy.cli.views import layouts
from rover_energy.nodes.topics import BY_NAME
from rover_energy.telemetry.recording import Recording
from rover_energy.views import foxglove_layout, plotjuggler
from rover_energy.views.foxglove_stream import SCHEMA
from rover_energy.views.signals import PANELS, SIGNALS, namespace_of, read, total_power

NUMBERS = ("float64", "float32", "uint8", "uint16", "uint32", "int8", "int32", "bool")


@pytest.fixture(scope="module")
def types() -> Any:
    return store()


def walk(types: Any, kind: str, names: list[str]) -> str:
    """Type at the end of fields, lists passed through: a reader of definitions that shares nothing with the package's."""
    for name in names:
        found = dict(types.fielddefs[kind][1])
        assert name in found, f"{kind} has no {name}"
        node, what = found[name]
        while int(node) in (3, 4):
            node, what = what[0]
        kind = what if int(node) == 2 else what[0]
    return str(kind)


def faults(made: dict[str, Any], types: Any, namespace: str = "") -> list[str]:
    """What a Foxglove layout names and nobody publishes."""
    wrong = []
    for path in foxglove_layout.message_paths(made):
        match = re.fullmatch(r"(/[\w/]+?)((?:\.\w+(?:\[[:\d]+\])?(?:\{(\w+)==\"(\w+)\"\})?)*)((?:\.@mul\([\d.e-]+\))?)", path)
        if match is None:
            wrong.append(f"{path}: not a message path")
            continue
        topic, fields, key, _, _ = match.groups()
        names = [re.match(r"\w+", part).group(0) for part in fields.split(".")[1:]]  # type: ignore[union-attr]
        if topic in foxglove_layout.ADDED:
            if names and (topic != foxglove_layout.POWER_VIEW or names[0] not in SCHEMA["properties"] or len(names) > 1):
                wrong.append(f"{path}: no such field of {topic}")
            continue
        own = topic if topic in BY_NAME else topic.removeprefix(f"{namespace}/")
        if own not in BY_NAME:
            wrong.append(f"{path}: no such topic")
            continue
        try:
            end = walk(types, BY_NAME[own].kind, names)
            if key:
                walk(types, BY_NAME[own].kind, [names[0], key])
        except AssertionError as error:
            wrong.append(f"{path}: {error}")
            continue
        if names and end not in NUMBERS:
            wrong.append(f"{path}: {end} cannot be drawn")
    return wrong


@pytest.mark.parametrize("namespace", ["", "/rover1"])
def test_foxglove_names_what_exists(types: Any, namespace: str) -> None:
    made = foxglove_layout.layout(namespace)
    assert faults(made, types, namespace) == []
    assert len(foxglove_layout.message_paths(made)) >= len(SIGNALS) + 6


def test_a_wrong_name_is_found(types: Any) -> None:
    made = foxglove_layout.layout()
    for old, new in (("available_power", "availible_power"), ("/odom", "/odometry"), ("name==", "nam=="), (".total", ".totl")):
        text = json.dumps(made)
        assert old in text
        broken = json.loads(text.replace(old, new))
        assert faults(broken, types), new


def test_foxglove_places_every_panel_once() -> None:
    made = foxglove_layout.layout()

    def leaves(node: Any) -> list[str]:
        return [node] if isinstance(node, str) else leaves(node["first"]) + leaves(node["second"])

    placed = leaves(made["layout"])
    assert sorted(placed) == sorted(made["configById"])
    drawn = {series["label"] for panel in made["configById"].values() for series in panel.get("paths", [])}
    assert {f"{signal.label} [{signal.unit}]" for signal in SIGNALS} <= drawn


def plotjuggler_sources(text: str) -> tuple[list[str], dict[str, tuple[str, list[str]]]]:
    """Curves, and equations by name as (function, sources)."""
    root = ElementTree.fromstring(text.split("\n", 1)[1])
    equations = {}
    for snippet in root.findall("customMathEquations/snippet"):
        sources = [snippet.findtext("linked_source") or ""] + [v.text or "" for v in snippet.find("additional_sources") or []]
        equations[snippet.get("name") or ""] = snippet.findtext("function") or "", sources
    return [curve.get("name") or "" for curve in root.iter("curve")], equations


@pytest.mark.parametrize("namespace", ["", "/rover1"])
def test_plotjuggler_names_what_exists(types: Any, namespace: str) -> None:
    curves, equations = plotjuggler_sources(plotjuggler.layout(namespace))
    assert len(curves) == len(SIGNALS) + 2
    named = [name for name in curves if name not in equations] + [name for _, sources in equations.values() for name in sources]
    for name in named:
        assert name.startswith(f"{namespace}/")
        topic, *fields = name.removeprefix(f"{namespace}/").split("/")
        assert walk(types, BY_NAME[topic].kind, [field.partition("[")[0] for field in fields]) in NUMBERS
    with pytest.raises(AssertionError, match="has no"):
        walk(types, BY_NAME["odom"].kind, ["pose", "pose", "place"])


def evaluated(message: Any, equation: tuple[str, list[str]]) -> float:
    """An equation as PlotJuggler's Lua would have it: sums read the same in Python."""
    function, sources = equation
    values = [read(message, name.split("/", 2)[2].replace("/", ".")) for name in sources]
    names = {"value": values[0], **{f"v{i}": v for i, v in enumerate(values) if i}}
    return float(eval(function.removeprefix("return "), {}, names))


def test_plotjuggler_sums_and_numbers_are_right(made_bag: Path) -> None:
    _, equations = plotjuggler_sources(plotjuggler.layout())
    bag = Recording(made_bag)
    for sample in bag.samples({"/power_state"}, duration=2.0):
        message = bag.decode(sample)
        assert evaluated(message, equations[plotjuggler.TOTAL_NAME]) == pytest.approx(total_power(message))
        margin = message.available_power - total_power(message)
        assert evaluated(message, equations[plotjuggler.MARGIN_NAME]) == pytest.approx(margin)
        for path, (topic, by_number) in plotjuggler.BY_NUMBER.items():
            if topic == "power_state":
                assert read(message, by_number) == read(message, path)


def test_installed_files_are_current() -> None:
    folder = ROOT / "config" / "views"
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == layouts(), (
        "run: rover-energy views layouts --out config/views"
    )


def test_every_panel_is_drawn_by_all() -> None:
    root = ElementTree.fromstring(plotjuggler.layout().split("\n", 1)[1])
    assert {area.get("name") for area in root.iter("DockArea")} == set(PANELS)
    made = copy.deepcopy(foxglove_layout.layout())
    assert {panel["title"] for panel in made["configById"].values() if "paths" in panel} == set(PANELS)


def test_namespaces_reach_every_name(made_bag: Path) -> None:
    text = json.dumps(foxglove_layout.layout("/rover1"))
    assert set(re.findall(r'"(/\w+)[/.]', text)) == {"/rover1", "/view"}
    bag = Recording(made_bag)
    assert namespace_of([stream.topic for stream in bag.streams]) == ""
