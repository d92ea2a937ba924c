"""Parameter groups: declared once with unit, bounds and source, read strictly from YAML.

Every model of the package takes its constants from a frozen dataclass that derives from `Parameters`. The
declaration of a field carries its unit, its bounds, what it means and where the default comes from; reading a file,
checking a value and printing the reference page all use that one declaration.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml

from rover_energy.errors import InputError

P = TypeVar("P", bound="Parameters")


def parameter(
    default: Any,
    *,
    unit: str = "-",
    minimum: float = -math.inf,
    maximum: float = math.inf,
    choices: tuple[str, ...] = (),
    description: str,
    source: str = "",
) -> Any:
    """Declare one field of a `Parameters` class. Bounds are inclusive; `unit` is "-" for a pure number."""
    metadata = {
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "description": description,
        "source": source,
    }
    return dataclasses.field(default=default, metadata=metadata)


def group(cls: type[P], description: str) -> Any:
    """Declare a nested `Parameters` group that is built from its own defaults."""
    return dataclasses.field(default_factory=cls, metadata={"description": description})


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Base of all parameter groups: every value is checked when the group is built."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_value(type(self).__name__, field, getattr(self, field.name))


def _check_value(source: str, field: dataclasses.Field[Any], value: Any) -> None:
    if isinstance(value, Parameters):
        return
    metadata = field.metadata
    _check_type(source, field, value)
    if metadata.get("choices") and value not in metadata["choices"]:
        raise InputError(source, field.name, "unknown choice", f"use one of {', '.join(metadata['choices'])}", value)
    for number in _numbers(value):
        _check_bounds(source, field.name, number, metadata)


def _check_type(source: str, field: dataclasses.Field[Any], value: Any) -> None:
    """Refuse what is of another kind than the default, for groups that are built in Python; None stands for "not given"."""
    if value is None and "None" in str(field.type):
        return
    wanted = next((kind for kind in (bool, str, int, float) if isinstance(field.default, kind)), None)
    fits = {
        bool: isinstance(value, bool), str: isinstance(value, str),
        int: isinstance(value, numbers.Integral) and not isinstance(value, bool),
        float: isinstance(value, numbers.Real) and not isinstance(value, bool),
    }  # fmt: skip
    if wanted is not None and not fits[wanted]:
        remedy = f"write {_kind(wanted, field.metadata.get('unit', '-'))}"
        raise InputError(source, field.name, "has the wrong type", remedy, value)


def _kind(hint: Any, unit: str) -> str:
    kinds = {float: f"a number{'' if unit == '-' else f' in {unit}'}", int: "a whole number", bool: "true or false"}
    return kinds.get(hint, "a text")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, numbers.Real):  # numpy's numbers among them
        yield _as_float(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _numbers(item)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf if value > 0 else -math.inf


def _check_bounds(source: str, name: str, number: float, metadata: Any) -> None:
    low, high, unit = metadata.get("minimum", -math.inf), metadata.get("maximum", math.inf), metadata.get("unit", "-")
    shown = "" if unit == "-" else f" {unit}"
    if not math.isfinite(number):
        raise InputError(source, name, "is not a finite number", f"give a finite value{' in' + shown if shown else ''}", number)
    if not number >= low:
        raise InputError(source, name, f"is below the least allowed {low:g}{shown}", f"give {low:g}{shown} or more", number)
    if not number <= high:
        raise InputError(source, name, f"is above the most allowed {high:g}{shown}", f"give {high:g}{shown} or less", number)


def from_mapping(cls: type[P], data: Any, source: str, prefix: str = "") -> P:
    """Build a group from plain data, refusing unknown keys, wrong types, NaN and values out of bounds.

    Raises InputError naming `source`, the dotted field, the value, the limit and the remedy.
    """
    if not isinstance(data, dict):
        raise InputError(source, prefix.rstrip(".") or "top level", "is not a mapping", "write 'name: value' lines", data)
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise InputError(source, f"{prefix}{key}", "unknown key", _nearest_key(str(key), list(fields)))
    values = {
        name: _convert(hints[name], fields[name], data[name], source, f"{prefix}{name}") for name in fields if name in data
    }
    for name, value in values.items():
        for number in _numbers(value):
            _check_bounds(source, f"{prefix}{name}", number, fields[name].metadata)
        choices = fields[name].metadata.get("choices")
        if choices and value not in choices:
            raise InputError(source, f"{prefix}{name}", "unknown choice", f"use one of {', '.join(choices)}", value)
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(source, f"{prefix}{error.field}", error.problem, error.remedy, error.value) from None


def _nearest_key(key: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"


def _convert(hint: Any, field: dataclasses.Field[Any], value: Any, source: str, name: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if type(None) in arguments:
        if value is None:
            return None
        hint = next(a for a in arguments if a is not type(None))
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Parameters):
        return from_mapping(hint, value, source, f"{name}.")
    if origin is tuple:
        return _convert_tuple(arguments, field, value, source, name)
    return _convert_scalar(hint, field, value, source, name)


def _convert_tuple(
    arguments: tuple[Any, ...], field: dataclasses.Field[Any], value: Any, source: str, name: str
) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(source, name, "is not a list", "write it as [a, b, ...]", value)
    if arguments[-1] is Ellipsis:
        return tuple(_convert(arguments[0], field, item, source, name) for item in value)
    if len(value) != len(arguments):
        raise InputError(source, name, f"has {len(value)} entries", f"give exactly {len(arguments)}", value)
    return tuple(_convert(hint, field, item, source, name) for hint, item in zip(arguments, value, strict=True))


def _convert_scalar(hint: Any, field: dataclasses.Field[Any], value: Any, source: str, name: str) -> Any:
    unit = field.metadata.get("unit", "-")
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return next(_numbers(value))
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    raise InputError(source, name, "has the wrong type", f"write {_kind(hint, unit)}", value)


def load_yaml(cls: type[P], path: str | Path) -> P:
    """Read a group from a YAML file. Raises InputError when the file or any value in it cannot be used."""
    return from_mapping(cls, read_yaml(path), str(path))


class _PlainLoader(yaml.SafeLoader):
    """YAML as one writes it: 1e-3 and 010 are numbers, 2028-03-01T00:00:00 a text; a key that stands twice is refused."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789"))
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"),
    list("-+0123456789."),
)


def read_yaml(path: str | Path) -> Any:
    """Plain data of a YAML file; an empty file counts as an empty mapping. Raises InputError with line and column."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError(str(path), "file", reason, "check the path and that it is a readable text file") from None
    try:
        data = yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "syntax"
        problem = getattr(error, "problem", None)
        told = f"is not valid YAML ({problem})" if problem else "is not valid YAML"
        raise InputError(str(path), where, told, "mend the syntax there") from None
    except (ValueError, RecursionError, TypeError) as error:  # numbers without end, endless nesting, lists as keys
        raise InputError(str(path), "file", f"cannot be read as YAML ({error})", "write plain 'name: value' lines") from None
    return {} if data is None else data


def to_mapping(group_value: Parameters) -> dict[str, Any]:
    """Plain nested data of a group, ready for YAML or JSON; reading it back gives an equal group."""
    return {
        field.name: to_mapping(value) if isinstance(value, Parameters) else _plain(value)
        for field in dataclasses.fields(group_value)
        for value in [getattr(group_value, field.name)]
    }


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def describe(cls: type[Parameters], prefix: str = "") -> Iterator[dict[str, Any]]:
    """One row per field, nested groups dotted: name, default, unit, bounds, description, source."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if isinstance(hint, type) and issubclass(hint, Parameters):
            yield from describe(hint, f"{prefix}{field.name}.")
        else:
            yield {"name": f"{prefix}{field.name}", "default": field.default, **field.metadata}
