"""Messages of a bag, decoded: the one place from which the linter, the refit and the scores of forecasts read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError, MissingExtraError


def read_messages(bag: Path, kinds: Sequence[str], topics: Sequence[str] = ()) -> Iterator[tuple[str, str, float, Any]]:
    """Messages of some kinds ("package/msg/Name"), in order of recording.

    Parameters
    ----------
    bag : Path
        Folder of a rosbag2 recording (MCAP or SQLite).
    kinds : sequence of str
    topics : sequence of str
        Only of these topics; all when empty.

    Yields
    ------
    topic, kind, time of recording [s], message

    Raises
    ------
    InputError
        When the bag cannot be read, or a topic is not in it.
    MissingExtraError
        Without the package rosbags.
    """
    try:
        from rosbags.highlevel import AnyReader, AnyReaderError
    except ImportError:
        raise MissingExtraError("rosbags", "ros", "reading a bag") from None
    if not bag.exists():
        raise InputError(str(bag), "BAG", "does not exist", "give the folder of a rosbag2 recording")
    try:
        with AnyReader([bag]) as reader:
            known = {connection.topic for connection in reader.connections}
            for topic in topics:
                if topic not in known:
                    raise InputError(str(bag), "topic", "is not in the bag", f"use one of {', '.join(sorted(known))}", topic)
            chosen = [c for c in reader.connections if c.msgtype in kinds and (not topics or c.topic in topics)]
            for connection, time, data in reader.messages(connections=chosen) if chosen else ():
                yield connection.topic, connection.msgtype, 1e-9 * time, reader.deserialize(data, connection.msgtype)
    except InputError:
        raise
    except AnyReaderError as error:
        raise InputError(str(bag), "BAG", f"cannot be read ({error})", "give the folder of a rosbag2 recording") from None
    except Exception as error:  # the library's readers raise what they meet in a damaged file: struct, key, type, storage errors
        raise InputError(
            str(bag), "BAG", f"is damaged ({type(error).__name__}: {error})", "recover its whole chunks first"
        ) from None
