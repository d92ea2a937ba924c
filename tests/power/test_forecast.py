"""The ensemble against closed forms, against one battery integrated at a time, and against fresh draws that it must cover."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rover_energy.errors import InputError
from rover_energy.power.battery import BatteryParameters, discharge_towards_floor
from rover_energy.power.forecast import Course, ForecastParameters, advance, forecast_power, gauss_markov, members_of
from rover_energy.power.storage import integrate_battery

BATTERY = BatteryParameters()
NONE = {
    "resistance_sigma": 0.0, "array_sigma": 0.0, "attitude_sigma": 0.0, "load_sigma": 0.0, "pace_median": 1.0, "pace_sigma": 0.0,
    "roughness_sigma": 0.0,
}  # fmt: skip


def still(**sigmas: float) -> ForecastParameters:
    """Nothing uncertain but what is named."""
    return replace(ForecastParameters(members=4000), **{**NONE, **sigmas})  # type: ignore[arg-type]


def course(n: int = 60, step: float = 10.0, pv: float = 60.0, motion: float = 80.0) -> Course:
    wave = 1.0 + 0.4 * np.sin(np.arange(n) / 5.0)
    return Course(np.full(n, step), np.full(n, 50.0), pv * wave, np.full(n, 55.0), motion * wave)


@given(
    energy=st.floats(0.0, 1.0e6), net=st.floats(-400.0, 400.0), seconds=st.floats(0.1, 4000.0),
    taper=st.sampled_from([0.0, 0.25]), full_taper=st.sampled_from([0.9, 1.0]), floor=st.sampled_from([0.0, 0.15]),
    allow=st.booleans(),
)  # fmt: skip
def test_one_step_is_that_of_the_store(
    energy: float, net: float, seconds: float, taper: float, full_taper: float, floor: float, allow: bool
) -> None:
    battery = replace(BATTERY, discharge_taper=taper, charge_taper=full_taper, floor=floor)
    single = integrate_battery(battery, energy, [net], seconds, allow_discharge=allow).energy[1]
    assert advance(battery, [energy], [net], seconds, allow_discharge=allow)[0] == pytest.approx(single, rel=1e-9, abs=1e-3)


def test_without_uncertainty_all_quantiles_are_the_nominal_course() -> None:
    c = course()
    found = forecast_power(BATTERY, c, 6.0e5, still())
    record = integrate_battery(BATTERY, 6.0e5, c.rtg_power + c.pv_power - c.constant_power - c.motion_power, c.step)
    for row in found.battery_energy:
        assert row == pytest.approx(record.energy[1:], abs=1.0)
    assert found.load_power[1] == pytest.approx(c.constant_power + c.motion_power)
    limits = [discharge_towards_floor(BATTERY, e, 150.0) for e in record.energy[:-1]]
    assert found.available_power[1] == pytest.approx(c.rtg_power + c.pv_power + limits)
    assert forecast_power(BATTERY, c, 6.0e5, still(), power_limit=100.0).available_power.max() == 100.0
    assert forecast_power(BATTERY, c, 6.0e5, still(), use_battery=False).available_power[1] == pytest.approx(
        c.rtg_power + c.pv_power
    )


def test_quantiles_of_the_resistance_are_those_of_the_lognormal() -> None:
    """Motion power times exp(sigma z); the stored energy falls by the integral of it, as no limit touches the battery."""
    c = course(pv=0.0, motion=60.0)
    found = forecast_power(BATTERY, c, 8.0e5, still(resistance_sigma=0.1))
    for row, share in ((0, 0.1), (1, 0.5), (2, 0.9)):
        factor = math.exp(0.1 * stats.norm.ppf(share))
        assert found.load_power[row] == pytest.approx(55.0 + c.motion_power * factor, rel=0.01)
        drawn = float(np.sum((55.0 + c.motion_power / factor - 50.0) * c.step)) / 0.95  # heavy ground empties it
        assert found.battery_energy[row][-1] == pytest.approx(8.0e5 - drawn, abs=0.01 * drawn)


def test_quantiles_of_array_and_load() -> None:
    c = course(motion=0.0)
    array = forecast_power(BATTERY, c, 5.0e5, still(array_sigma=0.2), use_battery=False)
    load = forecast_power(BATTERY, c, 5.0e5, still(load_sigma=3.0))
    for row, share in ((0, 0.1), (2, 0.9)):
        z = float(stats.norm.ppf(share))
        assert array.available_power[row] == pytest.approx(50.0 + c.pv_power * math.exp(0.2 * z), rel=0.02)
        assert load.load_power[row] == pytest.approx(np.full(60, 55.0 + 3.0 * z), abs=0.4)


def test_process_has_the_variance_and_correlation_that_it_says() -> None:
    steps = np.array([5.0, 5.0, 20.0, 40.0])
    found = gauss_markov(steps, 30.0, 40000, np.random.default_rng(3))
    assert found.std(axis=0) == pytest.approx(np.ones(4), abs=0.02)
    middles = np.cumsum(steps) - 0.5 * steps
    wanted = np.exp(-np.abs(middles[:, None] - middles) / 30.0)
    assert np.corrcoef(found.T) == pytest.approx(wanted, abs=0.02)


def test_pace_stretches_the_course_and_keeps_the_energy_of_the_way() -> None:
    """Twice as slow: half the motion power for twice as long, the array as at the place where the rover then is."""
    step = np.full(40, 10.0)
    motion, array = np.where(np.arange(40) < 10, 80.0, 0.0), np.where(np.arange(40) < 5, 60.0, 20.0)
    supply, load = members_of(Course(step, 50.0, array, 55.0, motion), still(pace_median=2.0))  # type: ignore[arg-type]
    assert load[7] == pytest.approx(55.0 + np.where(np.arange(40) < 20, 40.0, 0.0))
    assert supply[7] == pytest.approx(50.0 + np.where(np.arange(40) < 10, 60.0, 20.0))
    _, spread = members_of(Course(step, 50.0, array, 55.0, motion), still(pace_sigma=0.1))  # type: ignore[arg-type]
    assert np.sum((spread - 55.0) * 10.0, axis=1) == pytest.approx(8000.0), "the way takes the same energy"


def test_roughness_averages_out_over_long_steps() -> None:
    for length in (1.0, 30.0):
        c = Course(np.full(20, length), 50.0, 0.0, 55.0, 80.0)  # type: ignore[arg-type]
        _, load = members_of(c, still(roughness_sigma=0.1))
        rng, fine, tau = np.random.default_rng(5), 0.1, 3.0
        z = np.array([rng.normal(size=4000)])
        for _ in range(round(length / fine) - 1):
            keep = math.exp(-fine / tau)
            z = np.vstack((z, keep * z[-1] + math.sqrt(1.0 - keep**2) * rng.normal(size=4000)))
        assert load[:, 10].std() == pytest.approx(8.0 * z.mean(axis=0).std(), rel=0.07)


def test_governed_motion_waits_for_power_and_takes_its_energy_later() -> None:
    """80 W of motion for 100 s where 105 W less 55 W are to be had: 160 s of 50 W, the same 8 kJ; nothing ever above the bus."""
    c = Course(np.full(60, 5.0), 105.0, 0.0, 55.0, np.where(np.arange(60) < 20, 80.0, 0.0))  # type: ignore[arg-type]
    found = forecast_power(BATTERY, c, 5.0e5, still(), use_battery=False, governed=True)
    assert found.load_power[1] == pytest.approx(55.0 + np.where(np.arange(60) < 32, 50.0, 0.0), abs=1e-6)
    asked = forecast_power(BATTERY, c, 5.0e5, still(), use_battery=False)
    assert asked.load_power[1] == pytest.approx(55.0 + c.motion_power)
    wide = forecast_power(BATTERY, c, 5.0e5, ForecastParameters(), use_battery=False, governed=True)
    assert np.all(wide.load_power[2] <= wide.available_power[2] + 1e-9)


def test_governed_is_the_same_where_there_is_power_enough() -> None:
    c, p = course(n=40, pv=400.0), ForecastParameters(members=200)
    free, held = (forecast_power(BATTERY, c, 6.0e5, p, governed=governed) for governed in (False, True))
    for name in ("load_power", "available_power", "battery_energy"):
        assert getattr(held, name) == pytest.approx(getattr(free, name), rel=1e-9)


def brute(c: Course, p: ForecastParameters, energy: float, seed: int) -> tuple[np.ndarray, float]:
    """One possible future, second by second: stored energy at the ends of the course's steps of 10 s, and when it is empty."""
    rng, fine, count = np.random.default_rng(seed), 1.0, round(float(c.step.sum()))
    resistance, dust = np.exp(p.resistance_sigma * rng.normal()), np.exp(p.array_sigma * rng.normal())
    pace = p.pace_median * np.exp(p.pace_sigma * rng.normal())
    lean, load, rough, nets = rng.normal(), rng.normal(), rng.normal(), []
    for second in range(count):
        k = min(int((second + 0.5) / pace / 10.0), c.step.size - 1)  # where it is on its course by then
        supply = c.rtg_power[k] + c.pv_power[k] * dust * max(0.0, 1.0 + p.attitude_sigma * lean)
        motion = c.motion_power[k] / pace * resistance * (1.0 + p.roughness_sigma * rough)
        nets.append(supply - 55.0 - p.load_sigma * load - motion)
        lean += -lean * fine / p.attitude_time + math.sqrt(2.0 * fine / p.attitude_time) * rng.normal()
        load += -load * fine / p.load_time + math.sqrt(2.0 * fine / p.load_time) * rng.normal()
        keep = math.exp(-fine / p.roughness_time)
        rough = keep * rough + math.sqrt(1.0 - keep**2) * rng.normal()
    stored = integrate_battery(BATTERY, energy, nets, fine).energy[1:]
    low = np.flatnonzero(stored <= 0.15e6 * (1.0 + 1e-6) + 1.0)
    return stored[9::10], float(low[0] + 1) if low.size else math.inf


def test_coverage_of_futures_that_the_ensemble_has_not_seen() -> None:
    """P10 and P90 hold 10 and 90 of 100 futures made by other code, seeds and steps, also where taper and floor bind."""
    c, p = course(n=40, pv=40.0, motion=90.0), replace(ForecastParameters(members=3000), load_sigma=6.0)
    found = forecast_power(BATTERY, c, 0.172e6, p)
    futures = [brute(c, p, 0.172e6, 5000 + k) for k in range(300)]
    ends = np.array([end for end, _ in futures])
    spread = 3.5 * math.sqrt(0.1 * 0.9 / len(futures))
    for step in (5, 12, 18):
        assert np.mean(ends[:, step] < found.battery_energy[0, step]) == pytest.approx(0.1, abs=spread)
        assert np.mean(ends[:, step] < found.battery_energy[2, step]) == pytest.approx(0.9, abs=spread)
    gone = np.array([g for _, g in futures])
    assert np.isfinite(found.time_to_floor[1])
    assert np.mean(gone < found.time_to_floor[0]) == pytest.approx(0.1, abs=spread)
    assert np.mean(gone < found.time_to_floor[1]) == pytest.approx(0.5, abs=1.7 * spread)


def test_time_to_the_floor() -> None:
    """5 W and 60 W of motion short, through the efficiency, from 30 kJ above the floor; never where there is surplus."""
    steady = Course(np.full(100, 10.0), 50.0, 0.0, 55.0, 60.0)  # type: ignore[arg-type]
    battery = replace(BATTERY, discharge_taper=0.0)
    found = forecast_power(battery, steady, 0.18e6, still())
    assert found.time_to_floor == pytest.approx(np.full(3, 30e3 * 0.95 / 65.0), abs=0.1)
    assert found.battery_energy[1][-1] == pytest.approx(0.15e6)
    surplus = Course(np.full(100, 10.0), 150.0, 0.0, 55.0, 60.0)  # type: ignore[arg-type]
    assert np.isinf(forecast_power(battery, surplus, 0.18e6, still()).time_to_floor).all()
    assert forecast_power(battery, steady, 0.15e6, still()).time_to_floor == pytest.approx(np.zeros(3))


def test_same_seed_same_members() -> None:
    p = ForecastParameters(members=50)
    assert np.array_equal(members_of(course(), p)[0], members_of(course(), p)[0])
    assert not np.array_equal(members_of(course(), p)[0], members_of(course(), replace(p, seed=1))[0])


@pytest.mark.parametrize("bad", [{"step": [0.0]}, {"step": [math.nan]}, {"motion_power": [math.nan]}, {"pv_power": [-1.0]}])
def test_bad_courses_are_refused(bad: dict[str, list[float]]) -> None:
    values = {"step": [1.0], "rtg_power": [1.0], "pv_power": [1.0], "constant_power": [1.0], "motion_power": [1.0], **bad}
    with pytest.raises(InputError, match="forecast"):
        Course(**{name: np.array(value) for name, value in values.items()})


def test_bad_energy_is_refused() -> None:
    for energy in (math.nan, -1.0, 2e6):
        with pytest.raises(InputError, match="energy"):
            forecast_power(BATTERY, course(), energy)


def test_switched_loads_depart_from_what_is_known_now() -> None:
    """The spread grows as sqrt(1 - exp(-2 t/time)), and that of a wrong expectation as 1 - exp(-t/time)."""
    c = course(motion=0.0)
    middle = np.cumsum(c.step) - 0.5 * c.step
    z = float(stats.norm.ppf(0.9))
    process = forecast_power(BATTERY, c, 5.0e5, still(switched_sigma=5.0, switched_time=300.0))
    assert process.load_power[2] - 55.0 == pytest.approx(5.0 * z * np.sqrt(-np.expm1(-2.0 * middle / 300.0)), abs=0.5)
    lasting = forecast_power(BATTERY, c, 5.0e5, still(switched_offset=5.0, switched_time=300.0))
    assert lasting.load_power[2] - 55.0 == pytest.approx(-5.0 * z * np.expm1(-middle / 300.0), abs=0.4)
