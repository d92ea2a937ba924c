"""Yes, no, unknown: against plans that exist or do not, closed forms on a plane, and remedies that are then tried."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planner_cases import MOON, flat_world, lunar_world, rover_of

from rover_energy.errors import InputError
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.front_end import find_path
from rover_energy.planning.planner import LocalSolver, plan_traverse
from rover_energy.planning.reach import Reach, Verdict, bound_of_any_path, can_reach
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.remedies import Help
from rover_energy.planning.search import SearchFailure
from rover_energy.planning.waiting import after_waiting
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters

solver = LocalSolver()
START, GOAL = (5.0, 15.0, 0.0), (17.0, 15.0, 0.0)
FLOOR = 0.15


def poor_rover(generator: float = 40.0, **battery: float) -> RoverParameters:
    """No array in the dark, and a generator below the base load of 55 W, unless it is told to be above."""
    rtg = {"beginning_of_life_power": generator, "converter_degradation": 0.0, "half_life": 1e6}
    return rover_of(rtg=rtg, battery={"capacity": 1e6, "discharge_taper": 0.0, **battery})


def dark_plane(charge: float, generator: float = 40.0, **mission: float) -> World:
    return flat_world(rover=poor_rover(generator), state_of_charge=charge, **mission)


def ask(world: World, **options: float) -> Reach:
    return can_reach(world, START, GOAL, solver=solver, **{"seconds": 30.0, **options})


def drivable(world: World) -> bool:
    try:
        plan_traverse(world, START, GOAL, solver=solver, seconds=30.0)
    except Refusal:
        return False
    return True


def test_yes_with_the_margin_of_a_certified_plan() -> None:
    """The margin by a rectangle sum of the plan's net power through the battery's efficiency, as nothing tapers here."""
    world = dark_plane(0.5)
    found = ask(world)
    assert found.verdict is Verdict.YES
    assert found.certified
    assert found.plan is not None
    assert found.plan.certificate.passed
    p = evaluate_plan(found.plan.trajectory, world.surface, world.environment, world.rover, world.mission)
    net = p.rtg_power - p.total_power
    stored = 0.5e6 + np.concatenate(([0.0], np.cumsum(0.5 * (net[1:] + net[:-1]) * np.diff(p.t)))) / 0.95
    assert found.arrival_margin == pytest.approx(stored[-1] - FLOOR * 1e6, abs=1.0)
    assert found.margin == pytest.approx(stored.min() - FLOOR * 1e6, abs=1.0)
    assert found.margin_time == pytest.approx(p.t[int(np.argmin(stored))], abs=0.05)
    assert found.margin_wh == pytest.approx(found.margin / 3600.0)
    assert found.binding_minute == pytest.approx(found.margin_time / 60.0)
    assert found.energy_bound <= found.energy


def test_bound_is_the_closed_form_of_the_straight_line() -> None:
    rover = poor_rover()
    bound = bound_of_any_path(dark_plane(0.5), START, GOAL)
    assert bound.duration == pytest.approx(12.0 / rover.limits.speed)
    assert bound.work == pytest.approx(80.0 * 12.0 / 0.6)
    assert bound.energy == pytest.approx(bound.work + 55.0 * bound.duration)
    sloped = flat_world(slope=0.1, rover=rover)
    rise, space = 1.2, math.hypot(12.0, 1.2)
    assert bound_of_any_path(sloped, START, GOAL).work == pytest.approx((200.0 * MOON * rise + 80.0 * space) / 0.6, rel=1e-6)
    assert bound_of_any_path(sloped, GOAL, START).work == pytest.approx((80.0 * space - 200.0 * MOON * rise) / 0.6, rel=1e-6)


def test_no_only_where_the_bound_is_broken_and_never_where_a_plan_exists() -> None:
    """Over the charge: first NO, then perhaps UNKNOWN, then YES. On a plane the gap between bound and plan is small."""
    verdicts = []
    for joules in (500.0, 1500.0, 1900.0, 2100.0, 2300.0, 2600.0, 4000.0):
        world = dark_plane(FLOOR + joules / 1e6)
        found = ask(world)
        verdicts.append(found.verdict)
        assert (found.verdict is Verdict.YES) == drivable(world)
        if found.verdict is Verdict.NO:
            assert found.binding == "floor"
    order = {Verdict.NO: 0, Verdict.UNKNOWN: 1, Verdict.YES: 2}
    ranks = [order[v] for v in verdicts]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0
    assert ranks[-1] == 2
    assert ranks.count(1) <= 3


@pytest.mark.parametrize("charge", [FLOOR + 0.0005, FLOOR + 0.0015])
def test_more_charge_is_enough_and_no_more_than_needed(charge: float) -> None:
    found = ask(dark_plane(charge))
    assert found.verdict is not Verdict.YES
    assert found.margin < 0.0
    remedy = next(r for r in found.remedies if r.kind is Help.MORE_CHARGE)
    assert drivable(dark_plane(charge + 1.02 * remedy.amount / 1e6 + 2e-5))
    assert not drivable(dark_plane(charge + 0.85 * remedy.amount / 1e6))


def test_shedding_and_waiting_are_enough() -> None:
    """Generator 70 W over a base of 55 W: waiting charges, and a bit less load leaves enough for driving."""
    world = dark_plane(FLOOR + 5e-5, generator=70.0, deadline=60.0)
    assert not drivable(world)
    shed = next(r for r in ask(world).remedies if r.kind is Help.SHED_LOAD)
    rover = world.rover
    lighter = replace(rover, loads=replace(rover.loads, base_power=55.0 - 1.03 * shed.amount - 0.2))
    assert drivable(replace(world, rover=lighter))
    free = dark_plane(FLOOR + 5e-5, generator=55.1)
    found = ask(free)
    if found.verdict is not Verdict.YES:
        later = next(r for r in found.remedies if r.kind is Help.START_LATER)
        assert drivable(after_waiting(free, START, 1.02 * later.amount + 5.0))


def test_deadline() -> None:
    world = dark_plane(0.5, deadline=10.0)
    found = ask(world)
    assert (found.verdict, found.binding) == (Verdict.NO, "deadline")
    more = next(r for r in found.remedies if r.kind is Help.ALLOW_TIME)
    assert drivable(dark_plane(0.5, deadline=10.0 + more.amount * 1.02 + 1.0))
    assert not drivable(dark_plane(0.5, deadline=10.0 + 0.9 * more.amount))


def test_reserve_on_arrival() -> None:
    world = dark_plane(0.5)
    plain = ask(world)
    assert ask(world, reserve=0.9 * plain.arrival_margin).verdict is Verdict.YES
    short = ask(world, reserve=plain.arrival_margin + 2e3)
    assert short.verdict is not Verdict.YES
    assert short.binding in ("battery_reserve", "floor")
    assert short.remedies


def test_blocked_goal_and_bad_input() -> None:
    world = lunar_world()
    found = can_reach(world, (8.0, 8.0, 0.8), (-50.0, 8.0, 0.0), solver=solver)
    assert (found.verdict, [r.kind for r in found.remedies]) == (Verdict.NO, [Help.OTHER_GOAL])
    with pytest.raises(InputError, match="reserve"):
        ask(dark_plane(0.5), reserve=math.nan)
    with pytest.raises(InputError, match="finite"):
        can_reach(world, (math.nan, 8.0, 0.8), GOAL, solver=solver)


def walled(behind: float) -> World:
    """The plane with a wall from south to north, and `behind` it [m] the goal."""
    world = dark_plane(0.5)
    x = GOAL[0] - behind
    wall = ((x - 0.5, 10.0), (x, 10.0), (x, 20.0), (x - 0.5, 20.0))
    mission = replace(world.mission, keep_outs=(wall,))
    return World.prepare(world.terrain, world.rover, mission, world.environment)


def test_any_heading_where_the_bearing_has_no_path() -> None:
    """Close behind a wall nobody arrives straight from it; of the rest, the cheapest. Each is asked for alone."""
    world = walled(behind=RoverParameters().width / 2.0 + 0.3)
    costs = {}
    for heading in (math.remainder(k * math.pi / 6.0, 2.0 * math.pi) for k in range(12)):
        try:
            costs[heading] = find_path(world.cost_map, START, (*GOAL[:2], heading)).cost
        except SearchFailure:
            continue
    assert 0.0 not in costs
    assert can_reach(world, START, GOAL, solver=solver, seconds=30.0).verdict is Verdict.UNKNOWN
    found = can_reach(world, START, (*GOAL[:2], math.nan), solver=solver, seconds=30.0)
    assert found.verdict is Verdict.YES
    assert found.plan is not None
    best = min(costs, key=lambda heading: costs[heading])
    assert math.remainder(found.plan.trajectory.end_pose[2] - best, 2.0 * math.pi) == pytest.approx(0.0, abs=1e-3)


def test_a_slope_too_steep_for_one_heading_is_no_proof_for_all() -> None:
    """Steeper than the rover may climb, but not than it may stand: NO uphill, and not NO in any heading."""
    limits = RoverParameters().limits
    rise = math.tan(0.5 * (limits.along_slope + limits.tilt))
    assert limits.along_slope < limits.tilt
    world = flat_world(slope=rise, rover=poor_rover(), state_of_charge=0.9)
    start = (15.0, 8.0, 0.5 * math.pi)
    uphill = can_reach(world, start, (15.5, 20.0, 0.0), solver=solver, seconds=30.0)
    assert (uphill.verdict, uphill.binding) == (Verdict.NO, "along_slope")
    found = can_reach(world, start, (15.5, 20.0, math.nan), solver=solver, seconds=30.0)
    assert found.verdict is not Verdict.NO


def test_a_place_that_is_blocked_is_so_in_any_heading() -> None:
    found = can_reach(walled(behind=0.2), START, (*GOAL[:2], math.nan), solver=solver, seconds=30.0)
    assert (found.verdict, found.binding) == (Verdict.NO, "keep_out")


def test_any_heading_is_the_bearing() -> None:
    world = dark_plane(0.5)
    found = can_reach(world, START, (15.0, 20.0, math.nan), solver=solver, seconds=30.0)
    assert found.plan is not None
    assert found.plan.trajectory.end_pose[2] == pytest.approx(math.atan2(5.0, 10.0), abs=1e-3)


def test_waiting_charges_by_the_surplus() -> None:
    """70 W in, 55 W out: 15 W for 1000 s at 95 %; and 15 W out of the store where the generator gives 40 W."""
    later = after_waiting(dark_plane(0.5, generator=70.0, deadline=5000.0), START, 1000.0)
    assert later.mission.state_of_charge == pytest.approx(0.5 + 15.0 * 1000.0 * 0.95 / 1e6)
    assert later.mission.deadline == pytest.approx(4000.0)
    drained = after_waiting(dark_plane(0.5), START, 1000.0)
    assert drained.mission.state_of_charge == pytest.approx(0.5 - 15.0 * 1000.0 / 0.95 / 1e6)
    with pytest.raises(InputError, match="seconds"):
        after_waiting(dark_plane(0.5), START, math.nan)
