"""The layers as messages: geometry, scaling, and latched for whoever comes late."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_cases import domain, needs_ros, ros_context

pytestmark = needs_ros
LAYERS = ("map", "map_height", "map_slope", "map_shadow", "map_power")


@pytest.fixture(scope="module")
def heard(plan_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a client hears that comes after everything was published, and the node's part."""
    import rclpy
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.terrain_node import Terrain

    found: dict[str, Any] = {}
    with ros_context(tmp_path_factory.mktemp("terrain"), domain(41)) as world:
        overrides = [Parameter("folder", value=str(plan_folder)), Parameter("resolution", value=0.5)]
        host, part = ros.host(Terrain, context=world.context, parameter_overrides=overrides)
        world.executor.add_node(host)
        assert "SUCCESS" in str(host.trigger_configure())
        assert "SUCCESS" in str(host.trigger_activate())
        late = rclpy.create_node("late", context=world.context)
        world.executor.add_node(late)
        for name in LAYERS:
            entry = ros.BY_NAME[name]
            late.create_subscription(
                ros.message_class(entry.kind), name, lambda m, name=name: found.setdefault(name, m), ros.quality(entry.qos)
            )
        world.spin(lambda: len(found) == len(LAYERS))
        late.destroy_node()
        host.destroy_node()
    return found, part


def cells(message: Any) -> np.ndarray[Any, Any]:
    return np.array(message.data, dtype=int).reshape(message.info.height, message.info.width)


def centre(message: Any, j: int, i: int) -> tuple[float, float]:
    info = message.info
    return (
        info.origin.position.x + (i + 0.5) * info.resolution,
        info.origin.position.y + (j + 0.5) * info.resolution,
    )


def test_every_cell_is_the_ground_below_its_centre(heard: Any) -> None:
    """Random cells against the library's single points."""
    found, part = heard
    w, rng = part.world, np.random.default_rng(2)
    height = found["map_height"]
    spots = [centre(height, j, i) for j in range(height.info.height) for i in range(height.info.width)]
    ground = w.surface.height(*np.array(spots).T)
    low, high = float(np.nanmin(ground)), float(np.nanmax(ground))
    for _ in range(50):
        j, i = int(rng.integers(8, height.info.height - 8)), int(rng.integers(8, height.info.width - 8))
        at = centre(height, j, i)
        share = (float(w.surface.height(*at)) - low) / (high - low)
        assert cells(height)[j, i] == pytest.approx(100.0 * share, abs=0.51)
        assert cells(found["map_slope"])[j, i] == pytest.approx(np.degrees(float(w.surface.tilt(*at))), abs=0.51)
        lit = float(w.environment.sunlit_fraction(*at, 0.0))
        assert cells(found["map_shadow"])[j, i] == pytest.approx(100.0 * (1.0 - lit), abs=0.51)


def test_messages_are_consistent(heard: Any) -> None:
    found, part = heard
    for name in LAYERS:
        message = found[name]
        assert message.header.frame_id == "map"
        assert message.info.resolution == pytest.approx(part.grid.cell)
        assert len(message.data) == message.info.width * message.info.height
        assert cells(message).min() >= -1
        assert cells(message).max() <= 100
    assert np.any(cells(found["map"]) == 100)
    assert np.any((cells(found["map"]) >= 0) & (cells(found["map"]) < 60))
    power = cells(found["map_power"])
    assert 10 < power[power >= 0].min() < power.max(), "slopes cost more than the plain"


@pytest.mark.skipif(find_spec("grid_map_msgs") is None, reason="grid_map_msgs is not installed: comes with a ROS 2 installation")
def test_grid_map_holds_the_layers_in_si_units(heard: Any) -> None:
    from rover_energy.nodes.terrain_messages import grid_map

    _, part = heard
    message = grid_map.build(part.still, part.grid, 0.0)
    assert message.layers == ["height", "tilt"]
    first = np.array(message.data[0].data)
    assert first[0] == pytest.approx(part.still["height"][-1, -1]), "the first entry is the greatest x and y"


def test_shares_become_hundredths() -> None:
    from rover_energy.nodes.terrain_messages import percent

    assert percent([0.0, 0.004, 0.006, 1.0, 7.0, np.inf, np.nan]).tolist() == [0, 0, 1, 100, 100, 100, -1]
