"""Follow the path of a plan, at whatever pace the governor sets.

Errors are taken in the frame of the reference point. Along the path nothing is added to the speed, which would ask the bus for
power that nobody planned: the reference point is drawn to the rover instead (the virtual target of Soetanto, Lapierre and
Pascoal 2003, Adaptive, non-singular path-following control of dynamic wheeled robots, IEEE CDC). Across the path, with the
travelled distance s in place of time (Samson 1995, Control of chained systems, IEEE Trans. Automatic Control 40(1)), errors obey

    d lateral / ds = sin(error of heading)        d (error of heading) / ds = curvature - curvature of the plan

to first order a double integrator, whose linear-quadratic regulator with weights 1 on lateral / length and on
curvature * length has the gains 1 / length^2 and sqrt(2) / length: constant in distance, so varying in time with the
speed. At rest nothing turns.

A rover that slides down a side slope or turns less than its wheels are told to would keep a lasting error, so the curvature that
this takes is learnt along the path: its derivative by distance is -lateral / (length^2 memory). By Routh's criterion the loop is
stable for every memory above length / sqrt(2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rover_energy.control.command import Command
from rover_energy.control.reference import Point, Reference
from rover_energy.control.settings import TrackerParameters
from rover_energy.rover import RoverParameters

AT_REST = 0.05  # [m/s] of the plan, below which time passes whatever the rover does


@dataclass(frozen=True)
class TrackingError:
    """Rover relative to the reference point: ahead of it, left of it [m], turned against it [rad]."""

    along: float
    lateral: float
    heading: float

    @property
    def distance(self) -> float:
        """[m]"""
        return math.hypot(self.along, self.lateral)


class Tracker:
    """Path following along a reference.

    Parameters
    ----------
    reference : Reference
    rover : RoverParameters
        For the limits of yaw rate and curvature.
    parameters : TrackerParameters
    """

    def __init__(self, reference: Reference, rover: RoverParameters, parameters: TrackerParameters) -> None:
        self.reference, self.parameters = reference, parameters
        self._yaw_rate = rover.limits.yaw_rate
        self._curvature = rover.limits.curvature + parameters.correction
        self._gains = 1.0 / parameters.length**2, math.sqrt(2.0) / parameters.length
        self.offset = 0.0  # curvature learnt [1/m]

    def error(self, time: float, pose: tuple[float, float, float]) -> tuple[TrackingError, Point]:
        """Error of a pose (x, y [m], heading [rad]) against the plan at a time [s], and the plan there."""
        point = self.reference.at(time)
        dx, dy = pose[0] - point.x, pose[1] - point.y
        cosine, sine = math.cos(point.heading), math.sin(point.heading)
        heading = math.remainder(pose[2] - point.heading, 2.0 * math.pi) if math.isfinite(pose[2]) else math.nan
        return TrackingError(cosine * dx + sine * dy, cosine * dy - sine * dx, heading), point

    def command(self, time: float, pose: tuple[float, float, float], rate: float) -> tuple[Command, TrackingError]:
        """Speed and yaw rate for a pose (x, y [m], heading [rad]) at a time of the plan [s] and a rate of it [-].

        The error is that of now, the plan's motion that of `preview` later. Not limited by power: see `Governor.limit`.
        """
        error, _ = self.error(time, pose)
        ahead = self.reference.at(time + rate * self.parameters.preview)
        speed = max(0.0, rate * ahead.speed * math.cos(min(abs(error.heading), 1.5)))
        # Where the plan turns at the limit of the yaw rate, only less speed leaves anything to correct with.
        speed = min(speed, self._yaw_rate / max(abs(self.curvature(ahead.curvature, error)), 1e-6))
        return Command(speed, self.turn(speed, ahead.curvature, error)), error

    def turn(self, speed: float, curvature: float, error: TrackingError) -> float:
        """Yaw rate [rad/s] that follows a curvature of the plan [1/m] and drives the error out, within the limit."""
        return min(max(speed * self.curvature(curvature, error), -self._yaw_rate), self._yaw_rate)

    def curvature(self, curvature: float, error: TrackingError) -> float:
        """Curvature [1/m] that follows one of the plan and drives the error out."""
        across, turned = self._gains
        p = self.parameters
        correction = self.offset - across * error.lateral - turned * error.heading
        wanted = curvature + min(max(correction, -p.correction), p.correction)
        return min(max(wanted, -self._curvature), self._curvature)

    def learn(self, error: TrackingError, distance: float) -> None:
        """Learn the lasting part of the correction from the error over a distance travelled [m]."""
        p, (across, turned) = self.parameters, self._gains
        correction = self.offset - across * error.lateral - turned * error.heading
        if abs(correction) >= p.correction and correction * error.lateral < 0.0:
            return  # more would not be applied: learning it would only delay the way back
        learnt = self.offset - across * error.lateral * distance / p.memory
        self.offset = min(max(learnt, -p.lasting), p.lasting)

    def driven_rate(self, time: float, rate: float, speed: float) -> float:
        """The rate [-] at which the plan is driven at a speed [m/s] that was commanded for `rate`, and lowered perhaps."""
        planned = rate * self.reference.at(time + rate * self.parameters.preview).speed
        return rate * min(1.0, speed / planned) if planned > AT_REST else rate

    def advance(self, time: float, rate: float, error: TrackingError, seconds: float) -> float:
        """Time of the plan [s] after so many seconds at a rate, drawn to the rover along the path; it never goes back."""
        point = self.reference.at(time)
        pull = self.parameters.pull * error.along / max(point.speed, AT_REST)
        # At rest in the plan the rover cannot be ahead or behind: time passes there at the rate itself.
        share = min(1.0, point.speed / AT_REST)
        pace = rate + share * min(max(pull, -rate - 1.0), 0.5)
        return min(self.reference.duration, time + max(0.0, pace) * seconds)
