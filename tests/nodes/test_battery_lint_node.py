"""The battery linter as a node, fed by the test: repaired messages, findings as diagnostics, silence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context

pytestmark = needs_ros


@pytest.fixture
def linter(tmp_path: Path) -> Iterator[SimpleNamespace]:
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.battery_lint_node import BatteryLint

    with ros_context(tmp_path, domain(31)) as world:
        overrides = [Parameter("least", value=5), Parameter("period", value=600.0)]
        node, part = ros.host(BatteryLint, context=world.context, parameter_overrides=overrides)
        assert "SUCCESS" in str(node.trigger_configure())
        assert "SUCCESS" in str(node.trigger_activate())
        sent: list[Any] = []
        said: list[Any] = []
        part.send, part.say = sent.append, said.append  # type: ignore[attr-defined]
        yield SimpleNamespace(part=part, sent=sent, said=said, now=lambda: 1e-9 * node.get_clock().now().nanoseconds)
        node.destroy_node()


def message(linter: SimpleNamespace, **changed: Any) -> Any:
    from rover_energy.nodes.ros import message_class, stamp_of

    made = message_class("sensor_msgs/msg/BatteryState")()
    for name in ("charge", "capacity", "design_capacity"):
        setattr(made, name, math.nan)
    made.voltage, made.current, made.temperature, made.percentage = 24.0, -2.0, 20.0, 0.8
    made.power_supply_status, made.present, made.location = 2, True, "bay"
    made.header.stamp = stamp_of(linter.now())
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def findings(linter: SimpleNamespace) -> tuple[Any, dict[str, str]]:
    linter.part.on_timer()
    (status,) = linter.said[-1].status
    return status, {entry.key: entry.value for entry in status.values}


def test_percent_and_sign_are_repaired_and_reported(linter: SimpleNamespace) -> None:
    for k in range(20):
        linter.part.on_battery(message(linter, percentage=80.0 - 0.1 * k, current=2.0 + 0.01 * k))
    assert len(linter.sent) == 16, "the first four say too little of how they are written"
    last = linter.sent[-1]
    assert last.percentage == pytest.approx(0.781, abs=1e-6)
    assert last.current == pytest.approx(-2.19, abs=1e-6)
    assert (last.location, last.present) == ("bay", True)
    status, values = findings(linter)
    assert status.level == b"\x02"
    assert {"unit_percent percentage", "current_sign current", "repaired percentage", "repaired current"} <= set(values)


def test_a_right_stream_passes_unchanged(linter: SimpleNamespace) -> None:
    for k in range(20):
        linter.part.on_battery(message(linter, percentage=0.8 - 0.001 * k, current=-2.0 - 0.01 * k))
    assert linter.sent[-1].percentage == pytest.approx(0.781, abs=1e-6)
    assert linter.sent[-1].current == pytest.approx(-2.19, abs=1e-6)
    assert math.isnan(linter.sent[-1].charge)
    status, values = findings(linter)
    assert (status.level, values) == (b"\x00", {})


def test_silence_is_stale_and_inactivity_is_silent(linter: SimpleNamespace) -> None:
    assert findings(linter)[0].level == b"\x03"
    linter.part.active = False
    linter.part.on_battery(message(linter))
    linter.part.on_timer()
    assert len(linter.said) == 1
    assert linter.sent == []


def test_what_cannot_be_becomes_nan(linter: SimpleNamespace) -> None:
    for k in range(10):
        linter.part.on_battery(message(linter, percentage=0.5 - 0.001 * k, voltage=math.inf if k == 9 else 24.0))
    assert math.isnan(linter.sent[-1].voltage)
    assert linter.sent[-2].voltage == pytest.approx(24.0)
