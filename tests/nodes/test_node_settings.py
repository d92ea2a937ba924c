"""Settings as ROS parameters: every field with unit, bounds and description; what is out of bounds never becomes active."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.nodes import ros
from rover_energy.nodes.graph import simulation_graph
from rover_energy.nodes.settings import ALL
from rover_energy.parameters import from_mapping


@pytest.mark.parametrize("name", ALL)
def test_every_setting_is_described(name: str) -> None:
    for field in dataclasses.fields(ALL[name]):
        assert len(field.metadata["description"]) > 10
        assert isinstance(field.default, (bool, int, float, str)), "ROS parameters have these types only"


def test_the_graph_sets_what_the_nodes_declare() -> None:
    nodes = simulation_graph(Path("plan"), Path("bag"), simulator="mujoco", resistance=1.2)
    for node in nodes:
        from_mapping(ALL[node.name], node.parameters, node.name)
    beside = {"battery_lint"}  # for batteries that others report
    assert {node.name for node in nodes} == set(ALL) - beside
    line = next(node for node in nodes if node.name == "drive").command()
    assert "raw_ground:=true" in line
    assert 'folder:="plan"' in line


def test_without_ros_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingExtraError, match=r"rover-energy\[ros\]"):
        ros.need("rclpy_that_is_not_there")


def test_angles_survive_the_quaternion() -> None:
    pytest.importorskip("geometry_msgs", reason="ROS 2 is not installed: make ros")
    for angles in ((0.1, -0.2, 3.0), (-0.3, 0.4, -1.0), (0.0, 0.0, 0.0)):
        assert ros.angles_of(ros.quaternion_of(*angles)) == pytest.approx(angles, abs=1e-12)


@needs_ros
def test_descriptors(tmp_path: Path) -> None:
    from rover_energy.nodes.simulator_node import Simulator

    with ros_context(tmp_path, domain(11)) as world:
        node, _ = ros.host(Simulator, context=world.context)
        for field in dataclasses.fields(ALL["simulator"]):
            described: Any = node.describe_parameter(field.name)
            assert described.description.startswith(field.metadata["description"])
            assert (field.metadata["unit"] == "-") or f"[{field.metadata['unit']}]" in described.description
            if isinstance(field.default, float):
                (bounds,) = described.floating_point_range
                assert bounds.from_value == field.metadata["minimum"]
                assert bounds.to_value == field.metadata["maximum"]
        node.destroy_node()


@needs_ros
def test_a_node_that_cannot_be_configured_stays_so(tmp_path: Path) -> None:
    from rover_energy.nodes.power_node import Power

    with ros_context(tmp_path, domain(12)) as world:
        node, part = ros.host(Power, context=world.context)
        transition = node.trigger_configure()
        assert "FAILURE" in str(transition)
        assert not part.active
        node.destroy_node()


def test_folders_that_hold_no_plan_are_refused(tmp_path: Path) -> None:
    from rover_energy.nodes.plan_folder import read_bus, read_certified

    for read in (read_bus, read_certified):
        with pytest.raises(InputError, match="is not a folder"):
            read(str(tmp_path / "none"))
        with pytest.raises(InputError):
            read(str(tmp_path))
