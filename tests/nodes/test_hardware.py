"""The names of a rover's own topics, and the command lines that come of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_cases import ROOT

from rover_energy.errors import InputError
from rover_energy.nodes.deployment import gazebo_graph, rover_graph
from rover_energy.nodes.graph import simulation_graph
from rover_energy.nodes.hardware import COMMANDED, MEASURED, Hardware, read_hardware
from rover_energy.nodes.topics import BY_NAME

PLAN, BAG = Path("plan"), Path("out/bag")


def write(folder: Path, text: str) -> Path:
    path = folder / "hardware.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_read_and_names_every_topic_of_the_hardware() -> None:
    hardware = read_hardware(ROOT / "config" / "hardware_example.yaml")
    assert set(hardware.topics) == {*MEASURED, *COMMANDED} <= set(BY_NAME)
    assert hardware.power_rate == 50.0


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert read_hardware(write(tmp_path, "")) == Hardware()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("topics: {odm: /a}", "topics.odm"), ("topics: {power_state: /a}", "topics.power_state"), ("topic: {}", "topic"),
        ("topics: {odom: 'a b'}", "topics.odom"), ("topics: {odom: 7}", "topics.odom"), ("topics: [odom]", "topics"),
        ("topics: {odom: /a, imu: /a}", "taken"), ("topics: {odom: imu}", "taken"), ("power_rate: .nan", "power_rate"),
        ("power_rate: 500", "power_rate"), ("power_rate: true", "power_rate"), ("namespace: '1 2'", "namespace"),
        ("- a", "mapping"), ("a: [", "YAML"),
    ],
)  # fmt: skip
def test_bad_files_are_named_in_one_line(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        read_hardware(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "hardware.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml"):
        read_hardware(tmp_path / "absent.yaml")


def test_a_rover_has_no_simulator_and_lives_by_the_wall_clock() -> None:
    hardware = Hardware({"odom": "/loc/odom"}, "/r1", 25.0)
    nodes = rover_graph(PLAN, BAG, hardware)
    wanted = {node.name for node in simulation_graph(PLAN, BAG, simulator="mujoco")} - {"simulator"}
    assert {node.name for node in nodes} == wanted
    for node in nodes:
        line = node.command()
        assert "use_sim_time:=false" in line
        assert "use_sim_time:=true" not in line
        assert line[-4:] == ["-r", "odom:=/loc/odom", "-r", "__ns:=/r1"]
        assert "simulator" not in str(node.parameters.get("nodes", ""))
    assert next(node for node in nodes if node.name == "power").parameters["rate"] == 25.0


def test_gazebo_takes_the_simulators_place_and_nothing_else() -> None:
    ours = {node.name: node for node in simulation_graph(PLAN, BAG, simulator="mujoco")}
    nodes = gazebo_graph(PLAN, BAG)
    assert [node.name for node in nodes] == list(ours)
    changed = [node for node in nodes if node.module != ours[node.name].module]
    assert [(node.name, node.module) for node in changed] == [("simulator", "gazebo_base")]
    for node in nodes:
        if node not in changed:
            assert {**node.parameters, "stale": 0} == {**ours[node.name].parameters, "stale": 0}
