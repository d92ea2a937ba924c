"""The node between Gazebo and the graph, shown by the test what the bridge would show it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.nodes.topics import BY_NAME
from rover_energy.simulation.gazebo import bridge_entries
from rover_energy.simulation.geometry import CORNERS, WHEELS

pytestmark = needs_ros
SPEED = 0.2


@pytest.fixture
def base(plan_folder: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.gazebo_base import GazeboSimulator

    overrides = [Parameter("folder", value=str(plan_folder))]
    with ros_context(tmp_path, domain(23)) as world:
        node, part = ros.host(GazeboSimulator, context=world.context, parameter_overrides=overrides)
        assert "SUCCESS" in str(node.trigger_configure())
        names = {item.topic_name: "ROS_TO_GZ" for item in node.publishers}
        names |= {item.topic_name: "GZ_TO_ROS" for item in node.subscriptions}
        assert "SUCCESS" in str(node.trigger_activate())
        sent: dict[str, list[Any]] = {name: [] for name in part.send}  # type: ignore[attr-defined]
        part.send.update({name: found.append for name, found in sent.items()})  # type: ignore[attr-defined]
        joints: dict[str, list[float]] = {name: [] for name in part.joints}  # type: ignore[attr-defined]
        part.joints = {n: (lambda m, f=f: f.append(m.data)) for n, f in joints.items()}  # type: ignore[attr-defined]
        yield SimpleNamespace(part=part, sent=sent, joints=joints, names=names)
        node.destroy_node()


def show(
    base: SimpleNamespace, k: int, *, speed: float = SPEED, torque: float = 0.0, start: float = 5.0, lost: tuple[int, ...] = ()
) -> None:
    """Window k of a straight drive along x on level ground, without the last wheel's torque at the steps `lost` (1 to 5)."""
    from rover_energy.nodes.ros import message_class, stamp_of

    odometry = message_class("nav_msgs/msg/Odometry")()
    odometry.header.stamp = stamp_of(7.0 + 0.02 * k)
    odometry.pose.pose.position.x, odometry.pose.pose.position.y = start + speed * 0.02 * k, 6.0
    for step in range(1, 6):
        if step == 5:
            base.part.on_odometry(odometry)  # comes before the last step's samples
        show_step(base, 7.0 + 0.02 * (k - 1) + 0.004 * step, speed, torque, WHEELS[:-1] if step in lost else WHEELS)


def show_step(
    base: SimpleNamespace, time: float, speed: float, torque: float, wheels: tuple[str, ...],
    *, rate: float = 0.0, moment: float = 0.0,
) -> None:  # fmt: skip
    from rover_energy.nodes.ros import message_class, stamp_of

    radius = base.part.base.geometry.wheel_radius
    for wheel in wheels:
        wrench = message_class("geometry_msgs/msg/WrenchStamped")()
        wrench.header.stamp = stamp_of(time)
        wrench.wrench.torque.y, wrench.wrench.torque.z = -torque, -moment
        base.part._keeper(wheel)(wrench)
    names = [f"drive_{w}_joint" for w in WHEELS] + [f"steer_{c}_joint" for c in CORNERS] + ["rocker_l_joint"]
    joints = message_class("sensor_msgs/msg/JointState")(name=names[::-1])
    joints.header.stamp = stamp_of(time)
    joints.velocity = [0.0] + [rate] * 4 + [speed / radius] * 6
    joints.position = [0.0] * 11
    base.part.on_joints(joints)


def allow(base: SimpleNamespace, time: float, speed: float, limit: float = 200.0) -> None:
    from rover_energy.nodes.ros import message_class, stamp_of

    load = message_class("rover_energy_interfaces/msg/LoadCommand")(name="drive", enabled=True, power_limit=limit, lifetime=0.2)
    load.header.stamp = stamp_of(time)
    base.part.on_load(load)
    twist = message_class("geometry_msgs/msg/TwistStamped")()
    twist.header.stamp, twist.twist.linear.x = stamp_of(time), speed
    base.part.on_command(twist)


def test_its_topics_on_the_side_of_gazebo_are_the_bridges(base: SimpleNamespace) -> None:
    found = {name.lstrip("/"): way for name, way in base.names.items() if name.lstrip("/").startswith("gazebo/")}
    wanted = {e["ros_topic_name"]: e["direction"] for e in bridge_entries()}
    assert found == wanted
    assert not set(wanted) & set(BY_NAME)


def test_odometry_and_meter_are_those_of_the_contract(base: SimpleNamespace) -> None:
    for k in range(30):
        show(base, k)
    odometry, meter, joints = (base.sent[name][-1] for name in ("odom", "meter", "joint_states"))
    assert odometry.header.frame_id == "map"
    assert odometry.header.stamp == meter.header.stamp == joints.header.stamp == base.sent["/clock"][-1].clock
    assert odometry.twist.twist.linear.x == pytest.approx(SPEED)
    truth = base.part.base.truth
    level = truth.resistance(SPEED, 0.0, 5.0, 6.0) * SPEED / (1.0 - truth.slip(0.0)) / truth.efficiency
    assert meter.loads[0].power == pytest.approx(level, rel=1e-6)
    assert meter.loads[0].energy == pytest.approx(sum(m.loads[0].power for m in base.sent["meter"]) * 0.02)
    assert len(base.sent["odom"]) == 29  # the first pose has no window before it


def test_torque_is_the_opposite_of_what_the_carrier_feels(base: SimpleNamespace) -> None:
    for k in range(60):
        show(base, k, torque=1.0)
    pulled = base.sent["meter"][-1].loads[0].power
    for k in range(60, 120):
        show(base, k, torque=0.0)
    assert pulled > base.sent["meter"][-1].loads[0].power + 1.0


def test_corners_that_turn_are_metered(base: SimpleNamespace) -> None:
    from rover_energy.nodes.ros import message_class, stamp_of

    odometry = message_class("nav_msgs/msg/Odometry")()
    for k in range(3):
        for step in range(1, 6):
            show_step(base, 7.0 + 0.02 * k + 0.004 * step, 0.0, 0.0, WHEELS, rate=0.5, moment=2.0)
        odometry.header.stamp = stamp_of(7.02 + 0.02 * k)
        base.part.on_odometry(odometry)
    assert base.sent["meter"][-1].loads[0].power == pytest.approx(4 * 0.5 * 2.0 / base.part.base.truth.efficiency, rel=1e-6)


def torques(base: SimpleNamespace, wheel: str, speed: float) -> list[float]:
    """What Gazebo makes of the set speeds of a wheel that turns forward at a rim speed [m/s]: torques past its gear [N m]."""
    drivers = base.part.base
    turning = speed / drivers.geometry.wheel_radius
    return [drivers.stiffness * (told - turning) - drivers.friction for told in base.joints[f"drive/{wheel}"]]


def test_wheels_are_driven_while_told_and_braked_when_nothing_comes(base: SimpleNamespace) -> None:
    """A wheel that is slower than told is given torque."""
    for k in range(60):
        allow(base, 7.0 + 0.02 * k, SPEED)
        show(base, k, speed=0.8 * SPEED)
    assert torques(base, "ml", 0.8 * SPEED)[-1] > 0.1
    assert base.joints["steer/fl"][-1] == 0.0
    for k in range(60, 110):
        show(base, k, speed=0.8 * SPEED)
    found = torques(base, "ml", 0.8 * SPEED)[60:]
    assert found[8] < 0.0  # after 0.15 s
    assert found[-1] < found[8]


def test_without_permission_nothing_is_driven(base: SimpleNamespace) -> None:
    for k in range(20):
        allow(base, 7.0 + 0.02 * k, SPEED, limit=math.nan)
        show(base, k)
    assert max(torques(base, "fl", SPEED)[1:]) < 0.0  # wheels that are shown turning are braked


def test_a_lost_sample_is_left_out(base: SimpleNamespace) -> None:
    for k in range(10):
        show(base, k)
    whole, count = base.sent["meter"][-1].loads[0].power, len(base.sent["meter"])
    show(base, 10, lost=(2,))
    assert base.sent["meter"][-1].loads[0].power == pytest.approx(whole)
    show(base, 11, lost=(5,))
    assert len(base.sent["meter"]) == count + 1  # what it lacks may still come
    show(base, 12)
    assert len(base.sent["meter"]) == count + 3
    assert base.sent["meter"][-2].loads[0].power == pytest.approx(whole)


def test_odometry_ahead_of_its_samples_waits_for_them(base: SimpleNamespace) -> None:
    """After a stall each stream is read message by message, and that of fewest messages is through first."""
    from rover_energy.nodes.ros import message_class, stamp_of

    show(base, 0)
    count = len(base.sent["meter"])
    for k in range(1, 6):
        odometry = message_class("nav_msgs/msg/Odometry")()
        odometry.header.stamp = stamp_of(7.0 + 0.02 * k)
        odometry.pose.pose.position.x = 5.0 + SPEED * 0.02 * k
        base.part.on_odometry(odometry)
    assert len(base.sent["meter"]) == count
    for step in range(1, 26):
        show_step(base, 7.0 + 0.004 * step, SPEED, 0.0, WHEELS)
    powers = [message.loads[0].power for message in base.sent["meter"][count:]]
    assert len(powers) == 5
    assert all(math.isfinite(power) for power in powers)


def test_a_missing_joint_is_no_meter_reading(base: SimpleNamespace) -> None:
    from rover_energy.nodes.ros import message_class, stamp_of

    for k in range(3):
        show(base, k)
    odometry = message_class("nav_msgs/msg/Odometry")()
    show_step(base, 7.06, SPEED, 0.0, WHEELS)
    only = message_class("sensor_msgs/msg/JointState")(name=["drive_fl_joint"], velocity=[1.0], position=[0.0])
    only.header.stamp = stamp_of(7.06)
    base.part.on_joints(only)
    odometry.header.stamp = stamp_of(7.06)
    base.part.on_odometry(odometry)
    assert math.isnan(base.sent["meter"][-1].loads[0].power)
    assert not base.sent["meter"][-1].loads[0].valid
