"""The rover as an SDF 1.9 model for Gazebo Harmonic, Ionic and Jetty, from the same geometry as the MJCF.

What differs from the MuJoCo rover, because Gazebo's default engine (DART) has no way to say it:

- no differential between the rockers: springs hold the body instead;
- no soil: neither resistance nor slip. The torque on each wheel is measured by a force-torque sensor in its joint, and who
  meters the power adds the soil's part;
- tyres are cylinders.

The wheels are driven by torque, `drive_stiffness` times what they lack of a set speed, against `gear_friction` in their joints.
Torque about y of a wheel's wrench, past that gear, times the wheel's speed, is minus the mechanical power that reaches the wheel;
what the gear takes is part of the drivetrain's efficiency.

Joint efforts are not published by Gazebo's joint state publisher, hence the force-torque sensors. All topics start with
`/model/<name>/`, so that several rovers can share a world.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from xml.etree.ElementTree import Element, SubElement

from rover_energy.simulation.geometry import (
    CORNERS,
    WHEELS,
    RoverGeometry,
    beam_inertia,
    rocker_centre,
    wheel_inertia,
)

SDF_VERSION = "1.9"
STEP = 0.004  # [s] of the engine
STATE_RATE = 50  # [Hz] of odometry and inertial sensor
FORCE_RATE = 250  # [Hz] of the force-torque sensors: every step, and so are joint states, or there would be power unseen
STEERING_GAIN = 4.0  # [1/s] of the corners' position controllers, as tried in Gazebo Ionic
_SUSPENSION_STOP = 0.7  # [rad]
_COLOURS = {
    "body": "0.83 0.65 0.27 1", "panel": "0.07 0.10 0.28 1", "metal": "0.62 0.64 0.67 1", "tyre": "0.16 0.16 0.17 1",
}  # fmt: skip

Vector = tuple[float, float, float]


def number_text(*values: float) -> str:
    """Numbers as SDF and MJCF want them, without digits of noise."""
    return " ".join(f"{value + 0.0:.9g}" for value in values)


def child(parent: Element, tag: str, text: str | float | None = None, **attributes: str) -> Element:
    """Append an element with text to another."""
    element = SubElement(parent, tag, attributes)
    if text is not None:
        element.text = text if isinstance(text, str) else number_text(text)
    return element


def plugin(parent: Element, system: str, name: str) -> Element:
    """Append a Gazebo system: `gz-sim-<system>-system`, class `gz::sim::systems::<name>`."""
    return child(parent, "plugin", filename=f"gz-sim-{system}-system", name=f"gz::sim::systems::{name}")


def to_text(root: Element) -> str:
    """The document, indented, with its declaration."""
    ElementTree.indent(root)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def rover_sdf(geometry: RoverGeometry, *, gravity: float, name: str = "rover") -> str:
    """SDF of the rover; its origin is between the wheels at ground level.

    Parameters
    ----------
    geometry : RoverGeometry
    gravity : float
        Sets the stiffness of the springs that stand for the differential [m/s2].
    name : str
        Of the model, and in its topics.
    """
    root = Element("sdf", version=SDF_VERSION)
    model = child(root, "model", name=name)
    child(model, "self_collide", "false")
    _base(model, geometry, name)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        _side(model, geometry, gravity, side, sign, name)
    _plugins(model, geometry, name)
    return to_text(root)


def _base(model: Element, g: RoverGeometry, name: str) -> None:
    base = _link(model, "base_link", (0.0, 0.0, 0.0), g.body_mass, g.body_inertia, (0.0, 0.0, g.centre_of_mass))
    length, width, height = g.body_box
    _box(base, "body", (0.0, 0.0, g.centre_of_mass), (length, width, height))
    _box(base, "panel", (0.0, 0.0, g.centre_of_mass + 0.6 * height), (1.2 * length, 1.32 * width, 0.04 * height))
    sensor = child(base, "sensor", name="imu", type="imu")
    child(sensor, "always_on", "true")
    child(sensor, "update_rate", STATE_RATE)
    child(sensor, "topic", f"/model/{name}/imu")


def _side(model: Element, g: RoverGeometry, gravity: float, side: str, sign: float, name: str) -> None:
    half, (px, pz), (bx, bz) = g.wheel_base / 2.0, g.rocker_pivot, g.bogie_pivot
    y = sign * g.side
    cx, cz = rocker_centre(g)
    rocker = _link(
        model, f"rocker_{side}", (px, y, pz), g.rocker_mass, beam_inertia(g.rocker_mass, 1.5 * half, 0.05 * half),
        (cx - px, 0.0, cz - pz),
    )  # fmt: skip
    _beam(rocker, "front", (0.0, 0.0), (half - px, 2.15 * g.wheel_radius - pz), g)
    _beam(rocker, "rear", (0.0, 0.0), (bx - px, bz - pz), g)
    stiffness, damping = differential_spring(g, gravity)
    _hinge(model, f"rocker_{side}_joint", "base_link", f"rocker_{side}", (0.0, 1.0, 0.0), _SUSPENSION_STOP, stiffness, damping)
    bogie = _link(
        model, f"bogie_{side}", (bx, y, bz), g.bogie_mass, beam_inertia(g.bogie_mass, half, 0.05 * half), (0.0, 0.0, 0.0)
    )
    _beam(bogie, "front", (0.0, 0.0), (-bx, g.wheel_radius - bz), g)
    _beam(bogie, "rear", (0.0, 0.0), (-half - bx, 2.15 * g.wheel_radius - bz), g)
    _hinge(model, f"bogie_{side}_joint", f"rocker_{side}", f"bogie_{side}", (0.0, 1.0, 0.0), _SUSPENSION_STOP,
           0.0, 0.02 * g.mass * g.wheel_radius)  # fmt: skip
    for row, x, carrier in (("f", half, "rocker"), ("m", 0.0, "bogie"), ("r", -half, "bogie")):
        wheel = f"{row}{side}"
        parent = f"{carrier}_{side}"
        position = (x, sign * g.track / 2.0, g.wheel_radius)
        if wheel in CORNERS:
            xx, yy, zz = wheel_inertia(g)
            _link(model, f"corner_{wheel}", position, 0.15 * g.wheel_mass, (0.15 * xx, 0.15 * yy, 0.15 * zz), (0.0, 0.0, 0.0))
            joint = _hinge(model, f"steer_{wheel}_joint", parent, f"corner_{wheel}", (0.0, 0.0, 1.0), 1.6, 0.0, 0.0)
            limits = joint.find("axis/limit")
            assert limits is not None
            child(limits, "effort", 5.0 * g.torque_limit)
            child(limits, "velocity", 2.0 * g.parameters.steering_rate)
            parent = f"corner_{wheel}"
        _wheel(model, g, wheel, parent, position, name)


def drive_stiffness(geometry: RoverGeometry) -> float:
    """Torque of a wheel's motor over what its speed lacks [N m s/rad], at every step of Gazebo's engine.

    Half of the largest torque over the rated speed. Like the back-EMF of a motor under a set voltage it bounds the power whatever
    the wheel does: torque * speed is at most stiffness * (set speed)^2 / 4. Where torque = stiffness * speed the power does not
    change with the speed at all, and the torques at which a rover is short of power are near that.
    """
    return 0.5 * geometry.torque_limit / geometry.rated_speed


def gear_friction(geometry: RoverGeometry) -> float:
    """Friction in a wheel's gear [N m], which holds the rover wherever nobody sends set speeds, as a self-locking gear does.

    Enough for slopes up to asin 0.3 = 17 deg. Who drives adds it to the torque that the wheel shall have.
    """
    return 0.25 * geometry.torque_limit


def differential_spring(g: RoverGeometry, gravity: float) -> tuple[float, float]:
    """Stiffness [N m/rad] and damping [N m s/rad] of each rocker joint in place of the differential.

    Body weight times wheel base: several times what keeps the body from toppling over its pivots, and soft enough that the
    wheels keep their loads on uneven ground. Damping 0.7 of critical for the body's pitch.
    """
    stiffness = g.body_mass * gravity * g.wheel_base
    return stiffness, 0.7 * math.sqrt(2.0 * stiffness * g.body_inertia[1])


def _wheel(model: Element, g: RoverGeometry, wheel: str, parent: str, position: Vector, name: str) -> None:
    share = 0.85 if wheel in CORNERS else 1.0
    xx, yy, zz = wheel_inertia(g)
    link = _link(model, f"wheel_{wheel}", position, share * g.wheel_mass, (share * xx, share * yy, share * zz), (0.0, 0.0, 0.0))
    for kind in ("collision", "visual"):
        part = child(link, kind, name=f"tyre_{kind}")
        child(part, "pose", number_text(0.0, 0.0, 0.0, math.pi / 2.0, 0.0, 0.0))
        cylinder = child(child(part, "geometry"), "cylinder")
        child(cylinder, "radius", g.wheel_radius)
        child(cylinder, "length", g.wheel_width)
        if kind == "visual":
            _paint(part, "tyre")
        else:
            friction = child(child(child(part, "surface"), "friction"), "ode")
            child(friction, "mu", g.parameters.friction)
            child(friction, "mu2", g.parameters.friction)
    _box(link, "grouser", (0.0, 0.0, 0.0), (2.02 * g.wheel_radius, 0.98 * g.wheel_width, 0.1 * g.wheel_radius), colour="metal")
    joint = _hinge(model, f"drive_{wheel}_joint", parent, f"wheel_{wheel}", (0.0, 1.0, 0.0), None, 0.0, 0.0)
    dynamics = _axis(joint).find("dynamics")
    assert dynamics is not None
    child(dynamics, "friction", gear_friction(g))
    limit = child(_axis(joint), "limit")
    child(limit, "lower", "-1e16")
    child(limit, "upper", "1e16")
    child(limit, "effort", g.torque_limit)
    sensor = child(joint, "sensor", name=f"wrench_{wheel}", type="force_torque")
    child(sensor, "always_on", "true")
    child(sensor, "update_rate", FORCE_RATE)
    child(sensor, "topic", f"/model/{name}/wrench/{wheel}")
    measured = child(sensor, "force_torque")
    child(measured, "frame", "parent")  # its z stays up: the force's z is the wheel's load
    child(measured, "measure_direction", "child_to_parent")


def _plugins(model: Element, g: RoverGeometry, name: str) -> None:
    for wheel in WHEELS:
        drive = plugin(model, "joint-controller", "JointController")
        child(drive, "joint_name", f"drive_{wheel}_joint")
        child(drive, "topic", f"/model/{name}/drive/{wheel}")
        child(drive, "use_force_commands", "true")
        child(drive, "p_gain", drive_stiffness(g))
        child(drive, "cmd_max", g.torque_limit)
        child(drive, "cmd_min", -g.torque_limit)
    for corner in CORNERS:
        steer = plugin(model, "joint-position-controller", "JointPositionController")
        child(steer, "joint_name", f"steer_{corner}_joint")
        child(steer, "topic", f"/model/{name}/steer/{corner}")
        child(steer, "use_velocity_commands", "true")
        child(steer, "p_gain", STEERING_GAIN)
        child(steer, "cmd_max", g.parameters.steering_rate)
        child(steer, "cmd_min", -g.parameters.steering_rate)
    states = plugin(model, "joint-state-publisher", "JointStatePublisher")
    child(states, "topic", f"/model/{name}/joint_states")  # without a rate: at every step
    odometry = plugin(model, "odometry-publisher", "OdometryPublisher")
    child(odometry, "odom_frame", "odom")
    child(odometry, "robot_base_frame", "base_link")
    child(odometry, "odom_topic", f"/model/{name}/odometry")
    child(odometry, "odom_publish_frequency", STATE_RATE)
    child(odometry, "dimensions", 3)


def _link(model: Element, name: str, at: Vector, mass: float, inertia: Vector, centre: Vector) -> Element:
    link = child(model, "link", name=name)
    child(link, "pose", number_text(*at, 0.0, 0.0, 0.0))
    inertial = child(link, "inertial")
    child(inertial, "pose", number_text(*centre, 0.0, 0.0, 0.0))
    child(inertial, "mass", mass)
    tensor = child(inertial, "inertia")
    for key, value in zip(("ixx", "iyy", "izz"), inertia, strict=True):
        child(tensor, key, value)
    for key in ("ixy", "ixz", "iyz"):
        child(tensor, key, 0.0)
    return link


def _hinge(
    model: Element, name: str, parent: str, below: str, axis: Vector, reach: float | None, stiffness: float, damping: float
) -> Element:
    joint = child(model, "joint", name=name, type="revolute")
    child(joint, "parent", parent)
    child(joint, "child", below)
    line = child(joint, "axis")
    child(line, "xyz", number_text(*axis))
    if reach is not None:
        limit = child(line, "limit")
        child(limit, "lower", -reach)
        child(limit, "upper", reach)
    dynamics = child(line, "dynamics")
    child(dynamics, "damping", damping)
    if stiffness > 0.0:
        child(dynamics, "spring_reference", 0.0)
        child(dynamics, "spring_stiffness", stiffness)
    return joint


def _axis(joint: Element) -> Element:
    axis = joint.find("axis")
    assert axis is not None
    return axis


def _box(link: Element, name: str, at: Vector, size: Vector, colour: str | None = None) -> None:
    visual = child(link, "visual", name=name)
    child(visual, "pose", number_text(*at, 0.0, 0.0, 0.0))
    child(child(child(visual, "geometry"), "box"), "size", number_text(*size))
    _paint(visual, colour or name)


def _beam(link: Element, name: str, start: tuple[float, float], end: tuple[float, float], g: RoverGeometry) -> None:
    """Visual tube in the plane of a side, from (x, z) to (x, z) of the link."""
    dx, dz = end[0] - start[0], end[1] - start[1]
    visual = child(link, "visual", name=name)
    middle = ((start[0] + end[0]) / 2.0, 0.0, (start[1] + end[1]) / 2.0)
    child(visual, "pose", number_text(*middle, 0.0, math.atan2(dx, dz), 0.0))
    cylinder = child(child(visual, "geometry"), "cylinder")
    child(cylinder, "radius", 0.12 * g.wheel_radius)
    child(cylinder, "length", math.hypot(dx, dz))
    _paint(visual, "metal")


def _paint(visual: Element, colour: str) -> None:
    material = child(visual, "material")
    child(material, "ambient", _COLOURS[colour])
    child(material, "diffuse", _COLOURS[colour])
