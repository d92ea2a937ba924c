"""Foxglove's WebSocket as a client sees it, every message decoded again; and the file with the scene."""

from __future__ import annotations

import json
import struct
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from views_cases import BASE, INFERENCE, RATE, SECONDS, available, definitions, drive_power, hill, place

from rover_energy.rover import RoverParameters
from rover_energy.telemetry.recording import Recording
from rover_energy.views.foxglove_layout import ADDED, POWER_VIEW, SCENE, TRANSFORMS

pytest.importorskip("foxglove", reason="foxglove-sdk is not installed: pip install 'rover-energy[views]'")

from rover_energy.views.foxglove_stream import FoxgloveStream

MESSAGE, TIME = 1, 2  # op codes of the protocol


@pytest.fixture
def stream(made_bag: Path) -> SimpleNamespace:
    bag = Recording(made_bag)
    made = FoxgloveStream(bag.streams, bag.decode, namespace="", terrain=hill(), rover=RoverParameters())
    return SimpleNamespace(bag=bag, stream=made)


def protobuf(data: bytes) -> dict[int, list[Any]]:
    """Fields of a protobuf message by number: numbers as they are, doubles decoded, everything else as bytes."""
    found: dict[int, list[Any]] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value: Any = number()
        elif key & 7 == 1:
            value = struct.unpack_from("<d", data, at)[0]
            at += 8
        elif key & 7 == 5:
            value = data[at : at + 4]
            at += 4
        else:
            length = number()
            value = data[at : at + length]
            at += length
        found.setdefault(key >> 3, []).append(value)
    return found


def received(server: Any, send: Any, wanted: set[str]) -> tuple[dict[str, Any], dict[str, list[tuple[int, bytes]]], int]:
    """What a client of the protocol foxglove.sdk.v1 gets: channels, (time, content) by topic, times of the server."""
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    address = f"ws://127.0.0.1:{server.port}"
    with client.connect(address, subprotocols=["foxglove.sdk.v1"], max_size=None, proxy=None) as socket:
        assert socket.subprotocol == "foxglove.sdk.v1"
        information = json.loads(socket.recv(timeout=10))
        assert information["op"] == "serverInfo"
        assert "time" in information["capabilities"]
        channels: dict[str, Any] = {}
        while wanted - set(channels):
            told = json.loads(socket.recv(timeout=10))
            channels |= {c["topic"]: c for c in told.get("channels", [])}
        ids = {i: topic for i, topic in enumerate(sorted(wanted))}
        subscriptions = [{"id": i, "channelId": channels[topic]["id"]} for i, topic in ids.items()]
        socket.send(json.dumps({"op": "subscribe", "subscriptions": subscriptions}))
        threading.Timer(0.5, send).start()
        messages: dict[str, list[tuple[int, bytes]]] = {topic: [] for topic in wanted}
        times = 0
        while True:
            try:
                data = socket.recv(timeout=2)
            except TimeoutError:
                return channels, messages, times
            if isinstance(data, bytes) and data[0] == MESSAGE:
                number, time = struct.unpack_from("<IQ", data, 1)
                messages[ids[number]].append((time, data[13:]))
            elif isinstance(data, bytes) and data[0] == TIME:
                times += 1


def test_a_client_gets_every_message_and_can_read_it(stream: SimpleNamespace) -> None:
    server = stream.stream.serve("127.0.0.1", 0)
    wanted = {"/power_state", "/odom", POWER_VIEW, TRANSFORMS, SCENE}
    samples = [s for s in stream.bag.samples(duration=4.0)]

    def send() -> None:
        for sample in samples:
            stream.stream.send(sample)
            server.broadcast_time(sample.time)

    try:
        channels, messages, times = received(server, send, wanted)
    finally:
        server.stop()
    assert set(channels) == {s.topic for s in stream.bag.streams} | set(ADDED)
    assert {topic: channels[topic]["schemaName"] for topic in ADDED} == ADDED
    assert times > 0
    recorded = [(s.time, s.data) for s in samples if s.topic == "/power_state"]
    assert messages["/power_state"] == recorded
    types = definitions({"rover_energy_interfaces/msg/PowerState": channels["/power_state"]["schema"]})
    for time, data in messages["/power_state"]:  # with the definition that the server has told, and nothing else
        state = types.deserialize_cdr(data, "rover_energy_interfaces/msg/PowerState")
        assert state.available_power == pytest.approx(available(1e-9 * time))
    assert len(messages[POWER_VIEW]) == len(recorded) == 4 * RATE
    for time, data in messages[POWER_VIEW]:
        values, t = json.loads(data), 1e-9 * time
        total = BASE + INFERENCE + drive_power(t)
        assert values["total"] == pytest.approx(total)
        assert values["margin"] == pytest.approx(available(t) - total)
        assert values["above_floor"] == pytest.approx(2250.0 - 5.0 * t)
    for time, data in messages[TRANSFORMS]:
        transform = protobuf(data)
        assert (transform[2], transform[3]) == ([b"map"], [b"base_link"])
        point = protobuf(transform[4][0])
        assert [point.get(i, [0.0])[0] for i in (1, 2, 3)] == pytest.approx(place(1e-9 * time))
    entities = [protobuf(e) for e in protobuf(messages[SCENE][0][1])[2]]
    assert [e[3][0] for e in entities] == [b"ground", b"rover"]


def test_unknown_power_is_absent_not_zero(stream: SimpleNamespace, tmp_path: Path) -> None:
    make_reader = pytest.importorskip("mcap.reader", reason="mcap is not installed").make_reader
    from views_cases import Maker

    from rover_energy.telemetry.recording import Sample

    make, kind = Maker(), "rover_energy_interfaces/msg/PowerState"
    message = make.power(1.0)
    message.available_power = float("nan")
    writer = stream.stream.file(tmp_path / "x.mcap")
    stream.stream.send(Sample("/power_state", kind, 10**9, bytes(make.store.serialize_cdr(message, kind))))
    writer.close()
    with (tmp_path / "x.mcap").open("rb") as file:
        (found,) = [m.data for _, c, m in make_reader(file).iter_messages(topics=[POWER_VIEW])]
    assert set(json.loads(found)) == {"total", "state_of_charge", "above_floor"}


def test_the_file_holds_the_bag_and_the_scene(stream: SimpleNamespace, tmp_path: Path) -> None:
    make_reader = pytest.importorskip("mcap.reader", reason="mcap is not installed").make_reader
    writer = stream.stream.file(tmp_path / "scene.mcap")
    for sample in stream.bag.samples():
        stream.stream.send(sample)
    writer.close()
    with (tmp_path / "scene.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
        counts = {c.topic: summary.statistics.channel_message_counts[i] for i, c in summary.channels.items()}
    total = round(SECONDS * RATE) + 1
    assert {topic: counts[topic] for topic in ("/odom", "/power_state", POWER_VIEW, TRANSFORMS)} == dict.fromkeys(
        ("/odom", "/power_state", POWER_VIEW, TRANSFORMS), total
    )
    assert set(counts) == {s.topic for s in stream.bag.streams} | set(ADDED)


def test_a_port_that_is_taken(stream: SimpleNamespace) -> None:
    import socket

    from rover_energy.errors import InputError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=r"--port = .*cannot be served"):
            stream.stream.serve("127.0.0.1", taken.getsockname()[1])
