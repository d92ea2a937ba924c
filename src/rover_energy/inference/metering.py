"""Energy windows around work, in the manner of the ML.ENERGY benchmark, with honest back ends.

A window is begun before and ended after the work; what is measured over it depends on the back end. A back end that has
no meter says so: its energy is unmetered, never 0. Energy per unit of work is taken over the steady state only, the
median of several windows after a warm-up.

References
----------
Chung et al. 2025, "The ML.ENERGY Benchmark", arXiv 2505.06371, section 3 (windows, steady state, energy per unit).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from rover_energy.errors import InputError
from rover_energy.inference.energy import UNMETERED, Energy, Provenance
from rover_energy.inference.extras import need

CORE_POWER = 6.0
"""Declared power of one busy core [W], of the class of a flight-like processor. A model constant, not a measurement."""
PAUSE = 0.02  # [s] between single calls
CACHES = 2**25  # [byte] that are overwritten between single calls
QUARTILES = (25.0, 50.0, 75.0)


class Backend(Protocol):
    """Something that can say what was taken between two instants."""

    name: str

    def begin(self) -> Any:
        """Mark of the beginning."""

    def end(self, mark: Any) -> Energy:
        """Energy since the mark."""


@dataclass
class CpuTime:
    """Processor time times a declared power: a model where there is no meter.

    `clock` : processor time [s], of the whole process unless another one is given, such as `time.thread_time`.
    """

    core_power: float = CORE_POWER
    name: str = "cpu_time"
    clock: Callable[[], float] = time.process_time

    def begin(self) -> float:
        """Processor time [s]."""
        return self.clock()

    def end(self, mark: float) -> Energy:
        """[J]"""
        joules = (self.clock() - mark) * self.core_power
        return Energy(joules, Provenance.CPU_TIME_MODEL, detail=f"{self.core_power:g} W per busy core, declared")


@dataclass
class NoMeter:
    """Says that nothing was metered."""

    name: str = "none"

    def begin(self) -> None:
        """Nothing."""

    def end(self, mark: None) -> Energy:
        """Unmetered."""
        return UNMETERED


class Zeus:
    """The meters that Zeus finds: RAPL, GPUs, Jetson. Raises MissingExtraError without Zeus.

    Where the hardware has none, Zeus gives None for the processor and an empty mapping for GPUs: that is unmetered here.
    """

    name = "zeus"

    def __init__(self, monitor: Any = None) -> None:
        self.monitor = monitor or need("zeus.monitor", "metering by hardware", "zeus").ZeusMonitor(approx_instant_energy=False)
        self.count = 0

    def begin(self) -> str:
        """Name of the window."""
        self.count += 1
        self.monitor.begin_window(f"window {self.count}")
        return f"window {self.count}"

    def end(self, mark: str) -> Energy:
        """Sum over the devices that have a meter."""
        found = self.monitor.end_window(mark)
        devices = [found.cpu_energy, found.dram_energy, found.gpu_energy, getattr(found, "soc_energy", None)]
        parts = [float(joules) for device in devices for joules in _values(device)]
        return Energy(math.fsum(parts), Provenance.MEASURED, detail=f"Zeus, {len(parts)} meters") if parts else UNMETERED


def _values(device: Any) -> list[float]:
    values = device.values() if isinstance(device, dict) else [] if device is None else vars(device).values()
    return [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]


def best_backend(core_power: float = CORE_POWER) -> Backend:
    """Zeus where it is installed and a short window shows that it has a meter, else the processor-time model."""
    try:
        zeus = Zeus()
        mark = zeus.begin()
        time.sleep(0.05)
        if zeus.end(mark).metered:
            return zeus
    except Exception:  # whatever a driver may raise, it is no meter
        pass
    return CpuTime(core_power)


@dataclass(frozen=True)
class Measured:
    """One unit of work in the steady state.

    energy : per unit. spread : interquartile range of the windows over their median [-]. latency : 95th percentile of the
    calls [s]. cpu : processor time per unit [s], median. peak_power : largest window's mean power while working [W].
    """

    energy: Energy
    spread: float
    latency: float
    cpu: float
    peak_power: float
    energy_high: float
    units: int

    @property
    def bus_peak(self) -> float:
        """Power to reserve for a run of one thread [W]: what a meter saw; by the model of processor time a core's and no more.

        A window's processor time over its length comes out a little above 1 now and then: that is the clocks' resolution, and
        a peak of 6.01 W would never fit where 6 W are granted.
        """
        return max(self.peak_power, CORE_POWER) if self.energy.provenance is Provenance.MEASURED else CORE_POWER


def steady_state(
    work: Callable[[], Any], units: int, *, backend: Backend | None = None, windows: int = 7, calls: int = 5, warm_up: int = 2
) -> Measured:
    """Measure a repeated call.

    Parameters
    ----------
    work : callable
        One call.
    units : int
        Units of work in one call, 1 or more.
    backend : Backend, optional
        Default the processor-time model.
    windows, calls : int
        Windows, and calls in each.
    warm_up : int
        Calls before the first window, which are not counted.

    Raises
    ------
    InputError
        When a count is below 1.
    """
    for name, value in (("units", units), ("windows", windows), ("calls", calls)):
        if not value >= 1:
            raise InputError("metering", name, "is below 1", "give 1 or more", value)
    meter = backend or CpuTime()
    for _ in range(warm_up):
        work()
    energies, times, processor, powers = [], [], [], []
    for _ in range(windows):
        cpu, mark, began = time.process_time(), meter.begin(), time.perf_counter()
        for _ in range(calls):
            call = time.perf_counter()
            work()
            times.append(time.perf_counter() - call)
        lasted = time.perf_counter() - began
        energies.append(meter.end(mark))
        processor.append((time.process_time() - cpu) / (calls * units))
        powers.append(energies[-1].joules / lasted if lasted > 0.0 else math.nan)
    if not all(e.metered for e in energies):
        return Measured(UNMETERED, math.nan, _quantile(times, 95.0), _quantile(processor, 50.0), math.nan, math.nan, units)
    each = np.array([e.joules for e in energies]) / (calls * units)
    low, middle, high = (float(q) for q in np.percentile(each, QUARTILES))
    energy = Energy(middle, energies[0].provenance, float(np.std(each)), energies[0].detail)
    spread = (high - low) / middle if middle > 0.0 else math.nan
    return Measured(
        energy, spread, _quantile(times, 95.0), _quantile(processor, 50.0), float(np.max(powers)), _quantile(each, 95.0), units
    )


def single_calls(work: Callable[[], Any], units: int, *, calls: int = 60, backend: Backend | None = None) -> Measured:
    """Measure calls far apart, each in a thread of its own with cold caches: what a node pays that answers once a second.

    Each call is a window of its own, after a pause in which the caches are overwritten. Otherwise as `steady_state`, whose
    calls follow each other and cost less. Raises InputError when a count is below 1.
    """
    return calls_in_turn({units: work}, calls=calls, backend=backend)[units]


def calls_in_turn(
    works: Mapping[int, Callable[[], Any]], *, calls: int = 60, backend: Backend | None = None
) -> dict[int, Measured]:
    """As `single_calls` of several sizes, by their units of work, one after the other: what else runs on the machine
    disturbs them alike, so that they can be compared.
    """  # fmt: skip
    for name, value in (("units", min(works, default=0)), ("calls", calls)):
        if not value >= 1:
            raise InputError("metering", name, "is below 1", "give 1 or more", value)
    meter, other = backend or CpuTime(clock=time.thread_time), np.zeros(CACHES // 8)
    windows = {units: _Windows() for units in works}

    def once(units: int) -> None:
        cpu, begun, mark = time.thread_time(), time.perf_counter(), meter.begin()
        works[units]()
        windows[units].energies.append(meter.end(mark))
        windows[units].times.append(time.perf_counter() - begun)
        windows[units].processor.append((time.thread_time() - cpu) / units)

    for work in works.values():
        work()
    for _ in range(calls):
        for units in works:
            other += 1.0
            time.sleep(PAUSE)
            thread = threading.Thread(target=once, args=(units,))
            thread.start()
            thread.join()
    return {units: found.summary(units) for units, found in windows.items()}


@dataclass
class _Windows:
    """What single calls took: energies, times [s], processor time per unit [s]."""

    energies: list[Energy] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def summary(self, units: int) -> Measured:
        """Of calls of so many units."""
        latency, cpu = _quantile(self.times, 95.0), _quantile(self.processor, 50.0)
        if not all(e.metered for e in self.energies):
            return Measured(UNMETERED, math.nan, latency, cpu, math.nan, math.nan, units)
        each = np.array([e.joules for e in self.energies]) / units
        low, middle, high = (float(q) for q in np.percentile(each, QUARTILES))
        energy = Energy(middle, self.energies[0].provenance, float(np.std(each)), self.energies[0].detail)
        peak = max(e.joules / t for e, t in zip(self.energies, self.times, strict=True) if t > 0.0)
        spread = (high - low) / middle if middle > 0.0 else math.nan
        return Measured(energy, spread, latency, cpu, peak, _quantile(each, 95.0), units)


@dataclass(frozen=True)
class LinearPrice:
    """Price of a call by its units of work: a share that every call takes, and the rest in proportion.

    energy, energy_high : per unit [J], where so many as `units` come together, and what 95 % of the calls stay below.
    latency : of such a call [s]. fixed_share : of a call of `units`, what it takes however many there are [-].
    """

    units: int
    energy: Energy
    energy_high: float
    latency: float
    fixed_share: float


def linear_price(found: Mapping[int, Measured], units: int) -> LinearPrice:
    """The line through the call of `units` that is nearest to calls of other sizes, in relative error.

    The upper values hold for all of the sizes: where the line is below one of them, they are raised. Unmetered where one of
    them is. Raises InputError unless `units` is among the sizes.
    """
    if units not in found:
        raise InputError("metering", "units", "is none of the sizes", "measure it too", units)
    base = found[units].energy
    if not all(m.energy.metered and m.energy.joules > 0.0 for m in found.values()):
        return LinearPrice(units, UNMETERED, math.nan, found[units].latency, 0.0)
    sizes = np.array(list(found), dtype=float) / units
    costs = sizes * np.array([m.energy.joules for m in found.values()]) / base.joules
    slope = (1.0 - sizes) / costs
    square = float(slope @ slope)
    share = float(np.clip(slope @ (1.0 - sizes / costs) / square, 0.0, 1.0)) if square > 0.0 else 0.0
    high = [base.joules] + [n * m.energy_high / (share * units + (1.0 - share) * n) for n, m in found.items()]
    latency = [m.latency / (share + (1.0 - share) * math.ceil(n / units)) for n, m in found.items()]
    return LinearPrice(units, base, max(high), max(latency), share)


def _quantile(values: Iterable[float], percent: float) -> float:
    return float(np.percentile(np.fromiter(values, dtype=float), percent))


@dataclass(frozen=True)
class OperatingPoint:
    """A batch size with what it costs."""

    batch: int
    measured: Measured


def best_batch(points: Iterable[OperatingPoint], limit: float) -> OperatingPoint | None:
    """The point of least energy per unit whose call ends within `limit` [s]; None without one. Unmetered ones are left out."""
    fitting = [p for p in points if p.measured.latency <= limit and p.measured.energy.metered]
    return min(fitting, key=lambda p: (p.measured.energy.joules, p.batch), default=None)
