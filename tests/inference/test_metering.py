"""Windows, traces and quotes: what has no meter is unmetered, integrals are those of scipy, fits are those of a closed form."""

from __future__ import annotations

import itertools
import math
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from rover_energy.errors import InputError
from rover_energy.inference.energy import UNMETERED, Energy, Provenance, Total
from rover_energy.inference.melodi import Trace, integrate, read_calls, read_trace
from rover_energy.inference.metering import (
    CpuTime,
    Measured,
    NoMeter,
    OperatingPoint,
    Zeus,
    best_batch,
    calls_in_turn,
    linear_price,
    single_calls,
    steady_state,
)
from rover_energy.inference.quotes import determination, fit_quotes


class Monitor:
    """A Zeus monitor with the devices it is told."""

    def __init__(self, **devices: Any) -> None:
        self.found = {"cpu_energy": None, "dram_energy": None, "gpu_energy": {}, "soc_energy": None, **devices}

    def begin_window(self, name: str) -> None:
        self.name = name

    def end_window(self, name: str) -> SimpleNamespace:
        assert name == self.name
        return SimpleNamespace(**self.found)


@pytest.mark.parametrize("devices", [{}, {"gpu_energy": None}, {"cpu_energy": {}}, {"cpu_energy": {0: math.nan}}])
def test_zeus_without_a_meter_is_unmetered(devices: dict[str, Any]) -> None:
    meter = Zeus(Monitor(**devices))
    assert not meter.end(meter.begin()).metered


def test_zeus_adds_its_meters() -> None:
    meter = Zeus(Monitor(cpu_energy={0: 2.0, 1: 3.0}, gpu_energy={0: 7.0}, soc_energy=SimpleNamespace(cpu=1.0, gpu=None)))
    energy = meter.end(meter.begin())
    assert (energy.joules, energy.provenance) == (13.0, Provenance.MEASURED)


def test_the_real_zeus_says_the_same_here() -> None:
    pytest.importorskip("zeus", reason="zeus is not installed: pip install 'rover-energy[infer]'")
    meter = Zeus()
    energy = meter.end(meter.begin())
    assert energy.joules > 0.0 if energy.metered else math.isnan(energy.joules)


def test_unmetered_spreads_and_is_never_zero() -> None:
    assert not Energy(math.nan, Provenance.MEASURED).metered
    assert not Energy(-1.0, Provenance.MEASURED).metered
    assert not Energy(5.0, Provenance.UNKNOWN).metered
    total = Total.of([Energy(1.0, Provenance.MEASURED), Energy(2.0, Provenance.CPU_TIME_MODEL)])
    assert (total.whole, total.weakest) == (3.0, Provenance.CPU_TIME_MODEL)
    total.add(UNMETERED)
    assert math.isnan(total.whole)
    assert (total.known, total.unmetered) == (3.0, 1)


def test_cpu_time_counts_work_and_not_sleep() -> None:
    meter = CpuTime(core_power=10.0)
    mark = meter.begin()
    time.sleep(0.1)
    asleep = meter.end(mark)
    assert asleep.joules < 0.5
    mark, end = meter.begin(), time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert meter.end(mark).joules == pytest.approx(0.5, abs=0.1)


def test_steady_state_per_unit() -> None:
    def work() -> None:
        end = time.process_time() + 0.004
        while time.process_time() < end:
            pass

    m = steady_state(work, 4, backend=CpuTime(10.0), windows=3, calls=2)
    assert m.energy.joules == pytest.approx(0.01, rel=0.3)
    assert m.latency >= 0.004
    blind = steady_state(work, 4, backend=NoMeter(), windows=2, calls=1)
    assert not blind.energy.metered
    assert blind.cpu == pytest.approx(0.001, rel=0.3)
    slow, fast = OperatingPoint(64, m), OperatingPoint(1, blind)
    assert best_batch([slow, fast], 1.0) == slow, "the unmetered one is not free"
    assert best_batch([slow], 1e-4) is None
    with pytest.raises(InputError):
        steady_state(work, 0)


def test_trapezoids_of_a_power_trace() -> None:
    t = np.linspace(0.0, 10.0, 101)
    trace = Trace(t, 5.0 + 3.0 * t)
    assert integrate(trace, 1.234, 6.0, after=0.2).joules == pytest.approx(quad(lambda x: 5.0 + 3.0 * x, 1.234, 6.2)[0])
    assert not integrate(trace, 8.0, 9.9).metered, "not covered"
    assert not integrate(trace, 5.0, 4.0).metered
    holes = Trace(np.delete(t, range(40, 60)), np.delete(trace.power, range(40, 60)))
    assert not integrate(holes, 3.0, 7.0).metered
    assert integrate(holes, 1.0, 3.0).metered


def test_published_layouts_are_read_by_name(tmp_path: Path) -> None:
    rows = ["Unnamed: 0,timestamp,datetime,consumption,exe", "0,100.0,x,2.0,a", "1,100.1,x,,a", "2,100.1,x,4.0,a"]
    (tmp_path / "power.csv").write_text("\n".join([*rows, "3,100.1,x,6.0,a", "4,100.3,x,1.0,a"]), encoding="utf-8")
    trace = read_trace(tmp_path / "power.csv")
    assert trace.time.tolist() == [100.0, 100.1, 100.3]
    assert trace.power.tolist() == [2.0, 5.0, 1.0]
    table = "index,model_name,prompt_token_length,response_token_length,total_duration,energy_consumption_llm_total,type"
    path = tmp_path / "alpaca_gemma_2b_laptop2.csv"
    path.write_text(f"{table}\n0,gemma:2b,12,100,2500000000,0.0001,x\n1,gemma:2b,9,50,1e9,,x\n")
    calls = read_calls(path)
    assert (calls[0].hardware, calls[0].duration, calls[0].energy) == ("laptop2", 2.5, pytest.approx(360.0))
    assert math.isnan(calls[1].energy), "no meter is not 0 J"


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "has none"), ("a,b\n1,2\n", "column is missing"), ("timestamp,consumption\n1,x\n", "line 2, consumption = 'x'"),
     ("timestamp,consumption\n1,1\n", "fewer than 2"), ("timestamp,consumption\n1,1\n2,-1\n", "is negative")],
)
def test_bad_traces_are_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_trace(tmp_path / "t.csv")
    with pytest.raises(InputError, match="file"):
        read_trace(tmp_path / "none.csv")


def runs(seed: int, n: int = 300) -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    names = [("small", "large")[i] for i in rng.integers(0, 2, n)]
    amount = rng.integers(1, 200, n).astype(float)
    mean = np.array([0.02 + 0.001 * a if m == "small" else 0.1 + 0.01 * a for m, a in zip(names, amount, strict=True)])
    return names, amount, mean * np.exp(rng.normal(0.0, 0.05, n))


def test_quotes_find_the_law_and_its_spread() -> None:
    names, amount, joules = runs(0)
    model = fit_quotes(names, amount, joules)
    assert model.mean("small", 100.0) == pytest.approx(0.12, rel=0.03)
    assert model.mean("large", 100.0) == pytest.approx(1.1, rel=0.03)
    fresh = runs(1)
    inside = [q.low <= j <= q.high for q, j in ((model.quote(m, a), j) for m, a, j in zip(*fresh, strict=True))]
    assert np.mean(inside) == pytest.approx(0.8, abs=0.06)
    assert abs(model.surprise("large", 100.0, 1.1)) < 1.0
    assert model.surprise("large", 100.0, 2.2) > 10.0
    flat = fit_quotes(names, amount, joules, terms=("amount",))
    predict = [flat.mean(m, a) for m, a in zip(names, amount, strict=True)]
    full = [model.mean(m, a) for m, a in zip(names, amount, strict=True)]
    assert determination(joules, full) > 0.97 > determination(joules, predict)


def test_quotes_refuse_what_they_cannot_know() -> None:
    names, amount, joules = runs(0)
    model = fit_quotes(names, amount, joules)
    for name, amount_ in (("huge", 1.0), ("small", math.nan), ("small", 0.0)):
        with pytest.raises(InputError):
            model.mean(name, amount_)
    with pytest.raises(InputError, match="leave unmetered runs out"):
        fit_quotes(names, amount, np.where(amount > 100, np.nan, joules))
    with pytest.raises(InputError, match="no more than the"):
        fit_quotes(names[:4], amount[:4], joules[:4])


def test_single_calls_are_windows_of_their_own() -> None:
    """Half of the calls cost four times as much: the median lies between, the 95 % value at the dear ones; units divide."""
    costs = itertools.cycle([0.004, 0.016])

    def work() -> None:
        end = time.thread_time() + next(costs)
        while time.thread_time() < end:
            pass

    made = single_calls(work, 4, calls=10)
    assert 0.9 * 6.0 * 0.004 / 4 < made.energy.joules < 1.5 * 6.0 * 0.016 / 4
    assert made.energy_high == pytest.approx(6.0 * 0.016 / 4, rel=0.25)
    assert made.energy.provenance is Provenance.CPU_TIME_MODEL
    assert made.latency >= 0.016
    with pytest.raises(InputError, match="calls"):
        single_calls(work, 1, calls=0)
    assert not single_calls(lambda: None, 1, calls=2, backend=NoMeter()).energy.metered


def test_processor_time_of_one_thread_leaves_others_out() -> None:
    own, whole = CpuTime(clock=time.thread_time), CpuTime()
    marks = own.begin(), whole.begin()

    def burn() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    other = threading.Thread(target=burn)
    other.start()
    other.join()
    assert own.end(marks[0]).joules < 0.1 < whole.end(marks[1]).joules


def test_disturbed_runs_hardly_move_the_fit() -> None:
    """A tenth of the runs took thrice as much: plain least squares is off by far more than the robust fit."""
    rng = np.random.default_rng(0)
    names = ["a" if v else "b" for v in rng.random(200) < 0.5]
    amounts = rng.uniform(5.0, 50.0, 200)
    clean = np.array([(0.1 if n == "a" else 0.4) * m + 0.2 for n, m in zip(names, amounts, strict=True)])
    joules = clean * (1.0 + 0.02 * rng.normal(size=200)) * np.where(rng.random(200) < 0.1, 3.0, 1.0)
    made = fit_quotes(names, amounts, joules)
    assert made.mean("a", 30.0) == pytest.approx(3.2, rel=0.03)
    assert made.mean("b", 30.0) == pytest.approx(12.2, rel=0.03)


def measured(units: int, joules: float, *, high: float = 1.1, latency: float = 0.01) -> Measured:
    """A call of so many units that took so much in all."""
    energy = Energy(joules / units, Provenance.CPU_TIME_MODEL)
    return Measured(energy, 0.0, latency, 0.0, 6.0, high * joules / units, units)


def test_a_price_by_a_line_is_that_line() -> None:
    """0.3 J for every call and 0.05 J for a unit: of 16 units' 1.1 J three elevenths are fixed."""
    price = linear_price({n: measured(n, 0.3 + 0.05 * n) for n in (1, 16, 256)}, 16)
    assert price.fixed_share == pytest.approx(0.3 / 1.1)
    assert (price.energy.joules, price.energy_high) == pytest.approx((1.1 / 16, 1.1 * 1.1 / 16))
    assert linear_price({16: measured(16, 1.0)}, 16).fixed_share == 0.0
    assert linear_price({n: measured(n, 0.05 * n) for n in (1, 256, 16)}, 16).fixed_share == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_a_price_by_a_line_is_nearest_and_its_upper_values_hold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = {n: measured(n, float(rng.uniform(0.8, 1.2) * (0.5 + 0.05 * n)), latency=0.01 * n) for n in (1, 4, 16, 64, 256)}
    price = linear_price(found, 16)

    def line(n: int, share: float) -> float:
        return share * 16 + (1.0 - share) * n

    def error(share: float) -> float:
        base = found[16].energy.joules
        return sum((line(n, share) * base / (n * m.energy.joules) - 1.0) ** 2 for n, m in found.items())

    assert error(price.fixed_share) <= min(error(s) for s in np.linspace(0.0, 1.0, 2001)) + 1e-12
    for n, m in found.items():
        assert price.energy_high * line(n, price.fixed_share) >= n * m.energy_high * (1.0 - 1e-12)
        assert price.latency * (price.fixed_share + (1.0 - price.fixed_share) * math.ceil(n / 16)) >= m.latency * (1.0 - 1e-12)


def test_a_price_without_a_meter_is_unmetered() -> None:
    found = {n: measured(n, math.nan) for n in (1, 16)}
    assert not linear_price(found, 16).energy.metered
    with pytest.raises(InputError, match="units = 8: is none of the sizes"):
        linear_price(found, 8)


def test_calls_in_turn_are_kept_apart_by_size() -> None:
    """A meter that counts calls: every size is called so often, the sizes one after the other."""
    order: list[int] = []
    found = calls_in_turn({n: lambda n=n: order.append(n) for n in (1, 4)}, calls=3)
    assert order == [1, 4] * 4, "one of each to warm up"
    assert [m.units for m in found.values()] == [1, 4]
    with pytest.raises(InputError, match="units = 0: is below 1"):
        calls_in_turn({0: list}, calls=3)


def test_the_peak_of_one_thread_is_a_core_by_the_model_and_the_meters_word_by_a_meter() -> None:
    """6.01 W of a model with 6 W a core are the clocks' resolution; 7 W that a meter saw are 7 W."""
    modelled = Energy(0.1, Provenance.CPU_TIME_MODEL, 6.0, "core")
    assert Measured(modelled, 0.0, 0.1, 0.1, 6.01, 0.1, 1).bus_peak == 6.0
    assert Measured(Energy(0.1, Provenance.MEASURED), 0.0, 0.1, 0.1, 7.0, 0.1, 1).bus_peak == 7.0
