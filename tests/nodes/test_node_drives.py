"""Whole drives by `rover-energy drive`: real nodes, real messages, judged again from the bag."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_cases import GOAL, ROOT, drive, needs_ros

from rover_energy.parameters import load_yaml
from rover_energy.rover import RoverParameters

pytestmark = needs_ros
WINDOW = 0.02


@pytest.fixture(params=["loopback", "mujoco"])
def driven(request: pytest.FixtureRequest) -> SimpleNamespace:
    done: SimpleNamespace = request.getfixturevalue(request.param)
    assert done.code == 0, (done.remarks, done.summary)
    return done


def bag(done: SimpleNamespace, *topics: str) -> list[list[Any]]:
    from rover_energy.nodes.summary import read_bag

    found = read_bag(done.out / "bag", topics)
    return [found[name] for name in topics]


def stamp(message: Any) -> float:
    return float(message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec)


def test_goal_is_reached(driven: SimpleNamespace) -> None:
    (odometry,) = bag(driven, "odom")
    last = odometry[-1].pose.pose
    assert math.dist((last.position.x, last.position.y), GOAL[:2]) <= 0.10
    assert 2.0 * math.atan2(last.orientation.z, last.orientation.w) == pytest.approx(GOAL[2], abs=0.15)  # on a slope
    assert abs(odometry[-1].twist.twist.linear.x) <= 0.01


def test_no_window_is_above_what_was_available(driven: SimpleNamespace) -> None:
    """Every power_state of the drive: the sum of its loads, against generator and array, as this mission has no battery."""
    (states,) = bag(driven, "power_state")
    total = np.array([sum(load.power for load in m.loads) for m in states])
    supply = np.array([m.rtg_power + m.pv_power for m in states])
    assert np.isfinite(total).all()
    assert (total <= supply + 1e-9).all()
    assert driven.summary["windows_over"] == 0
    assert driven.summary["windows_missing"] == 0
    assert driven.summary["peak_power_W"] == pytest.approx(total.max(), abs=1e-9)
    assert driven.summary["least_power_margin_W"] == pytest.approx((supply - total)[total > 60.0].min(), abs=0.5)
    seconds = np.diff([stamp(m) for m in states])
    assert seconds == pytest.approx(WINDOW, abs=1e-6), "a window is missing"


def test_motors_keep_to_the_cap_they_were_sent(driven: SimpleNamespace) -> None:
    states, commands = bag(driven, "power_state", "load_command")
    caps = {round(stamp(c) / WINDOW): c.power_limit for c in commands}
    for m in states[1:]:
        motion = sum(load.power for load in m.loads if load.name == "drive")
        assert motion <= caps[round(stamp(m) / WINDOW) - 1] + 0.5, f"at {stamp(m)} s"


def test_energy_is_that_of_the_meter_and_near_the_plan(driven: SimpleNamespace) -> None:
    (states,) = bag(driven, "power_state")
    motors = [load for m in states for load in m.loads if load.name == "drive"]
    assert motors[-1].energy == pytest.approx(sum(load.power for load in motors[1:]) * WINDOW, rel=1e-6)
    assert driven.summary["motion_energy_J"] == pytest.approx(motors[-1].energy, rel=0.01)
    assert 0.9 <= driven.summary["motion_energy_over_plan"] <= 1.25


def test_joints_tell_the_same_power_as_the_meter(mujoco: SimpleNamespace, plan_folder: Path) -> None:
    """Torque times speed of the wheels over the efficiency; steering, which has no torque sensor, is the rest."""
    states, joints = bag(mujoco, "power_state", "joint_states")
    efficiency = load_yaml(RoverParameters, plan_folder / "rover.yaml").locomotion.drivetrain_efficiency
    effort, speed = (np.array([getattr(m, name)[:6] for m in joints]) for name in ("effort", "velocity"))
    wheels = np.maximum(effort * speed, 0.0).sum() * WINDOW / efficiency
    metered = next(load for load in states[-1].loads if load.name == "drive").energy
    assert 0.85 * metered <= wheels <= 1.03 * metered


def test_tracking(driven: SimpleNamespace) -> None:
    assert driven.summary["position_error_95_m"] <= (0.05 if "loopback" in str(driven.out) else 0.15)
    assert driven.summary["heading_error_95_deg"] <= 5.0


def test_harder_ground_takes_longer(mujoco: SimpleNamespace) -> None:
    assert mujoco.summary["duration_s"] > mujoco.summary["planned_duration_s"]


def test_summary_is_written(driven: SimpleNamespace) -> None:
    assert json.loads((driven.out / "drive.json").read_text(encoding="utf-8")) == driven.summary
    assert {path.name for path in driven.out.iterdir()} == {"bag", "log", "state", "drive.json"}


def test_a_bag_is_not_written_over(loopback: SimpleNamespace, plan_folder: Path) -> None:
    again = drive(plan_folder, loopback.out, "--simulator", "loopback")
    assert again.code == 2
    assert "holds a bag already" in again.remarks


def test_plans_without_a_certificate_are_refused(plan_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    folder.mkdir()
    for path in plan_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    plan["certificate"]["passed"] = False
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    done = drive(folder, tmp_path / "out", "--simulator", "loopback")
    assert done.code == 2
    assert "certificate.passed" in done.remarks
    assert not (tmp_path / "out").exists()


def test_diagnostics_are_well(driven: SimpleNamespace) -> None:
    """Meter and wheels agree in MuJoCo; in both, bus and battery are well in every report but the first."""
    (arrays,) = bag(driven, "diagnostics")
    assert len(arrays) >= 2
    found = {(status.name, int(status.level)) for array in arrays[1:] for status in array.status}
    assert {("power: bus", 0), ("power: battery", 0)} <= found
    assert {level for name, level in found if name != "power: motors"} == {0}
    if driven.summary["real_time_s"] and "mujoco" in str(driven.out):
        assert ("power: motors", 0) in found
        assert ("power: motors", 2) not in found


def test_keys_of_the_summary_are_on_the_page(driven: SimpleNamespace) -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page[page.index("| key of `drive.json` |") :].split("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(driven.summary)
