"""Where a limit stands that binds or a value that cannot be used: the file and the field, for the one line that says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.world import World

BUILT_IN = "built-in"
MISSION_SOURCES = ("mission", "site", "environment", "irradiance", "sun")
#: Binding constraint of a refusal -> the file and the field that sets its limit, and the unit.
LIMITS: dict[str, tuple[str, str, str]] = {
    "deadline": ("mission", "deadline", "s"),
    "energy_budget": ("mission", "energy_budget", "J"),
    "floor": ("rover", "battery.floor", ""),
    "along_slope": ("rover", "limits.along_slope", "rad"),
    "tilt": ("rover", "limits.tilt", "rad"),
    "curvature": ("rover", "limits.curvature", "1/m"),
    "power": ("rover", "loads.base_power", "W"),
    "keep_out": ("rover", "width", "m"),
    "map_edge": ("terrain", "extent", "m"),
    "no_data": ("terrain", "no_data", "nodes"),
}


@contextmanager
def blaming(world: World, *, terrain: Path, rover: Path | None, mission: Path | None) -> Iterator[None]:
    """A refusal raised inside also names the file, the field and the value of the limit that binds."""
    try:
        yield
    except Refusal as refusal:
        found = binding_limit(refusal.binding.constraint, world)
        if found is None:
            raise
        files = {"terrain": str(terrain), "rover": source(rover, "rover"), "mission": source(mission, "mission")}
        kind, field, value = found
        refusal.args = (f"{refusal} Limit: {files[kind]}: {field} = {value}.",)
        raise


def binding_limit(constraint: str, world: World) -> tuple[str, str, str] | None:
    """Kind of file, field and value with unit of a constraint's limit; None when no single value sets it."""
    if constraint not in LIMITS:
        return None
    kind, field, unit = LIMITS[constraint]
    value: Any = world.mission if kind == "mission" else world.rover
    if field == "no_data":
        value = int(world.terrain.no_data.sum())
    elif kind == "terrain":
        value = world.terrain.extent
    else:
        for name in field.split("."):
            value = getattr(value, name)
    numbers = value if isinstance(value, tuple) else (value,)
    return kind, field, " ".join([*(f"{number:.9g}" for number in numbers), *([unit] if unit else [])])


def source(path: Path | None, kind: str) -> str:
    """Name of a parameter file in messages."""
    return str(path) if path is not None else f"{BUILT_IN} {kind}"


@contextmanager
def named(rover: Path | None, mission: Path | None) -> Iterator[None]:
    """Complaints of the library about the mission's or the rover's values name their file."""
    try:
        yield
    except InputError as error:
        if error.field == "footprint":
            name, field = source(rover, "rover"), error.field
        elif error.source in MISSION_SOURCES:
            inside = "" if error.source == "mission" else "site."
            name, field = source(mission, "mission"), f"{inside}{error.field}"
        else:
            raise
        raise InputError(name, field, error.problem, error.remedy, error.value) from None
