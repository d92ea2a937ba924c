"""What the planner knows of light and gravity along a traverse: the Sun, its irradiance and the shadows, over time.

Everything is piecewise linear in time between slices. That is a definition, not an approximation that users of this class
have to refine: the optimiser and the certificate evaluate the very same functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.environment.bodies import MOON, Body, body_named, sun_angular_radius
from rover_energy.environment.illumination import disc_fraction, sunlit_nodes
from rover_energy.environment.irradiance import irradiance as ground_irradiance
from rover_energy.environment.sun import parse_utc, sun_position, terrestrial_days
from rover_energy.errors import InputError
from rover_energy.mission import SiteParameters
from rover_energy.terrain.bspline import FloatArray
from rover_energy.terrain.field import ScalarField, field_coefficients
from rover_energy.terrain.raster import Terrain

_SLICE_ANGLE = math.radians(0.25)  # [rad] half the Sun's disc: the penumbras of neighbouring slices overlap
_COARSEST_SLICE = math.radians(8.0)  # [rad] the chord of the Sun's path is then short of unit length by 0.24 %
MAXIMUM_SLICES = 49


@dataclass(frozen=True, eq=False)
class Environment:
    """Sun, irradiance and shadow as functions of place and time.

    Attributes
    ----------
    times : (nt,) array
        Slices, uniform and increasing [s from the start of the traverse]. A single one makes the scene constant.
    gravity : float
        [m/s2]
    sun : (nt, 3) array
        Unit vectors from the ground to the Sun's centre, map frame (x east, y north, z up).
    direct : (nt,) array
        Irradiance on a surface that faces the Sun, at the ground below the atmosphere and without shadow [W/m2]; zero when
        the whole disc is below the horizontal.
    diffuse : (nt,) array
        Irradiance from the sky on a horizontal surface [W/m2].
    sunlit : (nt, ny + 2, nx + 2) array or None
        B-spline coefficients of the visible fraction of the Sun's disc, 0 to 1 (`terrain.field`). None: no shadows.
    x0, y0, cell : float
        Grid of `sunlit`: first node that is not padding, and node distance [m].

    Raises
    ------
    InputError
        Shapes that do not fit, times that are not uniform, a value that is not finite or out of range.
    """

    times: FloatArray
    gravity: float
    sun: FloatArray
    direct: FloatArray
    diffuse: FloatArray
    sunlit: FloatArray | None = None
    x0: float = 0.0
    y0: float = 0.0
    cell: float = 1.0

    def __post_init__(self) -> None:
        names = ("times", "sun", "direct", "diffuse") + (() if self.sunlit is None else ("sunlit",))
        for name in names:
            try:
                array = np.array(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError):
                raise InputError("environment", name, "is not an array of numbers", "give one number per slice") from None
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check(self)

    @classmethod
    def constant(
        cls,
        gravity: float,
        sun_azimuth: float,
        sun_elevation: float,
        irradiance: float,
        diffuse: float = 0.0,
        terrain: Terrain | None = None,
        *,
        footprint: float = 0.0,
        panel_height: float = 0.0,
        body: Body = MOON,
        far_horizon: ArrayLike | None = None,
    ) -> Environment:
        """A Sun that stands still.

        Parameters
        ----------
        gravity : float
            [m/s2]
        sun_azimuth, sun_elevation : float
            Centre of the Sun: clockwise from north (+y), and above the horizontal [rad].
        irradiance : float
            On a surface that faces the Sun, at the ground [W/m2].
        diffuse : float
            From the sky on a horizontal surface [W/m2].
        terrain : Terrain, optional
            Casts shadows when given.
        footprint, panel_height, body, far_horizon
            See `build_environment`; used with a terrain only, except the body's distance to the Sun, which sets the disc.

        Raises InputError for values that are not finite or out of range.
        """
        for name, value, low, high in (
            ("sun_azimuth", sun_azimuth, -4.0 * math.pi, 4.0 * math.pi),
            ("sun_elevation", sun_elevation, -0.5 * math.pi, 0.5 * math.pi),
            ("irradiance", irradiance, 0.0, math.inf), ("diffuse", diffuse, 0.0, math.inf),
        ):  # fmt: skip
            if not (low <= value <= high and math.isfinite(value)):
                raise InputError("environment", name, f"is not within {low:.4g} .. {high:.4g}", "use radians and W/m2", value)
        radius = sun_angular_radius(body.sun_distance)
        azimuth, elevation, radii = np.array([sun_azimuth]), np.array([sun_elevation]), np.array([radius])
        coefficients = None
        if terrain is not None:
            nodes = sunlit_nodes(
                terrain, azimuth, elevation, radii, footprint=footprint, panel_height=panel_height, body_radius=body.radius,
                far_horizon=far_horizon,
            )  # fmt: skip
            coefficients = field_coefficients(nodes)
        direct = beam(np.array([irradiance]), elevation, radii, shadows=terrain is not None)
        return cls(
            np.zeros(1), gravity, direction(azimuth, elevation), direct, np.array([diffuse]), coefficients,
            *((terrain.x0, terrain.y0, terrain.cell) if terrain is not None else (0.0, 0.0, 1.0)),
        )  # fmt: skip

    @classmethod
    def dark(cls, gravity: float) -> Environment:
        """No light at all, as in a permanently shadowed region or by night; gravity in [m/s2]."""
        return cls(np.zeros(1), gravity, np.array([[0.0, 0.0, 1.0]]), np.zeros(1), np.zeros(1))

    def sun_direction(self, t: ArrayLike) -> FloatArray:
        """Vector to the Sun, map frame, shape (..., 3) for times (...) [s].

        Between slices the unit vectors are interpolated linearly and not normalised again: the shortfall of the length,
        at most 1 - cos(half the angle between slices), makes the array's power an underestimate of the same size.
        """
        return self._interpolate(self.sun, t)

    def sun_angles(self, t: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Azimuth (clockwise from north, 0 to 2 pi) and elevation of the Sun [rad] at times (...) [s]."""
        s = self.sun_direction(t)
        return np.arctan2(s[..., 0], s[..., 1]) % (2.0 * math.pi), np.arctan2(s[..., 2], np.hypot(s[..., 0], s[..., 1]))

    def direct_irradiance(self, t: ArrayLike) -> FloatArray:
        """Irradiance [W/m2] on a surface that faces the Sun, outside shadows, at times (...) [s]."""
        return self._interpolate(self.direct, t)

    def diffuse_irradiance(self, t: ArrayLike) -> FloatArray:
        """Irradiance [W/m2] from the sky on a horizontal surface at times (...) [s]."""
        return self._interpolate(self.diffuse, t)

    def sunlit_fraction(self, x: ArrayLike, y: ArrayLike, t: ArrayLike) -> FloatArray:
        """Visible fraction of the Sun's disc, 0 to 1, at points [m] and times [s]; shapes broadcast.

        NaN outside the grid, outside the times, and for NaN input. Without shadows the fraction is 1.
        """
        field = self.sunlit_field
        if field is None:
            place = np.isfinite(np.asarray(x, dtype=np.float64)) & np.isfinite(np.asarray(y, dtype=np.float64))
            return np.where(place, 1.0, np.nan) + 0.0 * self._interpolate(np.zeros(self.times.size), t)
        k, following, w = self._bracket(t)
        return (1.0 - w) * field.value(x, y, k) + w * field.value(x, y, following)

    def sunlit_gradient(self, x: ArrayLike, y: ArrayLike, t: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Partial derivatives of `sunlit_fraction` with respect to x and y [1/m]; shapes broadcast, NaN as there."""
        field = self.sunlit_field
        if field is None:
            zero = 0.0 * self.sunlit_fraction(x, y, t)
            return zero, zero.copy()
        k, following, w = self._bracket(t)
        here, there = field.gradient(x, y, k), field.gradient(x, y, following)
        return (1.0 - w) * here[0] + w * there[0], (1.0 - w) * here[1] + w * there[1]

    @cached_property
    def sunlit_field(self) -> ScalarField | None:
        """The visible fraction as a field with one layer per slice; None without shadows."""
        return None if self.sunlit is None else ScalarField(self.sunlit, self.x0, self.y0, self.cell)

    def _bracket(self, t: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
        """Slices before and after each time, and the weight of the one after; NaN outside [times[0], times[-1]]."""
        t = np.asarray(t, dtype=np.float64)
        if self.times.size == 1:
            zero = np.zeros(t.shape, dtype=np.intp)
            return zero, zero, np.where(np.isnan(t), np.nan, 0.0)
        step = (self.times[-1] - self.times[0]) / (self.times.size - 1)
        u = (t - self.times[0]) / step
        valid = (t >= self.times[0]) & (t <= self.times[-1])
        k = np.clip(np.floor(np.where(valid, u, 0.0)), 0, self.times.size - 2).astype(np.intp)
        return k, k + 1, np.where(valid, u - k, np.nan)

    def _interpolate(self, values: FloatArray, t: ArrayLike) -> FloatArray:
        k, following, w = self._bracket(t)
        w = w.reshape(w.shape + (1,) * (values.ndim - 1))
        return np.asarray((1.0 - w) * values[k] + w * values[following])


def _check(scene: Environment) -> None:
    count = scene.times.size
    shapes = {"times": (count,), "sun": (count, 3), "direct": (count,), "diffuse": (count,)}
    for name, shape in shapes.items():
        array = getattr(scene, name)
        if array.shape != shape or count < 1:
            raise InputError("environment", name, f"has shape {array.shape}, not {shape}", "give one entry per slice")
        if not np.all(np.isfinite(array)):
            raise InputError("environment", name, "is not finite everywhere", "remove NaN and infinity")
    steps = np.diff(scene.times)
    if count > 1 and not (steps.min() > 0.0 and np.ptp(steps) <= 1e-6 * steps.max()):
        raise InputError("environment", "times", "are not uniform and increasing", "use numpy.linspace")
    if not (scene.gravity > 0.0 and math.isfinite(scene.gravity)):
        raise InputError("environment", "gravity", "is not a positive number", "give it in m/s2", scene.gravity)
    if not np.allclose(np.linalg.norm(scene.sun, axis=1), 1.0, rtol=0.0, atol=1e-9):
        raise InputError("environment", "sun", "are not unit vectors", "divide each by its length")
    for name in ("direct", "diffuse"):
        if not getattr(scene, name).min() >= 0.0:
            raise InputError("environment", name, "is below the least allowed 0 W/m2", "raise it to 0 W/m2 or more")
    if scene.sunlit is not None:
        _check_sunlit(scene.sunlit, count)


def _check_sunlit(sunlit: FloatArray, count: int) -> None:
    if sunlit.ndim != 3 or sunlit.shape[0] != count:
        raise InputError("environment", "sunlit", f"has shape {sunlit.shape}", f"give ({count}, ny + 2, nx + 2) coefficients")
    if not (sunlit.min() >= 0.0 and sunlit.max() <= 1.0):
        raise InputError("environment", "sunlit", "is not within 0 .. 1 everywhere", "give the visible fraction of the disc")


def direction(azimuth: ArrayLike, elevation: ArrayLike) -> FloatArray:
    """Unit vectors (..., 3) in the map frame from azimuth (clockwise from north) and elevation [rad]; shapes broadcast."""
    azimuth, elevation = np.broadcast_arrays(np.asarray(azimuth, dtype=np.float64), np.asarray(elevation, dtype=np.float64))
    level = np.cos(elevation)
    return np.stack([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)], axis=-1)


def beam(irradiance: FloatArray, elevation: FloatArray, radius: FloatArray, *, shadows: bool) -> FloatArray:
    """Direct irradiance (nt,) [W/m2] with the setting of the disc [rad] taken care of.

    With shadows the fraction of the disc above the horizon is in the sunlit field; without them the horizontal cuts it here.
    """
    fraction = disc_fraction(elevation, radius)
    return np.where(fraction > 0.0, irradiance, 0.0) if shadows else irradiance * fraction


def build_environment(
    site: SiteParameters,
    terrain: Terrain,
    horizon_seconds: float,
    footprint: float,
    *,
    panel_height: float = 0.0,
    far_horizon: ArrayLike | None = None,
    grid_azimuth: float = 0.0,
    max_slices: int = MAXIMUM_SLICES,
) -> Environment:
    """The scene of a mission: Sun, irradiance and shadows from its start until the horizon.

    Slices are a quarter of a degree of the Sun's motion apart, or more when that would take over `max_slices` of them.

    Parameters
    ----------
    site : SiteParameters
        With `sun_elevation` and `sun_azimuth` the Sun stands still, at the body's mean distance.
    terrain : Terrain
        Casts the shadows, if `site.cast_shadows`.
    horizon_seconds : float
        Length of time covered [s].
    footprint : float
        Standard deviation of the Gaussian that averages the light [m]: the size of rover or panel.
    panel_height : float
        Height of the panel above the ground [m]; 0 sees the least light.
    far_horizon : (n, 2) array_like, optional
        Azimuth and elevation [rad] of the horizon beyond the map; the horizontal without it. Ground beyond the map that rises
        above the horizontal is not known otherwise.
    grid_azimuth : float
        True azimuth of the map's y axis at the site, clockwise from north [rad]: the grid convergence of the map's projection,
        which near a pole can be any angle. Applied to the Sun at `start`; a fixed Sun is given in the map's own axes.
    max_slices : int
        At least 2; time and memory grow with it (one sweep of the map each).

    Raises
    ------
    InputError
        A time, place or Sun that cannot be used, or a horizon too long for the slices allowed.
    """
    body = body_named(site.body)
    shadows = terrain if site.cast_shadows else None
    if site.sun_elevation is not None or site.sun_azimuth is not None:
        return _fixed_sun(site, body, shadows, footprint, panel_height, far_horizon)
    if not math.isfinite(grid_azimuth):
        raise InputError("environment", "grid_azimuth", "is not finite", "give radians clockwise from north", grid_azimuth)
    times = _slice_times(body, horizon_seconds, max_slices)
    days = terrestrial_days(parse_utc(site.start)) + times / 86400.0
    sun = sun_position(body, math.radians(site.latitude), math.radians(site.longitude), days)
    azimuth = sun.azimuth - grid_azimuth
    direct, diffuse = ground_irradiance(body, sun.distance, sun.elevation, site.optical_depth if body.atmosphere else 0.0)
    coefficients = None
    if shadows is not None:
        nodes = sunlit_nodes(
            terrain, azimuth, sun.elevation, sun.angular_radius, footprint=footprint, panel_height=panel_height,
            body_radius=body.radius, far_horizon=far_horizon,
        )  # fmt: skip
        coefficients = field_coefficients(nodes)
    return Environment(
        times, body.gravity, direction(azimuth, sun.elevation),
        beam(direct, sun.elevation, sun.angular_radius, shadows=shadows is not None), diffuse, coefficients,
        terrain.x0, terrain.y0, terrain.cell,
    )  # fmt: skip


def _fixed_sun(
    site: SiteParameters, body: Body, terrain: Terrain | None, footprint: float, panel_height: float,
    far_horizon: ArrayLike | None,
) -> Environment:  # fmt: skip
    for name, other in (("sun_elevation", "sun_azimuth"), ("sun_azimuth", "sun_elevation")):
        if getattr(site, name) is None:
            raise InputError("site", name, "is missing", f"give it along with {other}, or neither for the Sun at `start`")
    elevation = math.radians(float(site.sun_elevation or 0.0))
    direct, diffuse = ground_irradiance(body, body.sun_distance, elevation, site.optical_depth if body.atmosphere else 0.0)
    return Environment.constant(
        body.gravity, math.radians(float(site.sun_azimuth or 0.0)), elevation, float(direct), float(diffuse), terrain,
        footprint=footprint, panel_height=panel_height, body=body, far_horizon=far_horizon,
    )  # fmt: skip


def _slice_times(body: Body, horizon_seconds: float, max_slices: int) -> FloatArray:
    if not (horizon_seconds > 0.0 and math.isfinite(horizon_seconds)):
        raise InputError("mission", "horizon", "is not a positive, finite time", "give seconds", horizon_seconds)
    if not max_slices >= 2:
        raise InputError("environment", "max_slices", "is below the least allowed 2", "raise it to 2 or more", max_slices)
    travel = body.sun_rate * horizon_seconds
    longest = _COARSEST_SLICE * (max_slices - 1) / body.sun_rate
    if not horizon_seconds <= longest:
        raise InputError(
            "mission", "horizon", f"is above the most allowed {longest:.6g} s for {max_slices} slices of the Sun's path",
            "shorten it or raise max_slices", horizon_seconds,
        )  # fmt: skip
    return np.linspace(0.0, horizon_seconds, min(max_slices, max(2, math.ceil(travel / _SLICE_ANGLE) + 1)))
