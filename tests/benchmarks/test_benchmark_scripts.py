"""The benchmarks run, print their table and write their file, with tiny settings. Nothing is said here about times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {
    "campaign": ("campaign", "--problems", "2", "--settings", "battery", "--ompl-seconds", "0.2"),
    "optimality": ("optimality", "--problems", "1", "--settings", "battery", "--ompl-seconds", "0"),
    "solve_times": ("solve_times", "--problems", "1", "--replans", "1", "--peer-seconds", "2"),
    "replanning": ("replanning", "--problems", "3", "--times", "2"),
    "growth": ("growth", "--lengths", "20"),
    "paper_table": ("paper_table", "--problems", "1"),
    "hangs": ("hangs", "--problems", "2"),
    "bag_damage": ("bag_damage", "--problems", "10"),
    "figures": ("figures", "--problems", "1"),
    "meter_tree": ("meter_tree", "--samples", "4000"),
    "refit": ("refit", "--problems", "2"),
    "energy_map": ("energy_map", "--problems", "1", "--no-drive"),
    "inference_table": ("inference_table", "--systems", "footprint"),
}


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_folder() -> None:
    if not (ROOT / "benchmarks" / "common.py").is_file():
        pytest.skip("the benchmarks are not part of an installed package")


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs(name: str, tmp_path: Path) -> None:
    if name == "energy_map":
        pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
    script, *options = SCRIPTS[name]
    target = tmp_path / "result.json"
    command = [sys.executable, f"benchmarks/{script}.py", "--quick", "--seed", "3", "--json", str(target), *options]
    roots = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(root for root in roots if root))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "seed: 3" in done.stdout
    assert "-----" in done.stdout
    data = json.loads(target.read_text(encoding="utf-8"))
    assert data["benchmark"] == name
    assert data["results"]
    assert data["machine"]["versions"]["numpy"]
