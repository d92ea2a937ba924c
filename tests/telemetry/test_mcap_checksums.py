"""The checksums that rosbags leaves out, against those that the mcap library computes."""

from __future__ import annotations

from pathlib import Path

import pytest
from bag_cases import records, small_entries, write_rosbag

from rover_energy.telemetry.recording import Recording

CRC = 24  # bytes from the beginning of a chunk's content to its checksum: two times and the size


def test_the_mcap_library_agrees_with_every_checksum(tmp_path: Path) -> None:
    reader = pytest.importorskip("mcap.reader", reason="mcap is not installed: pip install mcap")
    (path,) = write_rosbag(tmp_path / "bag", small_entries(), per_chunk=6).glob("*.mcap")
    data = bytearray(path.read_bytes())
    chunks = [record for record in records(bytes(data)) if record.opcode == 6]
    assert all(int.from_bytes(data[c.start + 9 + CRC : c.start + 13 + CRC], "little") for c in chunks)
    with path.open("rb") as file:
        found = reader.make_reader(file, validate_crcs=True)
        assert found.get_summary().statistics.message_count == 90
        assert sum(1 for _ in found.iter_messages()) == 90
    data[(chunks[3].start + chunks[3].end) // 2] ^= 2
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(Exception, match=r"(?i)crc"):
        list(reader.make_reader(file, validate_crcs=True).iter_messages())
    assert Recording(path).loss.chunks == 1
