"""What an operator is shown: right values, and never an old or missing one as if it were good."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace
from typing import Any

import pytest
from views_cases import BASE, CAPACITY, FLOOR, INFERENCE, Maker, available, drive_power, place

from rover_energy.views.dashboard import HEIGHT, WIDTH, bar, course, number, screen
from rover_energy.views.status import BUNDLE, Status


@pytest.fixture(scope="module")
def make() -> Maker:
    return Maker()


def fed(make: Maker, until: float, step: float = 0.02, status: Status | None = None, **power: Any) -> Status:
    status = status or Status()
    for i in range(round(until / step) + 1):
        t = i * step
        status.add("power_state", make.power(t, **power), round(t * 1e9))
        status.add("odom", make.odometry(t), round(t * 1e9))
    return status


def drawn(status: Status) -> list[str]:
    """Lines as they stand on a terminal of 80 x 24."""
    text = io.StringIO()
    console = pytest.importorskip("rich.console", reason="rich is not installed").Console(width=WIDTH, file=text)
    console.print(screen(status, "test"))
    return text.getvalue().splitlines()


def test_values_and_extremes(make: Maker) -> None:
    s = fed(make, 5.0)
    totals = [BASE + INFERENCE + drive_power(0.02 * i) for i in range(251)]
    margins = [available(0.02 * i) - total for i, total in enumerate(totals)]
    assert s.total == pytest.approx(totals[-1])
    assert s.margin == pytest.approx(margins[-1])
    assert s.peak == pytest.approx(max(totals))
    assert s.least_margin == pytest.approx(min(margins))
    assert s.over == sum(m < 0.0 for m in margins) == 0
    assert (s.energy, s.floor, s.capacity) == pytest.approx((2975.0, FLOOR, CAPACITY))
    assert s.place == pytest.approx(place(5.0))
    assert s.heading == pytest.approx(math.atan2(0.3, 0.4))
    assert len(s.course) == 251 // BUNDLE
    assert s.alarms() == []


def test_more_than_there_is(make: Maker) -> None:
    s = fed(make, 1.0, over=200.0)
    assert s.over == 51
    assert s.alarms() == [f"OVER {-s.margin:.1f}W"]
    assert "!" in course(s)[1]


@pytest.mark.parametrize(("bits", "alarm"), [(31 - 8, "POWER NOT KNOWN"), (31 - 4, "BATTERY NOT KNOWN")])
def test_what_is_declared_invalid_is_an_alarm(make: Maker, bits: int, alarm: str) -> None:
    s = fed(make, 0.1, validity=bits)
    assert alarm in s.alarms()
    assert any(alarm in line for line in drawn(s))


def test_silence_is_an_alarm_and_old_values_vanish(make: Maker) -> None:
    s = fed(make, 1.0)
    total = number(s.total, 1)
    assert any(total in line for line in drawn(s))
    s.add("odom", make.odometry(4.0), round(4e9))
    assert s.alarms() == ["POWER 3s OLD"]
    assert not any(total in line for line in drawn(s))
    assert Status().alarms() == ["NO POWER DATA", "NO POSE"]


def test_when_everything_stops_real_time_counts(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation that has died takes its clock with it."""
    now = [100.0]
    monkeypatch.setattr("rover_energy.views.status.clock", SimpleNamespace(monotonic=lambda: now[0]))
    live, recorded = fed(make, 1.0, status=Status(live=True)), fed(make, 1.0)
    now[0] += 3.0
    assert live.alarms() == ["POWER 3s OLD", "POSE 3s OLD"]
    assert recorded.alarms() == []


def test_time_that_goes_back_begins_anew(make: Maker) -> None:
    s = fed(make, 0.2)
    s.add("power_state", make.power(500.0), round(500e9))
    s.add("power_state", make.power(0.02), round(0.02e9))
    assert s.now == pytest.approx(0.02)
    assert math.isinf(s.age("odom"))


def test_live_messages_without_a_stamp_do_not_move_time(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live, log times are the wall's and stamps may be a simulation's. A trajectory that was kept for latecomers tells no end."""
    now = [100.0]
    monkeypatch.setattr("rover_energy.views.status.clock", SimpleNamespace(monotonic=lambda: now[0]))
    wall, trajectory = 1_795_000_000 * 10**9, SimpleNamespace(plan_id="north", duration=60.0, pieces=[1])
    s = Status(live=True)
    s.add("trajectory", trajectory, wall)
    s.add("power_state", make.power(7.0), wall)
    assert s.now == pytest.approx(7.0)
    assert math.isnan(s.remaining)
    now[0] += 10.0
    s.add("trajectory", trajectory, wall)
    assert s.now == pytest.approx(7.0)
    assert s.remaining == pytest.approx(60.0)


def test_health_and_verdict(make: Maker) -> None:
    s = fed(make, 1.0)
    items = [SimpleNamespace(name="power: bus", level=b"\x02", message="not balanced"),
             SimpleNamespace(name="power: motors", level=0, message="agree")]  # fmt: skip
    s.add("/diagnostics", SimpleNamespace(status=items), round(1e9))
    assert s.alarms() == ["POWER: BUS ERROR"]
    s.add("trajectory", SimpleNamespace(plan_id="north", duration=60.0, pieces=[1]), round(1e9))
    assert s.remaining == pytest.approx(60.0)
    assert any("north: 60 s left" in line for line in drawn(s))
    s.add("compliance", SimpleNamespace(passed=False, text="3 windows over"), round(1e9))
    assert s.alarms() == ["POWER: BUS ERROR", "LIMITS NOT KEPT"]
    assert any("3 windows over" in line for line in drawn(s))


def test_the_picture_fits_the_terminal(make: Maker) -> None:
    s = fed(make, 60.0, step=0.05)
    items = [SimpleNamespace(name=f"subsystem number {i} " * 5, level=i % 4, message="words " * 30) for i in range(30)]
    s.add("/diagnostics", SimpleNamespace(status=items), round(60e9))
    for status in (s, Status(), fed(make, 0.1, validity=0)):
        lines = drawn(status)
        assert len(lines) <= HEIGHT
        assert max(map(len, lines)) <= WIDTH


def test_bars() -> None:
    assert bar(5.0, 10.0, 10) == "█████░░░░░"
    assert bar(5.0, 10.0, 10, mark=8.0) == "█████░░░│░"
    assert bar(math.nan, 10.0, 4) == bar(1.0, 0.0, 4) == "····"
    assert number(math.nan, 1, " W") == "-- W"
