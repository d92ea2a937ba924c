"""Replanning while driving: watch a drive against its plan, and make the next certified plan from where the rover is.

The next plan starts in the rover's own state of motion, charge and time, and counts on what was measured rather than on
what was described: constant loads, the array's share of its model, and the work of driving against the plan's.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from rover_energy.planning.certificate import certify
from rover_energy.planning.departure import from_now_on
from rover_energy.planning.deviation import Comparison, Deviation, DeviationParameters, Observed
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.follow import trajectory_path
from rover_energy.planning.planner import PlannedTraverse, replan_traverse
from rover_energy.planning.solver import Solver
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.transcription import Motion
from rover_energy.planning.waiting import standing_supply
from rover_energy.planning.world import World
from rover_energy.power.rtg import rtg_power
from rover_energy.rover import RoverParameters

LEAST_LEFT = 3.0  # [s] of a plan below which none is made instead
SAME_LOAD, SAME_ARRAY, SAME_WORK = 0.5, 0.03, 0.03  # [W], shares: smaller differences are the meters'
LEAST_WORK = 300.0  # [J] of driving, planned, from which on its share counts
WORK_MEMORY = 60.0  # [s] over which it is compared
SHARES = (0.5, 2.0)  # between which measured shares are believed
WARM_AT = 1.0  # [s] into a plan from which the first replan is rehearsed


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
        self._work: deque[tuple[float, float, float]] = deque()  # time, measured and planned energy of driving
        self._measured = self._planned = 0.0
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
        self._work.clear()  # its share is that of this plan

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
            self.replan(o, seconds=60.0)
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
        self._measured += o.motion_power * (o.time - last.time)
        self._planned += max(0.0, planned)
        self._work.append((o.time, self._measured, self._planned))
        while o.time - self._work[0][0] > WORK_MEMORY:
            self._work.popleft()

    @property
    def work_share(self) -> float:
        """Measured over planned energy of driving in the last minute; 1 while too little is known."""
        if not self._work:
            return 1.0
        (_, m0, p0), (_, m1, p1) = self._work[0], self._work[-1]
        return (m1 - m0) / (p1 - p0) if p1 - p0 >= LEAST_WORK else 1.0

    def replan(self, o: Observed, *, seconds: float = 1.0) -> tuple[PlannedTraverse, World]:
        """A certified plan from the observed state, and the world that it counts on. Raises Refusal, InputError."""
        assert self.followed is not None
        rover = account(self.world, self.followed, o, self.work_share)
        world = self.world if rover == self.world.rover else self.world.with_rover(rover)
        s = world.surface
        level, lean = math.cos(float(s.along_slope(o.x, o.y, o.heading))), math.cos(float(s.tilt(o.x, o.y)))
        heading = self._branch(o.heading)
        motion = Motion(
            o.x, o.y, heading, max(0.0, o.speed) * level, o.yaw_rate * lean if o.speed > 0.0 else 0.0,
            battery_energy=o.battery_energy, time=o.time,
        )  # fmt: skip
        return replan_traverse(world, self.followed.plan, motion, solver=self.solver, seconds=seconds), world

    def _branch(self, heading: float) -> float:
        """The heading on the branch of the plan where the rover is, so that no full turn is added."""
        assert self.followed is not None
        assert self.comparison is not None
        planned = float(np.interp(self.comparison.plan_time, self.followed.profile.t, np.unwrap(self.followed.profile.heading)))
        return planned + math.remainder(heading - planned, 2.0 * math.pi)


def profile_of(plan: PlannedTraverse, world: World) -> Profile:
    """What a plan does from its own start on."""
    scene = world.environment
    if plan.start.time > 0.0 and scene.times.size > 1:
        scene = replace(scene, times=scene.times - plan.start.time)
    left = from_now_on(world, plan.start)
    return evaluate_plan(plan.trajectory, world.surface, scene, world.rover, left.mission)


def account(world: World, followed: Followed, o: Observed, work_share: float) -> RoverParameters:
    """The rover as measured: constant loads, gain of the array, and efficiency of the drivetrain for the work of driving."""
    rover = followed.world.rover
    loads = rover.loads
    if abs(o.constant_power - loads.base_power - loads.inference_power) > SAME_LOAD:
        rover = replace(rover, loads=replace(loads, base_power=o.constant_power, inference_power=0.0))
    generator = float(rtg_power(rover.rtg, world.mission.years_since_fuelling))
    modelled = float(standing_supply(followed.world, (o.x, o.y, o.heading), np.array([o.time]))[0]) - generator
    if modelled > 1.0:
        share = min(max((o.supply_power - generator) / modelled, 0.0), SHARES[1])
        if abs(share - 1.0) > SAME_ARRAY:
            rover = replace(rover, pv=replace(rover.pv, area=rover.pv.area * share))
    share = min(max(work_share, SHARES[0]), SHARES[1])
    if abs(share - 1.0) > SAME_WORK:
        efficiency = min(1.0, rover.locomotion.drivetrain_efficiency / share)
        rover = replace(rover, locomotion=replace(rover.locomotion, drivetrain_efficiency=efficiency))
    return rover
