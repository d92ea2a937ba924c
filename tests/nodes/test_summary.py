"""What is summed up of a drive's bags when the recorder died on the way: everything that whole chunks hold."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "telemetry"))
from bag_cases import Entry, odometry, power_state, records, write_rosbag

from rover_energy.nodes.summary import parts_of, read_bag

ODOMETRY, POWER = "nav_msgs/msg/Odometry", "rover_energy_interfaces/msg/PowerState"


def entries(first: int, count: int) -> list[Entry]:
    made = []
    for i in range(first, first + count):
        made += [Entry("/r1/odom", ODOMETRY, 0.1 * i, odometry(0.1 * i, x=float(i))),
                 Entry("/r1/power_state", POWER, 0.1 * i, power_state(0.1 * i, {"base": 50.0 + i}))]  # fmt: skip
    return made


def test_a_bag_that_was_cut_off_counts_as_far_as_its_chunks_are_whole(tmp_path: Path) -> None:
    bag = write_rosbag(tmp_path / "bag", entries(0, 30), per_chunk=10)
    write_rosbag(tmp_path / "bag_1", entries(30, 20), per_chunk=10)
    (tmp_path / "bag_2").mkdir()
    (tmp_path / "bag_2" / "bag_2.mcap").write_bytes(b"")
    parts, unfinished = parts_of(bag)
    assert ([part.path.name for part in parts], unfinished) == (["bag", "bag_1"], 1)
    (path,) = bag.glob("*.mcap")
    data = path.read_bytes()
    third = [record for record in records(data) if record.opcode == 6][3]
    path.write_bytes(data[: third.end + 5])
    (bag / "metadata.yaml").unlink()
    found = read_bag(bag, ("odom", "power_state", "imu"))
    assert [m.pose.pose.position.x for m in found["odom"]] == [float(i) for i in (*range(20), *range(30, 50))]
    assert [m.loads[0].power for m in found["power_state"]] == [50.0 + i for i in (*range(20), *range(30, 50))]
    assert found["imu"] == []
    assert parts_of(bag)[1] == 2


def test_a_part_with_a_flipped_bit_is_counted_as_damaged(tmp_path: Path) -> None:
    bag = write_rosbag(tmp_path / "bag", entries(0, 30), per_chunk=10)
    assert parts_of(bag)[1] == 0
    (path,) = bag.glob("*.mcap")
    data = bytearray(path.read_bytes())
    chunk = [record for record in records(bytes(data)) if record.opcode == 6][1]
    data[(chunk.start + chunk.end) // 2] ^= 1
    path.write_bytes(data)
    assert len(read_bag(bag, ("odom",))["odom"]) == 25
    assert parts_of(bag)[1] == 1


def test_no_bag_at_all(tmp_path: Path) -> None:
    assert read_bag(tmp_path / "none", ("odom",)) == {"odom": []}
