"""The rover's own speed kept under its limit: commands near and above it, a rover faster than its wheels say, recovery."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover_energy.control.command import Command
from rover_energy.control.settings import SpeedLimitParameters
from rover_energy.control.speed_limit import MOST, SpeedLimit

LIMIT, DT = 0.5, 0.05


def driven(faster, *, commanded=LIMIT, seconds=20.0, lag=0.1):
    """Speeds [m/s] of a rover that is `faster(t)` times as fast as its command, after a lag of the motors."""
    keeper, speed, speeds = SpeedLimit(LIMIT, SpeedLimitParameters()), 0.0, []
    for t in np.arange(0.0, seconds, DT):
        command = keeper.keep(Command(commanded, 0.0), speed, DT)
        speed += min(1.0, DT / lag) * (command.speed * faster(t) - speed)
        speeds.append(speed)
    return np.array(speeds)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.05, 1.1])
def test_a_rover_that_is_faster_than_its_wheels_settles_below_the_limit(factor):
    speeds = driven(lambda t: factor)
    assert speeds[100:].max() <= LIMIT
    assert speeds[-1] >= min(0.95, 0.96 * factor) * LIMIT  # and not far below it


def test_bumps_of_three_per_cent_exceed_the_limit_much_less_than_without():
    def bumps(t):
        return 1.0 + 0.04 * np.sin(2.0 * np.pi * t / 2.0)

    speeds = driven(bumps, seconds=60.0)[100:]
    free = LIMIT * bumps(np.arange(5.0, 60.0, DT))
    assert np.maximum(speeds - LIMIT, 0.0).sum() < 0.05 * np.maximum(free - LIMIT, 0.0).sum()


def test_the_command_comes_back_after_a_stretch_that_was_too_fast():
    speeds = driven(lambda t: 1.15 if t < 10.0 else 1.0)
    assert speeds[150] <= LIMIT
    aim = (1.0 - SpeedLimitParameters().margin) * LIMIT
    assert speeds[-1] == pytest.approx(aim, abs=1e-3)


def test_commands_well_below_the_limit_are_left_alone():
    keeper, slow = SpeedLimit(LIMIT, SpeedLimitParameters()), Command(0.3, 0.1)
    assert keeper.keep(slow, 0.31, DT) is slow


@given(speed=st.floats(0.0, 2.0), yaw_rate=st.floats(-1.0, 1.0), measured=st.lists(st.floats(-1.0, 5.0), min_size=1, max_size=40))
def test_never_more_speed_than_asked_for_the_same_curvature_and_no_stop(speed, yaw_rate, measured):
    keeper, wish = SpeedLimit(LIMIT, SpeedLimitParameters()), Command(speed, yaw_rate)
    for value in measured:
        kept = keeper.keep(wish, value, DT)
    assert 0.0 <= kept.speed <= min(speed, LIMIT)
    assert kept.yaw_rate * speed == pytest.approx(yaw_rate * kept.speed, abs=1e-12)
    assert kept.speed >= min(speed, 0.9 * (1.0 - MOST) * LIMIT)
