"""Between the messages of a drive and the classes of `control` and `telemetry`."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.control.command import Measurement, Stop, StopReason
from rover_energy.control.controller import Controller, Status
from rover_energy.control.reference import ROW, Point
from rover_energy.nodes import ros
from rover_energy.simulation.protocol import Command
from rover_energy.telemetry.audit import Audit

CODES = {
    StopReason.TILT: "TILT_EXCEEDED", StopReason.POWER: "POWER_EXCEEDED", StopReason.ENERGY: "BATTERY_FLOOR",
    StopReason.STUCK: "NO_PROGRESS", StopReason.TIMEOUT: "NO_PROGRESS", StopReason.OFF_MAP: "PATH_TOLERANCE_EXCEEDED",
    StopReason.GRAPH: "GRAPH_NOT_READY",
}  # fmt: skip
MEASURED = {
    "pose": "POSE_STALE", "time": "POSE_STALE", "x": "POSE_STALE", "y": "POSE_STALE", "heading": "POSE_STALE",
    "speed": "POSE_STALE", "yaw_rate": "POSE_STALE", "roll": "POSE_STALE", "pitch": "POSE_STALE", "pose_time": "POSE_STALE",
    "the pose": "POSE_STALE", "battery_time": "BATTERY_STALE", "battery_limit": "BATTERY_STALE",
    "battery_energy": "BATTERY_STALE", "the battery's": "BATTERY_STALE",
}  # fmt: skip


def error_code(result: Any, stop: Stop | None, ended: bool) -> int:
    """Code of DriveTraverse for a stop; None is a cancelled goal, `ended` says whether the plan had been driven to its end."""
    if stop is None:
        return int(result.PREEMPTED)
    if stop.reason is StopReason.GOAL:
        return int(result.NONE)
    if stop.reason is StopReason.OFF_TRACK:
        return int(result.GOAL_TOLERANCE_EXCEEDED if ended else result.PATH_TOLERANCE_EXCEEDED)
    if stop.reason in CODES:
        return int(getattr(result, CODES[stop.reason]))
    words = stop.detail.replace(":", " ").split()
    name = " ".join(words[:2]) if words[:1] == ["the"] else words[0]
    return int(getattr(result, MEASURED.get(name, "POWER_STALE")))


def measurement_of(
    odometry: Any, joints: Any, power: Any, *, motion: float, constant: float, now: float, radius: float
) -> Measurement:
    """What the controller reads. What a message declares invalid is NaN, on which the controller stops."""
    at, twist = odometry.pose.pose, odometry.twist.twist
    roll, pitch, heading = ros.angles_of(at.orientation)
    rims = math.nan
    if joints is not None:
        wheels = [v for name, v in zip(joints.name, joints.velocity, strict=False) if name.startswith("drive_")]
        rims = radius * sum(wheels) / len(wheels) if wheels else math.nan
    known = power.validity
    sources = known & power.RTG_VALID and known & power.PV_VALID
    loads, battery = known & power.LOADS_VALID, known & power.BATTERY_VALID
    power_time = ros.seconds(power.header.stamp)
    return Measurement(
        time=now, pose_time=ros.seconds(odometry.header.stamp), power_time=power_time, battery_time=power_time,
        x=at.position.x, y=at.position.y, heading=heading, speed=twist.linear.x, yaw_rate=twist.angular.z, wheel_speed=rims,
        motion_power=motion if loads else math.nan,
        constant_power=constant if loads else math.nan,
        supply_power=power.rtg_power + power.pv_power if sources else math.nan,
        battery_limit=power.discharge_limit if battery else math.nan,
        battery_energy=power.battery_energy if battery else math.nan, roll=roll, pitch=pitch,
        battery_power=power.battery_power if battery else math.nan,
    )  # fmt: skip


def feedback_message(part: Any, controller: Controller, status: Status, m: Measurement) -> Any:
    """Progress of a drive."""
    plan, room = controller.reference.at(controller.plan_time), controller.governor.available(m)
    left, rate = controller.reference.duration - controller.plan_time, status.pace.rate
    end = controller.reference.at(controller.reference.duration)
    message = ros.need("rover_energy_interfaces.action").DriveTraverse.Feedback()
    message.elapsed, message.plan_time = m.time - part.began, controller.plan_time
    message.remaining_time = left / rate if rate > 0.0 else math.inf
    message.remaining_distance = end.arc - plan.arc
    message.cross_track_error = status.error.lateral
    message.total_power = m.constant_power + m.motion_power
    message.available_power = room + m.constant_power
    message.battery_energy = m.battery_energy
    planned = controller.reference.table[ROW["total_power"]][: int(controller.plan_time / controller.reference.step)]
    message.energy_deviation = part.audit.energy - part.switched - float(planned.sum()) * controller.reference.step
    message.governed = rate < 0.99
    message.binding = "power" if message.governed else ""
    return message


def command_message(stamp: Any, command: Command) -> Any:
    """TwistStamped with the speed of the wheels' rims."""
    message = ros.message_class("geometry_msgs/msg/TwistStamped")()
    message.header.stamp, message.header.frame_id = stamp, "base_link"
    message.twist.linear.x, message.twist.angular.z = float(command.speed), float(command.yaw_rate)
    return message


def reference_message(stamp: Any, plan: Point) -> Any:
    """Where the plan is, as an Odometry."""
    message = ros.message_class("nav_msgs/msg/Odometry")()
    message.header.stamp, message.header.frame_id, message.child_frame_id = stamp, "map", "reference"
    message.pose.pose.position.x, message.pose.pose.position.y = float(plan.x), float(plan.y)
    message.pose.pose.orientation = ros.quaternion_of(0.0, 0.0, float(plan.heading))
    message.twist.twist.linear.x, message.twist.twist.angular.z = float(plan.speed), float(plan.yaw_rate)
    return message


def sample_audit(audit: Audit, power: Any) -> None:
    """Show a PowerState to the audit; what it declares invalid is not a number."""
    usable = power.validity & power.LOADS_VALID
    motion = sum(load.power for load in power.loads if load.name == "drive")
    audit.add(
        ros.seconds(power.header.stamp), total=sum(load.power for load in power.loads) if usable else math.nan, motion=motion,
        available=power.available_power, battery_margin=power.battery_energy - power.battery_floor, residual=power.residual,
        generated=power.rtg_power + power.pv_power,
    )  # fmt: skip


def fill_result(part: Any, result: Any) -> None:
    """Result of a drive from the state of the node."""
    stop, reference, at = part.stop, part.ended.reference, part.odometry.pose.pose
    end = reference.at(reference.duration)
    result.compliance = compliance_message(part.audit, part.odometry.header, part.handle.request.trajectory.plan_id)
    result.duration = (stop.time if stop else part.status_time()) - part.began
    result.distance, result.energy, result.governed_samples = part.distance, part.audit.energy, part.governed
    result.goal_distance = math.dist((at.position.x, at.position.y), (end.x, end.y))
    result.goal_heading_error = math.remainder(ros.angles_of(at.orientation)[2] - end.heading, 2.0 * math.pi)
    result.error_code = error_code(result, stop, part.ended.plan_time >= reference.duration - 1e-9)
    result.error_text = "cancelled, or the node was deactivated" if stop is None else ("" if not stop.safe else str(stop))


def compliance_message(audit: Audit, header: Any, plan_id: str) -> Any:
    """ComplianceReport of a drive."""
    report = ros.message_class("rover_energy_interfaces/msg/ComplianceReport")()
    report.header.stamp, report.header.frame_id = header.stamp, "map"
    report.plan_id, report.subject, report.passed = plan_id, report.DRIVE, audit.passed
    report.step, report.samples, report.missing_samples = audit.step, audit.windows, audit.missing
    report.peak_power, report.peak_power_time = audit.peak_power, audit.peak_time
    report.least_power_margin, report.least_power_margin_time = audit.least_margin, audit.least_margin_time
    report.least_battery_margin, report.least_battery_margin_time = audit.least_battery_margin, audit.least_battery_time
    report.energy, report.ledger_residual = audit.energy, audit.residual
    report.provenance.value = report.provenance.MEASURED
    check = ros.message_class("rover_energy_interfaces/msg/ComplianceCheck")(
        name="power", unit="W", worst_value=audit.available_at_worst - audit.least_margin, limit=audit.available_at_worst,
        margin=audit.least_margin, at_time=audit.least_margin_time, violations=audit.over, passed=audit.passed,
    )  # fmt: skip
    report.checks = [check]
    told = f"{audit.windows} windows, {audit.over} over what was available, {audit.missing} missing"
    report.text = f"{told}; least margin {audit.least_margin:.3f} W"
    return report
