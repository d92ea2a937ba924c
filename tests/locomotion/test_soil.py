"""Wheel and soil: the white paper's check values, re-derivation by integration, limits, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import LocomotionParameters, ResistanceParameters, resistance_force
from rover_energy.locomotion.soil import (
    SoilParameters,
    WheelParameters,
    bearing_factors,
    bulldozing_resistance,
    compaction_resistance,
    contact_length,
    drawbar_pull,
    pressure,
    rover_resistance,
    sinkage,
    traction,
)

SOIL, WHEEL, MOON = SoilParameters(), WheelParameters(), 1.62
LOAD = 84.0 * MOON / 4.0


def test_check_values_of_the_lunar_terrain_vehicle_paper() -> None:
    # 84 kg on four wheels D 0.306 m, b 0.108 m in the lunar soil of NTRS 20220010732.
    assert pytest.approx(34.0, abs=0.05) == LOAD
    assert sinkage(SOIL, WHEEL, LOAD) == pytest.approx(0.0102, abs=5e-5)
    assert 4.0 * compaction_resistance(SOIL, WHEEL, LOAD) == pytest.approx(18.6, abs=0.05)
    assert bulldozing_resistance(SOIL, WHEEL, LOAD, MOON) == pytest.approx(20.4, abs=0.05)
    assert rover_resistance(SOIL, WHEEL, 4.0 * LOAD, MOON) == pytest.approx(63.54, abs=0.01)


def test_the_demand_model_uses_the_same_number() -> None:
    rover = LocomotionParameters(mass=84.0, resistance=ResistanceParameters(model="bekker"))
    assert resistance_force(rover, speed=0.0, tilt=0.0, gravity=MOON) == pytest.approx(63.54, abs=0.01)


def test_bearing_factors_against_the_published_tables() -> None:
    factors = bearing_factors(math.radians(33.0))
    assert factors[:2] == pytest.approx((32.23, 48.09), abs=0.005)  # Terzaghi's table
    assert factors.weight == pytest.approx(33.27, abs=0.005)
    assert factors[3:] == pytest.approx((33.37, 72.77), abs=0.005)
    assert bearing_factors(math.radians(20.0))[:2] == pytest.approx((7.44, 17.69), abs=0.005)
    assert bearing_factors(math.radians(30.0))[:2] == pytest.approx((22.46, 37.16), abs=0.005)


def test_linear_soil_has_the_cube_root_form() -> None:
    # n = 1: R_c = 0.85854 (W^4/((k_c + b k_phi) D^2))^(1/3)
    stiff = SOIL.cohesive_modulus + WHEEL.width * SOIL.frictional_modulus
    load = np.array([5.0, 34.0, 120.0])
    expected = 0.85854 * (load**4 / (stiff * WHEEL.diameter**2)) ** (1.0 / 3.0)
    assert compaction_resistance(SOIL, WHEEL, load) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.1])
def test_compaction_is_the_work_of_pressing_the_rut(exponent: float) -> None:
    soil = SoilParameters(exponent=exponent)
    depth = float(sinkage(soil, WHEEL, LOAD))
    work = WHEEL.width * quad(lambda z: float(pressure(soil, WHEEL, z)), 0.0, depth)[0]
    assert compaction_resistance(soil, WHEEL, LOAD) == pytest.approx(work, rel=1e-9)


def test_sinkage_balances_the_load_under_the_arc() -> None:
    # W = b int p(z) dx over the contact with Bekker's parabola x^2 = D (z0 - z); his series keeps two terms: 3 % is due.
    depth = float(sinkage(SOIL, WHEEL, LOAD))
    reach = math.sqrt(WHEEL.diameter * depth)
    carried = WHEEL.width * quad(lambda x: float(pressure(SOIL, WHEEL, depth - x * x / WHEEL.diameter)), 0.0, reach)[0]
    assert carried == pytest.approx(LOAD, rel=0.03)


def test_traction_is_the_integral_of_janosi_shear() -> None:
    # H = b int_0^l (c + p tan phi)(1 - exp(-s x/K)) dx with the load spread evenly.
    length, s = float(contact_length(WHEEL, sinkage(SOIL, WHEEL, LOAD))), 0.23
    strength = SOIL.cohesion + LOAD / (WHEEL.width * length) * math.tan(SOIL.friction_angle)
    expected = WHEEL.width * strength * quad(lambda x: 1.0 - math.exp(-s * x / SOIL.shear_modulus), 0.0, length)[0]
    assert traction(SOIL, WHEEL, LOAD, s) == pytest.approx(expected, rel=1e-9)


def test_traction_starts_at_zero_and_is_smooth_across_its_series() -> None:
    assert traction(SOIL, WHEEL, LOAD, 0.0) == 0.0
    slips = np.geomspace(1e-6, 1e-3, 200)
    ratio = traction(SOIL, WHEEL, LOAD, slips) / slips
    assert np.max(np.abs(np.diff(ratio))) < 1e-3 * ratio[0]
    assert np.all(np.diff(ratio) < 1e-6 * ratio[0])


def test_pull_grows_with_slip_and_heavy_bulldozing_can_stop_the_wheel() -> None:
    pull = drawbar_pull(SOIL, WHEEL, LOAD, np.linspace(0.0, 0.9, 10), MOON)
    assert np.all(np.diff(pull) > 0.0)
    assert pull[0] < 0.0


def test_bulldozing_vanishes_with_the_load() -> None:
    # The wedge term goes like sqrt(z), and z like W^(2/3): a thousandth of the load leaves a tenth of the force.
    force = bulldozing_resistance(SOIL, WHEEL, [0.0, 1e-12, 1e-9], MOON)
    assert force[0] == 0.0
    assert force[2] / force[1] == pytest.approx(10.0, rel=1e-3)


def test_factors_follow_the_friction_angle_when_not_given() -> None:
    free = SoilParameters(friction_angle=math.radians(33.0), bulldozing_cohesion_factor=None, bulldozing_weight_factor=None)
    given = SoilParameters(friction_angle=math.radians(33.0))
    assert bulldozing_resistance(free, WHEEL, LOAD, MOON) == pytest.approx(
        bulldozing_resistance(given, WHEEL, LOAD, MOON), rel=1e-4
    )


def test_each_share_of_the_rover_is_counted_once() -> None:
    no_dozing = WheelParameters(bulldozing_count=0, rolling_coefficient=0.0)
    assert rover_resistance(SOIL, no_dozing, 4.0 * LOAD, MOON) == pytest.approx(4.0 * compaction_resistance(SOIL, WHEEL, LOAD))


def test_nan_and_impossible_loads_give_nan() -> None:
    assert np.all(np.isnan(sinkage(SOIL, WHEEL, [math.nan, -1.0])))
    assert np.isnan(rover_resistance(SOIL, WHEEL, math.nan, MOON))
    assert np.all(np.isnan(traction(SOIL, WHEEL, LOAD, [math.nan, -0.1, 1.1])))


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: rover_resistance(SoilParameters(frictional_modulus=5e3), WHEEL, 4000.0, MOON), "sinkage"),
        (lambda: ResistanceParameters(model="bekker", soil=SoilParameters(cohesive_modulus=-1e6)), "cohesive_modulus"),
        (lambda: WheelParameters(bulldozing_count=5), "bulldozing_count"),
        (lambda: SoilParameters(density=math.nan), "density"),
    ],
)
def test_bad_input_is_refused_in_one_line(build: object, field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        build()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
