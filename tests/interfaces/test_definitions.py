"""The interface definitions as text: they parse, every field has a unit, every error code has its range."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

UNITS = {"-", "W", "J", "s", "m", "rad", "K", "m/s^k", "m/s^(k+1)", "rad/s^k", "unit"}
TIMES = {"builtin_interfaces/Time", "builtin_interfaces/Duration"}
ERROR_RANGES = {
    "action/PlanTraverse_Result": range(10100, 10200),
    "action/DriveTraverse_Result": range(10200, 10300),
    "srv/CanReach_Response": range(10300, 10400),
    "srv/Quote_Response": range(10400, 10500),
    "srv/SetLoad_Response": range(10500, 10600),
    "srv/ReserveInference_Response": range(10600, 10700),
    "action/LogQuery_Result": range(10700, 10800),
    "action/TrainVariant_Result": range(10800, 10900),
}


def declarations(text: str) -> list[tuple[str, str, str]]:
    """(type, rest of the declaration, comment) of every line that declares a field or a constant."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    halves = [(line.partition("#")[0].split(maxsplit=1), line.partition("#")[2].strip()) for line in lines]
    return [(head[0], head[1].strip(), comment) for head, comment in halves]


def test_contract_is_complete(definitions: dict[str, str]) -> None:
    names = {name.split("/", 1)[1].split("_")[0] for name in definitions}
    messages = "PowerState LoadState PowerForecast EnergyTrajectory ComplianceReport LoadCommand"
    inference = "InferenceGrant InferenceDemand InferenceReceipt"
    wanted = {f"msg/{name}" for name in (messages + " " + inference).split()}
    wanted |= {"srv/CanReach", "srv/Quote", "srv/SetLoad", "action/PlanTraverse", "action/DriveTraverse"}
    assert wanted <= names


def test_every_field_says_its_unit(definitions: dict[str, str]) -> None:
    bad = []
    for name, text in definitions.items():
        for kind, rest, comment in declarations(text):
            nested = kind[0].isupper() or ("/" in kind and kind not in TIMES)
            unit = re.match(r"\[([^\]]+)\] \S", comment)
            good = bool(comment) if nested else bool(unit and unit.group(1) in UNITS)
            bad += [] if good else [f"{name}: {kind} {rest}  # {comment}"]
    assert bad == []


def test_unit_matches_the_name(definitions: dict[str, str]) -> None:
    units = {"power": "W", "energy": "J", "heading": "rad", "duration": "s", "distance": "m", "state_of_charge": "-"}
    exceptions = {("TrajectoryPiece", "heading")}  # coefficients of a polynomial
    for name, text in definitions.items():
        for _, rest, comment in declarations(text):
            field = rest.split("=")[0].strip()
            for word, unit in units.items():
                if re.search(rf"(^|_){word}(_p\d\d)?$", field) and (name.rsplit("/", 1)[1], field) not in exceptions:
                    assert comment.startswith(f"[{unit}] "), f"{name}: {field} has no [{unit}]: {comment}"


def test_definitions_parse(definitions: dict[str, str]) -> None:
    """rosbags, an implementation of its own, reads them and finds every nested type."""
    store = get_typestore(Stores.ROS2_KILTED)
    names = {name: f"rover_energy_interfaces/msg/{name.rsplit('/', 1)[1]}" for name in definitions}  # it knows messages only
    for name, text in definitions.items():
        store.register(get_types_from_msg(text, names[name]))
    for name, text in definitions.items():
        constants, fields = store.fielddefs[names[name]]
        assert len(constants) + len(fields) == len(declarations(text)), name
    assert len({store.hash_rihs01(name) for name in names.values()}) == len(definitions)


def test_error_codes_lie_in_their_ranges(definitions: dict[str, str]) -> None:
    with_codes = {name for name, text in definitions.items() if re.search(r"^uint16 error_code\b", text, re.MULTILINE)}
    assert {name.split("/", 1)[1] for name in with_codes} == set(ERROR_RANGES)
    for name in with_codes:
        allowed = ERROR_RANGES[name.split("/", 1)[1]]
        codes = dict(re.findall(r"^uint16 ([A-Z_]+)=(\d+)", definitions[name], re.MULTILINE))
        assert codes.pop("NONE") == "0"
        assert len(codes) == len(set(codes.values())) >= 5
        assert all(int(code) in allowed for code in codes.values())
        assert re.search(r"^string error_text\b", definitions[name], re.MULTILINE)


def test_zero_means_unknown_or_refused(definitions: dict[str, str]) -> None:
    """A message that somebody forgot to fill must not read as a permission."""
    for name in ("msg/Provenance", "msg/EnergyTrajectory", "msg/ComplianceReport", "srv/CanReach_Response"):
        text = definitions[f"rover_energy_interfaces/{name}"]
        assert re.search(r"^uint8 UNKNOWN=0\b", text, re.MULTILINE), name
    assert re.search(r"^uint8 FLOOR=0\b", definitions["rover_energy_interfaces/msg/InferenceGrant"], re.MULTILINE)


def test_build_lists_every_definition(interface_package: Path) -> None:
    build = (interface_package / "CMakeLists.txt").read_text(encoding="utf-8")
    listed = set(re.findall(r'"((?:msg|srv|action)/\w+\.\w+)"', build))
    files = {path.relative_to(interface_package).as_posix() for path in interface_package.glob("*/*.*")}
    assert listed == {path for path in files if path.endswith((".msg", ".srv", ".action"))}


def test_dependencies_are_declared(interface_package: Path, definitions: dict[str, str]) -> None:
    used = {kind.split("/")[0] for text in definitions.values() for kind, _, _ in declarations(text) if "/" in kind}
    manifest = ElementTree.parse(interface_package / "package.xml").getroot()
    declared = {str(element.text) for element in manifest.findall("depend")}
    assert used <= declared
    assert "rosidl_interface_packages" in {element.text for element in manifest.findall("member_of_group")}


def test_versions_agree(interface_package: Path) -> None:
    manifest = ElementTree.parse(interface_package / "package.xml").getroot()
    text = (interface_package / "pyproject.toml").read_text(encoding="utf-8")
    project = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    assert project is not None
    assert project.group(1) == manifest.findtext("version")
