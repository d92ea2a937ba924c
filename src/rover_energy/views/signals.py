"""What operators watch: one table of named values of the topic contract, from which every layout and the dashboard are made.

A path leads through a message's fields: `pose.pose.position.x`, one element of a list by number `loads[0].power`, or the one
element whose field has a value `loads[name=drive].power`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

STEP = re.compile(r"^(?P<field>\w+)(?:\[(?:(?P<index>\d+)|(?P<key>\w+)=(?P<value>\w+))\])?$")


@dataclass(frozen=True)
class Signal:
    """One value. label : as people read it. topic : name in the contract. path : see the module. unit : of the value times
    `scale`. panel : chart that it belongs to. colour : in all charts, by the report's palette."""

    label: str
    topic: str
    path: str
    unit: str
    panel: str
    colour: str
    scale: float = 1.0


BLUE, ORANGE, GREEN, YELLOW, SKY, RED, PINK, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#f0e442", "#56b4e9", "#d55e00", "#cc79a7", "#888888",
)  # fmt: skip  # Okabe and Ito

POWER, SOURCES, BATTERY, MOTION, TRACKING = "Power", "Sources", "Battery", "Motion", "Where it is"

SIGNALS: tuple[Signal, ...] = (
    Signal("Available", "power_state", "available_power", "W", POWER, RED),
    Signal("Driving", "power_state", "loads[name=drive].power", "W", POWER, BLUE),
    Signal("Base", "power_state", "loads[name=base].power", "W", POWER, GREY),
    Signal("Inference", "power_state", "loads[name=inference].power", "W", POWER, PINK),
    Signal("RTG", "power_state", "rtg_power", "W", SOURCES, ORANGE),
    Signal("Solar array", "power_state", "pv_power", "W", SOURCES, YELLOW),
    Signal("Battery", "power_state", "battery_power", "W", SOURCES, GREEN),
    Signal("Shunt", "power_state", "shunt_power", "W", SOURCES, GREY),
    Signal("Residual", "power_state", "residual", "W", SOURCES, RED),
    Signal("Stored", "power_state", "battery_energy", "kJ", BATTERY, GREEN, 1e-3),
    Signal("Floor", "power_state", "battery_floor", "kJ", BATTERY, RED, 1e-3),
    Signal("Speed", "odom", "twist.twist.linear.x", "m/s", MOTION, BLUE),
    Signal("Planned speed", "reference", "twist.twist.linear.x", "m/s", MOTION, ORANGE),
    Signal("Commanded rim speed", "cmd_vel", "twist.linear.x", "m/s", MOTION, GREY),
    Signal("Yaw rate", "odom", "twist.twist.angular.z", "rad/s", MOTION, GREEN),
    Signal("East", "odom", "pose.pose.position.x", "m", TRACKING, BLUE),
    Signal("Planned east", "reference", "pose.pose.position.x", "m", TRACKING, SKY),
    Signal("North", "odom", "pose.pose.position.y", "m", TRACKING, RED),
    Signal("Planned north", "reference", "pose.pose.position.y", "m", TRACKING, ORANGE),
)
PANELS = tuple(dict.fromkeys(signal.panel for signal in SIGNALS))

#: Sum of all loads from the bus's balance, as no field holds it: + and - terms of `power_state`.
TOTAL: tuple[tuple[int, str], ...] = (
    (1, "rtg_power"), (1, "pv_power"), (1, "battery_power"), (-1, "shunt_power"), (-1, "residual"),
)  # fmt: skip


def steps(path: str) -> list[dict[str, str | None]]:
    """Parts of a path. Raises ValueError for one that is not written as the module says."""
    found = []
    for part in path.split("."):
        match = STEP.match(part)
        if match is None:
            raise ValueError(f"path {path!r}: {part!r} is not field, field[number] or field[key=value]")
        found.append(match.groupdict())
    return found


def read(message: Any, path: str) -> float:
    """Number at a path of a decoded message; NaN when a list has no such element."""
    value = message
    for step in steps(path):
        value = getattr(value, str(step["field"]))
        if step["index"] is not None:
            if int(step["index"]) >= len(value):
                return math.nan
            value = value[int(step["index"])]
        elif step["key"] is not None:
            chosen = [item for item in value if str(getattr(item, step["key"])) == step["value"]]
            if len(chosen) != 1:
                return math.nan
            value = chosen[0]
    return float(value)


def problem(path: str, kind: str, fields: Callable[[str], Mapping[str, Any]]) -> str:
    """Why a path does not lead to a number of a message type; empty when it does.

    fields : fields of a type by name, as rosbags describes them: (node, type) with node 1 basic, 2 message, 3 array, 4 sequence.
    """
    parts = steps(path)
    for step in parts:
        known = fields(kind)
        if step["field"] not in known:
            return f"{kind} has no field {step['field']}"
        node, what = known[str(step["field"])]
        many = int(node) in (3, 4)
        if many != (step["index"] is not None or step["key"] is not None):
            return f"{kind}.{step['field']} is {'' if many else 'not '}a list"
        if many:
            node, what = what[0]
        if int(node) == 2:
            kind = str(what)
            if step["key"] is not None and step["key"] not in fields(kind):
                return f"{kind} has no field {step['key']}"
        else:
            basic = what[0] if isinstance(what, tuple) else what
            if step is not parts[-1]:
                return f"{step['field']} of {kind} has no fields"
            return "" if basic not in ("string", "wstring") else f"{step['field']} of {kind} is text"
    return f"{path} ends at a whole {kind}"


def total_power(message: Any) -> float:
    """Sum of all loads of a PowerState [W]; NaN when any is not known."""
    return float(sum(load.power for load in message.loads)) if len(message.loads) else math.nan


def absolute(topic: str, namespace: str = "") -> str:
    """Name of a topic of the contract on the graph."""
    return topic if topic.startswith("/") else f"{namespace}/{topic}"


def namespace_of(topics: list[str]) -> str:
    """Namespace of the rover in a bag: what stands before `power_state`, or before `odom`; empty when it is the root."""
    for name in ("power_state", "odom"):
        for topic in sorted(topics):
            if topic.rpartition("/")[2] == name:
                return topic.rpartition("/")[0]
    return ""
