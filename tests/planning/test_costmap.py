import ctypes
import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from front_end_cases import LEAN, cost_map, flat, ramp, rough

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import ResistanceParameters, SlipParameters, drive_power, turn_power
from rover_energy.mission import MissionParameters, WeightParameters
from rover_energy.planning.cost_model import CostModel
from rover_energy.planning.costmap import EDGE_CLEARANCE, OFFSETS, Blocked, CostMap
from rover_energy.planning.native_map import address, library, map_structure
from rover_energy.planning.search_fallback import cost_field
from rover_energy.power.pv import panel_normal, pv_power
from rover_energy.power.rtg import rtg_power
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

ROVER = RoverParameters()
MOON = 1.62


def with_resistance(**values) -> RoverParameters:
    return replace(ROVER, locomotion=replace(ROVER.locomotion, resistance=ResistanceParameters(**values)))


@pytest.mark.parametrize("rover", [ROVER, with_resistance(c1=30.0, c2=60.0), with_resistance(model="bekker")])
def test_the_fastest_speed_uses_the_supply_exactly(rover):
    """Against the demand model itself: at the speed found drive and turn power equal the supply, or a limit holds."""
    rng = np.random.default_rng(1)
    tangent, turn = rng.uniform(-0.3, 0.3, 400), rng.uniform(0.0, 0.7, 400)
    tan_tilt = np.hypot(tangent, rng.uniform(0.0, 0.2, 400))
    power = rng.uniform(1.0, 200.0, 400)
    model = CostModel.from_parameters(rover, LEAN, MOON)
    v = model.steady_speed(power, tangent, 1.0 / np.hypot(1.0, tan_tilt), turn)
    used = drive_power(
        rover.locomotion, speed=v, acceleration=0.0, along_slope=np.arctan(tangent), tilt=np.arctan(tan_tilt), gravity=MOON
    ) + turn_power(rover.locomotion, yaw_rate=turn * v, yaw_acceleration=0.0)
    cap = np.minimum(rover.limits.speed, rover.limits.yaw_rate / turn)
    limited = v < cap * (1.0 - 1e-9)
    assert 50 < limited.sum() < 350
    assert used[limited] == pytest.approx(power[limited], rel=1e-4)  # the tables of slip are linear between 512 points
    assert np.all(used <= power * (1.0 + 1e-4))
    assert np.all(v <= cap * (1.0 + 1e-12))


def test_no_power_means_no_speed():
    model = CostModel.from_parameters(ROVER, LEAN, MOON)
    assert np.all(model.steady_speed([0.0, -5.0, math.nan], 0.0, 1.0, 0.0) == 0.0)
    assert np.all(np.isinf(model.rate([0.0, -5.0, math.nan], 0.0, 0.0, 0.0)))


def test_level_ground_in_closed_form():
    rover = replace(ROVER, locomotion=replace(ROVER.locomotion, slip=SlipParameters(flat=0.0)))
    costmap = cost_map(flat(), rover)
    surplus = float(rtg_power(rover.rtg, LEAN.years_since_fuelling)) - rover.loads.base_power
    speed = surplus * rover.locomotion.drivetrain_efficiency / rover.locomotion.resistance.c0
    assert speed < rover.limits.speed
    middle = costmap.edge_cost[30, 30]
    assert middle == pytest.approx(np.hypot(*OFFSETS.T) * costmap.resolution / speed, rel=1e-6)
    assert costmap.least_cost == pytest.approx(1.0 / speed)


def test_uphill_costs_more_and_steep_directions_are_closed():
    costmap = cost_map(ramp(math.radians(16.0)))  # limits: 15 deg along the heading, 20 deg of tilt
    east, north, west = costmap.edge_cost[40, 40, [0, 4, 8]]
    assert np.isinf(east)
    assert np.isinf(west)
    assert np.isfinite(north)
    gentle = cost_map(ramp(math.radians(8.0))).edge_cost[40, 40]
    assert gentle[0] > gentle[4] > 0.0
    assert gentle[0] > gentle[8]
    assert cost_map(ramp(math.radians(21.0))).blocked[40, 40] == Blocked.TILT


def test_energy_weight_adds_the_energy_of_all_loads():
    mission = replace(LEAN, weights=WeightParameters(time=0.0, energy=1.0))
    timed, spent = cost_map(flat()), cost_map(flat(), mission=mission)
    available = float(rtg_power(ROVER.rtg, LEAN.years_since_fuelling))  # the speed is power-limited: all of it is used
    assert spent.edge_cost[30, 30] == pytest.approx(available * timed.edge_cost[30, 30], rel=1e-6)


def test_power_limit_and_battery_change_the_supply():
    free = cost_map(flat(), mission=MissionParameters())
    assert free.supply[0] - cost_map(flat()).supply[0] == pytest.approx(ROVER.battery.max_discharge_power)
    capped = cost_map(flat(), mission=replace(LEAN, power_limit=80.0))
    assert capped.power_at(10.0, 10.0, 0.3) == pytest.approx(80.0 - ROVER.loads.base_power)
    surface = Surface.from_terrain(flat(), 0.4)
    own = CostMap.build(surface, Environment.dark(MOON), ROVER, MissionParameters(), battery_power=10.0)
    assert own.supply[0] - cost_map(flat()).supply[0] == pytest.approx(10.0)


def test_supply_of_a_leaning_panel_follows_the_heading():
    rover = replace(ROVER, pv=replace(ROVER.pv, panel_pitch=0.6, panel_azimuth=0.4))
    scene = Environment.constant(gravity=MOON, sun_azimuth=1.0, sun_elevation=0.9, irradiance=1361.0)
    terrain = rough(3, rocks=0)
    costmap = cost_map(terrain, rover, environment=scene)
    surface = Surface.from_terrain(terrain, rover.footprint)
    i, j = np.random.default_rng(0).integers(5, 100, (2, 50))
    heading = np.linspace(-3.0, 3.0, 50)
    x, y = costmap.x0 + costmap.resolution * i, costmap.y0 + costmap.resolution * j
    normal = panel_normal(rover.pv, *surface.gradient(x, y), heading)
    light = pv_power(rover.pv, normal=normal, sun_direction=scene.sun_direction(0.0), direct=1361.0, diffuse=0.0, sunlit=1.0)
    wanted = light + float(rtg_power(rover.rtg, LEAN.years_since_fuelling)) - rover.loads.base_power
    assert costmap.power_at(x, y, heading) == pytest.approx(wanted, abs=0.01 * light.max())


def test_clearance_is_the_distance_to_widened_polygons():
    terrain = rough(5, rocks=12)
    costmap = cost_map(terrain)
    rng = np.random.default_rng(2)
    i, j = rng.integers(5, costmap.clearance.shape[1] - 5, (2, 300))
    for x, y, got, kind in zip(0.3 * i, 0.3 * j, costmap.clearance[j, i], costmap.obstacle[j, i], strict=True):
        point = shapely.Point(x, y)
        edge = min(x, y, 40.0 - x, 40.0 - y) - EDGE_CLEARANCE
        rocks = min(p.distance(point) if not p.contains(point) else -p.exterior.distance(point) for p in terrain.keep_outs)
        rocks = min(rocks, 5.0) - ROVER.width / 2.0
        assert got == pytest.approx(min(edge, rocks), abs=1e-9)
        assert kind == (Blocked.KEEP_OUT if rocks < edge else Blocked.MAP_EDGE)


def test_no_data_is_blocked_wherever_the_surface_says_so():
    height = rough(6).height.copy()
    height[60:70, 80:95] = np.nan
    height[20, 20] = np.nan
    terrain = Terrain(height, 0.0, 0.0, 0.25)
    costmap = cost_map(terrain)
    x, y = np.random.default_rng(0).uniform(1.0, 39.0, (2, 4000))
    without = ~Surface.from_terrain(terrain, ROVER.footprint).has_data(x, y)
    clearance = costmap.clearance_at(x, y)
    assert without.sum() > 50
    assert np.all(clearance[without] < 0.1)
    assert np.mean(clearance[~without] > 0.0) > 0.95
    assert costmap.obstacle_at(21.9, 16.2) == Blocked.NO_DATA


@pytest.mark.parametrize("sense", [1, -1])
def test_cost_to_go_equals_dijkstra(sense):
    """Compiled, resumed A* against scipy's Dijkstra over the same edges."""
    built = library()
    if built is None:
        pytest.skip("no C compiler")
    costmap = cost_map(rough(7, steepness=0.15))
    start, goal = np.array([8.0, 9.0, 0.0]), np.array([31.0, 27.0, 0.0])
    nodes = np.random.default_rng(0).permutation(costmap.clearance.size)[:500].astype(np.int64)
    got = np.empty(len(nodes))
    structure = map_structure(costmap, 1.0, 1.0, 0.0)
    pointers = [ctypes.c_void_p(address(a)) for a in (start, goal, nodes, got)]
    built.cost_to_go(
        ctypes.byref(structure), ctypes.c_int64(sense), pointers[0], pointers[1], pointers[2], ctypes.c_int64(500), pointers[3]
    )
    wanted = cost_field(costmap, tuple(goal), sense).ravel()[nodes]
    assert np.isfinite(wanted).sum() > 300
    assert np.array_equal(np.isfinite(got), np.isfinite(wanted))
    assert got[np.isfinite(got)] == pytest.approx(wanted[np.isfinite(wanted)], rel=1e-12)


def test_the_grid_covers_the_map_and_scales():
    costmap = cost_map(flat(size=30.2, cell=0.5))
    nx = costmap.clearance.shape[1]
    xmax = costmap.surface.extent[2]
    assert 0.0 <= (nx - 1) * costmap.resolution - xmax < costmap.resolution
    large = cost_map(Terrain(np.zeros((300, 200)), 100.0, -50.0, 5.0))
    assert max(large.clearance.shape) <= 402


@pytest.mark.parametrize("resolution", [0.0, -1.0, math.nan, 1e9])
def test_bad_resolution_is_refused(resolution):
    with pytest.raises(InputError, match="resolution"):
        cost_map(flat(), resolution=resolution)


def test_light_beyond_the_horizon_is_refused():
    scene = Environment(
        times=np.array([0.0, 100.0]), gravity=MOON, sun=np.array([[0.0, 0.0, 1.0]] * 2), direct=np.ones(2), diffuse=np.ones(2)
    )
    with pytest.raises(InputError, match="light is not known"):
        CostMap.build(Surface.from_terrain(flat(), 0.4), scene, ROVER, LEAN, time=101.0)
