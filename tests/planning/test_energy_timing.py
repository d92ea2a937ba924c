"""Least work against linear programming, energy bounds against closed forms and against many drives, slowing for the battery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from retiming_cases import DARK, NO_BATTERY, flat, inclined, mobility, rough, rover_with, straight, winding
from scipy.optimize import linprog

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.energy_timing import energy_bound, least_work, slow_for_energy, time_lower_bound, violated
from rover_energy.planning.retiming import TimingError, drive, retime, solve
from rover_energy.planning.retiming_kernel import SpeedProblem
from rover_energy.power.battery import discharge_limit

CAPACITY = 40e3


def random_problem(seed: int, count: int = 60) -> SpeedProblem:
    rng = np.random.default_rng(seed)
    return SpeedProblem(
        step=rng.uniform(0.05, 0.4, count - 1), force=rng.normal(30.0, 120.0, count - 1), gain=rng.uniform(1.5, 5.0, count - 1),
        scrub=rng.uniform(0.0, 20.0, count - 1), spin=np.zeros(count), allowance=np.zeros(count - 1),
        cap=rng.uniform(0.05, 0.5, count) ** 2, mass=200.0, c1=0.0, c2=0.0, acceleration=0.1,
    )  # fmt: skip


def work_by_programming(p: SpeedProblem, start: float) -> float:
    """min sum gain e with e >= dq + force step, e >= 0, 0 <= q <= cap, as a linear program over (q, e)."""
    count = len(p.cap)
    difference = np.zeros((count - 1, count))
    difference[np.arange(count - 1), np.arange(1, count)] = 1.0
    difference[np.arange(count - 1), np.arange(count - 1)] = -1.0
    bounds = [(0.0, 0.5 * p.mass * z) for z in p.cap] + [(0.0, None)] * (count - 1)
    bounds[0] = (0.5 * p.mass * start,) * 2
    cost, rows = np.concatenate([np.zeros(count), p.gain]), np.hstack([difference, -np.eye(count - 1)])
    result = linprog(cost, A_ub=rows, b_ub=-p.force * p.step, bounds=bounds)
    return float(result.fun) + float(p.scrub @ p.step)


@pytest.mark.parametrize("seed", range(12))
def test_least_work_is_the_linear_program(seed: int) -> None:
    problem = random_problem(seed)
    for start in (0.0, 0.6 * problem.cap[0], problem.cap[0]):
        least = least_work(problem, start)
        for count in (2, 17, len(problem.cap)):
            inner = {name: getattr(problem, name)[: count - 1] for name in ("step", "force", "gain", "scrub")}
            part = replace(problem, **inner, cap=problem.cap[:count])
            assert least[count - 1] == pytest.approx(work_by_programming(part, start), rel=1e-9, abs=1e-9)


def test_least_work_on_the_level_is_resistance_times_way() -> None:
    task = drive(straight(10.0), flat(), DARK, rover_with(), NO_BATTERY)
    assert least_work(task.problem())[-1] == pytest.approx(80.0 * 10.0 / (0.60 * 0.95), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_no_drive_works_less(seed: int) -> None:
    task = drive(winding(seed), rough(seed), DARK, rover_with(rtg={"beginning_of_life_power": 300.0}), NO_BATTERY)
    least = least_work(task.problem())[-1]
    works = [solve(replace(task, speed_cap=cap)).motion_energy for cap in (0.05, 0.1, 0.2, 0.35, 0.5)]
    assert min(works) >= least
    assert min(works) <= 1.02 * least


def small_battery(joules: float, rtg: float = 95.0, **battery: float) -> tuple[object, MissionParameters]:
    """A rover that can spend `joules` of its store before the floor, and draw them at full power throughout."""
    fields = {"capacity": CAPACITY, "discharge_taper": 0.05, "charge_taper": 0.99, **battery}
    rover = rover_with(rtg={"beginning_of_life_power": rtg}, battery=fields)
    return rover, MissionParameters(state_of_charge=rover.battery.floor + joules / CAPACITY)


def test_on_the_level_the_bound_is_the_energy_balance() -> None:
    """What the supply gives during the last braking comes too late: the balance must hold where the speed falls to v*."""
    rover, mission = small_battery(200.0)
    task = drive(straight(18.0), flat(), DARK, rover, mission)
    bound = energy_bound(task)
    supply = float(task.supply(0.0)[0])
    per_metre, gain = 80.0 / (0.60 * 0.95), supply - 55.0
    slowest = gain / per_metre  # v*: speed that the supply sustains
    expected = (per_metre * (18.0 - slowest**2 / 0.2) - 0.95 * 200.0) / gain + slowest / 0.1
    assert bound.duration == pytest.approx(expected, rel=1e-6)
    assert bound.retiming == pytest.approx(18.0 / 0.5 + 5.0, rel=1e-9)
    timing = slow_for_energy(straight(18.0), flat(), DARK, rover, mission)
    assert 1.0 <= timing.duration / expected <= 1.015  # the bound has no price for the kinetic energy
    assert 0.0 <= timing.least_battery_margin <= 10.0


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_below_every_drive_that_keeps_the_floor(seed: int) -> None:
    rover, mission = small_battery(120.0 + 200.0 * (seed % 2), charge_efficiency=1.0, discharge_efficiency=1.0)
    path, surface = winding(seed, length=14.0), rough(seed)
    bound = time_lower_bound(path, surface, DARK, rover, mission)
    task = drive(path, surface, DARK, rover, mission, grid=0.02)
    for options in ({"discharge_cap": c} for c in (0.0, 5.0, 10.0, 20.0, 40.0, 150.0)):
        for cap in (0.1, 0.2, 0.3, 0.5):
            timing = solve(replace(task, speed_cap=cap, **options))
            assert violated(timing, mission) or timing.duration >= bound.duration * (1.0 - 1e-5)
    timing = slow_for_energy(path, surface, DARK, rover, mission)
    assert violated(timing, mission) == ""
    assert timing.duration <= 1.04 * bound.duration
    assert bound.duration > 1.05 * bound.retiming, "the case must be one where energy binds"


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_the_best_division_of_time_over_places(seed: int) -> None:
    """Where the light differs by place, waiting pays where it is best: least sum of times as a linear program."""
    light = Environment.constant(1.62, 0.8 * seed, 0.3, 1361.0)
    rover, mission = small_battery(50.0, rtg=75.0)
    rover = replace(rover, pv=replace(rover.pv, area=0.1))
    task = drive(winding(seed, sharpness=0.3), rough(seed), light, rover, mission, grid=0.1)
    bound = energy_bound(task)
    fastest = solve(replace(task, energy=CAPACITY))
    gain = fastest.supply_power - 55.0
    assert gain.max() > 1.2 * gain.min() > 0.0
    need = least_work(task.problem())[1:] - 0.95 * 50.0
    rows = -np.tril(np.tile(gain, (len(gain), 1)))
    times = linprog(np.ones(len(gain)), A_ub=rows, b_ub=-need, bounds=[(least, None) for least in np.diff(fastest.time)])
    assert bound.retiming == pytest.approx(fastest.duration, rel=1e-9)
    assert bound.retiming < bound.duration <= times.fun * (1.0 + 1e-9)
    assert times.fun <= 1.005 * bound.duration


def test_where_energy_does_not_bind_the_fastest_drive_is_returned() -> None:
    rover, mission = small_battery(30e3)
    arguments = (winding(1), rough(1), DARK, rover, mission)
    timing, bound = slow_for_energy(*arguments), time_lower_bound(*arguments)
    assert timing.duration == retime(*arguments).duration
    assert timing.duration == pytest.approx(bound.duration, rel=1e-9)
    assert bound.impossible == ""


def test_the_bound_uses_the_best_light_of_all_slices() -> None:
    """Light doubles within the horizon: the bound must not assume that of the start."""
    up = np.tile([0.0, 0.0, 1.0], (2, 1))
    rover = rover_with(pv={"area": 1.0}, rtg={"beginning_of_life_power": 60.0})
    path, surface = straight(15.0), flat()

    def bound(early: float, late: float) -> float:
        light = Environment(np.array([0.0, 5000.0]), 1.62, up, np.array([early, late]), np.zeros(2))
        return time_lower_bound(path, surface, light, rover, NO_BATTERY).duration

    assert bound(100.0, 200.0) == pytest.approx(bound(200.0, 200.0), rel=1e-9)
    assert bound(100.0, 200.0) < bound(100.0, 100.0)


def test_a_budget_slows_where_resistance_grows_with_speed() -> None:
    rover = rover_with(locomotion=mobility(c0=20.0, c2=3000.0), rtg={"beginning_of_life_power": 900.0}, loads={"base_power": 5.0})
    arguments = (straight(15.0), flat(), DARK, rover)
    fastest = retime(*arguments, NO_BATTERY)
    mission = replace(NO_BATTERY, energy_budget=0.5 * fastest.consumed_energy)
    timing = slow_for_energy(*arguments, mission)
    assert timing.consumed_energy <= mission.energy_budget
    assert timing.consumed_energy >= 0.95 * mission.energy_budget
    assert timing.duration > fastest.duration


def test_what_no_drive_can_keep_is_proven_and_refused() -> None:
    path, surface = straight(15.0), flat()
    rover, mission = small_battery(300.0, rtg=50.0)  # less than the base load: every second drains
    for changed, reason in (
        (mission, "floor"),
        (replace(mission, state_of_charge=0.1), "floor"),
        (replace(mission, state_of_charge=1.0, energy_budget=1500.0), "energy_budget"),
        (replace(mission, state_of_charge=1.0, deadline=30.0), "deadline"),
    ):
        bound = time_lower_bound(path, surface, DARK, rover, changed)
        assert (bound.duration, bound.impossible) == (np.inf, reason)
        with pytest.raises(TimingError) as caught:
            slow_for_energy(path, surface, DARK, rover, changed)
        assert caught.value.reason == reason
        assert "\n" not in str(caught.value)


def test_a_descent_charges_within_the_charge_limit() -> None:
    rover, mission = small_battery(0.0, rtg=120.0, max_charge_power=20.0)
    timing = slow_for_energy(straight(12.0, (22.0, 16.0), np.pi), inclined(0.26), DARK, rover, mission)
    gained = timing.battery_energy[-1] - timing.battery_energy[0]
    assert 0.0 < gained <= 0.95 * 20.0 * timing.duration * (1.0 + 1e-9)
    assert float(discharge_limit(rover.battery, 0.15)) > 0.0
