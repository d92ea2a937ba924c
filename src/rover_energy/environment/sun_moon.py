"""Point of the Moon that has the Sun in its zenith: optical and physical libration by series."""

from __future__ import annotations

from typing import Any

import numpy as np

from rover_energy.terrain.bspline import FloatArray

_INCLINATION = np.radians(1.54242)  # of the mean lunar equator to the ecliptic (Cassini state)
_KM_PER_AU = 149_597_870.7
_ABERRATION = 0.00569  # [deg]

# Amplitudes [deg or km] with the multiples of D, M, M', F in the argument. These few terms place the Moon to about 0.2 deg, of
# which the direction of the Sun, 389 times farther off, feels 0.0005 deg.
_LONGITUDE = (
    (6.288774, 0, 0, 1, 0), (1.274027, 2, 0, -1, 0), (0.658314, 2, 0, 0, 0), (0.213618, 0, 0, 2, 0), (-0.185116, 0, 1, 0, 0),
    (-0.114332, 0, 0, 0, 2), (0.058793, 2, 0, -2, 0), (0.057066, 2, -1, -1, 0), (0.053322, 2, 0, 1, 0), (0.045758, 2, -1, 0, 0),
)  # fmt: skip
_LATITUDE = ((5.128122, 0, 0, 0, 1), (0.280602, 0, 0, 1, 1), (0.277693, 0, 0, 1, -1), (0.173237, 2, 0, 0, -1))
_DISTANCE = ((-20905.355, 0, 0, 1, 0), (-3699.111, 2, 0, -1, 0), (-2955.968, 2, 0, 0, 0), (-569.925, 0, 0, 2, 0))

# Physical libration (Eckhardt 1981): amplitudes [deg], sine or cosine, multiples of D, M, M', F. Left out on purpose are
# -0.02245 sin F in rho and +0.02244 cos F in sigma: together a constant 0.0225 deg in the latitude of the Earth's direction.
# They belong to the principal axes of inertia, in which the theory is written; maps use the mean Earth / polar axis frame.
_RHO = (
    (-0.02752, "c", 0, 0, 1, 0), (0.00684, "c", 0, 0, 1, -2), (-0.00293, "c", 0, 0, 0, 2),
    (-0.00085, "c", -2, 0, 0, 2), (-0.00054, "c", -2, 0, 1, 0), (-0.00020, "s", 0, 0, 1, 1), (-0.00020, "c", 0, 0, 1, 2),
    (-0.00020, "c", 0, 0, 1, -1), (0.00014, "c", -2, 0, 1, 2),
)  # fmt: skip
_SIGMA = (
    (-0.02816, "s", 0, 0, 1, 0), (-0.00682, "s", 0, 0, 1, -2), (-0.00279, "s", 0, 0, 0, 2),
    (-0.00083, "s", -2, 0, 0, 2), (0.00069, "s", -2, 0, 1, 0), (0.00040, "c", 0, 0, 1, 1), (-0.00025, "s", 0, 0, 2, 0),
    (-0.00023, "s", 0, 0, 1, 2), (0.00020, "c", 0, 0, 1, -1), (0.00019, "s", 0, 0, 1, -1), (0.00013, "s", -2, 0, 1, 2),
    (-0.00010, "c", 0, 0, 1, -3),
)  # fmt: skip
_TAU = (
    (0.02520, "s", 0, 1, 0, 0), (0.00473, "s", 0, 0, 2, -2), (-0.00467, "s", 0, 0, 1, 0), (0.00276, "s", -2, 0, 2, 0),
    (-0.00183, "c", 0, 0, 1, -1), (0.00115, "s", -2, 0, 1, 0), (-0.00096, "s", -1, 0, 1, 0), (0.00046, "s", -2, 0, 0, 2),
    (-0.00039, "s", 0, 0, 1, -1), (-0.00032, "s", -1, -1, 1, 0), (0.00027, "s", -2, -1, 2, 0), (-0.00014, "s", 2, 0, 0, 0),
    (0.00014, "c", 0, 0, 2, -2), (-0.00012, "s", 0, 0, 1, -2), (-0.00012, "s", 0, 0, 2, 0), (0.00011, "s", -2, -2, 2, 0),
)  # fmt: skip


def lunar_subsolar_point(tt_days: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Subsolar point of the Moon.

    Series of Meeus, Astronomical Algorithms, 2nd ed. 1998: Sun ch. 25, Moon ch. 47 (truncated), selenographic position of the
    Sun ch. 53 with the physical libration of Eckhardt 1981 (10.1007/BF00911807). Nutation cancels, because all longitudes
    count from the mean equinox of date.

    Parameters
    ----------
    tt_days : (...) array
        Terrestrial Time, days since J2000.0.

    Returns
    -------
    latitude, longitude : (...) arrays
        Selenographic (mean Earth / polar axis frame), east positive [rad].
    distance : (...) array
        Moon's centre to the Sun [au].
    """
    century = tt_days / 36525.0
    arguments, node = _arguments(century)
    sun_longitude, sun_distance = _sun(century, arguments[1])
    longitude = np.radians(218.3164477 + 481267.88123421 * century) + np.radians(_sine_sum(_LONGITUDE, arguments))
    latitude = np.radians(_sine_sum(_LATITUDE, arguments))
    ratio = (385000.56 + _cosine_sum(_DISTANCE, arguments)) / (sun_distance * _KM_PER_AU)
    seen_from = sun_longitude + np.pi + ratio * np.cos(latitude) * np.sin(sun_longitude - longitude)
    point = _selenographic(seen_from, ratio * latitude, arguments, node, century)
    return *point, sun_distance * (1.0 + ratio * np.cos(latitude) * -np.cos(sun_longitude - longitude))


def _arguments(century: FloatArray) -> tuple[FloatArray, FloatArray]:
    """D, M, M', F stacked on the first axis, and the node of the orbit [rad] (Meeus eqs 47.2-47.7)."""
    t = century
    degrees = np.stack([
        297.8501921 + 445267.1114034 * t - 0.0018819 * t**2, 357.5291092 + 35999.0502909 * t - 0.0001536 * t**2,
        134.9633964 + 477198.8675055 * t + 0.0087414 * t**2, 93.2720950 + 483202.0175233 * t - 0.0036539 * t**2,
    ])  # fmt: skip
    return np.radians(degrees), np.radians(125.0445479 - 1934.1362891 * t + 0.0020754 * t**2)


def _sun(century: FloatArray, anomaly: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sun's geocentric longitude, mean equinox of date, with aberration [rad], and its distance [au] (Meeus ch. 25)."""
    t = century
    centre = (
        (1.914602 - 0.004817 * t) * np.sin(anomaly) + (0.019993 - 0.000101 * t) * np.sin(2 * anomaly)
        + 0.000289 * np.sin(3 * anomaly)
    )  # fmt: skip
    eccentricity = 0.016708634 - 0.000042037 * t
    longitude = np.radians(280.46646 + 36000.76983 * t + 0.0003032 * t**2 + centre - _ABERRATION)
    distance = 1.000001018 * (1.0 - eccentricity**2) / (1.0 + eccentricity * np.cos(anomaly + np.radians(centre)))
    return longitude, distance


def _selenographic(
    longitude: FloatArray, latitude: FloatArray, arguments: FloatArray, node: FloatArray, century: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Point of the Moon below the ecliptic direction (longitude, latitude) that points at the Moon (Meeus eqs 53.1-53.2)."""
    f = arguments[3]
    w = longitude - node
    ci, si = np.cos(_INCLINATION), np.sin(_INCLINATION)
    a = np.arctan2(np.sin(w) * np.cos(latitude) * ci - np.sin(latitude) * si, np.cos(w) * np.cos(latitude))
    optical_latitude = np.arcsin(-np.sin(w) * np.cos(latitude) * si - np.sin(latitude) * ci)
    rho, sigma = np.radians(_mixed_sum(_RHO, arguments)), np.radians(_mixed_sum(_SIGMA, arguments))
    tau = np.radians(
        _mixed_sum(_TAU, arguments) + 0.00396 * np.sin(np.radians(119.75 + 131.849 * century))
        + 0.00023 * np.sin(np.radians(72.56 + 20.186 * century)) + 0.00196 * np.sin(node)
    )  # fmt: skip
    physical_longitude = -tau + (rho * np.cos(a) + sigma * np.sin(a)) * np.tan(optical_latitude)
    physical_latitude = sigma * np.cos(a) - rho * np.sin(a)
    east = a - f + physical_longitude
    return optical_latitude + physical_latitude, np.mod(east + np.pi, 2.0 * np.pi) - np.pi


def _angles(terms: tuple[tuple[Any, ...], ...], arguments: FloatArray) -> FloatArray:
    """Argument (terms, ...) of every term: its last four entries times D, M, M', F."""
    return np.asarray(np.tensordot(np.array([term[-4:] for term in terms], dtype=np.float64), arguments, axes=1))


def _amplitudes(terms: tuple[tuple[Any, ...], ...]) -> FloatArray:
    return np.array([term[0] for term in terms], dtype=np.float64)


def _sine_sum(terms: tuple[tuple[Any, ...], ...], arguments: FloatArray) -> FloatArray:
    return np.asarray(np.tensordot(_amplitudes(terms), np.sin(_angles(terms, arguments)), axes=1))


def _cosine_sum(terms: tuple[tuple[Any, ...], ...], arguments: FloatArray) -> FloatArray:
    return np.asarray(np.tensordot(_amplitudes(terms), np.cos(_angles(terms, arguments)), axes=1))


def _mixed_sum(terms: tuple[tuple[Any, ...], ...], arguments: FloatArray) -> FloatArray:
    sines, cosines = (tuple(term for term in terms if term[1] == kind) for kind in "sc")
    return _sine_sum(sines, arguments) + _cosine_sum(cosines, arguments)
