"""A plan and two drives of it, made once for all tests of the nodes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from node_cases import GOAL, ROOT, command, drive


@pytest.fixture(scope="session")
def plan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven metres over the example ground, on generator and array alone."""
    folder = tmp_path_factory.mktemp("plans")
    files = ("--terrain", ROOT / "sim/worlds/crater_field.npz", "--mission", ROOT / "config/mission_no_battery.yaml")
    goal = ",".join(str(v) for v in GOAL)
    code, _, said = command("plan", *files, "--start", "4,4,0.8", "--goal", goal, "--no-report", "--out", "plan", folder=folder)
    assert code == 0, said
    return folder / "plan"


@pytest.fixture(scope="session")
def loopback(plan_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    return drive(plan_folder, tmp_path_factory.mktemp("loopback") / "out", "--simulator", "loopback")


@pytest.fixture(scope="session")
def mujoco(plan_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """On ground that resists 15 % more than the planner believes."""
    pytest.importorskip("mujoco", reason="mujoco is not installed: pip install 'rover-energy[simulation]'")
    out = tmp_path_factory.mktemp("mujoco") / "out"
    return drive(plan_folder, out, "--simulator", "mujoco", "--resistance", "1.15", "--no-picture")
