"""A layout for Foxglove (and what descends from it), as its "Import from file" takes it, made from the table of signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rover_energy.views.signals import BATTERY, PANELS, POWER, SIGNALS, Signal, absolute

#: Topics that `FoxgloveStream` adds to those of the contract, with the types of their schemas.
POWER_VIEW, SCENE, ROUTE, TRANSFORMS = "/view/power", "/view/scene", "/view/route", "/view/transforms"
ADDED = {
    POWER_VIEW: "rover_energy.PowerView", SCENE: "foxglove.SceneUpdate", ROUTE: "foxglove.SceneUpdate",
    TRANSFORMS: "foxglove.FrameTransform",
}  # fmt: skip
#: Fields of `/view/power`: sums that no message of the contract holds.
POWER_FIELDS = {
    "total": "sum of all loads [W]", "available": "what all loads together may take [W]",
    "margin": "available less total [W]", "state_of_charge": "of the battery [%]",
    "above_floor": "stored energy above the floor [J]",
}  # fmt: skip
CHARTS = {panel: f"Plot!{panel.lower().replace(' ', '_')}" for panel in PANELS}
SPACE, HEALTH, VERDICT = "3D!drive", "DiagnosticSummary!health", "RawMessages!verdict"
MARGIN, CHARGE = "Indicator!margin", "Gauge!charge"


def message_path(signal: Signal, namespace: str = "") -> str:
    """A signal in Foxglove's message path syntax."""
    path = signal.path
    for mark in ("[", "]"):
        if path.count(mark) > 1:
            raise ValueError(f"path {path!r}: more than one list")
    head, bracket, rest = path.partition("[")
    if bracket:
        inside, _, tail = rest.partition("]")
        key, equals, value = inside.partition("=")
        path = f'{head}[:]{{{key}=="{value}"}}{tail}' if equals else f"{head}[{inside}]{tail}"
    scaled = f".@mul({signal.scale:g})" if signal.scale != 1.0 else ""
    return f"{absolute(signal.topic, namespace)}.{path}{scaled}"


def layout(namespace: str = "") -> dict[str, Any]:
    """The layout of a rover in a namespace ("" or "/name")."""
    charts = {name: chart(panel, namespace) for panel, name in CHARTS.items()}
    panels = {
        SPACE: space(namespace),
        HEALTH: {"topicToRender": "/diagnostics", "minLevel": 0, "sortByLevel": True, "pinnedIds": [], "hardwareIdFilter": ""},
        MARGIN: {
            "path": f"{POWER_VIEW}.margin", "style": "background", "fallbackColor": "#888888", "fallbackLabel": "not known",
            "rules": [
                {"operator": "<", "rawValue": "0", "color": "#d55e00", "label": "OVER what is available"},
                {"operator": "<", "rawValue": "5", "color": "#e69f00", "label": "less than 5 W left"},
                {"operator": ">=", "rawValue": "5", "color": "#009e73", "label": "power in hand"},
            ],
        },
        CHARGE: {
            "path": f"{POWER_VIEW}.state_of_charge", "minValue": 0, "maxValue": 100, "colorMode": "colormap",
            "colorMap": "red-yellow-green", "gradient": ["#d55e00", "#009e73"], "reverse": False,
        },
        VERDICT: {"topicPath": absolute("compliance", namespace), "diffEnabled": False, "expansion": "none"},
    }  # fmt: skip
    status = _split([MARGIN, CHARGE, HEALTH, VERDICT], "row")
    return {
        "configById": {**panels, **charts},
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": {
            "direction": "row", "splitPercentage": 58,
            "first": {"direction": "column", "splitPercentage": 74, "first": SPACE, "second": status},
            "second": _split(list(CHARTS.values()), "column"),
        },
    }  # fmt: skip


def chart(panel: str, namespace: str) -> dict[str, Any]:
    """Settings of one chart over time."""
    rows = [(message_path(s, namespace), f"{s.label} [{s.unit}]", s.colour) for s in SIGNALS if s.panel == panel]
    if panel == POWER:
        rows.insert(0, (f"{POWER_VIEW}.total", "Total load [W]", "#8e44ad"))
    series = [
        {"value": path, "label": label, "color": colour, "enabled": True, "timestampMethod": "receiveTime"}
        for path, label, colour in rows
    ]
    least = {"minYValue": 0} if panel == BATTERY else {}
    return {
        "paths": series, "title": panel, "showLegend": True, "legendDisplay": "floating", "showPlotValuesInLegend": True,
        "showXAxisLabels": True, "showYAxisLabels": True, "isSynced": True, "xAxisVal": "timestamp", **least,
    }  # fmt: skip


def space(namespace: str) -> dict[str, Any]:
    """Settings of the view in three dimensions."""
    topics = {
        SCENE: {"visible": True}, ROUTE: {"visible": True},
        absolute("path", namespace): {"visible": True, "type": "line", "lineWidth": 0.05, "gradient": ["#ffffffff", "#ffffffff"]},
    }  # fmt: skip
    return {
        "followMode": "follow-position", "followTf": "base_link", "fixedFrame": "map", "topics": topics,
        "cameraState": {
            "distance": 28, "perspective": True, "phi": 52, "thetaOffset": 40, "target": [0, 0, 0], "targetOffset": [0, 0, 0],
            "targetOrientation": [0, 0, 0, 1], "fovy": 45, "near": 0.1, "far": 5000,
        },
        "scene": {"backgroundColor": "#181a1f"}, "transforms": {}, "layers": {}, "imageMode": {},
        "publish": {"type": "point", "poseTopic": "", "pointTopic": "", "poseEstimateTopic": ""},
    }  # fmt: skip


def _split(names: Sequence[str], direction: str) -> Any:
    """A mosaic of equal shares."""
    if len(names) == 1:
        return names[0]
    rest = _split(names[1:], direction)
    return {"direction": direction, "splitPercentage": 100.0 / len(names), "first": names[0], "second": rest}


def message_paths(made: dict[str, Any]) -> list[str]:
    """Every message path and topic that a layout names, in whatever panel."""
    found: list[str] = []
    for settings in made["configById"].values():
        found += [series["value"] for series in settings.get("paths", [])]
        found += [settings[key] for key in ("path", "topicPath", "topicToRender") if settings.get(key)]
        found += list(settings.get("topics", {}))
    return found
