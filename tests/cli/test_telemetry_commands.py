"""battery-lint, refit, import, forecast-score and meters: from bags and tables to findings, files and exit codes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cli_cases import data, rover_energy

from rover_energy.telemetry.made_meters import LOADS, make_readings, rover_tree

ROOT = Path(__file__).resolve().parents[2]
BATTERY, FORECAST, STATE = "sensor_msgs/msg/BatteryState", "rover_energy_interfaces/msg/PowerForecast", (
    "rover_energy_interfaces/msg/PowerState"
)  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Any:
    """Types of ROS 2 and of the message package, without ROS."""
    typesys = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
    made = typesys.get_typestore(typesys.Stores.ROS2_KILTED)
    types: dict[Any, Any] = {}
    for path in (ROOT / "ros_ws/src/rover_energy_interfaces/msg").glob("*.msg"):
        types.update(typesys.get_types_from_msg(path.read_text(encoding="utf-8"), f"rover_energy_interfaces/msg/{path.stem}"))
    made.register(types)
    return made


def write_bag(bag: Path, store: Any, messages: list[tuple[str, str, float, Any]]) -> Path:
    from rosbags import rosbag2

    with rosbag2.Writer(bag, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for topic, kind, time, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], round(time * 1e9), store.serialize_cdr(message, kind))
    return bag


def header(store: Any, time: float) -> Any:
    stamp = store.types["builtin_interfaces/msg/Time"](sec=int(time), nanosec=round(time % 1.0 * 1e9))
    return store.types["std_msgs/msg/Header"](stamp=stamp, frame_id="base_link")


def battery(store: Any, time: float, **changed: Any) -> Any:
    current = -2.0 + 0.3 * math.sin(time)
    fields: dict[str, Any] = {
        "voltage": 24.0 + 0.05 * current, "temperature": 20.0, "current": current, "charge": math.nan, "capacity": math.nan,
        "design_capacity": math.nan, "percentage": 0.8 - 1e-4 * time, "power_supply_status": 2, "power_supply_health": 1,
        "power_supply_technology": 2, "present": True, "cell_voltage": np.zeros(0, np.float32),
        "cell_temperature": np.zeros(0, np.float32), "location": "bay", "serial_number": "1", **changed,
    }  # fmt: skip
    return store.types[BATTERY](header=header(store, 1000.0 + time), **fields)


def test_battery_lint_of_a_right_and_a_wrong_stream(store: Any, tmp_path: Path) -> None:
    right = [("/battery", BATTERY, 1000.0 + t, battery(store, float(t))) for t in range(60)]
    outcome = rover_energy("battery-lint", write_bag(tmp_path / "right", store, right), "--json")
    assert outcome.code == 0, outcome.out
    assert outcome.json["streams"][0]["findings"] == []
    wrong = [("/battery", BATTERY, 1000.0 + t, battery(store, float(t), percentage=80.0 - 0.01 * t)) for t in range(60)]
    bag = write_bag(tmp_path / "wrong", store, wrong)
    outcome = rover_energy("battery-lint", bag)
    assert outcome.code == 1
    for part in ("unit_percent", "percentage = 80", "message 0", "divide by 100", "multiplied by 0.01", "leave nothing"):
        assert part in outcome.out
    found = rover_energy("battery-lint", bag, "--topic", "/battery", "--json").json["streams"][0]
    assert [finding["code"] for finding in found["findings"]] == ["unit_percent"]
    assert found["left"] == []


def test_battery_lint_without_a_battery(store: Any, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", store, [("/battery", BATTERY, 1000.0, battery(store, 0.0))])
    for words, told in ((("--topic", "/other"), "/battery"), (("--age", "nan"), "--age")):
        outcome = rover_energy("battery-lint", bag, *words)
        assert outcome.code == 2
        assert told in outcome.err
        assert len(outcome.lines) == 1
    assert rover_energy("battery-lint", tmp_path / "nothing").code == 2
    (tmp_path / "bag" / "bag.mcap").write_bytes(b"no bag at all")
    outcome = rover_energy("battery-lint", tmp_path / "bag")
    assert outcome.code == 2
    assert len(outcome.lines) == 1


def test_refit_of_the_real_rover_from_its_bags(tmp_path: Path) -> None:
    pytest.importorskip("rosbags", reason="rosbags is not installed")
    folder = data("cuadriga")
    outcome = rover_energy("import", "cuadriga", folder, "--out", tmp_path / "bags", "--json")
    assert outcome.code == 0, outcome.err
    bags = outcome.json["bags"]
    assert len(bags) == 22
    words = ("refit", *bags, "--signal", "current", "--gravity", "9.80665", "--mass", "180", "--out", tmp_path / "rover.yaml")
    outcome = rover_energy(*words, "--json")
    assert outcome.code == 0, outcome.err
    scores = outcome.json["scores"]
    assert scores["refit"]["r2"] > 0.55 > 2.0 * scores["constant_grade"]["r2"]
    written = yaml.safe_load((tmp_path / "rover.yaml").read_text())
    assert written["locomotion"]["mass"] == 180.0
    assert written["locomotion"]["turn_moment"] == outcome.json["estimates"][1]["value"]
    assert rover_energy("refit", *bags[:2], "--signal", "current").code == 2, "no inertial unit, so gravity must be given"
    assert rover_energy("refit", bags[0], "--gravity", "1.62").code == 2, "no power in these bags"


def test_refit_refuses_to_write_what_predicts_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{0.1 * k:.1f},0.3,0.0,{0.1 * math.sin(0.01 * k):.5f},{50.0 + 10.0 * rng.normal():.3f}" for k in range(3000)]
    (tmp_path / "noise.csv").write_text("\n".join(["t,speed,yaw_rate,along_slope,power", *rows]) + "\n")
    outcome = rover_energy("refit", tmp_path / "noise.csv", "--gravity", "9.8", "--out", tmp_path / "rover.yaml")
    assert outcome.code == 1
    assert "nothing is written" in outcome.err
    assert not (tmp_path / "rover.yaml").exists()


def forecast(store: Any, start: float, power: float, battery_now: float) -> Any:
    steps = np.arange(0.0, 200.0, 10.0)
    shares = {"p10": 0.9, "p50": 1.0, "p90": 1.1}
    fields: dict[str, Any] = {"time": steps}
    for name, share in shares.items():
        fields[f"load_power_{name}"] = np.full(len(steps), power * share)
        fields[f"available_power_{name}"] = np.full(len(steps), 100.0 * share)
        fields[f"battery_energy_{name}"] = battery_now - power * (2.0 - share) * steps
        fields[f"time_to_floor_{name}"] = (battery_now - 2000.0) / (power * (2.0 - share))
    provenance = store.types["rover_energy_interfaces/msg/Provenance"](value=5)
    return store.types[FORECAST](
        header=header(store, start), battery_floor=2000.0, missing_inputs=0, model="made", provenance=provenance, **fields
    )


def state(store: Any, time: float, energy: float) -> Any:
    provenance = store.types["rover_energy_interfaces/msg/Provenance"](value=1)
    load = store.types["rover_energy_interfaces/msg/LoadState"](
        name="drive", power=50.0, energy=0.0, age=0.0, enabled=True, valid=True, provenance=provenance
    )
    numbers = dict.fromkeys(
        ("rtg_power", "pv_power", "battery_power", "shunt_power", "battery_capacity", "state_of_charge", "battery_floor",
         "battery_temperature", "discharge_limit", "charge_limit", "residual"), 0.0,
    )  # fmt: skip
    return store.types[STATE](
        header=header(store, time), loads=[load], available_power=100.0, battery_energy=energy, validity=31, **numbers,
        rtg_provenance=provenance, pv_provenance=provenance, battery_provenance=provenance,
    )  # fmt: skip


def test_forecasts_of_a_bag(store: Any, tmp_path: Path) -> None:
    """50 W for 160 s from 10 kJ: the floor of 2 kJ comes at 160 s, and a forecaster that knows the power knows that."""
    rows: list[tuple[str, str, float, Any]] = []
    for t in range(181):
        energy = 10000.0 - 50.0 * t
        rows.append(("/power_state", STATE, 100.0 + t, state(store, 100.0 + t, energy)))
        if t % 20 == 0 and t < 160:
            rows.append(("/forecast", FORECAST, 100.0 + t, forecast(store, 100.0 + t, 50.0, energy)))
    bag = write_bag(tmp_path / "bag", store, rows)
    outcome = rover_energy("forecast-score", bag, "--goal-time", "150", "--json")
    assert outcome.code == 0, outcome.err
    made = outcome.json["models"]["made"]
    assert made["time_to_floor"]["quantiles"]["count"] == 8
    assert made["time_to_floor"]["quantiles"]["bias"] == pytest.approx(0.0, abs=1e-3)  # the floor counts as met 2 mJ above it
    assert made["energy_to_goal"]["quantiles"]["bias"] == pytest.approx(0.0, abs=1e-6)
    assert made["load"]["coverage"] == 1.0
    text = rover_energy("forecast-score", bag).out
    assert "time to floor [s]" in text
    assert "by quarter" in text
    assert rover_energy("forecast-score", write_bag(tmp_path / "none", store, rows[:1])).code == 2


def readings(path: Path, faults: int, seed: int) -> Path:
    tree = rover_tree()
    made = make_readings(tree, 3000, faults=faults, seed=seed)
    titles = ["time", *(f"{name}.P" for name in tree.names), *(f"{name}.W" for name in tree.names)]
    table = np.column_stack((made.time, made.power, made.energy))
    np.savetxt(path, table, delimiter=",", header=",".join(titles), comments="", fmt="%.9g")
    rows = {
        name: {key: getattr(meter, key) for key in ("parent", "sign", "rating", "noise")} for name, meter in tree.meters.items()
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump({"meters": rows}, sort_keys=False))
    return path


def test_meters_of_a_table(tmp_path: Path) -> None:
    table = readings(tmp_path / "readings.csv", 8, 1)
    outcome = rover_energy("meters", table, "--tree", table.with_suffix(".yaml"), "--out", tmp_path / "issues.yaml", "--json")
    assert outcome.code == 1
    assert outcome.json["faulty_instants"] > 100
    assert list(LOADS["mobility"]) in outcome.json["not_told_apart"]
    assert len(yaml.safe_load((tmp_path / "issues.yaml").read_text())) == len({
        (issue["meter"], issue["reason"], issue["start"]) for issue in outcome.json["issues"]
    })  # fmt: skip
    assert "cannot tell apart" in rover_energy("meters", table, "--tree", table.with_suffix(".yaml")).out
    (tmp_path / "short.csv").write_text("time,bus.P\n0,1\n1,2\n")
    outcome = rover_energy("meters", tmp_path / "short.csv", "--tree", table.with_suffix(".yaml"))
    assert outcome.code == 2
    assert "array.P" in outcome.err
    (tmp_path / "bad.csv").write_text("time,bus.P\n0,1\n1\n")
    assert rover_energy("meters", tmp_path / "bad.csv", "--tree", table.with_suffix(".yaml")).code == 2
    assert rover_energy("meters", table, "--tree", tmp_path / "none.yaml").code == 2


def test_without_the_bag_library_one_sentence(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = write_bag(tmp_path / "bag", store, [("/battery", BATTERY, 1000.0, battery(store, 0.0))])
    for name in ("rosbags", "rosbags.typesys"):
        monkeypatch.setitem(sys.modules, name, None)
    outcome = rover_energy("battery-lint", bag, "--json")
    assert outcome.code == 2
    assert "rover-energy[audit]" in outcome.err
    assert json.loads(outcome.out)["exit_code"] == 2
