"""The evaluation of plans against closed forms, finite differences and a finely stepped reference."""

from __future__ import annotations

import numpy as np
import plan_cases as cases
import pytest
from scipy.integrate import solve_ivp

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import SlipParameters, drive_power
from rover_energy.planning.evaluation import evaluate_plan, motion_on_surface, piece_grid
from rover_energy.planning.trajectory import Trajectory
from rover_energy.power.battery import floor_energy, usable_capacity
from rover_energy.power.pv import panel_normal, pv_power

DARK = Environment.dark(cases.MOON)
NO_SLIP = {"mass": 200.0, "slip": SlipParameters(flat=0.0), "drivetrain_efficiency": 0.5}


def steady(speed, heading=0.0, rate=0.0, seconds=10.0, start=(12.0, 12.0)):
    return Trajectory("unicycle", [*start, heading], [seconds], heading=[[heading, rate]], speed=[[speed]])


def test_level_ground_at_constant_speed():
    profile = evaluate_plan(steady(0.3), cases.plane(), DARK, cases.rover(locomotion=NO_SLIP), cases.mission())
    np.testing.assert_allclose(profile.drive_power, 80.0 * 0.3 / 0.5)
    np.testing.assert_allclose(profile.total_power, 55.0 + 80.0 * 0.3 / 0.5)
    for name in ("acceleration", "yaw_rate", "yaw_acceleration", "turn_power", "along_slope", "tilt", "pv_power", "curvature"):
        np.testing.assert_allclose(getattr(profile, name), 0.0, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(profile.x, 12.0 + 0.3 * profile.t)


def test_circle_on_level_ground():
    profile = evaluate_plan(steady(0.3, rate=0.2), cases.plane(), DARK, cases.rover(locomotion=NO_SLIP), cases.mission())
    np.testing.assert_allclose(profile.turn_power, 40.0 * 0.2 / 0.5)
    np.testing.assert_allclose(profile.curvature, 0.2 / 0.3)


@pytest.mark.parametrize("heading", [0.0, 0.4, 2.5, -1.5])
def test_ramp_in_any_direction(heading):
    east, north, speed, pull = 0.12, -0.2, 0.25, 0.04
    grade = east * np.cos(heading) + north * np.sin(heading)
    cosine = 1.0 / np.hypot(1.0, grade)
    trajectory = Trajectory("unicycle", [20, 20, heading], [5.0], heading=[[heading]], speed=[[speed, pull]])
    profile = evaluate_plan(trajectory, cases.plane(east, north), DARK, cases.rover(locomotion=NO_SLIP), cases.mission())
    along = (speed + pull * profile.t) / cosine
    np.testing.assert_allclose(profile.speed, along, rtol=1e-9)
    np.testing.assert_allclose(profile.acceleration, pull / cosine, rtol=1e-7)
    np.testing.assert_allclose(profile.along_slope, np.arctan(grade), atol=1e-9)
    np.testing.assert_allclose(np.cos(profile.tilt), 1.0 / np.sqrt(1 + east**2 + north**2), atol=1e-9)
    force = 200.0 * (pull / cosine + cases.MOON * grade * cosine) + 80.0
    np.testing.assert_allclose(profile.drive_power, np.maximum(0.0, force * along) / 0.5, rtol=1e-6)


def test_slip_divides_on_a_climb():
    rover = cases.rover()
    slip = rover.locomotion.slip
    grade = np.tan(0.2)
    share = slip.maximum / (1.0 + (slip.maximum / slip.flat - 1.0) * np.exp(-slip.gain * grade))
    profile = evaluate_plan(steady(0.2), cases.plane(grade), DARK, rover, cases.mission())
    force = 200.0 * cases.MOON * np.sin(0.2) + 80.0
    np.testing.assert_allclose(profile.drive_power, force * 0.2 / np.cos(0.2) / (1 - share) / 0.6, rtol=1e-6)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_accelerations_are_the_derivatives_on_rough_ground(seed, flat):
    surface = cases.rough(seed, blur=1.5, slope=0.25)
    trajectory = cases.wander(seed, bend=0.15)
    trajectory = cases.as_flat(trajectory) if flat else trajectory
    t, e = np.linspace(0.4, trajectory.duration - 0.4, 70), 1e-5
    before, here, after = (motion_on_surface(trajectory.evaluate(t + d), surface) for d in (-e, 0.0, e))
    np.testing.assert_allclose((after.speed - before.speed) / (2 * e), here.acceleration, atol=2e-6)
    np.testing.assert_allclose((after.yaw_rate - before.yaw_rate) / (2 * e), here.yaw_acceleration, atol=2e-6)
    height = [surface.height(m.state.x, m.state.y) for m in (before, after)]
    way = np.hypot(np.hypot(after.state.x - before.state.x, after.state.y - before.state.y), height[1] - height[0])
    np.testing.assert_allclose(way / (2 * e), here.speed, atol=1e-6)
    np.testing.assert_allclose(np.tan(here.along_slope) * here.state.speed, (height[1] - height[0]) / (2 * e), atol=1e-6)


def test_array_in_the_sun():
    """Level panel, Sun 30 deg high: gain * S * sin 30 deg; nothing behind the ridge of a steep plane."""
    environment = Environment.constant(cases.MOON, np.pi / 2, np.pi / 6, 1361.0)
    rover = cases.rover()
    gain = 0.28 * (1 - 0.002 * (320.0 - 301.15)) * 0.95 * 0.90
    profile = evaluate_plan(steady(0.2), cases.plane(), environment, rover, cases.mission())
    np.testing.assert_allclose(profile.pv_power, gain * 1361.0 * 0.5, rtol=1e-12)
    towards = evaluate_plan(steady(0.2), cases.plane(-np.tan(np.pi / 6)), environment, rover, cases.mission())
    np.testing.assert_allclose(towards.pv_power, gain * 1361.0 * np.sin(np.pi / 3), rtol=1e-6)
    away = evaluate_plan(steady(0.2), cases.plane(np.tan(0.6)), environment, rover, cases.mission())
    np.testing.assert_allclose(away.pv_power, 0.0, atol=1e-9)


@pytest.mark.parametrize("pitch", [0.0, 1.2])
def test_array_agrees_with_the_model_of_the_array_in_changing_light(pitch):
    surface, trajectory = cases.rough(3, blur=2.0, slope=0.3), cases.wander(3)
    rover = cases.rover(pv={"panel_pitch": pitch, "panel_azimuth": 0.8})
    environment = cases.changing(surface, low=True)
    profile = evaluate_plan(trajectory, surface, environment, rover, cases.mission())
    t, x, y = profile.t, profile.x, profile.y
    expected = pv_power(
        rover.pv, normal=panel_normal(rover.pv, *surface.gradient(x, y), profile.heading),
        sun_direction=environment.sun_direction(t), direct=environment.direct_irradiance(t),
        diffuse=environment.diffuse_irradiance(t), sunlit=environment.sunlit_fraction(x, y, t),
    )  # fmt: skip
    np.testing.assert_allclose(profile.pv_power, expected, rtol=1e-11, atol=1e-11)
    assert np.ptp(profile.pv_power) > 5.0


def test_drive_agrees_with_the_model_of_the_wheels():
    surface, rover = cases.rough(3, blur=2.0, slope=0.2), cases.rover()
    profile = evaluate_plan(cases.wander(3), surface, cases.sunny(), rover, cases.mission())
    expected = drive_power(
        rover.locomotion, speed=profile.speed, acceleration=profile.acceleration, along_slope=profile.along_slope,
        tilt=profile.tilt, gravity=cases.MOON,
    )  # fmt: skip
    np.testing.assert_allclose(profile.drive_power, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("use", "charge", "irradiance", "capacity"),
    [(True, 0.5, 0.0, 1e5), (True, 0.16, 0.0, 4e3), (True, 0.97, 1361.0, 5e3), (False, 0.5, 0.0, 1e5), (True, 0.02, 300.0, 2e3)],
)
def test_battery_follows_its_differential_equation(use, charge, irradiance, capacity):
    rover = cases.rover(battery={"capacity": capacity})
    mission = cases.mission(use_battery=use, state_of_charge=charge)
    trajectory, surface = cases.wander(3, speed=0.5), cases.rough(1, blur=3.0)
    profile = evaluate_plan(trajectory, surface, cases.sunny(irradiance=irradiance), rover, mission)
    net = profile.rtg_power + profile.pv_power - profile.total_power

    def rate(t, energy):
        power, share = np.interp(t, profile.t, net), energy[0] / capacity
        if power < 0.0:
            return [-min(-power, 150.0 * min(1.0, share / 0.25)) / 0.95 if use else 0.0]
        return [0.95 * min(power, 150.0 * np.clip((1.0 - share) / 0.1, 0.0, 1.0))]

    accuracy = {"max_step": 0.02, "rtol": 1e-9, "atol": 1e-6}
    solution = solve_ivp(rate, (0, trajectory.duration), [charge * capacity], t_eval=profile.t, **accuracy)
    np.testing.assert_allclose(profile.battery_energy, solution.y[0], atol=2e-6 * capacity)
    assert usable_capacity(rover.battery) == capacity
    np.testing.assert_allclose(profile.state_of_charge, profile.battery_energy / capacity)


def test_ledger_closes_at_every_sample():
    rover = cases.rover(battery={"capacity": 3e3})
    mission = cases.mission(state_of_charge=0.2)
    profile = evaluate_plan(cases.wander(2, speed=0.6), cases.rough(2, blur=3.0), cases.sunny(0.1), rover, mission)
    given, taken = np.maximum(profile.battery_power, 0.0), np.maximum(-profile.battery_power, 0.0)
    stored = 0.95 * taken - given / 0.95
    consumed = profile.total_power - profile.unserved_power
    made = profile.rtg_power + profile.pv_power
    np.testing.assert_allclose(made, consumed + stored + profile.shunted_power + profile.lost_power, rtol=1e-12)
    for channel in (profile.shunted_power, profile.lost_power, profile.unserved_power):
        assert channel.min() >= 0.0
    loads = profile.base_power + profile.drive_power + profile.turn_power + profile.inference_power
    np.testing.assert_allclose(loads, profile.total_power, rtol=1e-14)


def test_without_a_battery_available_power_is_that_of_the_sources():
    rover = cases.rover(battery={"capacity": 0.0})
    profile = evaluate_plan(cases.wander(), cases.rough(blur=3.0), cases.sunny(), rover, cases.mission())
    np.testing.assert_allclose(profile.available_power, profile.rtg_power + profile.pv_power)
    assert not profile.battery_energy.any()
    assert not profile.state_of_charge.any()
    capped = evaluate_plan(cases.wander(), cases.rough(blur=3.0), cases.sunny(), rover, cases.mission(power_limit=101.0))
    assert np.all(capped.available_power == 101.0)


def test_available_power_counts_the_battery_only_when_it_may_be_used():
    world = cases.wander(), cases.rough(blur=3.0), DARK
    used = evaluate_plan(*world, cases.rover(), cases.mission(state_of_charge=0.2))
    np.testing.assert_allclose(used.available_power, used.rtg_power + 150.0 * used.state_of_charge / 0.25)
    spared = evaluate_plan(*world, cases.rover(), cases.mission(use_battery=False))
    np.testing.assert_allclose(spared.available_power, spared.rtg_power)
    assert np.all(spared.battery_power <= 0.0)


def test_energy_may_be_seen_below_the_floor():
    rover = cases.rover(battery={"capacity": 2e3, "discharge_taper": 0.0})
    profile = evaluate_plan(steady(0.8, seconds=20.0), cases.plane(), DARK, rover, cases.mission(state_of_charge=0.2))
    assert profile.battery_energy[-1] < floor_energy(rover.battery)
    assert profile.battery_energy[-1] >= 0.0


def test_asking_for_other_times_changes_nothing():
    world = cases.wander(), cases.rough(blur=2.0), cases.sunny(0.2), cases.rover(), cases.mission(state_of_charge=0.3)
    fine = evaluate_plan(*world)
    few = evaluate_plan(*world, times=fine.t[7::101])
    for name, values in few.columns().items():
        np.testing.assert_allclose(values, fine.columns()[name][7::101], rtol=1e-9, atol=1e-9, err_msg=name)
    assert np.max(np.diff(fine.t)) <= 0.01 + 1e-12
    assert fine.t[-1] == world[0].duration


def test_off_the_map_is_not_a_number():
    profile = evaluate_plan(steady(1.0, seconds=40.0), cases.plane(), DARK, cases.rover(), cases.mission())
    off = profile.x > 40.0
    assert off.any()
    for name in ("speed", "tilt", "drive_power", "total_power", "battery_energy", "available_power"):
        assert np.all(np.isnan(getattr(profile, name)[off])), name


@pytest.mark.parametrize("times", [[1.0, 1.0], [2.0, 1.0], [0.0, 99.0], [-1.0], [], [np.nan], [[0.0]]])
def test_bad_times_are_refused(times):
    with pytest.raises(InputError):
        evaluate_plan(cases.straight(), cases.plane(), DARK, cases.rover(), cases.mission(), times)


def test_grid_holds_both_sides_of_joints_and_breaks():
    trajectory = cases.straight()
    piece, local, left = piece_grid(trajectory, 0.3, [-1.0, 0.0, 5.0, 7.77, 5.0 + 1e-12, 50.0])
    t = trajectory.knots[piece] + local
    assert np.all(np.diff(t) >= 0.0)
    assert np.count_nonzero(np.diff(t) == 0.0) == 3
    assert np.count_nonzero(t == 7.77) == 2
    assert np.max(t[left + 1] - t[left]) <= 0.3
    assert np.all(piece[left] == piece[left + 1])
    assert t[0] == 0.0
    assert t[-1] == trajectory.duration
    with pytest.raises(InputError):
        piece_grid(trajectory, np.nan)
