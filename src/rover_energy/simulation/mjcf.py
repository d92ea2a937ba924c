"""The rover on its ground as MJCF text, for MuJoCo 3.2 and later.

Text rather than MuJoCo's model-editing interface: the same text gives the same model in every version, and can be read,
kept and compared.
"""

from __future__ import annotations

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

_METAL, _GOLD, _PANEL, _TYRE, _REGOLITH = (
    "0.62 0.64 0.67 1", "0.83 0.65 0.27 1", "0.07 0.10 0.28 1", "0.16 0.16 0.17 1", "0.66 0.64 0.61 1",
)  # fmt: skip
SUSPENSION_RANGE = 0.7  # [rad] stops of rockers and bogies


def _text(*values: float) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def rover_mjcf(
    geometry: RoverGeometry,
    *,
    gravity: float,
    ground_nodes: tuple[int, int],
    ground_size: tuple[float, float, float],
    timestep: float = 0.005,
) -> str:
    """MJCF of the rover above a height field.

    Parameters
    ----------
    geometry : RoverGeometry
    gravity : float
        [m/s2], along -z.
    ground_nodes : (rows, columns)
        Of the height field; heights are filled in by who runs it, 0 to 1 of the size's third entry.
    ground_size : (x, y, z)
        Half extents, and height range [m].
    timestep : float
        [s].

    Returns
    -------
    str
        Bodies: `base` (free, origin between the wheels at ground level), `rocker_*`, `bogie_*`, `corner_*`, `wheel_*`.
        Actuators: `drive_*` in the order of `geometry.WHEELS`, then `steer_*` in the order of `geometry.CORNERS`.

    Notes
    -----
    The differential is an equality between the rockers' angles, left = -right. Tyres are ellipsoids: smooth, so that they
    pass the edges of the ground's facets without a knock. Friction cones are elliptic; with pyramids a wheel grips better
    along the map's axes than between them. Visual parts have no mass and touch nothing.
    """
    root = Element("mujoco", model="rover")
    SubElement(root, "compiler", angle="radian", autolimits="true", inertiafromgeom="false")
    option = SubElement(
        root, "option", timestep=_text(timestep), gravity=_text(0.0, 0.0, -gravity), integrator="implicitfast",
        cone="elliptic", impratio="10",
    )  # fmt: skip
    SubElement(option, "flag", autoreset="disable")  # a diverged engine must be seen, not silently started anew
    _visuals(root)
    asset = SubElement(root, "asset")
    SubElement(
        asset, "hfield", name="ground", nrow=str(ground_nodes[0]), ncol=str(ground_nodes[1]), size=_text(*ground_size, 1.0)
    )
    SubElement(asset, "material", name="regolith", rgba=_REGOLITH, specular="0", shininess="0")
    world = SubElement(root, "worldbody")
    SubElement(world, "light", name="sun", directional="true", castshadow="true", pos="0 0 50", dir="0 0 -1", diffuse="1 1 1")
    SubElement(
        world, "geom", name="ground", type="hfield", hfield="ground", material="regolith",
        friction=_text(geometry.parameters.friction, 0.0, 0.0), condim="3",
    )  # fmt: skip
    _rover(world, geometry)
    equality = SubElement(root, "equality")
    SubElement(equality, "joint", name="differential", joint1="rocker_l", joint2="rocker_r", polycoef="0 -1 0 0 0",
               solref="0.02 1")  # fmt: skip
    _actuators(root, geometry)
    sensor = SubElement(root, "sensor")
    SubElement(sensor, "accelerometer", name="acceleration", site="origin")
    SubElement(sensor, "gyro", name="angular_velocity", site="origin")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _visuals(root: Element) -> None:
    visual = SubElement(root, "visual")
    SubElement(visual, "global", offwidth="3840", offheight="2160")
    SubElement(visual, "headlight", ambient="0.10 0.10 0.11", diffuse="0 0 0", specular="0 0 0")
    SubElement(visual, "quality", shadowsize="8192", offsamples="8")
    SubElement(visual, "map", zfar="200", shadowclip="1", shadowscale="0.9")


def _rover(world: Element, g: RoverGeometry) -> None:
    base = SubElement(world, "body", name="base", pos="0 0 0")
    SubElement(base, "freejoint", name="base")
    _inertial(base, (0.0, 0.0, g.centre_of_mass), g.body_mass, g.body_inertia)
    SubElement(base, "site", name="origin", pos="0 0 0", size="0.01", rgba="0 0 0 0")
    length, width, height = g.body_box
    middle = g.centre_of_mass
    _drawn(base, "box", (0.0, 0.0, middle), (length / 2, width / 2, height / 2), _GOLD)
    SubElement(base, "site", name="panel", pos=_text(0.0, 0.0, middle + 0.75 * height), size="0.01", rgba="0 0 0 0")
    _drawn(base, "box", (0.0, 0.0, middle + 0.6 * height), (0.6 * length, 0.66 * width, 0.02 * height), _PANEL)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        _side(base, g, side, sign)


def _side(base: Element, g: RoverGeometry, side: str, sign: float) -> None:
    """Rocker with the front corner, and bogie with the middle wheel and the rear corner."""
    half, (px, pz), (bx, bz) = g.wheel_base / 2.0, g.rocker_pivot, g.bogie_pivot
    lever = g.wheel_radius * 0.25
    rocker = SubElement(base, "body", name=f"rocker_{side}", pos=_text(px, sign * g.side, pz))
    _hinge(rocker, f"rocker_{side}", "0 1 0", SUSPENSION_RANGE, _suspension_damping(g))
    cx, cz = rocker_centre(g)
    _inertial(rocker, (cx - px, 0.0, cz - pz), g.rocker_mass, beam_inertia(g.rocker_mass, 1.5 * half, 0.05 * half))
    top = 2.15 * g.wheel_radius - pz
    _tube(rocker, (0.0, 0.0, 0.0), (half - px, 0.0, top), lever)
    _tube(rocker, (0.0, 0.0, 0.0), (bx - px, 0.0, bz - pz), lever)
    offset = sign * (g.track / 2.0 - g.side)
    _corner(rocker, g, f"f{side}", (half - px, offset, g.wheel_radius - pz))
    bogie = SubElement(rocker, "body", name=f"bogie_{side}", pos=_text(bx - px, 0.0, bz - pz))
    _hinge(bogie, f"bogie_{side}", "0 1 0", SUSPENSION_RANGE, _suspension_damping(g))
    _inertial(bogie, (0.0, 0.0, 0.0), g.bogie_mass, beam_inertia(g.bogie_mass, half, 0.05 * half))
    _tube(bogie, (0.0, 0.0, 0.0), (-bx, 0.0, g.wheel_radius - bz), lever)
    _tube(bogie, (0.0, 0.0, 0.0), (-half - bx, 0.0, 2.15 * g.wheel_radius - bz), lever)
    _tube(bogie, (-bx, 0.0, g.wheel_radius - bz), (-bx, offset, g.wheel_radius - bz), 0.6 * lever)
    _wheel(bogie, g, f"m{side}", (-bx, offset, g.wheel_radius - bz))
    _corner(bogie, g, f"r{side}", (-half - bx, offset, g.wheel_radius - bz))


def _corner(parent: Element, g: RoverGeometry, name: str, position: tuple[float, float, float]) -> None:
    """Steered wheel: the vertical axis runs through the wheel's centre, so that steering at rest moves nothing."""
    x, y, z = position
    reach = 2.15 * g.wheel_radius
    _tube(parent, (x, 0.0, z + reach - g.wheel_radius), (x, y, z + reach - g.wheel_radius), 0.2 * g.wheel_radius)
    corner = SubElement(parent, "body", name=f"corner_{name}", pos=_text(*position))
    mass = 0.15 * g.wheel_mass
    _hinge(corner, f"steer_{name}", "0 0 1", 1.6, 0.0)
    inertia = wheel_inertia(g)
    _inertial(corner, (0.0, 0.0, 0.0), mass, (0.15 * inertia[0], 0.15 * inertia[1], 0.15 * inertia[2]))
    side = -1.0 if y > 0.0 else 1.0
    fork = side * 0.62 * g.wheel_width
    _tube(corner, (0.0, 0.0, reach - g.wheel_radius), (0.0, fork, 0.85 * g.wheel_radius), 0.13 * g.wheel_radius)
    _tube(corner, (0.0, fork, 0.85 * g.wheel_radius), (0.0, fork, 0.0), 0.13 * g.wheel_radius)
    _wheel(corner, g, name, (0.0, 0.0, 0.0), 0.85)


def _wheel(parent: Element, g: RoverGeometry, name: str, position: tuple[float, float, float], share: float = 1.0) -> None:
    wheel = SubElement(parent, "body", name=f"wheel_{name}", pos=_text(*position))
    SubElement(
        wheel, "joint", name=f"drive_{name}", type="hinge", axis="0 1 0", damping="0",
        frictionloss="1e-3", solimpfriction="0.9999 0.9999 0.001", solreffriction="0.02 1",
    )  # fmt: skip
    xx, yy, zz = wheel_inertia(g)
    _inertial(wheel, (0.0, 0.0, 0.0), share * g.wheel_mass, (share * xx, share * yy, share * zz))
    r, w = g.wheel_radius, g.wheel_width
    SubElement(
        wheel, "geom", name=f"tyre_{name}", type="ellipsoid", size=_text(r, w / 2.0, r), contype="0", conaffinity="1",
        friction=_text(g.parameters.friction, 0.0, 0.0), condim="3", group="3", rgba=_TYRE,
    )  # fmt: skip
    axle = (0.0, -w / 2.0, 0.0, 0.0, w / 2.0, 0.0)
    SubElement(wheel, "geom", type="cylinder", fromto=_text(*axle), size=_text(0.97 * r), contype="0", conaffinity="0",
               group="1", rgba=_TYRE)  # fmt: skip
    hub = (0.0, -0.54 * w, 0.0, 0.0, 0.54 * w, 0.0)
    SubElement(wheel, "geom", type="cylinder", fromto=_text(*hub), size=_text(0.45 * r), contype="0", conaffinity="0",
               group="1", rgba=_METAL)  # fmt: skip
    for across in (True, False):  # grousers, so that turning can be seen
        size = (0.99 * r, 0.49 * w, 0.05 * r) if across else (0.05 * r, 0.49 * w, 0.99 * r)
        _drawn(wheel, "box", (0.0, 0.0, 0.0), size, _METAL)


def _actuators(root: Element, g: RoverGeometry) -> None:
    """Drives whose gain is set while running, and position servos for the corners, critically damped."""
    actuator = SubElement(root, "actuator")
    for name in WHEELS:
        SubElement(actuator, "velocity", name=f"drive_{name}", joint=f"drive_{name}", kv="1",
                   forcerange=_text(-g.torque_limit, g.torque_limit))  # fmt: skip
    stiffness = 20.0 * g.torque_limit
    damping = 2.0 * (stiffness * 1.15 * wheel_inertia(g)[2]) ** 0.5
    for name in CORNERS:
        SubElement(actuator, "position", name=f"steer_{name}", joint=f"steer_{name}", kp=_text(stiffness), kv=_text(damping),
                   forcerange=_text(-5.0 * g.torque_limit, 5.0 * g.torque_limit))  # fmt: skip


def _suspension_damping(g: RoverGeometry) -> float:
    """[N m s/rad] stills the ringing of rockers on stiff ground within tenths of a second; costs well below 1 % of driving."""
    return 0.02 * g.mass * g.wheel_radius


def _inertial(body: Element, position: tuple[float, float, float], mass: float, inertia: tuple[float, float, float]) -> None:
    SubElement(body, "inertial", pos=_text(*position), mass=_text(mass), diaginertia=_text(*inertia))


def _hinge(body: Element, name: str, axis: str, reach: float, damping: float) -> None:
    SubElement(body, "joint", name=name, type="hinge", axis=axis, range=_text(-reach, reach), damping=_text(damping))


def _drawn(body: Element, kind: str, position: tuple[float, float, float], size: tuple[float, ...], colour: str) -> None:
    SubElement(body, "geom", type=kind, pos=_text(*position), size=_text(*size), contype="0", conaffinity="0", group="1",
               rgba=colour)  # fmt: skip


def _tube(body: Element, start: tuple[float, float, float], end: tuple[float, float, float], thickness: float) -> None:
    SubElement(body, "geom", type="capsule", fromto=_text(*start, *end), size=_text(thickness / 2.0), contype="0",
               conaffinity="0", group="1", rgba=_METAL)  # fmt: skip
