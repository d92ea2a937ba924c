"""What the solar array of a simulated rover sees of the Sun."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.power.pv import PvParameters, array_gain
from rover_energy.simulation.geometry import FloatArray

_NEAR, _SOON = 0.02, 5.0  # [m], [s] within which the light at the last place and time is taken again


class Light(NamedTuple):
    """Visible fraction of the Sun's disc, cosine of incidence on the panel, power of the array at the bus [W]."""

    sunlit: float
    incidence: float
    pv_power: float


class SunSensor:
    """Sunlight on the array, for one place, time and attitude after the other.

    The environment's fields are asked again after 2 cm or 5 s, in which the Sun moves 0.02 deg on Mars; the attitude of the
    panel counts at every call.

    Parameters
    ----------
    environment : Environment
    pv : PvParameters
    """

    def __init__(self, environment: Environment, pv: PvParameters) -> None:
        self._environment = environment
        lean = math.sin(pv.panel_pitch)
        self._normal = np.array(
            [lean * math.cos(pv.panel_azimuth), lean * math.sin(pv.panel_azimuth), math.cos(pv.panel_pitch)]
        )
        self._gain = float(array_gain(pv))
        self.forget()

    def forget(self) -> None:
        """Ask the environment at the next call."""
        self._place = (math.nan, math.nan, math.nan)

    def read(self, x: float, y: float, time: float, rotation: FloatArray) -> Light:
        """Light at a place [m] and time [s] for the rotation (3, 3) from body to map frame; NaN where nothing is known."""
        if not (math.hypot(x - self._place[0], y - self._place[1]) <= _NEAR and abs(time - self._place[2]) <= _SOON):
            scene, self._place = self._environment, (x, y, time)
            self._sun = scene.sun_direction(time)
            self._direct, self._diffuse = float(scene.direct_irradiance(time)), float(scene.diffuse_irradiance(time))
            self._sunlit = float(scene.sunlit_fraction(x, y, time))
        normal = rotation @ self._normal
        incidence = max(0.0, float(normal @ self._sun)) if math.isfinite(self._sun[0]) else math.nan
        beam = self._direct * self._sunlit * incidence
        sky = self._diffuse * (1.0 + float(normal[2])) / 2.0
        return Light(self._sunlit, incidence, self._gain * (beam + sky))
