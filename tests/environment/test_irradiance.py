"""Irradiance against the published daily insolation at the Viking 1 lander, and the laws that it must keep."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from rover_energy.environment.bodies import MARS, MOON, SOLAR_CONSTANT
from rover_energy.environment.irradiance import air_mass, irradiance, net_flux
from rover_energy.errors import InputError

# Viking 1 (22.3 N): L_s [deg], optical depth, daily insolation on the horizontal, direct and diffuse [Wh/m2 per sol]: Appelbaum &
# Flood, Solar radiation on Mars: update 1990 (NASA TM-103623), table V, with the optical depths of its figure 3.
VIKING_1 = (
    (0, 0.65, 1599.19, 1636.66), (5, 0.9, 1175.16, 1829.13), (40, 0.5, 2110.7, 1445.85), (140, 0.35, 2875.66, 1305.02),
    (195, 1.1, 913.36, 2124.48), (210, 2.5, 114.93, 1691.47), (240, 1.6, 248.87, 1665.24), (255, 1.15, 437.6, 1634.12),
    (290, 3.6, 9.23, 925.69), (320, 1.4, 405.84, 1728.95),
)  # fmt: skip


def daily_insolation(solar_longitude: float, optical_depth: float) -> tuple[float, float]:
    """Direct and diffuse [Wh/m2 per sol] with the report's own orbit and solar constant (590 W/m2 at the mean distance)."""
    eccentricity, latitude = 0.093377, math.radians(22.3)
    above = 590.0 * (1.0 + eccentricity * math.cos(math.radians(solar_longitude - 248.0))) ** 2 / (1.0 - eccentricity**2) ** 2
    declination = math.asin(math.sin(math.radians(24.936)) * math.sin(math.radians(solar_longitude)))
    hour = np.linspace(-np.pi, np.pi, 4001)
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * np.cos(hour)
    direct, diffuse = irradiance(MARS, math.sqrt(SOLAR_CONSTANT / above), np.arcsin(sine), optical_depth)
    scale = MARS.solar_day / 3600.0 / (2.0 * np.pi)
    mean = [np.sum(0.5 * (v[1:] + v[:-1])) * (hour[1] - hour[0]) for v in (direct * np.maximum(sine, 0.0), diffuse)]
    return float(mean[0] * scale), float(mean[1] * scale)


@pytest.mark.parametrize(("solar_longitude", "optical_depth", "direct", "diffuse"), VIKING_1)
def test_daily_insolation_at_viking_1(solar_longitude, optical_depth, direct, diffuse):
    ours = daily_insolation(solar_longitude, optical_depth)
    print(f"L_s {solar_longitude}: direct {ours[0]:.0f} ({direct:.0f}), diffuse {ours[1]:.0f} ({diffuse:.0f}) Wh/m2")
    assert ours[0] == pytest.approx(direct, rel=0.01, abs=5.0)
    assert sum(ours) == pytest.approx(direct + diffuse, rel=0.03)


def test_moon_has_the_bare_sun_only():
    direct, diffuse = irradiance(MOON, [1.0, 0.983, 1.017], 0.02)
    np.testing.assert_allclose(direct, [1361.0, 1361.0 / 0.983**2, 1361.0 / 1.017**2])
    np.testing.assert_array_equal(diffuse, 0.0)
    assert not np.signbit(diffuse).any()


def test_mars_above_the_atmosphere():
    direct, diffuse = irradiance(MARS, MARS.sun_distance, 0.5 * math.pi, 0.0)
    assert float(direct) == pytest.approx(586.0, abs=1.0)  # 1361/1.5237^2; the literature's 590 is 1371/1.5237^2
    assert float(diffuse) == pytest.approx(0.0, abs=1e-9)


def test_beer_law_overhead():
    direct, _ = irradiance(MARS, 1.5, 0.5 * math.pi, 0.8)
    assert float(direct) == pytest.approx(1361.0 / 2.25 * math.exp(-0.8), rel=1e-9)


def test_net_flux_gives_back_the_table():
    for tau, zenith, value in ((0.1, 0.0, 0.885), (0.5, 60.0, 0.708), (1.0, 80.0, 0.317), (1.0, 30.0, 0.700), (6.0, 85.0, 0.068)):
        assert float(net_flux(math.radians(zenith), tau)) == pytest.approx(value, abs=1e-12)


def test_net_flux_between_rows_is_near_the_rows_left_out():
    """Rows of the published table that the code leaves out: tau 1.3, 1.7, 2.25, 2.75, 3.5 at 0, 40, 60 and 80 deg."""
    left_out = {1.3: (0.682, 0.613, 0.498, 0.273), 1.7: (0.622, 0.546, 0.424, 0.232), 2.25: (0.552, 0.462, 0.343, 0.190),
                2.75: (0.486, 0.401, 0.293, 0.158), 3.5: (0.411, 0.333, 0.240, 0.132)}  # fmt: skip
    for tau, row in left_out.items():
        np.testing.assert_allclose(net_flux(np.radians([0.0, 40.0, 60.0, 80.0]), tau), row, atol=0.006)


def test_light_falls_with_dust_and_towards_the_horizon():
    elevation = np.radians(np.linspace(0.5, 90.0, 180))
    totals = []
    for tau in (0.0, 0.05, 0.3, 0.77, 1.5, 3.3, 6.0, 8.0, 10.0):
        direct, diffuse = irradiance(MARS, 1.52, elevation, tau)
        total = direct * np.sin(elevation) + diffuse
        assert np.all(np.diff(total) > 0.0)
        assert np.all(diffuse >= 0.0)
        assert np.all(total <= SOLAR_CONSTANT / 1.52**2 * np.sin(elevation) / 0.9 * (1.0 + 1e-12))
        totals.append(total)
    high = elevation > math.radians(10.0)
    assert all(np.all(b[high] < a[high]) for a, b in pairwise(totals))


def test_diffuse_light_outweighs_the_beam_in_a_storm():
    direct, diffuse = irradiance(MARS, 1.52, math.radians(50.0), 3.0)
    assert diffuse > 3.0 * direct * math.sin(math.radians(50.0))


def test_air_mass_is_plane_when_high_and_finite_when_low():
    high = np.radians([16.0, 30.0, 60.0, 90.0])
    np.testing.assert_allclose(air_mass(high) * np.sin(high), 1.0, atol=0.02)
    assert float(air_mass(0.0)) == pytest.approx(24.7, abs=0.1)
    # Chord through a thin even shell, drawn out: the ray leaves at radius R + H.
    radius, shell, e = 3389.5, 11.1, math.radians(3.0)
    chord = -radius * math.sin(e) + math.sqrt((radius + shell) ** 2 - (radius * math.cos(e)) ** 2)
    assert float(air_mass(e)) == pytest.approx(chord / shell, rel=1e-6)


def test_nothing_scattered_after_sunset_and_nan_stays():
    _, diffuse = irradiance(MARS, 1.5, [-0.001, -0.5], 0.5)
    np.testing.assert_array_equal(diffuse, 0.0)
    for body in (MOON, MARS):
        for pair in (irradiance(body, math.nan, 0.5, 0.5), irradiance(body, 1.5, math.nan, 0.5)):
            assert np.isnan(pair).all()


@pytest.mark.parametrize("tau", [-0.1, 10.1, math.nan, math.inf])
def test_optical_depth_out_of_range(tau):
    with pytest.raises(InputError, match="optical_depth"):
        irradiance(MARS, 1.5, 0.5, tau)


@pytest.mark.parametrize("distance", [0.0, -1.0])
def test_distance_out_of_range(distance):
    with pytest.raises(InputError, match="distance"):
        irradiance(MOON, distance, 0.5)
