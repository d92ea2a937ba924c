"""`rover-energy park`: a parked rover's bus through real nodes, in long windows, against an integral of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from node_cases import ROOT, command, domain, needs_ros

from rover_energy.errors import InputError

pytestmark = needs_ros
SECONDS, WINDOW = 7200.0, 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan on Mars whose Sun moves, with light computed for longer than the rover stands."""
    place = tmp_path_factory.mktemp("parking")
    mission = (ROOT / "config/mission_mars.yaml").read_text(encoding="utf-8").replace("horizon: 3600.0", "horizon: 9000.0")
    (place / "mission.yaml").write_text(mission.replace("state_of_charge: 0.7", "state_of_charge: 0.3"), encoding="utf-8")
    files = ("--terrain", ROOT / "sim/worlds/crater_field.npz", "--mission", "mission.yaml")
    way = ("--start", "4,4,0.8", "--goal", "7,7,0.8")
    code, _, said = command("plan", *files, *way, "--no-report", "--out", "plan", folder=place)
    assert code == 0, said
    return place


def test_bus_of_a_parked_rover(folder: Path) -> None:
    code, text, said = command(
        "park", "--plan", "plan", "--seconds", SECONDS, "--window", WINDOW, "--out", "stood", "--domain", domain(21), "--json",
        folder=folder,
    )  # fmt: skip
    assert code == 0, said
    summary = json.loads(text)
    assert summary["windows"] >= SECONDS / WINDOW - 1
    assert summary["windows_missing"] == summary["windows_over"] == 0
    assert SECONDS <= summary["parked_s"] < 1.5 * SECONDS  # it goes on until the graph is taken down
    from rover_energy.nodes.plan_folder import read_world

    world = read_world(str(folder / "plan"))
    constant = sum(vars(world.rover.loads).values())
    assert summary["consumed_Wh"] == pytest.approx(constant * summary["windows"] * WINDOW / 3600.0, rel=1e-6)
    surplus = (summary["generated_Wh"] - summary["consumed_Wh"]) * world.rover.battery.charge_efficiency
    stored = (summary["state_of_charge_last"] - summary["state_of_charge_first"]) * world.rover.battery.capacity / 3600.0
    assert 0.0 < stored <= surplus * (1.0 + 1e-6)


@pytest.fixture(scope="module")
def with_power(folder: Path) -> Path:
    """The same plan for a rover that keeps 20 W for networks, and a store."""
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'rover-energy[infer]'")
    from small_store import small_store

    (folder / "rover.yaml").write_text("loads: {base_power: 60.0, inference_power: 20.0}\n", encoding="utf-8")
    files = ("--terrain", ROOT / "sim/worlds/crater_field.npz", "--mission", "mission.yaml", "--rover", "rover.yaml")
    way = ("--start", "4,4,0.8", "--goal", "7,7,0.8")
    code, _, said = command("plan", *files, *way, "--no-report", "--out", "powered", folder=folder)
    assert code == 0, said
    (folder / "store").mkdir()
    small_store(folder / "store")
    return folder


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_networks_of_a_parked_rover(with_power: Path, share: float) -> None:
    """Every window a look around, in time however long this machine takes; the bus carries what the receipts say."""
    out = f"live{share:g}"
    code, text, said = command(
        "park", "--plan", "powered", "--seconds", 1200.0, "--window", WINDOW, "--out", out, "--domain", domain(22), "--json",
        "--inference", "store", "--grant-share", share, folder=with_power,
    )  # fmt: skip
    assert code == 0, said
    assert "log_analyst is not started: the store has no metered variant of log_query" in said
    summary = json.loads(text)
    found = summary["inference"]
    assert summary["windows_over"] == summary["windows_missing"] == found["violations"] == found["unmetered"] == 0
    assert sum(found["grants_by_mode"].values()) == found["grants"] >= 60
    assert found["answers"] >= 50
    assert found["in_time"] >= 0.95
    assert found["longest_gap_s"] <= 2.0 * WINDOW + 1.0
    assert sum(found["runs_by_mode"]["terrain_class"].values()) == found["answers"]
    assert set(found["variants_used"]) <= {"plain", "slope"} if share == 1.0 else {"plain"}
    assert ("slope" in found["variants_used"]) == (share == 1.0), "a tenth is for the floor only"
    rest = found["receipts_J"] - found["drawn_J"]
    assert -1e-6 <= rest <= 1.5 * found["receipts_J"] / found["answers"], "the last run may end after the last window"
    joules = 60.0 * summary["windows"] * WINDOW + found["drawn_J"]
    assert summary["consumed_Wh"] * 3600.0 == pytest.approx(joules, rel=1e-6), "granted inference is no constant load"


def test_long_windows_are_for_the_loopback(plan_folder: Path) -> None:
    from rover_energy.nodes.settings import SimulatorParameters
    from rover_energy.nodes.simulator_node import Simulator

    part = Simulator.__new__(Simulator)
    part.settings = SimulatorParameters(folder=str(plan_folder), engine="mujoco", window=10.0)
    with pytest.raises(InputError, match="loopback"):
        part.configure()
