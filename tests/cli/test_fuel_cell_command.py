"""`rover-energy infer fuel-cell`: what it prints is a rover, and bad words are said in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cli_cases import rover_energy

from rover_energy.parameters import load_yaml
from rover_energy.power.fuel_cell import FuelCellParameters, storage
from rover_energy.rover import RoverParameters

COMMAND = ("infer", "fuel-cell")


def test_what_it_prints_is_read_as_a_rover(tmp_path: Path) -> None:
    done = rover_energy(*COMMAND, "--capacity", "7.2e6", "--power", "120", "--charge-power", "80")
    assert done.code == 0, done.err
    path = tmp_path / "rover.yaml"
    path.write_text(done.out, encoding="utf-8")
    battery = load_yaml(RoverParameters, path).battery
    assert battery == storage(FuelCellParameters(), capacity=7.2e6, discharge_power=120.0, charge_power=80.0)
    data = rover_energy(*COMMAND, "--capacity", "7.2e6", "--power", "120", "--charge-power", "80", "--json").json
    assert data["battery"] == yaml.safe_load(done.out)["battery"]
    assert data["intensity_through_store"] == pytest.approx(1.0 / (battery.charge_efficiency * battery.discharge_efficiency))


def test_other_metals_by_the_toy_potential() -> None:
    pytest.importorskip("ase", reason="ase is not installed: pip install 'rover-energy[chemistry]'")
    platinum, gold = (rover_energy(*COMMAND, "--metal", m, "--energies", "emt", "--json").json for m in ("Pt", "Au"))
    assert platinum["oxygen_energy_eV"] == 1.62
    assert gold["oxygen_energy_eV"] > platinum["oxygen_energy_eV"]
    assert gold["battery"]["discharge_efficiency"] != platinum["battery"]["discharge_efficiency"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metal", "Au"), "--energies emt"), (("--energies", "dft"), "use one of"), (("--power", "9000"), "larger area"),
        (("--power", "nan"), "--power"), (("--oxygen-energy", "nan"), "oxygen_energy"), (("--area", "0"), "area"),
        (("--metal", "Fe", "--energies", "emt"), "is unknown"),
    ],
)  # fmt: skip
def test_bad_words(words: tuple[str, ...], said: str) -> None:
    if "Fe" in words:
        pytest.importorskip("ase", reason="ase is not installed: pip install 'rover-energy[chemistry]'")
    done = rover_energy(*COMMAND, *words)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
