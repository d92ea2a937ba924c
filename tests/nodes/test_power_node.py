"""The bus node alone, fed with meters by the test: balance, limits, caps, BatteryState, switched loads."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.parameters import load_yaml
from rover_energy.rover import RoverParameters

pytestmark = needs_ros
LOADS = """loads:
- {name: camera, power: 8.0, priority: 10}
- {name: heater, power: 5.0, priority: 200, sheddable: false, enabled: true}
"""
SUPPLY, BASE = 110.0, 55.0


@pytest.fixture
def bus(plan_folder: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """An active power node with two switched loads, and a battery that may be used."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.power_node import Power

    for name in ("rover.yaml", "mission.yaml"):
        text = (plan_folder / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("use_battery: false", "use_battery: true"), encoding="utf-8")
    (tmp_path / "loads.yaml").write_text(LOADS, encoding="utf-8")
    values = {"folder": str(tmp_path), "rate": 50.0, "loads": str(tmp_path / "loads.yaml"), "restore_after": 0.1}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    with ros_context(tmp_path, domain(13)) as world:
        node, part = ros.host(Power, context=world.context, parameter_overrides=overrides)
        assert "SUCCESS" in str(node.trigger_configure())
        assert "SUCCESS" in str(node.trigger_activate())
        sent: dict[str, list[Any]] = {"power_state": [], "battery_state": [], "load_command": []}
        part.send = {name: found.append for name, found in sent.items()}  # type: ignore[attr-defined]
        yield SimpleNamespace(part=part, sent=sent, rover=load_yaml(RoverParameters, tmp_path / "rover.yaml"))
        node.destroy_node()


def meter(time: float, motion: float = 20.0, pv: float = SUPPLY - 60.0, validity: int = 11) -> Any:
    from rover_energy.nodes.ros import message_class, stamp_of

    message = message_class("rover_energy_interfaces/msg/PowerState")(rtg_power=60.0, pv_power=pv, validity=validity)
    message.header.stamp, message.header.frame_id = stamp_of(time), "base_link"
    load = message_class("rover_energy_interfaces/msg/LoadState")(name="drive", power=motion, valid=True)
    message.loads = [load]
    return message


def wish(name: str = "camera", **fields: Any) -> Any:
    from rover_energy.nodes.ros import message_class

    values = {"enabled": True, "power_limit": math.inf, "lifetime": 100.0, "priority": 50, "issuer": "test", **fields}
    request = message_class("rover_energy_interfaces/srv/SetLoad").Request()
    request.command.name = name
    for key, value in values.items():
        setattr(request.command, key, value)
    return request


@contextlib.contextmanager
def restarted(folder: Path, state: Path, **values: Any) -> Iterator[Any]:
    """A power node with a state file, active; left without a farewell, as by kill -9, once the file is written."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.power_node import Power

    parameters = {"folder": str(folder), "state": str(state), "save_period": 0.02, **values}
    with ros_context(folder, domain(14)) as world:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node, part = ros.host(Power, context=world.context, parameter_overrides=overrides)
        yield node, part
        if part.keeper is not None:
            part.keeper.close()
        node.destroy_node()


def test_the_battery_is_remembered_over_a_death(bus: SimpleNamespace, tmp_path: Path) -> None:
    """Drawn down, killed, started again two seconds later: the charge goes on, and the gap is counted by the meter."""
    state = tmp_path / "kept" / "battery.json"
    with restarted(tmp_path, state) as (node, part):
        assert "SUCCESS" in str(node.trigger_configure())
        assert "SUCCESS" in str(node.trigger_activate())
        full = part.energy
        for k in range(2000):
            part.on_meter(meter(0.02 * k, motion=90.0))
        before = part.energy
        time.sleep(0.05)
        part.on_meter(meter(40.0, motion=90.0))
    assert full - before > 0.001 * full, "more than what could be called the same by chance"
    with restarted(tmp_path, state) as (node, part):
        assert "SUCCESS" in str(node.trigger_configure())
        assert part.energy == pytest.approx(before, rel=1e-3)
        kept = part.energy
        assert part.used["base"] == pytest.approx(55.0 * 40.0, rel=0.01)
        assert "SUCCESS" in str(node.trigger_activate())
        part.on_meter(meter(42.0, motion=0.0))  # the motors had no cap meanwhile: 110 - 55 W over for two seconds
        efficiency = bus.rover.battery.charge_efficiency
        assert part.energy - kept == pytest.approx(55.0 * 2.0 * efficiency, rel=0.01)


@pytest.mark.parametrize("change", [{"written": 0.0}, {"capacity": 1.0}, {"energy": 1e12}, {"energy": -1.0}, {"written": 1e300}])
def test_a_state_that_cannot_be_believed_is_refused(bus: SimpleNamespace, tmp_path: Path, change: dict[str, float]) -> None:
    state = tmp_path / "battery.json"
    kept = {"energy": 1000.0, "capacity": bus.part.capacity, "time": 0.0, "written": time.time(), "base": 0.0, "inference": 0.0}
    state.write_text(json.dumps({**kept, **change}), encoding="ascii")
    with restarted(tmp_path, state) as (node, part):
        assert "FAILURE" in str(node.trigger_configure())
        assert not part.active


def ask(bus: SimpleNamespace, request: Any) -> Any:
    from rover_energy.nodes.ros import message_class

    return bus.part.on_set_load(request, message_class("rover_energy_interfaces/srv/SetLoad").Response())


def test_balance_and_battery(bus: SimpleNamespace) -> None:
    """Five seconds: 110 W in; 55 W base, 5 W heater and 90 W motion out; 40 W come from the battery at its efficiency."""
    first = bus.part.energy
    for k in range(251):
        bus.part.on_meter(meter(0.02 * k, motion=90.0))
    state = bus.sent["power_state"][-1]
    assert state.battery_power == pytest.approx(40.0, abs=1e-6)
    assert state.residual == pytest.approx(0.0, abs=1e-6)
    assert state.validity == 31
    drawn = (first - state.battery_energy) * bus.rover.battery.discharge_efficiency
    assert drawn == pytest.approx(40.0 * 5.0, rel=1e-6)
    assert [load.name for load in state.loads] == ["base", "inference", "camera", "heater", "drive"]
    assert state.loads[3].energy == pytest.approx(25.0, rel=1e-6)


def test_cap_is_what_the_others_leave(bus: SimpleNamespace) -> None:
    bus.part.on_meter(meter(0.0))
    command, state = bus.sent["load_command"][-1], bus.sent["power_state"][-1]
    assert command.power_limit == pytest.approx(SUPPLY + state.discharge_limit - BASE - 5.0 - 1.0)
    assert command.enabled
    assert 0.0 < command.lifetime < 0.5


@pytest.mark.parametrize("bad", [{"pv": math.nan}, {"validity": 10}, {"validity": 9}, {"validity": 3}, {"motion": math.nan}])
def test_a_bad_meter_gives_the_motors_nothing(bus: SimpleNamespace, bad: dict[str, Any]) -> None:
    bus.part.on_meter(meter(0.0))
    bus.part.on_meter(meter(0.02, **bad))
    command, state = bus.sent["load_command"][-1], bus.sent["power_state"][-1]
    assert (command.enabled, command.power_limit) == (False, 0.0)
    assert not state.validity & (state.BATTERY_VALID | state.LOADS_VALID | state.BALANCED)
    assert math.isnan(state.available_power)
    response = ask(bus, wish())
    assert response.error_code == response.POWER_UNAVAILABLE


def test_battery_state_to_the_letter(bus: SimpleNamespace) -> None:
    for k in range(100):
        bus.part.on_meter(meter(0.02 * k, motion=90.0))
    assert len(bus.sent["battery_state"]) == 2, "once a second"
    m = bus.sent["battery_state"][-1]
    assert 0.0 <= m.percentage <= 1.0
    assert m.power_supply_status == m.POWER_SUPPLY_STATUS_DISCHARGING
    assert m.temperature == pytest.approx(20.0, abs=0.1), "Celsius, unlike everything of ours"
    assert all(math.isnan(getattr(m, name)) for name in ("voltage", "current", "charge", "capacity", "design_capacity"))
    bus.part.on_meter(meter(3.02, motion=0.0))
    assert bus.sent["battery_state"][-1].power_supply_status == m.POWER_SUPPLY_STATUS_CHARGING
    bus.part.on_meter(meter(4.04, pv=math.nan))
    unknown = bus.sent["battery_state"][-1]
    assert math.isnan(unknown.percentage), "not known without a meter, and no zero"
    assert unknown.power_supply_status == m.POWER_SUPPLY_STATUS_UNKNOWN


def test_a_load_is_reserved_at_once_and_drawn_later(bus: SimpleNamespace) -> None:
    bus.part.on_meter(meter(0.0))
    before = bus.sent["load_command"][-1].power_limit
    response = ask(bus, wish())
    assert (response.error_code, response.power_granted) == (response.NONE, 8.0)
    drawn = []
    for k in range(1, 7):
        bus.part.on_meter(meter(0.02 * k))
        drawn.append(bus.sent["power_state"][-1].loads[2].power)
    assert bus.sent["load_command"][-6].power_limit == pytest.approx(before - 8.0, abs=0.01)
    assert drawn == [0.0, 0.0, 0.0, 8.0, 8.0, 8.0]


def test_short_power_sheds_and_comes_back(bus: SimpleNamespace) -> None:
    bus.part.on_meter(meter(0.0))
    ask(bus, wish())
    bus.part.energy = bus.part.floor  # nothing from the battery any more
    for k in range(1, 30):
        bus.part.on_meter(meter(0.02 * k, motion=0.0, pv=3.0))
    assert bus.part.board.reserved == 5.0, "the camera went, the heater may not"
    for k in range(30, 60):
        bus.part.on_meter(meter(0.02 * k, motion=0.0))
    assert bus.part.board.reserved == 13.0


def test_refusals_have_codes(bus: SimpleNamespace) -> None:
    bus.part.on_meter(meter(0.0))
    for request, code in (
        (wish("laser"), "UNKNOWN_LOAD"), (wish(lifetime=math.inf), "INVALID_REQUEST"),
        (wish(power_limit=math.nan), "INVALID_REQUEST"),
    ):  # fmt: skip
        response = ask(bus, request)
        assert response.error_code == getattr(response, code)
        assert response.error_text
        assert response.power_granted == 0.0
