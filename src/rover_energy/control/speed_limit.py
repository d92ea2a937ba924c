"""The speed of the rover itself kept under its limit.

Wheels that are told the limit do not move the rover at the limit: over bumps, with a slip that is less than expected or a wheel
that is larger, the body is some per cent faster or slower than its wheels say. So the command stays a little below the limit, and
falls when the speed that is measured comes near it: a one-sided proportional-integral control, which only ever asks for less.
"""

from __future__ import annotations

from dataclasses import replace

from rover_energy.control.command import Command
from rover_energy.control.settings import SpeedLimitParameters

MOST = 0.3  # of the limit that is taken away at most: a meter that reads too much must not stop the rover


class SpeedLimit:
    """Lowers commands.

    Parameters
    ----------
    limit : float
        Largest speed along the surface [m/s].
    parameters : SpeedLimitParameters
    """

    def __init__(self, limit: float, parameters: SpeedLimitParameters) -> None:
        self.parameters, self.limit = parameters, limit
        self.lowered = 0.0  # by the lasting excess [m/s]

    def keep(self, command: Command, measured: float, seconds: float) -> Command:
        """The command for the next `seconds`, slower where the measured speed [m/s] asks for it; its curvature stays."""
        p = self.parameters
        aim = (1.0 - p.margin) * self.limit
        excess = measured - aim
        change = max(excess / p.time, -p.recovery) * seconds
        self.lowered = min(max(self.lowered + change, 0.0), MOST * self.limit)
        most = max(aim - self.lowered - p.gain * max(excess, 0.0), (1.0 - MOST) * aim)
        if command.speed <= most:
            return command
        return replace(command, speed=most, yaw_rate=command.yaw_rate * most / command.speed)
