"""Point of Mars that has the Sun in its zenith, by the Mars24 series."""

from __future__ import annotations

import numpy as np

from rover_energy.terrain.bspline import FloatArray

# Perturbations of the longitude by the other planets: amplitude [deg], period [Julian years], phase [deg].
_PERTURBATIONS = (
    (0.0071, 2.2353, 49.409), (0.0057, 2.7543, 168.173), (0.0039, 1.1177, 191.837), (0.0037, 15.7866, 21.736),
    (0.0021, 2.1354, 15.704), (0.0020, 2.4694, 95.528), (0.0018, 32.8493, 49.095),
)  # fmt: skip
_SIN_OBLIQUITY = 0.42565
_SOL = 1.0274912517  # [day]


def martian_sun(tt_days: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Areocentric solar longitude L_s [rad], mean anomaly [rad] and equation of centre [deg].

    Allison & McEwen 2000 (10.1016/S0032-0633(99)00092-6), with the constants of the Mars24 algorithm, steps B (NASA GISS).
    `tt_days`: (...) Terrestrial Time, days since J2000.0.
    """
    d = tt_days
    anomaly = np.radians(19.3871 + 0.52402073 * d)
    perturbation = sum(size * np.cos(np.radians(0.985626 * d / period + phase)) for size, period, phase in _PERTURBATIONS)
    centre = (
        (10.691 + 3.0e-7 * d) * np.sin(anomaly) + 0.623 * np.sin(2 * anomaly) + 0.050 * np.sin(3 * anomaly)
        + 0.005 * np.sin(4 * anomaly) + 0.0005 * np.sin(5 * anomaly) + perturbation
    )  # fmt: skip
    longitude = np.radians(270.3871 + 0.524038496 * d + centre)
    return np.mod(longitude, 2.0 * np.pi), anomaly, np.asarray(centre)


def martian_subsolar_point(tt_days: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Subsolar point of Mars.

    Allison & McEwen 2000, Mars24 steps C and D. Departure: the declination is left planetocentric (the 0.25 deg sin L_s that
    makes it planetographic is omitted), because it serves as a direction in space here.

    Parameters
    ----------
    tt_days : (...) array
        Terrestrial Time, days since J2000.0.

    Returns
    -------
    latitude, longitude : (...) arrays
        Planetocentric, east positive, Airy-0 prime meridian [rad].
    distance : (...) array
        Mars to the Sun [au].
    """
    ls, anomaly, centre = martian_sun(tt_days)
    time_equation = 2.861 * np.sin(2 * ls) - 0.071 * np.sin(4 * ls) + 0.002 * np.sin(6 * ls) - centre
    mean_time = (tt_days + 2451545.0 - 2405522.0028779) / _SOL  # [sol], whole at mean midnight of the prime meridian
    west = 2.0 * np.pi * np.mod(mean_time, 1.0) + np.radians(time_equation) + np.pi
    distance = 1.52367934 * (
        1.00436 - 0.09309 * np.cos(anomaly) - 0.004336 * np.cos(2 * anomaly) - 0.00031 * np.cos(3 * anomaly)
        - 0.00003 * np.cos(4 * anomaly)
    )  # fmt: skip
    return np.arcsin(_SIN_OBLIQUITY * np.sin(ls)), np.mod(-west + np.pi, 2.0 * np.pi) - np.pi, distance
