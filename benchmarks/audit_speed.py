"""Speed and memory of the audit over bags of growing length, made from one recorded drive by repeating it.

`--bag` is a bag of a drive (rover-energy drive). Each length is audited in a process of its own, tables and
report included; the memory is the greatest that the process ever held.
"""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from common import parse, parser, progress, table, write_json

from rover_energy.telemetry import mcap_records as mcap
from rover_energy.telemetry.mcap_records import Cursor, chunk_frame, decompress

LIMIT_MB, LIMIT_RATE, LIMIT_PACE = 500.0, 200_000.0, 100.0


def child(bag: Path, out: Path, plan: Path | None) -> None:
    """Audit one bag and print what it took."""
    from rover_energy.cli.audit import write_audit
    from rover_energy.parameters import load_yaml
    from rover_energy.rover import RoverParameters
    from rover_energy.telemetry.campaign import Job

    rover = load_yaml(RoverParameters, plan / "rover.yaml") if plan is not None else None
    began, cpu = time.monotonic(), time.process_time()
    result = write_audit(bag, Job(rover), out)
    wall, cpu = time.monotonic() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    facts = {
        "messages": result["bag"]["messages"],
        "run_s": result["bag"]["duration"],
        "wall_s": wall,
        "cpu_s": cpu,
        "rss_MB": peak,
    }
    print(json.dumps(facts | {"energy_J": result["energy"]["consumed_J"]}))


def stretch(source: Path, target: Path, times: int) -> None:
    """The drive `times` over, one after the other: the stamps in its headers and records move on, the checksums are made anew."""
    data = source.read_bytes()
    chunks = [record for record in _records(data) if record[0] == mcap.CHUNK]
    end = max(int.from_bytes(data[start + 17 : start + 25], "little") for _, start, _ in chunks)
    shift = (end // 1_000_000_000 + 1) * 1_000_000_000
    with target.open("wb") as out:
        out.write(data[: chunks[0][1]])
        for turn in range(times):
            for _, start, stop in chunks:
                out.write(_shifted(data[start:stop], turn * shift))
        out.write(b"\x0f" + struct.pack("<QI", 4, 0) + b"\x02" + struct.pack("<QQQI", 20, 0, 0, 0) + mcap.MAGIC)


def _records(data: bytes) -> list[tuple[int, int, int]]:
    found, at = [], len(mcap.MAGIC)
    while at < len(data) - len(mcap.MAGIC):
        opcode, length = struct.unpack_from("<BQ", data, at)
        found.append((opcode, at, at + 9 + length))
        at += 9 + length
    return found


def _shifted(record: bytes, shift: int) -> bytes:
    """A chunk with all times later by `shift` [ns], a whole number of seconds."""
    content = record[9:]
    frame = chunk_frame(content[:64] + bytes(64), len(content))
    raw = bytearray(decompress(frame, content[frame.start :]))
    at, seconds = 0, shift // 1_000_000_000
    while at < len(raw):
        opcode, length = struct.unpack_from("<BQ", raw, at)
        if opcode == mcap.MESSAGE:
            log, published = struct.unpack_from("<QQ", raw, at + 15)
            struct.pack_into("<QQ", raw, at + 15, log + shift, published + shift)
            stamp = struct.unpack_from("<i", raw, at + 35)[0] if length >= 34 else -1
            if 0 <= stamp <= log // 1_000_000_000 + 1:  # messages of the contract begin with a header, or are the clock
                struct.pack_into("<i", raw, at + 35, stamp + seconds)
        at += 9 + length
    cursor = Cursor(content)
    first, last = cursor.number(8) + shift, cursor.number(8) + shift
    body = struct.pack("<QQQI", first, last, len(raw), zlib.crc32(raw)) + struct.pack("<I", 0) + struct.pack("<Q", len(raw)) + raw
    return bytes([mcap.CHUNK]) + struct.pack("<Q", len(body)) + body


def main(argv: list[str] | None = None) -> int:
    """Audit each length and print what it took."""
    arguments = parser(__doc__, problems=1, quick=1)
    arguments.add_argument("--bag", type=Path, required="--child" not in sys.argv, help="MCAP file of a drive")
    arguments.add_argument("--plan", type=Path, default=None, help="folder of its plan, for the model")
    arguments.add_argument("--times", type=int, nargs="+", default=[1, 4, 16, 48], help="how often the drive is repeated")
    options = parse(arguments, argv)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        for times in progress(options.times, len(options.times), "lengths"):
            bag, out = Path(place) / "bag.mcap", Path(place) / f"out{times}"
            stretch(options.bag, bag, times)
            out.mkdir()
            words = [sys.executable, __file__, "--child", str(bag), str(out), str(options.plan or "")]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            rows.append({"times": times, "MB": bag.stat().st_size / 1e6, **json.loads(done.stdout.splitlines()[-1])})
            rows[-1] |= {"per_s": rows[-1]["messages"] / rows[-1]["wall_s"], "pace": rows[-1]["run_s"] / rows[-1]["wall_s"]}
            bag.unlink()
    names = ("times", "MB", "messages", "run_s", "wall_s", "cpu_s", "per_s", "pace", "rss_MB")
    print(table([name.replace("_", " ") for name in names], [[row[name] for name in names] for row in rows]))
    print(
        f"wanted: {LIMIT_RATE:.0f} messages per second or {LIMIT_PACE:.0f} times real time; less than {LIMIT_MB:.0f} MB at 1 GB"
    )
    write_json(options.json, "audit_speed", options.seed, rows)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]) if sys.argv[4] else None)
    else:
        sys.exit(main())
