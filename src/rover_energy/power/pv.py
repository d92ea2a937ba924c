"""Photovoltaic array fixed to the rover's body: electrical power at the bus."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.parameters import Parameters, parameter


@dataclass(frozen=True)
class PvParameters(Parameters):
    """Constants of the array. `area = 0` means there is none."""

    area: float = parameter(1.0, unit="m2", minimum=0.0, maximum=1.0e4, description="active cell area")
    efficiency: float = parameter(
        0.28, minimum=0.0, maximum=1.0, description="cell efficiency at the reference temperature",
        source="Spectrolab UTJ 28 %; roverdevkit default 0.28",
    )  # fmt: skip
    conversion_efficiency: float = parameter(
        0.95, minimum=0.0, maximum=1.0, description="cells to bus: peak-power tracker and wiring",
    )  # fmt: skip
    dust_factor: float = parameter(
        0.90, minimum=0.0, maximum=1.0, description="light that passes the dust on the array at mission start",
        source="roverdevkit default 0.90",
    )  # fmt: skip
    dust_rate: float = parameter(
        0.0, unit="1/day", minimum=0.0, maximum=1.0, description="fraction of the light lost per day to settling dust",
    )  # fmt: skip
    temperature_coefficient: float = parameter(
        -0.002, unit="1/K", minimum=-0.05, maximum=0.0, description="relative change of efficiency with temperature",
    )  # fmt: skip
    reference_temperature: float = parameter(301.15, unit="K", minimum=1.0, description="cell temperature of `efficiency`")
    cell_temperature: float = parameter(320.0, unit="K", minimum=1.0, description="cell temperature while driving")
    panel_pitch: float = parameter(
        0.0, unit="rad", minimum=-1.5708, maximum=1.5708,
        description="tilt of the panel normal from body z towards the panel azimuth",
    )  # fmt: skip
    panel_azimuth: float = parameter(
        0.0, unit="rad", minimum=-6.2832, maximum=6.2832,
        description="direction in which the panel leans, from body x (forward), counter-clockwise",
    )  # fmt: skip


def panel_normal(parameters: PvParameters, hx: ArrayLike, hy: ArrayLike, heading: ArrayLike) -> NDArray[np.float64]:
    """Unit normal of the array in the map frame, for a rover that stands on the surface.

    The body frame on the terrain is z = (-hx, -hy, 1)/sqrt(1 + hx^2 + hy^2), x = (cos heading cos phi,
    sin heading cos phi, sin phi) with tan phi = hx cos heading + hy sin heading, y = z x x. The panel normal in it is
    (sin pitch cos azimuth, sin pitch sin azimuth, cos pitch).

    Parameters
    ----------
    parameters : PvParameters
    hx, hy : array_like, broadcast together
        Gradient of the terrain height towards east and north [-].
    heading : array_like, broadcast with them
        Yaw in the map frame, counter-clockwise from east [rad].

    Returns
    -------
    ndarray, (..., 3)
        Unit vectors, map frame (x east, y north, z up).
    """
    hx, hy, heading = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (hx, hy, heading)))
    cosine, sine = np.cos(heading), np.sin(heading)
    tangent = hx * cosine + hy * sine
    along = 1.0 / np.sqrt(1.0 + tangent * tangent)
    up = 1.0 / np.sqrt(1.0 + hx * hx + hy * hy)
    # Components of the panel normal along body x, y, z; y = z x x is written out, as numpy's cross is slow on many points.
    lean = math.sin(parameters.panel_pitch)
    ahead, aside, above = (
        lean * math.cos(parameters.panel_azimuth),
        lean * math.sin(parameters.panel_azimuth),
        math.cos(parameters.panel_pitch),
    )
    scale = up * along
    east = ahead * along * cosine - aside * scale * (hy * tangent + sine) - above * up * hx
    north = ahead * along * sine + aside * scale * (cosine + hx * tangent) - above * up * hy
    height = ahead * along * tangent + aside * scale * (hy * cosine - hx * sine) + above * up
    normal: NDArray[np.float64] = np.stack((east, north, height), axis=-1)
    return normal


def array_gain(parameters: PvParameters, days: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Electrical power at the bus per irradiance on the panel plane [m2].

    gain = area efficiency (1 + temperature_coefficient (cell_temperature - reference_temperature))
    conversion_efficiency dust_factor (1 - dust_rate)^days; the temperature factor is kept from falling below 0, where
    the linear law has left its range. `days` [day] counts from mission start; NaN or negative gives NaN.
    """
    days = np.asarray(days, dtype=float)
    known = np.where(days >= 0.0, 1.0, np.nan)  # kept apart: 1 to the power NaN is 1
    heated = parameters.cell_temperature - parameters.reference_temperature
    temperature = max(0.0, 1.0 + parameters.temperature_coefficient * heated)
    dust = parameters.dust_factor * known * (1.0 - parameters.dust_rate) ** days
    gain: NDArray[np.float64] = parameters.area * parameters.efficiency * temperature * parameters.conversion_efficiency * dust
    return gain


def pv_power(
    parameters: PvParameters,
    *,
    normal: ArrayLike,
    sun_direction: ArrayLike,
    direct: ArrayLike,
    diffuse: ArrayLike,
    sunlit: ArrayLike,
    days: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Electrical power of the array at the bus.

    P = gain (direct sunlit max(0, n . s) + diffuse (1 + n_z)/2), with `array_gain`.

    Parameters
    ----------
    parameters : PvParameters
    normal : array_like, (..., 3)
        Unit panel normal, map frame, from `panel_normal`.
    sun_direction : array_like, (..., 3)
        Unit vector to the Sun, map frame.
    direct : array_like, (...)
        Irradiance on a plane normal to the Sun, at the ground after the atmosphere [W/m2].
    diffuse : array_like, (...)
        Diffuse irradiance on a horizontal plane [W/m2].
    sunlit : array_like, (...)
        Fraction of the solar disc that is not hidden by the terrain [0..1].
    days : array_like, (...)
        Days since mission start, for settling dust [day].

    Returns
    -------
    ndarray
        Power [W], shape of the broadcast inputs. NaN in any input gives NaN.

    Notes
    -----
    The diffuse part is the isotropic sky of Liu and Jordan (Solar Energy 4(3):1, 1960, 10.1016/0038-092X(60)90062-1)
    without light reflected from the ground. Cosine losses at grazing incidence, shading by the rover itself and string
    mismatch in partial shadow are not modelled; the peak-power tracker is a constant efficiency.
    """
    normal, sun = np.asarray(normal, dtype=float), np.asarray(sun_direction, dtype=float)
    incidence = np.maximum(0.0, normal[..., 0] * sun[..., 0] + normal[..., 1] * sun[..., 1] + normal[..., 2] * sun[..., 2])
    beam = np.asarray(direct, dtype=float) * np.asarray(sunlit, dtype=float) * incidence
    sky = np.asarray(diffuse, dtype=float) * (1.0 + normal[..., 2]) / 2.0
    power: NDArray[np.float64] = array_gain(parameters, days) * (beam + sky)
    return power
