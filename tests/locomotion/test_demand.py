"""Demand: closed forms, the slip anchor, work-energy consistency, finite-difference gradients, NaN and bad input."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import (
    LocomotionParameters,
    ResistanceParameters,
    SlipParameters,
    drive_power,
    resistance_force,
    slip,
    total_power,
    traction_force,
    turn_power,
)

MOON = 1.62
NO_SLIP = LocomotionParameters(slip=SlipParameters(flat=0.0))
STILL = {"acceleration": 0.0, "along_slope": 0.0, "tilt": 0.0, "gravity": MOON}


def test_level_cruise_by_hand() -> None:
    assert drive_power(NO_SLIP, speed=0.3, **STILL) == pytest.approx(80.0 * 0.3 / 0.6)


def test_climb_with_slip_by_hand() -> None:
    phi = math.radians(10.0)
    s = 0.80 / (1.0 + (0.80 / 0.05 - 1.0) * math.exp(-10.0 * math.tan(phi)))
    force = 200.0 * (0.05 + MOON * math.sin(phi)) + 80.0
    expected = force * 0.2 / (1.0 - s) / 0.6
    power = drive_power(LocomotionParameters(), speed=0.2, acceleration=0.05, along_slope=phi, tilt=0.3, gravity=MOON)
    assert power == pytest.approx(expected)


def test_speed_dependent_resistance() -> None:
    parameters = replace(NO_SLIP, resistance=ResistanceParameters(c0=50.0, c1=7.0, c2=3.0))
    assert resistance_force(parameters, speed=2.0, tilt=0.4, gravity=MOON) == pytest.approx(50.0 + 14.0 + 12.0)


def test_slip_passes_through_its_anchors() -> None:
    parameters = SlipParameters()
    assert slip(parameters, 0.0) == pytest.approx(parameters.flat)
    assert slip(parameters, math.radians(15.0)) == pytest.approx(0.40, abs=0.01)  # VIPER's design maximum
    assert slip(parameters, math.radians(80.0)) == pytest.approx(parameters.maximum)
    assert slip(parameters, math.radians(-80.0)) == pytest.approx(0.0, abs=1e-12)


def test_slip_solves_the_logistic_equation() -> None:
    # ds/d(tan phi) = k s (1 - s/S), from which the closed form comes.
    parameters, phi, step = SlipParameters(), np.linspace(-0.5, 0.5, 41), 1e-6
    grade = np.tan(phi)
    left, right = slip(parameters, np.arctan(grade - step)), slip(parameters, np.arctan(grade + step))
    s = slip(parameters, phi)
    assert (right - left) / (2.0 * step) == pytest.approx(10.0 * s * (1.0 - s / 0.80), rel=1e-6)


def test_no_flat_slip_switches_slip_off_but_not_nan() -> None:
    off = SlipParameters(flat=0.0)
    assert np.all(slip(off, [-0.3, 0.0, 0.3]) == 0.0)
    assert np.isnan(slip(off, math.nan))


def test_braking_gives_nothing_back() -> None:
    assert drive_power(NO_SLIP, speed=0.3, acceleration=-1.0, along_slope=-0.3, tilt=0.3, gravity=MOON) == 0.0


def test_energy_of_an_acceleration_is_kinetic_plus_work_of_resistance() -> None:
    # From rest to 0.4 m/s at 0.08 m/s2 up 5 deg: the integral of the power against heights and speeds alone.
    phi, a, end = math.radians(5.0), 0.08, 5.0

    def power(t: float) -> float:
        return float(drive_power(NO_SLIP, speed=a * t, acceleration=a, along_slope=phi, tilt=phi, gravity=MOON))

    distance, speed = 0.5 * a * end**2, a * end
    work = 0.5 * 200.0 * speed**2 + 200.0 * MOON * distance * math.sin(phi) + 80.0 * distance
    assert quad(power, 0.0, end)[0] == pytest.approx(work / 0.6, rel=1e-10)


@settings(max_examples=100, deadline=None)
@given(v=st.floats(0.05, 0.5), a=st.floats(-0.05, 0.1), phi=st.floats(-0.02, 0.3))
def test_gradient_of_drive_power_by_finite_differences(v: float, a: float, phi: float) -> None:
    # dP/dv = F/((1 - s) eta), dP/da = m v/((1 - s) eta) where the wheels pull.
    p = LocomotionParameters()
    fixed = {"along_slope": phi, "tilt": abs(phi), "gravity": MOON}
    step = 1e-6

    def at(dv: float, da: float) -> float:
        return float(drive_power(p, speed=v + dv, acceleration=a + da, **fixed))

    share = (1.0 - float(slip(p.slip, phi))) * p.drivetrain_efficiency
    force = float(traction_force(p, speed=v, acceleration=a, **fixed))
    assert (at(step, 0.0) - at(-step, 0.0)) / (2 * step) == pytest.approx(force / share, rel=1e-6)
    assert (at(0.0, step) - at(0.0, -step)) / (2 * step) == pytest.approx(p.mass * v / share, rel=1e-6)


def test_turning_by_hand_is_even_and_never_negative() -> None:
    p = LocomotionParameters()
    assert turn_power(p, yaw_rate=0.2, yaw_acceleration=0.1) == pytest.approx((30.0 * 0.1 * 0.2 + 40.0 * 0.2) / 0.6)
    assert turn_power(p, yaw_rate=-0.2, yaw_acceleration=-0.1) == turn_power(p, yaw_rate=0.2, yaw_acceleration=0.1)
    assert turn_power(p, yaw_rate=0.2, yaw_acceleration=-9.0) == pytest.approx(40.0 * 0.2 / 0.6)
    assert turn_power(p, yaw_rate=0.0, yaw_acceleration=5.0) == 0.0


def test_total_adds_every_load() -> None:
    demand = total_power(
        LocomotionParameters(),
        speed=[0.0, 0.2],
        yaw_rate=0.1,
        yaw_acceleration=0.0,
        base_power=55.0,
        inference_power=12.0,
        **STILL,
    )
    turn = 40.0 * 0.1 / 0.6
    assert demand.total_power == pytest.approx([67.0 + turn, 67.0 + turn + 80.0 * 0.2 / 0.95 / 0.6])


def test_bekker_resistance_falls_smoothly_with_tilt() -> None:
    # An optimiser fits it by a polynomial in cos(tilt) over 0 to 30 deg: degree 3 must do to 0.01 %.
    p = LocomotionParameters(resistance=ResistanceParameters(model="bekker"))
    tilt = np.linspace(0.0, math.radians(30.0), 61)
    force = resistance_force(p, speed=0.0, tilt=tilt, gravity=MOON)
    fitted = np.polyval(np.polyfit(np.cos(tilt), force, 3), np.cos(tilt))
    assert np.max(np.abs(fitted / force - 1.0)) < 1e-4
    assert np.all(np.diff(force) < 0.0)


def test_bekker_keeps_the_speed_terms_and_ignores_c0() -> None:
    base = ResistanceParameters(model="bekker", c0=1e4)
    fast = replace(base, c1=5.0)
    slow_force = resistance_force(LocomotionParameters(resistance=base), speed=0.4, tilt=0.0, gravity=MOON)
    fast_force = resistance_force(LocomotionParameters(resistance=fast), speed=0.4, tilt=0.0, gravity=MOON)
    assert fast_force - slow_force == pytest.approx(2.0)
    assert slow_force < 1e3


@pytest.mark.parametrize("name", ["speed", "acceleration", "along_slope", "tilt"])
@pytest.mark.parametrize("model", ["polynomial", "bekker"])
def test_nan_is_passed_on(name: str, model: str) -> None:
    p = LocomotionParameters(resistance=ResistanceParameters(model=model))
    values = {"speed": 0.2, "acceleration": 0.0, "along_slope": 0.1, "tilt": 0.1, "gravity": MOON, name: math.nan}
    assert np.isnan(drive_power(p, **values))
    assert np.isnan(turn_power(p, yaw_rate=math.nan, yaw_acceleration=0.0))
    assert np.isnan(turn_power(p, yaw_rate=0.1, yaw_acceleration=math.nan))


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: SlipParameters(flat=0.5, maximum=0.4), "flat"),
        (lambda: SlipParameters(gain=math.nan), "gain"),
        (lambda: ResistanceParameters(model="magic"), "model"),
        (lambda: LocomotionParameters(drivetrain_efficiency=0.0), "drivetrain_efficiency"),
        (lambda: LocomotionParameters(mass=-3.0), "mass"),
    ],
)
def test_bad_constants_are_refused_in_one_line(build: object, field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        build()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
