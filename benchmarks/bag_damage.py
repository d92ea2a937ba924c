"""Damaged bags: cut at every byte, every bit of one chunk flipped, mutated files through the command line, replays of damage.

The bag of the first two has 30 chunks and more, as the recorder writes them (rosbags, with checksums); what should be left
of it is known from the framing alone. Beside it stands what the usual readers return from the same cut files. The third
part mutates a bag, a mapping file, a rover file, a driving log and a terrain, and gives each to the commands that read it:
one line of explanation, a documented exit code, and never a traceback. The fourth replays cut, flipped and mutated bags through
ROS (left out, and said so, without it): the monitors must be given every whole chunk, and the exit code must say that
something was lost.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import random
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import parse, parser, progress, table, write_json

from rover_energy.cli.main import run
from rover_energy.telemetry.bag_loss import Loss
from rover_energy.telemetry.mcap_checksums import seal_summary, with_checksum
from rover_energy.telemetry.mcap_recovery import McapRecovery

CHUNKS, PER_CHUNK = 32, 4
PARTS = ("cuts", "flips", "files", "replay")


def make_bag(folder: Path, chunks: int = CHUNKS) -> Path:
    """Battery and voltage in turns, a few messages in each chunk."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_KILTED)
    kinds = ("sensor_msgs/msg/BatteryState", "std_msgs/msg/Float32")
    none, nan = np.zeros(0, dtype=np.float32), float("nan")
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.storage.close_chunk = with_checksum(writer.storage)
        known = [
            writer.add_connection(name, kind, typestore=store) for name, kind in zip(("/battery", "/volts"), kinds, strict=True)
        ]
        for i in range(chunks * PER_CHUNK):
            time = store.types["builtin_interfaces/msg/Time"](sec=i, nanosec=0)
            head = store.types["std_msgs/msg/Header"](stamp=time, frame_id="base_link")
            message = store.types[kinds[1]](data=float(i)) if i % 2 else store.types[kinds[0]](
                header=head, voltage=20.0 + i, temperature=nan, current=-1.0, charge=nan, capacity=nan, design_capacity=nan,
                percentage=0.5, power_supply_status=2, power_supply_health=0, power_supply_technology=0, present=True,
                cell_voltage=none, cell_temperature=none, location="", serial_number="",
            )  # fmt: skip
            writer.write(known[i % 2], i * 1_000_000_000, store.serialize_cdr(message, kinds[i % 2]))
            if (i + 1) % PER_CHUNK == 0:
                writer.storage.close_chunk()
    seal_summary(folder / f"{folder.name}.mcap")
    return folder / f"{folder.name}.mcap"


def framing(data: bytes) -> list[tuple[int, int, int]]:
    """Opcode, start and end of each record."""
    found, at = [], 8
    while at < len(data) - 8:
        opcode, length = struct.unpack_from("<BQ", data, at)
        found.append((opcode, at, at + 9 + length))
        at += 9 + length
    return found


Message = tuple[str, str, int, bytes]


def recovered(path: Path) -> tuple[list[Message], McapRecovery]:
    """Messages with topic and type, in order; those of unknown channels are left out, as the audit does."""
    source, found = McapRecovery(path, Loss()), []
    for segment in source.segments():
        for number, time, start, size in zip(segment.channel, segment.log_time, segment.start, segment.size, strict=True):
            channel = source.channel(int(number))
            schema = source.schema(channel.schema) if channel is not None else None
            if channel is not None and schema is not None:
                found.append((channel.topic, schema.name, int(time), segment.buffer[start : start + size]))
    return found, source


def by_rosbags(path: Path) -> int:
    """Messages that rosbags' reader returns."""
    from rosbags.highlevel import AnyReader

    with AnyReader([path]) as reader:
        return sum(1 for _ in reader.messages())


def by_mcap(path: Path) -> int:
    """Messages that mcap's default reader returns."""
    from mcap.reader import make_reader

    count = 0
    with path.open("rb") as file:
        for _ in make_reader(file).iter_messages():
            count += 1
    return count


def tried(reader: Callable[[Path], int], path: Path) -> tuple[int, str]:
    """Messages, and the kind of error that ended the reading."""
    try:
        return reader(path), ""
    except Exception as error:
        return 0, type(error).__name__


def cuts(folder: Path, quick: bool, seed: int) -> dict[str, Any]:
    """The file cut at every byte."""
    whole = make_bag(folder / "bag")
    data, path = whole.read_bytes(), folder / "cut.mcap"
    messages, source = recovered(whole)
    records = framing(data)
    ends = np.array([0, 8, *(end for _, _, end in records)])
    chunk_ends = np.array([end for opcode, _, end in records if opcode == 6])
    counts: Counter[str] = Counter()
    places = range(0, len(data), 97 if quick else 1)
    peers = set(random.Random(seed).sample(range(len(data)), 50 if quick else 2000))
    for cut in progress(places, len(places), "cuts"):
        path.write_bytes(data[:cut])
        expected = int(np.sum(chunk_ends <= cut))
        counts["offsets"] += 1
        counts["whole_chunks"] += expected
        try:
            found, source = recovered(path)
        except Exception as error:
            counts[f"untyped {type(error).__name__}"] += 1
            continue
        counts["chunks_used"] += source.chunks
        counts["wrong_messages"] += found != messages[: PER_CHUNK * expected]
        counts["loss_wrong"] += source.loss.bytes != cut - int(ends[ends <= cut].max()) or not source.loss.any
        if cut in peers:
            _peers(counts, path, PER_CHUNK * expected)
    return {"file_bytes": len(data), "chunks": len(chunk_ends), **counts}


def _peers(counts: Counter[str], path: Path, there: int) -> None:
    counts["peer_offsets"] += 1
    counts["peer_messages"] += there
    for name, reader in (("rosbags", by_rosbags), ("mcap", by_mcap)):
        got, error = tried(reader, path)
        counts[f"{name}_messages"] += got
        counts[f"{name}_errors"] += bool(error)


def flips(folder: Path, quick: bool, seed: int) -> dict[str, Any]:
    """Every bit of one chunk's record flipped, the opcode and the lengths included."""
    whole = make_bag(folder / "bag")
    data, path = whole.read_bytes(), folder / "flip.mcap"
    messages, _ = recovered(whole)
    _, start, end = [r for r in framing(data) if r[0] == 6][CHUNKS // 2]
    bits = range(0, 8 * (end - start), 53 if quick else 1)
    counts: Counter[str] = Counter()
    for bit in progress(bits, len(bits), "flips"):
        broken = bytearray(data)
        broken[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(broken)
        counts["bits"] += 1
        try:
            found, source = recovered(path)
        except Exception as error:
            counts[f"untyped {type(error).__name__}"] += 1
            continue
        left = iter(messages)
        counts["wrong_values"] += not all(message in left for message in found)
        missing = len(messages) - len(found)
        counts["dropped"] += missing > 0
        counts["repaired_or_unused"] += missing == 0
        counts["lost_without_a_word"] += missing > 0 and not source.loss.any
        counts["messages_miscounted"] += source.loss.messages != missing
    return {"chunk_bytes": end - start, **counts}


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Flip, cut, insert, repeat, overwrite."""
    broken = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        at, kind = dice.randrange(max(len(broken), 1)), dice.randrange(7)
        size = min(dice.choice((1, 2, 8, 64, 512)), len(broken) - at)
        if kind == 0 and broken:
            broken[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del broken[at:]
        elif kind == 2:
            del broken[at : at + size]
        elif kind == 3:
            broken[at:at] = dice.randbytes(size)
        elif kind == 4:
            broken[at : at + size] = bytes([dice.randrange(256)]) * size
        elif kind == 5:
            broken[at:at] = dice.choice(
                (b"nan", b"-1e999", b"9" * 40, b"{", b"[", b": ", b"\n", b"\xff", b"- ", b"&a *a", b"null")
            )
        else:
            broken[at : at + size] = broken[-size:] if size else b""
    return bytes(broken)


def commands(folder: Path) -> dict[str, tuple[bytes, str, Callable[[Path], list[str]]]]:
    """Name of the input -> its content, its ending, the command that reads it."""
    bag = make_bag(folder / "bag")
    out = str(folder / "out")
    mapping = "battery: {topic: /battery}\nvoltage: {topic: /volts, field: data, scale: 1.0}\nlimits: {power: 50.0, floor: 0.2}\n"
    lines = ["t,speed,yaw_rate,along_slope,power,run"]
    lines += [f"{i * 0.1:.1f},{0.3 + 0.1 * (i % 7):.2f},0.0,{0.01 * (i % 11):.3f},{60 + i % 13},{i // 40}" for i in range(160)]
    dem = "ncols 12\nnrows 12\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n" + "\n".join(
        " ".join(f"{0.1 * ((3 * i + j) % 5):.2f}" for j in range(12)) for i in range(12)
    )
    with contextlib.redirect_stdout(io.StringIO()) as text:
        run(["rover"])
    rover = text.getvalue().encode()
    audit = ["audit", "--out", out, "--no-tables", "--quiet"]
    return {
        "bag": (bag.read_bytes(), ".mcap", lambda p: [*audit, str(p)]),
        "linted bag": (bag.read_bytes(), ".mcap", lambda p: ["battery-lint", str(p), "--quiet"]),
        "watched bag": (bag.read_bytes(), ".mcap", lambda p: ["watch", str(p), "--once", "--json"]),
        "shown bag": (bag.read_bytes(), ".mcap", lambda p: ["views", "foxglove", str(p), "--out", f"{out}.mcap", "--quiet"]),
        "mapping": (mapping.encode(), ".yaml", lambda p: [*audit, str(bag), "--map", str(p)]),
        "rover": (rover, ".yaml", lambda p: [*audit, str(bag), "--rover", str(p)]),
        "log": ("\n".join(lines).encode(), ".csv", lambda p: ["calibrate", str(p), "--out", str(folder / "fit.yaml"), "--quiet"]),
        **metered(folder),
        "terrain": (dem.encode(), ".asc", lambda p: ["terrain", "info", str(p)]),
    }  # fmt: skip


def metered(folder: Path) -> dict[str, tuple[bytes, str, Callable[[Path], list[str]]]]:
    """A bag of the rover's bus for what reads PowerState; nothing without the message package."""
    if importlib.util.find_spec("rover_energy_interfaces") is None:
        return {}
    data = make_drive(folder / "drive").read_bytes()
    return {"metered bag": (data, ".mcap", lambda p: ["meters", str(p), "--quiet"])}


def files(folder: Path, number: int, seed: int) -> dict[str, Any]:
    """Mutated files through the command line, in turns."""
    inputs, counts, dice = commands(folder), Counter[str](), random.Random(seed)
    problems: list[str] = []
    for i in progress(range(number), number, "files"):
        name = tuple(inputs)[i % len(inputs)]
        data, ending, words = inputs[name]
        path = folder / f"mutant{ending}"
        path.write_bytes(mutate(data, dice))
        code, said = quietly(words(path))
        counts[f"{name} exit {code}"] += 1
        bad = _complaint(code, said)
        if bad:
            counts["bad"] += 1
            problems.append(f"{name}, file {i}: {bad}: {said.strip().splitlines()[-1:] or ''}")
    return {"files": number, **dict(sorted(counts.items())), "problems": problems[:20]}


def make_drive(folder: Path, chunks: int = CHUNKS) -> Path:
    """PowerState and odometry in turns, as the monitors take them."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from rover_energy.nodes.recorder_node import typestore

    store, own = typestore(), "rover_energy_interfaces/msg/"
    kinds = (f"{own}PowerState", "nav_msgs/msg/Odometry")

    def blank(kind: str) -> Any:
        """A message of a type with a number in each field."""
        made = {}
        for name, (form, what) in store.fielddefs[kind][1]:
            if form.name == "NAME":
                made[name] = blank(what)
            elif form.name == "BASE":
                made[name] = {"string": "base_link", "float64": 100.0}.get(what[0], 0)
            else:
                made[name] = np.zeros(36) if form.name == "ARRAY" else []
        return store.types[kind](**made)

    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.storage.close_chunk = with_checksum(writer.storage)
        known = [
            writer.add_connection(f"/{name}", kind, typestore=store)
            for name, kind in zip(("power_state", "odom"), kinds, strict=True)
        ]
        for i in range(chunks * PER_CHUNK):
            message = blank(kinds[i % 2])
            message.header.stamp.sec = i
            if not i % 2:
                message.loads, message.validity = [blank(f"{own}LoadState")], 31
            writer.write(known[i % 2], i * 1_000_000_000, store.serialize_cdr(message, kinds[i % 2]))
            if (i + 1) % PER_CHUNK == 0:
                writer.storage.close_chunk()
    seal_summary(folder / f"{folder.name}.mcap")
    return folder / f"{folder.name}.mcap"


def replays(folder: Path, number: int, seed: int) -> dict[str, Any]:
    """Cut, flipped and mutated bags by turns through `rover-energy replay`, in this process."""
    if importlib.util.find_spec("rclpy") is None or importlib.util.find_spec("rover_energy_interfaces") is None:
        return {"left out": "ROS 2 is not installed"}
    os.environ.setdefault("ROS_LOG_DIR", str(folder))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    data, dice = make_drive(folder / "drive").read_bytes(), random.Random(seed)
    records = [r for r in framing(data) if r[0] == 6]
    domain, counts, problems = str(1 + os.getpid() % 100), Counter[str](), []
    for i in progress(range(number), number, "replays"):
        kind, path = ("cut", "flip", "mutant")[i % 3], folder / "damaged.mcap"
        broken, expected = bytearray(data), -1
        if kind == "cut":
            broken = broken[: dice.randrange(records[0][2], len(data))]
            expected = PER_CHUNK * sum(end <= len(broken) for _, _, end in records)
        elif kind == "flip":
            _, start, end = dice.choice(records)
            broken[dice.randrange(start + 9 + 32, end)] ^= 1 << dice.randrange(
                8
            )  # behind the chunk's head: its messages are lost
            expected = PER_CHUNK * (len(records) - 1)
        else:
            broken = bytearray(mutate(data, dice))
        path.write_bytes(broken)
        code, said, out = _said(["replay", str(path), "--rate", "0", "--json", "--domain", domain])
        counts[f"{kind} exit {code}"] += 1
        bad = _complaint(code, said)
        if expected >= 0 and not bad:
            used = sum(json.loads(out)["messages"].values()) if code in (0, 3) else 0
            counts["whole_chunks"] += expected // PER_CHUNK
            counts["chunks_used"] += used // PER_CHUNK
            bad = "" if used == expected else f"{used} of {expected} messages"
            bad = bad or ("" if code == 3 and "done with loss" in said else "the loss is not said")
        if bad:
            problems.append(f"{kind}, replay {i}: {bad}: {said.strip().splitlines()[-1:] or ''}")
    return {"replays": number, **dict(sorted(counts.items())), "bad": len(problems), "problems": problems[:20]}


def _complaint(code: int, said: str) -> str:
    if "Traceback" in said or "internal error" in said:
        return "traceback or internal error"
    if code not in (0, 1, 2, 3):
        return f"exit code {code}"
    if code == 2 and len(said.strip().splitlines()) != 1:
        return "not one line"
    return ""


def quietly(words: list[str]) -> tuple[int, str]:
    """Exit code, and what was said on standard error."""
    return _said(words)[:2]


def _said(words: list[str]) -> tuple[int, str, str]:
    """Exit code, what was said on standard error and on standard output."""
    err, out = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(words)
        except Exception as error:
            return 99, f"Traceback {type(error).__name__}: {error}", ""
    return code, err.getvalue(), out.getvalue()


def main(argv: list[str] | None = None) -> int:
    """Run the parts and print their figures."""
    arguments = parser(__doc__, problems=10000, quick=50)
    arguments.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which of the four")
    arguments.add_argument("--replays", type=int, default=60, help="how many damaged bags are replayed (default 60)")
    options = parse(arguments, argv)
    results: dict[str, Any] = {}
    for part in options.parts:
        with tempfile.TemporaryDirectory() as place:
            if part == "cuts":
                results[part] = cuts(Path(place), options.quick, options.seed)
            elif part == "flips":
                results[part] = flips(Path(place), options.quick, options.seed)
            elif part == "replay":
                results[part] = replays(Path(place), 6 if options.quick else options.replays, options.seed)
            else:
                results[part] = files(Path(place), options.problems, options.seed)
        print(
            table((part, "count"), [(k.replace("_", " "), v) for k, v in results[part].items() if not isinstance(v, list)]),
            flush=True,
        )
        for line in results[part].get("problems", []):
            print(line)
    write_json(options.json, "bag_damage", options.seed, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
