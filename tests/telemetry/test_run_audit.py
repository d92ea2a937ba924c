"""Audits of made bags, against sums done by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bag_cases import INTERFACES, ROOT, Entry, battery, number, odometry, power_state, write_mcap, write_rosbag

from rover_energy.locomotion.demand import drive_power, turn_power
from rover_energy.rover import RoverParameters
from rover_energy.telemetry.audit import Audit
from rover_energy.telemetry.bag import open_bag
from rover_energy.telemetry.campaign import judge
from rover_energy.telemetry.run_audit import audit_bag
from rover_energy.telemetry.topic_mapping import Mapping, Source, read_mapping

POWER, ODOMETRY = f"{INTERFACES}/msg/PowerState", "nav_msgs/msg/Odometry"
STEP = 0.02
FLOOR = 1000.0


def drive_entries(count: int = 500, *, skip: range = range(0), over: float = 0.0) -> tuple[list[Entry], dict[str, np.ndarray]]:
    """A bus whose every term is a formula: base 50 W, motors 40 + 30 sin, generator 70 W, array 10 W, the battery the rest."""
    t = STEP * np.arange(count)
    drive = 40.0 + 30.0 * np.sin(0.7 * t)
    flow = 50.0 + drive - 80.0
    stored = 5000.0 - np.cumsum(np.where(np.arange(count) > 0, flow, 0.0)) * STEP
    available = 50.0 + drive.max() + 0.5 - np.where(np.abs(t - 2.24) < 0.1, over, 0.0)
    counter = np.cumsum(np.where(np.arange(count) > 0, drive, 0.0)) * STEP
    entries = []
    for i in range(count):
        if i in skip:
            continue
        message = power_state(
            t[i], {"base": 50.0, "drive": drive[i]}, energies={"drive": counter[i]}, rtg_power=70.0, pv_power=10.0,
            battery_power=flow[i], shunt_power=0.0, available_power=available[i], battery_energy=stored[i], battery_capacity=1e4,
            state_of_charge=stored[i] / 1e4, battery_floor=FLOOR, discharge_limit=60.0, charge_limit=60.0, residual=0.0,
        )  # fmt: skip
        entries.append(Entry("/power_state", POWER, t[i], message))
    return entries, {"t": t, "drive": drive, "flow": flow, "stored": stored, "available": available}


def audited(folder: Path, entries: list[Entry], **options: Any) -> dict[str, Any]:
    return audit_bag(open_bag(write_rosbag(folder / "run", entries, per_chunk=40)), **options)


def test_energies_peaks_and_ledger_are_those_of_the_formulas(tmp_path: Path) -> None:
    entries, made = drive_entries()
    result = audited(tmp_path, entries)
    e, windows = result["energy"], slice(1, None)
    loads = {load["name"]: load for load in e["loads"]}
    assert loads["drive"]["energy_J"] == pytest.approx(made["drive"][windows].sum() * STEP, rel=1e-9)
    assert loads["drive"]["counter_J"] == pytest.approx(loads["drive"]["energy_J"], rel=1e-9)
    assert e["consumed_J"] == pytest.approx((50.0 + made["drive"][windows]).sum() * STEP, rel=1e-9)
    assert e["generated_J"] == pytest.approx(80.0 * 499 * STEP, rel=1e-9)
    assert e["discharged_J"] - e["charged_J"] == pytest.approx(made["flow"][windows].sum() * STEP, rel=1e-9)
    assert e["stored_J"] == pytest.approx(made["stored"][-1] - made["stored"][0])
    assert e["closure"] < 1e-12
    assert e["lost_J"] == pytest.approx(0.0, abs=1e-6)
    peak = int(np.argmax(made["drive"][1:])) + 1
    assert result["compliance"]["peak_W"] == pytest.approx(50.0 + made["drive"][peak])
    assert result["compliance"]["peak_time"] == pytest.approx(made["t"][peak])
    assert result["compliance"]["passed"] is True
    assert result["compliance"]["windows"] == 499
    assert not result["loss"]["any"]


def test_it_agrees_with_the_audit_that_the_drive_keeps(tmp_path: Path) -> None:
    """`Audit.add`, window by window, is another implementation of the same rules."""
    entries, made = drive_entries(over=8.0)
    result, audit = audited(tmp_path, entries)["compliance"], Audit()
    for i, t in enumerate(made["t"]):
        audit.add(t, total=50.0 + made["drive"][i], motion=made["drive"][i], available=made["available"][i],
                  battery_margin=made["stored"][i] - FLOOR)  # fmt: skip
    assert (result["windows"], result["over"], result["missing"]) == (audit.windows, audit.over, audit.missing)
    assert result["over"] > 0
    assert result["peak_W"] == pytest.approx(audit.peak_power)
    assert result["least_margin_W"] == pytest.approx(audit.least_margin)
    assert result["least_margin_time"] == pytest.approx(audit.least_margin_time)
    floor = next(c for c in result["checks"] if c["name"] == "battery floor")
    assert floor["margin"] == pytest.approx(audit.least_battery_margin)


def test_what_is_over_is_told_in_seconds_and_joules(tmp_path: Path) -> None:
    entries, made = drive_entries(over=20.0)
    c = audited(tmp_path, entries)["compliance"]
    excess = np.maximum(50.0 + made["drive"] - made["available"], 0.0)[1:]
    assert c["joules_over"] == pytest.approx(excess.sum() * STEP)
    assert c["seconds_over"] == pytest.approx(np.count_nonzero(excess) * STEP)
    power = next(check for check in c["checks"] if check["name"] == "power")
    assert len(power["episodes"]) == 1
    assert power["episodes"][0]["greatest"] == pytest.approx(excess.max())
    assert c["passed"] is False
    assert c["limits_kept"] is False


def test_gaps_are_counted_and_their_energy_is_told_apart(tmp_path: Path) -> None:
    entries, made = drive_entries(skip=range(200, 250))
    result = audited(tmp_path, entries)
    c, e = result["compliance"], result["energy"]
    assert c["missing"] == 50
    assert c["gap_s"] == pytest.approx(50 * STEP)
    gone = (50.0 + made["drive"][200:250]).sum() * STEP
    assert e["consumed_J"] == pytest.approx((50.0 + made["drive"][1:]).sum() * STEP - gone)
    assert c["gap_energy_estimate_J"] == pytest.approx(gone, rel=0.02)
    counter = next(load["counter_J"] for load in e["loads"] if load["name"] == "drive")
    assert counter == pytest.approx(made["drive"][1:].sum() * STEP), "the load's own counter went on"
    assert c["passed"] is False
    assert any("missing" in fault["text"] for fault in result["faults"])
    topic = next(t for t in result["topics"] if t["name"] == "/power_state")
    assert (topic["gaps"], topic["longest_silence"]) == (1, pytest.approx(51 * STEP))


def test_what_a_message_declares_invalid_is_not_used(tmp_path: Path) -> None:
    entries, _ = drive_entries(100)
    for entry in entries[40:60]:
        entry.message.validity = 31 - 8
    result = audited(tmp_path, entries)
    assert result["compliance"]["unusable"] == 20
    assert result["compliance"]["passed"] is False
    told = [(e["text"], round(e["time"], 6)) for e in result["events"]]
    assert told == [("validity of loads lost", 0.8), ("validity of loads returned", 1.2)]


def test_the_model_predicts_what_it_was_made_of_and_drift_is_found(tmp_path: Path) -> None:
    """Motors that take what the demand model says, times 1.05, plus 20 W an hour."""
    rover, t = RoverParameters(), 0.05 * np.arange(4000)
    speed, pitch, turn = 0.3 + 0.1 * np.sin(0.05 * t), -0.05 * np.sin(0.02 * t), 0.05 * np.cos(0.03 * t)
    accelerations = {"acceleration": 0.005 * np.cos(0.05 * t)}
    model = drive_power(rover.locomotion, speed=speed, along_slope=-pitch, tilt=np.abs(pitch), gravity=1.62, **accelerations)
    model = model + turn_power(rover.locomotion, yaw_rate=turn, yaw_acceleration=-0.0015 * np.sin(0.03 * t))
    power = 1.05 * model + 20.0 * t / 3600.0
    entries = []
    for i in range(t.size):
        entries.append(
            Entry("/odom", ODOMETRY, t[i], odometry(t[i], x=0.3 * t[i], pitch=pitch[i], speed=speed[i], yaw_rate=turn[i]))
        )
        entries.append(Entry("/power_state", POWER, t[i], power_state(t[i], {"drive": power[i]}, validity=8)))
    drive = audited(tmp_path, entries, rover=rover)["model"]["loads"]["drive"]
    wanted = float(np.mean(power - model))
    assert drive["bias_W"] == pytest.approx(wanted, abs=0.05)
    assert drive["relative"] == pytest.approx(wanted / np.mean(model), abs=2e-3)
    slope = np.polyfit(t, power - model, 1)[0] * 3600.0
    assert drive["drift_W_per_h"] == pytest.approx(slope, abs=0.7)


def foreign(count: int = 200) -> list[Entry]:
    """Another robot: a pack that gives 2 A at 24 V, and a voltage and a current topic of a second bus."""
    entries = []
    for i in range(count):
        t = 0.1 * i
        message = battery(t, voltage=24.0, current=-2.0, capacity=10.0, percentage=80.0 - 2.0 * t / 36000.0 * 100.0)
        entries.append(Entry("/pack", "sensor_msgs/msg/BatteryState", t, message))
        entries.append(Entry("/arm/bus_voltage", "std_msgs/msg/Float32", t + 0.01, number(12.0)))
        entries.append(Entry("/arm/bus_current", "std_msgs/msg/Float32", t + 0.02, number(1.5)))
    return entries


def test_another_robots_bag_is_guessed_and_the_guesses_are_said(tmp_path: Path) -> None:
    result = audit_bag(open_bag(write_mcap(tmp_path / "other.mcap", foreign())))
    e, pack = result["energy"], result["battery"]["packs"][0]
    assert (e["kind"], e["from"]) == ("battery", "/pack")
    assert e["consumed_J"] == pytest.approx(48.0 * 19.9, rel=1e-6)
    assert pack["counted_C"] == pytest.approx(-2.0 * 19.9)
    assert pack["stated_C"] == pytest.approx(-2.0 * 19.9, rel=0.01)
    assert pack["in_percent"]
    assert result["compliance"]["passed"] is None
    assert sum("a guess" in remark for remark in result["remarks"]) == 3
    assert any("percent" in fault["text"] for fault in result["faults"])


def test_a_mapping_decides(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("voltage: /arm/bus_voltage\ncurrent: {topic: arm/bus_current, scale: 2.0}\nbattery: /elsewhere\n"
                    "limits: {power: 30.0}\n",
                    encoding="utf-8")  # fmt: skip
    result = audit_bag(open_bag(write_mcap(tmp_path / "other.mcap", foreign())), mapping=read_mapping(path))
    assert result["energy"]["kind"] == "volts times amperes"
    assert result["energy"]["consumed_J"] == pytest.approx(36.0 * 19.9, rel=1e-6)
    assert result["compliance"]["seconds_over"] == pytest.approx(19.9, rel=1e-6)
    assert {role["how"] for role in result["roles"]} == {"map"}


def test_loads_can_be_mapped_by_field_and_scale(tmp_path: Path) -> None:
    mapping = Mapping({"/pack": Source("load radio", "/pack", "voltage", 0.5)})
    result = audit_bag(open_bag(write_mcap(tmp_path / "other.mcap", foreign())), mapping=mapping)
    assert [role["field"] for role in result["roles"] if role["topic"] == "/pack"] == ["voltage"]


def test_sqlite_gives_the_same_account(tmp_path: Path) -> None:
    entries, _ = drive_entries()
    mcap = audited(tmp_path, entries)
    other = audit_bag(open_bag(write_rosbag(tmp_path / "sql", entries, sqlite=True)))
    assert other["bag"]["storage"] == "sqlite3"
    for part in ("energy", "compliance", "events", "series"):
        assert repr(other[part]) == repr(mcap[part])
    file = next((tmp_path / "sql").glob("*.db3"))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3])
    cut = audit_bag(open_bag(tmp_path / "sql"))
    assert cut["loss"]["any"]
    assert 0 <= cut["bag"]["messages"] < 500


def test_a_cut_bag_is_audited_as_far_as_it_goes(tmp_path: Path) -> None:
    entries, made = drive_entries()
    file = write_rosbag(tmp_path / "run", entries, per_chunk=40) / "run.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    result = audit_bag(open_bag(tmp_path / "run"))
    n = result["bag"]["messages"]
    assert n % 40 == 0
    assert 0 < n < 500
    assert result["loss"]["messages"] == 500 - n, "metadata.yaml still knows how many there were"
    assert not result["loss"]["messages_unknown"]
    assert result["energy"]["consumed_J"] == pytest.approx((50.0 + made["drive"][1:n]).sum() * STEP, rel=1e-9)


def test_stamps_that_cannot_be_believed_give_way_to_the_recording(tmp_path: Path) -> None:
    entries, made = drive_entries(200)
    for entry in entries:
        entry.message.header.stamp.sec = entry.message.header.stamp.nanosec = 0
    result = audited(tmp_path, entries)
    assert result["energy"]["consumed_J"] == pytest.approx((50.0 + made["drive"][1:200]).sum() * STEP, rel=1e-6)
    assert any("timed by its recording" in remark for remark in result["remarks"])


def test_the_same_bag_twice_gives_the_same_account(tmp_path: Path) -> None:
    entries, _ = drive_entries(120)
    folder = write_rosbag(tmp_path / "run", entries, per_chunk=7)
    assert repr(audit_bag(open_bag(folder))) == repr(audit_bag(open_bag(folder)))


def test_a_bag_without_power_says_so(tmp_path: Path) -> None:
    result = audited(tmp_path, [Entry("/odom", ODOMETRY, 0.1 * i, odometry(0.1 * i)) for i in range(30)])
    assert result["compliance"]["passed"] is None
    assert math.isnan(result["compliance"]["least_margin_W"])
    assert any("no topic tells the power" in fault["text"] for fault in result["faults"])
    assert result["energy"]["consumed_J"] is None, "not known is not nothing"
    assert judge(result) == "unjudged"


def test_the_way_is_that_between_places_else_that_of_the_speed(tmp_path: Path) -> None:
    for x, speed, way in ((0.3, 0.3, 0.3 * 9.9), (math.nan, 0.3, 0.3 * 9.9), (math.nan, math.nan, None)):
        entries = [Entry("/odom", ODOMETRY, 0.1 * i, odometry(0.1 * i, x=x * 0.1 * i, speed=speed)) for i in range(100)]
        found = audited(tmp_path / f"{x}{speed}", entries)["motion"]["distance_m"]
        assert found == (None if way is None else pytest.approx(way, rel=0.02))


def test_two_robots_in_one_bag_are_not_mixed_up(tmp_path: Path) -> None:
    entries, made = drive_entries(200)
    other = [Entry("/two/power_state", POWER, e.time + 0.003, power_state(e.time, {"drive": 5.0}, validity=8)) for e in entries]
    result = audited(tmp_path, sorted([*entries, *other], key=lambda e: e.time))
    assert result["energy"]["from"] == "/power_state"
    assert result["energy"]["consumed_J"] == pytest.approx((50.0 + made["drive"][1:200]).sum() * STEP, rel=1e-9)
    assert any("/two/power_state is left out" in remark for remark in result["remarks"])


def test_a_bag_in_several_files_one_of_them_spoilt(tmp_path: Path) -> None:
    entries, made = drive_entries(300)
    folder = tmp_path / "split"
    folder.mkdir()
    for i in range(3):
        write_mcap(folder / f"split_{i}.mcap", entries[100 * i : 100 * (i + 1)])
    whole = audit_bag(open_bag(folder))
    assert whole["energy"]["consumed_J"] == pytest.approx((50.0 + made["drive"][1:300]).sum() * STEP, rel=1e-9)
    assert not whole["loss"]["any"]
    (folder / "split_1.mcap").write_bytes(b"x" * 5000)
    result = audit_bag(open_bag(folder))
    assert result["compliance"]["missing"] == 100
    assert result["loss"]["bytes"] == 5000


def test_keys_of_the_audit_are_on_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page[page.index("| key of `audit.json` |") : page.index("## Mapping file of an audit")]
    named = {name for row in section.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    result = set(audited(tmp_path, drive_entries(50)[0]))
    assert result - named == {"version", "more_events"}
    assert named <= result
