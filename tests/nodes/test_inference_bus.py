"""The bus's side of inference in the power node: grants, power kept from the motors, what runs draw, what is shed first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context
from test_power_node import meter

pytestmark = needs_ros
PLANNED, BASE, GUARD = 20.0, 55.0, 1.0
WINDOW = 0.02


@pytest.fixture
def bus(plan_folder: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """An active power node that grants 20 W, without a battery; `run(seconds, ...)` shows it meters."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.power_node import Power

    for name in ("rover.yaml", "mission.yaml"):
        text = (plan_folder / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("inference_power: 0.0", f"inference_power: {PLANNED}"), encoding="utf-8")
    values = {"folder": str(tmp_path), "rate": 50.0, "grants": True, "restore_after": 0.5}
    with ros_context(tmp_path, domain(43)) as world:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node, part = ros.host(Power, context=world.context, parameter_overrides=overrides)
        assert "SUCCESS" in str(node.trigger_configure())
        assert "SUCCESS" in str(node.trigger_activate())
        sent: dict[str, list[Any]] = {"power_state": [], "battery_state": [], "load_command": [], "grant": []}
        part.send = {name: found.append for name, found in sent.items()}  # type: ignore[attr-defined]
        part.inference.source.send = sent["grant"].append  # type: ignore[attr-defined]
        count = itertools.count()

        def run(seconds: float, **fields: Any) -> None:
            for _ in range(round(seconds / WINDOW)):
                part.on_meter(meter(next(count) * WINDOW, **fields))

        yield SimpleNamespace(part=part, sent=sent, run=run, now=lambda: part.time)
        node.destroy_node()


def announce(bus: SimpleNamespace, name: str, begun: float, power: float, seconds: float) -> None:
    from rover_energy.nodes.grant_messages import run_message

    bus.part.inference.on_run(run_message(name, begun, power, seconds))


def inference(bus: SimpleNamespace) -> list[float]:
    return [load.power for m in bus.sent["power_state"] for load in m.loads if load.name == "inference"]


def test_grants_once_a_second_and_power_kept_from_the_motors(bus: SimpleNamespace) -> None:
    bus.run(3.0, motion=30.0, pv=50.0)
    assert [m.sequence for m in bus.sent["grant"]] == [1, 2, 3]
    assert {(m.mode, m.power_limit, m.energy) for m in bus.sent["grant"]} == {(2, PLANNED, PLANNED)}
    assert {m.power_limit for m in bus.sent["load_command"]} == {110.0 - BASE - PLANNED - GUARD}
    assert set(inference(bus)) == {0.0}, "nothing has run"


def test_the_bus_draws_what_a_run_takes_while_it_runs(bus: SimpleNamespace) -> None:
    bus.run(0.5, motion=30.0)
    before = len(bus.sent["power_state"])
    announce(bus, "a", bus.now() + 0.03, 6.0, 0.05)
    bus.run(0.5, motion=30.0)
    drawn = inference(bus)[before:]
    assert drawn[:6] == pytest.approx([0.0, 3.0, 6.0, 6.0, 0.0, 0.0])
    assert bus.part.used["inference"] == pytest.approx(0.3)
    state = bus.sent["power_state"][before + 2]
    assert state.residual == pytest.approx(0.0, abs=1e-9)
    assert state.battery_power == pytest.approx(-(110.0 - BASE - 30.0 - 6.0)), "what is left over charges the battery"
    (load,) = [load for load in state.loads if load.name == "inference"]
    assert load.provenance.value == load.provenance.CPU_TIME_MODEL


def test_no_window_is_over_while_motors_and_networks_take_all_they_may(bus: SimpleNamespace) -> None:
    """Motors always at their cap, runs always at the limit of the grant in force when they began, supply up and down."""
    bus.part.energy = bus.part.capacity  # so that there is surplus
    bus.run(0.1, motion=0.0)
    cap, number, free, ends = math.nan, 0, 0.0, []
    for k in range(1500):
        pv = 42.0 + 20.0 * math.sin(0.4 * k * WINDOW)  # at most 0.16 W less in a window: the guard is 1 W
        now = bus.now()
        ends = [(end, power) for end, power in ends if end > now + 0.01]
        free = bus.sent["grant"][-1].power_limit - sum(power for _, power in ends)
        if free > 1.0 and k % 7 == 0:
            number += 1
            announce(bus, f"r{number}", now, free, 0.3)
            ends.append((now + 0.3, free))
        cap = bus.sent["load_command"][-1].power_limit
        bus.run(WINDOW, motion=cap if k % 300 > 100 else 0.0, pv=pv)
    worst = max(sum(load.power for load in m.loads) - m.available_power for m in bus.sent["power_state"])
    assert worst <= 0.0
    assert max(inference(bus)) > PLANNED, "surplus was drawn, too"
    assert {m.mode for m in bus.sent["grant"]} == {0, 2, 3}


def test_inference_goes_to_its_floor_before_the_motors_starve_and_comes_back(bus: SimpleNamespace) -> None:
    bus.run(1.0, motion=20.0, pv=50.0)
    bus.run(1.0, motion=5.0, pv=22.0)  # 82 W: 7 W for the motors beside base and 20 W of inference
    assert [(m.mode, m.power_limit) for m in bus.sent["grant"]][-1] == (0, 6.0)
    assert "shed" in bus.sent["grant"][-1].reason
    assert bus.sent["load_command"][-1].power_limit == pytest.approx(82.0 - BASE - 6.0 - GUARD), "the floor is kept"
    bus.run(2.0, motion=5.0, pv=50.0)
    assert bus.sent["grant"][-1].mode == 2


def test_what_was_granted_is_kept_until_it_can_no_longer_be_drawn(bus: SimpleNamespace) -> None:
    bus.run(1.0, motion=20.0, pv=50.0)
    bus.run(0.2, motion=5.0, pv=22.0)
    grant, cap = bus.sent["grant"][-1], bus.sent["load_command"][-1].power_limit
    assert (grant.mode, cap) == (0, pytest.approx(82.0 - BASE - PLANNED - GUARD))
    announce(bus, "slow", bus.now(), 14.0, 2.0)
    bus.run(1.0, motion=5.0, pv=22.0)
    assert bus.sent["load_command"][-1].power_limit == pytest.approx(82.0 - BASE - 14.0 - GUARD), "it still runs"
    bus.run(1.5, motion=5.0, pv=22.0)
    assert bus.sent["load_command"][-1].power_limit == pytest.approx(82.0 - BASE - 6.0 - GUARD)


def test_surplus_is_granted_and_taken_back(bus: SimpleNamespace) -> None:
    bus.part.energy = bus.part.capacity
    bus.run(2.5, motion=0.0, pv=50.0)
    grant = bus.sent["grant"][-1]
    assert (grant.mode, grant.intensity) == (3, 0.0)
    assert grant.power_limit == pytest.approx(PLANNED + 0.5 * 55.0)
    cap = bus.sent["load_command"][-1].power_limit
    bus.run(WINDOW, motion=cap, pv=50.0)
    assert bus.sent["grant"][-1].mode == 2, "the motors are at their cap"
    bus.run(1.0, motion=cap, pv=50.0)
    assert bus.sent["load_command"][-1].power_limit == pytest.approx(110.0 - BASE - PLANNED - GUARD)


def test_a_blind_bus_grants_the_floor(bus: SimpleNamespace) -> None:
    bus.run(1.5, motion=20.0)
    bus.run(1.0, motion=math.nan)
    grant = bus.sent["grant"][-1]
    assert (grant.mode, grant.power_limit) == (0, 6.0)
    assert "not metered" in grant.reason


def test_a_lease_switches_inference_like_any_load(bus: SimpleNamespace) -> None:
    from test_power_node import ask, wish

    bus.run(0.5, motion=20.0)
    response = ask(bus, wish("inference", enabled=False, lifetime=1.0, power_limit=0.0))  # stamped 0
    assert response.error_code == response.NONE
    bus.run(0.2, motion=20.0)
    assert bus.sent["grant"][-1].mode == 0
    bus.run(1.5, motion=20.0)
    assert bus.sent["grant"][-1].mode == 2, "a dead issuer leaves nothing switched off"


def test_too_little_for_the_floor_is_refused(plan_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.power_node import Power

    with ros_context(tmp_path, domain(44)) as world:
        overrides = [Parameter("folder", value=str(plan_folder)), Parameter("grants", value=True)]
        node, _ = ros.host(Power, context=world.context, parameter_overrides=overrides)
        assert "FAILURE" in str(node.trigger_configure())
        node.destroy_node()
    assert "loads.inference_power" in capfd.readouterr().err
