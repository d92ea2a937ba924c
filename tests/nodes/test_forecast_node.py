"""PowerForecast of the power node, fed with meters and a trajectory by the test."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.power.forecast import ForecastParameters

pytestmark = needs_ros
SUPPLY, BASE = 110.0, 55.0


@pytest.fixture
def bus(plan_folder: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """An active power node whose battery may be used, with a forecast every two seconds for a hundred."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.power_node import Power

    for name in ("rover.yaml", "mission.yaml"):
        text = (plan_folder / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("use_battery: false", "use_battery: true"), encoding="utf-8")
    values = {"folder": str(tmp_path), "rate": 50.0, "forecast_period": 2.0, "forecast_horizon": 100.0}
    with ros_context(tmp_path, domain(14)) as world:
        node, part = ros.host(
            Power, context=world.context, parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]
        )
        assert "SUCCESS" in str(node.trigger_configure())
        assert "SUCCESS" in str(node.trigger_activate())
        sent: list[Any] = []
        part.outlook.send = sent.append  # type: ignore[attr-defined]
        part.send = dict.fromkeys(("power_state", "battery_state", "load_command"), lambda _: None)  # type: ignore[attr-defined]
        yield SimpleNamespace(part=part, sent=sent)
        node.destroy_node()


def meter(bus: SimpleNamespace, time: float, pv: float = SUPPLY - 60.0) -> None:
    from rover_energy.nodes.ros import message_class, stamp_of

    message = message_class("rover_energy_interfaces/msg/PowerState")(rtg_power=60.0, pv_power=pv, validity=11)
    message.header.stamp = stamp_of(time)
    message.loads = [message_class("rover_energy_interfaces/msg/LoadState")(name="drive", power=0.0, valid=True)]
    bus.part.on_meter(message)


def test_forecast_at_rest_and_on_the_way(bus: SimpleNamespace) -> None:
    from rover_energy.nodes.ros import message_class, stamp_of

    for k in range(251):
        meter(bus, 0.02 * k)
    assert [round(m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec, 2) for m in bus.sent] == [0.0, 2.0, 4.0]
    rest = bus.sent[-1]
    assert rest.time[-1] == pytest.approx(100.0, rel=0.02)
    assert np.all(np.diff(rest.time) > 0.0)
    assert rest.load_power_p50[5] == pytest.approx(BASE, abs=1.0)
    assert rest.battery_energy_p50[-1] > bus.part.energy, "there is a surplus"
    assert math.isinf(rest.time_to_floor_p10)
    drive = message_class("rover_energy_interfaces/msg/EnergyTrajectory")(plan_id="a", duration=50.0, energy=50.0 * (BASE + 80.0))
    drive.header.stamp = stamp_of(5.0)
    bus.part.outlook.on_trajectory(drive)
    meter(bus, 5.02)
    on = bus.sent[-1]
    assert on.load_power_p50[2] == pytest.approx(BASE + 80.0 / ForecastParameters().pace_median, abs=3.0)
    assert on.load_power_p50[-1] == pytest.approx(BASE, abs=1.0), "the drive is over by then"
    assert on.load_power_p10[2] < on.load_power_p50[2] < on.load_power_p90[2]
    over = message_class("rover_energy_interfaces/msg/ComplianceReport")(plan_id="a+2")
    over.header.stamp = stamp_of(6.0)
    bus.part.outlook.on_compliance(over)
    meter(bus, 6.02)
    assert bus.sent[-1].load_power_p50[2] == pytest.approx(BASE, abs=1.0)


def test_short_battery_has_a_time_to_its_floor(bus: SimpleNamespace) -> None:
    """A switched-off array, and 1000 J above the floor for 10 W of drive that the generator's 60 W do not cover."""
    from rover_energy.nodes.ros import message_class, stamp_of

    drive = message_class("rover_energy_interfaces/msg/EnergyTrajectory")(
        plan_id="a", duration=500.0, energy=500.0 * (BASE + 35.0)
    )
    drive.header.stamp = stamp_of(0.0)
    bus.part.outlook.on_trajectory(drive)
    bus.part.energy = bus.part.floor + 1000.0
    meter(bus, 0.0, pv=0.0)
    found = bus.sent[-1]
    expected = 1000.0 * bus.part.rover.battery.discharge_efficiency / (BASE + 35.0 - 60.0)
    assert found.time_to_floor_p50 == pytest.approx(expected, rel=0.1)
    assert found.time_to_floor_p10 < found.time_to_floor_p50 < found.time_to_floor_p90
    assert found.battery_floor == bus.part.floor


def test_without_a_meter_there_is_no_forecast(bus: SimpleNamespace) -> None:
    meter(bus, 0.0, pv=math.nan)
    assert bus.sent == []


def test_along_the_plan_it_is_the_profile(bus: SimpleNamespace, plan_folder: Path) -> None:
    """The trajectory of the folder's own plan, from its middle: motion and array of the profile's second half, step by step."""
    from rover_energy.nodes.forecast_messages import Outlook
    from rover_energy.nodes.ros import message_class, stamp_of
    from rover_energy.planning.plan_file import read_profile

    p = read_profile(plan_folder / "profile.csv")
    (Path(bus.part.settings.folder) / "profile.csv").write_text((plan_folder / "profile.csv").read_text(), encoding="utf-8")
    bus.part.outlook = Outlook(bus.part)
    bus.part.outlook.send = bus.sent.append
    drive = message_class("rover_energy_interfaces/msg/EnergyTrajectory")(plan_id="plan", duration=float(p["t"][-1]))
    drive.energy = float(np.trapezoid(p["total_power"], p["t"]))
    drive.header.stamp = stamp_of(0.0)
    bus.part.outlook.on_trajectory(drive)
    middle, half = len(p["t"]) // 2, float(p["t"][len(p["t"]) // 2])
    for k in range(0, middle, 10):  # the reference goes along; so does the meter, for the loads as planned
        place = message_class("nav_msgs/msg/Odometry")()
        place.pose.pose.position.x, place.pose.pose.position.y = float(p["x"][k]), float(p["y"][k])
        bus.part.outlook.on_reference(place)
        bus.part.outlook.look(float(p["t"][k]))
    assert bus.part.outlook.way.at == pytest.approx(half, abs=1.0)
    bus.sent.clear()
    meter(bus, half)
    found = bus.sent[-1]
    assert found.missing_inputs == 0
    motion, pace = p["drive_power"] + p["turn_power"], ForecastParameters().pace_median
    edges = np.concatenate(([0.0], found.time))
    fine = [np.interp(bus.part.outlook.way.at + np.linspace(a, b, 50) / pace, p["t"], motion, right=0.0).mean() / pace
            for a, b in itertools.pairwise(edges)]  # fmt: skip
    assert found.load_power_p50 == pytest.approx(BASE + np.array(fine), abs=6.0)
    assert np.ptp(fine) > 20.0, "the profile has something to say"


def test_what_was_metered_on_the_way_corrects_the_rest() -> None:
    """Resistance 1.3 times as planned over 3000 J of plan: the prior of 1500 J leaves a third of the logarithm uncorrected."""
    from rover_energy.nodes.forecast_messages import ENOUGH, Way

    t = np.linspace(0.0, 100.0, 1001)
    way = Way(t, t, 0.0 * t, 60.0 * t, 40.0 * t)
    way.come(50.2, 0.0, 50.0)
    assert way.at == pytest.approx(50.2)
    way.took, way.gave, way.lasted = 1.3 * 60.0 * 50.2, 40.0 * 60.0, 60.0
    (motion, left), (array, _) = way.learned()
    share = ENOUGH / (ENOUGH + 60.0 * 50.2)
    assert (motion, left) == pytest.approx((1.3 ** (1.0 - share), math.sqrt(share)))
    assert array == pytest.approx(1.0), "slower than planned, it had the array for longer"
    ahead, sun = way.ahead(np.array([0.0, 10.0, 60.0]))
    assert ahead == pytest.approx([60.0, 60.0 * 39.8 / 50.0])
    assert sun == pytest.approx([40.0, 40.0])
    way.rate, way.scale = 0.5, 1.2
    assert way.ahead(np.array([0.0, 10.0]))[0] == pytest.approx([60.0 * 0.5 * 1.2])
