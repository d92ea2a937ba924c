"""The doubt about stored energy and the battery's power limit, against a reference that is far finer."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import plan_cases as cases
import pytest

from rover_energy.environment.scene import Environment
from rover_energy.planning.certificate import certify
from rover_energy.planning.certificate_bounds import Bounds, make_blocks, plan_bounds
from rover_energy.planning.certificate_power import interval_errors
from rover_energy.planning.certificate_rates import smooth
from rover_energy.planning.evaluation import (
    Supply,
    evaluate_plan,
    motion_on_surface,
    piece_grid,
    run_battery,
    supply_and_demand,
)

DARK = Environment.dark(cases.MOON)


def world(seed, battery):
    rover = cases.rover(battery=battery, loads={"base_power": 80.0})
    surface = cases.rough(seed, blur=2.0, slope=0.2)
    return cases.wander(seed, pieces=8, bend=0.3, speed=0.6), surface, DARK, rover, cases.mission(state_of_charge=0.6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "battery",
    [{"capacity": 5e3, "floor": 0.0}, {"capacity": 3e3, "charge_taper": 0.5, "discharge_efficiency": 0.7, "floor": 0.0}],
)
def test_stored_energy_is_never_below_what_the_certificate_allows_for(seed, battery):
    """Coarse samples, 0.25 s apart: the trapezoid misses bends of the load, and intervals in which charging turns round."""
    trajectory, surface, environment, rover, mission = world(seed, battery)
    piece, local, left = piece_grid(trajectory, 0.25)
    motion = motion_on_surface(trajectory.evaluate_local(piece, local), surface)
    supply = supply_and_demand(motion, environment, rover, mission)
    t = motion.state.t
    store, residual = run_battery(supply, t, left, rover, mission)
    bounds = plan_bounds(trajectory, make_blocks(piece, local, left), motion, supply, surface, environment, rover)
    errors = interval_errors(t, supply, store, bounds, rover, mission)
    fine = evaluate_plan(trajectory, surface, environment, rover, mission, np.linspace(0.0, trajectory.duration, 12_001))
    true = np.interp(t, fine.t, fine.battery_energy)
    assert np.all(true >= store.battery_energy - errors.energy - 2e-3)
    ends = np.minimum(store.battery_energy[left], store.battery_energy[left + 1])
    for i, (a, b) in enumerate(zip(t[left], t[left + 1], strict=True)):
        within = fine.battery_energy[(fine.t >= a) & (fine.t <= b)]
        assert within.min() >= ends[i] - errors.energy[left[i] + 1] - errors.dip[i] - 2e-3
    assert np.max(np.abs(residual)) < 1e-9
    assert np.max(store.battery_energy - true) > 0.1  # without the allowance the claim would be false


@pytest.mark.parametrize(("start", "end"), [(-10.0, 10.0), (10.0, -10.0), (-10.0, 2.0), (30.0, 90.0)])
def test_an_interval_in_which_the_battery_turns_round_stores_less_than_its_mean_says(start, end):
    """Net power linear over one interval, no doubt about it: only the bend of the battery's law is in the error."""
    rover, mission = cases.rover(battery={"max_charge_power": 60.0}), cases.mission(state_of_charge=0.5)
    zeros = np.zeros(2)
    supply = Supply(np.array([start, end]), *(zeros.copy() for _ in range(len(fields(Supply)) - 1)))
    t, left = np.array([0.0, 1.0]), np.array([0])
    store, _ = run_battery(supply, t, left, rover, mission)
    nothing = smooth(*np.zeros((3, 1)))
    blocks = make_blocks(np.zeros(2, dtype=int), t, left)
    bounds = Bounds(blocks, *([nothing] * 7), np.zeros(1), np.zeros(1))
    errors = interval_errors(t, supply, store, bounds, rover, mission)
    net = np.linspace(start, end, 100_001)
    rate = np.where(net < 0.0, net / 0.95, 0.95 * np.minimum(net, 60.0))
    energy = store.battery_energy[0] + np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1])) * 1e-5])
    missing = store.battery_energy[1] - energy[-1]
    assert -1e-6 <= missing <= errors.energy[1] + 1e-6
    assert missing > 0.1 * errors.energy[1]
    assert energy.min() >= store.battery_energy.min() - errors.energy[1] - errors.dip[0] - 1e-6
    if start < 0.0 < end:
        assert energy.min() < store.battery_energy.min() - errors.energy[1]


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_error_of_the_energy_reaches_the_margin_of_power(seed):
    """A battery whose power limit falls by 200 W with every joule: the limit must be taken where the energy may really be."""
    plan = world(seed, {"capacity": 5e3, "max_discharge_power": 1e6, "discharge_taper": 1.0, "floor": 0.0})
    check = certify(*plan, step=0.1)["power"]
    fine = evaluate_plan(*plan, np.linspace(0.0, plan[0].duration, 12_001))
    truth = float(np.min(fine.available_power - fine.total_power))
    assert check.margin > truth + 5.0  # the samples alone promise too much
    assert check.margin - check.between_samples_bound <= truth + 0.5


@pytest.mark.parametrize("seed", [5, 7, 12, 18])
def test_battery_check_takes_the_error_off(seed):
    """The floor between the energy that coarse samples claim and the true one: no pass."""
    trajectory, *rest = world(seed, {"capacity": 5e3, "floor": 0.0})
    least = float(evaluate_plan(trajectory, *rest).battery_energy.min())
    coarse = certify(trajectory, *rest, step=0.1)["battery_floor"]
    assert coarse.worst_value - coarse.between_samples_bound <= least
    floor = 0.5 * (coarse.worst_value + least) / 5e3
    assert coarse.worst_value > floor * 5e3 + 0.04
    check = certify(*world(seed, {"capacity": 5e3, "floor": floor}), step=0.1)["battery_floor"]
    assert check.margin > 0.0
    assert not check.passed
