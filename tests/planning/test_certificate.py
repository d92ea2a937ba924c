"""Certificates: good plans pass, each limit broken fails its own check, and nothing hides between samples."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import plan_cases as cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from shapely import Point, Polygon, box

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.planning.certificate import certify
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.trajectory import Trajectory
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

DARK = Environment.dark(cases.MOON)
BASIC = {
    "power", "speed", "reverse", "acceleration", "yaw_rate", "curvature", "along_slope", "tilt", "sideways", "keep_out", "map",
    "data", "continuity", "ledger", "battery_floor",
}  # fmt: skip
POLYGON = ((20.0, 20.0), (22.0, 20.0), (21.0, 22.0))


def world(**groups):
    return cases.wander(), cases.rough(1, blur=3.0, slope=0.12), cases.sunny(), cases.rover(**groups), cases.mission()


def failed(certificate):
    return {check.name for check in certificate.failures}


def test_a_good_plan_passes_every_check():
    trajectory = cases.wander()
    certificate = certify(*world(), goal=trajectory.end_pose, keep_outs=[Polygon(POLYGON)])
    assert certificate.passed
    assert {check.name for check in certificate.checks} == BASIC | {"goal_position", "goal_heading"}
    profile = evaluate_plan(*world())
    assert certificate.peak_power == pytest.approx(profile.total_power.max(), rel=1e-12)
    assert certificate.least_power_margin == pytest.approx(np.min(profile.available_power - profile.total_power), rel=1e-9)
    assert certificate["tilt"].worst_value == pytest.approx(profile.tilt.max(), rel=1e-12)
    assert certificate["curvature"].worst_value == pytest.approx(np.abs(profile.curvature).max(), rel=1e-9)
    assert certificate.samples > trajectory.duration / 0.01
    assert certificate["power"].between_samples_bound < 0.01
    assert certificate.least_battery_margin == certificate["battery_floor"].margin > 0.0
    with pytest.raises(KeyError):
        certificate["deadline"]


@pytest.mark.parametrize("name", ["speed", "acceleration", "yaw_rate", "curvature", "along_slope", "tilt"])
@pytest.mark.parametrize(("share", "passes"), [(1.0, True), (0.9991, True), (0.9985, False)])
def test_each_limit_of_motion_has_a_tolerance_of_a_thousandth(name, share, passes):
    worst = certify(*world())[name].worst_value
    certificate = certify(*world(limits={**dataclasses.asdict(cases.rover().limits), name: share * worst}))
    # The tolerances of reverse and sideways hang on the speed limit, both far from it here.
    assert failed(certificate) == (set() if passes else {name})
    check = certificate[name]
    assert check.margin == pytest.approx(check.limit - check.worst_value, abs=1e-15)
    at = evaluate_plan(*world(), times=[check.at_time])
    assert abs(getattr(at, name)[0]) == pytest.approx(worst, rel=1e-9)


def broken():
    """Name of the check that must fail -> changed arguments of certify."""
    trajectory, *_, mission = world()
    heading = trajectory.heading.copy()
    heading[5:, 0] += 2e-6
    jump = dataclasses.replace(trajectory, heading=heading)
    x, y = trajectory.evaluate(9.0).x, trajectory.evaluate(9.0).y
    near = Point(float(x), float(y) + 0.7).buffer(0.25)
    height = np.zeros((101, 101))
    height[40:50, 40:50] = np.nan
    hole = Surface.from_terrain(Terrain(height, 0.0, 0.0, 0.2), 0.0)
    small = Surface.from_terrain(Terrain(np.zeros((40, 40)), 0.0, 0.0, 0.2), 0.0)
    energy = float(trapezoid(evaluate_plan(*world()).total_power, evaluate_plan(*world()).t))
    night = cases.rover(rtg={"units": 0}, battery={"capacity": 1e4, "discharge_taper": 0.01})
    return {
        "continuity": {"trajectory": jump},
        "keep_out": {"keep_outs": [near]},
        "map": {"surface": small},
        "data": {"surface": hole},
        "energy_budget": {"mission": dataclasses.replace(mission, energy_budget=energy - 1.0)},
        "deadline": {"mission": dataclasses.replace(mission, deadline=trajectory.duration - 1e-6)},
        "goal_position": {"goal": np.add(trajectory.end_pose, [0.0, 1.1e-3, 0.0])},
        "goal_heading": {"goal": np.add(trajectory.end_pose, [0.0, 0.0, 1.1e-3])},
        "battery_floor": {"rover": night, "environment": DARK, "mission": dataclasses.replace(mission, state_of_charge=0.2)},
        "power": {"mission": dataclasses.replace(mission, power_limit=certify(*world()).peak_power - 1e-6)},
    }


@pytest.mark.parametrize("name", sorted(broken()))
def test_each_broken_limit_fails_its_check_and_no_other(name):
    arguments = dict(zip(("trajectory", "surface", "environment", "rover", "mission"), world(), strict=True))
    arguments |= broken()[name]
    certificate = certify(**arguments)
    assert not certificate.passed
    if name == "map":  # off the map nothing is known: all that depends on the ground fails with it
        assert {"map", "power", "tilt", "data", "battery_floor"} <= failed(certificate)
    else:
        assert failed(certificate) == {name}


def test_the_same_limits_just_met_pass():
    trajectory, surface, environment, rover, mission = world()
    profile = evaluate_plan(*world())
    energy = float(trapezoid(profile.total_power, profile.t))
    mission = dataclasses.replace(mission, energy_budget=energy + 1.0, deadline=trajectory.duration)
    goal = np.add(trajectory.end_pose, [0.0, 0.9e-3, 2 * np.pi + 0.9e-3])
    assert certify(trajectory, surface, environment, rover, mission, goal=goal).passed


def test_reverse_driving_is_refused():
    trajectory = Trajectory("unicycle", [9, 9, 0], [4.0], heading=[[0.0]], speed=[[0.0, -0.4, 0.1]])
    assert failed(certify(trajectory, *world()[1:])) == {"reverse"}


def test_sideways_motion_is_refused():
    trajectory = Trajectory("flat", [9, 9, 0], [4.0], x=[[9.0, 0.3]], y=[[9.0, 0.01]], heading=[[0.0]])
    assert failed(certify(trajectory, *world()[1:])) == {"sideways"}


def test_a_flat_plan_can_pass_and_agrees_with_the_unicycle():
    trajectory, *rest = world()
    flat = certify(cases.as_flat(trajectory), *rest)
    assert failed(flat) <= {"continuity"}  # the fit is good to micrometres, not to rounding
    assert flat.peak_power == pytest.approx(certify(trajectory, *rest).peak_power, abs=0.2)


@pytest.mark.parametrize("spoil", ["off map", "time", "cusp"])
def test_not_a_number_never_passes(spoil):
    trajectory, surface, environment, rover, mission = world()
    if spoil == "off map":
        trajectory = cases.straight(distance=30.0, seconds=60.0)
    elif spoil == "time":
        environment = cases.changing(surface, slices=3, seconds=2.0)  # ends before the plan does
    else:
        trajectory = Trajectory("flat", [9, 9, 0], [2.0], x=[[9.0, 1.0, -1.0, 1 / 3]], y=[[9.0]])
    certificate = certify(trajectory, surface, environment, rover, mission)
    assert not certificate.passed
    assert not certificate["power"].passed
    json.dumps(certificate.to_mapping(), allow_nan=False)


def test_keep_outs_of_the_mission_count_too():
    trajectory, surface, environment, rover, mission = world()
    x, y = (float(v) for v in (trajectory.evaluate(9.0).x, trajectory.evaluate(9.0).y))
    ring = ((x - 0.2, y - 0.2), (x + 0.2, y - 0.2), (x, y + 0.2))
    for polygons, ours in (([], [ring]), ([box(x - 0.1, y - 0.1, x + 0.1, y + 0.1)], [])):
        asked = dataclasses.replace(mission, keep_outs=tuple(ours))
        certificate = certify(trajectory, surface, environment, rover, asked, keep_outs=polygons)
        assert failed(certificate) == {"keep_out"}
        assert certificate["keep_out"].worst_value == 0.0
        assert certificate["keep_out"].at_time == pytest.approx(9.0, abs=1.5)


def test_keep_out_distance_is_that_of_the_centre_line():
    trajectory = cases.straight(start=(8.0, 8.0, 0.0))
    certificate = certify(trajectory, *world()[1:], keep_outs=[box(9, 9.25, 10, 10), box(0, 0, 1, 1)])
    assert certificate["keep_out"].worst_value == pytest.approx(1.25, abs=1e-9)
    thin = dataclasses.replace(cases.rover(), width=0.0)
    narrow = certify(trajectory, *world()[1:3], thin, cases.mission(), keep_outs=[box(9, 8, 10, 9)])
    assert failed(narrow) == {"keep_out"}


@pytest.mark.parametrize("gap", [0.501, 0.6, 0.9, 2.5])
def test_keep_out_distance_on_a_winding_way_is_within_its_bound(gap):
    """Against the distance of the polygon's points to 200 000 points of the way."""
    trajectory, *rest = world()
    t = np.linspace(0.0, trajectory.duration, 200_001)
    state = trajectory.evaluate(t)
    middle = t.size // 2
    side = np.array([-np.sin(state.heading[middle]), np.cos(state.heading[middle])])
    centre = np.array([state.x[middle], state.y[middle]]) + (gap + 0.3) * side
    check = certify(trajectory, *rest, keep_outs=[Point(*centre).buffer(0.3, quad_segs=64)])["keep_out"]
    truth = np.min(np.hypot(state.x - centre[0], state.y - centre[1])) - 0.3
    assert abs(check.worst_value - truth) <= check.between_samples_bound + 3e-5
    assert check.between_samples_bound < (2e-4 if gap < 0.7 else 0.02)
    assert check.passed == (truth >= 0.5)


def test_broken_arguments_are_refused():
    for bad in ({"step": 0.0}, {"step": np.nan}, {"goal": [0, 0]}, {"keep_outs": [[(0, 0)]]}, {"keep_outs": [Polygon()]}):
        with pytest.raises(InputError):
            certify(*world(), **bad)


def test_mapping_is_plain_json():
    rover = cases.rover(battery={"capacity": 0.0})
    certificate = certify(*world()[:3], rover, cases.mission())
    data = json.loads(json.dumps(certificate.to_mapping(), allow_nan=False))
    assert data["passed"] is certificate.passed
    assert data["least_battery_margin"] is None
    assert {check["name"] for check in data["checks"]} == BASIC - {"battery_floor"}
    assert {"worst_value", "limit", "margin", "at_time", "between_samples_bound", "passed", "unit"} < set(data["checks"][0])


def spike():
    """A plan whose load has a narrow peak that samples 0.4 s apart straddle: a bump of speed in the middle of a piece."""
    width, height = 0.1, 0.02
    quiet, up = [0.2, 0.0, 0.0, 0.0], [0.2, 0.0, 3 * height / width**2, -2 * height / width**3]
    down = [0.2 + height, 0.0, -3 * height / width**2, 2 * height / width**3]
    return Trajectory("unicycle", [8, 8, 0], [1.0, width, width, 1.0], heading=np.zeros((4, 1)), speed=[quiet, up, down, quiet])


def test_refinement_finds_what_coarse_samples_miss():
    """The limit is the finely sampled peak plus or minus a milliwatt; samples 0.4 s apart see nothing of the bump's flanks."""
    surface, rover = cases.plane(0.05), cases.rover()
    fine = certify(spike(), surface, DARK, rover, cases.mission(), step=1e-4)
    coarse = certify(spike(), surface, DARK, rover, cases.mission(), step=0.4)
    assert coarse.peak_power < fine.peak_power - 5.0
    above, below = (cases.mission(power_limit=fine.peak_power + d) for d in (2e-3, -2e-3))
    passing = certify(spike(), surface, DARK, rover, above, step=0.4)
    assert passing["power"].passed
    assert passing.samples > coarse.samples
    failing = certify(spike(), surface, DARK, rover, below, step=0.4)
    assert not failing["power"].passed
    assert failing["power"].worst_value > above.power_limit - 0.01


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), step=st.sampled_from([0.01, 0.1]), light=st.sampled_from(["dark", "sunny", "changing"]))
def test_guaranteed_margins_hold_at_a_tenth_of_a_millisecond(seed, step, light):
    """margin - bound of power, battery and budget against brute force."""
    surface = cases.rough(seed, blur=2.0, slope=0.2)
    environment = {"dark": DARK, "sunny": cases.sunny(0.3), "changing": None}[light] or cases.changing(surface, seed)
    rover = cases.rover(battery={"capacity": 2.0e3, "max_charge_power": 60.0})
    trajectory = cases.wander(seed, pieces=8, bend=0.2, speed=0.5)
    mission = cases.mission(state_of_charge=0.9 if seed % 2 else 0.4, energy_budget=1e9, power_limit=150.0 if seed % 3 else None)
    certificate = certify(trajectory, surface, environment, rover, mission, step=step)
    profile = evaluate_plan(trajectory, surface, environment, rover, mission, np.linspace(0.0, trajectory.duration, 90_001))
    least = float(np.min(profile.available_power - profile.total_power))
    for check, truth in (
        (certificate["power"], least),
        (certificate["battery_floor"], float(np.min(profile.battery_energy)) - 0.15 * 2e3),
        (certificate["energy_budget"], 1e9 - float(trapezoid(profile.total_power, profile.t))),
    ):
        assert check.margin - check.between_samples_bound <= truth + 1e-5, check
        assert check.margin + 1e-9 >= certificate.least_power_margin or check.name != "power"
    assert profile.total_power.max() <= certificate.peak_power + certificate.peak_power_bound + 1e-9
    if certificate["power"].margin >= 0.0 and least < 0.0:
        assert not certificate["power"].passed


def test_plan_that_rides_on_its_limit_is_certified_with_little_refinement():
    """Constant load a few milliwatts under the limit for a minute: the bound must be small where nothing changes."""
    trajectory = cases.straight(distance=10.0, seconds=60.0, start=(8.0, 8.0, 0.3))
    surface, rover = cases.plane(0.05, size=60.0), cases.rover()
    peak = certify(trajectory, surface, DARK, rover, cases.mission()).peak_power
    certificate = certify(trajectory, surface, DARK, rover, cases.mission(power_limit=peak + 2e-3))
    assert certificate.passed
    assert certificate.samples < 2 * 6003


def test_kinks_in_supply_at_the_slices_are_seen():
    """The array's power falls linearly to a slice and rises after it: the least margin is exactly at the slice."""
    sun = np.tile([0.0, 0.0, 1.0], (3, 1))
    light = np.array([1361.0, 900.0, 1361.0])
    environment = Environment(np.array([0.0, 7.003, 14.006]) * 1.5, cases.MOON, sun, light, np.zeros(3))
    rover = cases.rover(battery={"capacity": 0.0})
    trajectory = Trajectory("unicycle", [9, 9, 0], [20.0], heading=[[0.0]], speed=[[0.2]])
    certificate = certify(trajectory, cases.plane(), environment, rover, cases.mission())
    assert certificate["power"].at_time == pytest.approx(7.003 * 1.5, abs=1e-12)
    assert certificate["power"].between_samples_bound < 1e-9
