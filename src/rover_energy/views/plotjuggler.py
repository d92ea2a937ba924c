"""A layout for PlotJuggler 3, made from the table of signals.

PlotJuggler names series by topic and field with slashes. It knows elements of lists by number only, so a load is found by its
place in `power_state`: base, inference, switched loads, and last the motors. Where there are no switched loads the motors are
number 2; their power is therefore taken from `meter`, where they are alone.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from rover_energy.views.signals import PANELS, POWER, SIGNALS, TOTAL, Signal, absolute, steps

TOTAL_NAME, MARGIN_NAME = "bus/total_load", "bus/margin"
#: Path by name -> (topic, path by number); the rule of the power node, held by a test on a recorded drive.
BY_NUMBER = {
    "loads[name=drive].power": ("meter", "loads[0].power"),
    "loads[name=base].power": ("power_state", "loads[0].power"),
    "loads[name=inference].power": ("power_state", "loads[1].power"),
}


def numbered(signal: Signal) -> tuple[str, str]:
    """Topic and path of a signal, with elements of lists by number. Raises KeyError for a name whose number is not known."""
    if any(step["key"] for step in steps(signal.path)):
        return BY_NUMBER[signal.path]
    return signal.topic, signal.path


def series(topic: str, path: str, namespace: str = "") -> str:
    """Name of a series."""
    return f"{absolute(topic, namespace)}/{path.replace('.', '/')}"


def layout(namespace: str = "") -> str:
    """The layout of a rover in a namespace ("" or "/name"), as XML."""
    root = ElementTree.Element("root")
    tabs = ElementTree.SubElement(root, "tabbed_widget", {"parent": "main_window", "name": "Main Window"})
    half = (len(PANELS) + 1) // 2
    for title, panels in (("energy", PANELS[:half]), ("drive", PANELS[half:])):
        _tab(tabs, title, panels, namespace)
    ElementTree.SubElement(tabs, "currentTabIndex", index="0")
    ElementTree.SubElement(root, "use_relative_time_offset", enabled="1")
    plugins = ElementTree.SubElement(root, "Plugins")
    for name in ("DataLoad MCAP", "DataLoad ROS2 bags", "ROS2 Topic Subscriber"):
        ElementTree.SubElement(plugins, "plugin", ID=name)
    equations = ElementTree.SubElement(root, "customMathEquations")
    _equation(equations, TOTAL_NAME, TOTAL, namespace)
    _equation(equations, MARGIN_NAME, ((1, "available_power"), *((-sign, field) for sign, field in TOTAL)), namespace)
    ElementTree.indent(root, " ")
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def _tab(tabs: ElementTree.Element, title: str, panels: Sequence[str], namespace: str) -> None:
    tab = ElementTree.SubElement(tabs, "Tab", tab_name=title, containers="1")
    container = ElementTree.SubElement(tab, "Container")
    share = ";".join(f"{1.0 / len(panels):.6f}" for _ in panels)
    splitter = ElementTree.SubElement(container, "DockSplitter", orientation="-", count=str(len(panels)), sizes=share)
    for panel in panels:
        area = ElementTree.SubElement(splitter, "DockArea", name=panel)
        plot = ElementTree.SubElement(area, "plot", style="Lines", mode="TimeSeries", flip_x="false", flip_y="false")
        ElementTree.SubElement(plot, "range", left="0", right="100", top="1", bottom="0")
        ElementTree.SubElement(plot, "limitY")
        if panel == POWER:
            ElementTree.SubElement(plot, "curve", name=TOTAL_NAME, color="#8e44ad")
            ElementTree.SubElement(plot, "curve", name=MARGIN_NAME, color="#1b9e77")
        for signal in SIGNALS:
            if signal.panel == panel:
                curve = ElementTree.SubElement(plot, "curve", name=series(*numbered(signal), namespace), color=signal.colour)
                if signal.scale != 1.0:
                    _scale(curve, signal, namespace)


def _scale(curve: ElementTree.Element, signal: Signal, namespace: str) -> None:
    alias = f"{series(*numbered(signal), namespace)} [{signal.unit}]"
    transform = ElementTree.SubElement(curve, "transform", name="Scale/Offset", alias=alias)
    ElementTree.SubElement(transform, "options", value_scale=f"{signal.scale:g}", value_offset="0", time_offset="0")


def _equation(parent: ElementTree.Element, name: str, terms: Sequence[tuple[int, str]], namespace: str) -> None:
    """A sum of fields of `power_state`: the first is `value`, the others are `v1`, `v2` ... in PlotJuggler's Lua."""
    snippet = ElementTree.SubElement(parent, "snippet", name=name)
    ElementTree.SubElement(snippet, "global")
    words = [f"{'+' if sign > 0 else '-'} {'value' if i == 0 else f'v{i}'}" for i, (sign, _) in enumerate(terms)]
    ElementTree.SubElement(snippet, "function").text = "return " + " ".join(words).removeprefix("+ ")
    ElementTree.SubElement(snippet, "linked_source").text = series("power_state", terms[0][1], namespace)
    more = ElementTree.SubElement(snippet, "additional_sources")
    for i, (_, field) in enumerate(terms[1:], 1):
        ElementTree.SubElement(more, f"v{i}").text = series("power_state", field, namespace)
