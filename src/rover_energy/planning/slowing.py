"""Whether a plan still has the power that it asks for, and how fast the bus can carry the rover now."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rover_energy.locomotion.demand import drive_power, turn_power
from rover_energy.planning.evaluation import Profile
from rover_energy.planning.trajectory import Array
from rover_energy.planning.world import World

Index = NDArray[np.intp]
TOUCHING = 1.002  # share of the power up to which a plan is as it was: many touch it
BRAKING = 0.5  # share of the braking allowed by which a new plan may begin
ROOM_LEFT = 1.5  # [W] below what the bus gives at its beginning, for the turn rate to change
LEAST_CARRIED = 0.6  # share of the measured speed; with less the rover must be stopped, not planned for


def motion_power(world: World, p: Profile, at: Index) -> Array:
    """Power of driving and turning [W] at samples `at` of a profile, by the ground of a world."""
    ground = world.rover.locomotion
    drive = drive_power(
        ground, speed=p.speed[at], acceleration=p.acceleration[at], along_slope=p.along_slope[at], tilt=p.tilt[at],
        gravity=world.environment.gravity,
    )  # fmt: skip
    result: Array = drive + turn_power(ground, yaw_rate=p.yaw_rate[at], yaw_acceleration=p.yaw_acceleration[at])
    return result


def room_for_motion(world: World, counted_on: World, p: Profile) -> Array:
    """Power left for motion [W] along a profile made in the world `counted_on`, by the account of another."""
    own, new = counted_on.rover, world.rover
    brighter = new.pv.area / own.pv.area if own.pv.area > 0.0 else 1.0
    room: Array = p.available_power + (brighter - 1.0) * p.pv_power - new.loads.base_power - new.loads.inference_power
    return room


def scarcer(p: Profile, counted_on: World, world: World, since: float) -> bool:
    """Whether the rest of a profile from a time [s] on asks for more power than there is by the account of another world."""
    at = np.flatnonzero(p.t >= since)
    room = room_for_motion(world, counted_on, p)[at]
    return not bool(np.all(motion_power(world, p, at) <= TOUCHING * room))


def carried_speed(p: Profile, counted_on: World, world: World, at: float, speed: float, yaw_rate: float) -> float:
    """The speed along the surface, at most the measured one [m/s], from which a rover can keep to the power that there is.

    A rover that drives at its plan's speed when a source fails asks for more than the bus has, whatever is planned next, and
    its governor slows it at once. No certified plan begins at the measured speed then, but one begins at the speed to which
    the governor brings the rover. Below `LEAST_CARRIED` of the measured speed that would be another place: it is kept.

    at : time on the profile [s]; yaw_rate : measured [rad/s], in proportion to the speed.
    """
    k = int(np.clip(np.searchsorted(p.t, at), 0, p.t.size - 1))
    room = float(room_for_motion(world, counted_on, p)[k]) - ROOM_LEFT
    shares = np.linspace(1.0, LEAST_CARRIED, 41)
    ground = world.rover.locomotion
    asked = drive_power(
        ground, speed=shares * speed, acceleration=-BRAKING * world.rover.limits.acceleration, along_slope=p.along_slope[k],
        tilt=p.tilt[k], gravity=world.environment.gravity,
    ) + turn_power(ground, yaw_rate=shares * yaw_rate, yaw_acceleration=0.0)  # fmt: skip
    fits = np.flatnonzero(asked <= room)
    return speed * float(shares[fits[0]]) if fits.size and math.isfinite(room) else speed
