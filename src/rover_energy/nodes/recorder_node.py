"""The recorder: every topic of the contract into a rosbag2 folder with MCAP, in chunks that survive a crash."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.settings import RecorderParameters
from rover_energy.nodes.topics import INFERENCE_TOPICS, INTERFACES, TOPICS
from rover_energy.telemetry.mcap_checksums import seal_summary, with_checksum

DEPTH = 5000  # messages that may wait while the disk is slow


def interface_definitions() -> list[Path]:
    """Installed .msg files of the message package. Raises InputError when they are not found."""
    places = [Path(prefix) for prefix in _prefixes()]
    for place in places:
        found = sorted((place / "share" / INTERFACES / "msg").glob("*.msg"))
        if found:
            return found
    raise InputError("recorder", INTERFACES, "has no share folder with its definitions", "install it with: make ros")


def _prefixes() -> list[str]:
    return [*os.environ.get("AMENT_PREFIX_PATH", "").split(":"), sys.prefix]


@functools.cache
def typestore() -> Any:
    """Types of ROS 2 and of the message package, for writing and reading bags."""
    rosbags = ros.need("rosbags.typesys")
    store = rosbags.get_typestore(rosbags.Stores.ROS2_KILTED)
    types: dict[Any, Any] = {}
    for path in interface_definitions():
        types.update(rosbags.get_types_from_msg(path.read_text(encoding="utf-8"), f"{INTERFACES}/msg/{path.stem}"))
    store.register(types)
    return store


def unused(bag: Path) -> Path:
    """The folder, or the first of bag_1, bag_2 ... that does not exist."""
    number, chosen = 0, bag
    while chosen.exists():
        number += 1
        chosen = bag.with_name(f"{bag.name}_{number}")
    return chosen


class Recorder(ros.Part):
    """Writes what comes as it comes, unread."""

    name, parameters = "recorder", RecorderParameters
    writer: Any = None

    def configure(self) -> None:
        bag = Path(self.settings.bag)
        if self.settings.resume and self.settings.bag:
            bag = unused(bag)
        if not self.settings.bag or bag.exists():
            raise InputError("recorder", "bag", "is not a new folder", "name one that does not exist", self.settings.bag)
        rosbag2 = ros.need("rosbags.rosbag2")
        self.writer = rosbag2.Writer(bag, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
        self.writer.open()
        self.file = self.writer.storage.path
        self.writer.storage.close_chunk = with_checksum(self.writer.storage)
        store = typestore()
        for topic in (*TOPICS, *(INFERENCE_TOPICS if self.settings.inference else ())):
            name = topic.name if topic.name.startswith("/") else f"{self.ros.get_namespace().rstrip('/')}/{topic.name}"
            connection = self.writer.add_connection(name, topic.kind, typestore=store)
            self.subscribe(topic.name, self._keep(connection), depth=DEPTH, raw=True)
        self.timer = self.every(self.settings.chunk, self.flush)

    def flush(self) -> None:
        """End the chunk and hand it to the operating system: a reader that scans the file finds it whatever happens to us."""
        if self.active and self.writer is not None:
            storage = self.writer.storage
            if storage.chunk.bio.tell():
                storage.close_chunk()
            storage.bio.flush()

    def _keep(self, connection: Any) -> Any:
        def write(data: bytes) -> None:
            if self.active:
                self.writer.write(connection, max(0, self.ros.get_clock().now().nanoseconds), bytes(data))

        return write

    def deactivate(self) -> None:
        """Close the bag: its index and metadata. A signal may come in between; then this is called again."""
        if self.writer is not None:
            self.writer.close()
            seal_summary(self.file)
            self.writer = None


def warm() -> None:
    """What takes long and is the same for every recorder."""
    ros.need("rosbags.rosbag2")
    typestore()


def main() -> None:
    """Entry point."""
    ros.run(Recorder)


if __name__ == "__main__":
    main()
