"""One drive of one plan: measurements in, commands out, and a stop with a reason whenever something is not right."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike

from rover_energy.control.command import Command, Measurement, Stop, StopReason
from rover_energy.control.energy import EnergyGuard, EnergyOutlook
from rover_energy.control.estimator import Estimator
from rover_energy.control.foresight import foreseen_power_stop, foreseen_tilt_stop
from rover_energy.control.governor import Governor, Pace
from rover_energy.control.load import Estimate
from rover_energy.control.reference import Point, Reference
from rover_energy.control.settings import ControlParameters
from rover_energy.control.speed_limit import SpeedLimit
from rover_energy.control.tracker import Tracker, TrackingError
from rover_energy.control.watch import Watch
from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.trajectory import Trajectory
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

OUTLOOK_PERIOD = 1.0  # [s] between two looks at the battery's future
AT_REST = 0.01  # [m/s]
ON_TIME = 0.05  # [s] of lateness that is not made up for
LEAST_PACE = 0.02  # [-] of the plan, below which the rover counts as stuck
GRACE = 60.0  # [s] beyond the durations allowed


@dataclass(frozen=True)
class Status:
    """State of the drive after a period: plan time [s], pace, error, what is known of the ground, and the stop if any."""

    plan_time: float
    pace: Pace
    error: TrackingError
    point: Point
    estimate: Estimate
    outlook: EnergyOutlook
    stop: Stop | None


class Controller:
    """Drives a plan.

    Parameters
    ----------
    trajectory, surface, environment, rover, mission
        The plan and its world.
    parameters : ControlParameters
    terrain, wheels : Terrain, (6, 2) array_like
        The raw ground and the wheels' places on the body, for a closer prediction; see `Reference.sample`.

    Raises
    ------
    InputError
        The plan leaves the map or the time span of the environment.

    Notes
    -----
    A stop is final: the rover brakes, and every further command is to stand still. Where the raw ground is known and shows
    that the drive will end in a stop for tilt or power, `foreseen` says so and the rover does not leave.
    """

    def __init__(
        self, trajectory: Trajectory, surface: Surface, environment: Environment, rover: RoverParameters,
        mission: MissionParameters, parameters: ControlParameters | None = None, *, terrain: Terrain | None = None,
        wheels: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        self.parameters = p = ControlParameters() if parameters is None else parameters
        self.surface = surface
        self.reference = Reference.sample(trajectory, surface, environment, rover, mission, terrain=terrain, wheels=wheels)
        self.tracker = Tracker(self.reference, rover, p.tracker)
        self.estimator = Estimator(rover, p.estimator)
        limit = math.inf if mission.power_limit is None else mission.power_limit
        self.governor = Governor(
            self.reference, rover, p.governor, power_limit=limit, stop_deceleration=p.stop_deceleration
        )
        self.guard = EnergyGuard(self.reference, rover, use_battery=mission.use_battery, reserve=p.reserve)
        self.watch = Watch(p.watch, tilt=rover.limits.tilt)
        self.foreseen = self._foresee(rover, mission, terrain, wheels)
        self.plan_time = 0.0
        self.stop: Stop | None = None
        self._start: float | None = None
        self._last = math.nan
        self._set_speed = 0.0
        self.speed_limit = SpeedLimit(rover.limits.speed, p.speed)
        self._advanced, self._marked = math.nan, 0.0
        self._next_outlook = -math.inf
        self._outlook = EnergyOutlook(p.governor.fastest, math.inf)
        self._status: Status | None = None

    def take_over(self, earlier: Controller, plan_time: float, now: float) -> None:
        """Drive on in place of another plan's controller, `plan_time` [s] into this plan.

        What is known of ground, supply and sensors stays, and so does the speed that the drivers are set to. The rate begins
        at 1, because this plan starts with the speed that the rover had.
        """
        self.estimator, self.watch = earlier.estimator, earlier.watch
        self.governor.take_over(earlier.governor)
        self.speed_limit, self.tracker.offset = earlier.speed_limit, earlier.tracker.offset
        self.plan_time, self._start = plan_time, now - plan_time
        self._last, self._set_speed, self._advanced = earlier._last, earlier._set_speed, earlier._advanced

    def step(self, measurement: Measurement, now: float) -> tuple[Command, Status]:
        """The command for the next period.

        Parameters
        ----------
        measurement : Measurement
        now : float
            The controller's own clock [s]; measurements that are older than allowed stop the rover.
        """
        seconds = now - self._last if math.isfinite(self._last) else self.parameters.period
        self._last = now
        pose = (measurement.x, measurement.y, measurement.heading)
        error, point = self.tracker.error(self.plan_time, pose)
        if self._start is None:
            self._start = self._advanced = now
            self.stop = None if self.foreseen is None else replace(self.foreseen, time=now)
        if self.stop is None:
            self.stop = self._reason(measurement, now, error)
        if self.stop is not None or not seconds > 0.0:
            return self._halted(measurement, error, point)
        seconds = min(seconds, 4.0 * self.parameters.period)
        self.estimator.update(measurement, point)
        self.governor.observe(measurement, point, seconds)
        command, pace = self._drive(measurement, now, seconds, error, point)
        return command, self._report(pace, error, point)

    def _foresee(
        self, rover: RoverParameters, mission: MissionParameters, terrain: Terrain | None, wheels: ArrayLike | None
    ) -> Stop | None:
        if terrain is None or wheels is None:
            return None
        p, loads = self.parameters, rover.loads
        tilt = foreseen_tilt_stop(self.reference, terrain, wheels, tilt=p.watch.tilt * rover.limits.tilt)
        battery = rover.battery.max_discharge_power if mission.use_battery else 0.0
        constant = loads.base_power + loads.inference_power
        return tilt or foreseen_power_stop(self.reference, constant=constant, battery=battery, margin=p.governor.margin)

    def _drive(
        self, measurement: Measurement, now: float, seconds: float, error: TrackingError, point: Point
    ) -> tuple[Command, Pace]:
        estimate = self.estimator.estimate
        self._look_ahead(measurement, now, estimate)
        if self.stop is not None:
            return self._brake(measurement), Pace(0.0, 0.0, math.nan)
        late = now - (self._start or 0.0) - self.plan_time > ON_TIME
        wanted = min(self.parameters.governor.fastest if late else 1.0, self._outlook.rate)
        pace = self.governor.choose(self.plan_time, measurement, estimate, seconds, wanted=wanted)
        wish, _ = self.tracker.command(self.plan_time, (measurement.x, measurement.y, measurement.heading), pace.rate)
        wish = self.speed_limit.keep(self._creeping(wish, error, point), measurement.speed, seconds)
        command = self.governor.limit(wish, self._set_speed, measurement, point, estimate, seconds)
        self._set_speed = command.speed
        self.tracker.learn(error, abs(measurement.speed) * seconds)
        rate = self.tracker.driven_rate(self.plan_time, pace.rate, command.speed)
        self.plan_time = self.tracker.advance(self.plan_time, rate, error, seconds)
        self._note_advance(now, measurement)
        return command, pace

    def _note_advance(self, now: float, measurement: Measurement) -> None:
        """Remember when the rover last got on: creeping that would take fifty times as long as the plan does not count."""
        if self.plan_time - self._marked >= LEAST_PACE * self.parameters.watch.stuck or abs(measurement.speed) > AT_REST:
            self._advanced, self._marked = now, self.plan_time

    def _creeping(self, wish: Command, error: TrackingError, point: Point) -> Command:
        """Past the end of the plan: on to the goal, slowly, while it lies ahead."""
        p = self.parameters.tracker
        if self.plan_time < self.reference.duration or error.along > -0.2 * p.goal_distance:
            return wish
        speed = min(p.creep, -0.5 * error.along)
        return Command(speed, self.tracker.turn(speed, point.curvature, error))

    def _look_ahead(self, m: Measurement, now: float, estimate: Estimate) -> None:
        if now < self._next_outlook:
            return
        self._next_outlook = now + OUTLOOK_PERIOD
        bias = self.governor.bias
        self._outlook = self.guard.outlook(self.plan_time, m.battery_energy, m.constant_power, bias, estimate)
        if not self._outlook.rate > 0.0:
            lack = -self._outlook.margin
            self.stop = Stop(StopReason.ENERGY, now, f"{lack:.0f} J are missing at any pace, {m.battery_energy:.0f} J are stored")

    def _reason(self, m: Measurement, now: float, error: TrackingError) -> Stop | None:
        stop = self.watch.check(m, now)
        if stop is not None:
            return stop
        p, ended = self.parameters, self.plan_time >= self.reference.duration - 1e-9
        if not bool(self.surface.inside(m.x, m.y)):
            return Stop(StopReason.OFF_MAP, now, f"at {m.x:.2f}, {m.y:.2f} m")
        if not (error.distance <= p.tracker.lost_distance and abs(error.heading) <= p.tracker.lost_heading):
            return Stop(StopReason.OFF_TRACK, now, f"{error.distance:.2f} m and {error.heading:.2f} rad from the plan")
        if ended and abs(m.speed) <= AT_REST and error.along >= -0.5 * p.tracker.goal_distance:
            return self._arrival(now, error)
        if now - self._advanced > p.watch.stuck:
            return Stop(*self._stuck(m, now))
        longest = p.watch.lateness * self.reference.duration + GRACE
        if now - (self._start or 0.0) > longest:
            return Stop(StopReason.TIMEOUT, now, f"after {longest:.0f} s")
        return None

    def _arrival(self, now: float, error: TrackingError) -> Stop:
        p = self.parameters.tracker
        told = f"{error.distance:.3f} m and {error.heading:.4f} rad from it"
        reached = error.distance <= p.goal_distance and abs(error.heading) <= p.goal_heading
        return Stop(StopReason.GOAL if reached else StopReason.OFF_TRACK, now, told)

    def _stuck(self, m: Measurement, now: float) -> tuple[StopReason, float, str]:
        room = self.governor.available(m)
        lacking = self.governor.rate < 0.05 or room < self.parameters.governor.margin
        return (StopReason.POWER if lacking else StopReason.STUCK), now, f"{room:.1f} W are left for motion"

    def _brake(self, measurement: Measurement) -> Command:
        self._set_speed = 0.0
        room = self.governor.available(measurement) - self.parameters.governor.guard
        cap = max(0.0, room) if math.isfinite(room) else 0.0  # braking itself needs nothing from the bus
        return Command(0.0, 0.0, self.parameters.stop_deceleration, math.inf, cap)

    def _halted(self, measurement: Measurement, error: TrackingError, point: Point) -> tuple[Command, Status]:
        self.governor.rate = 0.0
        return self._brake(measurement), self._report(Pace(0.0, 0.0, math.nan), error, point)

    def _report(self, pace: Pace, error: TrackingError, point: Point) -> Status:
        return Status(self.plan_time, pace, error, point, self.estimator.estimate, self._outlook, self.stop)
