import ctypes
import math
from dataclasses import replace

import numpy as np
import pytest
from front_end_cases import cost_map, flat, random_poses, real_terrain, rough
from scipy.interpolate import BSpline

from rover_energy.environment.scene import Environment
from rover_energy.planning import smoothing_fallback
from rover_energy.planning.front_end import find_path
from rover_energy.planning.native_map import BandAnswerStructure, BandStructure, address, library
from rover_energy.planning.path import check_path
from rover_energy.planning.search import SearchFailure, SearchOptions, allowance, find_arcs
from rover_energy.planning.smoothing import smooth, spline_path
from rover_energy.rover import RoverParameters

ROVER = RoverParameters()
compiled = pytest.mark.skipif(library() is None, reason="no C compiler")


def lit(terrain):
    """Low Sun and shadows: the supply changes from place to place and with the heading."""
    rover = replace(ROVER, pv=replace(ROVER.pv, panel_pitch=0.4, panel_azimuth=0.7))
    scene = Environment.constant(gravity=1.62, sun_azimuth=0.5, sun_elevation=0.12, irradiance=1361.0, terrain=terrain)
    return cost_map(terrain, rover, environment=scene)


def a_band(costmap, seed: int, distance: float = 12.0):
    """A band about to be pulled: its structure, free variables and limits."""
    from rover_energy.planning.smoothing import _initial

    for start, goal in random_poses(costmap, 60, distance, seed):
        try:
            allowed = allowance(costmap, start, goal)
            arcs = find_arcs(costmap, start, goal, allowed=allowed)
        except SearchFailure:
            continue
        path = arcs.path()
        count = round(path.length / 0.57)
        target = (goal[0], goal[1], float(path.heading[-1]))
        band = BandStructure(
            count, 4, 40, arcs.cost, 2000.0, 0.02, 0.8 * costmap.limits.curvature, 0.4 * allowed.tan_slope,
            0.5 * allowed.tan_tilt, 1.5, path.length / count, start, target, 5.0,
        )  # fmt: skip
        return band, _initial(path, count), allowed
    raise AssertionError("no problem can be solved")


# ---- every path that is returned holds ----


@pytest.mark.parametrize(("seed", "steepness"), [(0, 0.08), (1, 0.12), (2, 0.16), (3, 0.2)])
def test_every_path_keeps_all_limits_at_a_centimetre(seed, steepness):
    terrain = rough(seed, steepness=steepness)
    if seed == 0:
        height = terrain.height.copy()
        height[70:85, 60:100] = np.nan
        terrain = replace(terrain, height=height)
    costmap = lit(terrain) if seed % 2 else cost_map(terrain)
    found, reasons = 0, set()
    for start, goal in random_poses(costmap, 25, 16.0, seed):
        try:
            result = find_path(costmap, start, goal)
        except SearchFailure as failure:
            reasons.add(failure.reason)
            continue
        found += 1
        path = result.path
        margins = check_path(path, costmap.surface, ROVER, keep_outs=terrain.keep_outs, start=start, goal=goal)
        assert margins.feasible, (start, goal, margins)
        assert path.heading[0] == pytest.approx(start[2], abs=1e-9)  # the same branch, not only modulo a turn
        assert path.heading[-1] == pytest.approx(result.goal[2], abs=1e-9)
        assert np.max(np.diff(path.s)) < 0.15
        assert result.cost <= 1.03 * result.search.cost
    assert found >= 5
    assert "budget_exhausted" not in reasons


def test_headings_along_the_line_never_make_a_loop():
    costmap = cost_map(rough(8, steepness=0.1))
    for start, goal in random_poses(costmap, 30, 15.0, seed=5, spread=0.5):
        start = (start[0], start[1], start[2] + 14.0 * math.pi)  # any branch may be handed in
        try:
            path = find_path(costmap, start, goal).path
        except SearchFailure:
            continue
        assert path.heading[0] == pytest.approx(start[2], abs=1e-9)
        assert abs(path.heading[-1] - path.heading[0]) <= 1.0 + 1e-9
        assert np.ptp(path.heading) < math.pi


def test_curvature_is_continuous():
    costmap = cost_map(rough(9, steepness=0.1))
    start, goal = (8.0, 8.0, 0.3), (30.0, 28.0, 1.2)
    path = find_path(costmap, start, goal).path
    s = np.linspace(0.0, path.length, 20001)
    jumps = np.abs(np.diff(path.at(s)[3]))
    assert jumps.max() < 5e-3  # 1 mm apart; the arcs it came from jump by 0.2 and more
    assert np.abs(np.diff(path.heading) / np.diff(path.s) - 0.5 * (path.curvature[1:] + path.curvature[:-1])).max() < 0.02


def test_smoothing_makes_paths_cheaper():
    costmap = cost_map(rough(10, steepness=0.13))
    ratios = []
    for start, goal in random_poses(costmap, 25, 16.0, seed=6, spread=0.5):
        try:
            result = find_path(costmap, start, goal)
        except SearchFailure:
            continue
        arcs = result.search.path(0.05)
        hx, hy = costmap.surface.gradient(arcs.x, arcs.y)
        tangent = hx * np.cos(arcs.heading) + hy * np.sin(arcs.heading)
        rate = costmap.model.rate(costmap.power_at(arcs.x, arcs.y, arcs.heading), tangent, np.hypot(hx, hy), arcs.curvature)
        ratios.append(result.cost / float(np.sum(0.5 * (rate[1:] + rate[:-1]) * np.diff(arcs.s))))
    assert len(ratios) > 12
    assert np.median(ratios) < 1.0
    assert max(ratios) < 1.02


def test_no_worse_than_a_brute_force_of_waypoints():
    """On a hill between start and goal, against the best of many smooth arches over one waypoint."""
    x, y = np.meshgrid(np.arange(0.0, 40.1, 0.25), np.arange(0.0, 40.1, 0.25))
    terrain = type(flat())(1.3 * np.exp(-((x - 20.0) ** 2 + (y - 19.0) ** 2) / (2.0 * 4.0**2)), 0.0, 0.0, 0.25)
    costmap = cost_map(terrain)
    start, goal = (6.0, 20.0, 0.0), (34.0, 20.0, 0.0)
    found = find_path(costmap, start, goal).cost
    patient = find_path(costmap, start, goal, search=SearchOptions(inflation=1.0)).cost
    best = math.inf
    u = np.linspace(0.0, 1.0, 600)
    for middle in np.linspace(-12.0, 12.0, 97):
        for power in (2.0, 2.5, 3.0, 4.0):
            px, py = 6.0 + 28.0 * u, 20.0 + middle * (4.0 * u * (1.0 - u)) ** power  # level and straight at both ends
            dx, dy = np.gradient(px, u), np.gradient(py, u)
            speed, heading = np.hypot(dx, dy), np.arctan2(dy, dx)
            hx, hy = costmap.surface.gradient(px, py)
            tangent = hx * np.cos(heading) + hy * np.sin(heading)
            curvature = np.gradient(heading, u) / speed
            rate = costmap.model.rate(costmap.power_at(px, py, heading), tangent, np.hypot(hx, hy), curvature)
            best = min(best, float(np.trapezoid(rate * speed, u)))
    assert patient < 1.003 * best
    assert found < 1.02 * best


# ---- the spline ----


def test_spline_path_equals_scipy_and_integrates_its_length():
    control = np.cumsum(np.random.default_rng(0).uniform(0.2, 0.8, (12, 2)), axis=0)
    path = spline_path(control, 20.0)
    curve = BSpline(np.arange(-3, len(control) + 1), control, 3)
    u = np.arange(len(path.s)) / 8.0
    assert np.column_stack([path.x, path.y]) == pytest.approx(curve(u), abs=1e-12)
    fine = np.linspace(0.0, u[-1], 200001)
    assert path.length == pytest.approx(np.sum(np.hypot(*np.diff(curve(fine), axis=0).T)), rel=1e-9)
    d1, d2 = curve(u, 1), curve(u, 2)
    assert path.curvature == pytest.approx((d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]) / np.hypot(*d1.T) ** 3, abs=1e-9)
    assert abs(path.heading[0] - 20.0) <= math.pi


def test_controls_hold_position_and_direction_at_both_ends():
    band, z, _ = a_band(cost_map(flat()), 1)
    matrix, constant = smoothing_fallback.control_map(band)
    z = z + np.random.default_rng(0).normal(0.0, 0.05, len(z))
    path = spline_path((matrix @ z + constant).reshape(-1, 2), band.start[2])
    for k, pose in ((0, band.start), (-1, band.goal)):
        assert (path.x[k], path.y[k]) == pytest.approx(tuple(pose)[:2], abs=1e-12)
        assert math.remainder(path.heading[k] - pose[2], 2.0 * math.pi) == pytest.approx(0.0, abs=1e-12)


# ---- the band: derivatives, and C against numpy ----


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gradient_of_the_band_equals_differences(seed):
    costmap = lit(rough(50 + seed, steepness=0.12))
    band, z, _ = a_band(costmap, seed)
    z = z + np.random.default_rng(seed).normal(0.0, 0.02, len(z))
    residuals = smoothing_fallback._Residuals(costmap, band)
    matrix, constant = smoothing_fallback.control_map(band)

    def value(free):
        points = (matrix @ free + constant).reshape(-1, 2)
        return float(np.sum(residuals(points, derive=False)[0] ** 2) + np.sum((residuals.jerk @ points) ** 2))

    _, gradient = smoothing_fallback._normal_equations(residuals, matrix, (matrix @ z + constant).reshape(-1, 2))
    step = 1e-6
    differences = np.array([(value(z + step * e) - value(z - step * e)) / (2.0 * step) for e in np.eye(len(z))])
    assert 2.0 * gradient == pytest.approx(differences, rel=2e-3, abs=2e-3 * np.abs(differences).max())


@compiled
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_band_in_c_and_numpy_are_the_same(seed):
    costmap = lit(rough(60 + seed, steepness=0.12))
    band, z, allowed = a_band(costmap, seed)
    results = []
    for native in (True, False):
        free, control, answer = z.copy(), np.zeros((band.segments + 3, 2)), BandAnswerStructure()
        if native:
            structure = allowed.structure(costmap)
            library().band_optimise(
                ctypes.byref(structure), ctypes.byref(band), ctypes.c_double(1e-9),
                ctypes.c_void_p(address(free)), ctypes.c_void_p(address(control)), ctypes.byref(answer),
            )  # fmt: skip
        else:
            smoothing_fallback.band_optimise(costmap, band, 1e-9, free, control, answer)
        results.append((answer.objective, control, answer.accepted))
    assert results[0][2] > 5
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-4)
    assert np.abs(results[0][1] - results[1][1]).max() < 0.03


@compiled
def test_a_single_step_in_c_and_numpy_is_the_same():
    costmap = lit(rough(70, steepness=0.12))
    band, z, allowed = a_band(costmap, 3)
    band.iterations = 1
    controls = []
    for native in (True, False):
        free, control, answer = z.copy(), np.zeros((band.segments + 3, 2)), BandAnswerStructure()
        if native:
            structure = allowed.structure(costmap)
            library().band_optimise(
                ctypes.byref(structure), ctypes.byref(band), ctypes.c_double(0.0),
                ctypes.c_void_p(address(free)), ctypes.c_void_p(address(control)), ctypes.byref(answer),
            )  # fmt: skip
        else:
            smoothing_fallback.band_optimise(costmap, band, 0.0, free, control, answer)
        controls.append(control)
    assert np.abs(controls[0] - controls[1]).max() < 1e-6


def test_smooth_accepts_a_short_path():
    costmap = cost_map(flat())
    start, goal = (10.0, 10.0, 0.0), (10.6, 10.0, 0.0)
    result = find_path(costmap, start, goal)
    assert result.path.length == pytest.approx(0.6, abs=1e-3)
    assert check_path(result.path, costmap.surface, ROVER, start=start, goal=goal).feasible


def test_a_band_pushed_off_an_impossible_path_is_not_returned():
    """Ends that the limits cannot join: excess is reported, never hidden."""
    costmap = cost_map(flat())
    start, goal = (10.0, 10.0, 0.0), (10.0, 11.0, math.pi)  # a half turn of radius 0.5 m where 1.5 m is the least
    from rover_energy.planning.path import path_from_arcs

    tight = path_from_arcs(start, [(2.0, math.pi / 2.0)], 0.05)
    band = smooth(costmap, tight, start, goal, 10.0, allowance(costmap, start, goal))
    assert band.excess > 0.3


# ---- real ground ----


@pytest.mark.parametrize(
    ("name", "gravity", "distance", "least"),
    [
        ("moon_aristarchus_imp.tif", 1.62, 20.0, 18),
        ("moon_aristarchus_imp.tif", 1.62, 400.0, 18),
        ("marsyard2021.tif", 3.71, 20.0, 5),
    ],
)
def test_real_terrain(name, gravity, distance, least):
    costmap = cost_map(real_terrain(name), gravity=gravity)
    found, reasons = 0, set()
    for start, goal in random_poses(costmap, 20, distance, seed=3, spread=0.5):
        try:
            path = find_path(costmap, start, goal).path
        except SearchFailure as failure:
            reasons.add(failure.reason)
            continue
        margins = check_path(path, costmap.surface, ROVER, start=start, goal=goal)
        assert margins.feasible, (start, goal, margins)
        found += 1
    assert found >= least
    assert "budget_exhausted" not in reasons
