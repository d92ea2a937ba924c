"""Fields read many at a time, against rosbags' own deserialiser, message by message."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bag_cases import STORE, battery, header, number, odometry, power_state

from rover_energy.telemetry.cdr import CdrError, Decoder, find_layout
from rover_energy.telemetry.mcap_records import Segment, make_segment
from rover_energy.telemetry.message_types import TypeProblemError, message_tree


def segment_of(raws: list[bytes]) -> Segment:
    starts = np.cumsum([0, *(len(raw) for raw in raws[:-1])])
    rows = [(1, i, int(start), len(raw)) for i, (start, raw) in enumerate(zip(starts, raws, strict=True))]
    return make_segment(b"".join(raws), rows)


def tree_of(kind: str) -> Any:
    text, _ = STORE.generate_msgdef(kind, ros_version=2)
    return message_tree(kind, "ros2msg", text.encode())


def read(kind: str, messages: list[Any], wanted: set[str], *, little: bool = True) -> tuple[list[dict[str, Any]], Decoder]:
    """Each message as a mapping of what was wanted, in order."""
    raws = [bytes(STORE.serialize_cdr(m, kind, little_endian=little)) for m in messages]
    decoder = Decoder(tree_of(kind), frozenset(wanted))
    found: list[dict[str, Any]] = [{} for _ in messages]
    for rows in decoder.decode(segment_of(raws), np.arange(len(raws))):
        for at, i in enumerate(rows.index):
            found[i] = {name: rows.fields[name][at] for name in rows.fields.dtype.names or ()} | dict(rows.texts)
    return found, decoder


def value_of(message: Any, path: str) -> Any:
    for part in path.replace("]", "").replace("[", ".").split("."):
        message = message[int(part)] if part.isdigit() else getattr(message, part)
    return message


def compare(found: dict[str, Any], message: Any) -> None:
    assert found
    for path, value in found.items():
        there = value_of(message, path)
        if isinstance(there, str):
            assert value == there
        else:
            np.testing.assert_array_equal(np.asarray(value, dtype=float), np.asarray(there, dtype=float))


@pytest.mark.parametrize("little", [True, False])
def test_power_states_of_changing_shape(little: bool) -> None:
    """Loads come and go and change their order, names are of every length, so that nothing lies where it lay before."""
    dice = np.random.default_rng(1)
    messages = []
    for _ in range(300):
        names = dice.permutation(["base", "drive", "a", "camera two", "heater!"])[: dice.integers(0, 6)]
        messages.append(power_state(dice.random() * 1e4, {str(n): float(dice.random()) for n in names}, rtg_power=dice.random(),
                                    residual=dice.random()))  # fmt: skip
    wanted = {"header.stamp.sec", "header.stamp.nanosec", "rtg_power", "residual", "validity", "loads[].power", "loads[].name",
              "loads[].valid", "battery_provenance.value"}  # fmt: skip
    found, decoder = read("rover_energy_interfaces/msg/PowerState", messages, wanted, little=little)
    assert decoder.undecodable == 0
    for row, message in zip(found, messages, strict=True):
        assert row["residual"] == message.residual
        assert sum(name.endswith(".name") for name in row) == len(message.loads)
        compare(row, message)


def test_odometry_joints_and_batteries() -> None:
    poses = [odometry(0.1 * i, x=i, pitch=0.01 * i, speed=0.5 * i, yaw_rate=-i) for i in range(20)]
    found, _ = read("nav_msgs/msg/Odometry", poses, {"pose.pose.position.x", "twist.twist.linear.x", "pose.pose.orientation.y"})
    for row, message in zip(found, poses, strict=True):
        compare(row, message)
    joints = [
        STORE.types["sensor_msgs/msg/JointState"](
            header=header(i), name=["left", "right"][: 1 + i % 2], position=np.zeros(i % 3),
            velocity=np.arange(i % 4) + 0.5, effort=np.ones(2),
        )
        for i in range(24)
    ]  # fmt: skip
    found, _ = read("sensor_msgs/msg/JointState", joints, {"name[]", "velocity", "effort"})
    for row, message in zip(found, joints, strict=True):
        compare(row, message)
        assert ("velocity" in row) == (message.velocity.size > 0)
    cells = [battery(i, voltage=24.0 + i, current=-0.5 * i) for i in range(9)]
    found, _ = read("sensor_msgs/msg/BatteryState", cells, {"voltage", "current", "present", "temperature"})
    assert [row["voltage"] for row in found] == [24.0 + i for i in range(9)]
    assert all(math.isnan(row["temperature"]) for row in found)


def test_messages_that_do_not_fit_are_counted() -> None:
    kind = "std_msgs/msg/Float32"
    good = bytes(STORE.serialize_cdr(number(2.5), kind))
    bad = [b"", good[:6], b"\x00\x09" + good[2:], good + bytes(20), good[:1]]
    decoder = Decoder(tree_of(kind), frozenset({"data"}))
    segment = segment_of([good, *bad, good])
    rows = decoder.decode(segment, np.arange(len(segment)))
    assert sorted(int(i) for r in rows for i in r.index) == [0, 6]
    assert decoder.undecodable == len(bad)


def test_a_sequence_longer_than_its_message_is_refused_at_once() -> None:
    kind = "rover_energy_interfaces/msg/PowerState"
    raw = bytearray(STORE.serialize_cdr(power_state(1.0, {"base": 5.0}), kind))
    at = raw.index((1).to_bytes(4, "little"), 60)
    raw[at : at + 4] = b"\xff\xff\xff\x7f"
    with pytest.raises(CdrError):
        find_layout(bytes(raw), tree_of(kind), frozenset({"loads[].power"}))


def test_definitions_that_cannot_be_used_say_why() -> None:
    with pytest.raises(TypeProblemError, match="cannot be parsed"):
        message_tree("a_msgs/msg/Bad", "ros2msg", b"float64 [ x")
    with pytest.raises(TypeProblemError, match="b_msgs/msg/Gone is missing"):
        message_tree("a_msgs/msg/Half", "ros2msg", b"b_msgs/Gone part")
    with pytest.raises(TypeProblemError, match="'protobuf'"):
        message_tree("a_msgs/msg/Other", "protobuf", b"x")
    with pytest.raises(TypeProblemError, match="nested too deeply"):
        message_tree("a_msgs/msg/Loop", "ros2msg", b"a_msgs/Loop[] again")


def test_types_without_a_definition_come_from_ros() -> None:
    assert message_tree("std_msgs/msg/Float32", "ros2msg", b"") == tree_of("std_msgs/msg/Float32")
