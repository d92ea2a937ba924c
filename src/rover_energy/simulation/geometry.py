"""Shape and mass of the rover's running gear: six driven wheels on rockers and bogies, four steered corners.

One description for every simulator: the MJCF and SDF generators, the wheel kinematics and the loopback all read it.

The running gear on each side is a rocker that carries the front wheel and, behind, a bogie with the middle and the rear
wheel. The rocker turns on the body above the middle wheel; a differential holds the body at the mean angle of both rockers.
With the middle wheel half way between the others and the bogie's pivot half way between its two wheels, statics gives equal
loads to all six wheels when the centre of mass lies over the rockers' pivots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import LocomotionParameters
from rover_energy.parameters import Parameters, parameter
from rover_energy.rover import RoverParameters

FloatArray = NDArray[np.float64]

WHEELS = ("fl", "fr", "ml", "mr", "rl", "rr")
CORNERS = ("fl", "fr", "rl", "rr")
CORNER_INDEX = np.array([WHEELS.index(name) for name in CORNERS])

_SUSPENSION = "suspension and masses are assumed: typical proportions, no particular rover"


@dataclass(frozen=True)
class GeometryParameters(Parameters):
    """Running gear. Lengths that are null are derived from the rover's width and wheels, see `rover_geometry`."""

    track: float | None = parameter(
        None, unit="m", minimum=0.05, maximum=10.0,
        description="distance between left and right wheel centres; null: rover width less the wheel's width",
    )  # fmt: skip
    wheel_base: float | None = parameter(
        None, unit="m", minimum=0.05, maximum=10.0, description="distance between front and rear axles; null: 1.2 track",
    )  # fmt: skip
    wheel_radius: float | None = parameter(
        None, unit="m", minimum=0.005, maximum=2.5, description="null: that of locomotion.resistance.wheel",
    )  # fmt: skip
    wheel_width: float | None = parameter(
        None, unit="m", minimum=0.005, maximum=3.0, description="null: that of locomotion.resistance.wheel",
    )  # fmt: skip
    rocker_pivot_height: float = parameter(
        1.5, unit="wheel radii", minimum=0.0, maximum=10.0, description="rocker pivot above the axles", source=_SUSPENSION,
    )  # fmt: skip
    bogie_pivot_height: float = parameter(
        0.3, unit="wheel radii", minimum=-0.9, maximum=10.0,
        description="bogie pivot above the axles: the lower, the less traction shifts load within the bogie", source=_SUSPENSION,
    )  # fmt: skip
    ride_height: float = parameter(
        2.5, unit="wheel radii", minimum=0.5, maximum=20.0, description="centre of mass of the body above the axles",
        source=_SUSPENSION,
    )  # fmt: skip
    wheel_mass: float = parameter(
        0.020, minimum=0.001, maximum=0.1, description="one wheel with its motors over the whole mass", source=_SUSPENSION,
    )  # fmt: skip
    rocker_mass: float = parameter(
        0.025, minimum=0.001, maximum=0.1, description="one rocker over the whole mass", source=_SUSPENSION,
    )  # fmt: skip
    bogie_mass: float = parameter(
        0.015, minimum=0.001, maximum=0.1, description="one bogie over the whole mass", source=_SUSPENSION,
    )  # fmt: skip
    friction: float = parameter(
        0.7, minimum=0.1, maximum=3.0, description="Coulomb friction of tyre on ground",
        source="tangent of the friction angle of lunar regolith, 35 deg (NASA LTV white paper, NTRS 20220010732)",
    )  # fmt: skip
    steering_range: float = parameter(1.25, unit="rad", minimum=0.3, maximum=1.5, description="largest angle of a corner")
    steering_rate: float = parameter(0.5, unit="rad/s", minimum=0.01, maximum=10.0, description="largest rate of a corner")
    drive_ramp: float = parameter(
        0.5, unit="m/s2", minimum=0.01, maximum=10.0, description="largest change of a wheel's rim speed by its motor controller",
    )  # fmt: skip
    brake: float = parameter(
        1.0, unit="m/s2", minimum=0.01, maximum=30.0,
        description="deceleration when told to stand still: short-circuited motors, about the friction of loose soil on the Moon",
    )  # fmt: skip
    torque_reserve: float = parameter(
        1.2, minimum=0.1, maximum=10.0,
        description="largest wheel torque over the one that lifts its share of the rover's weight straight up at the rim",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RoverGeometry:
    """Resolved numbers, SI; body frame: origin between the wheels at ground level, x forward, y left, z up.

    Attributes
    ----------
    positions : (6, 2) array
        Wheel centres (x, y) [m], order of `WHEELS`.
    track, wheel_base, wheel_radius, wheel_width : float
        [m]
    rocker_pivot, bogie_pivot : (x, z)
        In the plane of each side, from the origin [m].
    centre_of_mass : float
        Height of the body's own centre of mass [m].
    mass : float
        Whole rover [kg].
    body_mass, wheel_mass, rocker_mass, bogie_mass : float
        [kg]; body + 6 wheels + 2 rockers + 2 bogies is the rover's mass.
    body_inertia : (xx, yy, zz)
        Of the body alone; zz makes the whole rover's moment about z the one of its description [kg m2].
    rated_speed : float
        Wheel speed at the rover's top speed [rad/s].
    torque_limit : float
        Of each wheel motor [N m].
    parameters : GeometryParameters
    """

    positions: FloatArray
    track: float
    wheel_base: float
    wheel_radius: float
    wheel_width: float
    rocker_pivot: tuple[float, float]
    bogie_pivot: tuple[float, float]
    centre_of_mass: float
    mass: float
    body_mass: float
    wheel_mass: float
    rocker_mass: float
    bogie_mass: float
    body_inertia: tuple[float, float, float]
    rated_speed: float
    torque_limit: float
    parameters: GeometryParameters

    @property
    def side(self) -> float:
        """Distance of the rockers' plane from the body's middle plane [m]: just inside the wheels."""
        return self.track / 2.0 - 0.75 * self.wheel_width

    @property
    def body_box(self) -> tuple[float, float, float]:
        """Length, width and height of the body as drawn [m]."""
        return 0.85 * self.wheel_base, 0.75 * self.track, self.wheel_radius * 1.6

    @property
    def tightest_turn(self) -> float:
        """Least turning radius while rolling [m]: the inner corners reach their range there. Turns on the spot are apart."""
        reach = 0.5 * self.wheel_base / math.tan(self.parameters.steering_range)
        return 0.5 * self.track + reach


def rover_geometry(rover: RoverParameters, parameters: GeometryParameters | None = None, *, gravity: float) -> RoverGeometry:
    """Resolve a description of the running gear against the rover it belongs to.

    Parameters
    ----------
    rover : RoverParameters
        Gives mass, moment of inertia, width, wheels, resistance and top speed.
    parameters : GeometryParameters, optional
        Defaults otherwise: a rover of the same proportions at every size.
    gravity : float
        Sets the motors' torque [m/s2].

    Raises
    ------
    InputError
        Wheels that overlap, steered wheels that cannot turn on the spot, or a moment of inertia too small for the mass that
        sits in wheels, rockers and bogies.
    """
    p = parameters or GeometryParameters()
    wheel = rover.locomotion.resistance.wheel
    radius = wheel.diameter / 2.0 if p.wheel_radius is None else p.wheel_radius
    width = wheel.width if p.wheel_width is None else p.wheel_width
    track = rover.width - width if p.track is None else p.track
    base = 1.2 * track if p.wheel_base is None else p.wheel_base
    _check_layout(track, base, radius, width, p.steering_range)
    mass = rover.locomotion.mass
    masses = p.wheel_mass * mass, p.rocker_mass * mass, p.bogie_mass * mass
    body_mass = mass - 6.0 * masses[0] - 2.0 * (masses[1] + masses[2])
    half = base / 2.0
    positions = np.array([(x, side * track / 2.0) for x in (half, 0.0, -half) for side in (1.0, -1.0)])
    limit = p.torque_reserve * mass * gravity / 6.0 * radius
    rated_speed = rover.limits.speed / radius
    geometry = RoverGeometry(
        positions, track, base, radius, width,
        (0.0, radius * (1.0 + p.rocker_pivot_height)), (-half / 2.0, radius * (1.0 + p.bogie_pivot_height)),
        radius * (1.0 + p.ride_height), mass, body_mass, *masses, (0.0, 0.0, 0.0), rated_speed, limit, p,
    )  # fmt: skip
    inertia = _body_inertia(geometry, rover.locomotion)
    return RoverGeometry(**{**geometry.__dict__, "body_inertia": inertia})


def _check_layout(track: float, base: float, radius: float, width: float, steering_range: float) -> None:
    if not track >= 2.0 * width:
        raise InputError("geometry", "track", f"leaves no room between wheels of {width:g} m", "widen it or the rover", track)
    if not base >= 4.2 * radius:
        raise InputError(
            "geometry", "wheel_base", f"makes three wheels of radius {radius:g} m overlap",
            f"give {4.2 * radius:.3g} m or more", base,
        )  # fmt: skip
    spot = math.atan2(base, track)
    if not steering_range >= spot:
        raise InputError(
            "geometry", "steering_range", f"is below the {spot:.3g} rad of a turn on the spot", "raise it", steering_range
        )  # fmt: skip


def wheel_inertia(geometry: RoverGeometry) -> tuple[float, float, float]:
    """(xx, yy, zz) of one wheel about its centre, axle along y [kg m2]: rim, hub and motor, axial m r^2 / 2."""
    m, r, w = geometry.wheel_mass, geometry.wheel_radius, geometry.wheel_width
    axial = 0.5 * m * r * r
    across = axial / 2.0 + m * w * w / 12.0
    return across, axial, across


def rocker_centre(geometry: RoverGeometry) -> tuple[float, float]:
    """(x, z) of a rocker's centre of mass [m]: half way from front axle to bogie pivot, at the pivot's height less a third."""
    front = geometry.wheel_base / 2.0
    return (front + geometry.bogie_pivot[0]) / 2.0, geometry.rocker_pivot[1] * 2.0 / 3.0


def beam_inertia(mass: float, length: float, thickness: float) -> tuple[float, float, float]:
    """(xx, yy, zz) of a beam along x with square section about its centre [kg m2]."""
    across = mass * (length * length + thickness * thickness) / 12.0
    return mass * thickness * thickness / 6.0, across, across


def _body_inertia(geometry: RoverGeometry, locomotion: LocomotionParameters) -> tuple[float, float, float]:
    half = geometry.wheel_base / 2.0
    y2 = geometry.side**2
    wheels = geometry.wheel_mass * float(np.sum(geometry.positions**2)) + 6.0 * wheel_inertia(geometry)[2]
    rocker = beam_inertia(geometry.rocker_mass, 1.5 * half, 0.05 * half)[2] + geometry.rocker_mass * (
        rocker_centre(geometry)[0] ** 2 + y2
    )
    bogie = beam_inertia(geometry.bogie_mass, half, 0.05 * half)[2] + geometry.bogie_mass * (geometry.bogie_pivot[0] ** 2 + y2)
    yaw = locomotion.yaw_inertia - wheels - 2.0 * (rocker + bogie)
    least = 0.02 * geometry.body_mass * geometry.track**2
    if not yaw >= least:
        raise InputError(
            "geometry", "locomotion.yaw_inertia", f"leaves the body {yaw:.3g} kg m2 beside the wheels, less than {least:.3g}",
            "raise it, or make wheels and suspension lighter or narrower", locomotion.yaw_inertia,
        )  # fmt: skip
    # A box of the body's own height whose moment about z is what is left.
    height2 = geometry.body_box[2] ** 2
    level = yaw / 2.0 + geometry.body_mass * height2 / 12.0
    return level, level, yaw
