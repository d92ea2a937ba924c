"""A rover by the demand model with unknown soil, mass and slip, lagging motors and rough ground; no engine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rover_energy.locomotion.demand import resistance_force, slip
from rover_energy.power.pv import array_gain, panel_normal
from rover_energy.simulation.protocol import Reading

RADIUS = 0.15


@dataclass(frozen=True)
class Truth:
    """Factors on the model; lag [s]; roughness: standard deviation of the force in shares of the resistance; patch: resistance
    factor that holds beyond the middle of the drive in place of the other."""

    resistance: float = 1.0
    mass: float = 1.0
    slip: float = 1.0
    efficiency: float = 1.0
    turning: float = 1.0
    lag: float = 0.1
    roughness: float = 0.0
    patch: float | None = None
    patch_at: float = math.inf


class RoverDouble:
    """Simulator protocol on the smooth surface. The cap scales drive and turning together, as a common current limit does."""

    def __init__(self, surface, environment, rover, truth=None, seed=0):
        self.surface, self.environment, self.rover, self.truth = surface, environment, rover, truth or Truth()
        self.gain = float(array_gain(rover.pv))
        self.seed = seed

    def reset(self, pose, time=0.0):
        self.time, (self.x, self.y, self.heading) = time, pose
        self.speed = self.yaw_rate = self.travelled = 0.0
        self.rng = np.random.default_rng(self.seed)
        self.rough = 0.0
        self._ground()
        return self._reading(0.0)

    def _ground(self):
        self.hx, self.hy = (float(v) for v in self.surface.gradient(self.x, self.y))
        tangent = self.hx * math.cos(self.heading) + self.hy * math.sin(self.heading)
        self.phi = math.atan(tangent)
        self.tilt = math.atan(math.hypot(self.hx, self.hy))

    def step(self, command, dt):
        t, loco, g = self.truth, self.rover.locomotion, self.environment.gravity
        self._ground()
        s = min(0.95, t.slip * float(slip(loco.slip, self.phi)))
        eta, mass = loco.drivetrain_efficiency * t.efficiency, loco.mass * t.mass
        factor = t.patch if t.patch is not None and self.travelled > t.patch_at else t.resistance
        drag = factor * float(resistance_force(loco, speed=self.speed, tilt=self.tilt, gravity=g))
        drag *= 1.0 + self.rough if self.speed > 0 else 1.0
        share = 1.0 - math.exp(-dt / t.lag)
        wanted = command.speed * (1.0 - s)
        a = (wanted - self.speed) * share / dt
        static = mass * g * math.sin(self.phi) + drag
        turn = lambda w, al: (max(0.0, loco.yaw_inertia * al * w) + t.turning * loco.turn_moment * abs(w)) / eta  # noqa: E731
        alpha = (command.yaw_rate - self.yaw_rate) * share / dt
        middle = lambda a: max(0.0, self.speed + 0.5 * a * dt)  # noqa: E731
        drive = lambda a: max(0.0, (mass * a + static) * middle(a) / (1 - s)) / eta  # noqa: E731
        turning = turn(self.yaw_rate + 0.5 * alpha * dt, alpha)
        cap = command.power_cap
        if drive(a) + turning > cap:
            low, high = -self.speed / dt, a
            if self.yaw_rate and turning > 0.9 * cap:
                alpha = -self.yaw_rate * 0.5 / dt
                turning = turn(self.yaw_rate + 0.5 * alpha * dt, alpha)
            for _ in range(30):
                mid = 0.5 * (low + high)
                low, high = (low, mid) if drive(mid) + turning > cap else (mid, high)
            a = low
        power = drive(a) + turning
        v, w = middle(a), self.yaw_rate + 0.5 * alpha * dt
        self.speed = max(0.0, self.speed + a * dt)
        self.yaw_rate += alpha * dt
        turned = w * dt * math.cos(self.tilt)
        along = v * dt * math.cos(self.phi)
        self.x += along * math.cos(self.heading + 0.5 * turned)
        self.y += along * math.sin(self.heading + 0.5 * turned)
        self.heading += turned
        self.time += dt
        self.travelled += v * dt
        keep = math.exp(-v * dt / 0.25)
        self.rough = keep * self.rough + math.sqrt(1 - keep * keep) * t.roughness * self.rng.normal()
        self.rim = self.speed / (1 - s)
        return self._reading(power)

    def _reading(self, power):
        env = self.environment
        normal = panel_normal(self.rover.pv, self.hx, self.hy, self.heading)
        incidence = max(0.0, float(normal @ env.sun_direction(self.time)))
        sunlit = float(env.sunlit_fraction(self.x, self.y, self.time))
        direct, diffuse = float(env.direct_irradiance(self.time)), float(env.diffuse_irradiance(self.time))
        pv = self.gain * (direct * sunlit * incidence + 0.5 * diffuse * (1.0 + normal[2]))
        heading = math.remainder(self.heading, 2 * math.pi)
        rims = np.full(6, getattr(self, "rim", 0.0) / RADIUS)
        return Reading(
            self.time, self.x, self.y, heading, self.speed, self.yaw_rate, 0.0, -self.phi, rims, np.zeros(6), np.zeros(4),
            power, sunlit, incidence, pv_power=pv,
        )  # fmt: skip
