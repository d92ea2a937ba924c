"""Which of a rover's own topics stand for those of the contract: the file config/hardware_*.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rover_energy.errors import InputError
from rover_energy.nodes.topics import BY_NAME, TOPICS

#: Topics between the graph and the hardware: measurements in, commands out.
MEASURED = tuple(topic.name for topic in TOPICS if topic.publisher == "simulator" and topic.name != "/clock")
COMMANDED = ("cmd_vel", "load_command")
_NAME = re.compile(r"^/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$")
_KEYS = ("namespace", "power_rate", "topics")


@dataclass(frozen=True)
class Hardware:
    """Topics of a rover.

    Attributes
    ----------
    topics : dict
        Name in the contract: name on the rover. What is not named keeps its name.
    namespace : str
        Before all relative names; empty for none.
    power_rate : float
        Of the meter, and so of `power_state` [Hz].
    """

    topics: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    power_rate: float = 50.0


def read_hardware(path: str | Path) -> Hardware:
    """Read and check a hardware file.

    Raises
    ------
    InputError
        A file that cannot be read, an unknown field, a topic that is not between graph and hardware, a name that ROS does not
        allow, two topics under one name, or a rate out of range.
    """
    source = str(path)
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(source, "file", error.strerror or "cannot be read", "give a hardware_*.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InputError(source, "file", "is not YAML", "see config/hardware_example.yaml") from None
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise InputError(source, "file", "is not a mapping", f"give {', '.join(_KEYS)}")
    for key in data:
        if key not in _KEYS:
            raise InputError(source, str(key), "is unknown", f"use {', '.join(_KEYS)}")
    return Hardware(_topics(source, data.get("topics")), _namespace(source, data.get("namespace")), _rate(source, data))


def _topics(source: str, given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InputError(source, "topics", "is not a mapping", "write one line for each topic: ours: theirs", given)
    known = (*MEASURED, *COMMANDED)
    for ours, theirs in given.items():
        if ours not in known:
            raise InputError(source, f"topics.{ours}", "is not between graph and hardware", f"choose from {', '.join(known)}")
        if not (isinstance(theirs, str) and _NAME.match(theirs)):
            raise InputError(source, f"topics.{ours}", "is no name of a topic", "use letters, digits, _ and /", theirs)
    taken = [given.get(name, name) for name in BY_NAME]
    for ours, theirs in given.items():
        if taken.count(theirs) > 1:
            raise InputError(source, f"topics.{ours}", "is taken by another topic", "give each its own", theirs)
    return dict(given)


def _namespace(source: str, given: Any) -> str:
    if given in (None, "", "/"):
        return ""
    if not (isinstance(given, str) and _NAME.match(given)):
        raise InputError(source, "namespace", "is no name", "use letters, digits, _ and /", given)
    return given if given.startswith("/") else f"/{given}"


def _rate(source: str, data: dict[str, Any]) -> float:
    value = data.get("power_rate", 50.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1.0 <= value <= 50.0:
        raise InputError(source, "power_rate", "is not within 1 .. 50 Hz", "give the rate of the meter", value)
    return float(value)
