"""Drive a path as fast as the ground under each part of it allows, and certify each part with its own resistance.

The certificate knows one resistance. So the trajectory is cut at joints of its pieces into stretches over which the upper
estimate of the map is about the same, and each stretch is certified by itself with the greatest of it declared, from the energy
that the one before has left. Nothing of the certificate is changed or taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from rover_energy.planning.certificate import Certificate, certify
from rover_energy.planning.certificate_bounds import make_blocks, plan_bounds
from rover_energy.planning.certificate_power import SURE_PART, interval_errors
from rover_energy.planning.evaluation import motion_on_surface, piece_grid, run_battery, supply_and_demand
from rover_energy.planning.follow import FollowError, fastest_passing
from rover_energy.planning.path import Path
from rover_energy.planning.retiming import Timing, TimingError, drive, solve
from rover_energy.planning.soil_map import Array, SoilMap, softened
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.world import World
from rover_energy.power.battery import usable_capacity

LEVEL = 1.08  # declared factors are powers of this, the next above the estimate
GRID = 0.02  # [m] between stations
LEAD = 0.4  # [m] to either side along the path for which a place's resistance is counted on: the controller may be off
STEP = 0.01  # [s] between samples, as the certificate's
SAMPLES = 5  # of the ground in each piece, besides its end


@dataclass(frozen=True, eq=False)
class Stretch:
    """Pieces first .. last - 1 of a trajectory, the factor declared for them and their certificate."""

    first: int
    last: int
    begin: float
    declared: float
    certificate: Certificate


def timing_over(world: World, soil: SoilMap, path: Path) -> Timing:
    """The fastest drive along a path, from rest to rest, on ground that resists as the map's upper estimate says.

    Resistance and turn moment are multiplied by the worst estimate within `LEAD` along the path. Raises TimingError, also where
    the ground under the path is unknown.
    """
    task = drive(path, world.surface, world.environment, world.rover, world.mission, grid=GRID)
    stations, move = task.stations, world.rover.locomotion
    factor = soil.at(stations.x, stations.y, upper=True)
    if np.any(np.isnan(factor)):
        where = float(stations.distance[int(np.argmax(np.isnan(factor)))])
        raise TimingError("power", f"the map does not know the ground {where:.2f} m along the path")
    factor = declared(_ahead(factor, stations.distance))
    limits = world.rover.limits
    # The part that grows with speed is taken at the limit; scrub is a force over the path: M |turn|, without the slip's gain.
    fast = move.resistance.c1 * limits.speed + move.resistance.c2 * limits.speed**2
    scrub = move.turn_moment * np.abs(stations.turn) / (stations.drive_gain * move.drivetrain_efficiency)
    more = (factor - 1.0) * (stations.resistance + fast + scrub)
    return solve(
        replace(task, stations=replace(stations, resistance=stations.resistance + np.maximum(more, -stations.resistance)))
    )


def _ahead(factor: Array, distance: Array) -> Array:
    """Greatest value within `LEAD` of each station."""
    step = float(distance[1] - distance[0])
    return np.asarray(ndimage.maximum_filter1d(factor, 2 * int(np.ceil(LEAD / step)) + 1, mode="nearest"))


def follow_over(world: World, soil: SoilMap, path: Path, goal: Sequence[float]) -> tuple[Trajectory, tuple[Stretch, ...]] | None:
    """The fastest certified trajectory along a path on the map's upper estimate; None when none passes.

    Raises TimingError where no drive is possible.
    """
    timing, found = timing_over(world, soil, path), []

    def verify(trajectory: Trajectory) -> bool:
        found.append(certify_over(world, soil, trajectory, goal))
        return all(stretch.certificate.passed for stretch in found[-1])

    try:
        passing = fastest_passing(path, timing, verify)
    except FollowError:
        return None
    return None if passing is None else (passing[0], found[-1])


def certify_over(world: World, soil: SoilMap, trajectory: Trajectory, goal: Sequence[float]) -> tuple[Stretch, ...]:
    """Certificates of the stretches of a trajectory, in order; the first that fails is the last that is made.

    A stretch over unknown ground is declared 50 times as hard, the most that a map may hold, and so fails. The battery of each
    begins with what the one before leaves at least, by the bounds of its certificate.
    """
    factors, made = _by_piece(soil, trajectory), []
    energy = world.mission.state_of_charge * usable_capacity(world.rover.battery)
    spent = 0.0
    for first, last in _stretches(factors):
        factor = float(factors[first])
        begin = float(trajectory.knots[first])
        part = cut(trajectory, first, last)
        there = _from(world, factor, energy, begin, spent)
        end = tuple(goal) if last == trajectory.pieces else None
        certificate = certify(
            part, there.surface, there.environment, there.rover, there.mission, goal=end, keep_outs=there.keep_outs
        )
        made.append(Stretch(first, last, begin, factor, certificate))
        if not certificate.passed:
            break
        energy, consumed = _left(part, there)
        spent += consumed
    return tuple(made)


def _left(part: Trajectory, there: World) -> tuple[float, float]:
    """Stored energy at the end of a stretch, at least, and what all loads have consumed in it, at most [J]."""
    environment, rover, mission = there.environment, there.rover, there.mission
    piece, local, left = piece_grid(part, STEP, environment.times)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        state = part.evaluate_local(piece, local)
        motion = motion_on_surface(state, there.surface)
        supply = supply_and_demand(motion, environment, rover, mission)
        store, _ = run_battery(supply, state.t, left, rover, mission)
        bounds = plan_bounds(part, make_blocks(piece, local, left), motion, supply, there.surface, environment, rover)
        errors = interval_errors(state.t, supply, store, bounds, rover, mission)
    width, total = state.t[left + 1] - state.t[left], supply.total_power
    consumed = float(np.sum((0.5 * (total[left] + total[left + 1]) + SURE_PART * errors.load) * width))
    return max(0.0, float(store.battery_energy[-1] - errors.energy[-1])), consumed


def cut(trajectory: Trajectory, first: int, last: int) -> Trajectory:
    """Pieces first .. last - 1 as a trajectory of their own."""
    rows = {
        name: getattr(trajectory, name)[first:last] for name in ("heading", "speed", "x", "y")
        if getattr(trajectory, name) is not None
    }  # fmt: skip
    at = trajectory.evaluate_local(np.array([first]), np.zeros(1))
    start = np.array([at.x[0], at.y[0], at.heading[0]])
    return Trajectory(trajectory.kind, start, trajectory.durations[first:last], **rows)


def declared(factor: Array) -> Array:
    """The factor declared for an estimate: the next power of `LEVEL`, so that neighbouring pieces share one."""
    return np.asarray(LEVEL ** np.ceil(np.log(factor) / np.log(LEVEL) - 1e-9))


def _by_piece(soil: SoilMap, trajectory: Trajectory) -> Array:
    """Declared factor of each piece; over 50 where the ground is unknown."""
    local = np.linspace(0.0, 1.0, SAMPLES + 1)
    piece = np.repeat(np.arange(trajectory.pieces), local.size)
    at = trajectory.evaluate_local(piece, (trajectory.durations[:, None] * local).ravel())
    under = soil.at(at.x, at.y, upper=True).reshape(trajectory.pieces, local.size)
    return declared(np.where(np.isnan(under), 50.0, under).max(axis=1))


def _stretches(factors: Array) -> list[tuple[int, int]]:
    """Runs of pieces that declare the same factor."""
    ends = [0, *(np.flatnonzero(np.diff(factors)) + 1).tolist(), factors.size]
    return list(pairwise(ends))


def _from(world: World, factor: float, energy: float, begin: float, spent: float) -> World:
    """The world on ground of a factor, from a time and a stored energy on; the world itself holds the keep-outs."""
    left: dict[str, float] = {}
    if (capacity := usable_capacity(world.rover.battery)) > 0.0:
        left["state_of_charge"] = min(1.0, energy / capacity)
    for name, used in (("deadline", begin), ("energy_budget", spent)):
        if (total := getattr(world.mission, name)) is not None:
            left[name] = max(0.0, total - used)
    environment = world.environment
    if begin > 0.0 and environment.times.size > 1:
        environment = replace(environment, times=environment.times - begin)
    rover = softened(world.rover, factor, environment.gravity)
    mission = replace(world.mission, keep_outs=(), **left)  # type: ignore[arg-type]
    return replace(world, environment=environment, rover=rover, mission=mission)
