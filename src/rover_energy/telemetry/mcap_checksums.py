"""The checksums of an MCAP file that rosbags leaves 0 when it writes one: without them nobody can see flipped bits."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOOTER = 37  # bytes of the footer of an MCAP file and what follows it
CHECKSUM = 33  # bytes from the beginning of a chunk record to the checksum of what it holds


def with_checksum(storage: Any) -> Callable[[], None]:
    """A `close_chunk` for a storage of rosbags' MCAP writer that also writes the chunk's checksum."""
    close = storage.close_chunk

    def checked() -> None:
        crc, start = zlib.crc32(storage.chunk.bio.getvalue()), storage.bio.tell()
        close()
        end = storage.bio.tell()
        storage.bio.seek(start + CHECKSUM)
        storage.bio.write(crc.to_bytes(4, "little"))
        storage.bio.seek(end)

    return checked


def seal_summary(path: Path) -> None:
    """Write the checksum of the summary of a closed MCAP file."""
    with path.open("r+b") as file:
        end = file.seek(-FOOTER, os.SEEK_END)
        file.seek(end + 9)
        file.seek(int.from_bytes(file.read(8), "little"))
        start = file.tell()
        crc = zlib.crc32(file.read(end + 25 - start))
        file.seek(end + 25)
        file.write(crc.to_bytes(4, "little"))
