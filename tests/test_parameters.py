"""The strict reader of parameter files: what is refused, in which words, and that everything comes back as it went."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rover_energy.errors import EXIT_USAGE, InputError
from rover_energy.mission import MissionParameters
from rover_energy.parameters import Parameters, describe, from_mapping, group, load_yaml, parameter, to_mapping
from rover_energy.rover import RoverParameters


@dataclass(frozen=True)
class Wheel(Parameters):
    radius: float = parameter(0.2, unit="m", minimum=0.05, maximum=1.0, description="radius")
    grousers: int = parameter(12, minimum=0, description="number")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.radius * self.grousers < 100.0:
            raise InputError("Wheel", "grousers", "are too many", "take some off", self.grousers)


@dataclass(frozen=True)
class Cart(Parameters):
    name: str = parameter("cart", description="name")
    steered: bool = parameter(True, description="steered")
    drive: str = parameter("front", choices=("front", "rear"), description="driven axle")
    load: float | None = parameter(None, unit="kg", minimum=0.0, description="load")
    corners: tuple[tuple[float, float], ...] = parameter((), unit="m", description="outline")
    gears: tuple[int, int] = parameter((1, 2), minimum=1, description="gears")
    wheel: Wheel = group(Wheel, "wheel")


def read(text: str, tmp_path: Path, cls: type[Parameters] = Cart) -> Any:
    path = tmp_path / "cart.yaml"
    path.write_text(text, encoding="utf-8")
    return load_yaml(cls, path)


REFUSED = {
    "unknown key": ("wheels: {}", "wheels: unknown key; did you mean 'wheel'?"),
    "unknown nested key": ("wheel: {radus: 0.2}", "wheel.radus: unknown key; did you mean 'radius'?"),
    "unlike any": ("zzz: 1", "zzz: unknown key; known keys: name, steered"),
    "NaN": ("wheel: {radius: .nan}", "wheel.radius = nan: is not a finite number"),
    "infinite": ("load: .inf", "load = inf: is not a finite number; give a finite value in kg"),
    "beyond all floats": ("load: " + "9" * 400, "load = inf: is not a finite number"),
    "too small": ("wheel: {radius: 0.01}", "wheel.radius = 0.01: is below the least allowed 0.05 m"),
    "too large": ("wheel: {radius: 3}", "wheel.radius = 3.0: is above the most allowed 1 m"),
    "negative in a list": ("gears: [1, -2]", "gears = -2.0: is below the least allowed 1"),
    "text for a number": ("load: heavy", "load = 'heavy': has the wrong type; write a number in kg"),
    "truth for a number": ("load: true", "load = True: has the wrong type"),
    "fraction for a count": ("wheel: {grousers: 1.5}", "wheel.grousers = 1.5: has the wrong type; write a whole number"),
    "number for a truth": ("steered: 1", "steered = 1: has the wrong type; write true or false"),
    "number for a text": ("name: 3", "name = 3: has the wrong type; write a text"),
    "null for a number": ("wheel: {radius: null}", "wheel.radius: has the wrong type"),
    "unknown choice": ("drive: both", "drive = 'both': unknown choice; use one of front, rear"),
    "short list": ("gears: [1]", "gears = [1]: has 1 entries; give exactly 2"),
    "no list": ("corners: 3", "corners = 3: is not a list"),
    "short pair": ("corners: [[1, 2], [3]]", "corners = [3]: has 1 entries; give exactly 2"),
    "NaN in a pair": ("corners: [[1, .nan]]", "corners = nan: is not a finite number"),
    "number for a group": ("wheel: 3", "wheel = 3: is not a mapping"),
    "list for all": ("- 1", "top level = [1]: is not a mapping"),
    "rule of the group": ("wheel: {radius: 1.0, grousers: 200}", "wheel.grousers = 200: are too many; take some off"),
    "twice the same key": ("load: 1\nload: 2", "line 2, column 1: is not valid YAML (the key 'load' stands twice)"),
    "syntax": ("load: [1,", "line 1, column 10: is not valid YAML"),
    "tab": ("wheel:\n\tradius: 1", "line 2, column 1: is not valid YAML"),
    "list as a key": ("? [1, 2]\n: 3", "cannot be read as YAML"),
    "endless nesting": ("load: " + "[" * 3000, "cannot be read as YAML"),
    "object": ("load: !!python/object/apply:os.getcwd []", "is not valid YAML"),
    "base sixty": ("load: 1:30", "load = '1:30': has the wrong type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_file_field_and_remedy(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    with pytest.raises(InputError) as caught:
        read(text, tmp_path)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / 'cart.yaml'}: ")
    assert message in told
    assert "\n" not in told
    assert caught.value.exit_code == EXIT_USAGE


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_yaml(Cart, tmp_path / "gone.yaml")
    with pytest.raises(InputError, match="Is a directory"):
        load_yaml(Cart, tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        load_yaml(Cart, tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("written", "value"),
    [("3", 3.0), ("3.", 3.0), (".5", 0.5), ("1e3", 1000.0), ("1e-3", 0.001), ("+2.5E2", 250.0), ("1_000", 1000.0), ("010", 10.0)],
)
def test_numbers_as_people_write_them(written: str, value: float, tmp_path: Path) -> None:
    found = read(f"load: {written}", tmp_path).load
    assert found == value
    assert isinstance(found, float)


def test_defaults_an_empty_file_and_nothing_given(tmp_path: Path) -> None:
    assert read("", tmp_path) == Cart()
    assert read("load: ~", tmp_path).load is None
    assert read("wheel: {radius: 0.3}", tmp_path) == replace(Cart(), wheel=Wheel(radius=0.3))


def test_a_time_stays_the_text_that_it_is(tmp_path: Path) -> None:
    mission = read("site: {start: 2028-03-01T06:00:00}", tmp_path, MissionParameters)
    assert mission.site.start == "2028-03-01T06:00:00"
    assert read("site: {start: 2028-03-01}", tmp_path, MissionParameters).site.start == "2028-03-01"


@pytest.mark.parametrize(
    "values",
    [
        {"radius": math.nan}, {"radius": np.float32("nan")}, {"radius": np.float64("inf")}, {"radius": np.int64(7)},
        {"radius": -1.0}, {"radius": "0.2"}, {"radius": None}, {"radius": True}, {"radius": 10**400}, {"grousers": 3.0},
        {"radius": np.array(0.2)}, {"grousers": -1},
    ],
    ids=str,
)  # fmt: skip
def test_groups_built_in_python_are_checked_as_well(values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"Wheel: {next(iter(values))}"):
        Wheel(**values)


def test_numbers_of_numpy_are_numbers() -> None:
    wheel = Wheel(radius=np.float64(0.3), grousers=np.int64(4))
    assert (wheel.radius, wheel.grousers) == (0.3, 4)
    assert replace(Cart(), load=np.float32(2.0)).load == 2.0
    with pytest.raises(InputError, match="load"):
        replace(Cart(), load=np.float32("nan"))


@pytest.mark.parametrize("cls", [RoverParameters, MissionParameters, Cart])
def test_round_trip_through_a_file(cls: type[Parameters], tmp_path: Path) -> None:
    text = yaml.safe_dump(to_mapping(cls()), sort_keys=False)
    if cls is MissionParameters:  # infinity is a bound there, never a value
        assert ".inf" not in text
    assert read(text, tmp_path, cls) == cls()


@settings(max_examples=60, deadline=None)
@given(
    radius=st.floats(0.05, 1.0), grousers=st.integers(0, 90), load=st.none() | st.floats(0.0, 1e300), name=st.text(max_size=8),
    corners=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=3),
)  # fmt: skip
def test_any_value_survives_the_round_trip(
    radius: float, grousers: int, load: float | None, name: str, corners: list[tuple[float, float]]
) -> None:
    cart = Cart(name=name, load=load, corners=tuple(corners), wheel=Wheel(radius, grousers))
    assert from_mapping(Cart, to_mapping(cart), "memory") == cart
    text = yaml.safe_dump(to_mapping(cart))
    assert from_mapping(Cart, yaml.safe_load(text), "memory") == cart


def test_every_parameter_of_rover_and_mission_is_described() -> None:
    for cls in (RoverParameters, MissionParameters):
        rows = list(describe(cls))
        assert len({row["name"] for row in rows}) == len(rows) > 15
        for row in rows:
            assert row["description"], row["name"]
            assert "minimum" in row, row["name"]
    names = {row["name"] for row in describe(RoverParameters)}
    assert {"locomotion.mass", "locomotion.resistance.soil.cohesion", "battery.floor", "limits.tilt"} <= names


def test_defaults_keep_their_own_bounds() -> None:
    def walk(value: Parameters) -> None:
        type(value)(**{field.name: getattr(value, field.name) for field in fields(value)})
        for field in fields(value):
            inner = getattr(value, field.name)
            if isinstance(inner, Parameters):
                walk(inner)

    walk(RoverParameters())
    walk(MissionParameters())
