"""Switched loads: leases, ranks, refusals and the shedding ladder, against scenarios worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from rover_energy.power.switched import Refused, SheddingParameters, Switchboard, SwitchedLoad, Wish

CAMERA = SwitchedLoad(name="camera", power=8.0, priority=10)
RADIO = SwitchedLoad(name="radio", power=12.0, priority=200)
HEATER = SwitchedLoad(name="heater", power=5.0, priority=0, sheddable=False, enabled=True)
WISH = Wish("camera", "operator", 0.0, True, math.inf, 10.0, 100)
PLENTY = {"spare": 100.0, "spare_energy": math.inf}


def board(**shedding: float) -> Switchboard:
    return Switchboard((CAMERA, RADIO, HEATER), SheddingParameters(**shedding))


def test_safe_states_at_first() -> None:
    assert board().reserved == 5.0


def test_power_is_reserved_before_it_is_drawn() -> None:
    b = board()
    assert b.command(WISH, 0.0, **PLENTY) is None
    camera = b.states["camera"]
    assert (camera.reserved, camera.power(0.0), camera.power(b.delay)) == (8.0, 0.0, 8.0)


def test_a_lease_ends_by_itself() -> None:
    b = board()
    b.command(WISH, 0.0, **PLENTY)
    assert b.update(9.99, 50.0) == []
    assert b.update(10.0, 50.0) == ["camera"]
    assert b.reserved == 5.0


def test_a_load_that_is_on_when_safe_comes_back() -> None:
    b = board()
    assert b.command(replace(WISH, name="heater", enabled=False), 0.0, **PLENTY) is None
    assert b.reserved == 0.0
    b.update(10.0, 50.0)
    assert b.reserved == 5.0


@pytest.mark.parametrize(
    ("change", "now", "spare", "energy", "refused"),
    [
        ({"power_limit": math.nan}, 0.0, 100.0, math.inf, Refused.INVALID_REQUEST),
        ({"lifetime": math.inf}, 0.0, 100.0, math.inf, Refused.INVALID_REQUEST),
        ({"lifetime": 0.0}, 0.0, 100.0, math.inf, Refused.INVALID_REQUEST),
        ({"stamp": math.nan}, 0.0, 100.0, math.inf, Refused.INVALID_REQUEST),
        ({"name": "laser"}, 0.0, 100.0, math.inf, Refused.UNKNOWN_LOAD),
        ({}, 10.0, 100.0, math.inf, Refused.STALE_COMMAND),
        ({}, 0.0, 7.9, math.inf, Refused.INSUFFICIENT_POWER),
        ({}, 0.0, math.nan, math.inf, Refused.INSUFFICIENT_POWER),
        ({}, 0.0, 100.0, 79.0, Refused.INSUFFICIENT_ENERGY),
        ({}, 0.0, 100.0, math.nan, Refused.INSUFFICIENT_ENERGY),
        ({"power_limit": 3.0}, 0.0, 3.0, 30.0, None),
        ({"enabled": False}, 0.0, -5.0, 0.0, None),
    ],
)
def test_refusals(change: dict, now: float, spare: float, energy: float, refused: Refused | None) -> None:  # type: ignore[type-arg]
    b = board()
    assert b.command(replace(WISH, **change), now, spare=spare, spare_energy=energy) is refused
    if refused is not None:
        assert b.reserved == 5.0


def test_rank_holds_until_the_lease_ends() -> None:
    b = board()
    b.command(replace(WISH, priority=150), 0.0, **PLENTY)
    other = replace(WISH, issuer="planner", enabled=False, lifetime=100.0)
    assert b.command(other, 5.0, **PLENTY) is Refused.OUTRANKED
    assert b.command(replace(WISH, enabled=False), 5.0, **PLENTY) is None, "the holder itself may change its mind"
    b.command(replace(WISH, priority=150), 5.0, **PLENTY)
    assert b.command(other, 10.5, **PLENTY) is None


def test_ladder_sheds_lowest_first_one_at_a_time_and_never_the_protected() -> None:
    b = board(shed_after=0.1)
    for name in ("camera", "radio"):
        b.command(replace(WISH, name=name, lifetime=1e6), 0.0, **PLENTY)
    shed = []
    for k in range(100):
        shed += [(round(0.02 * k, 2), name) for name in b.update(0.02 * k, -1.0)]
    assert shed == [(0.1, "camera"), (0.22, "radio")]
    assert b.reserved == 5.0


def test_what_is_not_a_number_counts_as_short() -> None:
    b = board(shed_after=0.0)
    b.command(replace(WISH, lifetime=1e6), 0.0, **PLENTY)
    assert b.update(0.0, math.nan) == ["camera"]


def test_restoring_has_hysteresis_and_goes_the_other_way_round() -> None:
    b = board(shed_after=0.0, restore_above=5.0, restore_after=1.0)
    for name in ("camera", "radio"):
        b.command(replace(WISH, name=name, lifetime=1e6), 0.0, **PLENTY)
    b.update(0.0, -1.0)
    b.update(0.02, -1.0)
    assert b.reserved == 5.0
    assert [b.update(0.5 * k, 16.9) for k in range(1, 10)] == [[]] * 9, "12 W and 5 W must be left over"
    back = [(k, name) for k in range(10, 20) for name in b.update(0.5 * k, 17.1)]
    assert back == [(12, "radio"), (15, "camera")]


def test_an_interrupted_surplus_starts_anew() -> None:
    b = board(shed_after=0.0, restore_above=5.0, restore_after=1.0)
    b.command(replace(WISH, lifetime=1e6), 0.0, **PLENTY)
    b.update(0.0, -1.0)
    found = [b.update(t, spare) for t, spare in ((1.0, 20.0), (1.9, 20.0), (1.95, 12.9), (2.0, 20.0), (2.9, 20.0), (3.0, 20.0))]
    assert found == [[], [], [], [], [], ["camera"]]


def test_energy_is_metered_from_the_switch_on() -> None:
    b = board()
    b.command(WISH, 0.0, **PLENTY)
    for k in range(100):
        b.meter(0.02 * k, 0.02)
    assert b.states["camera"].energy == pytest.approx(8.0 * (2.0 - 0.06))
    assert b.states["heater"].energy == pytest.approx(10.0)


def test_a_load_may_give_way_to_motion_before_others() -> None:
    """With 10 W to be left for motion it goes at 7 W left over, though its rank is high; it comes back at 8 + 10 + 5 W."""
    load = SwitchedLoad(name="networks", power=8.0, priority=100, enabled=True, motion=10.0)
    b = Switchboard((CAMERA, load), SheddingParameters(shed_after=0.0, restore_after=0.0, restore_above=5.0))
    b.command(WISH, 0.0, **PLENTY)
    assert b.update(0.0, 10.0) == []
    assert b.update(0.1, 7.0) == ["networks"]
    assert b.update(0.2, 7.0) == [], "7 W are enough for the camera's rule"
    assert b.update(0.3, 22.9) == []
    assert b.update(0.4, 23.0) == ["networks"]
    assert b.update(0.5, math.nan) == ["camera"], "of two that are short, the lower rank goes first"
