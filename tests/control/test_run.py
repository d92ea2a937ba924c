"""The loop around the controller: meter, ledger, record on disk, and the physics engine when it is there."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from drive_cases import plan, world
from rover_double import RADIUS, RoverDouble, Truth

from rover_energy.control.command import Command
from rover_energy.control.settings import ControlParameters
from rover_energy.errors import InputError
from rover_energy.simulation.loopback import LoopbackSimulator
from rover_energy.simulation.record import COLUMNS
from rover_energy.simulation.run import Driver, drive_plan

W, PLAN = world(), plan(length=5.0)


@pytest.fixture(scope="module")
def record():
    return drive_plan(PLAN, W, RoverDouble(W.surface, W.environment, W.rover, Truth()), wheel_radius=RADIUS)


def test_windows_are_whole_and_evenly_spaced(record):
    np.testing.assert_allclose(np.diff(record.time), record.window, atol=1e-9)
    assert set(record.columns) == set(COLUMNS)
    assert all(np.all(np.isfinite(column)) for column in record.columns.values())


def test_the_meter_adds_up(record):
    np.testing.assert_allclose(record.total_power, record.constant_power + record.motion_power)
    energies = record.ledger.energies()
    assert energies["motion_power"] == pytest.approx(record.motion_energy)
    assert record.ledger.closed
    assert energies["generated"] == pytest.approx(float(record.supply_power.sum()) * record.window, rel=1e-9)


def test_energy_measured_is_energy_of_the_motion(record):
    """Independent of the double's own meter: resistance, climb and slip of the recorded path."""
    v, dt = record.speed, record.window
    slope = W.surface.along_slope(record.x, record.y, record.heading)
    slips = 0.8 / (1.0 + 15.0 * np.exp(-10.0 * np.tan(slope)))
    a = np.gradient(v, dt)
    drive = np.maximum(0.0, (200.0 * (a + 1.62 * np.sin(slope)) + 80.0) * v / (1.0 - slips)) / 0.6
    turn = 40.0 * np.abs(record.yaw_rate) / 0.6
    assert float((drive + turn).sum()) * dt == pytest.approx(record.motion_energy, rel=0.02)


def test_written_and_read_again(record, tmp_path):
    record.write(tmp_path / "run")
    with (tmp_path / "run" / "run.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == record.time.size
    assert float(rows[100]["motion_power"]) == pytest.approx(record.motion_power[100], rel=1e-6)
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert facts["stop"] == "GOAL"
    assert facts["windows_over"] == 0
    assert facts["events"][0][1].startswith("GOAL")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError):
        record.write(tmp_path / "file" / "below")


def test_drivers_ramp_to_the_command():
    driver = Driver()
    driver.command = Command(0.1, 0.05, acceleration=0.5, slip=0.2)
    speeds = [driver.step(50.0, 0.01).speed for _ in range(30)]
    np.testing.assert_allclose(speeds[:3], np.array([0.005, 0.010, 0.015]) / 0.8)
    assert speeds[-1] == pytest.approx(0.125)
    assert driver.step(33.0, 0.01).power_cap == 33.0


def test_a_period_that_no_step_fits_is_refused():
    with pytest.raises(InputError, match="10 ms"):
        drive_plan(PLAN, W, RoverDouble(W.surface, W.environment, W.rover), control=ControlParameters(period=0.033))


@pytest.mark.parametrize("kind", ["loopback", "mujoco"])
def test_simulators(kind):
    from rover_energy.simulation.soil import SoilScatter

    scatter = SoilScatter(resistance=1.15, slip=0.9, mass=1.1)
    if kind == "mujoco":
        pytest.importorskip("mujoco", reason="the physics engine is not installed")
        from rover_energy.simulation.mujoco_rover import MujocoSimulator

        simulator = MujocoSimulator(W.terrain, W.surface, W.environment, W.rover, soil=scatter)
    else:
        simulator = LoopbackSimulator(W.terrain, W.surface, W.environment, W.rover, soil=scatter)
    geometry = simulator.geometry
    wheels = geometry.positions if kind == "mujoco" else None
    result = drive_plan(PLAN, W, simulator, wheel_radius=geometry.wheel_radius, wheels=wheels)
    assert result.reached
    assert result.windows_over == 0
    assert result.error_quantiles()[0] < 0.10
