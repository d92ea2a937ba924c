"""Which topic says what: from a mapping file, from the contract, or guessed; and every guess is said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.parameters import read_yaml

#: roles of a single number and the unit in which it must come, after `scale`
SCALARS = {"voltage": "V", "current": "A", "power": "W"}
ROLES = ("power_state", "battery", "odometry", "joints", *SCALARS)
KIND = {"power_state": "power", "battery": "battery", "odometry": "motion", "joints": "joints"}
KEYS = ("topic", "field", "scale")
LIMITS = {"power": "W", "floor": "-"}
GUESSES = (
    ("voltage", re.compile(r"volt|vbat|v_bus|bus_v", re.IGNORECASE)),
    ("current", re.compile(r"curr|amp|i_bus|bus_i", re.IGNORECASE)),
    ("power", re.compile(r"power|watt", re.IGNORECASE)),
)  # fmt: skip
LARGEST = 1e12


@dataclass(frozen=True)
class Source:
    """One topic in a role. field : path of the number, for roles of single numbers. scale : multiplies it, sign included."""

    role: str
    topic: str
    field: str = "data"
    scale: float = 1.0
    how: str = "map"


@dataclass(frozen=True)
class Mapping:
    """Content of a mapping file.

    sources : by topic. loads : power topics by the name of their load. limits : of the run, see `LIMITS`.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)

    def source(self, topic: str) -> Source | None:
        """The role that the file gives a topic."""
        return self.sources.get(topic)

    def has(self, role: str) -> bool:
        """Whether the file names a topic for a role, so that none is guessed."""
        return any(source.role == role for source in self.sources.values())


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises InputError for unknown roles and keys, and for numbers that are none."""
    data = read_yaml(path)
    if not isinstance(data, dict) or not data:
        raise InputError(str(path), "top level", "is not a mapping of roles to topics", "see docs/formats.md")
    sources: dict[str, Source] = {}
    limits: dict[str, float] = {}
    for key, value in data.items():
        if key == "limits":
            limits = _limits(path, value)
        elif key == "loads":
            if not isinstance(value, dict):
                raise InputError(str(path), "loads", "is not a mapping", "write 'name: {topic: ...}' lines", value)
            for name, entry in value.items():
                _keep(path, sources, _source(path, f"loads.{name}", f"load {name}", entry))
        elif key in ROLES:
            _keep(path, sources, _source(path, key, key, value))
        else:
            raise InputError(str(path), str(key), "unknown key", f"use one of {', '.join((*ROLES, 'loads', 'limits'))}")
    return Mapping(sources, limits)


def _keep(path: Path, sources: dict[str, Source], source: Source) -> None:
    if source.topic in sources:
        raise InputError(str(path), source.role, "names a topic that has a role already", "name each topic once", source.topic)
    sources[source.topic] = source


def _source(path: Path, name: str, role: str, entry: Any) -> Source:
    if isinstance(entry, str):
        entry = {"topic": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("topic"), str) or not entry["topic"]:
        raise InputError(str(path), name, "names no topic", "write {topic: /name, field: data, scale: 1.0}", entry)
    unknown = sorted(str(key) for key in entry if key not in KEYS)
    if unknown:
        raise InputError(str(path), f"{name}.{unknown[0]}", "unknown key", f"use {', '.join(KEYS)}")
    where = entry.get("field", "data")
    if not isinstance(where, str) or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", where):
        raise InputError(str(path), f"{name}.field", "is not the path of a field", "write it as data or twist.linear.x", where)
    topic = entry["topic"] if entry["topic"].startswith("/") else f"/{entry['topic']}"
    return Source(role, topic, where, _number(path, f"{name}.scale", entry.get("scale", 1.0), -LARGEST))


def _limits(path: Path, value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise InputError(str(path), "limits", "is not a mapping", "write 'power: 120.0' lines", value)
    for key in value:
        if key not in LIMITS:
            raise InputError(str(path), f"limits.{key}", "unknown key", f"use one of {', '.join(LIMITS)}")
    found = {key: _number(path, f"limits.{key}", number, 0.0) for key, number in value.items()}
    if not 0.0 <= found.get("floor", 0.0) <= 1.0:
        raise InputError(str(path), "limits.floor", "is not within 0 .. 1", "give a state of charge", found["floor"])
    return found


def _number(path: Path, name: str, value: Any, least: float) -> float:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not fits or not least <= value <= LARGEST or (value == 0.0 and name.endswith("scale")):
        raise InputError(str(path), name, f"is not a number within {least:g} .. {LARGEST:g}", "give one", value)
    return float(value)


def guess(topic: str, kind: str) -> Source | None:
    """Role of a topic that nobody mapped, from its type, and for single numbers from its name."""
    last = topic.rpartition("/")[2]
    if kind == "power":
        return Source("power_state", topic, how="contract" if last in ("power_state", "meter") else "guess")
    if kind == "battery":
        return Source("battery", topic, how="contract" if last == "battery_state" else "guess")
    if kind == "motion":
        if last == "reference":
            return Source("reference", topic, how="contract")
        return Source("odometry", topic, how="contract" if last == "odom" else "guess")
    if kind == "joints":
        return Source("joints", topic, how="contract" if last == "joint_states" else "guess")
    if kind == "cap" and last.startswith("inference_"):
        return Source("run", topic, how="contract") if last == "inference_run" else None
    if kind in ("command", "cap", "diagnostics", "grant", "receipt"):
        return Source(kind, topic, how="type")
    if kind == "scalar":
        role = next((role for role, pattern in GUESSES if pattern.search(topic)), "")
        return Source(role, topic, how="guess") if role else None
    return None
