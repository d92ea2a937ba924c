"""Bags made for the tests, by other libraries than the ones under test: rosbags and mcap write them."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rosbags = pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'rover-energy[audit]'")

from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = "rover_energy_interfaces"
SECOND = 1_000_000_000


def typestore() -> Any:
    """ROS 2's own types, and those of the repository's message package."""
    store = get_typestore(Stores.ROS2_KILTED)
    types: dict[Any, Any] = {}
    for path in sorted((ROOT / "ros_ws" / "src" / INTERFACES / "msg").glob("*.msg")):
        types.update(get_types_from_msg(path.read_text(encoding="utf-8"), f"{INTERFACES}/msg/{path.stem}"))
    store.register(types)
    return store


STORE = typestore()


def stamp(seconds: float) -> Any:
    nanoseconds = round(seconds * SECOND)
    return STORE.types["builtin_interfaces/msg/Time"](sec=nanoseconds // SECOND, nanosec=nanoseconds % SECOND)


def header(seconds: float) -> Any:
    return STORE.types["std_msgs/msg/Header"](stamp=stamp(seconds), frame_id="base_link")


def battery(seconds: float, **values: float) -> Any:
    """BatteryState with everything unmeasured but what is given."""
    nan, none = float("nan"), np.zeros(0, dtype=np.float32)
    facts: dict[str, Any] = {"voltage": nan, "temperature": nan, "current": nan, "charge": nan, "capacity": nan,
                             "design_capacity": nan, "percentage": nan} | values  # fmt: skip
    return STORE.types["sensor_msgs/msg/BatteryState"](
        header=header(seconds), power_supply_status=2, power_supply_health=0, power_supply_technology=0, present=True,
        cell_voltage=none, cell_temperature=none, location="", serial_number="", **facts,
    )  # fmt: skip


def power_state(seconds: float, loads: dict[str, float], *, energies: dict[str, float] | None = None, validity: int = 31,
                **values: float) -> Any:  # fmt: skip
    """PowerState whose fields are NaN but for those given."""
    origin = STORE.types[f"{INTERFACES}/msg/Provenance"]
    names = ("rtg_power", "pv_power", "battery_power", "shunt_power", "available_power", "battery_energy", "battery_capacity",
             "state_of_charge", "battery_floor", "battery_temperature", "discharge_limit", "charge_limit",
             "residual")  # fmt: skip
    facts = {name: float("nan") for name in names} | values
    states = [
        STORE.types[f"{INTERFACES}/msg/LoadState"](
            name=name,
            power=power,
            energy=(energies or {}).get(name, float("nan")),
            age=0.0,
            enabled=True,
            valid=True,
            provenance=origin(value=1),
        )
        for name, power in loads.items()
    ]
    return STORE.types[f"{INTERFACES}/msg/PowerState"](
        header=header(seconds), loads=states, validity=validity, rtg_provenance=origin(value=1), pv_provenance=origin(value=1),
        battery_provenance=origin(value=5), **facts,
    )  # fmt: skip


def odometry(
    seconds: float, *, x: float = 0.0, y: float = 0.0, pitch: float = 0.0, speed: float = 0.0, yaw_rate: float = 0.0
) -> Any:
    t = STORE.types
    point = t["geometry_msgs/msg/Point"](x=x, y=y, z=0.0)
    turn = t["geometry_msgs/msg/Quaternion"](x=0.0, y=float(np.sin(pitch / 2)), z=0.0, w=float(np.cos(pitch / 2)))
    vector, none = t["geometry_msgs/msg/Vector3"], np.zeros(36)
    twist = t["geometry_msgs/msg/Twist"](linear=vector(x=speed, y=0.0, z=0.0), angular=vector(x=0.0, y=0.0, z=yaw_rate))
    return t["nav_msgs/msg/Odometry"](
        header=header(seconds), child_frame_id="base_link",
        pose=t["geometry_msgs/msg/PoseWithCovariance"](
            pose=t["geometry_msgs/msg/Pose"](position=point, orientation=turn), covariance=none
        ),
        twist=t["geometry_msgs/msg/TwistWithCovariance"](twist=twist, covariance=none),
    )  # fmt: skip


def number(value: float) -> Any:
    return STORE.types["std_msgs/msg/Float32"](data=value)


@dataclass
class Entry:
    """One message to write: topic, type, time of recording [s], message."""

    topic: str
    kind: str
    time: float
    message: Any

    @property
    def raw(self) -> bytes:
        return bytes(STORE.serialize_cdr(self.message, self.kind))


def small_entries(count: int = 90) -> list[Entry]:
    """A battery and a number that take turns, each with values of its own."""
    kinds = ("sensor_msgs/msg/BatteryState", "std_msgs/msg/Float32")
    made = []
    for i in range(count):
        message = battery(0.1 * i, voltage=20.0 + i, percentage=0.5) if i % 2 == 0 else number(float(i))
        made.append(Entry(("/battery", "/volts")[i % 2], kinds[i % 2], 0.1 * i, message))
    return made


def write_rosbag(folder: Path, entries: list[Entry], *, per_chunk: int = 0, sqlite: bool = False) -> Path:
    """A rosbag2 folder by rosbags; `per_chunk` messages to a chunk, with checksums as the recorder writes them."""
    from rover_energy.telemetry.mcap_checksums import seal_summary, with_checksum

    plugin = StoragePlugin.SQLITE3 if sqlite else StoragePlugin.MCAP
    with Writer(folder, version=9, storage_plugin=plugin) as writer:
        if not sqlite:
            writer.storage.close_chunk = with_checksum(writer.storage)
        known: dict[str, Any] = {}
        for i, entry in enumerate(entries):
            if entry.topic not in known:
                known[entry.topic] = writer.add_connection(entry.topic, entry.kind, typestore=STORE)
            writer.write(known[entry.topic], round(entry.time * SECOND), entry.raw)
            if per_chunk and (i + 1) % per_chunk == 0:
                writer.storage.close_chunk()
    if not sqlite:
        seal_summary(folder / f"{folder.name}.mcap")
    return folder


def write_mcap(
    path: Path, entries: list[Entry], *, compression: str = "zstd", chunk_size: int = 1 << 20, chunked: bool = True
) -> Path:
    """A bare file by the mcap library."""
    mcap_writer = pytest.importorskip("mcap.writer", reason="mcap is not installed: pip install mcap")
    kinds = {
        "": mcap_writer.CompressionType.NONE,
        "lz4": mcap_writer.CompressionType.LZ4,
        "zstd": mcap_writer.CompressionType.ZSTD,
    }
    buffer = io.BytesIO()
    writer = mcap_writer.Writer(
        buffer, chunk_size=chunk_size, compression=kinds[compression], use_chunking=chunked, enable_data_crcs=True
    )
    writer.start(profile="ros2", library="test")
    channels: dict[str, int] = {}
    for entry in entries:
        if entry.topic not in channels:
            text, _ = STORE.generate_msgdef(entry.kind, ros_version=2)
            schema = writer.register_schema(entry.kind, "ros2msg", text.encode())
            channels[entry.topic] = writer.register_channel(entry.topic, "cdr", schema)
        time = round(entry.time * SECOND)
        writer.add_message(channels[entry.topic], time, entry.raw, time)
    writer.finish()
    path.write_bytes(buffer.getvalue())
    return path


@dataclass(frozen=True)
class Record:
    """One record of an MCAP file as its framing says: opcode, first byte, first byte behind it."""

    opcode: int
    start: int
    end: int


def records(data: bytes) -> list[Record]:
    """All records of a whole file, by the framing alone."""
    found, at = [], 8
    while at < len(data) - 8:
        opcode, length = struct.unpack_from("<BQ", data, at)
        found.append(Record(opcode, at, at + 9 + length))
        at += 9 + length
    return found
