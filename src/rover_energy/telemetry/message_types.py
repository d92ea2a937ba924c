"""Message types as trees, from the definitions that a bag carries with it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rover_energy.telemetry.extras import need

PRIMITIVES = {
    "bool": "u1", "byte": "u1", "char": "u1", "int8": "i1", "uint8": "u1", "octet": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8",
}  # fmt: skip
DEEPEST = 32  # nesting of types


class TypeProblemError(Exception):
    """A definition cannot be used. Never leaves the reader: its topic becomes unreadable, and says why."""


@dataclass(frozen=True)
class Primitive:
    """A number: its type for numpy, without byte order."""

    kind: str


@dataclass(frozen=True)
class Text:
    """A string."""


@dataclass(frozen=True)
class Group:
    """Fields in their order, by name."""

    fields: tuple[tuple[str, Tree], ...]


@dataclass(frozen=True)
class Array:
    """Items of one type; `count` is None for a sequence."""

    item: Tree
    count: int | None


Tree = Primitive | Text | Group | Array


@lru_cache(maxsize=256)
def message_tree(name: str, encoding: str, definition: bytes) -> Tree:
    """The tree of a message type.

    name : "package/msg/Name". encoding : "ros2msg" or "ros2idl"; with an empty definition the types that ROS 2 itself brings
    are used, and those of the installed message package. Raises TypeProblemError.
    """
    return _tree(full_name(name), {**standard_types(), **type_definitions(name, encoding, definition)}, 0)


def full_name(kind: str) -> str:
    """A type's name as "package/msg/Name"; some writers leave out the middle."""
    return kind if "/msg/" in kind else kind.replace("/", "/msg/", 1)


def type_definitions(name: str, encoding: str, definition: bytes) -> dict[str, Any]:
    """Fields of a type and of those it is made of, by their names, as rosbags describes them; arguments as of `message_tree`.

    What the definition leaves out is not in it. Raises TypeProblemError.
    """
    typesys = need("rosbags.typesys", "rosbags", "reading the message types of a bag")
    if not definition.strip():
        return _installed_types()
    try:
        text = definition.decode("utf-8")
        if encoding in ("ros2idl", "omgidl"):
            return dict(typesys.get_types_from_idl(text))
        if encoding == "ros2msg":
            return dict(typesys.get_types_from_msg(text, name))
    except Exception as error:  # the parser of another package: whatever it raises, the definition is no good
        raise TypeProblemError(f"the definition of {name} cannot be parsed ({type(error).__name__})") from None
    raise TypeProblemError(f"the definition of {name} is written in {encoding!r}, which is not read")


@lru_cache(maxsize=1)
def standard_types() -> dict[str, Any]:
    """Types that ROS 2 brings, for bags without definitions."""
    typesys = need("rosbags.typesys", "rosbags", "reading the message types of a bag")
    return dict(typesys.get_typestore(typesys.Stores.ROS2_KILTED).fielddefs)


@lru_cache(maxsize=1)
def _installed_types() -> dict[str, Any]:
    """Types of the package's own messages, where they are installed."""
    typesys, found = need("rosbags.typesys", "rosbags"), {}
    package = "rover_energy_interfaces"
    for path in sorted((Path(sys.prefix) / "share" / package / "msg").glob("*.msg")):
        found.update(typesys.get_types_from_msg(path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}"))
    return found


def _tree(name: str, types: dict[str, Any], depth: int) -> Group:
    if depth > DEEPEST:
        raise TypeProblemError(f"{name} is nested too deeply")
    if name not in types:
        raise TypeProblemError(f"the definition of {name} is missing")
    _, fields = types[name]
    made = tuple((field, _described(kind, types, depth)) for field, kind in fields)
    return Group(made or (("structure_needs_at_least_one_member", Primitive("u1")),))


def _described(kind: Any, types: dict[str, Any], depth: int) -> Tree:
    node, detail = int(kind[0]), kind[1]  # 1 base, 2 name, 3 array, 4 sequence
    if node == 1:
        base = detail[0] if isinstance(detail, tuple) else detail
        if base == "string":
            return Text()
        if base not in PRIMITIVES:
            raise TypeProblemError(f"values of type {base} are not read")
        return Primitive(PRIMITIVES[base])
    if node == 2:
        return _tree(detail, types, depth + 1)
    item, count = detail
    return Array(_described(item, types, depth), count if node == 3 else None)
