"""The repository root as a pip package and as an ament_python package: both declare the same, and nothing is left out."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "rover_energy"
BUILD_INPUTS = ("pyproject.toml", "setup.py", "package.xml", "LICENSE", "resource", "launch", "config", "sim", "scripts", "src")
OPTIONAL = (
    "rasterio", "matplotlib", "mujoco", "typer", "rich", "rclpy", "rover_energy_interfaces", "rosbags", "mcap", "foxglove",
    "rerun", "pyarrow", "duckdb", "distributed", "torch", "sklearn", "onnx", "onnxruntime", "zeus",
)  # fmt: skip
ROSDEP_KEYS = {  # requirement -> key of the rosdep database
    "numpy": "python3-numpy",
    "scipy": "python3-scipy",
    "casadi": "casadi-pip",
    "shapely": "python3-shapely",
    "pyyaml": "python3-yaml",
    "rasterio": "python3-rasterio",
    "matplotlib": "python3-matplotlib",
    "typer": "python3-typer",
    "rich": "python3-rich",
}

NODES = {  # what the nodes import, by the names of ROS packages
    "rclpy", "rover_energy_interfaces", "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "lifecycle_msgs", "nav_msgs",
    "rcl_interfaces", "rosgraph_msgs", "sensor_msgs", "std_msgs", "python3-rosbags-pip",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, so that no build folder of an earlier run can lend it a file."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in BUILD_INPUTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    done = subprocess.run([*command, str(out), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def manifest() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def distribution_info(installed: Path) -> Path:
    (found,) = installed.glob("*.dist-info")
    return found


def source_modules() -> list[str]:
    paths = sorted(path.relative_to(ROOT / "src").with_suffix("") for path in PACKAGE.rglob("*.py"))
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def test_wheel_is_pure_and_whole(wheel: Path, installed: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    wanted = {p.relative_to(PACKAGE) for p in PACKAGE.rglob("*") if p.is_file() and p.suffix not in {".pyc", ".so"}}
    shipped = {p.relative_to(installed / "rover_energy") for p in (installed / "rover_energy").rglob("*") if p.is_file()}
    assert shipped == wanted


def test_ament_files_are_installed(installed: Path) -> None:
    (share,) = installed.glob("*.data/data/share")
    assert (share / "ament_index" / "resource_index" / "packages" / "rover_energy").is_file()
    assert (share / "rover_energy" / "package.xml").read_bytes() == (ROOT / "package.xml").read_bytes()
    for folder in ("launch", "config", "sim"):
        wanted = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        shipped = {p.relative_to(share / "rover_energy") for p in (share / "rover_energy" / folder).rglob("*") if p.is_file()}
        assert shipped == wanted


def test_every_node_is_a_program_of_ros2_run(installed: Path) -> None:
    nodes = {path.stem for path in (PACKAGE / "nodes").glob("*.py") if "\ndef main(" in path.read_text(encoding="utf-8")}
    (folder,) = installed.glob("*.data/data/lib/rover_energy")
    assert {path.name for path in folder.iterdir()} == nodes - {"nursery", "deployment"}  # started by others, never by name
    assert all((ROOT / "scripts" / path.name).stat().st_mode & 0o111 for path in folder.iterdir())


def test_name_version_and_licence_agree(installed: Path) -> None:
    metadata = (distribution_info(installed) / "METADATA").read_text(encoding="utf-8")
    module = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    assigned = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert manifest().findtext("name") == "rover_energy"
    assert manifest().findtext("version") == assigned["__version__"]
    assert f"\nVersion: {assigned['__version__']}\n" in metadata
    assert manifest().findtext("license") == "Apache-2.0"
    assert re.search(r"^License(-Expression)?: Apache-2\.0$", metadata, re.MULTILINE)
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_changelog_has_the_version() -> None:
    version = manifest().findtext("version")
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] in {"Unreleased", version}


def requirements(installed: Path) -> dict[str, set[str]]:
    """Names of the required packages of the core (key "") and of each extra, as the built metadata has them."""
    metadata = (distribution_info(installed) / "METADATA").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE):
        extra = re.search(r"extra == [\"'](\w+)[\"']", line)
        name = re.split(r"[<>=~\[ ;]", line, maxsplit=1)[0].lower()
        found.setdefault(extra.group(1) if extra else "", set()).add(name)
    return found


#: without a rosdep key, or declared with the nodes
PIP_ONLY = {"mujoco", "rosbags", "pyarrow", "duckdb", "dask"}


def test_ros_manifest_declares_what_users_need(installed: Path) -> None:
    names = requirements(installed)
    declared = {element.text for element in manifest().findall("exec_depend")}
    assert {ROSDEP_KEYS[name] for name in (names[""] | names["all"]) - PIP_ONLY} | NODES == declared


#: used where they are installed, and said to be absent where not
WHEN_PRESENT = {"nav2_msgs", "grid_map_msgs"}


def test_ros_manifest_declares_what_the_nodes_import() -> None:
    """Modules are named in strings, as they are imported late."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "nodes").glob("*.py"))
    named = set(re.findall(r"\"(\w+)[./](?:msg|srv|action)\b", source)) - {"package"} | {"rclpy"}
    own = {"rover_energy_interfaces"}
    assert named - own - WHEN_PRESENT == {name for name in NODES if "-" not in name} - own


def test_all_is_the_sum_of_the_extras_for_users(installed: Path) -> None:
    names = requirements(installed)
    assert names["all"] == names["terrain"] | names["report"] | names["cli"] | names["simulation"] | names["audit"]
    users = {"terrain", "report", "cli", "simulation", "audit"}
    assert set(names) == users | {"", "all", "ros", "tables", "views", "infer", "chemistry", "test", "bench"}


def test_dependencies_are_explained(installed: Path) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    names = set().union(*requirements(installed).values())
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_every_module_of_the_wheel_imports(installed: Path, tmp_path: Path) -> None:
    """From the wheel, in another folder, with nothing but the core dependencies: what is optional is imported late."""
    modules = [name for name in source_modules() if not name.startswith("rover_energy.cli")]
    script = f"""
import importlib, json, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError("not installed here: " + name, name=name)
sys.meta_path.insert(0, Absent())
failed = {{}}
for name in {modules!r}:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
import rover_energy
print(json.dumps([rover_energy.__file__, failed]))
"""
    environment = {**os.environ, "PYTHONPATH": str(installed), "ROVER_ENERGY_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    place, failed = json.loads(done.stdout.splitlines()[-1])
    assert Path(place).is_relative_to(installed)
    assert failed == {}


def test_command_is_declared(installed: Path) -> None:
    scripts = configparser.ConfigParser()
    scripts.read(distribution_info(installed) / "entry_points.txt")
    assert scripts["console_scripts"]["rover-energy"] == "rover_energy.cli.main:main"


def test_make_explains_itself() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^make (\w+) ", shown, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony is not None
    assert targets == set(phony.group(1).split()) >= {"venv", "demo", "test", "lint", "bench", "clean", "help"}


def test_continuous_integration_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "make test" in text
