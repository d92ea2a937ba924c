"""The topic contract: consistent in itself, and kept by what the nodes really publish."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from node_cases import needs_ros

from rover_energy.nodes.inference_settings import INFERENCE
from rover_energy.nodes.settings import ALL
from rover_energy.nodes.topics import BY_NAME, INFERENCE_TOPICS, QOS, TOPICS

NOT_STARTED = ("planner", "battery_lint")
"""Nodes that `rover-energy drive` does not start."""


def test_table_is_consistent() -> None:
    assert len(BY_NAME) == len(TOPICS) + len(INFERENCE_TOPICS)
    assert {topic.publisher for topic in TOPICS} <= {*ALL, "every node"}
    assert {topic.publisher for topic in INFERENCE_TOPICS} <= set(INFERENCE) | {"power", "every network"}
    assert {topic.qos for topic in TOPICS} == set(QOS)
    assert all(len(topic.description) > 10 for topic in TOPICS)
    assert [topic.name for topic in TOPICS if topic.name.startswith("/")] == ["/clock", "/diagnostics"]


@needs_ros
@pytest.mark.parametrize("topic", [*TOPICS, *INFERENCE_TOPICS], ids=lambda topic: topic.name)
def test_types_exist(topic) -> None:  # type: ignore[no-untyped-def]
    from rover_energy.nodes.ros import message_class

    fields = message_class(topic.kind).get_fields_and_field_types()
    assert ("header" in fields) or not topic.frame


@needs_ros
@pytest.mark.parametrize("topic", [t for t in TOPICS if t.publisher not in NOT_STARTED], ids=lambda topic: topic.name)
def test_a_recorded_drive_keeps_the_table(topic, loopback: SimpleNamespace) -> None:  # type: ignore[no-untyped-def]
    """Type, frame and rate of every topic in the bag. Rates are by the messages' own stamps, at least 90 % of nominal."""
    from rosbags.highlevel import AnyReader

    from rover_energy.nodes.recorder_node import typestore

    name = topic.name if topic.name.startswith("/") else f"/{topic.name}"
    with AnyReader([loopback.out / "bag"], default_typestore=typestore()) as reader:
        connections = [c for c in reader.connections if c.topic == name]
        assert [c.msgtype for c in connections] == [topic.kind]
        messages = [reader.deserialize(data, topic.kind) for _, _, data in reader.messages(connections=connections)]
    assert messages, "nothing was recorded"
    assert {m.header.frame_id for m in messages if hasattr(m, "header")} <= {topic.frame}
    if topic.rate == 0.0 or topic.name in ("/diagnostics", "heartbeat", "graph_state"):  # on change; by real time
        return
    times = [m.clock if name == "/clock" else m.header.stamp for m in messages]
    seconds = [t.sec + 1e-9 * t.nanosec for t in times]
    share = 0.5 if topic.qos == "clock" else 0.9  # the clock is sent best effort
    assert (len(seconds) - 1) / (seconds[-1] - seconds[0]) >= share * topic.rate
    assert sorted(seconds) == seconds
