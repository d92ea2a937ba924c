"""Replanning while driving: what counts as a deviation, and the certified plans that follow from it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planner_cases import GOAL, START, lunar_world

from rover_energy.planning.certificate import certify
from rover_energy.planning.deviation import Comparison, DeviationParameters, Kind, Observed
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.planner import LocalSolver, PlannedTraverse, plan_traverse
from rover_energy.planning.replanner import Followed, Replanner, profile_of
from rover_energy.planning.world import World

solver = LocalSolver()
WORLD = lunar_world()


@pytest.fixture(scope="module")
def plan() -> PlannedTraverse:
    return plan_traverse(WORLD, START, GOAL, solver=solver, seconds=30.0)


@pytest.fixture(scope="module")
def profile(plan: PlannedTraverse) -> Profile:
    return evaluate_plan(plan.trajectory, WORLD.surface, WORLD.environment, WORLD.rover, WORLD.mission)


def seen(p: Profile, at: float, *, late: float = 0.0, left: float = 0.0, **changes: float) -> Observed:
    """The rover on the plan at a time of it, `late` behind, `left` metres beside; other values by their change."""
    columns = p.columns()
    v = {name: float(np.interp(at, p.t, column)) for name, column in columns.items()}
    values = {
        "time": at + late, "x": v["x"] - left * math.sin(v["heading"]), "y": v["y"] + left * math.cos(v["heading"]),
        "heading": v["heading"], "speed": v["speed"], "yaw_rate": v["yaw_rate"], "supply_power": v["rtg_power"] + v["pv_power"],
        "constant_power": v["base_power"] + v["inference_power"], "motion_power": v["drive_power"] + v["turn_power"],
        "battery_energy": v["battery_energy"],
    }  # fmt: skip
    return Observed(**{name: value + changes.get(name, 0.0) for name, value in values.items()})


def judge(p: Profile, *, late: float = 0.0, left: float = 0.0, until: float = 15.0, **changes: float) -> Kind | None:
    compared = Comparison(p, 0.0, DeviationParameters(), use_battery=True)
    for at in np.arange(0.0, until, 0.1):
        share = min(1.0, at / 5.0)  # comes slowly, as in life
        found = compared.judge(seen(p, at, late=late * share, left=left * share, **{k: v * share for k, v in changes.items()}))
        if found is not None:
            assert found.amount > found.limit
            assert found.kind.value in str(found)
            return found.kind
    assert compared.plan_time == pytest.approx(at, abs=0.06), "it knows where the rover is on the plan"
    return None


def test_watched_from_the_middle_of_the_drive_on(profile: Profile) -> None:
    compared = Comparison(profile, 0.0, DeviationParameters(), use_battery=True)
    assert compared.judge(seen(profile, 20.0, late=1.0)) is None
    assert compared.plan_time == pytest.approx(20.0, abs=0.06)


def test_on_the_plan_nothing_is_found(profile: Profile) -> None:
    assert judge(profile, until=profile.t[-1]) is None
    assert judge(profile, late=4.0, left=0.15, battery_energy=-1500.0, supply_power=-6.0) is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"left": 0.3}, Kind.DISTANCE), ({"left": -0.3}, Kind.DISTANCE), ({"late": 7.0}, Kind.LAG),
        ({"battery_energy": -3000.0}, Kind.ENERGY), ({"supply_power": -12.0}, Kind.POWER), ({"constant_power": 12.0}, Kind.POWER),
        ({"supply_power": 12.0}, Kind.POWER), ({"battery_energy": 3000.0}, None), ({"x": math.nan}, None),
        ({"battery_energy": math.nan}, None),
    ],
)  # fmt: skip
def test_what_counts_as_a_deviation(profile: Profile, changes: dict[str, float], kind: Kind | None) -> None:
    if any(math.isnan(v) for v in changes.values()):
        compared = Comparison(profile, 0.0, DeviationParameters(), use_battery=True)
        assert compared.judge(seen(profile, 5.0, **changes)) is None
    else:
        assert judge(profile, **changes) is kind


def followed(plan: PlannedTraverse, world: World = WORLD) -> Replanner:
    replanner = Replanner(world, solver)
    replanner.begin(plan.trajectory)
    return replanner


def test_next_plan_is_certified_and_starts_where_the_rover_is(plan: PlannedTraverse, profile: Profile) -> None:
    replanner = followed(plan)
    assert replanner.rehearse()
    o = seen(profile, 12.0, late=1.0, left=0.25, battery_energy=-500.0)
    for at in np.arange(0.0, 12.0, 0.5):
        replanner.observe(seen(profile, at))
    found = replanner.observe(o)
    assert found is not None
    assert found.kind is Kind.DISTANCE
    made, world = replanner.replan(o)
    assert made.certificate.passed
    begin = made.trajectory.evaluate(np.array([0.0]))
    assert (float(begin.x[0]), float(begin.y[0])) == pytest.approx((o.x, o.y), abs=1e-6)
    slope = float(world.surface.along_slope(o.x, o.y, o.heading))
    assert float(begin.speed[0]) / math.cos(slope) == pytest.approx(o.speed, abs=2e-3)
    assert made.trajectory.end_pose == pytest.approx(GOAL, abs=1e-3)
    again = certify(
        made.trajectory, world.surface, world.environment, world.rover,
        replace(world.mission, state_of_charge=o.battery_energy / 1e6), goal=GOAL,
    )  # fmt: skip
    assert again.passed
    replanner.follow(Followed.of(made, world))
    assert replanner.observe(replace(o, time=o.time + 0.1)) is None, "on the new plan"
    assert profile_of(made, world).battery_energy[0] == pytest.approx(o.battery_energy, abs=1.0)


def test_next_plan_counts_on_what_was_measured(plan: PlannedTraverse, profile: Profile) -> None:
    """10 W more load and ground 20 % harder: the next plan is no faster, and its certificate holds with both."""
    replanner = followed(plan)
    for at in np.arange(0.0, 18.0, 0.1):
        o = seen(profile, at, constant_power=10.0)
        o = replace(o, motion_power=1.2 * o.motion_power)
        replanner.observe(o)
    assert replanner.work.value == pytest.approx(1.2, abs=0.03)
    assert replanner.array.value == pytest.approx(1.0, abs=0.02)
    made, world = replanner.replan(o, seconds=30.0)
    assert world.rover.loads.base_power == pytest.approx(WORLD.rover.loads.base_power + 10.0)
    assert world.rover.locomotion.drivetrain_efficiency == pytest.approx(0.6 / 1.2, rel=0.03)
    assert made.certificate.passed
    assert made.duration > plan.duration - o.time - 0.1
    heavier = profile_of(made, world)
    assert np.all(heavier.total_power <= heavier.available_power + 1e-6)
    assert heavier.base_power[0] == pytest.approx(WORLD.rover.loads.base_power + 10.0)


@pytest.mark.parametrize("watts", [8.5, 16.0])
def test_less_power_makes_the_next_plan_slower(watts: float) -> None:
    """Without a battery: it begins no faster than the rover drives, uses what is left of the power, and leads to the goal."""
    tight = replace(WORLD, mission=replace(WORLD.mission, use_battery=False))
    first = plan_traverse(tight, START, GOAL, solver=solver, seconds=30.0)
    p = profile_of(first, tight)
    replanner = followed(first, tight)
    found = None
    for at in np.arange(10.0, 20.0, 0.1):
        o = seen(p, at, constant_power=watts)
        found = replanner.observe(o)
        if found is not None:
            break
    assert found is not None
    assert found.kind is Kind.POWER
    made, world = replanner.replan(o, seconds=30.0)
    assert made.certificate.passed
    assert made.facts["solver"] != "rest"
    assert made.trajectory.end_pose == pytest.approx(GOAL, abs=1e-3)
    assert made.duration > first.duration - o.time + 0.05
    after = profile_of(made, world)
    assert after.base_power[0] == pytest.approx(WORLD.rover.loads.base_power + watts)
    assert 0.0 <= float(np.min(after.available_power - after.total_power)) < 1.5, "some of the way it is driven at the power"
    slower = o.speed - float(after.speed[0])
    assert -2e-3 <= slower <= 0.4 * o.speed
    uniform = first.trajectory.stretched(1.0)
    q = profile_of(replace(first, trajectory=uniform), world)
    ahead = q.t >= o.time
    room = (q.available_power - q.base_power - q.inference_power)[ahead]
    share = float(np.max((q.drive_power + q.turn_power)[ahead] / room))
    assert made.duration < share * (first.duration - o.time), "slower only where power asks for it"


def test_a_late_rover_keeps_the_rest_of_its_plan(plan: PlannedTraverse, profile: Profile) -> None:
    replanner = followed(plan)
    for at in np.arange(8.0, 12.0, 0.1):
        replanner.observe(seen(profile, at))
    o = seen(profile, 12.0, late=5.5)
    found = replanner.observe(o)
    assert found is not None
    assert found.kind is Kind.LAG
    made, world = replanner.replan(o)
    assert made.facts["solver"] == "rest"
    assert made.certificate.passed
    assert made.duration == pytest.approx(plan.duration - 12.0, abs=0.06)
    t = np.linspace(0.5, made.duration - 0.5, 50)
    then = plan.trajectory.evaluate(t + plan.duration - made.duration)
    assert made.trajectory.evaluate(t).x == pytest.approx(then.x, abs=1e-9)
    assert profile_of(made, world).battery_energy[0] == pytest.approx(o.battery_energy, abs=1.0)


def test_little_left_is_not_replanned(plan: PlannedTraverse, profile: Profile) -> None:
    replanner = followed(plan)
    for at in np.arange(0.0, profile.t[-1] - 2.0, 0.2):
        replanner.observe(seen(profile, at))
    assert replanner.observe(seen(profile, float(profile.t[-1]) - 2.0, left=0.5)) is None
