"""Damaged MCAP files, against the files as they were: cut at every byte, one bit flipped, records overwritten."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bag_cases import Entry, records, small_entries, write_mcap, write_rosbag

from rover_energy.errors import InputError
from rover_energy.telemetry.bag_loss import Loss
from rover_energy.telemetry.mcap_recovery import McapRecovery

Message = tuple[str, str, int, bytes]


def read(path: Path) -> tuple[list[Message], McapRecovery]:
    """Every message with its topic, type and time; of a channel that is not known with an empty topic."""
    source = McapRecovery(path, Loss())
    found = []
    for segment in source.segments():
        for number, time, start, size in zip(segment.channel, segment.log_time, segment.start, segment.size, strict=True):
            channel = source.channel(int(number))
            schema = source.schema(channel.schema) if channel is not None else None
            topic, kind = (channel.topic, schema.name) if channel is not None and schema is not None else ("", "")
            found.append((topic, kind, int(time), segment.buffer[start : start + size]))
    return found, source


def expected(entries: list[Entry]) -> list[Message]:
    return [(e.topic, e.kind, round(e.time * 1e9), e.raw) for e in entries]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Thirty chunks of three messages."""
    folder = write_rosbag(tmp_path_factory.mktemp("bag") / "bag", small_entries(), per_chunk=3)
    return (folder / "bag.mcap").read_bytes()


def chunk_ends(data: bytes) -> list[int]:
    return [r.end for r in records(data) if r.opcode == 6]


def test_a_whole_bag_is_read_whole(bag: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(bag)
    found, source = read(path)
    assert found == expected(small_entries())
    assert source.chunks == 30
    assert not source.loss.any
    assert source.loss.unchecked_chunks == 0


def test_cut_at_any_byte_every_whole_chunk_is_used_and_the_loss_is_exact(bag: bytes, tmp_path: Path) -> None:
    """Every byte near the ends of records, and every seventh elsewhere; the benchmark does all of them."""
    whole, all_records, path = expected(small_entries()), records(bag), tmp_path / "cut.mcap"
    ends = [0, 8, *(r.end for r in all_records)]
    places = {p for e in ends for p in range(e - 12, e + 12) if 0 <= p < len(bag)} | set(range(0, len(bag), 7))
    for cut in sorted(places):
        path.write_bytes(bag[:cut])
        found, source = read(path)
        chunks = sum(end <= cut for end in chunk_ends(bag))
        assert found == whole[: 3 * chunks], cut
        assert source.chunks == chunks
        assert source.loss.bytes == cut - max(e for e in ends if e <= cut), cut
        assert source.loss.any
        begun = any(r.opcode == 6 and r.start < cut < r.end for r in all_records)
        assert source.loss.chunks == begun, cut


@pytest.mark.parametrize("compression", ["", "lz4", "zstd"])
def test_no_flipped_bit_in_a_chunk_gives_a_wrong_value(compression: str, tmp_path: Path) -> None:
    """Any single bit of a chunk's record: what is read is what was written, less what is counted as lost."""
    entries = small_entries(24)
    data = write_mcap(tmp_path / "a.mcap", entries, compression=compression, chunk_size=600).read_bytes()
    chunks = [r for r in records(data) if r.opcode == 6]
    assert len(chunks) >= 4
    whole, path, chunk = expected(entries), tmp_path / "b.mcap", chunks[2]
    unseen = range(chunk.start + 9, chunk.start + 25)  # times of the chunk, which nothing here reads
    bits = [(byte, bit) for byte in range(chunk.start, chunk.end) for bit in range(8)]
    for byte, bit in random.Random(1).sample(bits, min(1500, len(bits))):
        broken = bytearray(data)
        broken[byte] ^= 1 << bit
        path.write_bytes(broken)
        found, source = read(path)
        left = iter(whole)
        assert all(message in left for message in found), (byte - chunk.start, bit)
        if len(found) < len(whole):
            assert source.loss.any
            assert source.loss.chunks == 1
            assert not source.loss.messages_unknown
            assert source.loss.messages == len(whole) - len(found)
        elif byte not in unseen and compression == "":  # a codec has bits that change nothing
            assert source.loss.notes, (byte - chunk.start, bit)


def test_flipped_bits_anywhere_never_raise_or_lie(bag: bytes, tmp_path: Path) -> None:
    whole, path, random_ = expected(small_entries()), tmp_path / "b.mcap", random.Random(2)
    for _ in range(600):
        broken = bytearray(bag)
        for _ in range(random_.choice((1, 1, 2, 8))):
            broken[random_.randrange(8, len(bag))] ^= 1 << random_.randrange(8)
        path.write_bytes(broken)
        found, source = read(path)
        left = iter(whole)
        assert all(message in left for message in found if message[0])
        if len([message for message in found if message[0]]) < len(whole):
            assert source.loss.any


def test_overwritten_stretches_cost_what_they_cover(bag: bytes, tmp_path: Path) -> None:
    """A block of zeros over several records: the chunks beyond it are found again."""
    frames = [r for r in records(bag) if r.opcode == 6]
    broken = bytearray(bag)
    start, end = frames[10].start - 5, frames[13].start + 20
    broken[start:end] = bytes(end - start)
    path = tmp_path / "b.mcap"
    path.write_bytes(broken)
    found, source = read(path)
    assert source.chunks == 30 - 4
    assert found == [m for i, m in enumerate(expected(small_entries())) if not 30 <= i < 42]
    assert source.loss.messages == 12
    assert not source.loss.messages_unknown


def test_definitions_lost_with_the_first_chunk_come_from_the_summary(bag: bytes, tmp_path: Path) -> None:
    first = next(r for r in records(bag) if r.opcode == 6)
    broken = bytearray(bag)
    broken[first.end - 3] ^= 4
    path = tmp_path / "b.mcap"
    path.write_bytes(broken)
    found, source = read(path)
    assert found == expected(small_entries())[3:]
    assert (source.loss.chunks, source.loss.messages) == (1, 3)


def test_messages_outside_chunks(tmp_path: Path) -> None:
    entries = small_entries(20)
    data = write_mcap(tmp_path / "a.mcap", entries, chunked=False).read_bytes()
    found, source = read(tmp_path / "a.mcap")
    assert found == expected(entries)
    assert not source.loss.any
    messages = [r for r in records(data) if r.opcode == 5]
    cut = messages[12].start + 20
    (tmp_path / "b.mcap").write_bytes(data[:cut])
    found, source = read(tmp_path / "b.mcap")
    assert found == expected(entries)[:12]
    assert source.loss.bytes == 20
    broken = bytearray(data)
    broken[messages[6].start + 40] ^= 1
    (tmp_path / "c.mcap").write_bytes(broken)
    _, source = read(tmp_path / "c.mcap")
    assert source.loss.any, "only the checksum of the data section sees it"


def test_what_is_no_mcap_file_is_refused_and_an_empty_one_is_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(b"PK\x03\x04 this is something else" * 40)
    with pytest.raises(InputError, match="is not an MCAP file"):
        read(path)
    path.write_bytes(b"")
    found, source = read(path)
    assert found == []
    assert source.loss.any
