"""The audit of a drive, against windows made by hand."""

from __future__ import annotations

import math

import pytest

from rover_energy.telemetry.audit import Audit


def audited(totals: list[float], available: float = 100.0, margin: float = 10.0, times: list[float] | None = None) -> Audit:
    audit = Audit()
    for k, total in enumerate(totals):
        time = 5.0 + 0.02 * k if times is None else times[k]
        audit.add(time, total=total, motion=total - 55.0, available=available, battery_margin=margin, generated=110.0)
    return audit


def test_figures() -> None:
    audit = audited([60.0, 70.0, 90.0, 80.0])
    assert (audit.windows, audit.over, audit.missing) == (3, 0, 0)
    assert audit.energy == pytest.approx(240.0 * 0.02)
    assert audit.motion_energy == pytest.approx((240.0 - 165.0) * 0.02)
    assert (audit.peak_power, audit.least_margin) == (90.0, 10.0)
    assert audit.peak_time == pytest.approx(0.04)
    assert audit.passed


@pytest.mark.parametrize(("total", "over"), [(100.0, 0), (100.0 + 1e-6, 1), (math.inf, 0)])
def test_limit_itself_is_allowed(total: float, over: int) -> None:
    audit = audited([60.0, total])
    assert audit.over == over
    assert audit.passed is (total == 100.0)


def test_what_cannot_be_judged_fails() -> None:
    assert audited([60.0, math.nan, 60.0]).missing == 1
    assert not audited([60.0, math.nan, 60.0]).passed
    assert not audited([60.0, 60.0], available=math.nan).passed
    assert not audited([60.0, 60.0], margin=math.nan).passed
    assert not audited([60.0]).passed, "nothing was judged"
    assert not audited([60.0, 60.0], margin=-1.0).passed


def test_gaps_are_missing_windows() -> None:
    audit = audited([60.0, 60.0, 60.0], times=[0.0, 0.02, 0.12])
    assert audit.missing == 4
    assert audit.step == pytest.approx(0.10)
    assert not audit.passed


def test_repeated_and_late_windows_do_not_count_twice() -> None:
    assert audited([60.0, 60.0, 60.0, 60.0], times=[0.0, 0.02, 0.02, 0.01]).windows == 1
