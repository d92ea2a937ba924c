"""A bag cut off by a power loss, and one with a flipped bit, through every command that reads bags: used, counted, code 3."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for room in ("views", "telemetry"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / room))
pytest.importorskip("typer", reason="typer is not installed")
pytest.importorskip("rosbags", reason="rosbags is not installed")
from bag_cases import STORE, Entry, battery, records, write_rosbag  # noqa: E402
from views_cases import Maker  # noqa: E402

from rover_energy.cli.main import run  # noqa: E402

FORECAST = "rover_energy_interfaces/msg/PowerForecast"
ONE_HZ = 10  # messages of 10 Hz between two of what comes once a second


def forecast(make: Maker, t: float) -> Any:
    import numpy as np

    steps = np.arange(2.0, 41.0, 2.0)
    names = [f"{quantity}_p{level}" for quantity in ("load_power", "available_power", "battery_energy") for level in (10, 50, 90)]
    provenance = make.store.types["rover_energy_interfaces/msg/Provenance"](value=5)
    floor = dict.fromkeys((f"time_to_floor_p{level}" for level in (10, 50, 90)), float("inf"))
    return make.store.types[FORECAST](
        header=make.header(t, "base_link"), time=steps, battery_floor=750.0, missing_inputs=0, model="made",
        provenance=provenance, **{name: np.full(steps.size, 100.0) for name in names}, **floor,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of meter, power, place, battery and forecasts, fifty messages to a chunk."""
    make, entries = Maker(), []
    odometry, power = "nav_msgs/msg/Odometry", "rover_energy_interfaces/msg/PowerState"
    for i in range(600):
        t = 0.1 * i
        entries += [Entry("/odom", odometry, t, make.odometry(t)), Entry("/power_state", power, t, make.power(t)),
                    Entry("/meter", power, t, make.power(t))]  # fmt: skip
        if i % ONE_HZ == 0:
            state = battery(t, voltage=24.0 - 0.01 * t, current=-2.0 - 0.001 * i, percentage=0.8 - 1e-4 * t, temperature=20.0)
            entries.append(Entry("/battery_state", "sensor_msgs/msg/BatteryState", t, state))
            entries.append(Entry("/f", FORECAST, t, forecast(make, t)))
    assert make.store.types.keys() >= {FORECAST} <= STORE.types.keys()
    return write_rosbag(tmp_path_factory.mktemp("whole") / "bag", entries, per_chunk=50)


@pytest.fixture(params=["cut", "flipped"])
def damaged(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> Path:
    """Cut at two thirds, or with one bit flipped in a chunk."""
    bag = tmp_path / "bag"
    shutil.copytree(whole, bag)
    (path,) = bag.glob("*.mcap")
    data = bytearray(path.read_bytes())
    if request.param == "cut":
        (bag / "metadata.yaml").unlink()
        del data[2 * len(data) // 3 :]
    else:
        chunk = [record for record in records(bytes(data)) if record.opcode == 6][7]
        data[(chunk.start + chunk.end) // 2] ^= 16
    path.write_bytes(data)
    return bag


def framed(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of one record after the other; what is cut off is not given."""
    while at + 9 <= len(data):
        opcode, length = struct.unpack_from("<BQ", data, at)
        if at + 9 + length <= len(data):
            yield opcode, data[at + 9 : at + 9 + length]
        at += 9 + length


def messages_in_whole_chunks(bag: Path) -> int:
    """Of a damaged bag without compression, by the framing and the checksums alone."""
    (path,) = bag.glob("*.mcap")
    chunks = [(content[40:], *struct.unpack_from("<I", content, 24)) for opcode, content in framed(path.read_bytes(), 8)
              if opcode == 6]  # fmt: skip
    return sum(opcode == 5 for content, crc in chunks if zlib.crc32(content) == crc for opcode, _ in framed(content, 0))


COMMANDS = {
    "battery-lint": ["battery-lint", "BAG", "--json"],
    "forecast-score": ["forecast-score", "BAG", "--json"],
    "refit": ["refit", "BAG", "--gravity", "1.62", "--window", "1.5", "--json"],
    "watch": ["watch", "BAG", "--once", "--json"],
    "rerun": ["views", "rerun", "BAG", "--out", "OUT/x.rrd", "--json"],
    "foxglove": ["views", "foxglove", "BAG", "--out", "OUT/x.mcap", "--json"],
    "audit": ["audit", "BAG", "--out", "OUT/audit", "--json"],
    "replay": ["replay", "BAG", "--rate", "0", "--domain", str(1 + os.getpid() % 100), "--json"],
}
MODULES = {"rerun": ("rerun",), "foxglove": ("foxglove",), "audit": ("pyarrow",), "replay": ("rclpy", "rover_energy_interfaces")}


@pytest.mark.parametrize("name", COMMANDS)
def test_damaged_bag(
    name: str, damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    for module in MODULES.get(name, ()):
        pytest.importorskip(module, reason=f"{module} is not installed")
    words = [word.replace("BAG", str(damaged)).replace("OUT", str(tmp_path)) for word in COMMANDS[name]]
    code = run(words)
    out, err = capsys.readouterr()
    assert code == 3, err
    assert "Traceback" not in err
    told = [line for line in err.splitlines() if "loss" in line and "messages" in line]
    assert len(told) == 1, err
    assert str(damaged) in told[0] or name == "audit"
    facts = json.loads(out)
    loss = facts.get("loss", {})
    if name == "refit":
        loss = loss[str(damaged)]
    if name == "replay":
        assert sum(facts["messages"].values()) == messages_in_whole_chunks(damaged) > 1000
    if name not in ("watch", "audit"):
        assert loss["any"], facts
        assert loss["messages"] > 0 or loss["messages_unknown"]


def test_the_same_commands_on_the_whole_bag(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The damage is what the exit code is about."""
    for name in ("battery-lint", "forecast-score", "refit", "watch"):
        words = [word.replace("BAG", str(whole)).replace("OUT", str(tmp_path)) for word in COMMANDS[name]]
        assert run(words) in (0, 1), capsys.readouterr().err
        capsys.readouterr()
