"""The rules of docs/architecture.md, read from the source: directions of imports, independence of the certificate, full lists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "rover_energy"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

BASE = {"errors", "parameters", "native"}
PARAMETERS = {"rover", "mission"} | BASE
PHYSICS = {"terrain", "environment", "power", "locomotion"} | PARAMETERS
ALLOWED = {
    "errors": set(),
    "native": set(),
    "parameters": {"errors"},
    "terrain": BASE,
    "power": BASE,
    "locomotion": {"terrain"} | BASE,
    "rover": {"power", "locomotion"} | BASE,
    "mission": BASE,
    "environment": {"terrain"} | PARAMETERS,
    "planning": PHYSICS,
    "report": PHYSICS,
    # rooms of the plan of the whole that the page lists as not released
    "control": PHYSICS | {"planning"},
    "simulation": PHYSICS | {"planning", "control"},
    "inference": PHYSICS,
    "telemetry": PHYSICS | {"planning", "control", "simulation", "inference"},
}
ALLOWED["views"] = ALLOWED["telemetry"] | {"telemetry"}
ALLOWED["nodes"] = set(ALLOWED) | {"__version__"}
ALLOWED["cli"] = ALLOWED["nodes"] | {"nodes"}
JUDGES = [*sorted((PACKAGE / "planning").glob("certificate*.py")), PACKAGE / "planning" / "evaluation.py"]
OPTIMISER = {"model", "stage", "oracle", "optimiser", "plain", "solver", "transcription", "worker", "world", "scene_fields"}


def imports(path: Path) -> set[str]:
    """Full names of everything a module imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    own = room(path)
    others = {name.split(".")[1] for name in imports(path) if name.startswith("rover_energy.")} - {own}
    assert others <= ALLOWED[own], f"{path.name} of {own} imports {sorted(others - ALLOWED[own])}"


def test_the_reader_sees_late_imports_too(tmp_path: Path) -> None:
    """The rule would be worth nothing if an import inside a function escaped it."""
    source = tmp_path / "late.py"
    source.write_text("def f():\n    from rover_energy.planning import model\n    import casadi as ca\n", encoding="utf-8")
    assert imports(source) == {"rover_energy.planning.model", "casadi"}


@pytest.mark.parametrize("path", JUDGES, ids=lambda path: path.stem)
def test_the_certificate_shares_nothing_with_the_optimiser(path: Path) -> None:
    """Neither directly nor through the modules of `planning` that it uses."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        module = todo.pop()
        seen.add(module)
        for name in imports(module):
            parts = name.split(".")
            assert parts[0] != "casadi", f"{module.name} imports CasADi"
            if parts[:2] == ["rover_energy", "planning"]:
                assert parts[2] not in OPTIMISER, f"{module.name} imports {parts[2]}"
                following = PACKAGE / "planning" / f"{parts[2]}.py"
                todo += [following] if following not in seen else []


#: What only one room may import.
OWNED = {
    "rclpy": "nodes", "rover_energy_interfaces": "nodes", "launch": "nodes", "launch_ros": "nodes",
    "mujoco": "simulation", "gz": "", "rerun": "views", "foxglove": "views",
}  # fmt: skip


def test_no_core_module_knows_ros_or_a_simulator() -> None:
    for path in MODULES:
        roots = {name.split(".")[0] for name in imports(path)}
        assert [name for name, owner in OWNED.items() if name in roots and room(path) != owner] == [], path


def released() -> set[str]:
    """Rooms that the page describes."""
    return set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE))


def test_every_module_of_a_released_room_is_on_the_map() -> None:
    named = set(re.findall(r"\w+\.(?:py|c)\b", PAGE[: PAGE.index("## Other decisions")]))
    rooms = released() | PARAMETERS
    files = {path.name for path in PACKAGE.rglob("*") if path.suffix in {".py", ".c"} and room(path) in rooms}
    assert sorted(files - named - {"__init__.py"}) == []


def test_nothing_is_named_that_is_not_there() -> None:
    files = {path.name for path in PACKAGE.rglob("*")} | {path.name for path in ROOT.rglob("docs/*.py")}
    named = set(re.findall(r"`(?:\w+/)?(\w+\.(?:py|c))`", PAGE))
    assert sorted(named - files) == []


def test_every_folder_is_described_or_said_not_to_be_released() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    unreleased = set(re.findall(r"`(\w+)`", PAGE[PAGE.index("## Not in this release") :]))
    assert released() <= folders
    assert sorted(folders - released() - unreleased) == []
