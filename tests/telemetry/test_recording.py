"""Messages in the order of time: three ways to keep a bag give the same; of a damaged one whole chunks are given, the rest
counted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from bag_cases import SECOND, STORE, Entry, battery, number, records, small_entries, write_mcap, write_rosbag

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.telemetry.recording import Recording

CHUNK = 6


def content(path: Path, **part: float) -> list[tuple[str, int, bytes]]:
    return [(s.topic, s.time, s.data) for s in Recording(path).samples(**part)]  # type: ignore[arg-type]


def expected(entries: list[Entry]) -> list[tuple[str, int, bytes]]:
    return [(e.topic, round(e.time * SECOND), e.raw) for e in sorted(entries, key=lambda e: e.time)]


def test_three_ways_to_keep_the_same_messages(tmp_path: Path) -> None:
    entries = small_entries()
    folder = write_rosbag(tmp_path / "mcap", entries, per_chunk=CHUNK)
    assert content(folder) == expected(entries)
    assert content(next(folder.glob("*.mcap"))) == expected(entries)
    assert content(write_rosbag(tmp_path / "sql", entries, sqlite=True)) == expected(entries)
    recording = Recording(folder)
    assert [(s.topic, s.count) for s in recording.streams] == [("/battery", 45), ("/volts", 45)]
    assert (recording.start, recording.end) == (0, round(8.9 * SECOND))
    assert not recording.loss.any


def test_a_part_is_cut_by_time(tmp_path: Path) -> None:
    times = {time for _, time, _ in content(write_rosbag(tmp_path / "bag", small_entries()), start=2.0, duration=1.0)}
    assert times == {round((2.0 + 0.1 * i) * SECOND) for i in range(10)}


@pytest.mark.parametrize("seed", range(3))
def test_order_of_time_though_the_file_has_another(seed: int, tmp_path: Path) -> None:
    """Entries are written in any order over many chunks; the mcap library's own reader sorts the whole file."""
    import random

    reader = pytest.importorskip("mcap.reader", reason="mcap is not installed: pip install mcap")
    entries = small_entries()
    random.Random(seed).shuffle(entries)
    bag = write_mcap(tmp_path / "shuffled.mcap", entries, chunk_size=300)
    with bag.open("rb") as file:
        wanted = [(c.topic, m.log_time, m.data) for _, c, m in reader.make_reader(file).iter_messages()]
    assert content(bag) == wanted == expected(entries)


def test_cut_anywhere_whole_chunks_are_given(tmp_path: Path) -> None:
    entries = small_entries()
    data = next(write_rosbag(tmp_path / "whole", entries, per_chunk=CHUNK).glob("*.mcap")).read_bytes()
    chunks = [record.end for record in records(data) if record.opcode == 6]
    assert len(chunks) == len(entries) // CHUNK
    cut = tmp_path / "cut.mcap"
    for end in range(chunks[0], len(data), 97):
        cut.write_bytes(data[:end])
        whole = CHUNK * sum(last <= end for last in chunks)
        recording = Recording(cut)
        assert [(s.topic, s.time, s.data) for s in recording.samples()] == expected(entries[:whole])
        assert recording.loss.any


def test_a_flipped_bit_costs_its_chunk(tmp_path: Path) -> None:
    entries = small_entries()
    (path,) = write_rosbag(tmp_path / "bag", entries, per_chunk=CHUNK).glob("*.mcap")
    data = bytearray(path.read_bytes())
    third = [record for record in records(bytes(data)) if record.opcode == 6][2]
    data[(third.start + third.end) // 2] ^= 4
    path.write_bytes(data)
    assert content(path.parent) == expected(entries[: 2 * CHUNK] + entries[3 * CHUNK :])
    loss = Recording(path.parent).loss
    assert (loss.chunks, loss.messages) == (1, CHUNK)


def test_bytes_that_do_not_fit_their_type_are_counted(tmp_path: Path) -> None:
    right = [Entry("/battery", "sensor_msgs/msg/BatteryState", 0.1 * i, battery(0.1 * i, voltage=20.0 + i)) for i in range(3)]
    wrong = Entry("/battery", "sensor_msgs/msg/BatteryState", 0.3, number(1.0))
    kind, wrong.kind = wrong.kind, "std_msgs/msg/Float32"
    raw = wrong.raw
    wrong.kind = kind
    wrong.__class__ = type("Raw", (Entry,), {"raw": raw})
    recording = Recording(write_rosbag(tmp_path / "bag", [*right, wrong]))
    assert [message.voltage for _, message in recording.messages(("sensor_msgs/msg/BatteryState",))] == [20.0, 21.0, 22.0]
    assert recording.loss.undecodable == 1
    assert recording.loss.any
    assert any("/battery" in note for note in recording.loss.notes)


@pytest.mark.parametrize("sqlite", [False, True])
def test_a_topic_without_messages_is_there(sqlite: bool, tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer

    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3 if sqlite else StoragePlugin.MCAP) as writer:
        used, _ = (writer.add_connection(name, "std_msgs/msg/Float32", typestore=STORE) for name in ("/volts", "/silent"))
        writer.write(used, SECOND, STORE.serialize_cdr(number(1.0), "std_msgs/msg/Float32"))
    recording = Recording(tmp_path / "bag")
    assert [(s.topic, s.count) for s in recording.streams] == [("/silent", 0), ("/volts", 1)]
    assert list(recording.samples(["/silent"])) == []


def test_definitions_and_hashes_are_the_library_s(tmp_path: Path) -> None:
    for name, sqlite in (("mcap", False), ("sql", True)):
        recording = Recording(write_rosbag(tmp_path / name, small_entries(), sqlite=sqlite))
        for stream in recording.streams:
            assert stream.definition == STORE.generate_msgdef(stream.kind, ros_version=2)[0]
            assert recording.digest(stream.kind) == STORE.hash_rihs01(stream.kind).lower()
        assert "voltage" in recording.fields("sensor_msgs/msg/BatteryState")


def test_what_is_no_bag(tmp_path: Path) -> None:
    text, empty, described = tmp_path / "text.mcap", tmp_path / "empty", tmp_path / "described"
    text.write_text("not a bag\n", encoding="utf-8")
    empty.mkdir()
    described.mkdir()
    (described / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 9}\n", encoding="utf-8")
    hollow = tmp_path / "hollow.mcap"
    hollow.write_bytes(next(write_rosbag(tmp_path / "whole", small_entries()).glob("*.mcap")).read_bytes()[:40])
    for path in (text, empty, described, hollow, tmp_path / "none"):
        with pytest.raises(InputError) as caught:
            Recording(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


def test_a_topic_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/battery, /volts"):
        Recording(write_rosbag(tmp_path / "bag", small_entries())).require(["/other"])


def test_a_missing_package_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package that unpacks it, a chunk is not said to be damaged."""
    bag = write_mcap(tmp_path / "packed.mcap", small_entries(), compression="lz4")
    for name in ("lz4", "lz4.frame"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="lz4"):
        Recording(bag)
