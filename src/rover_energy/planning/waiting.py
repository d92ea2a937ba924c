"""A rover that waits where it stands: what its battery holds, and how the Sun stands, when it departs later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rover_energy.errors import InputError
from rover_energy.planning.world import World
from rover_energy.power.battery import usable_capacity
from rover_energy.power.pv import panel_normal, pv_power
from rover_energy.power.rtg import rtg_power
from rover_energy.power.storage import full_battery, integrate_battery

LONGEST_STEP = 60.0  # [s] over which supply and load are averaged while waiting


def standing_supply(world: World, pose: Sequence[float], times: np.ndarray) -> np.ndarray:
    """Power of generator and array (n,) [W] of a rover at rest at x [m], y [m], heading [rad], at times (n,) [s]."""
    rover, scene = world.rover, world.environment
    hx, hy = world.surface.gradient(pose[0], pose[1])
    normal = panel_normal(rover.pv, hx, hy, pose[2])
    array = pv_power(
        rover.pv, normal=normal, sun_direction=scene.sun_direction(times), direct=scene.direct_irradiance(times),
        diffuse=scene.diffuse_irradiance(times), sunlit=scene.sunlit_fraction(pose[0], pose[1], times),
    )  # fmt: skip
    return np.asarray(array + rtg_power(rover.rtg, world.mission.years_since_fuelling))


def after_waiting(world: World, pose: Sequence[float], seconds: float) -> World:
    """The world as it is when the rover has waited at rest: charge, light, and what is left to the deadline.

    Constant loads go on; what they take is not counted against the energy budget of the drive. Raises InputError for a wait
    that is not 0 s or more, or a pose off the map.
    """
    if not (math.isfinite(seconds) and seconds >= 0.0):
        raise InputError("waiting", "seconds", "is not 0 or more", "give seconds", seconds)
    if seconds == 0.0:
        return world
    steps = max(2, math.ceil(seconds / LONGEST_STEP))
    middles = (np.arange(steps) + 0.5) * (seconds / steps)
    load = world.rover.loads.base_power + world.rover.loads.inference_power
    net = standing_supply(world, pose, middles) - load
    if not np.all(np.isfinite(net)):
        raise InputError("waiting", "seconds", "lasts beyond the known light, or begins off the map", "wait less", seconds)
    battery, charge = world.rover.battery, world.mission.state_of_charge
    capacity = usable_capacity(battery)
    if capacity > 0.0:
        record = integrate_battery(battery, full_battery(battery, charge), net, seconds / steps)
        charge = min(1.0, max(0.0, float(record.energy[-1]) / capacity))
    left = None if world.mission.deadline is None else max(0.0, world.mission.deadline - seconds)
    other = world.with_mission(replace(world.mission, state_of_charge=charge, deadline=left))
    times = world.environment.times
    if times.size == 1:
        return other
    return replace(other, environment=replace(world.environment, times=times - seconds))
