"""The pace: within bounds, below the power that is there, slow before the lack, never NaN."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drive_cases import plan, world
from hypothesis import given, settings
from hypothesis import strategies as st

from rover_energy.control.command import Command, Measurement
from rover_energy.control.estimator import Estimator
from rover_energy.control.governor import Governor
from rover_energy.control.reference import ROW, Reference
from rover_energy.control.settings import EstimatorParameters, GovernorParameters

W = world()
REFERENCE = Reference.sample(plan(), W.surface, W.environment, W.rover, W.mission)
PRIOR = Estimator(W.rover, EstimatorParameters()).estimate
CONSTANT = W.rover.loads.base_power


def measurement(supply, speed=0.3, battery=0.0, power=30.0):
    return Measurement(0.0, 0.0, 0.0, 0.0, 8.0, 8.0, 0.0, speed, 0.0, math.nan, power, CONSTANT, supply, battery, 5e4)


def governor(**values):
    return Governor(REFERENCE, W.rover, replace(GovernorParameters(), **values))


def known(mass=1.0, resistance=1.0, turning=1.0):
    """An estimate without any doubt."""
    factors = (mass, resistance, turning)
    return replace(
        PRIOR, factors=factors, covariance=(0.0,) * 6, low=factors, high=factors, slip_covariance=(0.0,) * 3, slip_high=1.0
    )


def test_the_plan_is_driven_as_planned_when_all_is_as_planned():
    g = governor(margin=0.0)
    for t in np.arange(0.0, REFERENCE.duration, 0.5):
        pace = g.choose(t, measurement(REFERENCE.at(t).supply_power), known(), 0.5)
        assert pace.rate == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("factor", [1.05, 1.2])
def test_a_known_excess_is_met_by_the_rate_that_fits_exactly(factor):
    g, t = governor(margin=0.0), 20.0
    for _ in range(400):
        pace = g.choose(t, measurement(REFERENCE.at(t).supply_power), known(factor, factor, factor), 0.05)
    p = REFERENCE.at(t)
    features = g.model.features(pace.rate * p.speed, pace.rate**2 * p.acceleration, p.grade, p.resistance, p.slip,
                                pace.rate * p.yaw_rate, 0.0)  # fmt: skip
    room = p.supply_power - CONSTANT
    assert factor * sum(features) == pytest.approx(room, rel=0.01)


def test_doubt_costs_pace_and_certainty_gives_it_back():
    rates = []
    for estimate in (replace(PRIOR, sigmas=2.0), PRIOR, known()):
        g = governor()
        for _ in range(400):
            pace = g.choose(20.0, measurement(REFERENCE.at(20.0).supply_power), estimate, 0.05)
        rates.append(pace.rate)
    assert rates[0] < 0.9
    assert rates[0] < rates[1] - 0.02
    assert rates[1] < rates[2] - 0.05
    assert rates[2] > 0.97


def test_the_rate_falls_before_a_shadow_is_reached():
    table = REFERENCE.table.copy()
    times = REFERENCE.step * np.arange(table.shape[1])
    dark = times >= 25.0
    table[ROW["supply_power"], dark] = CONSTANT + 0.35 * (table[ROW["supply_power"], dark] - CONSTANT)
    reference = Reference(table, REFERENCE.step, REFERENCE.duration)
    g = Governor(reference, W.rover, replace(GovernorParameters(), margin=0.8))
    t, worst, before = 15.0, -math.inf, None
    slowed = None
    while t < 30.0:
        p = reference.at(t)
        pace = g.choose(t, measurement(p.supply_power), known(), 0.05)
        slowed = t if slowed is None and pace.rate < 0.9 else slowed
        change = 0.0 if before is None else (pace.rate - before) / 0.05
        before = pace.rate
        features = g.model.features(pace.rate * p.speed, pace.rate**2 * p.acceleration + change * p.speed, p.grade, p.resistance,
                                    p.slip, pace.rate * p.yaw_rate, 0.0)  # fmt: skip
        worst = max(worst, max(0.0, sum(features[:2])) + features[2] - (p.supply_power - CONSTANT))
        t += pace.rate * 0.05
    assert slowed is not None
    assert slowed < 25.0
    assert worst <= 0.0


def test_ceilings_against_a_fine_search():
    g, estimate = governor(), PRIOR
    m = measurement(100.0, battery=5.0)
    _, columns = REFERENCE.ahead(12.0, 6.0, 0.2)
    found = g._power_ceilings(columns, m, estimate)
    rates = np.linspace(0.0, g.parameters.fastest, 2001)
    for k in range(columns.shape[1]):
        c = columns[:, k]
        features = g.model.features(
            rates * c[ROW["speed"]], rates**2 * c[ROW["acceleration"]] - g.parameters.fall * c[ROW["speed"]], c[ROW["grade"]],
            c[ROW["resistance"]], estimate.worst_slip(c[ROW["slip"]]), rates * c[ROW["yaw_rate"]],
            rates**3 * max(0.0, c[ROW["yaw_rate"]] * c[ROW["yaw_acceleration"]]),
        )  # fmt: skip
        over = estimate.worst(features) > c[ROW["supply_power"]] + 5.0 - CONSTANT - g.parameters.margin
        exact = rates[max(int(np.argmax(over)) - 1, 0)] if over.any() else rates[-1]
        assert found[k] == pytest.approx(exact, abs=0.004)


number = st.one_of(st.floats(-50.0, 400.0), st.sampled_from([math.nan, math.inf, -math.inf]))


@settings(max_examples=150, deadline=None)
@given(
    t=st.floats(0.0, 47.0), supply=number, battery=st.one_of(st.floats(0.0, 100.0), st.just(math.nan)),
    wanted=st.floats(0.0, 1.5), rate=st.floats(0.0, 1.3), speed=st.floats(0.0, 0.6), present=st.floats(0.0, 0.6),
    turn=st.floats(-0.3, 0.3), factors=st.tuples(*[st.floats(0.5, 2.0)] * 3),
)  # fmt: skip
def test_rate_and_command_stay_in_bounds_whatever_is_measured(t, supply, battery, wanted, rate, speed, present, turn, factors):
    g = governor()
    g.rate, g._begun = rate, True
    estimate = replace(PRIOR, factors=factors, high=tuple(max(1.2, f) for f in factors))
    m, p = measurement(supply, battery=battery), REFERENCE.at(t)
    pace = g.choose(t, m, estimate, 0.05, wanted=wanted)
    if math.isfinite(supply) and math.isfinite(battery):
        assert 0.0 <= pace.rate <= g.parameters.fastest
        assert rate - pace.rate <= g.parameters.drop * 0.05 + 1e-9
        assert pace.rate - rate <= g.parameters.rise * 0.05 + 1e-9
    command = g.limit(Command(speed, turn), present, m, p, estimate, 0.05)
    room = g.available(m)
    least = max(0.0, present - g.braking * 0.05)
    assert 0.0 <= command.speed <= max(speed, least) + 1e-12
    assert command.power_cap >= 0.0
    if not (math.isfinite(room) and room > 0.0):
        assert (command.speed, command.yaw_rate, command.power_cap) == (0.0, 0.0, 0.0)
        return
    assert command.power_cap <= room
    if command.speed > least + 1e-9:  # not already braking as hard as it may
        features = g.model.features(
            command.speed, (command.speed - present) / 0.05, p.grade, p.resistance, estimate.worst_slip(p.slip),
            command.yaw_rate, 0.0,
        )  # fmt: skip
        assert estimate.worst(features) <= room - g.parameters.margin + 1e-6
