"""The battery's future against an integration step by step, and its last joules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drive_cases import plan, world

from rover_energy.control.energy import RATES, EnergyGuard
from rover_energy.control.estimator import Estimator
from rover_energy.control.reference import Reference
from rover_energy.control.settings import EstimatorParameters
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.power.storage import step_battery

W = world(use_battery=True, generator=20.0)
PLAN = plan(use_battery=True, generator=20.0)
REFERENCE = Reference.sample(PLAN, W.surface, W.environment, W.rover, W.mission)
ESTIMATE = Estimator(W.rover, EstimatorParameters()).estimate
BASE = W.rover.loads.base_power


def guard(**values):
    return EnergyGuard(REFERENCE, W.rover, use_battery=True, **{"reserve": 0.0, **values})


def test_the_margin_at_full_rate_is_that_of_the_plan():
    profile = evaluate_plan(PLAN, W.surface, W.environment, W.rover, W.mission)
    g = guard()
    energy = float(profile.battery_energy[0])
    _, columns = REFERENCE.ahead(0.0, REFERENCE.duration, 0.05)
    margins = g._margins(columns, 0.05, energy, BASE, 0.0, ESTIMATE)
    planned = float(profile.battery_energy.min()) - g.floor
    drawn = energy - float(profile.battery_energy.min())
    assert drawn > 300.0  # the case is one in which the battery matters
    assert margins[list(RATES).index(1.0)] == pytest.approx(planned, abs=0.02 * drawn)


def test_enough_goes_on_and_too_little_stops():
    g = guard()
    assert g.outlook(0.0, 8e4, BASE, 0.0, ESTIMATE).rate == RATES[0]
    short = g.outlook(0.0, g.floor + 10.0, BASE + 20.0, 0.0, ESTIMATE)
    assert short.rate == 0.0
    assert short.margin < 0.0


def test_heavier_soil_and_a_weaker_supply_lower_the_margin():
    g, energy = guard(), 5e4
    _, columns = REFERENCE.ahead(0.0, REFERENCE.duration, 0.2)
    nominal = g._margins(columns, 0.2, energy, BASE, 0.0, ESTIMATE)
    heavy = g._margins(columns, 0.2, energy, BASE, 0.0, replace(ESTIMATE, factors=(1.2, 1.2, 1.2)))
    weak = g._margins(columns, 0.2, energy, BASE, -5.0, ESTIMATE)
    fast = RATES >= 0.4  # slower, generator and array carry everything
    assert np.all(heavy[fast] < nominal[fast])
    assert np.all(weak[fast] < nominal[fast])
    bright = g._margins(columns, 0.2, energy, BASE, 5.0, ESTIMATE)
    np.testing.assert_array_equal(bright, nominal)  # a surplus of now is not counted on


def test_a_thin_store_is_made_to_last_by_going_slower_where_that_saves():
    """With generator and array above the constant load, slow driving needs no battery."""
    w, t = world(use_battery=True, generator=55.0), plan(use_battery=True, generator=55.0)
    g = EnergyGuard(Reference.sample(t, w.surface, w.environment, w.rover, w.mission), w.rover, use_battery=True, reserve=0.0)
    outlook = g.outlook(0.0, g.floor + 50.0, BASE, 0.0, replace(ESTIMATE, factors=(1.2, 1.2, 1.2)))
    assert 0.0 < outlook.rate < 1.0


def test_the_discharge_fades_before_the_floor_and_never_passes_it():
    g = guard()
    energy = g.floor + 200.0
    for _ in range(4000):
        give = g.discharge(energy, 30.0)
        energy = step_battery(W.rover.battery, energy, -give, 0.1).energy
    assert g.floor <= energy < g.floor + 1.0
    assert g.discharge(g.floor - 5.0, 30.0) == 0.0
    assert EnergyGuard(REFERENCE, W.rover, use_battery=False, reserve=0.0).discharge(9e4, 30.0) == 0.0
