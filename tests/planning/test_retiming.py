"""Retiming against closed forms, against brute force over a grid of speeds, and against TOPP-RA."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pytest
from retiming_cases import (
    DARK,
    GRAVITY,
    NO_BATTERY,
    circle,
    flat,
    inclined,
    mobility,
    rough,
    rover_with,
    straight,
    winding,
)

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import total_power
from rover_energy.mission import MissionParameters
from rover_energy.planning.retiming import Binding, Drive, Timing, TimingError, drive, retime, solve
from rover_energy.power.battery import discharge_limit, usable_capacity

STRONG = {"beginning_of_life_power": 2000.0}


@pytest.mark.parametrize("length", [20.0, 2.5, 1.0, 0.3])
def test_with_power_to_spare_a_straight_drive_is_the_trapezoid(length: float) -> None:
    timing = retime(straight(length), flat(), DARK, rover_with(rtg=STRONG), NO_BATTERY)
    v, a = 0.5, 0.1
    expected = length / v + v / a if length >= v * v / a else 2.0 * np.sqrt(length / a)
    assert timing.duration == pytest.approx(expected, rel=1e-9)
    assert set(timing.binding) <= {Binding.ACCELERATION, Binding.SPEED, Binding.BRAKING}


def test_cruise_under_a_power_limit_solves_the_cubic() -> None:
    rover = rover_with(locomotion=mobility(c0=60.0, c1=20.0, c2=90.0), rtg=STRONG)
    mission = replace(NO_BATTERY, power_limit=100.0)
    timing = retime(straight(15.0), flat(), DARK, rover, mission)
    power = (100.0 - 55.0) * 0.60 * (1.0 - 0.05)
    root = next(r.real for r in np.roots([90.0, 20.0, 60.0, -power]) if abs(r.imag) < 1e-12)
    assert timing.at(0.5 * timing.duration)[1] == pytest.approx(root, rel=1e-6)
    assert timing.binding[len(timing.binding) // 2] == Binding.POWER


def test_acceleration_at_constant_power_follows_the_cube_root_law() -> None:
    rover = rover_with(
        locomotion=mobility(c0=0.0, slip=0.0), rtg=STRONG, limits={"speed": 9.0, "acceleration": 2.0}
    )  # fmt: skip
    timing = retime(straight(18.0), flat(), DARK, rover, replace(NO_BATTERY, power_limit=255.0))
    middle = (timing.binding == Binding.POWER).nonzero()[0]
    i, j = middle[5], middle[-5]
    rise = timing.speed[j] ** 3 - timing.speed[i] ** 3
    span = timing.stations.distance[j] - timing.stations.distance[i]
    assert span > 5.0
    assert rise == pytest.approx(3.0 * 200.0 * 0.60 / 200.0 * span, rel=1e-5)
    assert np.diff(timing.time[[i, j]])[0] == pytest.approx(np.diff(timing.speed[[i, j]] ** 2)[0] / (2.0 * 0.60), rel=1e-5)


@pytest.mark.parametrize("tangent", [0.15, 0.25])
def test_cruise_uphill_pays_for_grade_and_slip(tangent: float) -> None:
    rover = rover_with(locomotion=mobility(), rtg=STRONG)
    timing = retime(straight(12.0, (8.0, 16.0)), inclined(tangent), DARK, rover, replace(NO_BATTERY, power_limit=120.0))
    slip = 0.80 / (1.0 + (0.80 / 0.05 - 1.0) * np.exp(-10.0 * tangent))
    force = 200.0 * GRAVITY * tangent / np.hypot(1.0, tangent) + 80.0
    expected = (120.0 - 55.0) * 0.60 * (1.0 - slip) / force  # along the surface
    assert timing.at(0.5 * timing.duration)[1] * np.hypot(1.0, tangent) == pytest.approx(expected, rel=1e-6)


def test_on_a_circle_the_yaw_rate_limits_the_speed() -> None:
    timing = retime(circle(1.5, 6.0), flat(), DARK, rover_with(rtg=STRONG), NO_BATTERY)
    assert timing.at(0.5 * timing.duration)[1] == pytest.approx(0.3 * 1.5, rel=1e-6)
    assert timing.binding[len(timing.binding) // 2] == Binding.YAW_RATE


def test_on_a_side_slope_the_yaw_rate_is_about_the_body() -> None:
    """Heading rate over cos(tilt), speed along the surface: v = limit cos(tilt) / (curvature cos(along slope))."""
    timing = retime(circle(1.5, 6.0), inclined(0.3), DARK, rover_with(rtg=STRONG), NO_BATTERY)
    st, bound = timing.stations, 1 + np.flatnonzero(timing.binding == Binding.YAW_RATE)
    expected = 0.3 * 1.5 * np.cos(np.arctan(0.3)) / np.cos(np.arctan(0.3 * np.cos(st.heading[bound])))
    assert len(bound) > 0.2 * len(timing.speed)
    np.testing.assert_allclose(timing.speed[bound], expected, rtol=1e-6)


def test_on_a_circle_scrubbing_takes_its_power() -> None:
    timing = retime(circle(2.0, 6.0), flat(), DARK, rover_with(rtg=STRONG), replace(NO_BATTERY, power_limit=90.0))
    expected = 35.0 * 0.60 / (80.0 / 0.95 + 40.0 / 2.0)
    assert timing.at(0.5 * timing.duration)[1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_power_agrees_with_the_demand_model_by_finite_differences(seed: int) -> None:
    """Speed, acceleration and yaw rate are differentiated from positions in space; nothing of the retiming is used."""
    surface, path, rover = rough(seed), winding(seed), rover_with(rtg=STRONG)
    timing = retime(path, surface, DARK, rover, replace(NO_BATTERY, power_limit=115.0), grid=0.005)
    t = np.linspace(0.0, timing.duration, 4001)
    x, y, heading, _ = path.at(np.minimum(timing.at(t)[0], path.length))
    moved = np.sqrt(np.diff(x) ** 2 + np.diff(y) ** 2 + np.diff(surface.height(x, y)) ** 2)
    speed = moved / np.diff(t)
    yaw_rate = np.diff(heading) / np.diff(t) / np.cos(0.5 * (surface.tilt(x, y)[1:] + surface.tilt(x, y)[:-1]))
    inner = slice(1, -1)  # of the knots between the intervals
    slope, tilt = surface.along_slope(x, y, heading), surface.tilt(x, y)
    demand = total_power(
        rover.locomotion, speed=0.5 * (speed[1:] + speed[:-1]), acceleration=np.diff(speed) / np.diff(t)[1:],
        yaw_rate=0.5 * (yaw_rate[1:] + yaw_rate[:-1]), yaw_acceleration=np.diff(yaw_rate) / np.diff(t)[1:],
        along_slope=slope[inner], tilt=tilt[inner], gravity=GRAVITY, base_power=55.0,
    ).total_power  # fmt: skip
    said = np.interp(t[inner], 0.5 * (timing.time[1:] + timing.time[:-1]), timing.total_power)
    assert np.median(np.abs(demand - said)) < 0.02
    assert np.quantile(np.abs(demand - said), 0.97) < 0.5  # the rest are the jumps of the acceleration
    assert np.trapezoid(demand - said, t[inner]) / timing.consumed_energy == pytest.approx(0.0, abs=1e-4)
    assert timing.total_power.max() <= 115.0 + 1e-6
    assert np.mean(timing.binding == Binding.POWER) > 0.2


def brute_force(task: Drive, available: float, levels: int) -> float:
    """Least time over all speed profiles on a grid of speeds, by dynamic programming from the goal."""
    st, rover = task.stations, task.rover
    z = np.linspace(0.0, rover.limits.speed, levels) ** 2
    z0, z1 = z[:, None], z[None, :]
    mean = 0.5 * (np.sqrt(z0) + np.sqrt(z1))
    cost = np.where(z == 0.0, 0.0, np.inf)
    for i in range(len(st.arc) - 2, -1, -1):
        step = st.arc[i + 1] - st.arc[i]
        acceleration = (z1 - z0) / (2.0 * step)
        gain = 0.5 * (st.drive_gain[i] + st.drive_gain[i + 1])
        force = 0.5 * np.sum(st.grade_force[i : i + 2] + st.resistance[i : i + 2])
        turn = np.abs(st.turn[i : i + 2])
        spin = 30.0 * (turn[1] ** 2 * z1 - turn[0] ** 2 * z0) / (2.0 * step)
        drive_force, twist = np.maximum(0.0, 200.0 * acceleration + force), np.maximum(0.0, spin)
        power = mean * (gain * drive_force + (40.0 * turn.mean() + twist) / 0.60)
        allowed = (np.abs(acceleration) <= 0.1 + 1e-12) & (power + 55.0 <= available) & (mean > 0.0)
        allowed &= (turn[0] * np.sqrt(z0) <= 0.3) & (turn[1] * np.sqrt(z1) <= 0.3)
        cost = np.min(np.where(allowed, step / np.where(mean > 0.0, mean, 1.0) + cost, np.inf), axis=1)
    return float(cost[0])


@pytest.mark.parametrize(("seed", "limit"), [(0, 85.0), (1, 100.0), (2, 75.0), (3, 300.0)])
def test_no_profile_on_a_grid_of_speeds_is_faster(seed: int, limit: float) -> None:
    path = winding(seed, length=4.0, sharpness=0.25)
    task = drive(path, rough(seed), DARK, rover_with(rtg=STRONG), replace(NO_BATTERY, power_limit=limit), grid=0.1)
    timing = solve(task)
    brute = brute_force(task, limit, 600)
    assert timing.duration <= brute * (1.0 + 1e-12)
    assert brute <= 1.01 * timing.duration  # the grid of speeds rounds down


@pytest.mark.parametrize("seed", range(4))
def test_compiled_and_plain_python_agree(seed: int) -> None:
    task = drive(winding(seed), rough(seed), DARK, rover_with(rtg=STRONG), replace(NO_BATTERY, power_limit=95.0), grid=0.05)
    compiled, plain = solve(task), solve(replace(task, compiled=False))
    np.testing.assert_allclose(plain.speed, compiled.speed, rtol=0.0, atol=1e-9)
    assert plain.duration == pytest.approx(compiled.duration, rel=1e-9)


def test_the_discretisation_is_of_second_order() -> None:
    task = (winding(1), rough(1), DARK, rover_with(rtg=STRONG), replace(NO_BATTERY, power_limit=100.0))
    fine, *errors = (retime(*task, grid=grid).duration for grid in (0.0025, 0.04, 0.01))
    coarse, default = (abs(value / fine - 1.0) for value in errors)
    assert default < 5e-6
    assert default < 0.25 * coarse


@pytest.mark.parametrize("seed", range(3))
def test_toppra_comes_within_a_thousandth_from_above(seed: int) -> None:
    pytest.importorskip("toppra")
    sys.path.insert(0, str(FilePath(__file__).parents[2] / "benchmarks"))
    from peers.toppra_peer import retime_with_toppra

    rover = rover_with(rtg=STRONG, locomotion=mobility(c1=15.0, c2=40.0))
    task = drive(winding(seed), rough(seed), DARK, rover, replace(NO_BATTERY, power_limit=105.0), grid=0.02)
    exact, peer = solve(task), retime_with_toppra(task)
    assert -1e-4 <= peer.duration / exact.duration - 1.0 <= 1e-3
    assert np.all(np.diff(peer.durations) <= 1e-9 * exact.duration)


def low_battery() -> tuple[Timing, MissionParameters, object]:
    """A drive that empties a small battery far into its taper."""
    rover = rover_with(
        rtg={"beginning_of_life_power": 80.0}, battery={"capacity": 6000.0, "discharge_taper": 0.9, "max_discharge_power": 50.0}
    )  # fmt: skip
    mission = MissionParameters(state_of_charge=0.8)
    return retime(straight(20.0), flat(), DARK, rover, mission), mission, rover.battery


def test_the_discharge_limit_follows_the_state_of_charge() -> None:
    timing, _, battery = low_battery()
    charge = timing.battery_energy / usable_capacity(battery)
    assert charge[-1] < 0.6
    limit = discharge_limit(battery, charge)
    drawn = timing.total_power - timing.supply_power
    assert np.all(drawn <= 0.5 * (limit[1:] + limit[:-1]) + 0.011)
    assert drawn[len(drawn) // 2] > 0.98 * limit[len(drawn) // 2]


def test_the_battery_balance_is_that_of_the_flows() -> None:
    timing, _, battery = low_battery()
    drawn = (timing.total_power - timing.supply_power) * np.diff(timing.time)
    expected = -np.where(drawn > 0.0, drawn / battery.discharge_efficiency, drawn * battery.charge_efficiency).sum()
    assert timing.battery_energy[-1] - timing.battery_energy[0] == pytest.approx(expected, rel=1e-3)


def test_the_supply_is_that_of_the_time_of_passing() -> None:
    """Light fades from full to nothing in 60 s: the drive slows as it goes."""
    up = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    fading = Environment(np.array([0.0, 60.0]), GRAVITY, up, np.array([600.0, 0.0]), np.zeros(2))
    rover = rover_with(pv={"area": 1.0}, rtg={"beginning_of_life_power": 90.0})
    timing = retime(straight(15.0), flat(), fading, rover, NO_BATTERY)
    middle = 0.5 * (timing.time[1:] + timing.time[:-1])
    full = float(timing.supply_power[0] - timing.supply_power[-1]) / (middle[-1] - middle[0]) * 60.0
    rtg = timing.supply_power[0] - full * (1.0 - middle[0] / 60.0)
    np.testing.assert_allclose(timing.supply_power, rtg + full * (1.0 - middle / 60.0), atol=0.02)
    assert full > 80.0
    assert np.all(timing.total_power <= timing.supply_power + 0.02)
    with pytest.raises(TimingError, match="not known"):
        retime(straight(22.0, (4.0, 16.0)), flat(), fading, rover, replace(NO_BATTERY, power_limit=80.0))


def test_evaluation_in_time_is_consistent() -> None:
    timing = retime(winding(2), rough(2), DARK, rover_with(rtg=STRONG), replace(NO_BATTERY, power_limit=110.0))
    t = np.linspace(0.0, timing.duration, 20001)
    distance, speed = timing.at(t)
    assert distance[0] == 0.0
    assert distance[-1] == pytest.approx(12.0, rel=1e-12)
    np.testing.assert_allclose(np.diff(distance) / np.diff(t), 0.5 * (speed[1:] + speed[:-1]), atol=5e-5)
    assert timing.at(-1.0)[0] == 0.0
    assert timing.at(1e9)[0] == pytest.approx(12.0, rel=1e-12)


@pytest.mark.parametrize("field", ["speed", "acceleration", "yaw_rate"])
def test_a_tighter_limit_never_makes_it_faster(field: str) -> None:
    surface, path, mission = rough(3), winding(3, sharpness=0.3), replace(NO_BATTERY, power_limit=160.0)
    limits = vars(rover_with().limits)
    durations = [
        retime(path, surface, DARK, rover_with(rtg=STRONG, limits={field: share * limits[field]}), mission).duration
        for share in (0.25, 0.5, 1.0)
    ]
    assert durations[0] > durations[1] > durations[2]


def test_caps_are_kept() -> None:
    arguments = (winding(2), rough(2), DARK, rover_with(rtg=STRONG), NO_BATTERY)
    assert retime(*arguments, speed_cap=0.2).speed.max() == pytest.approx(0.2)
    assert retime(*arguments, power_cap=90.0).total_power.max() == pytest.approx(90.0)
    moving = retime(*arguments, start_speed=0.3, end_speed=0.1)
    assert (moving.speed[0], moving.speed[-1]) == (0.3, 0.1)


def test_what_cannot_be_driven_is_refused() -> None:
    path, surface = straight(5.0), flat()
    message = r"54\.90 W are available at 0\.00 m.*constant loads of 55\.00 W; shed 0\.10 W"
    with pytest.raises(TimingError, match=message) as caught:
        retime(path, surface, DARK, rover_with(), replace(NO_BATTERY, power_limit=54.9))
    assert caught.value.reason == "power"
    with pytest.raises(TimingError, match="no power is left") as caught:
        retime(path, surface, DARK, rover_with(), replace(NO_BATTERY, power_limit=55.0))
    assert caught.value.reason == "power"
    with pytest.raises(TimingError, match="start speed") as caught:
        retime(straight(0.5), surface, DARK, rover_with(rtg=STRONG), NO_BATTERY, start_speed=0.45)
    assert caught.value.reason == "start_speed"


@pytest.mark.parametrize(
    ("options", "field"),
    [({"grid": 0.0}, "grid"), ({"grid": float("nan")}, "grid"), ({"start_speed": -0.1}, "start_speed"),
     ({"end_speed": float("nan")}, "end_speed"), ({"speed_cap": float("nan")}, "speed_cap"), ({"power_cap": -1.0}, "power_cap")],
)  # fmt: skip
def test_bad_options_are_refused(options: dict[str, float], field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        retime(straight(5.0), flat(), DARK, rover_with(), NO_BATTERY, **options)
    assert "\n" not in str(caught.value)


def test_a_path_off_the_map_is_refused() -> None:
    with pytest.raises(InputError, match="leaves the map"):
        retime(straight(40.0), flat(), DARK, rover_with(), NO_BATTERY)
