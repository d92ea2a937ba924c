"""Where a plan begins: what is left of the mission then, and a state of motion from which the limits can be kept."""

from __future__ import annotations

import math
from dataclasses import replace

from rover_energy.planning.refusal import Refusal
from rover_energy.planning.transcription import Motion, start_energy
from rover_energy.planning.world import HELD_BACK, World
from rover_energy.power.battery import usable_capacity

ESTIMATE_SLACK = 0.05  # share of a limit by which the estimated motion of a rover may lie beyond it


def from_now_on(world: World, start: Motion) -> World:
    """The world with what is left of the mission at the start: stored energy, energy budget and time to the deadline.

    Raises Refusal when nothing is left of the budget or of the time.
    """
    left: dict[str, float] = {}
    if start.battery_energy is not None:
        left["state_of_charge"] = start_energy(world, start) / max(usable_capacity(world.rover.battery), 1e-9)
    for name, unit, used in (("deadline", "s", start.time), ("energy_budget", "J", start.spent_energy)):
        total = getattr(world.mission, name)
        if total is not None and used > 0.0:
            left[name] = total - used
            if not left[name] > 0.0:
                raise Refusal(name, name, f"nothing is left of the {name}: {used:g} of {total:g} {unit} are used", unit=unit)
    mission = replace(world.mission, **left)  # type: ignore[arg-type]
    if mission == world.mission:
        return world
    other = world.with_mission(mission)
    for name in ("fields", "cost_map", "constants"):  # of light and ground, and of costs that the charge changes little
        other.__dict__[name] = getattr(world, name)
    return other


def within_limits(world: World, start: Motion) -> Motion:
    """The motion of a rover that drives, with speed and heading rate clipped to what the limits allow there.

    An estimate of a rover that drives at a limit lies beyond it half of the time, and no plan could begin there. What is
    more than `ESTIMATE_SLACK` beyond is left as it is, and refused.
    """
    if not start.speed > 0.0:
        return start
    limits = world.rover.limits
    stretch = 1.0 / math.cos(float(world.surface.along_slope(start.x, start.y, start.heading)))
    lean = 1.0 / math.cos(float(world.surface.tilt(start.x, start.y)))
    fastest = HELD_BACK["speed"] * limits.speed / stretch
    speed = fastest if fastest < start.speed <= (1.0 + ESTIMATE_SLACK) * fastest else start.speed
    turn = min(HELD_BACK["yaw_rate"] * limits.yaw_rate, HELD_BACK["curvature"] * limits.curvature * speed * stretch) / lean
    rate = abs(start.heading_rate)
    rate = turn if turn < rate <= (1.0 + ESTIMATE_SLACK) * turn else rate
    return replace(start, speed=speed, heading_rate=math.copysign(rate, start.heading_rate))
