"""Replay: the same bytes for the same bag, the drive's own verdict found again, and nothing that a rover would obey."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import ROOT, command, domain, environment, needs_ros, ros_context

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "views"))
from views_cases import BASE, INFERENCE, RATE, available, definitions, drive_power, write_bag

from rover_energy.telemetry.recording import Recording

pytestmark = needs_ros
SECONDS = 4.0
COUNT = round(SECONDS * RATE) + 1


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("replay") / "bag", seconds=SECONDS)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replay in this process, with the built-in rover unless a plan is given."""
    from rover_energy.nodes.replay_node import Portion, plan_folder, replay
    from rover_energy.nodes.replay_report import summary

    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)

    def run(path: Path, number: int, plan: Path | None = None, **portion: Any) -> SimpleNamespace:
        folder, source = plan_folder(path, plan, tmp_path)
        opened = Recording(path)
        outcome = replay(opened, folder, Portion(**{"rate": 0.0, **portion}), domain=domain(number))
        return SimpleNamespace(outcome=outcome, figures=summary(outcome, rover=source, loss=opened.loss))

    return run


def test_the_same_bag_gives_the_same_bytes(bag: Path, tmp_path: Path) -> None:
    """Two processes, one as fast as it goes and one paced: nothing of the machine's time is in the report."""
    found = []
    for i, rate in enumerate((0, 5)):
        words = ("--rate", rate, "--out", tmp_path / str(i), "--domain", domain(30 + i), "--json")
        code, out, said = command("replay", bag, *words, folder=tmp_path)
        assert code == 0, said
        assert json.loads(out)["compliance"]["samples"] == COUNT - 1
        assert "built-in rover" in said
        found.append({path.name: path.read_bytes() for path in (tmp_path / str(i)).iterdir()})
    assert found[0] == found[1]
    assert set(found[0]) == {"replay.json", "diagnostics.jsonl"}
    assert b'"power: motors"' in found[0]["diagnostics.jsonl"]


def test_figures_are_those_of_the_formulas(bag: Path, play: Any) -> None:
    figures = play(bag, 32).figures
    t = [i / RATE for i in range(1, COUNT)]  # the first window only sets the clock
    totals = [BASE + INFERENCE + drive_power(x) for x in t]
    report = figures["compliance"]
    assert report["passed"]
    assert report["energy"] == pytest.approx(sum(totals) / RATE)
    assert report["peak_power"] == pytest.approx(max(totals))
    assert report["least_power_margin"] == pytest.approx(min(available(x) - p for x, p in zip(t, totals, strict=True)))
    assert figures["messages"] == {"/joint_states": COUNT, "/odom": COUNT, "/power_state": COUNT}
    names = ("power: battery", "power: bus", "power: motors")
    assert figures["diagnostics"] == {name: {"OK": int(SECONDS)} for name in names}
    assert figures["recorded_compliance"] is None


def test_windows_over_are_counted(tmp_path: Path, play: Any) -> None:
    from rover_energy.nodes.replay_report import verdict

    figures = play(write_bag(tmp_path / "over", seconds=2.0, over_at=1.5), 33).figures
    report = figures["compliance"]
    assert not report["passed"]
    assert report["checks"][0]["violations"] == 26  # 1.50 s .. 2.00 s
    assert report["least_power_margin"] < -100.0
    assert verdict(figures).startswith("limits NOT kept")
    assert figures["diagnostics"]["power: motors"] == {"OK": 2}  # the meter reads more than the wheels take, never less


def test_the_verdict_of_the_drive_is_found_again(loopback: SimpleNamespace, plan_folder: Path, play: Any) -> None:
    result = play(loopback.out / "bag", 34, plan=plan_folder)
    now, then = result.figures["compliance"], result.figures["recorded_compliance"]
    assert result.figures["left_out"] == {}
    assert (now["passed"], now["plan_id"]) == (then["passed"], then["plan_id"]) == (True, plan_folder.name)
    # the drive node stops counting when the rover stands, and says so up to half a second later; the replay counts until then
    assert 0 <= now["samples"] - then["samples"] + 3 <= 28
    assert now["missing_samples"] == 0
    assert now["peak_power"] == then["peak_power"]
    assert now["least_power_margin"] == then["least_power_margin"]
    assert now["energy"] == pytest.approx(then["energy"], rel=1e-3)
    levels = result.figures["diagnostics"]
    for counts in levels.values():  # at the end the clock may outlast the bus for a period
        assert counts["OK"] >= 15, levels
        assert set(counts) <= {"OK", "STALE"}, levels
        assert counts.get("STALE", 0) <= 1, levels


def test_a_part_is_played(bag: Path, play: Any) -> None:
    figures = play(bag, 35, start=2.0, duration=1.0).figures
    assert figures["messages"]["/power_state"] == RATE


def test_commands_and_recomputed_topics_go_elsewhere(
    loopback: SimpleNamespace, play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rover_energy.nodes import replay_node

    names: dict[bool, dict[str, str]] = {}
    original = replay_node.Player.alone

    def note(player: Any) -> None:
        names[len(names) > 0] = {topic: name for topic, (name, _) in player.publishers.items()}
        original(player)

    monkeypatch.setattr(replay_node.Player, "alone", note)
    play(loopback.out / "bag", 36, duration=0.2)
    play(loopback.out / "bag", 37, duration=0.2, commands=True)
    moved = {topic for topic, name in names[False].items() if name != topic}
    always = {"/compliance", "/diagnostics", "/heartbeat", "/graph_state"}
    assert moved == {"/cmd_vel", "/load_command", "/replan"} | always
    assert names[False]["/cmd_vel"] == "/recorded/cmd_vel"
    assert {topic for topic, name in names[True].items() if name != topic} == always


def test_others_hear_it_with_a_clock_that_never_goes_back(
    bag: Path, play: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rosgraph_msgs.msg import Clock
    from rover_energy_interfaces.msg import ComplianceReport, PowerState

    from rover_energy.nodes import replay_node, ros

    original = replay_node.Player.alone

    def connected(player: Any) -> None:
        """Begin when the listener is there: beside one monitor for the clock, and two for power_state."""
        original(player)
        until = time.monotonic() + 20.0
        while player.clock.get_subscription_count() < 2 or player.publishers["/power_state"][1].get_subscription_count() < 3:
            assert time.monotonic() < until
            player.graph.rest(0.1)

    monkeypatch.setattr(replay_node.Player, "alone", connected)
    heard: dict[str, list[Any]] = {"/clock": [], "power_state": [], "compliance": []}
    done = threading.Event()
    with ros_context(tmp_path, domain(38)) as world:
        import rclpy

        node = rclpy.create_node("listener", context=world.context)
        for name, kind in (("/clock", Clock), ("power_state", PowerState), ("compliance", ComplianceReport)):
            node.create_subscription(kind, name, heard[name].append, ros.quality(ros.BY_NAME[name].qos, depth=1000))
        world.executor.add_node(node)

        def spin() -> None:
            while not done.is_set():
                world.executor.spin_once(timeout_sec=0.05)

        thread = threading.Thread(target=spin)
        thread.start()
        try:
            play(bag, 38, rate=4.0)
            until = time.monotonic() + 5.0
            while len(heard["power_state"]) < COUNT and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            done.set()
            thread.join(10)
    times = [m.clock.sec + 1e-9 * m.clock.nanosec for m in heard["/clock"]]
    assert times == sorted(times)
    assert times[-1] == SECONDS
    assert len(heard["power_state"]) == COUNT
    assert [m.passed for m in heard["compliance"]] == [True]


def test_somebody_else_on_the_same_topics_is_noticed(bag: Path, play: Any, tmp_path: Path) -> None:
    from rover_energy_interfaces.msg import PowerState

    from rover_energy.nodes.lockstep import LockstepError

    with ros_context(tmp_path, domain(39)) as world:
        import rclpy

        node = rclpy.create_node("a_real_rover", context=world.context)
        node.create_publisher(PowerState, "power_state", 10)
        with pytest.raises(LockstepError, match="a_real_rover publishes it in this ROS domain already"):
            play(bag, 39)


def foreign_bag(folder: Path) -> Path:
    """A type that nobody has installed, and one that was recorded with another definition."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    made = get_typestore(Stores.EMPTY)
    made.register(get_types_from_msg("float64 watts\n", "other_robot_msgs/msg/Power"))
    made.register(get_types_from_msg("float64 x\nfloat64 y\n", "geometry_msgs/msg/Point"))
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, kind, values in (
            ("/power", "other_robot_msgs/msg/Power", {"watts": 5.0}), ("/where", "geometry_msgs/msg/Point", {"x": 1.0, "y": 2.0}),
        ):  # fmt: skip
            connection = writer.add_connection(name, kind, typestore=made)
            for i in range(3):
                writer.write(connection, i * 10**8, made.serialize_cdr(made.types[kind](**values), kind))
    return folder


def test_what_cannot_be_published_is_named(tmp_path: Path) -> None:
    path = foreign_bag(tmp_path / "foreign")
    words = ("--rate", 0, "--json", "--domain", domain(40))
    code, out, said = command("replay", path, *words, folder=tmp_path)
    assert code == 3, said
    figures = json.loads(out)
    assert figures["left_out"]["/power"] == "other_robot_msgs/msg/Power is not installed"
    assert "another definition" in figures["left_out"]["/where"]
    assert figures["compliance"] is None
    assert "/where was left out" in said


def test_the_launch_file_runs_the_command(bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"launch": ("LaunchDescription",), "launch.actions": ("DeclareLaunchArgument", "ExecuteProcess", "OpaqueFunction"),
             "launch.substitutions": ("LaunchConfiguration",)}  # fmt: skip
    for module, classes in names.items():
        stand_in = types.ModuleType(module)
        vars(stand_in).update({name: type(name, (), {}) for name in classes})
        monkeypatch.setitem(sys.modules, module, stand_in)
    specification = importlib.util.spec_from_file_location("replay_launch", ROOT / "launch" / "replay.launch.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    values = {name: default or "" for name, default, _ in module.ARGUMENTS}
    assert all(len(text) > 10 for _, _, text in module.ARGUMENTS)
    line = module.command({**values, "bag": str(bag), "rate": "0", "out": str(tmp_path / "out")})
    assert line[:4] == [sys.executable, "-m", "rover_energy.cli.main", "replay"]
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain(41)))
    code, out, said = command(*line[3:], folder=tmp_path)
    assert code == 0, said
    assert out.startswith(f"limits kept: {COUNT - 1} windows")
    assert (tmp_path / "out" / "replay.json").is_file()
    assert module.command({**values, "bag": "b", "commands": "true"})[-1] == "--commands"


def test_live_topics_are_samples_of_the_same_bytes(bag: Path, tmp_path: Path) -> None:
    """Published by rclpy, taken by the source of the live views, decoded with the definitions that it hands on."""
    import rclpy
    from rover_energy_interfaces.msg import PowerState

    from rover_energy.nodes import ros
    from rover_energy.nodes.live import Live


    opened = Recording(bag)
    with ros_context(tmp_path, domain(42)) as world:
        recorded = [sample for sample in opened.samples({"/power_state"}, duration=1.0)]
        node = rclpy.create_node("rover", context=world.context, namespace="/r1")
        publisher = node.create_publisher(PowerState, "power_state", ros.quality("stream", depth=100))
        with Live("/r1", domain(42)) as live:
            world.spin(lambda: publisher.get_subscription_count() == 1)
            for sample in recorded:
                publisher.publish(sample.data)
            found = list(live.samples(1.0))
            text = next(stream.definition for stream in live.streams if stream.topic == "/r1/power_state")
    assert [sample.topic for sample in found] == ["/r1/power_state"] * len(recorded)
    assert live.dropped == 0
    kind = "rover_energy_interfaces/msg/PowerState"
    types_ = definitions({kind: text})
    for got, sent in zip(found, recorded, strict=True):
        state = types_.deserialize_cdr(got.data, kind)
        assert state.available_power == live.decode(got).available_power == pytest.approx(available(1e-9 * sent.time))
