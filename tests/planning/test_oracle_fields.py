"""The oracle's evaluation of terrain, light and clearance against the splines in numpy."""

from __future__ import annotations

import ctypes
from importlib import resources
from typing import Any

import numpy as np
import pytest
from plan_cases import changing, rough
from planner_cases import NEEDS_COMPILER, has_compiler, scene

from rover_energy.environment.scene import Environment
from rover_energy.native import load_library
from rover_energy.planning.scene_fields import Grid, SceneFields
from rover_energy.planning.stage import DATA, FIELD_TERMS, HEIGHT_TERMS, taylor
from rover_energy.terrain.field import ScalarField
from rover_energy.terrain.surface import Surface

pytestmark = pytest.mark.skipif(not has_compiler, reason=NEEDS_COMPILER)

DOUBLES = ctypes.POINTER(ctypes.c_double)
LIGHT = slice(len(HEIGHT_TERMS), len(HEIGHT_TERMS) + 6)
CLEARANCE = slice(LIGHT.stop, LIGHT.stop + 6)
SUN = slice(CLEARANCE.stop, CLEARANCE.stop + 5)


class Fields:
    """`fields.c` alone, with its one static function made callable."""

    def __init__(self, fields: SceneFields) -> None:
        source = resources.files("rover_energy.planning").joinpath("fields.c").read_text(encoding="utf-8")
        probe = "\nvoid probe(double x, double y, double t, double *out) { sample_data(x, y, t, out); }\n"
        library = load_library(source + probe, "fields-probe")
        assert library is not None
        library.fields_set.argtypes = [ctypes.c_int, DOUBLES, ctypes.c_int, ctypes.c_int, *[ctypes.c_double] * 4]
        library.scene_set.argtypes = [DOUBLES, ctypes.c_int, ctypes.c_double, ctypes.c_double]
        library.probe.argtypes = [ctypes.c_double, ctypes.c_double, ctypes.c_double, DOUBLES]
        for which, grid in enumerate((fields.height, fields.sunlit, fields.clearance)):
            if grid.coefficients is None:
                library.fields_set(which, None, 0, 0, 0.0, 0.0, 1.0, grid.constant)
            else:
                rows, columns = grid.coefficients.shape[-2:]
                pointer = grid.coefficients.ctypes.data_as(DOUBLES)
                library.fields_set(which, pointer, rows, columns, grid.x0, grid.y0, grid.cell, 0.0)
        library.scene_set(fields.slices.ctypes.data_as(DOUBLES), len(fields.slices), fields.start, fields.step)
        self._library, self._kept = library, fields

    def at(self, x: Any, y: Any, t: Any) -> Any:
        """(n, DATA)"""
        out = np.full((len(x), DATA), np.nan)
        for row, place in zip(out, np.column_stack([x, y, t]), strict=True):
            self._library.probe(*place, row.ctypes.data_as(DOUBLES))
        return out


def points(count: int = 500, low: float = 0.0, high: float = 40.0, end: float = 60.0, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, count), rng.uniform(low, high, count), rng.uniform(0.0, end, count)


def close(found: Any, wanted: Any) -> None:
    assert np.abs(found - wanted).max() <= 1e-12 * max(1.0, np.abs(wanted).max())


def test_height_up_to_fourth_order_on_the_whole_map() -> None:
    fields = scene()
    surface = Surface(fields.height.coefficients, 0.0, 0.0, 0.5)
    x, y, t = points()
    x[:3], y[:3] = (0.0, 40.0, 20.0), (40.0, 0.0, 20.5)  # corners and a node
    found = Fields(fields).at(x, y, t)
    wanted = surface.derivatives(x, y, 4)
    for k, term in enumerate(HEIGHT_TERMS):
        close(found[:, k], wanted[term])
    assert len(HEIGHT_TERMS) == 14


def test_clearance_and_light_up_to_second_order_and_between_slices() -> None:
    fields = scene()
    x, y, t = points(seed=1, low=0.5, high=39.5)
    t = np.minimum(t, 54.9)
    found = Fields(fields).at(x, y, t)
    clearance = ScalarField(fields.clearance.coefficients, 0.0, 0.0, 0.4).derivatives(x, y, 2)
    lit = ScalarField(fields.sunlit.coefficients, 0.0, 0.0, 0.5)
    u = (t - fields.start) / fields.step
    k = np.floor(u).astype(int)
    before, after = lit.derivatives(x, y, 2, k), lit.derivatives(x, y, 2, k + 1)
    for i, term in enumerate(FIELD_TERMS):
        close(found[:, CLEARANCE][:, i], clearance[term])
        close(found[:, LIGHT][:, i], (1 - u + k) * before[term] + (u - k) * after[term])


@pytest.mark.parametrize("slices", [1, 5])
def test_light_and_sun_are_those_of_the_environment(slices: int) -> None:
    surface = rough(4, nodes=81, cell=0.5, blur=2.0)
    light = changing(surface, slices=slices)
    fields = SceneFields(
        Grid(surface.coefficients, 0.0, 0.0, 0.5), Grid(light.sunlit, light.x0, light.y0, light.cell), Grid(None, constant=2.0),
        np.ascontiguousarray(np.column_stack([light.sun, light.direct, light.diffuse])), float(light.times[0]),
        float(light.times[1]) if slices > 1 else 1.0,
    )  # fmt: skip
    x, y, t = points(seed=2, end=float(light.times[-1]) if slices > 1 else 50.0)
    found = Fields(fields).at(x, y, t)
    close(found[:, LIGHT.start], light.sunlit_fraction(x, y, t))
    close(found[:, SUN], np.column_stack([light.sun_direction(t), light.direct_irradiance(t), light.diffuse_irradiance(t)]))
    gradient = light.sunlit_gradient(x, y, t)
    close(found[:, LIGHT][:, 1:3], np.column_stack(gradient))
    close(found[:, CLEARANCE], np.tile([2.0, 0.0, 0.0, 0.0, 0.0, 0.0], (len(x), 1)))


def test_times_outside_the_scene_take_its_ends() -> None:
    fields = scene(slices=3, step=10.0)  # from -5 s to 15 s
    probe = Fields(fields)
    x = y = np.full(4, 20.3)
    early, first, last, late = probe.at(x, y, np.array([-100.0, -5.0, 15.0, 1e6]))
    assert np.array_equal(early, first)
    assert np.array_equal(late, last)
    assert not np.array_equal(first, last)


def test_beyond_the_map_the_last_cell_goes_on() -> None:
    """An iterate outside gets finite, smooth values that lead it back; NaN never hides as a place on the map."""
    fields = scene()
    probe = Fields(fields)
    base, out = probe.at(np.array([39.9, 41.0]), np.array([20.2, 20.2]), np.zeros(2))
    terms = dict(zip(HEIGHT_TERMS, base, strict=False))
    assert out[0] == pytest.approx(float(taylor(terms, (1, 0), 1.1, 0.0, 4)), abs=1e-9)
    assert np.all(np.isfinite(out))
    lost = probe.at(np.array([np.nan]), np.array([20.0]), np.zeros(1))
    assert np.isnan(lost[0, : LIGHT.start]).any()


def test_an_environment_without_shadows_is_fully_lit() -> None:
    light = Environment.constant(1.62, 0.3, 0.4, 1361.0)
    fields = SceneFields(
        scene().height, Grid(None, constant=1.0), Grid(None, constant=1.0),
        np.ascontiguousarray(np.column_stack([light.sun, light.direct, light.diffuse])),
    )  # fmt: skip
    found = Fields(fields).at(*points(20))
    assert np.all(found[:, LIGHT] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
