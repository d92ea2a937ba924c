"""Replanning while driving: watch a drive against its plan, and make the next certified plan from where the rover is.

The next plan starts in the rover's own state of motion, charge and time, and counts on what was measured rather than on
what was described: constant loads, the array's share of its model, and the work of driving against the plan's. A rover that
is on its path keeps the rest of its plan where this still passes; one for whose speed the bus has no power left is planned for
from the speed to which its governor brings it.
"""

from __future__ import annotations

import math
import time as clock
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.planning.certificate import certify
from rover_energy.planning.departure import from_now_on
from rover_energy.planning.deviation import Comparison, Deviation, DeviationParameters, Observed
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.follow import trajectory_path
from rover_energy.planning.planned import PlannedTraverse
from rover_energy.planning.replanning import replan_traverse
from rover_energy.planning.resume import rest_of
from rover_energy.planning.slowing import carried_speed, scarcer
from rover_energy.planning.solver import Solver
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.transcription import Motion
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters

LEAST_LEFT = 3.0  # [s] of a plan below which none is made instead
SAME_LOAD, SAME_ARRAY, SAME_WORK = 0.5, 0.03, 0.03  # [W], shares: smaller differences are the meters'
LEAST_WORK = 300.0  # [J] of driving, planned, from which on its share counts
WORK_MEMORY = 60.0  # [s] over which it is compared
ARRAY_MEMORY, LEAST_LIGHT = 10.0, 50.0  # [s], [J]: likewise for the array
SHARES = (0.5, 2.0)  # between which measured shares are believed
#: Within these of its plan's place, heading and speed the rover counts as on it, and the rest can be driven as it stands.
ON_PATH, ON_COURSE, ON_PACE = 0.05, 0.05, 0.05  # [m], [rad], [m/s]
WARM_AT = 1.0  # [s] into a plan from which the first replan is rehearsed


class Share:
    """Measured over planned energy of the last `memory` [s]; 1 while less than `least` [J] was planned in them."""

    def __init__(self, memory: float, least: float) -> None:
        self.memory, self.least = memory, least
        self._sums: deque[tuple[float, float, float]] = deque([(-math.inf, 0.0, 0.0)])

    def add(self, time: float, measured: float, planned: float) -> None:
        """What was measured and planned in the step that ends at a time [s], [J]."""
        _, m, p = self._sums[-1]
        self._sums.append((time, m + measured, p + planned))
        while time - self._sums[0][0] > self.memory:
            self._sums.popleft()

    @property
    def value(self) -> float:
        """[-]"""
        (_, m0, p0), (_, m1, p1) = self._sums[0], self._sums[-1]
        share = (m1 - m0) / (p1 - p0) if p1 - p0 >= self.least else 1.0
        return min(max(share, SHARES[0]), SHARES[1])


@dataclass(frozen=True, eq=False)
class Followed:
    """The plan that is driven, and the world as it counts on it."""

    plan: PlannedTraverse
    world: World
    profile: Profile

    @classmethod
    def of(cls, plan: PlannedTraverse, world: World) -> Followed:
        """With the profile of the plan."""
        return cls(plan, world, profile_of(plan, world))


class Replanner:
    """Watches one drive.

    Parameters
    ----------
    world : World
        As the mission describes it, its clock beginning with the drive.
    solver : Solver
        Its own: replans must not wait for another's.
    parameters : DeviationParameters, optional
    """

    def __init__(self, world: World, solver: Solver, parameters: DeviationParameters | None = None) -> None:
        self.world, self.solver = world, solver
        self.parameters = parameters or DeviationParameters()
        self.followed: Followed | None = None
        self.comparison: Comparison | None = None
        self.work, self.array = Share(WORK_MEMORY, LEAST_WORK), Share(ARRAY_MEMORY, LEAST_LIGHT)
        self._last: Observed | None = None

    def begin(self, trajectory: Trajectory) -> None:
        """Follow a trajectory that somebody else has planned, from the drive's time 0 on."""
        w = self.world
        certificate = certify(trajectory, w.surface, w.environment, w.rover, w.mission, keep_outs=w.keep_outs)
        x, y, heading = (float(v) for v in trajectory.start)
        motion, path = Motion(x, y, heading), trajectory_path(trajectory)
        self.follow(Followed.of(PlannedTraverse(motion, trajectory, certificate, path, "driven", {}), w))

    def follow(self, followed: Followed) -> None:
        """Watch the rover against this plan from now on."""
        self.comparison = Comparison(
            followed.profile, followed.plan.start.time, self.parameters, use_battery=followed.world.mission.use_battery
        )
        self.followed = followed
        self.work, self.array = Share(WORK_MEMORY, LEAST_WORK), Share(ARRAY_MEMORY, LEAST_LIGHT)  # of this plan

    def rehearse(self) -> bool:
        """One replan from the plan itself, whose result is dropped: afterwards solver and caches are warm."""
        assert self.followed is not None
        p, plan = self.followed.profile, self.followed.plan
        at = int(np.searchsorted(p.t, min(WARM_AT, 0.5 * plan.duration)))
        o = Observed(
            plan.start.time + float(p.t[at]), float(p.x[at]), float(p.y[at]), float(p.heading[at]), float(p.speed[at]),
            float(p.yaw_rate[at]), float(p.rtg_power[at] + p.pv_power[at]), float(p.base_power[at] + p.inference_power[at]),
            float(p.drive_power[at] + p.turn_power[at]), float(p.battery_energy[at]),
        )  # fmt: skip
        try:
            self._planned(self._counted_on(o), o, 60.0)
        except Exception:  # a rehearsal of a plan that cannot be replanned still warms what it reaches
            return False
        return True

    def observe(self, o: Observed) -> Deviation | None:
        """Compare; None also where little of the plan is left."""
        c = self.comparison
        if c is None or not o.known:
            return None
        before = float(c.spent[c.place])
        found = c.judge(o)
        self._learn(o, float(c.spent[c.place]) - before)
        return found if c.left > LEAST_LEFT else None

    def _learn(self, o: Observed, planned: float) -> None:
        last, self._last = self._last, o
        if last is None or not 0.0 < o.time - last.time < 1.0:
            return
        assert self.comparison is not None
        assert self.followed is not None
        seconds, c = o.time - last.time, self.comparison
        generator = float(self.followed.profile.rtg_power[0])
        self.work.add(o.time, o.motion_power * seconds, max(0.0, planned))
        self.array.add(o.time, max(0.0, o.supply_power - generator) * seconds, float(c.array[c.place]) * seconds)

    def replan(self, o: Observed, *, seconds: float = 1.0) -> tuple[PlannedTraverse, World]:
        """A certified plan from the observed state, and the world that it counts on. Raises Refusal, InputError."""
        world = self._counted_on(o)
        return self._resumed(world, o) or self._planned(world, o, seconds), world

    def _counted_on(self, o: Observed) -> World:
        """The world with the rover as measured."""
        assert self.followed is not None
        rover = account(self.followed, o.constant_power, array=self.array.value, work=self.work.value)
        return self.world if rover == self.world.rover else self.world.with_rover(rover)

    def _resumed(self, world: World, o: Observed) -> PlannedTraverse | None:
        """The rest of the plan from now on, where the rover is on it and a certificate of here and now passes; else None.

        A rover that is only late, or has less charge, needs no other motion: it needs to know that what is left still holds.
        """
        assert self.followed is not None
        assert self.comparison is not None
        plan, at = self.followed.plan, self.comparison.plan_time
        if plan.trajectory.kind != "unicycle" or not plan.duration - at > LEAST_LEFT:
            return None
        began = clock.perf_counter()
        p = self.followed.profile
        off = math.remainder(o.heading - float(np.interp(at, p.t, np.unwrap(p.heading))), 2.0 * math.pi)
        slower = abs(o.speed - float(np.interp(at, p.t, p.speed)))
        if not (self.comparison.across <= ON_PATH and abs(off) <= ON_COURSE and slower <= ON_PACE):
            return None
        if scarcer(p, self.followed.world, world, at):
            return None
        rest = rest_of(plan.trajectory, at)
        begin = rest.evaluate(0.0)
        x, y, heading = (float(v) for v in rest.start)
        start = Motion(x, y, heading, float(begin.speed), float(begin.heading_rate), battery_energy=o.battery_energy, time=o.time)
        left = from_now_on(world, start)
        certificate = certify(
            rest, world.surface, light_from(world, o.time), world.rover, left.mission, goal=plan.trajectory.end_pose,
            keep_outs=world.keep_outs,
        )  # fmt: skip
        if not certificate.passed:
            return None
        facts = {"solver": "rest", "seconds": {"total": round(clock.perf_counter() - began, 6)}}
        return PlannedTraverse(start, rest, certificate, plan.path, plan.status, facts)

    def _planned(self, world: World, o: Observed, seconds: float) -> PlannedTraverse:
        """Another plan from the measured state, near the followed one as if that had brought the rover here just now."""
        assert self.followed is not None
        assert self.comparison is not None
        followed, at = self.followed, self.comparison.plan_time
        s = world.surface
        level, lean = math.cos(float(s.along_slope(o.x, o.y, o.heading))), math.cos(float(s.tilt(o.x, o.y)))
        heading, measured = self._branch(o.heading), max(0.0, o.speed)
        speed = self._carried(world, o, measured)
        turn = o.yaw_rate * speed / measured if measured > 0.0 else 0.0
        motion = Motion(o.x, o.y, heading, speed * level, turn * lean, battery_energy=o.battery_energy, time=o.time)
        previous = replace(followed.plan, start=replace(followed.plan.start, time=max(0.0, o.time - at)))
        less = scarcer(followed.profile, followed.world, world, at)
        return replan_traverse(world, previous, motion, solver=self.solver, seconds=seconds, scarcer=less)

    def _carried(self, world: World, o: Observed, speed: float) -> float:
        """The measured speed [m/s], or the lower one that the bus can carry where power has become scarcer than planned."""
        assert self.followed is not None
        assert self.comparison is not None
        if world.rover == self.followed.world.rover or not speed > 0.0:
            return speed
        return carried_speed(self.followed.profile, self.followed.world, world, self.comparison.plan_time, speed, o.yaw_rate)

    def _branch(self, heading: float) -> float:
        """The heading on the branch of the plan where the rover is, so that no full turn is added."""
        assert self.followed is not None
        assert self.comparison is not None
        planned = float(np.interp(self.comparison.plan_time, self.followed.profile.t, np.unwrap(self.followed.profile.heading)))
        return planned + math.remainder(heading - planned, 2.0 * math.pi)


def profile_of(plan: PlannedTraverse, world: World) -> Profile:
    """What a plan does from its own start on."""
    left = from_now_on(world, plan.start)
    return evaluate_plan(plan.trajectory, world.surface, light_from(world, plan.start.time), world.rover, left.mission)


def light_from(world: World, time: float) -> Environment:
    """The environment with its clock begun at a time [s]."""
    scene = world.environment
    return replace(scene, times=scene.times - time) if time > 0.0 and scene.times.size > 1 else scene


def account(followed: Followed, constant: float, *, array: float, work: float) -> RoverParameters:
    """The rover as measured: constant loads [W]; shares of what the followed plan counts on of its array and of its driving."""
    rover = followed.world.rover
    loads = rover.loads
    if abs(constant - loads.base_power - loads.inference_power) > SAME_LOAD:
        rover = replace(rover, loads=replace(loads, base_power=constant, inference_power=0.0))
    if abs(array - 1.0) > SAME_ARRAY:
        rover = replace(rover, pv=replace(rover.pv, area=rover.pv.area * array))
    if abs(work - 1.0) > SAME_WORK:
        efficiency = min(1.0, rover.locomotion.drivetrain_efficiency / work)
        rover = replace(rover, locomotion=replace(rover.locomotion, drivetrain_efficiency=efficiency))
    return rover
