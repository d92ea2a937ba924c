"""Where the Sun stands at a site on the Moon or on Mars at a UTC time, without any file or network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
from numpy.typing import ArrayLike

from rover_energy.environment.bodies import ASTRONOMICAL_UNIT, MARS, SUN_RADIUS, Body
from rover_energy.environment.sun_mars import martian_subsolar_point
from rover_energy.environment.sun_moon import lunar_subsolar_point
from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray

FIRST_YEAR, LAST_YEAR = 1970, 2100  # the series hold 0.1 deg from 2000 to 2060 and little less over this range

# TAI - UTC [s] from the first of each (year, month) on: IERS Bulletin C. Later leap seconds, should there be any, are ignored.
_LEAP_SECONDS = ((1999, 1, 32), (2006, 1, 33), (2009, 1, 34), (2012, 7, 35), (2015, 7, 36), (2017, 1, 37))
_J2000 = datetime(2000, 1, 1, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class SunPosition:
    """The Sun seen from a site; every attribute is an array of the shape of the times.

    Attributes
    ----------
    azimuth : array
        Clockwise from true north, 0 to 2 pi [rad].
    elevation : array
        Of the disc's centre above the horizontal plane [rad], without refraction.
    distance : array
        [au]
    angular_radius : array
        Of the disc [rad].
    """

    azimuth: FloatArray
    elevation: FloatArray
    distance: FloatArray
    angular_radius: FloatArray


def parse_utc(text: str, source: str = "site", field: str = "start") -> datetime:
    """The moment named by an ISO 8601 text; without an offset it is UTC.

    Raises InputError when the text is not such a date or outside the years 1970 to 2100.
    """
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        moment = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, AttributeError, OverflowError):
        raise InputError(source, field, "is not an ISO 8601 time", "write it as 2028-03-01T00:00:00", text) from None
    if not (FIRST_YEAR <= moment.year < LAST_YEAR):
        raise InputError(
            source, field, f"is outside the years {FIRST_YEAR} to {LAST_YEAR} of the Sun's series",
            "give a time between them, or a fixed Sun (sun_azimuth, sun_elevation)", text,
        )  # fmt: skip
    return moment


def terrestrial_days(moment: datetime) -> float:
    """Terrestrial Time in days since J2000.0 (2000-01-01 12:00 TT) of a time-zone-aware moment."""
    leap = next((s for year, month, s in reversed(_LEAP_SECONDS) if (moment.year, moment.month) >= (year, month)), 32)
    return ((moment - _J2000).total_seconds() + leap + 32.184) / 86400.0


def subsolar_point(body: Body, tt_days: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Planetocentric latitude and longitude (east positive) [rad] below the Sun, and its distance [au].

    `tt_days` : (...) Terrestrial Time, days since J2000.0. See `sun_moon` and `sun_mars` for the series and their sources.
    """
    days = np.asarray(tt_days, dtype=np.float64)
    return martian_subsolar_point(days) if body is MARS else lunar_subsolar_point(days)


def sun_position(body: Body, latitude: ArrayLike, longitude: ArrayLike, tt_days: ArrayLike) -> SunPosition:
    """Direction and distance of the Sun at a site.

    Parameters
    ----------
    body : Body
    latitude, longitude : array_like
        Planetocentric latitude and east longitude of the site [rad]. Up is the normal of the body's ellipsoid there: on
        Mars it differs from the direction away from the centre by up to 0.34 deg.
    tt_days : array_like
        Terrestrial Time, days since J2000.0 (`terrestrial_days`). Shapes broadcast.

    Returns
    -------
    SunPosition
        NaN where an input is. At a pole, where every direction is south, north is taken along the meridian `longitude`.

    Raises
    ------
    InputError
        A latitude outside +-pi/2.
    """
    phi, lam, days = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (latitude, longitude, tt_days)))
    if not np.all(np.isnan(phi) | (np.abs(phi) <= 0.5 * np.pi + 1e-12)):
        raise InputError("sun", "latitude", "is outside -pi/2 .. pi/2", "give radians, north positive")
    declination, east, distance = subsolar_point(body, days)
    vertical = np.arctan2(np.sin(phi), np.cos(phi) * (1.0 - body.flattening) ** 2)
    hour = lam - east  # [rad] east of the subsolar meridian: afternoon
    sin_d, cos_d, sin_v, cos_v = np.sin(declination), np.cos(declination), np.sin(vertical), np.cos(vertical)
    to_east = -cos_d * np.sin(hour)
    to_north = sin_d * cos_v - cos_d * sin_v * np.cos(hour)
    up = sin_d * sin_v + cos_d * cos_v * np.cos(hour)
    return SunPosition(
        np.mod(np.arctan2(to_east, to_north), 2.0 * np.pi), np.arctan2(up, np.hypot(to_east, to_north)), distance,
        np.arcsin(SUN_RADIUS / (distance * ASTRONOMICAL_UNIT)),
    )  # fmt: skip
