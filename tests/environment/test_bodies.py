"""Constants of the bodies against textbook numbers."""

from __future__ import annotations

import math

import pytest

from rover_energy.environment.bodies import MARS, MOON, body_named, sun_angular_radius
from rover_energy.errors import InputError


@pytest.mark.parametrize(("body", "gravity"), [(MOON, 1.62), (MARS, 3.73)])
def test_gravity_is_that_of_the_nasa_fact_sheets(body, gravity):
    assert body.gravity == pytest.approx(gravity, abs=0.01)


def test_rates_of_the_sun():
    assert math.degrees(MOON.sun_rate) * 3600.0 == pytest.approx(0.508, abs=1e-3)  # deg/h
    assert math.degrees(MARS.sun_rate) * 3600.0 == pytest.approx(14.6, abs=0.01)


def test_disc_is_half_a_degree_wide_from_the_moon_and_a_third_from_mars():
    assert math.degrees(2.0 * sun_angular_radius(1.0)) == pytest.approx(0.533, abs=1e-3)
    assert math.degrees(2.0 * sun_angular_radius(MARS.sun_distance)) == pytest.approx(0.350, abs=1e-3)


@pytest.mark.parametrize("distance", [0.0, -1.0, math.nan, math.inf, 0.001])
def test_distance_inside_the_sun_is_refused(distance):
    with pytest.raises(InputError, match="distance"):
        sun_angular_radius(distance)


def test_unknown_body_is_refused():
    with pytest.raises(InputError, match="moon, mars"):
        body_named("vulcan")
