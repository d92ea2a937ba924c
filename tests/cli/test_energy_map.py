"""`rover-energy plan --energy-map`: a plan that says for what ground it holds; maps that cannot be used end with one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_cases import rover_energy

from rover_energy.planning.soil_map import SoilMap, write_soil_map
from rover_energy.terrain.npz import write_npz
from rover_energy.terrain.raster import Terrain

POSES = ("--start", "4,15,0", "--goal", "26,15,0")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ground")
    y, x = np.mgrid[:61, :61] * 0.5
    write_npz(folder / "terrain.npz", Terrain(0.05 * np.sin(x / 4.0), 0.0, 0.0, 0.5))
    factor = np.where((x > 11.0) & (x < 19.0) & (y < 20.0), 3.0, 1.0)
    write_soil_map(folder / "soil.npz", SoilMap(factor, 1.1 * factor, 0.0, 0.0, 0.5))
    write_soil_map(folder / "small.npz", SoilMap(factor[:9, :9], factor[:9, :9], 0.0, 0.0, 0.5))
    (folder / "mission.yaml").write_text(
        "power_limit: 200.0\nsite: {sun_azimuth: 180.0, sun_elevation: 15.0, cast_shadows: false}\n", encoding="utf-8"
    )
    return folder


def test_plan_around_soft_ground(ground: Path, tmp_path: Path) -> None:
    done = rover_energy(
        "plan", "--terrain", ground / "terrain.npz", "--mission", ground / "mission.yaml", "--energy-map", ground / "soil.npz",
        *POSES, "--out", tmp_path / "out", "--json", "--no-report",
    )  # fmt: skip
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    plan = json.loads((tmp_path / "out" / "plan.json").read_text(encoding="utf-8"))
    assert plan["energy_map"]["confidence"] == 0.9
    assert summary["energy_map"]["margin"] >= 1.1
    stretches = plan["energy_map"]["stretches"]
    assert all(stretch["passed"] for stretch in stretches)
    assert max(stretch["declared_factor"] for stretch in stretches) < 3.0, "around, not through"
    again = rover_energy("plan", "--terrain", ground / "terrain.npz", "--mission", tmp_path / "out" / "mission.yaml", *POSES,
                "--out", tmp_path / "again", "--json", "--no-report")  # fmt: skip
    assert again.code == 0, "the written mission holds what is avoided"


@pytest.mark.parametrize(
    ("name", "said"), [("absent.npz", "cannot be read"), ("terrain.npz", "factor: is missing"), ("small.npz", "does not cover")]
)
def test_maps_that_cannot_be_used(ground: Path, tmp_path: Path, name: str, said: str) -> None:
    done = rover_energy(
        "plan", "--terrain", ground / "terrain.npz", "--energy-map", ground / name, *POSES, "--out", tmp_path / "out",
        "--no-report",
    )
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "plan.json").exists()
