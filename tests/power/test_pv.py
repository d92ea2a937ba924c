"""Array: panel attitude against rotation matrices, power against closed forms, gradients, darkness and NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from rover_energy.errors import InputError
from rover_energy.power.pv import PvParameters, array_gain, panel_normal, pv_power

PLAIN = PvParameters(
    area=2.0, efficiency=0.3, conversion_efficiency=0.9, dust_factor=0.8, temperature_coefficient=-0.002,
    reference_temperature=300.0, cell_temperature=350.0,
)  # fmt: skip
slopes = st.floats(-0.6, 0.6)
angles = st.floats(-math.pi, math.pi)


def power(parameters: PvParameters, normal: object, sun: object, direct: float = 1361.0, **others: float) -> np.ndarray:
    values = {"diffuse": 0.0, "sunlit": 1.0, **others}
    return pv_power(parameters, normal=normal, sun_direction=sun, direct=direct, **values)


@settings(max_examples=150, deadline=None)
@given(hx=slopes, hy=slopes, heading=angles, pitch=st.floats(-1.5, 1.5), azimuth=angles)
def test_normal_equals_the_rotation_built_by_scipy(hx: float, hy: float, heading: float, pitch: float, azimuth: float) -> None:
    # Independent route: yaw, then the pitch of the tangent along the heading, then the roll that brings z to the normal.
    up = np.array([-hx, -hy, 1.0]) / math.sqrt(1.0 + hx * hx + hy * hy)
    phi = math.atan(hx * math.cos(heading) + hy * math.sin(heading))
    yawed = Rotation.from_euler("z", heading) * Rotation.from_euler("y", -phi)
    local = yawed.inv().apply(up)
    body = yawed * Rotation.from_euler("x", math.atan2(-local[1], local[2]))
    lean = Rotation.from_euler("z", azimuth) * Rotation.from_euler("y", pitch)
    expected = (body * lean).apply([0.0, 0.0, 1.0])
    parameters = PvParameters(panel_pitch=pitch, panel_azimuth=azimuth)
    assert panel_normal(parameters, hx, hy, heading) == pytest.approx(expected, abs=1e-12)


def test_a_flat_panel_follows_the_surface_whatever_the_heading() -> None:
    normals = panel_normal(PvParameters(), 0.2, -0.1, np.linspace(-3.0, 3.0, 7))
    expected = np.array([-0.2, 0.1, 1.0]) / np.sqrt(1.05)
    assert normals == pytest.approx(np.tile(expected, (7, 1)), abs=1e-15)


def test_a_panel_that_leans_forward_looks_along_the_heading() -> None:
    parameters = PvParameters(panel_pitch=math.pi / 2.0)
    assert panel_normal(parameters, 0.0, 0.0, math.pi / 2.0) == pytest.approx([0.0, 1.0, 0.0], abs=1e-15)


def test_closed_form_at_normal_incidence() -> None:
    # 2 m2 * 0.3 * (1 - 0.002 * 50) * 0.9 * 0.8 * 1361 W/m2
    assert power(PLAIN, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]) == pytest.approx(2.0 * 0.3 * 0.9 * 0.9 * 0.8 * 1361.0)


def test_spherical_form_of_the_incidence_angle() -> None:
    # cos i = sin e cos b + cos e sin b cos(az_sun - az_panel), azimuths clockwise from north.
    e, b, sun_azimuth, panel_azimuth = 0.3, 0.5, 1.1, 0.4
    sun = [math.cos(e) * math.sin(sun_azimuth), math.cos(e) * math.cos(sun_azimuth), math.sin(e)]
    heading = math.pi / 2.0 - panel_azimuth
    normal = panel_normal(PvParameters(panel_pitch=b), 0.0, 0.0, heading)
    cosine = math.sin(e) * math.cos(b) + math.cos(e) * math.sin(b) * math.cos(sun_azimuth - panel_azimuth)
    assert power(PLAIN, normal, sun) == pytest.approx(array_gain(PLAIN) * 1361.0 * cosine)


def test_sun_behind_the_panel_gives_nothing_but_the_sky() -> None:
    assert power(PLAIN, [0.0, 0.0, 1.0], [0.0, 1.0, -0.0001]) == 0.0
    lit = power(PLAIN, [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], diffuse=100.0)
    assert lit == pytest.approx(array_gain(PLAIN) * 50.0)


def test_diffuse_share_is_the_sky_view_factor_by_quadrature() -> None:
    # The isotropic sky over the panel: integral of max(0, n . w) over the upper hemisphere over pi.
    normal = np.array([math.sin(0.7), 0.0, math.cos(0.7)])
    nodes, weights = np.polynomial.legendre.leggauss(200)
    cosine = 0.5 * (nodes + 1.0)
    azimuth = np.linspace(0.0, 2.0 * math.pi, 400, endpoint=False)
    sine = np.sqrt(1.0 - cosine**2)
    dot = normal[0] * sine[:, None] * np.cos(azimuth) + normal[2] * cosine[:, None]
    view = float(np.sum(0.5 * weights[:, None] * np.maximum(0.0, dot)) * 2.0 * math.pi / 400 / math.pi)
    computed = power(PLAIN, normal, [0.0, 0.0, 1.0], direct=0.0, diffuse=1.0) / array_gain(PLAIN)
    assert computed == pytest.approx(view, abs=2e-4)


def test_shadow_and_dust_scale_the_beam() -> None:
    full = power(PLAIN, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    dusty = PvParameters(**{**PLAIN.__dict__, "dust_rate": 0.0028})
    assert power(PLAIN, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], sunlit=0.25) == pytest.approx(0.25 * full)
    assert power(dusty, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], days=100.0) == pytest.approx(full * 0.9972**100)


def test_gradient_with_heading_by_finite_differences() -> None:
    # On level ground a leaning panel sees cos i = sin e cos b + cos e sin b cos(delta), so dP/dheading is known.
    parameters = PvParameters(panel_pitch=0.6)
    e, step = 0.4, 1e-5
    sun = [math.cos(e), 0.0, math.sin(e)]

    def at(heading: float) -> float:
        return float(power(parameters, panel_normal(parameters, 0.0, 0.0, heading), sun))

    slope = -array_gain(parameters) * 1361.0 * math.cos(e) * math.sin(0.6) * math.sin(0.8)
    assert (at(0.8 + step) - at(0.8 - step)) / (2.0 * step) == pytest.approx(slope, rel=1e-7)


def test_the_linear_temperature_law_never_turns_negative() -> None:
    hot = PvParameters(temperature_coefficient=-0.05, cell_temperature=400.0)
    assert array_gain(hot) == 0.0


@pytest.mark.parametrize("name", ["direct", "diffuse", "sunlit", "days"])
def test_nan_is_passed_on(name: str) -> None:
    values = {"direct": 1361.0, "diffuse": 1.0, "sunlit": 1.0, "days": 0.0, name: math.nan}
    assert np.isnan(pv_power(PLAIN, normal=[0.0, 0.0, 1.0], sun_direction=[0.0, 0.0, 1.0], **values))
    assert np.isnan(power(PLAIN, [0.0, 0.0, 1.0], [0.0, 0.0, math.nan]))


def test_shapes_broadcast() -> None:
    normals = panel_normal(PLAIN, np.zeros((4, 1)), np.zeros(3), 0.0)
    assert normals.shape == (4, 3, 3)
    result = pv_power(
        PLAIN, normal=normals, sun_direction=[0.0, 0.0, 1.0], direct=np.ones(3), diffuse=0.0, sunlit=np.ones((4, 1))
    )
    assert result.shape == (4, 3)


@pytest.mark.parametrize(
    ("field", "value"), [("area", -1.0), ("efficiency", 1.1), ("dust_factor", math.nan), ("panel_pitch", 2.0)]
)
def test_bad_constants_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        PvParameters(**{field: value})
